//! The exact text that kubeadm gets.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::expect;
use kubeone_facts::Configured;
use kubeone_spec::{ClusterSpec, KubernetesVersion, Role, Secret};
use serde_json::json;

use super::*;

fn spec() -> ClusterSpec {
    serde_json::from_value(json!({
        "name": "prod",
        "kubernetes_version": "1.35.4",
        "api_endpoint": { "host": "api.example.com", "port": 443, "alternative_names": ["203.0.113.7"] },
        "control_plane": {
            "cp-1": { "address": "203.0.113.1", "private_address": "10.0.0.1" },
            "cp-2": { "address": "203.0.113.2", "private_address": "10.0.0.2", "taints": [] },
        },
        "static_workers": {
            "w-1": { "address": "w-1.example.com", "taints": [{ "key": "dedicated", "value": "db", "effect": "NoSchedule" }] },
        },
    }))
    .unwrap()
}

#[test]
fn init() {
    let spec = spec();
    let facts = HostFacts { cgroup: CgroupVersion::V1, ..HostFacts::default() };
    let text =
        init_config(&spec, "cp-1", &spec.control_plane["cp-1"], KubernetesVersion::new(1, 35, 4), &facts).unwrap();
    expect![[r#"
        apiVersion: kubeadm.k8s.io/v1beta4
        kind: InitConfiguration
        bootstrapTokens:
        - ttl: 1s
        nodeRegistration:
          name: cp-1
          criSocket: unix:///run/containerd/containerd.sock
          kubeletExtraArgs:
          - name: node-ip
            value: "10.0.0.1"
          ignorePreflightErrors:
          - SystemVerification
          imagePullSerial: false
        localAPIEndpoint:
          advertiseAddress: "10.0.0.1"
          bindPort: 6443
        patches:
          directory: /etc/kubeone/patches
        ---
        apiVersion: kubeadm.k8s.io/v1beta4
        kind: ClusterConfiguration
        clusterName: prod
        kubernetesVersion: v1.35.4
        controlPlaneEndpoint: api.example.com:443
        apiServer:
          certSANs:
          - "203.0.113.7"
          extraArgs:
          - name: authentication-config
            value: /etc/kubernetes/kubeone-files/authentication.yaml
          - name: profiling
            value: "false"
          - name: request-timeout
            value: 60s
          - name: shutdown-delay-duration
            value: 10s
          - name: shutdown-watch-termination-grace-period
            value: 5s
          - name: tls-cipher-suites
            value: >-
              TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
          - name: tls-min-version
            value: VersionTLS12
          extraVolumes:
          - name: kubeone-authentication
            hostPath: /etc/kubernetes/kubeone-files/authentication.yaml
            mountPath: /etc/kubernetes/kubeone-files/authentication.yaml
            readOnly: true
            pathType: File
        controllerManager:
          extraArgs:
          - name: kube-api-burst
            value: "200"
          - name: kube-api-qps
            value: "100"
          - name: profiling
            value: "false"
          - name: terminated-pod-gc-threshold
            value: "1000"
          - name: tls-cipher-suites
            value: >-
              TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
          - name: tls-min-version
            value: VersionTLS12
        scheduler:
          extraArgs:
          - name: profiling
            value: "false"
          - name: tls-cipher-suites
            value: >-
              TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
          - name: tls-min-version
            value: VersionTLS12
        etcd:
          local:
            extraArgs:
            - name: cipher-suites
              value: >-
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            - name: corrupt-check-time
              value: 4h0m0s
            - name: feature-gates
              value: CompactHashCheck=true,InitialCorruptCheck=true
        networking:
          podSubnet: 10.244.0.0/16
          serviceSubnet: 10.96.0.0/12
          dnsDomain: cluster.local
        encryptionAlgorithm: ECDSA-P256
        ---
        apiVersion: kubelet.config.k8s.io/v1beta1
        kind: KubeletConfiguration
        cgroupDriver: systemd
        ---
        apiVersion: kubeproxy.config.k8s.io/v1alpha1
        kind: KubeProxyConfiguration
        mode: iptables
    "#]]
    .assert_eq(&text);
}

#[test]
fn join_as_control_plane() {
    let spec = spec();
    let token = Secret::new("abcdef.0123456789abcdef".to_owned());
    let facts = HostFacts::default();
    let host = &spec.control_plane["cp-2"];
    let text = join_config(&spec, "cp-2", host, Role::ControlPlane, &facts, &token).unwrap();
    assert!(!format!("{text:?}").contains("abcdef"));
    expect![[r#"
        apiVersion: kubeadm.k8s.io/v1beta4
        kind: JoinConfiguration
        discovery:
          file:
            kubeConfigPath: /run/kubeone/discovery.conf
          tlsBootstrapToken: abcdef.0123456789abcdef
        nodeRegistration:
          name: cp-2
          criSocket: unix:///run/containerd/containerd.sock
          taints: []
          kubeletExtraArgs:
          - name: node-ip
            value: "10.0.0.2"
          ignorePreflightErrors: []
          imagePullSerial: false
        controlPlane:
          localAPIEndpoint:
            advertiseAddress: "10.0.0.2"
            bindPort: 6443
        timeouts:
          etcdAPICall: 5m
    "#]]
    .assert_eq(text.expose());
}

#[test]
fn join_as_worker() {
    let spec = spec();
    let token = Secret::new("abcdef.0123456789abcdef".to_owned());
    let facts = HostFacts::default();
    let host = &spec.static_workers["w-1"];
    let text = join_config(&spec, "w-1", host, Role::Worker, &facts, &token).unwrap();
    expect![[r#"
        apiVersion: kubeadm.k8s.io/v1beta4
        kind: JoinConfiguration
        discovery:
          file:
            kubeConfigPath: /run/kubeone/discovery.conf
          tlsBootstrapToken: abcdef.0123456789abcdef
        nodeRegistration:
          name: w-1
          criSocket: unix:///run/containerd/containerd.sock
          taints:
          - key: dedicated
            value: db
            effect: NoSchedule
          kubeletExtraArgs: []
          ignorePreflightErrors: []
          imagePullSerial: false
        timeouts:
          etcdAPICall: 5m
    "#]]
    .assert_eq(text.expose());
}

#[test]
fn the_api_server_listens_where_the_endpoint_leads() {
    let mut spec = spec();
    assert_eq!(api_server_port(&spec, &spec.control_plane["cp-1"]), 6443);
    spec.api_endpoint.host = "10.0.0.1".to_owned();
    assert_eq!(api_server_port(&spec, &spec.control_plane["cp-1"]), 443);
}

#[test]
fn a_joining_host_trusts_the_ca_alone_and_shows_its_token() {
    let token = Secret::new("abcdef.0123456789abcdef".to_owned());
    let text = discovery(&spec(), "Q0E=", &token).unwrap();
    assert!(!format!("{text:?}").contains("abcdef"));
    expect![[r#"
        apiVersion: v1
        kind: Config
        clusters:
        - name: prod
          cluster:
            server: https://api.example.com:443
            certificate-authority-data: Q0E=
        users:
        - name: bootstrap
          user:
            token: abcdef.0123456789abcdef
        contexts:
        - name: join
          context:
            cluster: prod
            user: bootstrap
        current-context: join
    "#]]
    .assert_eq(text.expose());
}

#[test]
fn an_authority_is_a_certificate() {
    let pem = include_bytes!("testdata/ca.crt");
    assert_eq!(BASE64_STANDARD.decode(authority(pem).unwrap()).unwrap(), pem);
    let error = authority(b"nonsense").unwrap_err();
    assert!(error.to_string().contains("CA"), "{error}");
}

/// Arguments of others stay, ours come, change and go.
#[test]
fn the_cluster_remembers_how_components_run() {
    let desired = ControlPlane::of(&spec());
    let theirs = "apiServer:\n  certSANs:\n  - old.example.com\n  extraArgs:\n  - name: oidc-issuer-url\n    value: x\n  \
                  - name: profiling\n    value: 'true'\n  - name: of-earlier-settings\n    value: y\netcd:\n  local:\n    \
                  dataDir: /var/lib/etcd\nkubernetesVersion: v1.35.4\n";
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let before = Configured {
        arguments: [("kube-apiserver".to_owned(), names(&["of-earlier-settings"]))].into(),
        ..Configured::default()
    };
    let changed = reconfigured(theirs, &desired, &before).unwrap().unwrap();
    expect![[r#"
        apiServer:
          certSANs:
          - old.example.com
          extraArgs:
          - name: oidc-issuer-url
            value: x
          - name: profiling
            value: "false"
          - name: authentication-config
            value: /etc/kubernetes/kubeone-files/authentication.yaml
          - name: request-timeout
            value: 60s
          - name: shutdown-delay-duration
            value: 10s
          - name: shutdown-watch-termination-grace-period
            value: 5s
          - name: tls-cipher-suites
            value: >-
              TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
          - name: tls-min-version
            value: VersionTLS12
          extraVolumes:
          - name: kubeone-authentication
            hostPath: /etc/kubernetes/kubeone-files/authentication.yaml
            mountPath: /etc/kubernetes/kubeone-files/authentication.yaml
            readOnly: true
            pathType: File
        etcd:
          local:
            dataDir: /var/lib/etcd
            extraArgs:
            - name: cipher-suites
              value: >-
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            - name: corrupt-check-time
              value: 4h0m0s
            - name: feature-gates
              value: CompactHashCheck=true,InitialCorruptCheck=true
        kubernetesVersion: v1.35.4
        controllerManager:
          extraArgs:
          - name: kube-api-burst
            value: "200"
          - name: kube-api-qps
            value: "100"
          - name: profiling
            value: "false"
          - name: terminated-pod-gc-threshold
            value: "1000"
          - name: tls-cipher-suites
            value: >-
              TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
          - name: tls-min-version
            value: VersionTLS12
        scheduler:
          extraArgs:
          - name: profiling
            value: "false"
          - name: tls-cipher-suites
            value: >-
              TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
          - name: tls-min-version
            value: VersionTLS12
    "#]].assert_eq(&changed);
    assert_eq!(reconfigured(&changed, &desired, &before).unwrap(), None, "it is as wanted");
}

/// Arguments were a map before v1beta4, and an etcd of its own is not kubeadm's.
#[test]
fn what_kubeadm_keeps_in_another_form_is_left_alone() {
    let other = "apiServer:\n  extraArgs:\n    a: b\netcd:\n  external:\n    endpoints: [x]\n";
    let changed = reconfigured(other, &ControlPlane::of(&spec()), &Configured::default()).unwrap().unwrap();
    assert!(changed.contains("a: b") && changed.contains("external:") && !changed.contains("local:"), "{changed}");
}

#[test]
fn the_cluster_remembers_the_names_of_api_servers() {
    let names = ["api.example.com".to_owned()];
    let theirs = "apiServer:\n  certSANs:\n  - old.example.com\n  extraVolumes: []\nkubernetesVersion: v1.35.4\n";
    let changed = with_names(theirs, &names).unwrap().unwrap();
    assert!(changed.contains("- api.example.com") && changed.contains("extraVolumes"), "{changed}");
    assert!(!changed.contains("old.example.com"), "{changed}");
    assert_eq!(with_names(&changed, &names).unwrap(), None);
    assert_eq!(with_names("kubernetesVersion: v1.35.4\n", &[]).unwrap(), None);
}

#[test]
fn files_of_others_are_found_in_the_arguments_of_an_api_server() {
    let manifest = r#"
    - kube-apiserver
    - --admission-control-config-file=/etc/kubernetes/admission/config.yaml
    - --audit-log-path=/etc/kubernetes/audit.log
    - "--audit-policy-file=/etc/kubernetes/pki/audit.yaml"
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --encryption-provider-config=/var/lib/secrets.yaml
    - --etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt
    - --oidc-ca-file=/etc/ssl/certs/ca-certificates.crt
    - --proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt
    - --requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt
    - --service-account-key-file=/etc/kubernetes/pki/sa.pub
    - --service-account-key-file=/etc/kubernetes/pki/sa-before.pub
    - --service-account-signing-key-file=/etc/kubernetes/pki/sa.key
    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
    - --tls-private-key-file=/etc/kubernetes/pki/apiserver.key
"#;
    let expected = [
        "/etc/kubernetes/admission/config.yaml",
        "/etc/kubernetes/pki/audit.yaml",
        "/var/lib/secrets.yaml",
        "/etc/kubernetes/pki/sa-before.pub",
    ];
    assert_eq!(named_files(manifest), expected);
    assert_eq!(encryption_configuration(manifest), Some("/var/lib/secrets.yaml"));
}
