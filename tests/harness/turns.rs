//! Whether each process has one write of a project under way at a time, from its sending to its answer, or until the
//! process has given it up.

use super::sparing::project_in;
use atlas_privatelink_operator::atlas::transport::{Transport, TransportError};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, header};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What was sent out of turn, by all operators. Clones are the same.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<Vec<String>>>);

impl Turns {
    /// One process's way to Atlas, watched.
    pub fn over(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Watched { inner, under_way: Arc::default(), overlaps: self.clone() })
    }

    /// Every write that was sent while another one of its project was under way in the same process.
    pub fn overlaps(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// The writes of one process, by project.
type UnderWay = Arc<Mutex<BTreeMap<String, String>>>;

struct Watched {
    inner: Arc<dyn Transport>,
    under_way: UnderWay,
    overlaps: Turns,
}

impl Transport for Watched {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let Some(project) = project_of_write(&request) else { return self.inner.send(request) };
        let what = format!("{} {}", request.method(), request.uri().path());
        let turn = Turn { under_way: self.under_way.clone(), project: project.clone() };
        if let Some(other) = self.under_way.lock().unwrap().insert(project, what.clone()) {
            self.overlaps.0.lock().unwrap().push(format!("{what} was sent while {other} was under way"));
        }
        let sent = self.inner.send(request);
        Box::pin(async move {
            let answer = sent.await;
            drop(turn);
            answer
        })
    }
}

/// What asks for a challenge has no effect, and is no write.
fn project_of_write(request: &Request<Bytes>) -> Option<String> {
    let writes = request.method() != Method::GET && request.headers().contains_key(header::AUTHORIZATION);
    project_in(request.uri().path()).filter(|_| writes).map(str::to_owned)
}

/// Ends with the request, however that ends.
struct Turn {
    under_way: UnderWay,
    project: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.under_way.lock().unwrap().remove(&self.project);
    }
}
