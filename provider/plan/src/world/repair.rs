//! How renewals and repairs change the simulated world.

use kubeone_desired::KUBE_PROXY;
use kubeone_facts::ApiState;
use kubeone_spec::Role;

use super::{Extent, IN_A_YEAR, NOW, World};
use crate::renewal::{API_SERVER_CERTIFICATE, KUBELET_CERTIFICATE, renewal};
use crate::repair::{Repair, on_host};

impl World {
    pub(super) fn renew(&mut self, host: &str, extent: Extent) {
        let spec = self.wanted.spec.clone();
        let now = self.observed.observed_at.clone();
        let facts = self.facts(host);
        let Some(renewal) = renewal(&spec, facts, &now) else { return };
        facts.renewal_begun = renewal.certificates.iter().map(|certificate| certificate.name.to_owned()).collect();
        let renewed = match extent {
            Extent::Early => 0,
            Extent::Middle => renewal.certificates.len() / 2,
            Extent::Late | Extent::Whole => renewal.certificates.len(),
        };
        for certificate in &renewal.certificates[..renewed] {
            facts.certificates.insert(certificate.path.to_owned(), IN_A_YEAR.to_owned());
            if renewal.new_names && certificate.path == API_SERVER_CERTIFICATE {
                facts.api_server_names.clone_from(&spec.api_endpoint.alternative_names);
            }
        }
        if extent == Extent::Whole {
            facts.renewal_begun.clear();
            if let Some(marker) = facts.marker.as_mut() {
                *marker = marker.clone().renewed(&spec);
            }
        }
    }

    pub(super) fn repair(&mut self, host: &str, role: Role, what: &[Repair], extent: Extent) {
        let facts = self.facts(host);
        facts.swap_active = false;
        for repair in on_host(facts, NOW) {
            match repair {
                Repair::Start { .. } if extent >= Extent::Middle => {
                    (facts.containerd_active, facts.kubelet_active) = (true, true);
                    facts.disabled_services.clear();
                }
                Repair::Restore { .. } if extent == Extent::Early => _ = facts.changed_files.pop(),
                Repair::Restore { .. } => facts.changed_files.clear(),
                Repair::RenewKubeletCertificate if extent >= Extent::Late => {
                    facts.certificates.insert(KUBELET_CERTIFICATE.to_owned(), IN_A_YEAR.to_owned());
                }
                _ => {}
            }
        }
        if what.contains(&Repair::RegisterNode) {
            self.become_node(host, role, extent);
        }
    }

    pub(super) fn repair_cluster(&mut self, missing: &[String], extent: Extent) {
        if extent < Extent::Late {
            return;
        }
        let api = self.api();
        let version = api.version.clone();
        api.missing.retain(|object| !missing.contains(object));
        if api.kube_proxy_version.is_empty() && missing.iter().any(|object| object == KUBE_PROXY) {
            api.kube_proxy_version = version;
        }
    }

    /// The API is silent from now on.
    pub(crate) fn silence(&mut self) {
        let silent = ApiState::Silent { reason: "connection refused".to_owned() };
        if let ApiState::Answered(facts) = std::mem::replace(&mut self.observed.api, silent) {
            self.unsaid = Some(facts);
        }
    }

    pub(super) fn await_api(&mut self, extent: Extent) {
        for name in self.wanted.spec.control_plane.clone().keys() {
            let facts = self.facts(name);
            assert!(on_host(facts, NOW).is_empty(), "the API cannot come back: {name} is not repaired");
        }
        if extent == Extent::Whole
            && let Some(facts) = self.unsaid.take()
        {
            self.observed.api = ApiState::Answered(facts);
        }
    }
}
