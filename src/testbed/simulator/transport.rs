//! The simulator in process, as the client's [`Transport`]; it works under paused time, where sockets do not.

use super::faults::Cut;
use crate::atlas::transport::{Transport, TransportError};
use axum::{Router, body::Body};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::time::Duration;
use tower::ServiceExt;

/// The most that is read of an answer, the client's own limit (design.md, "Atlas").
const LIMIT: usize = 1 << 20;

pub(super) struct InProcess {
    router: Router,
    latency: Duration,
}

impl InProcess {
    pub(super) fn new(router: Router, latency: Duration) -> Self {
        Self { router, latency }
    }
}

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let (router, latency) = (self.router.clone(), self.latency);
        Box::pin(async move {
            tokio::time::sleep(latency).await;
            let response = match router.oneshot(request.map(Body::from)).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            tokio::time::sleep(latency).await;
            match response.extensions().get::<Cut>() {
                Some(Cut::NeverCameAbout) => Err(TransportError::NotConnected("connection refused".to_owned())),
                Some(Cut::Dropped) => Err(TransportError::NoAnswer("connection closed".to_owned())),
                None => read(response).await,
            }
        })
    }
}

async fn read(response: Response<Body>) -> Result<Response<Bytes>, TransportError> {
    let (parts, mut body) = response.into_parts();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| TransportError::NoAnswer("the body broke off".to_owned()))?;
        whole.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        if whole.len() > LIMIT {
            return Err(TransportError::TooLarge(LIMIT));
        }
    }
    Ok(Response::from_parts(parts, whole.freeze()))
}
