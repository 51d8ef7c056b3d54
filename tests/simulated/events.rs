//! Everything that people do to the objects, in every state that the objects can be in. Afterwards what the state lacks
//! is given, and the end is that of a life in which nothing happened.

use super::{
    life::{
        BOTH, RESYNC, both_are_ready, delete_both, end, first_half, get_ready, make_again, ours, uids, with_neighbours,
    },
    matrix::{self, eventually},
    oracle,
    world::*,
};
use atlas_privatelink_operator::{
    api::{RECONCILE_ANNOTATION, Standing},
    atlas::dialect::Dialect,
    testbed::simulator::{self, Change, Operation, Provider, ServiceFailure},
};
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(45 * 60);
/// Contains the old one, which no object may show.
const ROTATED: &str = "canary-private-key-0123456789-rotated";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NoSecret,
    Initiating,
    Ready,
    Pending,
    Available,
    ServiceFailed,
    Rejected,
    Deleting,
    WaitingForLink,
    Suspended,
}

const STATES: [State; 10] = [
    State::NoSecret,
    State::Initiating,
    State::Ready,
    State::Pending,
    State::Available,
    State::ServiceFailed,
    State::Rejected,
    State::Deleting,
    State::WaitingForLink,
    State::Suspended,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Edited,
    Deleted,
    Recreated,
    /// For five minutes.
    SecretGone,
    /// Together with both objects, as when a namespace goes.
    SecretGoneForGood,
    /// The old key is refused for twenty minutes before the Secret has the new one.
    SecretRotatedLate,
    /// The Secret has the new key when the old one ends.
    SecretRotated,
    FinalizersStripped,
    ReconcileRequested,
    /// In Atlas, behind the operator's back.
    EndpointLost,
    /// With its endpoint.
    ServiceLost,
}

pub const EVENTS: [Event; 11] = [
    Event::Edited,
    Event::Deleted,
    Event::Recreated,
    Event::SecretGone,
    Event::SecretGoneForGood,
    Event::SecretRotatedLate,
    Event::SecretRotated,
    Event::FinalizersStripped,
    Event::ReconcileRequested,
    Event::EndpointLost,
    Event::ServiceLost,
];

#[derive(Clone, Copy)]
struct Plan {
    state: State,
    event: Event,
    dialect: Dialect,
}

impl Plan {
    fn name(&self) -> String {
        format!("{:?}/{:?}/{}", self.state, self.event, self.dialect)
    }

    fn ends(&self) -> bool {
        let recreated = self.event == Event::Recreated;
        [Event::Deleted, Event::SecretGoneForGood].contains(&self.event)
            || (self.state == State::Deleting && !recreated)
    }

    /// How many services and endpoints are made at most.
    fn most(&self) -> (usize, usize) {
        let (services, endpoints) = match self.state {
            State::ServiceFailed => (5, 1),
            State::Rejected => (1, 5),
            State::NoSecret
            | State::Initiating
            | State::Ready
            | State::Pending
            | State::Available
            | State::Deleting
            | State::WaitingForLink
            | State::Suspended => (1, 1),
        };
        let lost = self.event == Event::ServiceLost;
        let more = usize::from(lost || self.event == Event::Recreated);
        // A rejected one that is lost is tried as often again.
        let again = if self.event == Event::EndpointLost { 1 } else { more };
        (services + more, endpoints + again)
    }
}

/// Brings a world into the state.
async fn reach(state: State, dialect: Dialect) -> (World, Running) {
    let mut world = with_neighbours(dialect);
    if state != State::NoSecret {
        world.credentials();
    }
    if state != State::WaitingForLink {
        world.apply(link("orders"));
    }
    world.apply(endpoint("orders-a", "orders", VPCE));
    if state == State::ServiceFailed {
        // As often as the operator tries by itself.
        let failure = ServiceFailure {
            provider: Provider::Aws,
            region: "US_EAST_1".to_owned(),
            times: 4,
            named: true,
            message: "no luck".to_owned(),
        };
        world.change(Change::FailServices(failure));
    }
    if state == State::Rejected {
        let standing = simulator::Standing::RejectedTimes(4);
        world.change(Change::DeclareEndpoint { endpoint: VPCE.to_owned(), standing });
    }
    let operator = world.start();
    arrive(&world, state).await;
    (world, operator)
}

