//! The pod and service network of the cluster.

use std::fmt;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// Subnets, DNS domain and network plugin of the cluster. None of them can be changed once the cluster exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterNetwork {
    /// Subnet of pod addresses, in CIDR notation.
    #[schemars(extend("x-immutable" = true))]
    pub pod_subnet: Subnet,
    /// Subnet of service addresses, in CIDR notation.
    #[schemars(extend("x-immutable" = true))]
    pub service_subnet: Subnet,
    /// DNS domain of services.
    #[schemars(extend("x-immutable" = true))]
    pub cluster_domain: String,
    /// Network plugin: `canal` (Calico network policies over flannel's VXLAN), or `none` to install one yourself.
    #[schemars(extend("x-immutable" = true))]
    pub cni: Cni,
}

impl Default for ClusterNetwork {
    fn default() -> Self {
        Self {
            pod_subnet: Subnet::new([10, 244, 0, 0], 16),
            service_subnet: Subnet::new([10, 96, 0, 0], 12),
            cluster_domain: "cluster.local".to_owned(),
            cni: Cni::Canal,
        }
    }
}

/// The network plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Cni {
    #[default]
    Canal,
    None,
}

/// A subnet in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Subnet(pub IpNet);

impl Subnet {
    fn new(address: [u8; 4], prefix: u8) -> Self {
        Self(IpNet::new_assert(std::net::IpAddr::from(address), prefix))
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            serde::de::Error::custom(format!("`{text}` is not a subnet: write CIDR notation, such as `10.244.0.0/16`"))
        })
    }
}

impl JsonSchema for Subnet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Subnet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["10.0.0.0/8"] })
    }

    fn inline_schema() -> bool {
        true
    }
}
