//! The notation of `tests/plans/*.txt`: the wanted hosts, and how each was observed.

use kubeone_desired::KUBE_PROXY;
use kubeone_facts::{
    ApiState, BegunRestore, CgroupVersion, DeprecatedApi, HostState, KubernetesFiles, Marker, MarkerFile, SnapshotCause,
};
use kubeone_spec::{ClusterSpec, Role};
use serde_json::{Map, Value, json};

use super::backup::snapshot;
use super::lies;
use super::node_notation::{self, NodeLine};
use super::upgrade::images;
use super::{Extent, World, fresh_machine};
use crate::plan::Action;
use crate::renewal::{AUTHORITIES, KUBELET_CERTIFICATE};
use crate::situation::Situation;
use crate::wanted::Wanted;

/// A parsed case.
pub(super) struct Case {
    pub(super) title: String,
    pub(super) wanted: String,
    pub(super) found: String,
    pub(super) world: World,
    pub(super) remove: bool,
}

/// Parses everything up to the expected plan.
pub(super) fn read(text: &str) -> Case {
    let section = |name: &str| {
        let lines = text.lines().skip_while(|line| *line != format!("{name}:")).skip(1);
        lines.take_while(|line| line.starts_with(' ')).fold(String::new(), |text, line| text + line + "\n")
    };
    let title: Vec<_> = text.lines().take_while(|line| *line != "wanted:").collect();
    let (wanted, found) = (section("wanted"), section("found"));
    let settings = Settings::read(&wanted);
    let world = world(&settings, &found);
    Case { title: title.join("\n").trim().to_owned(), wanted, found, world, remove: settings.remove }
}

#[derive(Default)]
struct Settings {
    control_planes: Vec<String>,
    workers: Vec<String>,
    /// Hosts of earlier settings.
    earlier_control_planes: Vec<String>,
    earlier_workers: Vec<String>,
    /// Hosts that the settings have on another machine than before.
    new_machines: Vec<String>,
    /// Those of them that keep the address of the old machine.
    same_address: Vec<String>,
    nodes: Vec<NodeLine>,
    more: Map<String, Value>,
    remove: bool,
    /// Whether the cluster is protected against deletion, which matters only for restores.
    is_protected: bool,
    /// The cluster in Terraform's state: `imported`, `lost`, `of` another uid, or what was applied last.
    state: String,
}

impl Settings {
    fn read(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines().map(str::trim) {
            let (key, value) = line.split_once("  ").unwrap_or((line, ""));
            if let Some(node) = node_notation::read(key, value) {
                settings.nodes.push(node);
                continue;
            }
            let names = || value.split_whitespace().map(str::to_owned).collect();
            match key {
                "control plane" => settings.control_planes = names(),
                "workers" => settings.workers = names(),
                "earlier control plane" => settings.earlier_control_planes = names(),
                "new machines" => settings.new_machines = names(),
                "at the same address" => settings.same_address = names(),
                "earlier workers" => settings.earlier_workers = names(),
                "version" => _ = settings.more.insert("kubernetes_version".to_owned(), value.trim().into()),
                "max unavailable" => {
                    settings.more.insert("upgrade".to_owned(), json!({ "max_unavailable": value.trim() }));
                }
                "cni" => _ = settings.more.insert("cluster_network".to_owned(), json!({ "cni": value.trim() })),
                "containerd" => _ = settings.more.insert("containerd".to_owned(), json!({ "version": value.trim() })),
                "drain at upgrades" => {
                    settings.more.entry("upgrade").or_insert_with(|| json!({}))["drain"] = value.trim().into();
                }
                "names of the API" => {
                    let names: Vec<String> = names();
                    let endpoint = json!({ "host": "10.0.0.1", "alternative_names": names });
                    settings.more.insert("api_endpoint".to_owned(), endpoint);
                }
                "API at" => _ = settings.more.insert("api_endpoint".to_owned(), json!({ "host": value.trim() })),
                "certificates" => _ = settings.more.insert("certificates".to_owned(), pairs(value)),
                "unreachable hosts" => {
                    settings.more.insert("deletion".to_owned(), json!({ "unreachable_hosts": value.trim() }));
                }
                "snapshot trigger" => {
                    settings.more.entry("backup").or_insert_with(|| json!({}))["trigger"] = value.trim().into();
                }
                "copies to" => {
                    settings.more.entry("backup").or_insert_with(|| json!({}))["copy_to"] = value.trim().into();
                }
                "restore" => _ = settings.more.insert("restore".to_owned(), pairs(value)),
                "protected" => settings.is_protected = true,
                "state" => value.trim().clone_into(&mut settings.state),
                "nothing" => settings.remove = true,
                _ => panic!("what is `{line}`?"),
            }
        }
        settings
    }

