//! Messages and services generated from `proto/`.

/// The services and messages of a Terraform provider.
#[expect(clippy::pedantic, clippy::allow_attributes, unreachable_pub, unused_qualifications, reason = "generated code")]
pub(crate) mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

/// The services every plugin offers to the program that started it.
#[expect(clippy::pedantic, clippy::allow_attributes, unreachable_pub, unused_qualifications, reason = "generated code")]
pub(crate) mod plugin {
    tonic::include_proto!("plugin");
}
