//! Which settings follow from what a cluster says of itself.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use kubeone_facts::{AddonState, Marker, NodeSettings};

use super::*;

const CONFIGURATION: &str = "
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
apiServer: {}
clusterName: kubernetes
controlPlaneEndpoint: 10.0.0.100:6443
encryptionAlgorithm: RSA-2048
etcd: { local: { dataDir: /var/lib/etcd } }
kubernetesVersion: v1.36.3
networking: { dnsDomain: cluster.local, podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12 }
";

/// A cluster of three machines whose names are not those of their nodes.
struct Cluster {
    entrance: Entrance,
    facts: HostFacts,
    api: ApiFacts,
    port: u16,
}

impl Cluster {
    fn new() -> Self {
        let node = |number: u8| {
            let role = if number < 3 { Role::ControlPlane } else { Role::Worker };
            NodeFacts {
                control_plane: role == Role::ControlPlane,
                machine_id: format!("machine-{number}"),
                internal_address: format!("10.0.0.{number}"),
                settings: NodeSettings { taints: Taint::of_kubeadm(role), ..NodeSettings::default() },
                ..NodeFacts::default()
            }
        };
        let names = ["alpha", "beta", "gamma"];
        let nodes: BTreeMap<_, _> = names.into_iter().zip(1..).map(|(name, n)| (name.to_owned(), node(n))).collect();
        Self {
            entrance: Entrance { address: "10.0.0.1".to_owned(), ..Entrance::default() },
            facts: HostFacts { machine_id: "machine-1".to_owned(), ..HostFacts::default() },
            api: ApiFacts { version: "v1.36.3".to_owned(), nodes, ..ApiFacts::default() },
            port: 6443,
        }
    }

    fn settings(&self, configuration: &str) -> Result<(String, Value), ImportError> {
        let Self { entrance, facts, api, port } = self;
        let server = "https://10.0.0.1:6443";
        Found { entrance, facts, api, server, port: *port }.settings(configuration)
    }

    #[track_caller]
    fn is(&self, configuration: &str, expected: &Expect) {
        let (_, settings) = self.settings(configuration).unwrap();
        expected.assert_eq(&serde_json::to_string_pretty(&settings).unwrap());
    }

    #[track_caller]
    fn is_refused(&self, configuration: &str, because: &str) {
        let error = self.settings(configuration).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
    }
}