    fn spec(&self, with_earlier: bool) -> ClusterSpec {
        let hosts = |names: &[String], net: u8| -> Value {
            let host = |(n, name): (usize, &String)| {
                let is_new = !with_earlier && self.new_machines.contains(name);
                let moved = if is_new && !self.same_address.contains(name) { 100 } else { 0 };
                let id = if is_new { "new" } else { "old" };
                (name.clone(), json!({ "address": format!("10.0.{net}.{}", n + moved), "instance_id": id }))
            };
            let mut hosts = names.iter().enumerate().map(host).collect::<Map<_, _>>().into();
            node_notation::write(&self.nodes, &mut hosts, with_earlier);
            hosts
        };
        let (mut control_planes, mut workers) = (self.control_planes.clone(), self.workers.clone());
        if with_earlier {
            control_planes.extend(self.earlier_control_planes.clone());
            workers.extend(self.earlier_workers.clone());
        }
        let mut spec = json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": hosts(&control_planes, 1), "static_workers": hosts(&workers, 2),
        });
        spec.as_object_mut().unwrap().extend(self.more.clone());
        if self.more.contains_key("restore") && !self.is_protected {
            spec["deletion"] = json!({ "protection": false });
        }
        serde_json::from_value(spec).unwrap()
    }
}

/// `name value, name value` as an object.
fn pairs(text: &str) -> Value {
    let pair = |pair: &str| pair.trim().split_once(' ').map(|(name, value)| (name.to_owned(), value.into()));
    text.split(',').filter_map(pair).collect::<Map<_, _>>().into()
}

fn world(settings: &Settings, found: &str) -> World {
    let mut world = World::new(settings.spec(true));
    world.observed.hosts.clear();
    let lines: Vec<_> = found.lines().filter_map(|line| line.trim().split_once("  ")).collect();
    let (cluster, hosts): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(name, _)| *name == "cluster");
    let words = |text: &'_ str| -> Vec<String> { text.split(',').map(|word| word.trim().to_owned()).collect() };
    for (name, how) in &hosts {
        world.observed.hosts.insert((*name).to_owned(), HostState::Reached(Box::new(fresh_machine(name))));
        came_to(&mut world, name, &words(how)[0]);
    }
    let cluster: Vec<_> = cluster.iter().flat_map(|(_, how)| words(how)).collect();
    finish(&mut world, &cluster);
    world.tell_members();
    // First the common facts of all hosts, then exceptions, which need a working API.
    let (silent, rest): (Vec<_>, Vec<_>) = cluster.iter().partition(|word| *word == "API silent");
    for word in rest {
        then_happened_to_cluster(&mut world, word);
    }
    for (name, how) in &hosts {
        words(how)[1..].iter().for_each(|word| then_happened(&mut world, name, word));
    }
    // A restored etcd knows only the members that joined it.
    let left_behind: Vec<_> = world.members.iter().map(|member| world.is_left_behind(&member.name)).collect();
    let mut left_behind = left_behind.into_iter();
    world.members.retain(|_| !left_behind.next().unwrap_or_default());
    for word in silent {
        then_happened_to_cluster(&mut world, word);
    }
    world.tell_members();
    world.change_to(settings.spec(false));
    for (name, how) in &hosts {
        words(how)
            .iter()
            .filter_map(|word| word.strip_prefix("claims "))
            .for_each(|lie| lies::tell(&mut world, name, lie));
    }
    for (name, _) in hosts.iter().filter(|(_, how)| words(how).iter().any(|word| word == NOT_LOOKED_AT)) {
        world.observed.hosts.remove(*name);
    }
    match settings.state.as_str() {
        "" => {}
        "imported" => world.imported(),
        "lost" => world.wanted = Wanted::new(settings.spec(false)),
        state if state.starts_with("of ") => {
            world.wanted.uid = state.strip_prefix("of ").map(str::to_owned);
            // The API of another cluster is not queried.
            if crate::other_cluster(&Situation::new(&world.wanted, &world.observed)).is_some() {
                world.observed.api = ApiState::Absent;
            }
        }
        state => panic!("what is the state `{state}`?"),
    }
    world
}

