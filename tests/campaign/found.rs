//! What random lives and the model have found, each told again as the shortest life in which it showed.

use crate::{
    Group,
    harness::{
        alone::eventually,
        death::{self, Moment, Write},
        hands::NEW,
        life::{begin, end, get_ready, with_neighbours_in},
        looks::says,
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::{make_vpc_endpoint, remove_services},
};
use atlas_privatelink_operator::{atlas::dialect::Dialect, testbed::simulator};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(45 * 60);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// One that waits for a link which is being deleted shares nothing through it: nobody waits for it.
    WaitsForALeavingLink,
    /// The same, of one that wants the very endpoint that is to be detached.
    WantsItThroughALeavingLink,
    /// An endpoint that was made for a service which is gone is never attached to the next one: nobody waits for it.
    ServiceReplaced,
    /// A dead operator's request arrives when all that stood for it is deleted: what it makes is deleted, too.
    ArrivesAtTheEnd,
}

impl Found {
    const ALL: [Self; 4] =
        [Self::WaitsForALeavingLink, Self::WantsItThroughALeavingLink, Self::ServiceReplaced, Self::ArrivesAtTheEnd];

    async fn is_lived(self, dialect: Dialect) -> World {
        match self {
            Self::WaitsForALeavingLink => through_a_leaving_link(dialect, NEW).await,
            Self::WantsItThroughALeavingLink => through_a_leaving_link(dialect, VPCE).await,
            Self::ServiceReplaced => service_replaced(dialect).await,
            Self::ArrivesAtTheEnd => arrives_at_the_end(dialect).await,
        }
    }
}

fn is_gone(plural: &'static str, name: &'static str) -> impl Fn(&World) -> bool {
    move |world| world.kube.get(plural, NAMESPACE, name).is_none()
}

fn reason(world: &World, plural: &str, name: &str) -> String {
    says(world, plural, name).1
}

async fn over(world: World, operator: Running) -> World {
    oracle::silence(&world).await;
    oracle::always(&world);
    operator.stop().await;
    world
}

async fn through_a_leaving_link(dialect: Dialect, id: &str) -> World {
    let mut world = begin(dialect);
    let operator = world.start();
    get_ready(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let blocked = |world: &World| reason(world, LINKS, "orders") == "DeletionBlocked";
    eventually(&world, PATIENCE, "held by its endpoint", blocked).await;
    world.apply(endpoint("late", "orders", id));
    let waits = |world: &World| reason(world, ENDPOINTS, "late") == "WaitingForLink";
    eventually(&world, PATIENCE, "the late one waits", waits).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "the endpoint is gone", is_gone(ENDPOINTS, "orders-a")).await;
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "late").unwrap();
    end(&world).await;
    over(world, operator).await
}

async fn service_replaced(dialect: Dialect) -> World {
    let mut world = begin(dialect);
    let operator = world.start();
    get_ready(&world).await;
    remove_services(&world);
    let replaced = |world: &World| reason(world, ENDPOINTS, "orders-a") == "ServiceReplaced";
    eventually(&world, PATIENCE, "its service was replaced", replaced).await;
    // Somebody has made another VPC endpoint, and got the same id.
    make_vpc_endpoint(&world);
    world.apply(endpoint("next", "orders", VPCE));
    eventually(&world, PATIENCE, "the next one is Ready", |world| world.endpoint_ready("next")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "next").unwrap();
    eventually(&world, PATIENCE, "the next one is gone", is_gone(ENDPOINTS, "next")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}

/// Two links for one region, in an Atlas that takes seconds for what takes it minutes: there all is gone before the request
/// of the dead operator arrives.
async fn arrives_at_the_end(dialect: Dialect) -> World {
    let nature = Nature::of(dialect);
    let atlas = simulator::Settings { time_scale: 200.0, ..nature.atlas.clone() };
    let mut world = with_neighbours_in(Nature { atlas, ..nature });
    world.credentials();
    world.apply(link("orders"));
    let point = Write { what: "Atlas POST service".to_owned(), nth: 1 };
    let (operator, mut reaper) = death::start(&mut world, Some((point, Moment::EffectComesLate)));
    reaper.kill(&world, operator).await;
    world.apply(link("rival"));
    let operator = world.start();
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    for name in ["rival", "orders"] {
        world.kube.delete(LINKS, NAMESPACE, name).unwrap();
    }
    eventually(&world, PATIENCE, "both gone", |world| world.kube.list(LINKS).is_empty()).await;
    world.pass(3 * MINUTE).await;
    oracle::nothing_left(&world);
    over(world, operator).await
}

fn found() -> Vec<Plan> {
    let plan = |found: Found, dialect| {
        let data = Data::new(Campaign::State, "found", dialect).meanwhile(format!("{found:?}"));
        Plan::new(data, move || found.is_lived(dialect))
    };
    let of = |dialect| Found::ALL.into_iter().map(move |found| plan(found, dialect));
    [Dialect::V2, Dialect::V1].into_iter().flat_map(of).collect()
}

pub const GROUPS: [Group; 1] = [found];
