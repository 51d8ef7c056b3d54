//! What others do in Atlas behind the operator's back, at every write of a life, with an Atlas that removes a service with
//! its last endpoint and with one that keeps it. Whatever a condition calls for is then done, and all is Ready, or gone.

use crate::{
    Group,
    event::{delete_what_is_there, new_secret, replace_endpoint, rotate},
    harness::{
        alone::{alone, eventually},
        death::{self, Moment, Write},
        life::{
            LIFETIME, PATIENCE, RESYNC, begin_in, both_are_ready, delete_both, end, get_ready, link_in_cloud, ours,
        },
        looks::{FOREIGN, message, says, somebody_has_attached},
        oracle, past,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::{make_vpc_endpoint, remove_endpoint, remove_services, request, set_state},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Change, EndpointState, Provider, Role, ServiceState, Switches},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    EndpointRemoved,
    ServiceRemoved,
    ServiceFailed,
    EndpointRejected,
    /// Somebody has a service of the region before ours is there.
    ServiceMade,
    EndpointAttached,
    /// Under the id that our endpoint wants.
    AttachedForUs,
    /// It is on its way out for five minutes, with what is attached to it.
    ServiceDeleting,
    EndpointDeleting,
    /// The service is removed, and somebody else makes another one of the region at once.
    ServiceRecreated,
    /// For twenty minutes, as are the next two.
    ProjectDeleted,
    RoleLost,
    KeyReplaced,
    /// The endpoint is removed, and a minute later the service.
    AllRemoved,
}

impl Deed {
    const ALL: [Self; 14] = [
        Self::EndpointRemoved,
        Self::ServiceRemoved,
        Self::ServiceFailed,
        Self::EndpointRejected,
        Self::ServiceMade,
        Self::EndpointAttached,
        Self::AttachedForUs,
        Self::ServiceDeleting,
        Self::EndpointDeleting,
        Self::ServiceRecreated,
        Self::ProjectDeleted,
        Self::RoleLost,
        Self::KeyReplaced,
        Self::AllRemoved,
    ];

    async fn is_done(self, world: &World) {
        match self {
            Self::EndpointRemoved => remove_endpoint(world, VPCE),
            Self::ServiceRemoved => remove_services(world),
            Self::ServiceFailed => set_state(world, Some(ServiceState::Failed), None),
            Self::EndpointRejected => {
                if is_used(world) {
                    set_state(world, None, Some(EndpointState::Rejected));
                }
            }
            Self::ServiceMade => somebody_makes_one(world, Provider::Aws),
            Self::EndpointAttached => somebody_attaches(world, FOREIGN),
            Self::AttachedForUs => somebody_attaches(world, VPCE),
            Self::ServiceDeleting => {
                set_state(world, Some(ServiceState::Deleting), None);
                world.pass(5 * MINUTE).await;
                remove_services(world);
            }
            Self::EndpointDeleting => {
                if is_used(world) {
                    set_state(world, None, Some(EndpointState::Deleting));
                    world.pass(5 * MINUTE).await;
                    remove_endpoint(world, VPCE);
                }
            }
            Self::ServiceRecreated => {
                remove_services(world);
                somebody_makes_one(world, Provider::Aws);
            }
            Self::ProjectDeleted => {
                world.change(Change::DeleteProject { project: PROJECT.to_owned() });
                world.pass(20 * MINUTE).await;
                world.change(Change::RestoreProject { project: PROJECT.to_owned() });
            }
            Self::RoleLost => {
                role(world, Role::Nothing);
                world.pass(20 * MINUTE).await;
                role(world, Role::Owner);
            }
            Self::KeyReplaced => {
                rotate(world);
                world.pass(20 * MINUTE).await;
                new_secret(world);
            }
            Self::AllRemoved => {
                remove_endpoint(world, VPCE);
                world.pass(MINUTE).await;
                remove_services(world);
            }
        }
    }

