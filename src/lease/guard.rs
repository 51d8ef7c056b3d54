//! Where requests leave the process: what a leader may send, and nobody else.

use super::Leadership;
use crate::atlas::transport::{Transport, TransportError};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::{Client, client::Body};
use std::sync::Arc;

/// A request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sent: this process is not the leader any more")]
pub struct NotLeading;

/// A client whose writes are withheld when the term is over. Reads go on, they harm nobody.
pub fn client(inner: Client, leadership: Leadership) -> Client {
    let (namespace, valid_until) = (inner.default_namespace().to_owned(), *inner.valid_until());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, leadership) = (inner.clone(), leadership.clone());
        async move {
            if request.method() != Method::GET && !leadership.may_write() {
                return Err(kube::Error::Service(NotLeading.into()));
            }
            inner.send(request).await
        }
    });
    Client::new(service, namespace).with_valid_until(valid_until)
}

/// The way to Atlas, closed when the term is over. Reads are withheld too: they use up the project's rate limit.
pub fn transport(inner: Arc<dyn Transport>, leadership: Leadership) -> Arc<dyn Transport> {
    Arc::new(Guarded { inner, leadership })
}

struct Guarded {
    inner: Arc<dyn Transport>,
    leadership: Leadership,
}

impl Transport for Guarded {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let (inner, leadership) = (self.inner.clone(), self.leadership.clone());
        Box::pin(async move {
            if !leadership.may_write() {
                return Err(TransportError::Withheld(NotLeading.to_string()));
            }
            inner.send(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::leadership::Moment, *};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    const TERM: Duration = Duration::from_secs(10);

    struct Counting(Arc<AtomicUsize>);

    impl Transport for Counting {
        fn send(&self, _: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(Response::new(Bytes::new())) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_goes_to_atlas_after_the_term() {
        let (sent, leadership) = (Arc::<AtomicUsize>::default(), Leadership::default());
        let guarded = transport(Arc::new(Counting(sent.clone())), leadership.clone());
        leadership.grant(Moment::now(), TERM);
        guarded.send(Request::default()).await.unwrap();
        // Made within the term, sent after it.
        let late = guarded.send(Request::default());
        tokio::time::advance(TERM).await;
        let refusal = TransportError::Withheld("not sent: this process is not the leader any more".into());
        assert_eq!(late.await.unwrap_err(), refusal);
        assert_eq!(guarded.send(Request::default()).await.unwrap_err(), refusal);
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn kubernetes_is_read_after_the_term_but_not_written() {
        let (sent, leadership) = (Arc::<AtomicUsize>::default(), Leadership::default());
        let counted = sent.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, Infallible>(Response::new(Body::from(br#"{"metadata":{"name":"one"}}"#.to_vec()))) }
        });
        let maps: Api<ConfigMap> =
            Api::default_namespaced(client(Client::new(service, "payments"), leadership.clone()));
        leadership.grant(Moment::now(), TERM);
        maps.create(&Default::default(), &ConfigMap::default()).await.unwrap();
        tokio::time::advance(TERM).await;
        let refused = [
            maps.create(&Default::default(), &ConfigMap::default()).await,
            maps.replace("one", &Default::default(), &ConfigMap::default()).await,
            maps.patch("one", &Default::default(), &kube::api::Patch::Merge(())).await,
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(matches!(&error, kube::Error::Service(why) if why.is::<NotLeading>()), "{error:?}");
        }
        maps.get("one").await.unwrap();
        assert_eq!(sent.load(Ordering::SeqCst), 2);
    }
}
