//! A strict fake of the API server under the real client: every call must be expected, and every expectation met.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use jiff::Timestamp;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower::service_fn;

use crate::Cluster;

/// Tests say which calls they expect, such as `GET /api/v1/nodes` or `WATCH /api/v1/nodes`, and what is answered. Equal
/// calls are answered in the order of their expectations; different calls may come in any order. When it is dropped, a
/// call that was not expected, or an expected call that never came, fails the test.
#[derive(Default)]
pub struct FakeApi {
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    expected: Vec<(String, Answer)>,
    /// Where it is not that of this machine.
    clock: Option<Timestamp>,
    sent: Vec<Sent>,
    unexpected: Vec<String>,
}

struct Answer {
    status: u16,
    chunks: VecDeque<Bytes>,
    /// A watch stays open after its events.
    open: bool,
}

/// A call that came.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Method and path.
    pub call: String,
    pub query: String,
    /// `null` when the call had no body.
    pub body: Value,
}

impl FakeApi {
    pub fn new() -> Self {
        Self::default()
    }

    /// With a clock that stands at this time.
    #[must_use]
    pub fn at(self, clock: Timestamp) -> Self {
        self.script().clock = Some(clock);
        self
    }

    /// Expects a call once and answers it.
    pub fn expect(&self, call: &str, status: u16, answer: &Value) -> &Self {
        self.push(call, Answer { status, chunks: VecDeque::from([Bytes::from(answer.to_string())]), open: false })
    }

    /// Expects a call once and says that there is no such object.
    pub fn expect_missing(&self, call: &str) -> &Self {
        self.expect(call, 404, &failure(404, "NotFound", "not found"))
    }

    /// Expects a call once that sends an object, and answers with that object.
    pub fn expect_echo(&self, call: &str) -> &Self {
        self.push(call, Answer { status: 200, chunks: VecDeque::new(), open: false })
    }

    /// Expects the list that starts a watch, then the watch itself, which brings these changed objects and stays open.
    pub fn expect_watch(&self, path: &str, listed: &[Value], changed: &[Value]) -> &Self {
        let list = json!({ "metadata": { "resourceVersion": "1" }, "items": listed });
        let event = |object: &Value| {
            let mut object = object.clone();
            object["metadata"]["resourceVersion"] = json!("2");
            Bytes::from(format!("{}\n", json!({ "type": "MODIFIED", "object": object })))
        };
        let chunks = changed.iter().map(event).collect();
        self.expect(&format!("GET {path}"), 200, &list);
        self.push(&format!("WATCH {path}"), Answer { status: 200, chunks, open: true })
    }

    /// Expects the question which kinds a group has. Each is a kind, its plural, and whether it lives in namespaces.
    pub fn expect_discovery(&self, api_version: &str, kinds: &[(&str, &str, bool)]) -> &Self {
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        let resources: Vec<Value> = kinds
            .iter()
            .map(|(kind, plural, namespaced)| {
                json!({ "name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["patch"] })
            })
            .collect();
        let list = json!({ "kind": "APIResourceList", "groupVersion": api_version, "resources": resources });
        self.expect(&format!("GET {root}/{api_version}"), 200, &list)
    }

    /// The cluster whose API this is.
    pub fn cluster(&self) -> Cluster {
        let script = self.script.clone();
        let service = service_fn(move |request: Request<Body>| {
            let script = script.clone();
            async move { Ok::<_, Infallible>(answer(&script, request).await) }
        });
        Cluster::from_client(Client::new(service, "default"))
    }

    /// All calls so far, in the order they came.
    pub fn sent(&self) -> Vec<Sent> {
        self.script().sent.clone()
    }

    fn push(&self, call: &str, answer: Answer) -> &Self {
        self.script().expected.push((call.to_owned(), answer));
        self
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let script = self.script();
        let missing: Vec<&String> = script.expected.iter().map(|(call, _)| call).collect();
        assert!(script.unexpected.is_empty(), "calls that nobody expected: {:#?}", script.unexpected);
        assert!(missing.is_empty(), "calls that never came: {missing:#?}");
    }
}

async fn answer(script: &Mutex<Script>, request: Request<Body>) -> Response<FakeBody> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let watch = query.split('&').any(|parameter| parameter == "watch=true");
    let method = if watch { "WATCH" } else { head.method.as_str() };
    let call = format!("{method} {}", head.uri.path());
    let bytes = body.collect_bytes().await.unwrap_or_default();
    let sent = Sent { call: call.clone(), query, body: serde_json::from_slice(&bytes).unwrap_or_default() };

    let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
    script.sent.push(sent);
    let position = script.expected.iter().position(|(expected, _)| *expected == call);
    let Answer { status, mut chunks, open } = if let Some(position) = position {
        script.expected.remove(position).1
    } else {
        script.unexpected.push(call);
        let refusal = failure(400, "BadRequest", "the test did not expect this call");
        Answer { status: 400, chunks: VecDeque::from([Bytes::from(refusal.to_string())]), open: false }
    };
    if chunks.is_empty() && !open {
        chunks.push_back(bytes);
    }
    let mut response = Response::new(FakeBody { chunks, open });
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let clock = script.clock.unwrap_or_else(Timestamp::now).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = clock.parse() {
        response.headers_mut().insert(http::header::DATE, date);
    }
    response
}

/// How the API server words a refusal.
fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message })
}

struct FakeBody {
    chunks: VecDeque<Bytes>,
    open: bool,
}

impl HttpBody for FakeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.chunks.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None if self.open => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    #[should_panic(expected = "calls that nobody expected")]
    async fn an_unexpected_call_fails_the_test() {
        let api = FakeApi::new();
        let _ = api.cluster().version(Duration::from_secs(1)).await;
    }

    #[test]
    #[should_panic(expected = "calls that never came")]
    fn a_missing_call_fails_the_test() {
        FakeApi::new().expect("GET /version", 200, &json!({}));
    }
}
