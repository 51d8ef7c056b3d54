//! Two Kubernetes clusters with the same manifests on one Atlas, each with a VPC endpoint of its own; and at every write
//! of the first one's operator that is killed. One service is made, both use it, and who goes first takes nothing from the
//! other. In Atlas all comes to what it came to without a crash.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::{Course, same_deeds},
        death::{self, Point, Write},
        hands::NEW,
        life::{LIFETIME, PATIENCE, RESYNC, begin, both_are_ready, delete_all},
        looks::ready_as,
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::atlas::dialect::Dialect;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// How long the first cluster has no operator.
const PAUSE: Duration = Duration::from_secs(40);

/// Whose manifests are deleted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Here,
    There,
}

#[derive(Clone)]
struct Crash {
    first: First,
    dialect: Dialect,
    point: Point,
}

impl Crash {
    fn data(&self) -> Data {
        let Self { first, dialect, point } = self;
        Data::new(Campaign::Twins, &format!("two clusters, {first:?} ends first"), *dialect).struck(point)
    }
}

/// Both clusters, with what users apply.
fn clusters(dialect: Dialect) -> (World, World) {
    let here = begin(dialect);
    let there = here.beside();
    there.credentials();
    there.apply(link("orders"));
    there.apply(endpoint("orders-a", "orders", NEW));
    (here, there)
}

/// Everything that is deleted in a cluster is gone, but for a link that the other cluster's endpoint holds back.
fn is_done(world: &World) -> bool {
    world.kube.list(ENDPOINTS).is_empty()
        && world.kube.list(LINKS).iter().all(|link| link["status"]["conditions"][0]["reason"] == "DeletionBlocked")
}

/// From the first write to the last.
async fn goes_on(here: &World, there: &World, first: First) -> Course {
    for world in [here, there] {
        eventually(world, PATIENCE, "both Ready", both_are_ready).await;
    }
    here.pass(RESYNC).await;
    let middle: Value = [here, there].into_iter().map(oracle::outcome).collect();
    assert!([here, there].iter().any(|world| ready_as(world, LINKS, NAMESPACE, "orders", "Created")), "{middle:#}");
    for world in [here, there] {
        // Both look with the same key.
        oracle::quiet_wait(world).await;
    }
    let (leaves, stays) = match first {
        First::Here => (here, there),
        First::There => (there, here),
    };
    delete_all(leaves);
    eventually(leaves, PATIENCE, "one done", is_done).await;
    here.pass(RESYNC).await;
    assert!(both_are_ready(stays), "what the other cluster uses is gone: {}", stays.picture());
    delete_all(stays);
    for world in [here, there] {
        eventually(world, PATIENCE, "both gone", World::is_empty).await;
    }
    Course::of(middle, here)
}

async fn record(first: First, dialect: Dialect) -> (Vec<Write>, Course) {
    let (mut here, mut there) = clusters(dialect);
    let (operator, reaper) = death::start(&mut here, None);
    let other = there.start();
    let course = goes_on(&here, &there, first).await;
    oracle::nothing_left(&here);
    oracle::created(&here, 1, 2);
    operator.stop().await;
    other.stop().await;
    (reaper.writes(), course)
}

async fn crash(plan: Crash, faultless: Arc<Course>) -> World {
    let (mut here, mut there) = clusters(plan.dialect);
    let (operator, mut reaper) = death::start(&mut here, Some(plan.point));
    let other = there.start();
    let mut afterwards = here.clone();
    let successor = async {
        reaper.kill(&here, operator).await;
        here.pass(PAUSE).await;
        afterwards.start()
    };
    // Which of them says that it has created the service may be another one than without the crash.
    let (_, operator) = tokio::join!(goes_on(&here, &there, plan.first), tokio::time::timeout(LIFETIME, successor));
    let operator = operator.unwrap_or_else(|_| panic!("the point was never reached"));
    here.pass(Duration::from_secs(60)).await;
    oracle::silence(&here).await;
    oracle::nothing_left(&here);
    same_deeds(&here, &faultless);
    for world in [&here, &there] {
        oracle::always(world);
    }
    oracle::no_storm(&here, 60);
    operator.stop().await;
    other.stop().await;
    here
}

fn crashes(first: First, dialect: Dialect) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(first, dialect)).unwrap();
    let faultless = Arc::new(faultless);
    let plan = |point| {
        let one = Crash { first, dialect, point };
        Plan::compared(one.data(), one, &faultless, crash)
    };
    death::points(&writes).into_iter().map(plan).collect()
}

pub const GROUPS: [Group; 4] = [
    || crashes(First::Here, Dialect::V2),
    || crashes(First::There, Dialect::V2),
    || crashes(First::Here, Dialect::V1),
    || crashes(First::There, Dialect::V1),
];
