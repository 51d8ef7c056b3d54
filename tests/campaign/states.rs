//! The states that the objects can be in: how each is reached, what it lacks, and how that is given.

use crate::harness::{
    hands::{NEW, declare, make_behind_the_back},
    life::{BOTH, PATIENCE, RESYNC, both_are_ready, delete_both, get_ready, ours, with_neighbours},
    looks::ready_as,
    world::*,
};
use atlas_privatelink_operator::{
    api::{RECONCILE_ANNOTATION, Standing},
    atlas::dialect::Dialect,
    testbed::simulator::{self, Change, EndpointState, Fault, Operation, Provider, Rule, ServiceFailure, ServiceState},
};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    NoSecret,
    Initiating,
    Ready,
    Pending,
    Available,
    ServiceFailed,
    /// It failed once, and is made again.
    ServiceRetried,
    /// Somebody else deletes it, and Atlas comes to no end.
    ServiceDeleting,
    /// A word that nobody knows.
    ServicePondering,
    Rejected,
    /// It was rejected once, and is added again.
    EndpointRetried,
    EndpointDeleting,
    EndpointPondering,
    Deleting,
    WaitingForLink,
    Suspended,
    /// The endpoint gets another id.
    Replacing,
    /// A creation was not answered, and the service doesn't tell its region. v1.0 only.
    RegionUnknown,
    /// Somebody else has made service and endpoint.
    Adopted,
    /// Older resources own both.
    Sharing,
}

pub const STATES: [State; 20] = [
    State::NoSecret,
    State::Initiating,
    State::Ready,
    State::Pending,
    State::Available,
    State::ServiceFailed,
    State::ServiceRetried,
    State::ServiceDeleting,
    State::ServicePondering,
    State::Rejected,
    State::EndpointRetried,
    State::EndpointDeleting,
    State::EndpointPondering,
    State::Deleting,
    State::WaitingForLink,
    State::Suspended,
    State::Replacing,
    State::RegionUnknown,
    State::Adopted,
    State::Sharing,
];

/// What owns what is shared.
pub const OWNERS: [(&str, &str); 2] = [(ENDPOINTS, "owner-a"), (LINKS, "owner")];

impl State {
    pub fn exists_in(self, dialect: Dialect) -> bool {
        self != Self::RegionUnknown || dialect == Dialect::V1
    }

    /// Whether Atlas is asked again and again, for the state is one that ought to pass.
    pub fn is_polled(self) -> bool {
        let polled = [Self::ServiceDeleting, Self::ServicePondering, Self::EndpointDeleting, Self::EndpointPondering];
        polled.contains(&self)
    }

    /// Whether a deletion comes to no end before [`State::lets_go`].
    pub fn waits_to_go(self) -> bool {
        [Self::Suspended, Self::ServiceDeleting, Self::EndpointDeleting].contains(&self)
    }

    /// How many services and endpoints are made at most.
    pub fn most(self) -> (usize, usize) {
        match self {
            Self::ServiceFailed => (5, 1),
            Self::Rejected => (1, 5),
            Self::ServiceRetried => (2, 1),
            // The new service needs another VPC endpoint.
            Self::ServiceDeleting => (2, 2),
            Self::EndpointRetried | Self::EndpointDeleting => (1, 2),
            // There, and back again.
            Self::Replacing => (1, 3),
            Self::Adopted => (0, 0),
            Self::NoSecret
            | Self::Initiating
            | Self::Ready
            | Self::Pending
            | Self::Available
            | Self::ServicePondering
            | Self::EndpointPondering
            | Self::Deleting
            | Self::WaitingForLink
            | Self::Suspended
            | Self::RegionUnknown
            | Self::Sharing => (1, 1),
        }
    }

    /// What the state begins with, before there is an operator.
    async fn prepare(self, world: &World) {
        if self != Self::NoSecret {
            world.credentials();
        }
        match self {
            Self::ServiceFailed => services_fail(world, 4),
            Self::ServiceRetried => services_fail(world, 1),
            Self::Rejected => declare(world, VPCE, simulator::Standing::RejectedTimes(4)),
            Self::EndpointRetried => declare(world, VPCE, simulator::Standing::RejectedTimes(1)),
            Self::ServicePondering => {
                world.atlas.inject(Rule::always(Operation::ListServices, Fault::UnknownWord));
            }
            Self::EndpointPondering => {
                world.atlas.inject(Rule::always(Operation::GetEndpoint, Fault::UnknownWord));
            }
            Self::RegionUnknown => {
                world.atlas.inject(Rule::once(Operation::CreateService, Fault::AnswerLost));
            }
            Self::Adopted => make_behind_the_back(world).await,
            Self::Sharing => {
                world.apply(link("owner"));
                world.apply(endpoint("owner-a", "owner", VPCE));
            }
            Self::NoSecret
            | Self::Initiating
            | Self::Ready
            | Self::Pending
            | Self::Available
            | Self::ServiceDeleting
            | Self::EndpointDeleting
            | Self::Deleting
            | Self::WaitingForLink
            | Self::Suspended
            | Self::Replacing => {}
        }
        if self != Self::WaitingForLink && self != Self::Sharing {
            world.apply(link("orders"));
        }
        if self != Self::Sharing {
            world.apply(endpoint("orders-a", "orders", VPCE));
        }
    }

