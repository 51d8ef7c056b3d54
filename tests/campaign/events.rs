//! Everything that people do to the objects, in every state that the objects can be in. Afterwards what the state lacks
//! is given, and the end is that of a life in which nothing happened.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::{Deeds, deeds},
        hands::NEW,
        life::{BOTH, RESYNC, delete_both, end, first_half, get_ready, make_again, uids},
        looks::writes_to_atlas,
        oracle, past,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::{STATES, State, patch_both, remove_endpoint, remove_services, request, set_id},
};
use atlas_privatelink_operator::{api::Standing, atlas::dialect::Dialect, testbed::simulator::Change};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(45 * 60);
/// Another endpoint than any that the states know.
const OTHER: &str = "vpce-0abcdef0123456789";
/// Contains the old one, which no object may show.
const ROTATED: &str = "canary-private-key-0123456789-rotated";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// That of the life that others are compared with.
    Nothing,
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
    /// For twenty minutes, as are the next two.
    Suspended,
    /// The policy is Retain.
    Retained,
    /// The endpoint is to have another id.
    IdEdited,
    /// In Atlas, behind the operator's back.
    EndpointLost,
    /// With its endpoint.
    ServiceLost,
}

pub const EVENTS: [Event; 14] = [
    Event::Edited,
    Event::Deleted,
    Event::Recreated,
    Event::SecretGone,
    Event::SecretGoneForGood,
    Event::SecretRotatedLate,
    Event::SecretRotated,
    Event::FinalizersStripped,
    Event::ReconcileRequested,
    Event::Suspended,
    Event::Retained,
    Event::IdEdited,
    Event::EndpointLost,
    Event::ServiceLost,
];

#[derive(Clone, Copy)]
struct Happening {
    state: State,
    event: Event,
    dialect: Dialect,
}

impl Event {
    /// Whether what is on its way out goes at once, whatever is left in Atlas.
    pub fn lets_go(self) -> bool {
        [Self::FinalizersStripped, Self::Retained].contains(&self)
    }

    /// How many endpoints it makes the operator attach beyond those of a life without it.
    pub fn attaches(self) -> usize {
        match self {
            // Another one, and the first one again.
            Self::IdEdited => 2,
            Self::EndpointLost | Self::ServiceLost | Self::Recreated => 1,
            Self::Nothing
            | Self::Edited
            | Self::Deleted
            | Self::SecretGone
            | Self::SecretGoneForGood
            | Self::SecretRotatedLate
            | Self::SecretRotated
            | Self::FinalizersStripped
            | Self::ReconcileRequested
            | Self::Suspended
            | Self::Retained => 0,
        }
    }

    /// Whether it leaves what is to be made and unmade in Atlas as it is.
    pub fn is_harmless(self) -> bool {
        match self {
            Self::Nothing
            | Self::Edited
            | Self::SecretGone
            | Self::SecretRotatedLate
            | Self::SecretRotated
            | Self::FinalizersStripped
            | Self::ReconcileRequested
            | Self::Suspended
            | Self::Retained => true,
            Self::Deleted
            | Self::Recreated
            | Self::SecretGoneForGood
            | Self::IdEdited
            | Self::EndpointLost
            | Self::ServiceLost => false,
        }
    }
}

impl Happening {
    fn data(&self) -> Data {
        data("pair", &self.state, self.event, self.dialect)
    }

    fn ends(&self) -> bool {
        let recreated = self.event == Event::Recreated;
        [Event::Deleted, Event::SecretGoneForGood].contains(&self.event)
            || (self.state == State::Deleting && !recreated)
    }

    /// Whether nobody is left who could delete what is in Atlas.
    fn leaves_behind(&self) -> bool {
        self.state == State::Deleting && self.event.lets_go()
    }

    /// How many services and endpoints are made at most.
    fn most(&self) -> (usize, usize) {
        let (services, endpoints) = self.state.most();
        let lost = self.event == Event::ServiceLost;
        let more = usize::from(lost || self.event == Event::Recreated);
        (services + more, endpoints + self.event.attaches())
    }
}

pub fn rotate(world: &World) {
    rotate_to(world, ROTATED);
}

/// Atlas has another private key from now on.
pub fn rotate_to(world: &World, secret: &str) {
    world.change(Change::Rotate { name: PUBLIC.to_owned(), secret: secret.to_owned().into() });
}

