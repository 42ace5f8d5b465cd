//! A way into a cluster: `ephemeral "kubeone_kubeconfig"`, and the kubeconfig that a cluster may keep in the state.

mod ephemeral;
pub(crate) mod in_state;
mod mint;

pub(crate) use ephemeral::EphemeralKubeconfig;
