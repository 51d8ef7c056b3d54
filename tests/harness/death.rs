//! Meets an operator at a point of one of its writes, to Kubernetes or to Atlas: before the effect, after it and before
//! the answer, or after the answer; and ends it there, or lets it go on. A point is named by what is written, and the how
//! many-th such write it is.

use super::world::*;
use atlas_privatelink_operator::{
    atlas::transport::{Transport, TransportError},
    testbed::kubernetes::{Decision, Phase, RequestRecord},
};
use bytes::Bytes;
use futures::future::{BoxFuture, pending};
use http::{Method, Request, Response, header};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where in the life of a write the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeEffect,
    AfterEffect,
    AfterAnswer,
    /// The request stays on its way, and has its effect 25 seconds after the operator's end. To Atlas only.
    EffectComesLate,
}

impl Moment {
    pub const ALL: [Self; 4] = [Self::BeforeEffect, Self::AfterEffect, Self::AfterAnswer, Self::EffectComesLate];

    fn concerns(self, write: &Write) -> bool {
        self != Self::EffectComesLate || write.what.starts_with("Atlas")
    }
}

/// What is written, and the how many-th such write it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    pub what: String,
    pub nth: usize,
}

impl fmt::Display for Write {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(text, "{} {}", self.what, self.nth)
    }
}

/// Where in its life an operator is met.
pub type Point = (Write, Moment);

/// Every point of these writes.
pub fn points(writes: &[Write]) -> Vec<Point> {
    let of = |write: &Write| {
        let moments = Moment::ALL.into_iter().filter(|moment| moment.concerns(write));
        moments.map(|moment| (write.clone(), moment)).collect::<Vec<_>>()
    };
    writes.iter().flat_map(of).collect()
}

/// What becomes of the request that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It comes to nothing any more, for the operator is about to end.
    Hangs,
    GoesOn,
    /// It goes on after this time. To Kubernetes only; what is on its way to Atlas goes on at once.
    Waits(Duration),
}

/// Sees every write of an operator, and waits at one of them.
pub struct Reaper {
    /// All writes so far, in order.
    writes: Arc<Mutex<Vec<Write>>>,
    reached: UnboundedReceiver<Moment>,
    arrived: bool,
}

struct Eye {
    writes: Arc<Mutex<Vec<Write>>>,
    counts: Mutex<BTreeMap<String, usize>>,
    victim: Option<Point>,
    then: Then,
    reached: UnboundedSender<Moment>,
}

impl Eye {
    fn counted(&self, what: String) -> Write {
        let mut counts = self.counts.lock().unwrap();
        let nth = counts.entry(what.clone()).and_modify(|count| *count += 1).or_insert(1);
        let write = Write { what, nth: *nth };
        self.writes.lock().unwrap().push(write.clone());
        write
    }

    /// Whether this is the point; tells so.
    fn is_here(&self, write: &Write, moment: Moment) -> bool {
        let here = self.victim.as_ref().is_some_and(|(victim, when)| victim == write && *when == moment);
        if here {
            let _ = self.reached.send(moment);
        }
        here
    }

    /// Whether this is the point, and the request ends here.
    fn ends_here(&self, write: &Write, moment: Moment) -> bool {
        self.is_here(write, moment) && self.then == Then::Hangs
    }
}

/// Starts an operator that dies at that point, or none, and counts its writes.
pub fn start(world: &mut World, victim: Option<Point>) -> (Running, Reaper) {
    let transport = world.atlas.transport();
    watched(world, victim, Then::Hangs, transport)
}

/// The same, of an operator that reaches Atlas that way.
pub fn start_over(world: &mut World, victim: Option<Point>, transport: Arc<dyn Transport>) -> (Running, Reaper) {
    watched(world, victim, Then::Hangs, transport)
}

/// Starts an operator that goes on at that point, and has it told.
pub fn start_met(world: &mut World, point: Point) -> (Running, Reaper) {
    let transport = world.atlas.transport();
    watched(world, Some(point), Then::GoesOn, transport)
}

/// The same, of an operator that reaches Atlas that way. What it sends to Kubernetes there waits for so long.
pub fn start_met_over(
    world: &mut World,
    point: Point,
    waits: Duration,
    transport: Arc<dyn Transport>,
) -> (Running, Reaper) {
    watched(world, Some(point), Then::Waits(waits), transport)
}

