//! The operator is killed at every single write of lives that take other turns: an endpoint's id changes, things are
//! adopted, a service account asks, the cloud is another, manifests are renamed or moved. Whoever tells the story goes on
//! meanwhile.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::Course,
        death::{self, Moment, Write},
        hands::{NEW, change_id, is_at, make_behind_the_back},
        life::{RESYNC, all_objects, begin_in_cloud, begin_with, delete_all, get_ready, ours, with_neighbours},
        looks::{deletes, only_service},
        moving::{HandOver, Move, When},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{atlas::dialect::Dialect, testbed::simulator::Provider};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(3 * 3600);
const SHORT: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(600);

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
    /// That of a link alone, in another cloud; v2 only.
    Plain(Provider),
    /// New manifests take the place of the old ones (safety rule 7). Told from there on.
    HandsOver(HandOver),
}

impl Story {
    async fn begin(self, dialect: Dialect) -> World {
        let world = match self {
            Self::IdChanges => return begin_with(dialect, &KEY),
            Self::ServiceAccount => return begin_with(dialect, &ACCOUNT),
            Self::Plain(provider) => return begin_in_cloud(dialect, provider),
            Self::HandsOver(_) => {
                let mut world = begin_with(dialect, &KEY);
                let operator = world.start();
                get_ready(&world).await;
                operator.stop().await;
                return world;
            }
            Self::Adopts | Self::AdoptsAndDeletes => with_neighbours(dialect),
        };
        make_behind_the_back(&world).await;
        let policy = if self == Self::Adopts { json!({}) } else { json!({"spec": {"deletionPolicy": "Delete"}}) };
        world.credentials();
        world.apply(with(link("orders"), policy.clone()));
        world.apply(with(endpoint("orders-a", "orders", VPCE), policy));
        world
    }

    /// From the first write to the last.
    async fn goes_on(self, world: &World) -> Course {
        eventually(world, PATIENCE, "all Ready", all_are_ready).await;
        self.takes_its_turn(world).await;
        world.pass(RESYNC).await;
        let outcome = oracle::outcome(world);
        let origin = if self.adopts() { "Adopted" } else { "Created" };
        let stand = all_objects(world).iter().all(|(_, object)| object["status"]["origin"] == origin);
        assert!(stand && all_are_ready(world), "{outcome:#}");
        oracle::quiet_hour(world).await;
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
            Self::HandsOver(hand_over) => {
                hand_over.happens(world, PATIENCE).await;
                eventually(world, PATIENCE, "handed over", |world| hand_over.change.is_done(world)).await;
                assert_eq!(deletes(world), Vec::<String>::new(), "a DELETE reached Atlas");
            }
            Self::Adopts | Self::AdoptsAndDeletes | Self::ServiceAccount | Self::Plain(_) => {}
        }
    }

    fn adopts(self) -> bool {
        match self {
            Self::Adopts | Self::AdoptsAndDeletes => true,
            Self::IdChanges | Self::ServiceAccount | Self::Plain(_) | Self::HandsOver(_) => false,
        }
    }

    /// What Atlas has made and lost once all is over.
    fn ends(self, world: &World) {
        let (services, endpoints) = match self {
            Self::IdChanges => (1, 2),
            Self::ServiceAccount | Self::HandsOver(_) => (1, 1),
            Self::Plain(_) => (1, 0),
            Self::Adopts | Self::AdoptsAndDeletes => (0, 0),
        };
        oracle::created(world, services, endpoints);
        match self {
            Self::IdChanges | Self::ServiceAccount | Self::Plain(_) | Self::HandsOver(_) => {
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

    fn name(self) -> String {
        match self {
            Self::IdChanges | Self::Adopts | Self::AdoptsAndDeletes | Self::ServiceAccount => format!("{self:?}"),
            Self::Plain(_) => "plain".to_owned(),
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

    fn provider(self) -> Provider {
        match self {
            Self::Plain(provider) => provider,
            Self::IdChanges | Self::Adopts | Self::AdoptsAndDeletes | Self::ServiceAccount | Self::HandsOver(_) => {
                Provider::Aws
            }
        }
    }

    /// For how long no operator runs.
    fn pauses(self) -> &'static [Duration] {
        match self {
            Self::HandsOver(_) => &[SHORT],
            Self::IdChanges | Self::Adopts | Self::AdoptsAndDeletes | Self::ServiceAccount | Self::Plain(_) => {
                &[SHORT, LONG]
            }
        }
    }
}

fn all_are_ready(world: &World) -> bool {
    all_objects(world).iter().all(|(_, object)| object["status"]["conditions"][0]["status"] == "True")
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
        Data::new(Campaign::Crash, &story.name(), *dialect)
            .of(story.provider())
            .at(format!("{what} {nth}"))
            .fault(format!("{moment:?}"))
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
    let (operator, mut reaper) = death::start(&mut world, Some((plan.write, plan.moment)));
    let mut afterwards = world.clone();
    let successor = async {
        reaper.kill(&world, operator).await;
        world.pass(plan.pause).await;
        afterwards.start()
    };
    let (course, operator) = tokio::join!(plan.story.goes_on(&world), tokio::time::timeout(2 * PATIENCE, successor));
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
    for write in &writes {
        for moment in Moment::ALL.into_iter().filter(|moment| moment.concerns(write)) {
            for pause in story.pauses() {
                let one = Crash { story, dialect, write: write.clone(), moment, pause: *pause };
                plans.push(Plan::compared(one.data(), one, &faultless, crash));
            }
        }
    }
    plans
}

fn hand_overs(dialect: Dialect) -> Vec<Plan> {
    // Beneath the dialect a namespace is nothing but another name.
    let all = HandOver::all().into_iter().filter(|one| dialect == Dialect::V2 || one.change != Move::Namespace);
    all.flat_map(|one| crashes(Story::HandsOver(one), dialect)).collect()
}

pub const GROUPS: [Group; 11] = [
    || crashes(Story::IdChanges, Dialect::V2),
    || crashes(Story::IdChanges, Dialect::V1),
    || crashes(Story::Adopts, Dialect::V2),
    || crashes(Story::Adopts, Dialect::V1),
    || crashes(Story::AdoptsAndDeletes, Dialect::V2),
    || crashes(Story::AdoptsAndDeletes, Dialect::V1),
    || crashes(Story::ServiceAccount, Dialect::V2),
    || crashes(Story::Plain(Provider::Azure), Dialect::V2),
    || crashes(Story::Plain(Provider::Gcp), Dialect::V2),
    || hand_overs(Dialect::V2),
    || hand_overs(Dialect::V1),
];
