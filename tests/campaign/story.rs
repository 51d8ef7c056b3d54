//! Lives that take other turns than that of a plain pair: a service fails once, an endpoint is rejected once, an endpoint's
//! id changes, things are adopted, a service account asks, the cloud is another, manifests are renamed or moved. Whoever
//! tells the story goes on, whatever befalls the operator.

use crate::harness::{
    alone::eventually,
    course::Course,
    hands::{NEW, change_id, declare, fails, is_at, make_behind_the_back},
    life::{PATIENCE, RESYNC, all_objects, begin_in_cloud, begin_with, delete_all, get_ready, ours, with_neighbours},
    looks::{deletes, edit, only_service, ready_as},
    moving::{HandOver, When},
    oracle,
    world::*,
};
use crate::states::patch_both;
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Provider, Standing},
};
use serde_json::{Value, json};

/// A VPC endpoint beside those of the manifests.
pub const THIRD: &str = "vpce-0123456789abcdef1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// That of an ordinary pair; in another cloud than AWS, of a link alone (v2 only).
    Plain(Provider),
    /// The same with the credential of a service account.
    ServiceAccount,
    /// The service fails once.
    ServiceFails,
    /// The endpoint is rejected once.
    EndpointIsRejected,
    /// The endpoint gets another id (safety rule 6).
    IdChanges,
    /// Two resources name one endpoint. The first one's id changes, the other one inherits it, and its id changes (safety
    /// rules 6 and 7). Told from where both are there.
    SharedAndReplaced,
    /// Service and endpoint are there already, and are kept.
    Adopts,
    /// They are there already, and the manifests say `deletionPolicy: Delete`.
    AdoptsAndDeletes,
    /// They are there already, and the link says `adoptionPolicy: AdoptOnly`.
    AdoptsOnly,
    /// The manifests say `deletionPolicy: Retain`.
    Retains,
    /// New manifests take the place of the old ones (safety rule 7). Told from there on.
    HandsOver(HandOver),
}

impl Story {
    /// The world as it is when the operator of the story starts.
    pub async fn begin(self, dialect: Dialect) -> World {
        match self {
            Self::Plain(Provider::Aws) | Self::IdChanges => begin_with(dialect, &KEY),
            Self::Plain(provider) => begin_in_cloud(dialect, provider),
            Self::ServiceAccount => begin_with(dialect, &ACCOUNT),
            Self::ServiceFails => {
                let world = begin_with(dialect, &KEY);
                fails(&world, 1);
                world
            }
            Self::EndpointIsRejected => {
                let world = begin_with(dialect, &KEY);
                declare(&world, VPCE, Standing::RejectedTimes(1));
                world
            }
            Self::HandsOver(_) => begin_ready(dialect).await,
            Self::SharedAndReplaced => {
                let world = begin_ready(dialect).await;
                world.apply(endpoint("orders-b", "orders", VPCE));
                world
            }
            Self::Retains => {
                let world = begin_with(dialect, &KEY);
                patch_both(&world, &json!({"spec": {"deletionPolicy": "Retain"}}));
                world
            }
            Self::Adopts => begin_behind(dialect, [json!({}), json!({})]).await,
            Self::AdoptsAndDeletes => {
                let told = json!({"spec": {"deletionPolicy": "Delete"}});
                begin_behind(dialect, [told.clone(), told]).await
            }
            Self::AdoptsOnly => {
                begin_behind(dialect, [json!({"spec": {"adoptionPolicy": "AdoptOnly"}}), json!({})]).await
            }
        }
    }

    /// From the first write to the last.
    pub async fn goes_on(self, world: &World) -> Course {
        eventually(world, PATIENCE, "all Ready", all_are_ready).await;
        self.takes_its_turn(world).await;
        world.pass(RESYNC).await;
        let outcome = oracle::outcome(world);
        let origin = if self.adopts() { "Adopted" } else { "Created" };
        let stand = all_objects(world).iter().all(|(_, object)| object["status"]["origin"] == origin);
        assert!(stand && all_are_ready(world), "{outcome:#}");
        oracle::quiet_resync(world).await;
        delete_all(world);
        eventually(world, PATIENCE, "all gone", World::is_empty).await;
        Course::of(outcome, world)
    }