fn watched(world: &mut World, victim: Option<Point>, then: Then, transport: Arc<dyn Transport>) -> (Running, Reaper) {
    let writes = Arc::<Mutex<Vec<Write>>>::default();
    let (sender, reached) = unbounded_channel();
    let eye = Arc::new(Eye { writes: writes.clone(), counts: Mutex::default(), victim, then, reached: sender });
    watch_kubernetes(world, eye.clone());
    let operator = world.start_over(Arc::new(Watched { inner: transport, eye }));
    (operator, Reaper { writes, reached, arrived: false })
}

impl Reaper {
    /// All writes so far.
    pub fn writes(&self) -> Vec<Write> {
        self.writes.lock().unwrap().clone()
    }

    /// Whether the point was waited for, and reached.
    pub fn has_arrived(&self) -> bool {
        self.arrived
    }

    /// Waits for the point.
    pub async fn arrives(&mut self) {
        let moment = self.reached.recv().await.unwrap();
        self.arrived = true;
        if moment == Moment::AfterAnswer {
            // The answers of Kubernetes take 5 ms, those of Atlas are in.
            tokio::time::sleep(Duration::from_millis(6)).await;
        }
    }

    /// Waits for the point, and ends the operator there.
    pub async fn kill(&mut self, world: &World, operator: Running) {
        self.arrives().await;
        operator.kill().await;
        world.kube.on_request_clear();
    }
}

fn watch_kubernetes(world: &World, eye: Arc<Eye>) {
    let under_way = Mutex::new(BTreeMap::new());
    let name = world.next_operator();
    world.kube.on_request(move |point| {
        let what = essential(&point.request).filter(|_| point.request.client == name);
        let Some(what) = what else { return Decision::Proceed };
        let mut under_way = under_way.lock().unwrap();
        let write = under_way.entry(point.request.order).or_insert_with(|| eye.counted(what)).clone();
        let here = match point.phase {
            Phase::BeforeEffect => eye.is_here(&write, Moment::BeforeEffect),
            Phase::AfterEffect => {
                eye.is_here(&write, Moment::AfterAnswer);
                eye.is_here(&write, Moment::AfterEffect)
            }
        };
        match eye.then {
            Then::Hangs if here => Decision::Hang,
            Then::Waits(time) if here => Decision::Delay(time),
            Then::Hangs | Then::Waits(_) | Then::GoesOn => Decision::Proceed,
        }
    });
}

/// What a write of Kubernetes is called, Events apart: by the object, for which of two is written first is nobody's choice.
pub fn essential(request: &RequestRecord) -> Option<String> {
    let RequestRecord { verb, resource, subresource, namespace, name, .. } = request;
    let is_one = verb.writes() && [LINKS, ENDPOINTS].contains(&resource.as_str());
    let place = if namespace == NAMESPACE { String::new() } else { format!(" {namespace}") };
    is_one.then(|| format!("{verb:?} {resource}{place} {name} {subresource}").trim_end().to_owned())
}

/// What a write of Atlas is called: an endpoint by its id; what a service will be called nobody knows.
fn named(request: &Request<Bytes>) -> String {
    let nouns = ["endpoint", "interfaceEndpoints"];
    let mut parts = request.uri().path().split('/').skip_while(|part| !nouns.contains(part));
    if parts.next().is_none() {
        return format!("Atlas {} service", request.method());
    }
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let told = ["id", "interfaceEndpointId"].into_iter().find_map(|field| body[field].as_str());
    format!("Atlas {} endpoint {}", request.method(), parts.next().or(told).unwrap_or_default()).trim_end().to_owned()
}

/// The way to Atlas, watched.
struct Watched {
    inner: Arc<dyn Transport>,
    eye: Arc<Eye>,
}

impl Transport for Watched {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let (eye, inner) = (self.eye.clone(), self.inner.clone());
        Box::pin(async move {
            // What asks for a challenge has no effect.
            let signed = request.headers().contains_key(header::AUTHORIZATION);
            if request.method() == Method::GET || !signed || !request.uri().path().contains("/groups/") {
                return inner.send(request).await;
            }
            let write = eye.counted(named(&request));
            if eye.ends_here(&write, Moment::BeforeEffect) {
                return pending().await;
            }
            if eye.ends_here(&write, Moment::EffectComesLate) {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(25)).await;
                    inner.send(request).await
                });
                return pending().await;
            }
            let answer = inner.send(request).await;
            if eye.ends_here(&write, Moment::AfterEffect) {
                return pending().await;
            }
            eye.is_here(&write, Moment::AfterAnswer);
            answer
        })
    }
}
