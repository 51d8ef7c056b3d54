//! Ways to Atlas that are not as they should be.

use atlas_privatelink_operator::atlas::transport::{Transport, TransportError};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, header};
use std::{
    sync::{
        Arc,
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
