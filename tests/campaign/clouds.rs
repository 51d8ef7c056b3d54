//! The operator of a link in another cloud than AWS is killed at every write, and the next one finds a world that has changed
//! meanwhile. Endpoints of those clouds are attached by nobody here, so each life is that of a link alone, by v2.

use crate::{
    Group,
    behind::{but_for_others, somebody_makes, somebody_makes_one},
    crashes::{ends_with_its_namespace, lose_services},
    event::delete_the_namespace,
    harness::{
        alone::{alone, eventually},
        course::{Course, same_deeds},
        death::{self, Point, Write},
        life::{PATIENCE, RESYNC, begin_in_cloud, delete_all, end, link_in_cloud},
        looks::edit,
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::set_state,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Provider, ServiceState},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// What happens while no operator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Edited,
    Deleted,
    /// Deleted, and made again under the same name as soon as it is gone.
    Recreated,
    /// With all that is in it, the Secret among that.
    NamespaceDeleted,
    ServiceLost,
    ServiceFailed,
    /// Somebody makes a service of the region after five minutes, unless one is there by then.
    ServiceMade,
    /// Somebody makes one without port mapping, which GCP has beside those with it, and a link does not use.
    LegacyServiceMade,
}

impl Meanwhile {
    const ALL: [Self; 8] = [
        Self::Edited,
        Self::Deleted,
        Self::Recreated,
        Self::NamespaceDeleted,
        Self::ServiceLost,
        Self::ServiceFailed,
        Self::ServiceMade,
        Self::LegacyServiceMade,
    ];

    fn exists_in(self, provider: Provider) -> bool {
        self != Self::LegacyServiceMade || provider == Provider::Gcp
    }

    /// How many services it takes at most beside the one of an undisturbed life.
    fn more(self) -> usize {
        match self {
            Self::Edited | Self::Deleted | Self::NamespaceDeleted | Self::ServiceMade | Self::LegacyServiceMade => 0,
            Self::Recreated | Self::ServiceLost | Self::ServiceFailed => 1,
        }
    }
}

#[derive(Clone)]
struct Crash {
    provider: Provider,
    point: Point,
    meanwhile: Meanwhile,
}

impl Crash {
    fn data(&self) -> Data {
        let Self { provider, point, meanwhile } = self;
        Data::new(Campaign::Crash, "link", Dialect::V2).of(*provider).struck(point).meanwhile(format!("{meanwhile:?}"))
    }
}

/// The rest of a life from whenever on: how it looks when the link is Ready, and then the end.
async fn lives_on(world: &World) -> Value {
    eventually(world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    world.pass(RESYNC).await;
    let middle = oracle::outcome(world);
    oracle::quiet_resync(world).await;
    delete_all(world);
    eventually(world, PATIENCE, "gone", World::is_empty).await;
    middle
}

async fn whole_life(world: &World) -> Course {
    let middle = lives_on(world).await;
    end(world).await;
    Course::of(middle, world)
}

async fn record(provider: Provider) -> (Vec<Write>, Course) {
    let mut world = begin_in_cloud(Dialect::V2, provider);
    let (operator, reaper) = death::start(&mut world, None);
    let course = whole_life(&world).await;
    oracle::created(&world, 1, 0);
    oracle::always(&world);
    operator.stop().await;
    (reaper.writes(), course)
}

fn uid(world: &World) -> Option<String> {
    world.find_link(NAMESPACE, "orders")?.metadata.uid
}

async fn crash(plan: Crash, faultless: Arc<Course>) -> World {
    let mut world = begin_in_cloud(Dialect::V2, plan.provider);
    let (operator, mut reaper) = death::start(&mut world, Some(plan.point.clone()));
    tokio::select! {
        () = reaper.kill(&world, operator) => {}
        _ = whole_life(&world) => panic!("the point was never reached"),
    }
    let leaving = world.find_link(NAMESPACE, "orders").is_none_or(|link| link.metadata.deletion_timestamp.is_some());
    let old = uid(&world);
    world.befalls(happens(&world, &plan)).await;
    let operator = world.start();
    match (leaving, plan.meanwhile) {
        (_, Meanwhile::Recreated) => {
            let made_again = |world: &World| {
                if uid(world).is_none() {
                    world.apply(link_in_cloud(plan.provider));
                }
                uid(world) != old
            };
            eventually(&world, PATIENCE, "made again", made_again).await;
            assert_eq!(lives_on(&world).await, faultless.middle);
        }
        (_, Meanwhile::NamespaceDeleted) => ends_with_its_namespace(&world).await,
        (true, _) | (_, Meanwhile::Deleted) => eventually(&world, PATIENCE, "gone", World::is_empty).await,
        (false, Meanwhile::ServiceMade) => {
            assert_eq!(but_for_others(lives_on(&world).await), but_for_others(faultless.middle.clone()));
        }
        (
            false,
            Meanwhile::Edited | Meanwhile::ServiceLost | Meanwhile::ServiceFailed | Meanwhile::LegacyServiceMade,
        ) => {
            assert_eq!(lives_on(&world).await, faultless.middle);
        }
    }
    if plan.meanwhile == Meanwhile::Edited {
        same_deeds(&world, &faultless);
    }
    // What the dead one has still on its way arrives.
    world.pass(MINUTE).await;
    oracle::silence(&world).await;
    oracle::nothing_left(&world);
    oracle::created_at_most(&world, 1 + plan.meanwhile.more(), 0);
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

async fn happens(world: &World, plan: &Crash) {
    match plan.meanwhile {
        // It may be gone already, or on its way.
        Meanwhile::Edited if uid(world).is_some() => edit(world, LINKS, "orders", json!({"deletionPolicy": "Delete"})),
        Meanwhile::Edited => {}
        Meanwhile::Deleted | Meanwhile::Recreated => drop(world.kube.delete(LINKS, NAMESPACE, "orders")),
        Meanwhile::NamespaceDeleted => delete_the_namespace(world),
        Meanwhile::ServiceLost => lose_services(world),
        Meanwhile::ServiceFailed => set_state(world, Some(ServiceState::Failed), None),
        Meanwhile::ServiceMade => {
            world.pass(5 * MINUTE).await;
            somebody_makes_one(world, plan.provider);
        }
        Meanwhile::LegacyServiceMade => somebody_makes(world, plan.provider, false),
    }
}

fn crashes(provider: Provider) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(provider)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for point in death::points(&writes) {
        for meanwhile in Meanwhile::ALL.into_iter().filter(|meanwhile| meanwhile.exists_in(provider)) {
            let one = Crash { provider, point: point.clone(), meanwhile };
            plans.push(Plan::compared(one.data(), one, &faultless, crash));
        }
    }
    plans
}

pub const GROUPS: [Group; 2] = [|| crashes(Provider::Azure), || crashes(Provider::Gcp)];
