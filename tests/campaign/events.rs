//! Everything that people do to the objects, in every state that the objects can be in. Afterwards what the state lacks
//! is given, and the end is that of a life in which nothing happened.

use crate::{
    Group,
    event::{
        EVENTS, Event, delete_what_is_there, happens_everywhere, lose_secret, recreate_endpoint, replace_endpoint,
    },
    harness::{
        alone::{alone, eventually},
        course::{Deeds, deeds},
        life::{BOTH, PATIENCE, RESYNC, delete_both, end, first_half, get_ready, make_again, uids},
        looks::writes_to_atlas,
        oracle, past,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::{STATES, State, patch_both},
};
use atlas_privatelink_operator::{api::Standing, atlas::dialect::Dialect};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
struct Happening {
    state: State,
    event: Event,
    dialect: Dialect,
}

impl Happening {
    fn data(&self) -> Data {
        data("pair", &self.state, self.event, self.dialect)
    }

    fn ends(&self) -> bool {
        let recreated = self.event == Event::Recreated;
        self.event.deletes() || (self.state == State::Deleting && !recreated)
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
        Event::EndpointRecreated => {
            recreate_endpoint(world, endpoint("orders-a", "orders", VPCE), |world| {
                if plan.state != State::Sharing {
                    plan.state.lets_go(world);
                }
            })
            .await;
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
    // Else the owners are on their way out, too.
    if plan.state == State::Sharing && plan.event != Event::NamespaceDeleted {
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
    if plan.state == State::Suspended && ![Event::Recreated, Event::EndpointRecreated].contains(&plan.event) {
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
