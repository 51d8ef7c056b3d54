//! The events of [`crate::events`] in the states that call for a person, in those in which something is lost, and in each
//! state of an endpoint on its way. Afterwards a person does what was called for, and the end is that of a life in which
//! nothing happened.

use crate::{
    Group,
    event::{self, EVENTS, Event, delete_what_is_there, lose_secret, new_secret, replace_endpoint, rotate},
    events,
    harness::{
        alone::{alone, eventually},
        course::{Course, same_deeds},
        life::{
            PATIENCE, RESYNC, both_are_ready, delete_both, end, first_half, get_ready, ours, uids, with_neighbours,
        },
        looks::says,
        oracle, past,
        world::*,
    },
    plan::{Data, Plan},
    states::{make_vpc_endpoint, remove_services, set_id, shows},
};
use atlas_privatelink_operator::{
    api::Standing,
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Fault, Provider, Role, Rule},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Both were Ready when the key was replaced in Atlas.
    CredentialsRefused,
    /// The Secret has half a key.
    CredentialsInvalid,
    /// The key may read only, and nothing is made yet.
    AccessDenied,
    /// Both were Ready when the key lost its role.
    AccessLost,
    /// Both were Ready when the project went.
    ProjectNotFound,
    /// The endpoint's id is none.
    InvalidRequest,
    /// The link is to be created, and somebody else has a service.
    AlreadyExists,
    /// Somebody has removed the service, and the endpoint is for the old one.
    ServiceReplaced,
    /// Both were Ready before Atlas fell silent.
    AtlasUnreachable,
    /// What the endpoint's id was read from is gone.
    ConfigMapLost,
    /// The endpoint is not noticed. v1.0 only.
    NotNoticed,
    PendingAcceptance,
    Pending,
}

const STATES: [State; 13] = [
    State::CredentialsRefused,
    State::CredentialsInvalid,
    State::AccessDenied,
    State::AccessLost,
    State::ProjectNotFound,
    State::InvalidRequest,
    State::AlreadyExists,
    State::ServiceReplaced,
    State::AtlasUnreachable,
    State::ConfigMapLost,
    State::NotNoticed,
    State::PendingAcceptance,
    State::Pending,
];

#[derive(Clone, Copy)]
struct Happening {
    state: State,
    event: Event,
    dialect: Dialect,
}

impl State {
    /// The reasons that link and endpoint give.
    fn verdicts(self) -> (&'static str, &'static str) {
        match self {
            Self::CredentialsRefused => ("CredentialsRefused", "CredentialsRefused"),
            Self::CredentialsInvalid => ("CredentialsInvalid", "WaitingForLink"),
            Self::AccessDenied => ("AccessDenied", "WaitingForLink"),
            Self::AccessLost => ("AccessDenied", "AccessDenied"),
            Self::ProjectNotFound => ("ProjectNotFound", "ProjectNotFound"),
            Self::InvalidRequest => ("Available", "InvalidRequest"),
            Self::AlreadyExists => ("AlreadyExists", "WaitingForLink"),
            Self::ServiceReplaced => ("Available", "ServiceReplaced"),
            Self::AtlasUnreachable => ("AtlasUnreachable", "AtlasUnreachable"),
            Self::ConfigMapLost => ("Available", "WaitingForEndpointId"),
            Self::NotNoticed | Self::PendingAcceptance | Self::Pending => ("Available", "PendingAcceptance"),
        }
    }

    /// Whether a deletion comes to no end before a person has done something.
    fn waits_to_go(self) -> bool {
        match self {
            Self::CredentialsRefused | Self::AccessLost | Self::ProjectNotFound | Self::AtlasUnreachable => true,
            Self::CredentialsInvalid
            | Self::AccessDenied
            | Self::InvalidRequest
            | Self::AlreadyExists
            | Self::ServiceReplaced
            | Self::ConfigMapLost
            | Self::NotNoticed
            | Self::PendingAcceptance
            | Self::Pending => false,
        }
    }