    /// How many services and endpoints requests make at most in a life in which this is done once, in an Atlas that removes a
    /// service with its last endpoint, or not.
    fn most(self, removes: bool) -> (usize, usize) {
        match self {
            // With what was rejected, and is taken away to be made again, goes the service.
            Self::EndpointRejected if removes => (2, 6),
            Self::ServiceMade
            | Self::EndpointAttached
            | Self::AttachedForUs
            | Self::ProjectDeleted
            | Self::RoleLost
            | Self::KeyReplaced => (1, 1),
            Self::EndpointRemoved | Self::EndpointRejected | Self::EndpointDeleting => (1, 2),
            // The next service rejects what was made for this one, three times more than the first.
            Self::ServiceRemoved | Self::ServiceFailed | Self::ServiceDeleting | Self::AllRemoved => (2, 6),
            Self::ServiceRecreated => (1, 6),
        }
    }
}

/// Unless there is one: Atlas has one of a region.
pub fn somebody_makes_one(world: &World, provider: Provider) {
    if ours(world).is_empty() {
        somebody_makes(world, provider, provider == Provider::Gcp);
    }
}

/// A service in the region of the manifests, in that cloud.
pub fn somebody_makes(world: &World, provider: Provider, port_mapped: bool) {
    let region = link_in_cloud(provider)["spec"]["region"].as_str().unwrap().to_owned();
    world.change(Change::CreateService { project: PROJECT.to_owned(), provider, region, port_mapped, ready: false });
}

/// To the service of the region, if one is there that can be used, and the id isn't attached yet.
pub fn somebody_attaches(world: &World, endpoint: &str) {
    let found = ours(world).into_iter().find(|service| service["state"] == "READY");
    if let Some(service) = found.filter(|service| !service.to_string().contains(endpoint)) {
        somebody_has_attached(world, service["id"].as_str().unwrap(), endpoint);
    }
}

fn role(world: &World, role: Role) {
    world.change(Change::SetRole { name: PUBLIC.to_owned(), project: PROJECT.to_owned(), role });
}

#[derive(Clone)]
struct Surprise {
    write: Write,
    deed: Deed,
    /// Atlas removes a service with its last endpoint.
    removes: bool,
    dialect: Dialect,
}

impl Surprise {
    fn data(&self) -> Data {
        let Self { write, deed, removes, dialect } = self;
        let scenario = if *removes { "service goes with its last endpoint" } else { "service stays" };
        Data::new(Campaign::Behind, scenario, *dialect).at(write).meanwhile(format!("{deed:?}"))
    }

    fn begin(&self) -> World {
        let switches = Switches { auto_remove_service: self.removes, ..Switches::default() };
        begin_in(Nature { switches, ..Nature::of(self.dialect) })
    }
}

async fn record(plan: Surprise) -> (Vec<Write>, Value) {
    let mut world = plan.begin();
    let (operator, reaper) = death::start(&mut world, None);
    get_ready(&world).await;
    world.pass(RESYNC).await;
    let middle = but_for_others(oracle::outcome(&world));
    delete_both(&world);
    end(&world).await;
    operator.stop().await;
    (reaper.writes(), middle)
}

/// How both look, without what differs once others have made something: that may be theirs.
pub fn but_for_others(mut outcome: Value) -> Value {
    for object in oracle::objects_in(&mut outcome) {
        object["origin"].take();
        if let Some(listed) = object["own"]["endpoints"].as_array_mut() {
            listed.retain(|endpoint| !endpoint.to_string().contains(FOREIGN));
        }
    }
    outcome
}

/// Both get Ready, with a person who does what the conditions call for, and look as here; then both are deleted.
pub async fn is_mended(world: &World) -> Value {
    for _ in 0..6 {
        let settled = |world: &World| both_are_ready(world) || calls(world);
        eventually(world, PATIENCE, "Ready, or a person is called for", settled).await;
        world.pass(RESYNC).await;
        if both_are_ready(world) {
            break;
        }
        do_what_is_called_for(world).await;
    }
    assert!(both_are_ready(world), "{}", world.picture());
    let middle = but_for_others(oracle::outcome(world));
    oracle::quiet_resync(world).await;
    delete_both(world);
    are_let_go(world).await;
    middle
}

