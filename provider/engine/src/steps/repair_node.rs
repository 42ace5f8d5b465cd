//! Puts right what was changed on the host of a finished node, down to what kubeadm left there.

use kubeone_desired::kubeadm;
use kubeone_facts::{HostFacts, Marker};
use kubeone_hosts::{Host, Os};
use kubeone_kubernetes::Kubeconfig;
use kubeone_plan::repair::{CONTAINERD, KUBELET, Repair, on_host};
use kubeone_spec::{HostSpec, Role, Secret};

use super::{UPGRADE_UNIT, await_earlier, configure_node, control_plane, finish_node, host_spec, os_of, record_files};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::{now, observe_host, sha256_of_der};
use crate::report::Outcome;

const UNIT: &str = "kubeone-repair";

/// The static pods that kubeadm makes.
const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

pub(crate) async fn run(cx: &Cx<'_>, name: &str, role: Role, what: &[Repair]) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    await_earlier(host, UNIT).await?;
    await_earlier(host, UPGRADE_UNIT).await?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    let os = os_of(&facts)?;
    // What only the API shows is taken from the plan.
    let unseen = what.iter().filter(|repair| matches!(repair, Repair::RegisterNode | Repair::RestartKubelet));
    let repairs: Vec<_> = on_host(&facts, &now().to_string()).into_iter().chain(unseen.cloned()).collect();
    if repairs.is_empty() {
        return Ok(Outcome::Skipped("it is as it should be".to_owned()));
    }
    if facts.swap_active {
        host.run(&os.script("configure_kernel")?).await?;
    }
    let mut services = Services::default();
    let mut components = Vec::new();
    for repair in &repairs {
        match repair {
            Repair::Start { services: down } => services.start.clone_from(down),
            Repair::Restore { files } => {
                components = restored_components(role, files);
                // Before anything is changed that may cost this member.
                if components.contains(&"etcd") {
                    services.health = control_plane::await_quorum_without(cx, name, host).await?;
                }
                host.run(&os.script("restore_files")?.lines("FILES", files)).await?;
                services.restart_kubelet |= files.iter().any(|file| file.starts_with("/var/lib/kubelet/"));
            }
            Repair::RenewKubeletCertificate => {
                renew_kubelet_certificate(cx, name, role, (host, &facts), &os).await?;
                services.restart_kubelet = true;
            }
            Repair::RegisterNode | Repair::RestartKubelet => services.restart_kubelet = true,
        }
    }
    let mut lost = Vec::new();
    if repairs.contains(&Repair::RegisterNode) {
        // Before there is a Node again: whoever is interrupted here finds that there is none, and comes back.
        lost = cx.cluster().await?.renew_pods(name).await?;
    }
    services.run(host, &os).await?;
    if !components.is_empty() {
        let health = if components.contains(&"etcd") { services.health } else { control_plane::is_well(host).await? };
        control_plane::Restart { components, health, renewed: false }.run(cx, host, host_spec, &os).await?;
        record_files(host).await?;
    }
    if repairs.contains(&Repair::RegisterNode) {
        register(cx, name, role, &facts, marker, &os).await?;
    }
    Ok(if lost.is_empty() {
        Outcome::Done
    } else {
        Outcome::Warning(format!("these pods had no controller and went with its Node: {}", lost.join(", ")))
    })
}

/// Services to start, and to start anew.
#[derive(Default)]
struct Services {
    start: Vec<String>,
    restart_kubelet: bool,
    health: bool,
}

impl Services {
    async fn run(&self, host: &dyn Host, os: &Os) -> Result<(), StepError> {
        let mut start = self.start.clone();
        if self.restart_kubelet && !start.iter().any(|service| service == KUBELET) {
            start.push(KUBELET.to_owned());
        }
        if start.is_empty() {
            return Ok(());
        }
        // A kubelet that lost its runtime has to find it again.
        let restart = self.restart_kubelet || start.iter().any(|service| service == CONTAINERD);
        let script = os.script("start_services")?.lines("SERVICES", &start).var("RESTART_KUBELET", restart);
        host.run_unit(UNIT, &script).await?;
        Ok(())
    }
}

