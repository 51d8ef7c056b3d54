//! The operator is killed at every single write of each [`Story`], and another one takes over.

use crate::{
    Group,
    harness::{
        alone::alone,
        course::Course,
        death::{self, Point, Write},
        life::LIFETIME,
        moving::{HandOver, Move},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    story::Story,
};
use atlas_privatelink_operator::{atlas::dialect::Dialect, testbed::simulator::Provider};
use std::{sync::Arc, time::Duration};

const SHORT: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(600);

/// For how long no operator runs.
fn pauses(story: Story) -> &'static [Duration] {
    match story {
        Story::HandsOver(_) | Story::SharedAndReplaced => &[SHORT],
        Story::Plain(_)
        | Story::ServiceAccount
        | Story::ServiceFails
        | Story::EndpointIsRejected
        | Story::IdChanges
        | Story::Adopts
        | Story::AdoptsAndDeletes
        | Story::AdoptsOnly
        | Story::Retains => &[SHORT, LONG],
    }
}

#[derive(Clone)]
struct Crash {
    story: Story,
    dialect: Dialect,
    point: Point,
    pause: Duration,
}

impl Crash {
    fn data(&self) -> Data {
        let Self { story, dialect, point, pause } = self;
        Data::new(Campaign::Crash, &story.name(), *dialect)
            .of(story.provider())
            .struck(point)
            .meanwhile(format!("{pause:?}"))
    }
}

/// Every write of the story without a crash, and how that went.
async fn record(story: Story, dialect: Dialect) -> (Vec<Write>, Course) {
    let mut world = story.begin(dialect).await;
    let (operator, reaper) = death::start(&mut world, None);
    let course = story.goes_on(&world).await;
    story.ends(&world);
    operator.stop().await;
    (reaper.writes(), course)
}

async fn crash(plan: Crash, faultless: Arc<Course>) -> World {
    let mut world = plan.story.begin(plan.dialect).await;
    let (operator, mut reaper) = death::start(&mut world, Some(plan.point));
    let mut afterwards = world.clone();
    let successor = async {
        reaper.kill(&world, operator).await;
        world.pass(plan.pause).await;
        afterwards.start()
    };
    let (course, operator) = tokio::join!(plan.story.goes_on(&world), tokio::time::timeout(LIFETIME, successor));
    assert_eq!(course, *faultless);
    let operator = operator.unwrap_or_else(|_| panic!("the point was never reached"));
    // What the dead one has still on its way arrives.
    world.pass(Duration::from_secs(60)).await;
    oracle::silence(&world).await;
    plan.story.ends(&world);
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

fn crashes(story: Story, dialect: Dialect) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(story, dialect)).unwrap();
    assert!(writes.len() >= 4, "{writes:?}");
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for point in death::points(&writes) {
        for pause in pauses(story) {
            let one = Crash { story, dialect, point: point.clone(), pause: *pause };
            plans.push(Plan::compared(one.data(), one, &faultless, crash));
        }
    }
    plans
}

fn hand_overs(dialect: Dialect) -> Vec<Plan> {
    // Beneath the dialect a namespace is nothing but another name.
    let all = HandOver::all().into_iter().filter(|one| dialect == Dialect::V2 || one.change != Move::Namespace);
    all.flat_map(|one| crashes(Story::HandsOver(one), dialect)).collect()
}

pub const GROUPS: [Group; 17] = [
    || crashes(Story::IdChanges, Dialect::V2),
    || crashes(Story::IdChanges, Dialect::V1),
    || crashes(Story::SharedAndReplaced, Dialect::V2),
    || crashes(Story::SharedAndReplaced, Dialect::V1),
    || crashes(Story::Adopts, Dialect::V2),
    || crashes(Story::Adopts, Dialect::V1),
    || crashes(Story::AdoptsAndDeletes, Dialect::V2),
    || crashes(Story::AdoptsAndDeletes, Dialect::V1),
    || crashes(Story::AdoptsOnly, Dialect::V2),
    || crashes(Story::AdoptsOnly, Dialect::V1),
    || crashes(Story::Retains, Dialect::V2),
    || crashes(Story::Retains, Dialect::V1),
    || crashes(Story::ServiceAccount, Dialect::V2),
    || crashes(Story::Plain(Provider::Azure), Dialect::V2),
    || crashes(Story::Plain(Provider::Gcp), Dialect::V2),
    || hand_overs(Dialect::V2),
    || hand_overs(Dialect::V1),
];
