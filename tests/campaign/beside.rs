//! The events of [`crate::events`] in the states in which an object waits for somebody else, and in the other clouds. The
//! end is that of a life in which the event did not happen.

use crate::{
    Group,
    event::{self, Event, delete_what_is_there},
    events,
    harness::{
        alone::{alone, eventually, says_ready},
        course::{Course, Deeds},
        life::{PATIENCE, RESYNC, delete_all, ours, with_neighbours},
        looks::{FOREIGN, MINUTE, foreign_endpoint},
        oracle,
        world::*,
    },
    plan::{Data, Plan},
    states::{make_vpc_endpoint, patch_both},
};
use atlas_privatelink_operator::{
    api::Standing,
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Fault, Provider, Rule},
};
use serde_json::{Value, json};
use std::sync::Arc;

const ENDPOINT: &str = "orders-a";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    AdoptOnlyWaiting,
    WaitingForEndpointId,
    DeletionBlocked,
    Throttled,
    /// v2 only, as is the next.
    Azure,
    Gcp,
}

const OF_BOTH: [State; 4] =
    [State::AdoptOnlyWaiting, State::WaitingForEndpointId, State::DeletionBlocked, State::Throttled];

#[derive(Clone, Copy)]
struct Happening {
    state: State,
    event: Event,
    dialect: Dialect,
}

impl Happening {
    fn data(&self) -> Data {
        let provider = match self.state {
            State::Azure => Provider::Azure,
            State::Gcp => Provider::Gcp,
            State::AdoptOnlyWaiting | State::WaitingForEndpointId | State::DeletionBlocked | State::Throttled => {
                Provider::Aws
            }
        };
        events::data("beside", &self.state, self.event, self.dialect).of(provider)
    }

    fn ends(&self) -> bool {
        self.event.deletes() || (self.state == State::DeletionBlocked && self.event != Event::Recreated)
    }

    /// Whether what is there afterwards is another than before, so that it may belong to another.
    fn is_other(&self) -> bool {
        [Event::Recreated, Event::EndpointRecreated, Event::EndpointLost, Event::ServiceLost].contains(&self.event)
    }

    /// How many services and endpoints are made at most.
    fn most(&self) -> (usize, usize) {
        let endpoints = match self.state {
            State::Azure | State::Gcp => 0,
            State::AdoptOnlyWaiting | State::WaitingForEndpointId | State::DeletionBlocked | State::Throttled => 1,
        };
        (1 + usize::from(self.is_other()), endpoints + self.event.attaches())
    }
}

/// What the state is about, in the order in which it is applied.
fn manifests(state: State) -> Vec<Value> {
    let in_cloud = |provider: &str, region: &str| {
        vec![with(link("orders"), json!({"spec": {"provider": provider, "region": region}}))]
    };
    let (plain, attached) = (link("orders"), endpoint("orders-a", "orders", VPCE));
    match state {
        State::Azure => in_cloud("AZURE", "eastus2"),
        State::Gcp => in_cloud("GCP", "us-east4"),
        State::AdoptOnlyWaiting => vec![with(plain, json!({"spec": {"adoptionPolicy": "AdoptOnly"}})), attached],
        State::WaitingForEndpointId => {
            let from = json!({"configMapKeyRef": {"name": "vpc", "key": "id"}});
            vec![plain, with(attached, json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}}))]
        }
        State::DeletionBlocked | State::Throttled => vec![plain, attached],
    }
}

fn is_well(world: &World, state: State) -> bool {
    let endpoint = || says_ready(world, ENDPOINTS, ENDPOINT);
    let alone = manifests(state).len() == 1;
    says_ready(world, LINKS, "orders") && (alone || endpoint())
}

