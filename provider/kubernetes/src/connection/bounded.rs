//! Bounds on what an API server may answer: in bytes, and in parts, each of which becomes far larger in memory than it is
//! on the wire.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use thiserror::Error;
use tower::{BoxError, Service};

/// A thousand nodes are about 20 MB, and have 300,000 objects and lists.
const MOST_BYTES: usize = 64 << 20;
/// Objects and lists. Real ones have some fifty bytes each; an empty one becomes a thousand in memory.
const MOST_PARTS: usize = 500_000;
/// What stands in lists and objects. Real ones have some twenty bytes each; an empty one becomes dozens.
const MOST_ITEMS: usize = 5_000_000;
/// A refusal is a sentence, and so is what a proxy says in the place of an API server.
const MOST_BYTES_OF_REFUSAL: usize = 1 << 20;

/// An answer that no API server gives. Asking again does not make it better.
#[derive(Debug, Error)]
pub(crate) enum UnusableAnswer {
    #[error("the answer is larger than any that is asked for")]
    TooLarge,
    /// A redirect is not followed, and its body is no answer.
    #[error("it has the status {0}, which leads elsewhere")]
    Redirect(u16),
}

/// An HTTP client whose answers end with an error when they are too large.
#[derive(Clone)]
pub(super) struct BoundedAnswers<S>(pub(super) S);

impl<S, B, A> Service<Request<B>> for BoundedAnswers<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<Bounded<A>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.split('&').any(|parameter| parameter == "watch=true");
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into)?;
            if answer.status().is_redirection() {
                return Err(UnusableAnswer::Redirect(answer.status().as_u16()).into());
            }
            let bytes = if answer.status().is_success() { MOST_BYTES } else { MOST_BYTES_OF_REFUSAL };
            let per_line = is_watch && answer.status().is_success();
            let limit = Limit { bytes, per_line };
            Ok(answer.map(|body| Bounded { body, limit, meter: Meter::default() }))
        })
    }
}

#[derive(Clone, Copy)]
struct Limit {
    bytes: usize,
    /// A watch has no end. Each of its lines is an answer.
    per_line: bool,
}

/// What was seen of an answer, or of the line of it that has not ended.
#[derive(Default)]
struct Meter {
    bytes: usize,
    parts: usize,
    items: usize,
    in_text: bool,
    escaped: bool,
}

impl Meter {
    /// Whether the answer is within its limit still.
    fn admits(&mut self, limit: Limit, data: &[u8]) -> bool {
        for byte in data {
            match byte {
                _ if std::mem::take(&mut self.escaped) => {}
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' | b'[' if !self.in_text => self.parts += 1,
                b',' if !self.in_text => self.items += 1,
                b'\n' if limit.per_line => *self = Self::default(),
                _ => {}
            }
            self.bytes += 1;
            if self.bytes > limit.bytes || self.parts > MOST_PARTS || self.items > MOST_ITEMS {
                return false;
            }
        }
        true
    }
}

/// The body of an answer.
pub(super) struct Bounded<A> {
    body: A,
    limit: Limit,
    meter: Meter,
}

impl<A> HttpBody for Bounded<A>
where
    A: HttpBody<Data = Bytes> + Unpin,
    A::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?;
        let limit = self.limit;
        if frame.data_ref().is_some_and(|data| !self.meter.admits(limit, data)) {
            return Poll::Ready(Some(Err(UnusableAnswer::TooLarge.into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