async fn arrive(world: &World, state: State) {
    let until = |what: &'static str, condition: fn(&World) -> bool| world.until(PATIENCE, what, condition);
    match state {
        State::NoSecret => {
            until("no Secret", |w| w.link_is("orders", Standing::Reconciling, "WaitingForCredentials")).await;
        }
        State::Initiating => {
            let initiating = |w: &World| w.link("orders").status.and_then(|s| s.state).as_deref() == Some("INITIATING");
            until("INITIATING", initiating).await;
        }
        State::Available => until("both Ready", both_are_ready).await,
        State::Pending => {
            let pending = |w: &World| w.endpoint_is("orders-a", Standing::Reconciling, "PendingAcceptance");
            until("PENDING", pending).await;
        }
        State::ServiceFailed => until("FAILED", |w| w.link_is("orders", Standing::Stalled, "Failed")).await,
        State::Rejected => until("REJECTED", |w| w.endpoint_is("orders-a", Standing::Stalled, "Rejected")).await,
        State::WaitingForLink => {
            until("no link", |w| w.endpoint_is("orders-a", Standing::Reconciling, "WaitingForLink")).await;
        }
        State::Ready => {
            get_ready(world).await;
            world.pass(RESYNC).await;
        }
        State::Deleting => {
            get_ready(world).await;
            delete_both(world);
            until("a DELETE", |w| w.calls(Operation::DeleteEndpoint) > 0).await;
        }
        State::Suspended => {
            get_ready(world).await;
            patch_both(world, &json!({"spec": {"suspend": true}}));
            let followed = |w: &World| both_are_ready(w) && follows(w);
            until("suspended", followed).await;
        }
    }
}

/// Whether both statuses have followed the last edit.
fn follows(world: &World) -> bool {
    BOTH.iter().all(|(plural, name)| {
        world
            .kube
            .get(plural, NAMESPACE, name)
            .is_none_or(|object| object["status"]["observedGeneration"] == object["metadata"]["generation"])
    })
}

pub fn patch_both(world: &World, patch: &Value) {
    for (plural, name) in BOTH {
        // One of them may not be there.
        drop(world.kube.patch(plural, NAMESPACE, name, patch.clone()));
    }
}

fn request(world: &World) {
    let now = world.clock.now().to_string();
    patch_both(world, &json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: now}}}));
}

fn rotate(world: &World) {
    world.change(Change::Rotate { name: PUBLIC.to_owned(), secret: ROTATED.to_owned().into() });
}

fn new_secret(world: &World) {
    world.secret(NAMESPACE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", ROTATED)]);
}

pub fn lose_secret(world: &World) {
    // Where there is none, it cannot be lost.
    drop(world.kube.delete("secrets", NAMESPACE, "atlas-credentials"));
}

async fn happens_in(world: &World, plan: Plan) {
    match (plan.event, plan.state) {
        (Event::Recreated, _) => recreated(world, || resume(world, plan.state)).await,
        // It cannot come back.
        (Event::SecretGone, State::NoSecret) => world.pass(5 * MINUTE).await,
        (event, _) => happens(world, event).await,
    }
}

async fn recreated(world: &World, afterwards: impl Fn()) {
    let old = uids(world);
    delete_what_is_there(world);
    afterwards();
    eventually(world, PATIENCE, "both made again", |world| make_again(world, &old)).await;
}

/// What is the same in every state.
pub async fn happens(world: &World, event: Event) {
    match event {
        Event::Edited => patch_both(world, &json!({"spec": {"deletionPolicy": "Delete"}})),
        Event::Deleted => delete_what_is_there(world),
        Event::Recreated => recreated(world, || {}).await,
        Event::SecretGone => {
            lose_secret(world);
            world.pass(5 * MINUTE).await;
            world.credentials();
        }
        Event::SecretGoneForGood => {
            lose_secret(world);
            delete_what_is_there(world);
        }
        Event::SecretRotatedLate => {
            rotate(world);
            world.pass(20 * MINUTE).await;
            new_secret(world);
            eventually(world, 75 * Duration::from_secs(1), "the new key noticed", |world| !is_refused(world)).await;
        }
        Event::SecretRotated => {
            rotate(world);
            new_secret(world);
        }
        Event::FinalizersStripped => {
            patch_both(world, &json!({"metadata": {"finalizers": []}}));
            let bare = |(plural, name): &(&str, &str)| {
                let object = world.kube.get(plural, NAMESPACE, name);
                object.is_none_or(|object| object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty))
            };
            assert!(BOTH.iter().all(bare), "the finalizers are still there");
        }
        Event::ReconcileRequested => request(world),
        Event::EndpointLost => lose_endpoint(world),
        Event::ServiceLost => lose_service(world),
    }
}

fn lose_endpoint(world: &World) {
    for service in ours(world) {
        let (project, service) = (PROJECT.to_owned(), service["id"].as_str().unwrap().to_owned());
        // In some states it isn't attached.
        drop(world.atlas.change(Change::DeleteEndpoint { project, service, endpoint: VPCE.to_owned() }));
    }
}