    async fn takes_its_turn(self, world: &World) {
        match self {
            Self::IdChanges => {
                change_id(world, NEW);
                eventually(world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
            }
            Self::SharedAndReplaced => {
                assert!(ready_as(world, ENDPOINTS, NAMESPACE, "orders-b", "Adopted"), "{}", world.picture());
                change_id(world, NEW);
                let inherited =
                    |world: &World| is_at(world, NEW) && ready_as(world, ENDPOINTS, NAMESPACE, "orders-b", "Created");
                eventually(world, PATIENCE, "inherited", inherited).await;
                assert_eq!(deletes(world), Vec::<String>::new(), "it was in use");
                edit(world, ENDPOINTS, "orders-b", json!({"interfaceEndpointId": THIRD}));
                let replaced = |world: &World| all_are_ready(world) && has_endpoints(world, &[NEW, THIRD]);
                eventually(world, PATIENCE, "replaced, too", replaced).await;
            }
            Self::HandsOver(hand_over) => {
                hand_over.happens(world, PATIENCE).await;
                eventually(world, PATIENCE, "handed over", |world| hand_over.change.is_done(world)).await;
                assert_eq!(deletes(world), Vec::<String>::new(), "a DELETE reached Atlas");
            }
            Self::Plain(_)
            | Self::ServiceAccount
            | Self::ServiceFails
            | Self::EndpointIsRejected
            | Self::Adopts
            | Self::AdoptsAndDeletes
            | Self::AdoptsOnly
            | Self::Retains => {}
        }
    }

    fn adopts(self) -> bool {
        match self {
            Self::Adopts | Self::AdoptsAndDeletes | Self::AdoptsOnly => true,
            Self::Plain(_)
            | Self::ServiceAccount
            | Self::ServiceFails
            | Self::EndpointIsRejected
            | Self::IdChanges
            | Self::SharedAndReplaced
            | Self::Retains
            | Self::HandsOver(_) => false,
        }
    }

    /// What Atlas has made and lost once all is over.
    pub fn ends(self, world: &World) {
        let (services, endpoints) = match self {
            Self::Plain(Provider::Aws) | Self::ServiceAccount | Self::Retains | Self::HandsOver(_) => (1, 1),
            Self::Plain(_) => (1, 0),
            Self::ServiceFails => (2, 1),
            Self::EndpointIsRejected | Self::IdChanges => (1, 2),
            Self::SharedAndReplaced => (1, 3),
            Self::Adopts | Self::AdoptsAndDeletes | Self::AdoptsOnly => (0, 0),
        };
        oracle::created(world, services, endpoints);
        match self {
            Self::Plain(_)
            | Self::ServiceAccount
            | Self::ServiceFails
            | Self::EndpointIsRejected
            | Self::IdChanges
            | Self::SharedAndReplaced
            | Self::HandsOver(_) => {
                oracle::nothing_left(world);
                oracle::always(world);
            }
            Self::Adopts | Self::AdoptsOnly | Self::Retains => {
                assert_eq!(deletes(world), Vec::<String>::new());
                let left: Vec<_> = ours(world).iter().map(|service| service["endpoints"][0]["id"].clone()).collect();
                assert_eq!(left, [VPCE], "what is kept stands");
                oracle::always(world);
            }
            Self::AdoptsAndDeletes => {
                assert_eq!(ours(world), Vec::<Value>::new(), "the manifests said Delete");
                // Whoever comes after a crash may ask again for what is on its way out.
                let ledger = world.ledger();
                let removed = ledger.endpoint_deletes();
                assert!(!removed.is_empty() && removed.iter().all(|endpoint| *endpoint == VPCE), "{removed:?}");
                assert!(!only_service(world).is_empty(), "the neighbours are still there");
                oracle::told_to_delete(world);
            }
        }
    }

    /// Its words in the ids of plans.
    pub fn name(self) -> String {
        match self {
            Self::Plain(_) => "plain".to_owned(),
            Self::ServiceAccount
            | Self::ServiceFails
            | Self::EndpointIsRejected
            | Self::IdChanges
            | Self::SharedAndReplaced
            | Self::Adopts
            | Self::AdoptsAndDeletes
            | Self::AdoptsOnly
            | Self::Retains => format!("{self:?}"),
            Self::HandsOver(HandOver { change, when, first }) => {
                let when = if when == When::Soon { "at once" } else { "after Ready" };
                if change.old().len() == 1 {
                    format!("{change:?} {when}")
                } else {
                    format!("{change:?} {when} {first:?} first")
                }
            }
        }
    }

    pub fn provider(self) -> Provider {
        match self {
            Self::Plain(provider) => provider,
            Self::ServiceAccount
            | Self::ServiceFails
            | Self::EndpointIsRejected
            | Self::IdChanges
            | Self::SharedAndReplaced
            | Self::Adopts
            | Self::AdoptsAndDeletes
            | Self::AdoptsOnly
            | Self::Retains
            | Self::HandsOver(_) => Provider::Aws,
        }
    }
}

/// An ordinary pair that is Ready, and no operator.
async fn begin_ready(dialect: Dialect) -> World {
    let mut world = begin_with(dialect, &KEY);
    let operator = world.start();
    get_ready(&world).await;
    operator.stop().await;
    world
}

/// The link and the endpoint with these policies, over a service and an endpoint that somebody else has made.
async fn begin_behind(dialect: Dialect, [of_link, of_endpoint]: [Value; 2]) -> World {
    let world = with_neighbours(dialect);
    make_behind_the_back(&world).await;
    world.credentials();
    world.apply(with(link("orders"), of_link));
    world.apply(with(endpoint("orders-a", "orders", VPCE), of_endpoint));
    world
}

/// Whether these endpoints are attached to the service of the manifests, and no others.
fn has_endpoints(world: &World, ids: &[&str]) -> bool {
    let services = ours(world);
    let attached = services.iter().flat_map(|service| service["endpoints"].as_array().into_iter().flatten());
    attached.map(|endpoint| endpoint["id"].as_str().unwrap_or_default()).eq(ids.iter().copied())
}

fn all_are_ready(world: &World) -> bool {
    all_objects(world).iter().all(|(_, object)| object["status"]["conditions"][0]["status"] == "True")
}