    /// Whether nothing is tried before somebody has done something: a refused creation is, and its record is written.
    fn is_quiet(self) -> bool {
        self != Self::AccessDenied
    }

    /// The endpoint's manifest, and the link's.
    fn manifests(self) -> [Value; 2] {
        let (plain, attached) = (link("orders"), endpoint("orders-a", "orders", VPCE));
        match self {
            Self::InvalidRequest => [endpoint("orders-a", "orders", "vpce-../../x"), plain],
            Self::AlreadyExists => [attached, with(plain, json!({"spec": {"adoptionPolicy": "CreateOnly"}}))],
            Self::ConfigMapLost => {
                let from = json!({"configMapKeyRef": {"name": "vpc", "key": "id"}});
                let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
                [with(attached, spec), plain]
            }
            Self::CredentialsRefused
            | Self::CredentialsInvalid
            | Self::AccessDenied
            | Self::AccessLost
            | Self::ProjectNotFound
            | Self::ServiceReplaced
            | Self::AtlasUnreachable
            | Self::NotNoticed
            | Self::PendingAcceptance
            | Self::Pending => [attached, plain],
        }
    }

    /// What is there before the manifests.
    fn prepare(self, world: &World) {
        self.secret(world);
        match self {
            Self::AccessDenied => role(world, Role::ReadOnly),
            Self::AlreadyExists => {
                let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
                let provider = Provider::Aws;
                world.change(Change::CreateService { project, provider, region, port_mapped: false, ready: true });
            }
            Self::ConfigMapLost => config_map(world),
            Self::CredentialsRefused
            | Self::CredentialsInvalid
            | Self::AccessLost
            | Self::ProjectNotFound
            | Self::InvalidRequest
            | Self::ServiceReplaced
            | Self::AtlasUnreachable
            | Self::NotNoticed
            | Self::PendingAcceptance
            | Self::Pending => {}
        }
    }

    fn secret(self, world: &World) {
        if self == Self::CredentialsInvalid {
            world.secret(NAMESPACE, "atlas-credentials", &KEY[..1]);
        } else {
            world.credentials();
        }
    }

    /// What happens to a pair that is Ready.
    fn strikes(self, world: &World) {
        match self {
            Self::CredentialsRefused => {
                world.change(Change::Rotate { name: PUBLIC.to_owned(), secret: "nobody-tells".to_owned().into() });
            }
            Self::AccessLost => role(world, Role::Nothing),
            Self::ProjectNotFound => drop(world.change(Change::DeleteProject { project: PROJECT.to_owned() })),
            Self::ServiceReplaced => remove_services(world),
            Self::AtlasUnreachable => drop(world.atlas.inject(Rule::everywhere(Fault::HungBefore))),
            Self::ConfigMapLost => world.kube.delete("configmaps", NAMESPACE, "vpc").unwrap(),
            Self::CredentialsInvalid
            | Self::AccessDenied
            | Self::InvalidRequest
            | Self::AlreadyExists
            | Self::NotNoticed
            | Self::PendingAcceptance
            | Self::Pending => panic!("{self:?} is there from the beginning"),
        }
    }

    /// Brings a world into the state.
    async fn reach(self, dialect: Dialect) -> (World, Running) {
        let mut world = with_neighbours(dialect);
        self.prepare(&world);
        self.manifests().into_iter().rev().for_each(|manifest| world.apply(manifest));
        let operator = world.start();
        match self {
            Self::CredentialsRefused
            | Self::AccessLost
            | Self::ProjectNotFound
            | Self::ServiceReplaced
            | Self::AtlasUnreachable
            | Self::ConfigMapLost => {
                get_ready(&world).await;
                world.pass(RESYNC).await;
                self.strikes(&world);
                world.pass(RESYNC).await;
            }
            Self::NotNoticed => world.until(PATIENCE, "NONE", |world| word(world, "NONE")).await,
            Self::PendingAcceptance => {
                world.until(PATIENCE, "PENDING_ACCEPTANCE", |world| word(world, "PENDING_ACCEPTANCE")).await;
            }
            Self::Pending => world.until(PATIENCE, "PENDING", |world| word(world, "PENDING")).await,
            Self::CredentialsInvalid | Self::AccessDenied | Self::InvalidRequest | Self::AlreadyExists => {}
        }
        world.until(PATIENCE, "the verdicts", |world| self.is_told(world)).await;
        (world, operator)
    }