fn restored_components(role: Role, files: &[String]) -> Vec<&'static str> {
    if role == Role::Worker {
        return Vec::new();
    }
    let is_restored = |name: &&str| files.iter().any(|file| file.ends_with(&format!("/manifests/{name}.yaml")));
    COMPONENTS.into_iter().filter(is_restored).collect()
}

/// A certificate for this kubelet, made on a control plane with the cluster's CA.
async fn renew_kubelet_certificate(
    cx: &Cx<'_>,
    name: &str,
    role: Role,
    (host, facts): (&dyn Host, &HostFacts),
    os: &Os,
) -> Result<(), StepError> {
    let makers = cx.spec.control_plane.iter().filter(|(maker, _)| role == Role::Worker || *maker == name);
    let mut failure = StepError::NoApi { reason: "there is no control plane to make a certificate".to_owned() };
    for (maker, maker_spec) in makers {
        match kubelet_kubeconfig(cx, maker, maker_spec, (name, facts)).await {
            Ok(kubeconfig) => {
                host.run(&os.script("write_kubelet_kubeconfig")?.secret("KUBECONFIG", kubeconfig)).await?;
                return Ok(());
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn kubelet_kubeconfig(
    cx: &Cx<'_>,
    maker: &str,
    spec: &HostSpec,
    (node, of_node): (&str, &HostFacts),
) -> Result<Secret<String>, StepError> {
    let host = cx.host(maker)?;
    let facts = observe_host(host).await?;
    let refused = |what: &str| StepError::Refused { reason: format!("{maker} {what}") };
    let cluster = |facts: &HostFacts| facts.marker.as_ref().map(|it| (it.cluster.clone(), it.uid.clone()));
    if cluster(&facts).is_none_or(|(_, uid)| uid.is_none()) || cluster(&facts) != cluster(of_node) {
        return Err(refused("is no finished control plane of the cluster that this node belongs to"));
    }
    let config = kubeadm::init_config(cx.spec, maker, spec, cx.spec.kubernetes_version, &facts)?;
    let make = os_of(&facts)?.script("make_kubelet_kubeconfig")?.var("NODE", node).var("CONFIG", config);
    let printed = Secret::new(host.run(&make).await?.stdout);
    // One host made it and another one's kubelet works by it, so it is taken apart and rewritten.
    let read = Kubeconfig::parse(printed.expose().as_bytes())
        .map_err(|source| StepError::Kubeconfig { what: format!("the kubeconfig that {maker} made"), source })?;
    let known = &of_node.kubernetes.ca_sha256;
    if !known.is_empty() && !read.authorities().all(|authority| sha256_of_der(authority) == *known) {
        return Err(refused("made a kubeconfig that trusts another CA than this node"));
    }
    Ok(read.to_yaml(&cx.spec.name, &format!("system:node:{node}"), read.server())?)
}

/// The kubelet registers its Node when it starts; what kubeadm and the settings say about it comes on top.
pub(super) async fn register(
    cx: &Cx<'_>,
    name: &str,
    role: Role,
    facts: &HostFacts,
    marker: Marker,
    os: &Os,
) -> Result<(), StepError> {
    let (host, spec) = (cx.host(name)?, host_spec(cx, name)?);
    let config = kubeadm::init_config(cx.spec, name, spec, cx.spec.kubernetes_version, facts)?;
    host.run_unit(UNIT, &os.script("mark_control_plane")?.var("NODE", name).var("CONFIG", config)).await?;
    let uid = marker.uid.clone().unwrap_or_default();
    configure_node::set_on_kubelet(cx, name, spec, facts).await?;
    finish_node(cx, name, role, marker, &uid).await
}