/// Both are on their way out, and what others have attached goes when it holds one of them back.
pub async fn are_let_go(world: &World) {
    let held = |world: &World| says(world, LINKS, "orders").1 == "DeletionBlocked";
    // What others have attached is theirs to take away.
    eventually(world, PATIENCE, "gone, or held back", |world| world.is_empty() || held(world)).await;
    for service in ours(world) {
        for endpoint in past::foreign_endpoints(world, service["id"].as_str().unwrap()) {
            remove_endpoint(world, &endpoint);
        }
    }
    eventually(world, PATIENCE, "gone", World::is_empty).await;
}

fn is_stalled(world: &World, plural: &str, name: &str) -> bool {
    says(world, plural, name).2 == "Stalled"
}

fn calls(world: &World) -> bool {
    is_stalled(world, LINKS, "orders") || is_stalled(world, ENDPOINTS, "orders-a")
}

pub fn is_used(world: &World) -> bool {
    ours(world).iter().any(|service| service["endpoints"][0].is_object())
}

async fn do_what_is_called_for(world: &World) {
    let reason = says(world, ENDPOINTS, "orders-a").1;
    if is_stalled(world, ENDPOINTS, "orders-a") && ["ServiceReplaced", "Rejected"].contains(&reason.as_str()) {
        make_vpc_endpoint(world);
        replace_endpoint(world).await;
    } else if is_stalled(world, LINKS, "orders") && says(world, LINKS, "orders").1 == "Failed" && is_used(world) {
        // Nobody takes a service away that is used.
        world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
        eventually(world, PATIENCE, "the endpoint is gone", |world| world.kube.list(ENDPOINTS).is_empty()).await;
        request(world);
        eventually(world, PATIENCE, "made again", |world| world.link_ready("orders")).await;
        make_vpc_endpoint(world);
        world.apply(endpoint("orders-a", "orders", VPCE));
    } else {
        // A service that others have made and that has failed is theirs; and one whose region v1.0 has not told yet might be.
        let (foreign, said) = (past::foreign_services(world), message(world, LINKS, NAMESPACE, "orders"));
        for service in ours(world).iter().filter(|service| service["state"] == "FAILED") {
            let service = service["id"].as_str().unwrap().to_owned();
            if foreign.contains(&service) || said.contains(&format!("{service} failed before Atlas named its region")) {
                world.change(Change::DeleteService { project: PROJECT.to_owned(), service });
            }
        }
        request(world);
    }
}

async fn run(plan: Surprise, undisturbed: Arc<Value>) -> World {
    let mut world = plan.begin();
    let (operator, mut reaper) = death::start_met(&mut world, (plan.write.clone(), Moment::AfterEffect));
    let surprise = async {
        reaper.arrives().await;
        world.befalls(plan.deed.is_done(&world)).await;
    };
    let (middle, surprised) = tokio::join!(is_mended(&world), tokio::time::timeout(LIFETIME, surprise));
    surprised.unwrap_or_else(|_| panic!("the point was never reached"));
    assert_eq!(middle, *undisturbed);
    delete_what_is_there(&world);
    world.pass(MINUTE).await;
    oracle::silence(&world).await;
    oracle::nothing_left(&world);
    if plan.removes && [Deed::ServiceMade, Deed::ServiceRecreated].contains(&plan.deed) {
        // With its last endpoint, which is ours, goes the service that is not.
        oracle::told_to_delete(&world);
    } else {
        oracle::always(&world);
    }
    oracle::no_storm(&world, 60);
    let (services, endpoints) = plan.deed.most(plan.removes);
    oracle::created_at_most(&world, services, endpoints);
    operator.stop().await;
    world
}

fn surprises(removes: bool, dialect: Dialect) -> Vec<Plan> {
    let any = Surprise { write: Write { what: String::new(), nth: 0 }, deed: Deed::ServiceMade, removes, dialect };
    let (writes, undisturbed) = alone(|| record(any)).unwrap();
    let undisturbed = Arc::new(undisturbed);
    let mut plans = Vec::new();
    for write in writes {
        for deed in Deed::ALL {
            let one = Surprise { write: write.clone(), deed, removes, dialect };
            plans.push(Plan::compared(one.data(), one, &undisturbed, run));
        }
    }
    plans
}

pub const GROUPS: [Group; 4] = [
    || surprises(false, Dialect::V2),
    || surprises(true, Dialect::V2),
    || surprises(false, Dialect::V1),
    || surprises(true, Dialect::V1),
];