    fn is_told(self, world: &World) -> bool {
        let (of_link, of_endpoint) = self.verdicts();
        says(world, LINKS, "orders").1 == of_link && says(world, ENDPOINTS, "orders-a").1 == of_endpoint
    }

    /// A person does what was called for.
    fn heal(self, world: &World, secret_is_new: bool) {
        match self {
            Self::CredentialsRefused => {
                rotate(world);
                new_secret(world);
            }
            Self::CredentialsInvalid if secret_is_new => {}
            Self::CredentialsInvalid => world.credentials(),
            Self::AccessDenied | Self::AccessLost => role(world, Role::Owner),
            Self::ProjectNotFound => drop(world.change(Change::RestoreProject { project: PROJECT.to_owned() })),
            Self::InvalidRequest => set_id(world, VPCE),
            Self::AlreadyExists => self.leaves(world),
            Self::AtlasUnreachable => world.atlas.clear_faults(),
            Self::ConfigMapLost => config_map(world),
            Self::ServiceReplaced | Self::NotNoticed | Self::PendingAcceptance | Self::Pending => {}
        }
    }

    /// The other one's service goes, if the event hasn't taken it; it has no endpoint.
    fn leaves(self, world: &World) {
        let foreign = past::foreign_services(world);
        for service in ours(world) {
            let service = service["id"].as_str().unwrap().to_owned();
            if foreign.contains(&service) {
                world.change(Change::DeleteService { project: PROJECT.to_owned(), service });
            }
        }
    }
}

fn word(world: &World, word: &str) -> bool {
    shows(world, ENDPOINTS, "connectionStatus", word)
}

fn role(world: &World, role: Role) {
    world.change(Change::SetRole { name: PUBLIC.to_owned(), project: PROJECT.to_owned(), role });
}

fn config_map(world: &World) {
    world.apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": NAMESPACE, "name": "vpc"}, "data": {"id": VPCE},
    }));
}

impl Happening {
    fn data(&self) -> Data {
        events::data("called for", &self.state, self.event, self.dialect)
    }

    fn ends(&self) -> bool {
        self.event.deletes()
    }

    fn secret_is_new(&self) -> bool {
        [Event::SecretRotated, Event::SecretRotatedLate].contains(&self.event)
    }

    /// How many services and endpoints are made at most.
    fn most(&self) -> (usize, usize) {
        let already = usize::from(self.state == State::ServiceReplaced);
        let both = usize::from([Event::ServiceLost, Event::Recreated].contains(&self.event));
        (1 + already + both, 1 + already + self.event.attaches())
    }

    fn heal(&self, world: &World) {
        self.state.heal(world, self.secret_is_new());
        if self.event == Event::SecretGoneForGood && self.state.waits_to_go() {
            // The one that Atlas takes.
            if self.state == State::CredentialsRefused { new_secret(world) } else { world.credentials() }
        }
    }
}