#[test]
fn what_has_its_default_is_left_away() {
    assert_eq!(Cluster::new().settings(CONFIGURATION).unwrap().0, "alpha");
    Cluster::new().is(
        CONFIGURATION,
        &expect![[r#"
        {
          "name": "kubernetes",
          "kubernetes_version": "1.36.3",
          "api_endpoint": {
            "host": "10.0.0.100"
          },
          "control_plane": {
            "alpha": {
              "address": "10.0.0.1"
            },
            "beta": {
              "address": "10.0.0.2"
            }
          },
          "static_workers": {
            "gamma": {
              "address": "10.0.0.3"
            }
          },
          "cluster_network": {
            "cni": "none"
          }
        }"#]],
    );
}

#[test]
fn whatever_differs_is_said() {
    let mut cluster = Cluster::new();
    cluster.entrance =
        Entrance { address: "cp.example.com".to_owned(), user: Some("admin".to_owned()), port: Some(2222) };
    cluster.api.nodes.get_mut("alpha").unwrap().settings.taints.clear();
    cluster.facts.kubelet_settings = "maxPods: 200\n".to_owned();
    let gamma = &mut cluster.api.nodes.get_mut("gamma").unwrap().settings;
    gamma.labels.insert("zone".to_owned(), "a".to_owned());
    gamma.annotations.insert("note".to_owned(), "x".to_owned());
    gamma.taints = ["dedicated=db:NoSchedule", "of-others:NoSchedule"].map(|taint| taint.parse().unwrap()).into();
    gamma.own_taints = Some(vec![gamma.taints[0].clone()]);
    cluster.api.addons.insert("canal".to_owned(), AddonState::default());
    cluster.facts.marker = Marker { cluster: "prod".to_owned(), ..Marker::default() }.into();
    let configuration = CONFIGURATION
        .replace("apiServer: {}", "apiServer: { certSANs: [api.example.com] }")
        .replace("10.0.0.100:6443", "api.example.com:8443")
        .replace("10.244.0.0/16", "10.32.0.0/16")
        .replace("cluster.local", "k8s.example.com");
    cluster.is(
        &configuration,
        &expect![[r#"
            {
              "name": "prod",
              "kubernetes_version": "1.36.3",
              "api_endpoint": {
                "host": "api.example.com",
                "port": 8443,
                "alternative_names": [
                  "api.example.com"
                ]
              },
              "control_plane": {
                "alpha": {
                  "address": "cp.example.com",
                  "private_address": "10.0.0.1",
                  "ssh_user": "admin",
                  "ssh_port": 2222,
                  "taints": [],
                  "kubelet": {
                    "max_pods": 200
                  }
                },
                "beta": {
                  "address": "10.0.0.2"
                }
              },
              "static_workers": {
                "gamma": {
                  "address": "10.0.0.3",
                  "labels": {
                    "zone": "a"
                  },
                  "annotations": {
                    "note": "x"
                  },
                  "taints": [
                    {
                      "key": "dedicated",
                      "value": "db",
                      "effect": "NoSchedule"
                    }
                  ]
                }
              },
              "cluster_network": {
                "pod_subnet": "10.32.0.0/16",
                "cluster_domain": "k8s.example.com"
              }
            }"#]],
    );
}

#[test]
fn without_an_endpoint_the_only_control_plane_is_it() {
    let configuration = CONFIGURATION.replace("controlPlaneEndpoint: 10.0.0.100:6443\n", "");
    let (_, settings) = Cluster::new().settings(&configuration).unwrap();
    assert_eq!(settings["api_endpoint"], json!({ "host": "10.0.0.1" }));
}

#[test]
fn what_cannot_be_run_is_refused() {
    let external =
        CONFIGURATION.replace("local: { dataDir: /var/lib/etcd }", "external: { endpoints: [https://e:2379] }");
    Cluster::new().is_refused(&external, "etcd runs outside of the control planes (https://e:2379)");
    let elsewhere = CONFIGURATION.replace("dataDir: /var/lib/etcd", "dataDir: /data/etcd");
    Cluster::new().is_refused(&elsewhere, "etcd has its data in /data/etcd");
    let dual_stack = CONFIGURATION.replace("10.244.0.0/16", "\"10.244.0.0/16,fd00::/56\"");
    Cluster::new().is_refused(&dual_stack, "`cluster_network.pod_subnet` cannot be as it is there");
    let mut old = Cluster::new();
    old.api.version = "v1.30.1".to_owned();
    old.is_refused(CONFIGURATION, "it runs Kubernetes v1.30.1; supported are");
    let other_port = Cluster { port: 7443, ..Cluster::new() };
    other_port.is_refused(CONFIGURATION, "its API servers listen on port 7443");
    let mut stranger = Cluster::new();
    stranger.facts.machine_id = "machine-9".to_owned();
    stranger.is_refused(CONFIGURATION, "the host itself is none of its nodes");
    Cluster::new().is_refused("networking: 7", "kubeadm-config cannot be read");
}

#[test]
fn endpoints_are_read_in_every_form() {
    let cases = [
        ("10.0.0.1:6443", Some(("10.0.0.1", Some(6443)))),
        ("api.example.com", Some(("api.example.com", None))),
        ("[fd00::1]:6443", Some(("fd00::1", Some(6443)))),
        ("", None),
        ("host:port", None),
    ];
    for (text, expected) in cases {
        assert_eq!(host_and_port(text), expected.map(|(host, port)| (host.to_owned(), port)), "{text}");
    }
    assert_eq!(secure_port("    - --secure-port=7443\n"), 7443);
    assert_eq!(secure_port("spec: {}"), 6443);
}

#[test]
fn another_container_runtime_is_refused_on_control_planes() {
    for (node, runtime) in [("beta", "cri-o://1.34.1"), ("alpha", "docker://28.5.1")] {
        let mut cluster = Cluster::new();
        runtime.clone_into(&mut cluster.api.nodes.get_mut(node).unwrap().container_runtime_version);
        let error = cluster.settings(CONFIGURATION).unwrap_err().to_string();
        assert!(error.contains(&format!("its node {node} runs its containers with {runtime}")), "{error}");
    }
    let mut cluster = Cluster::new();
    for (node, runtime) in [("alpha", "containerd://2.2.1"), ("gamma", "cri-o://1.34.1")] {
        runtime.clone_into(&mut cluster.api.nodes.get_mut(node).unwrap().container_runtime_version);
    }
    cluster.settings(CONFIGURATION).unwrap();
}
