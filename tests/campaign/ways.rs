//! Ways to Atlas that are not as they should be.

use atlas_privatelink_operator::atlas::transport::{Transport, TransportError};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A way to Atlas on which whatever this caller asks for takes its time.
pub struct Slow {
    pub inner: Arc<dyn Transport>,
    pub caller: &'static str,
}

impl Transport for Slow {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let signed = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let theirs = signed.is_some_and(|text| text.contains(&format!("username=\"{}\"", self.caller)));
        let sent = self.inner.send(request);
        Box::pin(async move {
            if theirs {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
            sent.await
        })
    }
}

/// A way to Atlas on which writes take their time to get there, and reads do not.
pub struct Late {
    pub inner: Arc<dyn Transport>,
    pub by: Duration,
}

impl Transport for Late {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let (inner, by) = (self.inner.clone(), self.by);
        let writes = request.method() != Method::GET && request.headers().contains_key(header::AUTHORIZATION);
        Box::pin(async move {
            if writes {
                tokio::time::sleep(by).await;
            }
            inner.send(request).await
        })
    }
}

/// A way to Atlas on which the first request to make something goes astray, and arrives when it is told to.
pub struct Straying {
    inner: Arc<dyn Transport>,
    first: Mutex<Option<Request<Bytes>>>,
    strayed: AtomicBool,
}

impl Straying {
    pub fn of(inner: Arc<dyn Transport>) -> Self {
        Self { inner, first: Mutex::default(), strayed: AtomicBool::default() }
    }

    pub fn has_strayed(&self) -> bool {
        self.strayed.load(Ordering::SeqCst)
    }

    /// Nobody waits for the answer any more.
    pub async fn arrives(&self) -> StatusCode {
        let first = self.first.lock().unwrap().take().expect("it has gone astray");
        self.inner.send(first).await.expect("an answer").status()
    }
}

impl Transport for Straying {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let asks = request.method() == Method::POST && request.headers().contains_key(header::AUTHORIZATION);
        if !asks || !request.uri().path().contains("/groups/") || self.strayed.swap(true, Ordering::SeqCst) {
            return self.inner.send(request);
        }
        *self.first.lock().unwrap() = Some(request);
        Box::pin(std::future::pending())
    }
}

/// A way to Atlas that can be cut: what is sent then is never answered.
pub struct Severable {
    pub inner: Arc<dyn Transport>,
    pub cut: Arc<AtomicBool>,
}

impl Transport for Severable {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        if self.cut.load(Ordering::SeqCst) { Box::pin(std::future::pending()) } else { self.inner.send(request) }
    }
}

/// A way to Atlas on which the first request for a service arrives together with the second one, just before it; between
/// the two, all answers bear a date from before the first, as they may where two machines answer.
pub struct Overtaking {
    inner: Arc<dyn Transport>,
    course: Arc<Mutex<Course>>,
}

#[derive(Default)]
struct Course {
    first: Option<Request<Bytes>>,
    is_over: bool,
}

impl Overtaking {
    pub fn of(inner: Arc<dyn Transport>) -> Self {
        Self { inner, course: Arc::default() }
    }
}

impl Transport for Overtaking {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let (inner, course) = (self.inner.clone(), self.course.clone());
        let asks = request.method() == Method::POST && request.headers().contains_key(header::AUTHORIZATION);
        let asks = asks && request.uri().path().contains("/groups/") && !course.lock().unwrap().is_over;
        Box::pin(async move {
            if asks {
                let first = course.lock().unwrap().first.take();
                let Some(first) = first else {
                    course.lock().unwrap().first = Some(request);
                    return std::future::pending().await;
                };
                inner.send(first).await?;
                course.lock().unwrap().is_over = true;
            }
            let mut answer = inner.send(request).await?;
            if course.lock().unwrap().first.is_some() {
                answer.headers_mut().insert(header::DATE, HeaderValue::from_static("Sat, 21 Nov 2026 07:59:57 GMT"));
            }
            Ok(answer)
        })
    }
}
