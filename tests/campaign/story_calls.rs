//! A single fault at the operator's own calls of the Kubernetes API, in every [`Story`]: at each of its writes, and at the
//! first and the last of its reads. The end is that of the same story without a fault.

use crate::{
    Group,
    harness::{alone::alone, course::Course, moving::HandOver, oracle, world::*},
    own_calls::{Call, Mishap},
    plan::{Campaign, Data, Plan},
    story::Story,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::{
        kubernetes::{Rule, Verb},
        simulator::Provider,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// No fault makes the operator ask Atlas more often than this in a minute.
const MOST_IN_A_MINUTE: usize = 40;

/// A kind of each: it was not done, nobody knows that it was done, it was never heard of, what was seen is too old.
const MISHAPS: [Mishap; 4] = [Mishap::Conflict, Mishap::Lost, Mishap::Dropped, Mishap::WatchExpired];

#[derive(Clone)]
struct Disturbance {
    story: Story,
    dialect: Dialect,
    call: Call,
    nth: u64,
    mishap: Mishap,
}

impl Disturbance {
    fn data(&self) -> Data {
        let Self { story, dialect, call, nth, mishap } = self;
        Data::new(Campaign::Kubernetes, &story.name(), *dialect)
            .of(story.provider())
            .at(call.to_string())
            .fault(format!("{mishap:?} {nth}"))
    }
}

/// How often each call is made in a story without a fault, and how that went.
async fn record(story: Story, dialect: Dialect) -> (BTreeMap<Call, u64>, Course) {
    let mut world = story.begin(dialect).await;
    let operator = world.start();
    let course = story.goes_on(&world).await;
    let calls = Call::made_by(&operator.name, &world);
    operator.stop().await;
    (calls, course)
}

async fn run(plan: Disturbance, faultless: Arc<Course>) -> World {
    let mut world = plan.story.begin(plan.dialect).await;
    let matcher = plan.call.matcher(&world.next_operator());
    world.kube.inject(Rule::new(matcher, plan.mishap.fault()).nth(plan.nth));
    let operator = world.start();
    let course = plan.story.goes_on(&world).await;
    let made = Call::made_by(&operator.name, &world).get(&plan.call).copied().unwrap_or_default();
    assert!(made >= plan.nth, "it never happened");
    assert_eq!(course, *faultless);
    oracle::silence(&world).await;
    plan.story.ends(&world);
    oracle::no_storm(&world, MOST_IN_A_MINUTE);
    assert!(!operator.has_ended(), "the operator has died");
    world
}

/// Whether the n-th call of a kind meets every mishap: a write does, and of the reads the first and the last. The others
/// meet one each, and so do all events but the first, for they are told whatever comes of them.
fn meets_all(call: &Call, made: u64, nth: u64) -> bool {
    match call.verb {
        _ if call.resource == "events" => nth == 1,
        Verb::Get | Verb::List | Verb::Watch | Verb::Discover => [1, made].contains(&nth),
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => true,
    }
}

fn mishaps_in(story: Story, dialect: Dialect) -> Vec<Plan> {
    let (calls, faultless) = alone(|| record(story, dialect)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for (call, made) in calls {
        for nth in 1..=made {
            let plan = |mishap| {
                let one = Disturbance { story, dialect, call: call.clone(), nth, mishap };
                Plan::compared(one.data(), one, &faultless, run)
            };
            let all: Vec<_> = MISHAPS.into_iter().filter(|mishap| mishap.befalls(call.verb)).collect();
            if meets_all(&call, made, nth) {
                plans.extend(all.into_iter().map(plan));
            } else {
                let one = all.into_iter().cycle().nth(usize::try_from(nth).unwrap());
                plans.extend(one.map(plan).map(Plan::being_one_of_many));
            }
        }
    }
    plans
}

fn in_hand_overs() -> Vec<Plan> {
    HandOver::all().into_iter().flat_map(|one| mishaps_in(Story::HandsOver(one), Dialect::V2)).collect()
}

pub const GROUPS: [Group; 15] = [
    || mishaps_in(Story::Plain(Provider::Aws), Dialect::V1),
    || mishaps_in(Story::ServiceAccount, Dialect::V2),
    || mishaps_in(Story::ServiceFails, Dialect::V2),
    || mishaps_in(Story::ServiceFails, Dialect::V1),
    || mishaps_in(Story::EndpointIsRejected, Dialect::V2),
    || mishaps_in(Story::IdChanges, Dialect::V2),
    || mishaps_in(Story::IdChanges, Dialect::V1),
    || mishaps_in(Story::SharedAndReplaced, Dialect::V2),
    || mishaps_in(Story::Plain(Provider::Azure), Dialect::V2),
    || mishaps_in(Story::Plain(Provider::Gcp), Dialect::V2),
    || mishaps_in(Story::Adopts, Dialect::V2),
    || mishaps_in(Story::AdoptsAndDeletes, Dialect::V2),
    || mishaps_in(Story::AdoptsOnly, Dialect::V2),
    || mishaps_in(Story::Retains, Dialect::V2),
    in_hand_overs,
];