    /// Brings a world into the state.
    pub async fn reach(self, dialect: Dialect) -> (World, Running) {
        let mut world = with_neighbours(dialect);
        self.prepare(&world).await;
        let operator = world.start();
        self.arrive(&world).await;
        (world, operator)
    }

    async fn arrive(self, world: &World) {
        let until = |what: &'static str, condition: fn(&World) -> bool| world.until(PATIENCE, what, condition);
        let link_waits = |w: &World, reason| w.link_is("orders", Standing::Reconciling, reason);
        match self {
            Self::NoSecret => {
                until("no Secret", |w| w.link_is("orders", Standing::Reconciling, "WaitingForCredentials")).await;
            }
            Self::Initiating => until("INITIATING", |w| shows(w, LINKS, "state", "INITIATING")).await,
            Self::Available => until("both Ready", both_are_ready).await,
            Self::Pending => {
                let pending = |w: &World| w.endpoint_is("orders-a", Standing::Reconciling, "PendingAcceptance");
                until("PENDING", pending).await;
            }
            Self::ServiceFailed => until("FAILED", |w| w.link_is("orders", Standing::Stalled, "Failed")).await,
            Self::ServiceRetried => until("tried again", |w| tries(w, LINKS, "orders") == 1).await,
            Self::ServicePondering => until("the word", |w| shows(w, LINKS, "state", "PONDERING")).await,
            Self::Rejected => until("REJECTED", |w| w.endpoint_is("orders-a", Standing::Stalled, "Rejected")).await,
            Self::EndpointRetried => until("tried again", |w| tries(w, ENDPOINTS, "orders-a") == 1).await,
            Self::EndpointPondering => {
                until("the word", |w| shows(w, ENDPOINTS, "connectionStatus", "PONDERING")).await;
            }
            Self::WaitingForLink => {
                until("no link", |w| w.endpoint_is("orders-a", Standing::Reconciling, "WaitingForLink")).await;
            }
            Self::RegionUnknown => {
                world.until(PATIENCE, "unnamed", |world| link_waits(world, "RegionUnknown")).await;
            }
            Self::Ready => {
                get_ready(world).await;
                world.pass(RESYNC).await;
            }
            Self::Deleting => {
                get_ready(world).await;
                delete_both(world);
                until("a DELETE", |w| w.calls(Operation::DeleteEndpoint) > 0).await;
            }
            Self::Suspended => {
                get_ready(world).await;
                patch_both(world, &json!({"spec": {"suspend": true}}));
                until("suspended", |w| both_are_ready(w) && follows(w)).await;
            }
            Self::ServiceDeleting => {
                get_ready(world).await;
                set_state(world, Some(ServiceState::Deleting), None);
                until("DELETING", |w| shows(w, LINKS, "state", "DELETING")).await;
            }
            Self::EndpointDeleting => {
                get_ready(world).await;
                set_state(world, None, Some(EndpointState::Deleting));
                until("DELETING", |w| shows(w, ENDPOINTS, "connectionStatus", "DELETING")).await;
            }
            Self::Replacing => {
                get_ready(world).await;
                set_id(world, NEW);
                until("replacing", |w| w.endpoint_is("orders-a", Standing::Reconciling, "Replacing")).await;
            }
            Self::Adopted => {
                until("adopted", |w| is_as(w, "Adopted")).await;
                world.pass(RESYNC).await;
            }
            Self::Sharing => {
                until("the owners Ready", |w| w.link_ready("owner") && w.endpoint_ready("owner-a")).await;
                // Creation times have whole seconds.
                world.pass(Duration::from_secs(2)).await;
                world.apply(link("orders"));
                world.apply(endpoint("orders-a", "orders", VPCE));
                until("shared", |w| is_as(w, "Adopted")).await;
            }
        }
    }