async fn recreated(world: &World, plan: Happening) {
    let old = uids(world);
    delete_what_is_there(world);
    if plan.state.waits_to_go() {
        plan.heal(world);
    }
    eventually(world, PATIENCE, "both made again", |world| {
        let new = uids(world);
        // Whoever makes them anew makes a VPC endpoint for the new service, too.
        make_vpc_endpoint(world);
        for (_, manifest) in new.iter().zip(plan.state.manifests()).filter(|(uid, _)| uid.is_none()) {
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
            let [manifest, _] = plan.state.manifests();
            let lets_go = |world: &World| {
                if plan.state.waits_to_go() {
                    plan.heal(world)
                }
            };
            event::recreate_endpoint(world, manifest, lets_go).await;
        }
        Event::SecretGone => {
            lose_secret(world);
            world.pass(5 * MINUTE).await;
            plan.state.secret(world);
        }
        event => event::happens_everywhere(world, event).await,
    }
}

/// From the state to the end of both, and how both looked in the middle, if there was one.
async fn life(plan: Happening) -> (World, Running, Course) {
    let (world, operator) = plan.state.reach(plan.dialect).await;
    world.befalls(happens(&world, plan)).await;
    let mut middle = Value::Null;
    if plan.ends() {
        ends(&world, plan).await;
    } else {
        goes_on(&world, plan).await;
        middle = oracle::outcome(&world);
        oracle::quiet_hour(&world).await;
        delete_both(&world);
    }
    end(&world).await;
    let course = Course::of(middle, &world);
    (world, operator, course)
}

async fn run(plan: Happening, undisturbed: Arc<Course>) -> World {
    let (world, operator, course) = life(plan).await;
    assert!(plan.ends() || course.middle == undisturbed.middle, "{:#}\n{:#}", course.middle, undisturbed.middle);
    if plan.event.is_harmless() {
        same_deeds(&world, &undisturbed);
    }
    oracle::silence(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    let (services, endpoints) = plan.most();
    oracle::created_at_most(&world, services, endpoints);
    operator.stop().await;
    world
}

/// Both are on their way out; who cannot be sure of what is in Atlas doesn't go.
async fn ends(world: &World, plan: Happening) {
    if plan.state.waits_to_go() {
        world.pass(30 * MINUTE).await;
        assert!(uids(world).iter().all(Option::is_some), "gone, and nobody knows what is left in Atlas");
        plan.heal(world);
    }
}

/// Until both are Ready, and nothing has moved for a while.
async fn goes_on(world: &World, plan: Happening) {
    world.pass(40 * MINUTE).await;
    if plan.state.is_quiet() {
        oracle::quiet_wait(world).await;
    }
    plan.state.heal(world, plan.secret_is_new());
    world.pass(RESYNC).await;
    if world.endpoint_is("orders-a", Standing::Stalled, "ServiceReplaced") {
        make_vpc_endpoint(world);
        replace_endpoint(world).await;
    }
    eventually(world, PATIENCE, "both Ready", both_are_ready).await;
    world.pass(RESYNC).await;
}

fn all(dialect: Dialect, states: impl IntoIterator<Item = State>) -> Vec<Plan> {
    let plain = alone(|| async {
        let (world, _operator) = first_half(dialect).await;
        oracle::outcome(&world)
    });
    let plain = plain.unwrap();
    let mut plans = Vec::new();
    for state in states {
        let calm = Happening { state, event: Event::Nothing, dialect };
        let undisturbed = Arc::new(alone(|| async { life(calm).await.2 }).unwrap());
        assert_eq!(undisturbed.middle, plain, "{state:?} ends otherwise than a life that never was in it");
        // Where it is deleted nothing can be mended in a namespace: see `crashes::ends_with_its_namespace`.
        let happens = |event: &Event| *event != Event::NamespaceDeleted || !state.waits_to_go();
        for event in EVENTS.into_iter().filter(happens) {
            let one = Happening { state, event, dialect };
            plans.push(Plan::compared(one.data(), one, &undisturbed, run));
        }
    }
    plans
}

pub const GROUPS: [Group; 2] = [
    || all(Dialect::V2, STATES.into_iter().filter(|state| *state != State::NotNoticed)),
    // Whatever the dialect has no say in is left to v2.
    || all(Dialect::V1, [State::NotNoticed, State::AccessLost]),
];