/// How far the host got.
fn came_to(world: &mut World, name: &str, state: &str) {
    let host = name.to_owned();
    let role = if world.wanted.spec.control_plane.contains_key(name) { Role::ControlPlane } else { Role::Worker };
    let kubernetes_version = world.wanted.spec.kubernetes_version;
    let (reached, extent) = match state {
        "a fresh machine" => return,
        "unreachable" => {
            let reason = "connection refused".to_owned();
            world.observed.hosts.insert(host, HostState::Unreachable { reason });
            return;
        }
        "preparation stopped" => (0, Extent::Middle),
        "prepared" => (0, Extent::Whole),
        "init failed" | "join failed" => (1, Extent::Early),
        "init running" | "join running" => (1, Extent::Middle),
        "init stopped late" | "join stopped late" => (1, Extent::Late),
        "node" => (1, Extent::Whole),
        _ => panic!("{name}: what is `{state}`?"),
    };
    let prepare = Action::PrepareHost { host: host.clone(), role, kubernetes_version, why: Vec::new() };
    if reached == 0 {
        return world.run(&prepare, extent);
    }
    world.run(&prepare, Extent::Whole);
    let begins = state.starts_with("init") || (role == Role::ControlPlane && world.observed.api == ApiState::Absent);
    let action = match role {
        Role::ControlPlane if begins => {
            Action::InitControlPlane { host, kubernetes_version, resume: None, restore: None }
        }
        Role::ControlPlane => Action::JoinControlPlane { host, resume: None },
        Role::Worker => Action::JoinWorker { host, resume: None },
    };
    world.run(&action, extent);
}

/// A cluster with finished nodes has its network, unless the case says otherwise.
fn finish(world: &mut World, cluster: &[String]) {
    if world.observed.api_facts().is_none() || cluster.iter().any(|word| word == "no addons") {
        return;
    }
    if world.wanted.spec.cluster_network.cni == kubeone_spec::Cni::Canal {
        world.run(&Action::ApplyAddon { addon: "canal".to_owned(), drift: Vec::new() }, Extent::Whole);
    }
    world.api().nodes.values_mut().for_each(|node| node.ready = true);
}

/// It is in the settings, but not in Terraform's state yet.
const NOT_LOOKED_AT: &str = "not looked at";