/// Somebody deletes the service, and makes another VPC endpoint for the one that is to come, under the same id.
fn lose_service(world: &World) {
    for service in ours(world) {
        let (project, service) = (PROJECT.to_owned(), service["id"].as_str().unwrap().to_owned());
        world.change(Change::DeleteService { project, service });
    }
    let standing = simulator::Standing::Undeclared;
    world.change(Change::DeclareEndpoint { endpoint: VPCE.to_owned(), standing });
}

pub fn delete_what_is_there(world: &World) {
    for (plural, name) in BOTH {
        drop(world.kube.delete(plural, NAMESPACE, name));
    }
}

fn is_refused(world: &World) -> bool {
    let objects = [LINKS, ENDPOINTS].into_iter().flat_map(|plural| world.kube.list(plural));
    objects.into_iter().any(|object| object["status"]["conditions"][0]["reason"] == "CredentialsRefused")
}

fn resume(world: &World, state: State) {
    if state == State::Suspended {
        patch_both(world, &json!({"spec": {"suspend": null}}));
    }
}

/// Gives what the state lacks.
fn heals(world: &World, plan: Plan) {
    resume(world, plan.state);
    match plan.state {
        State::NoSecret if [Event::SecretRotated, Event::SecretRotatedLate].contains(&plan.event) => {}
        State::NoSecret => world.credentials(),
        State::WaitingForLink => world.apply(link("orders")),
        State::ServiceFailed | State::Rejected => request(world),
        State::Initiating | State::Ready | State::Pending | State::Available | State::Deleting | State::Suspended => {}
    }
}

async fn event(plan: Plan, outcome: &Value) {
    let (world, operator) = reach(plan.state, plan.dialect).await;
    let writes = writes_to_atlas(&world);
    happens_in(&world, plan).await;
    let leaves_behind = plan.state == State::Deleting && plan.event == Event::FinalizersStripped;
    if plan.ends() {
        if plan.state == State::Suspended {
            world.pass(30 * MINUTE).await;
            assert_eq!(writes_to_atlas(&world), writes, "writes to Atlas for suspended objects");
            resume(&world, plan.state);
        }
        eventually(&world, PATIENCE, "both gone", is_empty).await;
        assert!(leaves_behind || ours(&world).is_empty(), "left in Atlas: {:#?}", ours(&world));
    } else {
        world.pass(40 * MINUTE).await;
        if plan.state == State::Suspended && plan.event != Event::Recreated {
            assert_eq!(writes_to_atlas(&world), writes, "writes to Atlas for suspended objects");
        }
        oracle::quiet_hour(&world).await;
        heals(&world, plan);
        world.pass(if plan.event == Event::ServiceLost { RESYNC } else { Duration::ZERO }).await;
        if world.endpoint_is("orders-a", Standing::Stalled, "ServiceReplaced") {
            // What it says is to be done: this resource is for the endpoint of the service that is gone.
            assert_eq!(world.endpoint("orders-a").status.unwrap().connection_status, None, "it is gone");
            replace_endpoint(&world, endpoint("orders-a", "orders", VPCE)).await;
        }
        get_ready(&world).await;
        world.pass(RESYNC).await;
        assert_eq!(oracle::outcome(&world), *outcome);
        oracle::quiet_hour(&world).await;
        delete_both(&world);
        end(&world).await;
    }
    oracle::silence(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    let (services, endpoints) = plan.most();
    oracle::created_at_most(&world, services, endpoints);
    assert!(plan.event != Event::SecretRotated || !ever_refused(&world), "the new key did not take effect at once");
    operator.stop().await;
}

pub async fn replace_endpoint(world: &World, manifest: Value) {
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    let gone = |world: &World| world.find_endpoint(NAMESPACE, "orders-a").is_none();
    eventually(world, PATIENCE, "the old one gone", gone).await;
    world.apply(manifest);
}

fn is_empty(world: &World) -> bool {
    world.kube.list(LINKS).is_empty() && world.kube.list(ENDPOINTS).is_empty()
}

fn writes_to_atlas(world: &World) -> usize {
    world.ledger().requests().filter(|request| request.operation.is_some_and(Operation::is_write)).count()
}

fn ever_refused(world: &World) -> bool {
    let versions = super::past::objects(world).into_iter().flat_map(|(_, versions)| versions);
    versions.into_iter().any(|version| version.object.to_string().contains("CredentialsRefused"))
}

fn events(dialect: Dialect) {
    let outcome = matrix::alone(|| async {
        let (world, _operator) = first_half(dialect).await;
        oracle::outcome(&world)
    });
    let outcome = outcome.unwrap();
    let of = |state| EVENTS.into_iter().map(move |event| Plan { state, event, dialect });
    matrix::run(STATES.into_iter().flat_map(of).collect(), Plan::name, |plan| event(plan, &outcome));
}

#[test]
fn every_event_in_every_state() {
    events(Dialect::V2);
}

#[test]
fn every_event_in_every_state_in_v1() {
    events(Dialect::V1);
}
