//! The connection against a TLS server of its own, over streams in memory.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use http::{Request, Response};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http2,
    service::service_fn,
};
use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

use super::*;
use crate::{ClusterError, kubeconfig::samples::Authority};

impl Authority {
    /// A server with a certificate for this name.
    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    fn credentials(&self) -> Kubeconfig {
        Kubeconfig::parse(self.kubeconfig().as_bytes()).unwrap()
    }
}

/// Streams to a server that answers every request with an empty list of nodes; and how many were opened.
fn connector(acceptor: TlsAcceptor) -> (ApiConnector, Arc<AtomicUsize>) {
    connector_to(acceptor, 200)
}

/// The same, where every answer has this status.
fn connector_to(acceptor: TlsAcceptor, status: u16) -> (ApiConnector, Arc<AtomicUsize>) {
    serving(acceptor, status, Bytes::from_static(br#"{"metadata":{},"items":[]}"#))
}

/// The same, where every answer has this status and body, and leads to another server.
fn serving(acceptor: TlsAcceptor, status: u16, body: Bytes) -> (ApiConnector, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = opened.clone();
    let open: ApiConnector = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let (acceptor, body) = (acceptor.clone(), body.clone());
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(theirs).await {
                    let answer = move |_: Request<Incoming>| {
                        let body = body.clone();
                        async move {
                            let answer = Response::builder().status(status).header("location", ELSEWHERE);
                            answer.body(Body::from(body))
                        }
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

/// No request may go there.
const ELSEWHERE: &str = "http://192.0.2.1/api/v1/nodes";

async fn ask_nodes(kubeconfig: &Kubeconfig, open: ApiConnector) -> Result<(), ClusterError> {
    let only = ApiServer { name: "cp-1".to_owned(), open };
    let cluster = crate::Cluster::from_client(connect(kubeconfig, vec![only]));
    let answers = join_all((0..5).map(|_| cluster.nodes(Duration::from_millis(500)))).await;
    answers.into_iter().try_for_each(|answer| answer.map(drop))
}

#[tokio::test]
async fn requests_share_one_stream() {
    let authority = Authority::new();
    let (open, opened) = connector(authority.server(SERVER_NAME));
    ask_nodes(&authority.credentials(), open).await.unwrap();
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
    let client = connect(&authority.credentials(), servers([frozen(), ill, well]));
    crate::Cluster::from_client(client).nodes(SHORTEST_PATIENCE).await.unwrap();
    assert_eq!(asked_ill.load(Ordering::Relaxed), 1);
    assert_eq!(opened.load(Ordering::Relaxed), 2, "one stream to look, and one to use");
}

#[tokio::test(start_paused = true)]
async fn without_a_server_that_is_ready_one_that_speaks_is_asked() {
    let authority = Authority::new();
    let (ill, asked) = connector_to(authority.server(SERVER_NAME), 500);
    let client = connect(&authority.credentials(), servers([frozen(), ill]));
    let error = crate::Cluster::from_client(client).nodes(SHORTEST_PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("the Kubernetes API refused"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 2, "one stream to look, and one to use");
}

#[tokio::test(start_paused = true)]
async fn when_nobody_answers_the_error_names_all() {
    let authority = Authority::new();
    let (stranger, _) = connector(Authority::new().server(SERVER_NAME));
    let client = connect(&authority.credentials(), servers([frozen(), stranger]));
    let error = crate::Cluster::from_client(client).nodes(SHORTEST_PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("cp-1: no answer within 3 s; cp-2: invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_cluster_is_refused() {
    let (open, _) = connector(Authority::new().server(SERVER_NAME));
    let error = ask_nodes(&Authority::new().credentials(), open).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_server_with_another_name_is_refused() {
    let authority = Authority::new();
    let (open, _) = connector(authority.server("etcd.example.com"));
    let error = ask_nodes(&authority.credentials(), open).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let authority = Authority::new();
    let (open, opened) = connector_to(authority.server(SERVER_NAME), 307);
    let error = ask_nodes(&authority.credentials(), open).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "list nodes: the answer makes no sense: it has the status 307, which leads elsewhere"
    );
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}

/// What a lying API server answers, and what becomes of it. Nothing is asked twice.
async fn answered(status: u16, body: impl Into<Bytes>) -> String {
    let authority = Authority::shared();
    let (open, _) = serving(authority.server(SERVER_NAME), status, body.into());
    let only = ApiServer { name: "cp-1".to_owned(), open };
    let cluster = crate::Cluster::from_client(connect(&authority.credentials(), vec![only]));
    let begun = tokio::time::Instant::now();
    let error = cluster.nodes(Duration::from_mins(5)).await.unwrap_err().to_string();
    assert!(begun.elapsed() < Duration::from_mins(1), "asked again");
    error
}

const TOO_LARGE: &str = "list nodes: the answer makes no sense: the answer is larger than any that is asked for";

#[tokio::test]
async fn an_answer_has_a_limit_in_bytes() {
    let huge = format!(r#"{{"metadata":{{}},"items":[],"x":"{}"}}"#, "x".repeat(65 << 20));
    assert_eq!(answered(200, huge).await, TOO_LARGE);
}

#[tokio::test]
async fn an_answer_has_a_limit_in_what_it_becomes_in_memory() {
    let nodes = |count: usize| format!(r#"{{"metadata":{{}},"items":[{}{{}}]}}"#, "{},".repeat(count));
    assert_eq!(answered(200, nodes(600_000)).await, TOO_LARGE);
    let texts = format!(r#"{{"metadata":{{}},"items":[],"x":[{}0]}}"#, "0,".repeat(6_000_000));
    assert_eq!(answered(200, texts).await, TOO_LARGE);
    // Whatever stands in texts counts as text.
    let text = format!(r#"{{"metadata":{{}},"items":"\"{}"}}"#, "[{,".repeat(1_000_000));
    assert!(!answered(200, text).await.contains("larger"));
}

#[tokio::test]
async fn a_refusal_is_short() {
    assert_eq!(answered(400, "x".repeat(2 << 20)).await, TOO_LARGE);
    let long =
        serde_json::json!({ "kind": "Status", "status": "Failure", "code": 400, "message": "é".repeat(100_000) });
    let error = answered(400, long.to_string()).await;
    assert!(error.len() < 5000 && error.ends_with("é … (200000 bytes in all)"), "{} bytes", error.len());
    // serde quotes what it did not expect.
    let error = answered(200, format!(r#"{{"metadata":{{}},"items":"{}"}}"#, "x".repeat(1 << 20))).await;
    assert!(error.len() < 5000 && error.contains("the answer makes no sense"), "{} bytes", error.len());
}
