//! An operator that is shown the past: its lists and watches stand still from any of its writes on, for a while; or it is
//! killed there, and the next one is first shown how things stood earlier (time travel). The end is that of a life in
//! which everybody saw the present. What a living operator sees does not go back: it lists nothing from a cache
//! (`harness::sparing`).

use crate::{
    Group,
    harness::{
        alone::alone,
        course::Course,
        death::{self, Moment, Write, essential},
        life::LIFETIME,
        moving::{HandOver, Move},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    story::Story,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::{kubernetes::View, simulator::Provider},
};
use std::{sync::Arc, time::Duration};

/// What is shown from the point on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    /// How it stands at the point, for so many seconds.
    StandsStill(u64),
    /// The same of links alone, for half an hour, while what is told of endpoints is the present.
    LinksStandStill,
    EndpointsStandStill,
    /// The same, and lists show the present: what a server does that lags behind.
    WatchesStandStill,
    /// To the next operator: how it stood at the first write.
    FromTheStart,
    /// To the next operator: how it stood one write before.
    OneWriteAgo,
}

impl Past {
    const ALL: [Self; 7] = [
        Self::StandsStill(30),
        Self::StandsStill(1800),
        Self::LinksStandStill,
        Self::EndpointsStandStill,
        Self::WatchesStandStill,
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
            Self::WatchesStandStill => Some((all.of_watches(), half_an_hour)),
            Self::FromTheStart | Self::OneWriteAgo => None,
        }
    }
}

#[derive(Clone)]
struct Delusion {
    story: Story,
    write: Write,
    past: Past,
    dialect: Dialect,
}

impl Delusion {
    fn data(&self) -> Data {
        let Self { story, write, past, dialect } = self;
        Data::new(Campaign::Stale, &story.name(), *dialect).at(write).fault(format!("{past:?}"))
    }
}

async fn record(story: Story, dialect: Dialect) -> (Vec<Write>, Course) {
    let mut world = story.begin(dialect).await;
    let (operator, reaper) = death::start(&mut world, None);
    let course = story.goes_on(&world).await;
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
    let mut world = plan.story.begin(plan.dialect).await;
    let (operator, mut reaper) = death::start_met(&mut world, (plan.write.clone(), Moment::AfterAnswer));
    let there = world.clone();
    let delusion = async {
        reaper.arrives().await;
        deluded(there, plan.past, operator).await
    };
    let (course, operator) = tokio::join!(plan.story.goes_on(&world), tokio::time::timeout(LIFETIME, delusion));
    assert_eq!(course, *faultless);
    let operator = operator.unwrap_or_else(|_| panic!("the point was never reached"));
    oracle::silence(&world).await;
    plan.story.ends(&world);
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

fn delusions(story: Story, dialect: Dialect) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(story, dialect)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for write in writes {
        for past in Past::ALL {
            let one = Delusion { story, write: write.clone(), past, dialect };
            plans.push(Plan::compared(one.data(), one, &faultless, run));
        }
    }
    plans
}

fn hand_overs(change: Move) -> Vec<Plan> {
    let all = HandOver::all().into_iter().filter(|one| one.change == change);
    all.flat_map(|one| delusions(Story::HandsOver(one), Dialect::V2)).collect()
}

pub const GROUPS: [Group; 10] = [
    || delusions(Story::IdChanges, Dialect::V2),
    || delusions(Story::IdChanges, Dialect::V1),
    || delusions(Story::SharedAndReplaced, Dialect::V2),
    || delusions(Story::Plain(Provider::Aws), Dialect::V2),
    || delusions(Story::ServiceFails, Dialect::V2),
    || delusions(Story::EndpointIsRejected, Dialect::V2),
    || delusions(Story::Adopts, Dialect::V2),
    || delusions(Story::AdoptsAndDeletes, Dialect::V2),
    // Of several objects that want the same each rests on what it sees of the others.
    || hand_overs(Move::Rename),
    || hand_overs(Move::RenameEndpoint),
];