pub fn new_secret(world: &World) {
    world.secret(NAMESPACE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", ROTATED)]);
}

pub fn lose_secret(world: &World) {
    // Where there is none, it cannot be lost.
    drop(world.kube.delete("secrets", NAMESPACE, "atlas-credentials"));
}

async fn happens(world: &World, plan: Happening) {
    match plan.event {
        // What others have made is theirs to the end.
        Event::Edited if plan.state != State::Adopted => {
            patch_both(world, &json!({"spec": {"deletionPolicy": "Delete"}}))
        }
        Event::Recreated => {
            let old = uids(world);
            delete_what_is_there(world);
            if plan.state != State::Sharing {
                plan.state.lets_go(world);
            }
            eventually(world, PATIENCE, "both made again", |world| make_again(world, &old)).await;
        }
        Event::SecretGone => {
            lose_secret(world);
            world.pass(5 * MINUTE).await;
            if plan.state != State::NoSecret {
                world.credentials();
            }
        }
        // It is that already, and stays so.
        Event::Suspended if plan.state == State::Suspended => {
            patch_both(world, &json!({"spec": {"suspend": true}}));
        }
        event => happens_everywhere(world, event).await,
    }
}

/// What is the same in every state.
pub async fn happens_everywhere(world: &World, event: Event) {
    match event {
        Event::Nothing => {}
        Event::Edited => patch_both(world, &json!({"spec": {"suspend": false}})),
        Event::Deleted | Event::Recreated => delete_what_is_there(world),
        Event::SecretGone => lose_secret(world),
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
        Event::Suspended => is_suspended(world).await,
        Event::Retained => {
            patch_both(world, &json!({"spec": {"deletionPolicy": "Retain"}}));
            world.pass(20 * MINUTE).await;
            patch_both(world, &json!({"spec": {"deletionPolicy": null}}));
        }
        Event::IdEdited => {
            // One that is read from elsewhere is nobody's to edit.
            let endpoint = world.kube.get(ENDPOINTS, NAMESPACE, "orders-a").unwrap_or_default();
            let Some(id) = endpoint["spec"]["interfaceEndpointId"].as_str() else { return };
            set_id(world, OTHER);
            world.pass(20 * MINUTE).await;
            set_id(world, id);
        }
        Event::EndpointLost => [VPCE, NEW].iter().for_each(|endpoint| remove_endpoint(world, endpoint)),
        Event::ServiceLost => remove_services(world),
    }
}

/// For twenty minutes. What was being asked for has come to its end after one.
async fn is_suspended(world: &World) {
    patch_both(world, &json!({"spec": {"suspend": true}}));
    world.pass(MINUTE).await;
    let writes = writes_to_atlas(world);
    world.pass(20 * MINUTE).await;
    assert_eq!(writes_to_atlas(world), writes, "writes to Atlas for suspended objects");
    patch_both(world, &json!({"spec": {"suspend": null}}));
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

/// How a life looks in its middle in which nothing happened, and what it comes to from each state.
struct Undisturbed {
    made: Value,
    adopted: Value,
    deeds: Vec<(State, Deeds)>,
}

impl Undisturbed {
    async fn of(dialect: Dialect) -> Self {
        let (world, _operator) = first_half(dialect).await;
        let made = oracle::outcome(&world);
        let (world, _operator) = State::Adopted.reach(dialect).await;
        let adopted = oracle::outcome(&world);
        let mut all = Vec::new();
        for state in STATES.into_iter().filter(|state| state.exists_in(dialect)) {
            let (world, _operator, _) = life(Happening { state, event: Event::Nothing, dialect }).await;
            all.push((state, deeds(&world)));
        }
        Self { made, adopted, deeds: all }
    }

    fn deeds(&self, from: State) -> Deeds {
        let found = self.deeds.iter().find(|(state, _)| *state == from);
        found.map(|(_, deeds)| deeds.clone()).unwrap_or_default()
    }

    /// What is lost is made anew, and then it is ours.
    fn after(&self, plan: Happening) -> Value {
        match (plan.state, plan.event) {
            (State::Adopted, Event::ServiceLost) => self.made.clone(),
            (State::Adopted, Event::EndpointLost) => {
                json!({"links": self.adopted["links"], "endpoints": self.made["endpoints"]})
            }
            (State::Adopted, _) => self.adopted.clone(),
            (_, _) => self.made.clone(),
        }
    }
}

/// From the state to the end of both; how both looked in the middle, if there was one.
async fn life(plan: Happening) -> (World, Running, Option<Value>) {
    let (world, operator) = plan.state.reach(plan.dialect).await;
    let writes = writes_to_atlas(&world);
    world.befalls(happens(&world, plan)).await;
    if plan.ends() {
        ends(&world, plan, writes).await;
        return (world, operator, None);
    }
    goes_on(&world, plan, writes).await;
    let middle = oracle::outcome(&world);
    oracle::quiet_hour(&world).await;
    delete_both(&world);
    end(&world).await;
    (world, operator, Some(middle))
}

async fn event(plan: Happening, undisturbed: Arc<Undisturbed>) -> World {
    let (world, operator, middle) = life(plan).await;
    if let Some(middle) = middle {
        assert_eq!(middle, undisturbed.after(plan));
    }
    if plan.event.is_harmless() && !plan.leaves_behind() {
        assert_eq!(deeds(&world), undisturbed.deeds(plan.state), "what was made and unmade in Atlas");
    }
    oracle::silence(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    let (services, endpoints) = plan.most();
    oracle::created_at_most(&world, services, endpoints);
    assert!(plan.event != Event::SecretRotated || !ever_refused(&world), "the new key did not take effect at once");
    operator.stop().await;
    world
}

/// Both are on their way out.
async fn ends(world: &World, plan: Happening, writes: usize) {
    if plan.state.waits_to_go() {
        world.pass(30 * MINUTE).await;
    }
    if plan.state == State::Suspended {
        assert_eq!(writes_to_atlas(world), writes, "writes to Atlas for suspended objects");
    }
    if plan.state == State::Sharing {
        let gone = |world: &World| BOTH.iter().all(|(plural, name)| world.kube.get(plural, NAMESPACE, name).is_none());
        eventually(world, PATIENCE, "both gone", gone).await;
        assert_eq!(writes_to_atlas(world), writes, "writes to Atlas for what others own");
    }
    plan.state.lets_go(world);
    eventually(world, PATIENCE, "both gone", World::is_empty).await;
    if !plan.leaves_behind() {
        oracle::nothing_left(world);
    }
}

/// Until both are Ready, and nothing has moved for a while.
async fn goes_on(world: &World, plan: Happening, writes: usize) {
    world.pass(40 * MINUTE).await;
    if plan.state == State::Suspended && plan.event != Event::Recreated {
        assert_eq!(writes_to_atlas(world), writes, "writes to Atlas for suspended objects");
    }
    if plan.state.is_polled() {
        oracle::quiet_wait(world).await;
    } else {
        oracle::quiet_hour(world).await;
    }
    let has_secret = [Event::SecretRotated, Event::SecretRotatedLate].contains(&plan.event);
    plan.state.heal(world, has_secret);
    let lost = plan.event == Event::ServiceLost || plan.state == State::ServiceDeleting;
    world.pass(if lost { RESYNC } else { Duration::ZERO }).await;
    if world.endpoint_is("orders-a", Standing::Stalled, "ServiceReplaced") {
        // What it says is to be done: this resource is for the endpoint of the service that is gone.
        assert_eq!(world.endpoint("orders-a").status.unwrap().connection_status, None, "it is gone");
        replace_endpoint(world).await;
    }
    get_ready(world).await;
    world.pass(RESYNC).await;
}

pub async fn replace_endpoint(world: &World) {
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(world, PATIENCE, "the old one gone", |world| world.kube.list(ENDPOINTS).is_empty()).await;
    world.apply(endpoint("orders-a", "orders", VPCE));
}

fn ever_refused(world: &World) -> bool {
    let versions = past::objects(world).into_iter().flat_map(|(_, versions)| versions);
    versions.into_iter().any(|version| version.object.to_string().contains("CredentialsRefused"))
}

/// A state is the point, an event is what happens there.
pub fn data(scenario: &str, state: &impl std::fmt::Debug, event: Event, dialect: Dialect) -> Data {
    Data::new(Campaign::State, scenario, dialect).at(format!("{state:?}")).meanwhile(format!("{event:?}"))
}

fn events(dialect: Dialect) -> Vec<Plan> {
    let undisturbed = Arc::new(alone(|| Undisturbed::of(dialect)).unwrap());
    let mut plans = Vec::new();
    for state in STATES.into_iter().filter(|state| state.exists_in(dialect)) {
        for happens in EVENTS {
            let one = Happening { state, event: happens, dialect };
            plans.push(Plan::compared(one.data(), one, &undisturbed, event));
        }
    }
    plans
}

pub const GROUPS: [Group; 2] = [|| events(Dialect::V2), || events(Dialect::V1)];