/// Brings a world into the state.
async fn reach(state: State, dialect: Dialect) -> (World, Running) {
    let mut world = with_neighbours(dialect);
    world.credentials();
    if state == State::Throttled {
        world.atlas.inject(Rule::everywhere(Fault::ThrottledSilent));
    }
    let operator = world.start();
    manifests(state).into_iter().for_each(|manifest| world.apply(manifest));
    arrive(&world, state).await;
    (world, operator)
}

async fn arrive(world: &World, state: State) {
    let until = |what: &'static str, condition: fn(&World) -> bool| world.until(PATIENCE, what, condition);
    let waits = |world: &World, reason: &str| world.link_is("orders", Standing::Reconciling, reason);
    match state {
        State::Azure | State::Gcp => until("Ready", |world| world.link_ready("orders")).await,
        State::AdoptOnlyWaiting => world.until(PATIENCE, "no service", |w| waits(w, "WaitingForService")).await,
        State::Throttled => world.until(PATIENCE, "throttled", |w| waits(w, "Throttled")).await,
        State::WaitingForEndpointId => {
            until("no id", |w| w.endpoint_is(ENDPOINT, Standing::Reconciling, "WaitingForEndpointId")).await;
        }
        State::DeletionBlocked => {
            until("both Ready", |world| is_well(world, State::DeletionBlocked)).await;
            let service = ours(world)[0]["id"].as_str().unwrap().to_owned();
            foreign_endpoint(world, &service);
            delete_what_is_there(world);
            let held = |world: &World| {
                world.link_is("orders", Standing::Reconciling, "DeletionBlocked")
                    && world.find_endpoint(NAMESPACE, ENDPOINT).is_none()
            };
            until("held back", held).await;
        }
    }
}

/// Gives what the state lacks.
fn heals(world: &World, plan: Happening) {
    match plan.state {
        State::AdoptOnlyWaiting => patch_both(world, &json!({"spec": {"adoptionPolicy": null}})),
        State::Throttled => world.atlas.clear_faults(),
        // Nothing can be made any more where it is.
        State::WaitingForEndpointId if plan.event == Event::NamespaceDeleted => {}
        State::WaitingForEndpointId => {
            world.apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"namespace": NAMESPACE, "name": "vpc"}, "data": {"id": VPCE},
            }));
        }
        State::DeletionBlocked => {
            for service in ours(world) {
                let (project, service) = (PROJECT.to_owned(), service["id"].as_str().unwrap().to_owned());
                // It may have gone with another service.
                drop(world.atlas.change(Change::DeleteEndpoint { project, service, endpoint: FOREIGN.to_owned() }));
            }
        }
        State::Azure | State::Gcp => {}
    }
}

fn uids(world: &World, state: State) -> Vec<Option<Value>> {
    let uid = |manifest: &Value| {
        let plural = if manifest["kind"] == "AtlasPrivateLink" { LINKS } else { ENDPOINTS };
        let name = manifest["metadata"]["name"].as_str().unwrap();
        Some(world.kube.get(plural, NAMESPACE, name)?["metadata"]["uid"].clone())
    };
    manifests(state).iter().map(uid).collect()
}

async fn recreated(world: &World, plan: Happening) {
    let old = uids(world, plan.state);
    delete_what_is_there(world);
    if plan.state == State::DeletionBlocked {
        heals(world, plan);
    }
    eventually(world, PATIENCE, "all made again", |world| {
        let new = uids(world, plan.state);
        // Whoever makes them anew makes a VPC endpoint for the new service, too.
        make_vpc_endpoint(world);
        for (_, manifest) in new.iter().zip(manifests(plan.state)).filter(|(uid, _)| uid.is_none()) {
            world.apply(manifest);
        }
        new.iter().zip(&old).all(|(new, old)| new.is_some() && new != old)
    })
    .await;
}