/// What happened to the host afterwards.
fn then_happened(world: &mut World, name: &str, event: &str) {
    let (event, value) = event.split_once(": ").unwrap_or((event, ""));
    if node_notation::then_happened(world, name, event, value) {
        return;
    }
    match event {
        "then unreachable" => {
            let reason = "no route to host".to_owned();
            world.observed.hosts.insert(name.to_owned(), HostState::Unreachable { reason });
        }
        "then refuses us" => {
            let reason = "user `root` could not log in".to_owned();
            world.observed.hosts.insert(name.to_owned(), HostState::Refuses { reason });
        }
        NOT_LOOKED_AT => {}
        "runs version" => world.node_runs(name, value.parse().unwrap()),
        "static pods run version" => world.facts(name).kubernetes.images = images(value.parse().unwrap()),
        "API server held" => _ = world.facts(name).kubernetes.images.remove("kube-apiserver"),
        "kubelet reports" => world.api().nodes.get_mut(name).unwrap().kubelet_version = format!("v{value}"),
        "container runtime" => {
            value.clone_into(&mut world.api().nodes.get_mut(name).unwrap().container_runtime_version);
        }
        "its API is named" => {
            world.facts(name).api_server_names = value.split_whitespace().map(str::to_owned).collect();
        }
        "free disk" => world.facts(name).free_disk_mib = value.parse().unwrap(),
        "cordoned by its user" => world.api().nodes.get_mut(name).unwrap().unschedulable = true,
        "cordoned by us" => {
            let node = world.api().nodes.get_mut(name).unwrap();
            (node.unschedulable, node.cordoned_by_us) = (true, true);
        }
        "etcd data gone" => world.facts(name).kubernetes.etcd_data = false,
        "no etcd member" => world.members.retain(|member| member.name != name),
        "its etcd does not answer" => world.facts(name).kubernetes.static_pods.retain(|pod| pod != "etcd"),
        "not ready" => world.api().nodes.get_mut(name).unwrap().ready = false,
        "its Node has no role" => world.api().nodes.get_mut(name).unwrap().control_plane = false,
        "its Node deleted" => _ = world.api().nodes.remove(name),
        "made by hand" => world.made_by_hand(name),
        "machine replaced" => *world.facts(name) = fresh_machine(name),
        "files edited" => world.facts(name).files.values_mut().for_each(|hash| "edited".clone_into(hash)),
        "reset" => {
            let facts = world.facts(name);
            facts.kubelet_active = false;
            facts.kubernetes = KubernetesFiles::default();
        }
        "marker damaged" => {
            world.facts(name).marker = MarkerFile::Unusable { reason: value.to_owned() };
        }
        "file damaged" => _ = world.facts(name).unusable_files.insert(value.to_owned(), "it is empty".to_owned()),
        "kubelet.conf taken away" => world.facts(name).kubernetes.kubelet_conf = false,
        "swap on" => world.facts(name).swap_active = true,
        "containerd" => value.clone_into(&mut world.facts(name).packages.containerd),
        "lists offer containerd" => {
            let versions = value.split_whitespace().map(|version| version.parse().unwrap());
            world.facts(name).containerd_offered = versions.collect();
        }
        "damaged" => world.facts(name).damaged.push(value.to_owned()),
        "containerd stopped" => world.facts(name).containerd_active = false,
        "kubelet active" => world.facts(name).kubelet_active = true,
        "marked for the cluster" => {
            world.facts(name).marker = Marker { cluster: value.to_owned(), ..Marker::default() }.into();
        }
        "replaces" => world.facts(name).marker.as_mut().unwrap().replaces = Some(value.to_owned()),
        "uid" => world.facts(name).marker.as_mut().unwrap().uid = Some(value.to_owned()),
        "system" => {
            let facts = world.facts(name);
            value.clone_into(&mut facts.os.id);
            facts.os.version_id.clear();
            facts.os.scripts = None;
        }
        "architecture" => value.clone_into(&mut world.facts(name).architecture),
        "kernel" => value.clone_into(&mut world.facts(name).kernel),
        "memory" => world.facts(name).memory_mib = value.parse().unwrap(),
        "kubelet stopped" => world.facts(name).kubelet_active = false,
        "disabled" => world.facts(name).disabled_services.push(value.to_owned()),
        "upgrade not ended" => world.facts(name).unrecorded = true,
        "changed" => world.facts(name).changed_files.push(value.to_owned()),
        "kubelet certificate ends" => {
            let end = format!("{value}T12:00:00Z");
            world.facts(name).certificates.insert(KUBELET_CERTIFICATE.to_owned(), end);
        }
        "certificates end" => {
            let certificates = world.facts(name).certificates.iter_mut();
            let authority = |path: &String| AUTHORITIES.contains(&path.as_str());
            let certificates = certificates.filter(|(path, _)| !authority(path) && *path != KUBELET_CERTIFICATE);
            certificates.for_each(|(_, end)| *end = format!("{value}T12:00:00Z"));
        }
        "authority ends" => {
            world.facts(name).certificates.insert(AUTHORITIES[0].to_owned(), format!("{value}T12:00:00Z"));
        }
        "renewed for" => {
            world.facts(name).marker.as_mut().unwrap().renew_trigger = (value != "nothing").then(|| value.to_owned());
        }
        "renewal interrupted" => world.facts(name).renewal_begun = vec![value.to_owned()],
        "cgroup v1" => world.facts(name).cgroup = CgroupVersion::V1,
        "of another cluster" => {
            world.facts(name).snapshots.iter_mut().for_each(|it| it.snapshot.cluster_uid = "2222".to_owned());
        }
        "stopped for" => world.stop_control_plane(name, value, Extent::Whole),
        "restored" => world.remember_restore(name, value),
        // Applied after everything else.
        event if event.starts_with("claims ") => {}
        "has data of" => {
            world.facts(name).restore = Some(BegunRestore { what: value.to_owned(), replaced: true });
        }
        "snapshot" => {
            let cause = SnapshotCause::Trigger(value.to_owned());
            let held = snapshot(&world.wanted.spec.name, name, cause);
            world.knows(name, held);
        }
        "not copied" => world.facts(name).snapshots.iter_mut().for_each(|held| held.awaits_copy = true),
        "address" => {
            let spec = &mut world.wanted.spec;
            let host = spec.control_plane.get_mut(name).or_else(|| spec.static_workers.get_mut(name));
            value.clone_into(&mut host.unwrap().address);
        }
        "node address" => value.clone_into(&mut world.api().nodes.get_mut(name).unwrap().internal_address),
        "machine id" => value.clone_into(&mut world.facts(name).machine_id),
        _ => panic!("{name}: what is `{event}`?"),
    }
}

