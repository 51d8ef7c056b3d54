//! Projects whose token bucket holds hardly anything: it is asked for more than it has some times in half a day, if it
//! holds less than a life takes in one go. The end is that of a life in which nobody counted.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::Course,
        life::{RESYNC, begin_in, both_are_ready, delete_both},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{self, BucketSize},
};
use std::{sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(6 * 3600);
/// Buckets, and how often each may be found empty.
const SIZES: [(&str, usize); 4] = [("4/4/60", 6), ("6/2/60", 6), ("10/10/60", 0), ("30/1/10", 0)];

fn begin(dialect: Dialect, bucket: BucketSize) -> World {
    let nature = Nature::of(dialect);
    let atlas = simulator::Settings { bucket, ..nature.atlas.clone() };
    begin_in(Nature { atlas, ..nature })
}

async fn whole_life(world: &World) -> Course {
    eventually(world, PATIENCE, "both Ready", both_are_ready).await;
    world.pass(2 * RESYNC).await;
    let outcome = oracle::outcome(world);
    oracle::quiet_resync(world).await;
    delete_both(world);
    eventually(world, PATIENCE, "both gone", World::is_empty).await;
    oracle::nothing_left(world);
    Course::of(outcome, world)
}

/// How often Atlas said that the bucket was empty.
fn refusals(world: &World) -> usize {
    world.ledger().requests().filter(|request| request.status == Some(429)).count()
}

/// A bucket, and how often it may be found empty.
type Bucket = (BucketSize, usize);

async fn run((dialect, (bucket, most)): (Dialect, Bucket), plenty: Arc<Course>) -> World {
    let mut world = begin(dialect, bucket);
    let operator = world.start();
    assert_eq!(whole_life(&world).await, *plenty);
    oracle::silence(&world).await;
    oracle::always(&world);
    assert!(refusals(&world) <= most, "{} times the bucket was empty", refusals(&world));
    operator.stop().await;
    world
}

fn scarce(dialect: Dialect) -> Vec<Plan> {
    let plenty = alone(|| async {
        let mut world = begin(dialect, BucketSize::default());
        let _operator = world.start();
        whole_life(&world).await
    });
    let plenty = Arc::new(plenty.unwrap());
    let plan = |(size, most): (&str, usize)| {
        let data = Data::new(Campaign::Atlas, "scarce", dialect).at(size);
        Plan::compared(data, (dialect, (size.parse().unwrap(), most)), &plenty, run)
    };
    SIZES.into_iter().map(plan).collect()
}

pub const GROUPS: [Group; 2] = [|| scarce(Dialect::V2), || scarce(Dialect::V1)];
