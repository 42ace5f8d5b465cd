//! The connection against a TLS server of its own, over streams in memory.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::future::join_all;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server with a certificate for this name.
    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// A kubeconfig as kubeadm writes it. Its server cannot be resolved; the connector decides where streams lead.
    fn kubeconfig(&self) -> String {
        let authority = BASE64_STANDARD.encode(self.0.pem());
        format!(
            "current-context: admin\n\
             clusters: [{{ name: it, cluster: {{ server: 'https://api.invalid:6443', certificate-authority-data: {authority} }} }}]\n\
             users: [{{ name: admin, user: {{}} }}]\n\
             contexts: [{{ name: admin, context: {{ cluster: it, user: admin }} }}]\n"
        )
    }
}

/// Streams to a server that answers every request with an empty list of nodes; and how many were opened.
fn connector(acceptor: TlsAcceptor) -> (ApiConnector, Arc<AtomicUsize>) {
    connector_to(acceptor, 200)
}

/// The same, where every answer has this status.
fn connector_to(acceptor: TlsAcceptor, status: u16) -> (ApiConnector, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = opened.clone();
    let open: ApiConnector = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(theirs).await {
                    let answer = move |_: Request<Incoming>| async move {
                        let answer = Response::builder().status(status);
                        answer.body(r#"{"metadata":{},"items":[]}"#.to_owned())
                    };
                    let server = http2::Builder::new(TokioExecutor::new());
                    server.serve_connection(TokioIo::new(stream), service_fn(answer)).await.ok();
                }
            });
            Ok(Box::new(ours) as Box<dyn ApiStream>)
        })
    });
    (open, opened)
}

async fn ask_nodes(kubeconfig: &str, open: ApiConnector) -> Result<(), ClusterError> {
    let only = ApiServer { name: "cp-1".to_owned(), open };
    let cluster = crate::Cluster::from_client(connect(kubeconfig, vec![only]).await?);
    let answers = join_all((0..5).map(|_| cluster.nodes(Duration::from_millis(500)))).await;
    answers.into_iter().try_for_each(|answer| answer.map(drop))
}

#[tokio::test]
async fn requests_share_one_stream() {
    let authority = Authority::new();
    let (open, opened) = connector(authority.server(SERVER_NAME));
    ask_nodes(&authority.kubeconfig(), open).await.unwrap();
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}

/// Streams that are taken, and nothing comes back: the process behind them is frozen.
fn frozen() -> ApiConnector {
    Arc::new(|| {
        Box::pin(async {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(theirs);
            });
            Ok(Box::new(ours) as Box<dyn ApiStream>)
        })
    })
}

fn servers(open: impl IntoIterator<Item = ApiConnector>) -> Vec<ApiServer> {
    open.into_iter().zip(1..).map(|(open, n)| ApiServer { name: format!("cp-{n}"), open }).collect()
}

/// As long as a refresh waits for the API.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_well_does_not_make_the_others_silent() {
    let authority = Authority::new();
    let (ill, asked_ill) = connector_to(authority.server(SERVER_NAME), 500);
    let (well, opened) = connector(authority.server(SERVER_NAME));
    let client = connect(&authority.kubeconfig(), servers([frozen(), ill, well])).await.unwrap();
    crate::Cluster::from_client(client).nodes(SHORTEST_PATIENCE).await.unwrap();
    assert_eq!(asked_ill.load(Ordering::Relaxed), 1);
    assert_eq!(opened.load(Ordering::Relaxed), 2, "one stream to look, and one to use");
}

#[tokio::test(start_paused = true)]
async fn without_a_server_that_is_ready_one_that_speaks_is_asked() {
    let authority = Authority::new();
    let (ill, asked) = connector_to(authority.server(SERVER_NAME), 500);
    let client = connect(&authority.kubeconfig(), servers([frozen(), ill])).await.unwrap();
    let error = crate::Cluster::from_client(client).nodes(SHORTEST_PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("the Kubernetes API refused"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 2, "one stream to look, and one to use");
}

#[tokio::test(start_paused = true)]
async fn when_nobody_answers_the_error_names_all() {
    let authority = Authority::new();
    let (stranger, _) = connector(Authority::new().server(SERVER_NAME));
    let client = connect(&authority.kubeconfig(), servers([frozen(), stranger])).await.unwrap();
    let error = crate::Cluster::from_client(client).nodes(SHORTEST_PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("cp-1: no answer within 3 s; cp-2: invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_cluster_is_refused() {
    let (open, _) = connector(Authority::new().server(SERVER_NAME));
    let error = ask_nodes(&Authority::new().kubeconfig(), open).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_server_with_another_name_is_refused() {
    let authority = Authority::new();
    let (open, _) = connector(authority.server("etcd.example.com"));
    let error = ask_nodes(&authority.kubeconfig(), open).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_broken_kubeconfig_is_not_quoted() {
    let (open, _) = connector(Authority::new().server(SERVER_NAME));
    let error = ask_nodes("users: hunter2", open).await.unwrap_err();
    assert_eq!(error.to_string(), "use the kubeconfig: it is not the YAML of a kubeconfig");
    assert!(error.hint().is_some());
}