fn then_happened_to_cluster(world: &mut World, event: &str) {
    let (event, value) = event.split_once(": ").unwrap_or((event, ""));
    match event {
        "a member never started" => world.add_unstarted_member(value, false),
        "a learner never started" => world.add_unstarted_member(value, true),
        "no addons" => {}
        "API silent" => world.silence(),
        "addon changed" => world.api().addons.values_mut().for_each(|addon| "other".clone_into(&mut addon.hash)),
        "addon edited" => {
            let drift = vec!["DaemonSet kube-system/canal was edited".to_owned()];
            world.api().addons.values_mut().for_each(|addon| addon.drift.clone_from(&drift));
        }
        "deleted" => {
            world.api().missing.push(value.to_owned());
            if value == KUBE_PROXY {
                world.api().kube_proxy_version.clear();
            }
        }
        "runs version" => {
            world.runs(value.parse().unwrap());
        }
        "API server runs" => world.api().version = format!("v{value}"),
        "kubeadm's configuration is of" => world.api().kubeadm_version = format!("v{value}"),
        "kube-proxy runs" => world.api().kube_proxy_version = format!("v{value}"),
        "uses" => {
            let words: Vec<_> = value.split_whitespace().map(str::to_owned).collect();
            let [group_version, resource, _, removed_release] = words.try_into().unwrap();
            world.api().deprecated_apis.push(DeprecatedApi { group_version, resource, removed_release });
        }
        _ => panic!("cluster: what is `{event}`?"),
    }
}
