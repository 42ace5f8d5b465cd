//! When control plane certificates are renewed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding, Span};

/// When control plane certificates are renewed. kubeadm issues them for one year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Certificates {
    /// Renew the certificates of a control plane that expire within this time. The plan shows the renewal once it is
    /// due. Apply renews one control plane at a time and restarts only what uses the certificates.
    pub renew_before: Span,
    /// Any new value renews the certificates of all control planes once, whenever they expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_trigger: Option<String>,
}

impl Default for Certificates {
    fn default() -> Self {
        Self { renew_before: Span(Duration::from_hours(30 * 24)), renew_trigger: None }
    }
}

/// Certificates are valid for one year. Renewed at half of it, they are never due again right after a renewal.
const LONGEST: Duration = Duration::from_hours(4380);

pub(crate) fn findings(certificates: &Certificates) -> Option<Finding> {
    (certificates.renew_before.0 > LONGEST).then(|| {
        Finding::error(
            FieldPath::root("certificates").field("renew_before"),
            format!("{} is more than half a year", certificates.renew_before),
            "Certificates expire one year after they are issued, so they would be due again too soon after a renewal. Write \
             at most `4380h`. To renew them now, change `renew_trigger`.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_month_and_more_than_half_a_year_is_refused() {
        let certificates = Certificates::default();
        assert_eq!(certificates.renew_before.to_string(), "720h");
        assert_eq!(findings(&certificates), None);
        let eager = Certificates { renew_before: "4381h".parse().unwrap(), ..certificates };
        assert_eq!(findings(&eager).unwrap().path.to_string(), "certificates.renew_before");
    }
}
