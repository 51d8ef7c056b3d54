//! The operator is killed at every single write of lives that take other turns: an endpoint's id changes, things are
//! adopted, a service account asks. Whoever tells the story goes on meanwhile.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        death::{self, Moment, Write},
        hands::{NEW, change_id, is_at, make_behind_the_back},
        life::{BOTH, RESYNC, begin_with, both_are_ready, delete_both, ours, with_neighbours},
        looks::{deletes, only_service, ready_as},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::atlas::dialect::Dialect;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(3 * 3600);
/// How long no operator runs.
const PAUSES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(600)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// The endpoint gets another id (safety rule 6).
    IdChanges,
    /// Service and endpoint are there already, and are kept.
    Adopts,
    /// They are there already, and the manifests say `deletionPolicy: Delete`.
    AdoptsAndDeletes,
    /// An ordinary life with the credential of a service account.
    ServiceAccount,
}

impl Story {
    async fn begin(self, dialect: Dialect) -> World {
        let world = match self {
            Self::IdChanges => return begin_with(dialect, &KEY),
            Self::ServiceAccount => return begin_with(dialect, &ACCOUNT),
            Self::Adopts | Self::AdoptsAndDeletes => with_neighbours(dialect),
        };
        make_behind_the_back(&world).await;
        let policy = if self == Self::Adopts { json!({}) } else { json!({"spec": {"deletionPolicy": "Delete"}}) };
        world.credentials();
        world.apply(with(link("orders"), policy.clone()));
        world.apply(with(endpoint("orders-a", "orders", VPCE), policy));
        world
    }

    /// From the first write to the last; gives how it looks before the deletion.
    async fn goes_on(self, world: &World) -> Value {
        eventually(world, PATIENCE, "both Ready", both_are_ready).await;
        if self == Self::IdChanges {
            change_id(world, NEW);
            eventually(world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
        }
        world.pass(RESYNC).await;
        let outcome = oracle::outcome(world);
        let origin = if self.adopts() { "Adopted" } else { "Created" };
        assert!(BOTH.iter().all(|(plural, name)| ready_as(world, plural, NAMESPACE, name, origin)), "{outcome:#}");
        oracle::quiet_hour(world).await;
        delete_both(world);
        let gone = |world: &World| world.kube.list(LINKS).is_empty() && world.kube.list(ENDPOINTS).is_empty();
        eventually(world, PATIENCE, "both gone", gone).await;
        outcome
    }

    fn adopts(self) -> bool {
        match self {
            Self::Adopts | Self::AdoptsAndDeletes => true,
            Self::IdChanges | Self::ServiceAccount => false,
        }
    }

    /// What Atlas has made and lost once all is over.
    fn ends(self, world: &World) {
        let (services, endpoints) = match self {
            Self::IdChanges => (1, 2),
            Self::ServiceAccount => (1, 1),
            Self::Adopts | Self::AdoptsAndDeletes => (0, 0),
        };
        oracle::created(world, services, endpoints);
        match self {
            Self::IdChanges | Self::ServiceAccount => {
                oracle::nothing_left(world);
                oracle::always(world);
            }
            Self::Adopts => {
                assert_eq!(deletes(world), Vec::<String>::new());
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
}

#[derive(Clone)]
struct Crash {
    story: Story,
    dialect: Dialect,
    write: Write,
    moment: Moment,
    pause: Duration,
}

impl Crash {
    fn data(&self) -> Data {
        let Self { story, dialect, write: Write { what, nth }, moment, pause } = self;
        Data::new(Campaign::Crash, &format!("{story:?}"), *dialect)
            .at(format!("{what} {nth}"))
            .fault(format!("{moment:?}"))
            .meanwhile(format!("{pause:?}"))
    }
}

/// Every write of the story without a crash, and how that looks before the deletion.
async fn record(story: Story, dialect: Dialect) -> (Vec<Write>, Value) {
    let mut world = story.begin(dialect).await;
    let (operator, reaper) = death::start(&mut world, None);
    let outcome = story.goes_on(&world).await;
    story.ends(&world);
    operator.stop().await;
    (reaper.writes(), outcome)
}

async fn crash(plan: Crash, faultless: Arc<Value>) -> World {
    let mut world = plan.story.begin(plan.dialect).await;
    let (operator, mut reaper) = death::start(&mut world, Some((plan.write, plan.moment)));
    let mut afterwards = world.clone();
    let successor = async {
        reaper.kill(&world, operator).await;
        world.pass(plan.pause).await;
        afterwards.start()
    };
    let (outcome, operator) = tokio::join!(plan.story.goes_on(&world), tokio::time::timeout(2 * PATIENCE, successor));
    assert_eq!(outcome, *faultless);
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
    assert!(writes.len() >= 6, "{writes:?}");
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for write in &writes {
        for moment in Moment::ALL.into_iter().filter(|moment| moment.concerns(write)) {
            for pause in PAUSES {
                let one = Crash { story, dialect, write: write.clone(), moment, pause };
                plans.push(Plan::compared(one.data(), one, &faultless, crash));
            }
        }
    }
    plans
}

pub const GROUPS: [Group; 7] = [
    || crashes(Story::IdChanges, Dialect::V2),
    || crashes(Story::IdChanges, Dialect::V1),
    || crashes(Story::Adopts, Dialect::V2),
    || crashes(Story::Adopts, Dialect::V1),
    || crashes(Story::AdoptsAndDeletes, Dialect::V2),
    || crashes(Story::AdoptsAndDeletes, Dialect::V1),
    || crashes(Story::ServiceAccount, Dialect::V2),
];
