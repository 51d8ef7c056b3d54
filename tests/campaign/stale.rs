//! An operator that is shown the past: its lists and watches stand still from any of its writes on, for a while; or it is
//! killed there, and the next one is first shown how things stood earlier (time travel). The end is that of a life in
//! which everybody saw the present.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::Course,
        death::{self, Moment, Write, essential},
        hands::{NEW, change_id, is_at},
        life::{RESYNC, begin, both_are_ready, delete_both, end},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{atlas::dialect::Dialect, testbed::kubernetes::View};
use std::{sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(3 * 3600);

/// What is shown from the point on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    /// How it stands at the point, for so many seconds.
    StandsStill(u64),
    /// The same of links alone, for half an hour, while what is told of endpoints is the present.
    LinksStandStill,
    EndpointsStandStill,
    /// To the next operator: how it stood at the first write.
    FromTheStart,
    /// To the next operator: how it stood one write before.
    OneWriteAgo,
}

impl Past {
    const ALL: [Self; 6] = [
        Self::StandsStill(30),
        Self::StandsStill(1800),
        Self::LinksStandStill,
        Self::EndpointsStandStill,
        Self::FromTheStart,
        Self::OneWriteAgo,
    ];
    /// How long the next operator is shown the past.
    const TRAVEL: Duration = Duration::from_secs(300);

    /// What the operator at work is shown of itself, and for how long; `None`: the next one is shown something.
    fn standstill(self, operator: &str) -> Option<(View, Duration)> {
        let all = View::of(operator);
        let half_an_hour = Duration::from_secs(1800);
        match self {
            Self::StandsStill(seconds) => Some((all, Duration::from_secs(seconds))),
            Self::LinksStandStill => Some((all.resource(LINKS), half_an_hour)),
            Self::EndpointsStandStill => Some((all.resource(ENDPOINTS), half_an_hour)),
            Self::FromTheStart | Self::OneWriteAgo => None,
        }
    }
}

#[derive(Clone)]
struct Delusion {
    write: Write,
    past: Past,
    dialect: Dialect,
}

impl Delusion {
    fn data(&self) -> Data {
        let Self { write, past, dialect } = self;
        Data::new(Campaign::Stale, "id changes", *dialect).at(write).fault(format!("{past:?}"))
    }
}

/// Both get Ready, the endpoint's id changes, both are deleted.
async fn whole_life(world: &World) -> Course {
    eventually(world, PATIENCE, "both Ready", both_are_ready).await;
    change_id(world, NEW);
    eventually(world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
    world.pass(RESYNC).await;
    let outcome = oracle::outcome(world);
    oracle::quiet_hour(world).await;
    delete_both(world);
    eventually(world, PATIENCE, "both gone", World::is_empty).await;
    end(world).await;
    Course::of(outcome, world)
}

async fn record(dialect: Dialect) -> (Vec<Write>, Course) {
    let mut world = begin(dialect);
    let (operator, reaper) = death::start(&mut world, None);
    let course = whole_life(&world).await;
    operator.stop().await;
    (reaper.writes(), course)
}

/// The resource versions that operators have written so far.
fn revisions(world: &World) -> Vec<u64> {
    let log = world.kube.log();
    let writes = log.0.into_iter().filter(|request| request.client.starts_with("operator"));
    writes.filter(|request| essential(request).is_some()).filter_map(|request| request.written).collect()
}

/// What happens at the point; gives the operator that works from then on.
async fn deluded(mut world: World, past: Past, operator: Running) -> Running {
    let seen = revisions(&world);
    if let Some((view, time)) = past.standstill(&operator.name) {
        world.kube.freeze(view);
        world.pass(time).await;
        world.kube.release(&operator.name);
        return operator;
    }
    let earlier = if past == Past::FromTheStart { seen.first() } else { seen.iter().rev().nth(1).or(seen.first()) };
    operator.kill().await;
    world.kube.on_request_clear();
    let name = world.next_operator();
    if let Some(earlier) = earlier {
        world.kube.freeze(View::of(&name).at(*earlier));
    }
    let next = world.start();
    world.pass(Past::TRAVEL).await;
    world.kube.release(&name);
    next
}

async fn run(plan: Delusion, faultless: Arc<Course>) -> World {
    let mut world = begin(plan.dialect);
    let (operator, mut reaper) = death::start_met(&mut world, (plan.write.clone(), Moment::AfterAnswer));
    let there = world.clone();
    let delusion = async {
        reaper.arrives().await;
        deluded(there, plan.past, operator).await
    };
    let (course, operator) = tokio::join!(whole_life(&world), tokio::time::timeout(2 * PATIENCE, delusion));
    assert_eq!(course, *faultless);
    let operator = operator.unwrap_or_else(|_| panic!("the point was never reached"));
    oracle::silence(&world).await;
    oracle::created(&world, 1, 2);
    oracle::nothing_left(&world);
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

fn delusions(dialect: Dialect) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(dialect)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for write in writes {
        for past in Past::ALL {
            let one = Delusion { write: write.clone(), past, dialect };
            plans.push(Plan::compared(one.data(), one, &faultless, run));
        }
    }
    plans
}

pub const GROUPS: [Group; 2] = [|| delusions(Dialect::V2), || delusions(Dialect::V1)];