async fn happens(world: &World, plan: Happening) {
    match plan.event {
        Event::Recreated => recreated(world, plan).await,
        Event::EndpointRecreated => {
            let manifests = manifests(plan.state);
            let endpoint = manifests.into_iter().find(|manifest| manifest["kind"] == "AtlasInterfaceEndpoint");
            if let Some(manifest) = endpoint {
                event::recreate_endpoint(world, manifest, |_| ()).await;
            }
        }
        Event::SecretGone => {
            event::lose_secret(world);
            world.pass(5 * MINUTE).await;
            world.credentials();
        }
        event => event::happens_everywhere(world, event).await,
    }
}

/// What is compared of two runs.
fn compared(mut outcome: Value, plan: Happening) -> Value {
    if plan.is_other() {
        oracle::objects_in(&mut outcome).for_each(|object| drop(object["origin"].take()));
    }
    outcome
}

/// Until all is well, and has been for a while.
async fn well(world: &World, plan: Happening) {
    heals(world, plan);
    if plan.event == Event::ServiceLost {
        world.pass(RESYNC).await;
        if world.endpoint_is(ENDPOINT, Standing::Stalled, "ServiceReplaced") {
            make_vpc_endpoint(world);
            event::replace_endpoint(world).await;
        }
    }
    eventually(world, PATIENCE, "all Ready", |world| is_well(world, plan.state)).await;
    world.pass(RESYNC).await;
}

/// A life in which nothing happened.
struct Undisturbed {
    middle: Value,
    deeds: Deeds,
}

impl Undisturbed {
    async fn of(state: State, dialect: Dialect) -> Self {
        let calm = |state| life(Happening { state, event: Event::Nothing, dialect });
        let (_, _, Course { middle, deeds }) = calm(state).await;
        // What is being deleted is well only as another.
        let blocked = state == State::DeletionBlocked;
        Self { middle: if blocked { calm(State::WaitingForEndpointId).await.2.middle } else { middle }, deeds }
    }
}

/// From the state to the end of all, and how all looked in the middle, if there was one.
async fn life(plan: Happening) -> (World, Running, Course) {
    let (world, operator) = reach(plan.state, plan.dialect).await;
    world.befalls(happens(&world, plan)).await;
    let mut middle = Value::Null;
    if plan.ends() {
        heals(&world, plan);
        eventually(&world, PATIENCE, "gone", |world| uids(world, plan.state).iter().all(Option::is_none)).await;
    } else {
        world.pass(40 * MINUTE).await;
        well(&world, plan).await;
        middle = oracle::outcome(&world);
        oracle::quiet_hour(&world).await;
    }
    delete_all(&world);
    eventually(&world, PATIENCE, "all gone", World::is_empty).await;
    let course = Course::of(middle, &world);
    (world, operator, course)
}

async fn run(plan: Happening, undisturbed: Arc<Undisturbed>) -> World {
    let (world, operator, course) = life(plan).await;
    if !plan.ends() {
        assert_eq!(compared(course.middle, plan), compared(undisturbed.middle.clone(), plan));
    }
    let leaves_behind = plan.state == State::DeletionBlocked && plan.event.lets_go();
    if !leaves_behind {
        oracle::nothing_left(&world);
    }
    if plan.event.is_harmless() && !leaves_behind {
        assert_eq!(course.deeds, undisturbed.deeds, "what was made and unmade in Atlas");
    }
    oracle::silence(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    let (services, endpoints) = plan.most();
    oracle::created_at_most(&world, services, endpoints);
    operator.stop().await;
    world
}

fn all(states: impl IntoIterator<Item = State>, dialect: Dialect) -> Vec<Plan> {
    let mut plans = Vec::new();
    for state in states {
        let undisturbed = Arc::new(alone(|| Undisturbed::of(state, dialect)).unwrap());
        for event in event::EVENTS {
            let one = Happening { state, event, dialect };
            plans.push(Plan::compared(one.data(), one, &undisturbed, run));
        }
    }
    plans
}

pub const GROUPS: [Group; 2] =
    [|| all(OF_BOTH.into_iter().chain([State::Azure, State::Gcp]), Dialect::V2), || all(OF_BOTH, Dialect::V1)];