    /// What a deletion needs to come to its end.
    pub fn lets_go(self, world: &World) {
        match self {
            Self::Suspended => patch_both(world, &json!({"spec": {"suspend": null}})),
            Self::ServiceDeleting if is_stuck(world, |service| &service["state"]) => remove_services(world),
            Self::EndpointDeleting if is_stuck(world, |service| &service["endpoints"][0]["state"]) => {
                remove_endpoint(world, VPCE);
            }
            Self::ServiceDeleting | Self::EndpointDeleting => {}
            Self::Sharing => remove_owners(world),
            Self::NoSecret
            | Self::Initiating
            | Self::Ready
            | Self::Pending
            | Self::Available
            | Self::ServiceFailed
            | Self::ServiceRetried
            | Self::ServicePondering
            | Self::Rejected
            | Self::EndpointRetried
            | Self::EndpointPondering
            | Self::Deleting
            | Self::WaitingForLink
            | Self::Replacing
            | Self::RegionUnknown
            | Self::Adopted => {}
        }
    }

    /// Gives what the state lacks; `has_secret`: there is one by now.
    pub fn heal(self, world: &World, has_secret: bool) {
        self.lets_go(world);
        match self {
            Self::NoSecret if has_secret => {}
            Self::NoSecret => world.credentials(),
            Self::WaitingForLink => world.apply(link("orders")),
            Self::ServiceFailed | Self::Rejected => request(world),
            Self::ServicePondering | Self::EndpointPondering => world.atlas.clear_faults(),
            Self::Replacing => set_id(world, VPCE),
            Self::Initiating
            | Self::Ready
            | Self::Pending
            | Self::Available
            | Self::ServiceRetried
            | Self::ServiceDeleting
            | Self::EndpointRetried
            | Self::EndpointDeleting
            | Self::Deleting
            | Self::Suspended
            | Self::RegionUnknown
            | Self::Adopted
            | Self::Sharing => {}
        }
    }
}

fn services_fail(world: &World, times: u32) {
    let (provider, region, message) = (Provider::Aws, "US_EAST_1".to_owned(), "no luck".to_owned());
    world.change(Change::FailServices(ServiceFailure { provider, region, times, named: true, message }));
}

/// Whether something of ours is still in the state that it doesn't leave by itself.
fn is_stuck(world: &World, state: impl Fn(&Value) -> &Value) -> bool {
    ours(world).iter().any(|service| state(service) == "DELETING")
}

pub fn our_service_ids(world: &World) -> Vec<String> {
    ours(world).iter().map(|service| service["id"].as_str().unwrap().to_owned()).collect()
}

pub fn set_state(world: &World, service_state: Option<ServiceState>, endpoint_state: Option<EndpointState>) {
    for service in our_service_ids(world) {
        let (project, error) = (PROJECT.to_owned(), None);
        world.change(match (service_state, endpoint_state) {
            (Some(state), _) => Change::SetServiceState { project, service, state, error },
            (None, Some(state)) => {
                Change::SetEndpointState { project, service, endpoint: VPCE.to_owned(), state, error }
            }
            (None, None) => panic!("no state"),
        });
    }
}

/// Behind the operator's back.
pub fn remove_endpoint(world: &World, endpoint: &str) {
    for service in our_service_ids(world) {
        let (project, endpoint) = (PROJECT.to_owned(), endpoint.to_owned());
        // In some states it isn't attached.
        drop(world.atlas.change(Change::DeleteEndpoint { project, service, endpoint }));
    }
}

/// Behind the operator's back; another VPC endpoint is made for the service that is to come, under the same id.
pub fn remove_services(world: &World) {
    for service in our_service_ids(world) {
        world.change(Change::DeleteService { project: PROJECT.to_owned(), service });
    }
    make_vpc_endpoint(world);
}

/// Somebody makes another VPC endpoint, under the id of the manifests.
pub fn make_vpc_endpoint(world: &World) {
    declare(world, VPCE, simulator::Standing::Undeclared);
}

fn remove_owners(world: &World) {
    for (plural, name) in OWNERS {
        // They may be gone already.
        drop(world.kube.delete(plural, NAMESPACE, name));
    }
}

pub fn set_id(world: &World, id: &str) {
    drop(world.kube.patch(ENDPOINTS, NAMESPACE, "orders-a", json!({"spec": {"interfaceEndpointId": id}})));
}

fn of(world: &World, plural: &str, name: &str) -> Value {
    world.kube.get(plural, NAMESPACE, name).unwrap_or_default()
}

pub fn shows(world: &World, plural: &str, field: &str, word: &str) -> bool {
    let name = if plural == LINKS { "orders" } else { "orders-a" };
    of(world, plural, name)["status"][field] == word
}

fn tries(world: &World, plural: &str, name: &str) -> u64 {
    of(world, plural, name)["status"]["attempts"].as_u64().unwrap_or_default()
}

fn is_as(world: &World, origin: &str) -> bool {
    BOTH.iter().all(|(plural, name)| ready_as(world, plural, NAMESPACE, name, origin))
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

/// Asks for a reconcile of both.
pub fn request(world: &World) {
    let now = world.clock.now().to_string();
    patch_both(world, &json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: now}}}));
}
