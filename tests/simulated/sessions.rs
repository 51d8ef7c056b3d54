//! What digest authentication costs, against the simulated Atlas' own nonces: at most one 401 for each session that is
//! opened, and none is opened while one that is younger than 45 s lies idle.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    atlas::{
        dialect::Dialect,
        transport::{Transport, TransportError},
    },
    testbed::simulator::{self, Change},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// How long a session may be used.
const LIFETIME: Duration = Duration::from_secs(45);

/// One request on the wire.
#[derive(Debug, Clone)]
struct Call {
    began: Instant,
    /// `None`: there was no answer.
    ended: Option<Instant>,
    nonce: Option<String>,
    challenged: bool,
}

impl Call {
    fn is_under_way(&self, at: Instant) -> bool {
        self.began <= at && self.ended.is_none_or(|ended| at <= ended)
    }
}

/// The wire to Atlas, watched: the ledger shows no nonces.
#[derive(Clone)]
struct Wire {
    inner: Arc<dyn Transport>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let call = Call { began: Instant::now(), ended: None, nonce: nonce(&request), challenged: false };
        let place = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(call);
            calls.len() - 1
        };
        let (calls, sent) = (self.calls.clone(), self.inner.send(request));
        Box::pin(async move {
            let answer = sent.await;
            let call = &mut calls.lock().unwrap()[place];
            call.ended = answer.is_ok().then(Instant::now);
            call.challenged = answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED);
            answer
        })
    }
}

fn nonce(request: &Request<Bytes>) -> Option<String> {
    let fields = request.headers().get(header::AUTHORIZATION)?.to_str().unwrap().strip_prefix("Digest ")?;
    let nonce = fields.split(',').find_map(|field| field.trim().strip_prefix("nonce=\""))?;
    Some(nonce.trim_end_matches('"').to_owned())
}

/// A world whose operator is heard on the wire.
fn heard(nature: Nature) -> (World, Running, Wire) {
    let mut world = World::new(nature);
    let wire = Wire { inner: world.atlas.transport(), calls: Arc::default() };
    let operator = world.start_over(Arc::new(wire.clone()));
    world.credentials();
    (world, operator, wire)
}

impl Wire {
    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// When each session that Atlas accepted was first used.
    fn sessions(&self) -> BTreeMap<String, Instant> {
        let mut sessions = BTreeMap::new();
        for call in self.calls().into_iter().filter(|call| !call.challenged) {
            if let Some(nonce) = call.nonce {
                sessions.entry(nonce).or_insert(call.began);
            }
        }
        sessions
    }

    /// At most one 401 for each session, by the ledger.
    fn costs_one_challenge_for_each_session(&self, world: &World) {
        let ledger = world.ledger();
        let challenges = ledger.iter().filter_map(|entry| entry.request()).filter(|request| request.challenged).count();
        let sessions = self.sessions().len();
        assert!(sessions > 0 && challenges <= sessions, "{challenges} challenges for {sessions} sessions");
    }

    /// Whenever a session is opened, every other that may still be used is in use.
    fn leaves_no_session_idle(&self) {
        let (calls, sessions) = (self.calls(), self.sessions());
        for opening in calls.iter().filter(|call| call.nonce.is_none()) {
            let at = opening.began;
            let usable = sessions.iter().filter(|(_, since)| **since < at && at.duration_since(**since) < LIFETIME);
            for (nonce, since) in usable {
                let used = calls.iter().any(|call| call.nonce.as_ref() == Some(nonce) && call.is_under_way(at));
                assert!(used, "a session is opened {:?} after an idle one was", at.duration_since(*since));
            }
        }
    }
}

/// A life of both kinds with a quiet hour in its middle.
async fn lives(world: &World) {
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(world).await;
    oracle::quiet_hour(world).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    gone_without_trace(world).await;
}

#[tokio::test(start_paused = true)]
async fn a_life_opens_no_session_while_one_lies_idle() {
    for dialect in [Dialect::V2, Dialect::V1] {
        let (world, _operator, wire) = heard(Nature::of(dialect));
        lives(&world).await;
        wire.costs_one_challenge_for_each_session(&world);
        wire.leaves_no_session_idle();
    }
}

/// A single link: its calls come one after the other, so its sessions do, too.
#[tokio::test(start_paused = true)]
async fn sequential_calls_open_one_session_in_forty_five_seconds() {
    for dialect in [Dialect::V2, Dialect::V1] {
        let (world, _operator, wire) = heard(Nature::of(dialect));
        world.apply(link("orders"));
        world.until(10 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
        oracle::quiet_hour(&world).await;
        world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
        gone_without_trace(&world).await;
        let calls = wire.calls();
        let sequential = calls.windows(2).all(|pair| pair[0].ended.is_some_and(|ended| ended <= pair[1].began));
        assert!(sequential, "calls overlap: {calls:#?}");
        wire.costs_one_challenge_for_each_session(&world);
        let mut opened: Vec<_> = wire.sessions().into_values().collect();
        opened.sort_unstable();
        assert!(opened.len() >= 4, "165 s and more: {opened:?}");
        for pair in opened.windows(2) {
            let pause = pair[1].duration_since(pair[0]);
            assert!(pause >= LIFETIME, "{dialect}: a session {pause:?} after another");
        }
    }
}

/// Nonces that end early cost one 401 each, and no call.
#[tokio::test(start_paused = true)]
async fn a_stale_nonce_costs_one_challenge_for_the_session_that_replaces_it() {
    for (nonce_lifetime, nonce_uses) in [(60, 3), (15, 1023)] {
        let atlas = simulator::Settings { nonce_lifetime, nonce_uses, ..Nature::default().atlas };
        let (world, _operator, wire) = heard(Nature { atlas, ..Nature::default() });
        lives(&world).await;
        wire.costs_one_challenge_for_each_session(&world);
        assert!(wire.calls().iter().any(|call| call.challenged && call.nonce.is_some()), "no nonce was ever stale");
    }
}

#[tokio::test(start_paused = true)]
async fn many_projects_at_once_cost_one_challenge_for_each_session() {
    let (world, _operator, wire) = heard(Nature::default());
    for project in 0..20 {
        let id = format!("5df264b8f10fab7d2cad2f{project:02}");
        world.apply(with(link(&format!("orders-{project}")), json!({"spec": {"projectId": id}})));
    }
    let all = |world: &World| (0..20).all(|project| world.link_ready(&format!("orders-{project}")));
    world.until(MINUTE, "under way", |world| world.services().len() == 20).await;
    // As if another app server answered.
    world.change(Change::ForgetNonces);
    world.until(10 * MINUTE, "all Ready", all).await;
    wire.costs_one_challenge_for_each_session(&world);
    wire.leaves_no_session_idle();
}
