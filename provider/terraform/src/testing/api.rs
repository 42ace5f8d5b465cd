//! A Kubernetes API for tests: TLS and HTTP/2 over streams in memory, and answers from what the cluster is said to be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kubeone_hosts::Stream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Map, Value as Json, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

const VERSION: &str = "v1.35.4";

/// The API of one cluster. Clones are the same.
#[derive(Clone)]
pub(crate) struct FakeCluster {
    acceptor: TlsAcceptor,
    /// `admin.conf`.
    pub(crate) kubeconfig: String,
    state: Arc<Mutex<State>>,
}

struct State {
    uid: String,
    nodes: Map<String, Json>,
    /// Calls that would have changed something. They are refused.
    writes: Vec<String>,
}

impl FakeCluster {
    pub(crate) fn new(uid: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let issue = |names: Vec<String>| {
            let key = KeyPair::generate().unwrap();
            (CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap(), key)
        };
        let (certificate, key) = issue(vec!["kubernetes.default".to_owned()]);
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (client, client_key) = issue(Vec::new());
        let [authority, client, client_key] =
            [authority.pem(), client.pem(), client_key.serialize_pem()].map(|pem| STANDARD.encode(pem));
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: admin@prod\n\
             clusters:\n- name: prod\n  cluster:\n    server: https://10.0.0.1:6443\n    certificate-authority-data: {authority}\n\
             users:\n- name: admin\n  user:\n    client-certificate-data: {client}\n    client-key-data: {client_key}\n\
             contexts:\n- name: admin@prod\n  context:\n    cluster: prod\n    user: admin\n"
        );
        let state = State { uid: uid.to_owned(), nodes: Map::new(), writes: Vec::new() };
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), kubeconfig, state: Arc::new(Mutex::new(state)) }
    }

    /// It has a Node that is ready, and is the machine with this id.
    pub(crate) fn add_node(&self, name: &str, machine_id: &str, control_plane: bool) {
        let labels = if control_plane { json!({ "node-role.kubernetes.io/control-plane": "" }) } else { json!({}) };
        let taint = json!({ "key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule" });
        let node = json!({
            "metadata": { "name": name, "labels": labels },
            "spec": { "taints": if control_plane { json!([taint]) } else { json!([]) } },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True" }],
                "nodeInfo": { "kubeletVersion": VERSION, "containerRuntimeVersion": "containerd://2.2.9",
                    "architecture": "amd64", "bootID": "", "kernelVersion": "", "kubeProxyVersion": "",
                    "machineID": machine_id, "operatingSystem": "linux", "osImage": "", "systemUUID": "" },
            },
        });
        self.lock().nodes.insert(name.to_owned(), node);
    }

    /// Calls that would have changed something.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.lock().writes.clone()
    }

    /// A stream to the API server.
    pub(crate) fn stream(&self) -> Box<dyn Stream> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let this = self.clone();
        tokio::spawn(async move {
            let Ok(stream) = this.acceptor.clone().accept(theirs).await else { return };
            let answer = service_fn(move |request: Request<Incoming>| {
                let answer = this.answer(request.method(), request.uri().path());
                async move { answer }
            });
            let server = http2::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), answer).await.ok();
        });
        Box::new(ours)
    }

    fn answer(&self, method: &Method, path: &str) -> Result<Response<String>, http::Error> {
        let mut state = self.lock();
        let (status, body) = if *method == Method::GET {
            match state.read(path) {
                Some(body) => (StatusCode::OK, body),
                None => (StatusCode::NOT_FOUND, failure(404, "NotFound")),
            }
        } else {
            state.writes.push(format!("{method} {path}"));
            (StatusCode::UNPROCESSABLE_ENTITY, failure(422, "Invalid"))
        };
        // The metrics and the readiness are text.
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        Response::builder().status(status).body(body)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&self, path: &str) -> Option<Json> {
        let named = |name: &str| json!({ "metadata": { "name": name } });
        let system = "/api/v1/namespaces/kube-system";
        let workloads = "/apis/apps/v1/namespaces/kube-system";
        let config = format!("kubernetesVersion: {VERSION}\n");
        Some(match path.strip_prefix(system).unwrap_or(path) {
            "/readyz" => json!("ok"),
            "/metrics" => json!(""),
            "/version" => {
                json!({ "major": "1", "minor": "35", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": "" })
            }
            "/api/v1/nodes" => json!({ "metadata": {}, "items": self.nodes.values().collect::<Vec<_>>() }),
            "" => json!({ "metadata": { "name": "kube-system", "uid": self.uid } }),
            "/configmaps" => json!({ "metadata": {}, "items": [] }),
            "/configmaps/kubeadm-config" => {
                json!({ "metadata": { "name": "kubeadm-config" }, "data": { "ClusterConfiguration": config } })
            }
            "/configmaps/kubelet-config" => named("kubelet-config"),
            "/api/v1/namespaces/kube-public/configmaps/cluster-info" => named("cluster-info"),
            path if path.starts_with("/api/v1/nodes/") => self.nodes.get(path.rsplit('/').next()?)?.clone(),
            path => match path.strip_prefix(workloads)? {
                "/deployments/coredns" => named("coredns"),
                "/daemonsets/kube-proxy" => {
                    let container =
                        json!({ "name": "kube-proxy", "image": format!("registry.k8s.io/kube-proxy:{VERSION}") });
                    json!({ "metadata": { "name": "kube-proxy" }, "spec": {
                        "selector": {}, "template": { "spec": { "containers": [container] } },
                    } })
                }
                _ => return None,
            },
        })
    }
}

fn failure(code: u16, reason: &str) -> Json {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason })
}
