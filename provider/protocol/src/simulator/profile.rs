//! What different versions of Terraform and OpenTofu can do.

use crate::proto::tfplugin6 as proto;

/// A version of Terraform or OpenTofu to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    pub version: &'static str,
    pub write_only: bool,
    pub identity: bool,
    /// Actions, list resources and generated configuration.
    pub actions: bool,
    /// Keeps what the first plan answered for the second one.
    pub planned_private: bool,
    pub deferral: bool,
}

impl Profile {
    pub const TERRAFORM_1_5: Self = Self {
        version: "1.5.7",
        write_only: false,
        identity: false,
        actions: false,
        planned_private: false,
        deferral: false,
    };
    pub const TERRAFORM_1_11: Self = Self { version: "1.11.4", write_only: true, ..Self::TERRAFORM_1_5 };
    pub const TERRAFORM_1_12: Self = Self { version: "1.12.2", identity: true, ..Self::TERRAFORM_1_11 };
    pub const TERRAFORM_1_14: Self = Self { version: "1.14.3", actions: true, ..Self::TERRAFORM_1_12 };
    pub const TERRAFORM_1_16: Self = Self { version: "1.16.0", planned_private: true, ..Self::TERRAFORM_1_14 };
    pub const OPENTOFU_1_11: Self = Self { version: "1.11.5", write_only: true, ..Self::TERRAFORM_1_5 };
    pub const OPENTOFU_1_12: Self = Self { version: "1.12.6", identity: true, ..Self::OPENTOFU_1_11 };

    pub const ALL: [Self; 7] = [
        Self::TERRAFORM_1_5,
        Self::TERRAFORM_1_11,
        Self::TERRAFORM_1_12,
        Self::TERRAFORM_1_14,
        Self::TERRAFORM_1_16,
        Self::OPENTOFU_1_11,
        Self::OPENTOFU_1_12,
    ];

    pub(super) fn capabilities(self) -> proto::ClientCapabilities {
        proto::ClientCapabilities {
            deferral_allowed: self.deferral,
            write_only_attributes_allowed: self.write_only,
            store_planned_private: self.planned_private,
            computed_blocks_allowed: self.planned_private,
        }
    }
}
