//! The operator is killed at every single write, and another one finds what it left, in a world that may have changed
//! meanwhile: nothing is made twice, nothing stays behind, and the end is that of a life without a crash. Where the world
//! does not change, all that was made and unmade is the same, too; where it does, whether the write had its effect before
//! that is what differs, and there are bounds.

use crate::{
    Group,
    behind::{are_let_go, but_for_others, is_mended, is_used, somebody_attaches, somebody_makes_one},
    event::delete_the_namespace,
    harness::{
        alone::{alone, eventually},
        course::{Course, same_deeds},
        death::{self, Point, Write},
        hands::declare,
        life::{BOTH, RESYNC, begin_in, both_are_ready, delete_both, end, get_ready, make_again, ours, uids},
        looks::{FOREIGN, says},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::set_state,
};
use atlas_privatelink_operator::{
    api,
    atlas::dialect::Dialect,
    testbed::simulator::{Change, EndpointState, Provider, ServiceFailure, ServiceState, Standing},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// What happens while no operator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// Nothing, for two hours.
    Hours,
    Edited,
    Deleted,
    /// Both deleted, and made again under the same names as soon as they are gone.
    Recreated,
    /// With all that is in it, the Secret among that.
    NamespaceDeleted,
    /// The service is deleted in Atlas.
    ServiceLost,
    /// In Atlas the endpoint is rejected, or the service fails, if none stands there.
    Broken,
    /// Somebody makes a service of the region after five minutes, unless one is there by then. Sooner, and nobody could tell
    /// it from what the dead one had asked for.
    ServiceMade,
    /// Somebody attaches an endpoint of theirs to the service.
    EndpointAttached,
    /// The same, under the id that our endpoint wants.
    AttachedForUs,
}

impl Meanwhile {
    const ALL: [Self; 11] = [
        Self::Nothing,
        Self::Hours,
        Self::Edited,
        Self::Deleted,
        Self::Recreated,
        Self::NamespaceDeleted,
        Self::ServiceLost,
        Self::Broken,
        Self::ServiceMade,
        Self::EndpointAttached,
        Self::AttachedForUs,
    ];

    /// Whether anybody does anything.
    fn changes(self) -> bool {
        ![Self::Nothing, Self::Hours].contains(&self)
    }

    /// Those that come to something else where a thing fails and is made again.
    const UNLUCKY: [Self; 7] = [
        Self::Nothing,
        Self::Edited,
        Self::Deleted,
        Self::Recreated,
        Self::NamespaceDeleted,
        Self::ServiceLost,
        Self::Broken,
    ];
    /// Of those the ones in which the dialect has a say: the v1.0 service has no name and region before it is there.
    const UNLUCKY_IN_V1: [Self; 4] = [Self::Nothing, Self::Deleted, Self::Recreated, Self::ServiceLost];

    /// Those in which what is there is made for once only.
    const PLAIN: [Self; 4] = [Self::Nothing, Self::Hours, Self::Edited, Self::Recreated];
}

/// Whether Atlas makes everything at the first try, and refuses what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Good,
    /// The service fails once, the endpoint is rejected once.
    Bad,
    /// Atlas would make a second service of a region: no refusal keeps anybody from it.
    Lenient,
}

impl Luck {
    /// How many services and endpoints are made in one life.
    fn made(self) -> usize {
        match self {
            Self::Good | Self::Lenient => 1,
            Self::Bad => 2,
        }
    }

    fn begin(self, dialect: Dialect) -> World {
        let world = begin_in(if self == Self::Lenient { Nature::lenient(dialect) } else { Nature::of(dialect) });
        if self == Self::Bad {
            Self::fails_once(&world);
        }
        world
    }

    fn fails_once(world: &World) {
        world.change(Change::FailServices(ServiceFailure {
            provider: Provider::Aws,
            region: "US_EAST_1".to_owned(),
            times: 1,
            named: true,
            message: "no luck".to_owned(),
        }));
        declare(world, VPCE, Standing::RejectedTimes(1));
    }
}

#[derive(Clone)]
struct Crash {
    point: Point,
    meanwhile: Meanwhile,
    luck: Luck,
    dialect: Dialect,
}

impl Crash {
    fn data(&self) -> Data {
        let Self { point, meanwhile, luck, dialect } = self;
        Data::new(Campaign::Crash, &format!("{luck:?} luck"), *dialect)
            .struck(point)
            .meanwhile(format!("{meanwhile:?}"))
    }
}

/// The life that is cut off.
async fn whole_life(world: &World) -> Course {
    get_ready(world).await;
    world.pass(RESYNC).await;
    let outcome = oracle::outcome(world);
    delete_both(world);
    end(world).await;
    Course::of(outcome, world)
}

/// Every write of a life without a crash, and how that went.
async fn record(luck: Luck, dialect: Dialect) -> (Vec<Write>, Course) {
    let mut world = luck.begin(dialect);
    let (operator, reaper) = death::start(&mut world, None);
    let course = whole_life(&world).await;
    oracle::created(&world, luck.made(), luck.made());
    oracle::always(&world);
    operator.stop().await;
    (reaper.writes(), course)
}

async fn crash(plan: Crash, faultless: Arc<Course>) -> World {
    let mut world = plan.luck.begin(plan.dialect);
    let (operator, mut reaper) = death::start(&mut world, Some(plan.point.clone()));
    tokio::select! {
        () = reaper.kill(&world, operator) => {}
        _ = whole_life(&world) => panic!("the point was never reached"),
    }
    let leaving = world.find_link(NAMESPACE, "orders").is_none_or(|link| link.metadata.deletion_timestamp.is_some());
    let old = uids(&world);
    if plan.meanwhile.changes() {
        world.befalls(happens(&world, plan.meanwhile)).await;
    } else {
        happens(&world, plan.meanwhile).await;
    }
    let asked = has_recorded_an_attachment(&world);
    let operator = world.start();
    match (leaving, plan.meanwhile) {
        (_, Meanwhile::Recreated) => {
            eventually(&world, 45 * MINUTE, "both made again", |world| make_again(world, &old)).await;
            lives_on(&world, &faultless).await;
        }
        (_, Meanwhile::NamespaceDeleted) => ends_with_its_namespace(&world).await,
        (true, Meanwhile::Nothing | Meanwhile::Hours | Meanwhile::Edited) => {
            end(&world).await;
            same_deeds(&world, &faultless);
        }
        (true, Meanwhile::EndpointAttached | Meanwhile::AttachedForUs) => are_let_go(&world).await,
        (true, _) | (_, Meanwhile::Deleted) => end(&world).await,
        (false, Meanwhile::ServiceMade | Meanwhile::EndpointAttached | Meanwhile::AttachedForUs) => {
            assert_eq!(is_mended(&world).await, but_for_others(faultless.middle.clone()));
        }
        (false, Meanwhile::ServiceLost) => settles(&world).await,
        (false, Meanwhile::Broken) => drop(is_mended(&world).await),
        (false, Meanwhile::Nothing | Meanwhile::Hours | Meanwhile::Edited) => {
            lives_on(&world, &faultless).await;
            same_deeds(&world, &faultless);
        }
    }
    // What the dead one has still on its way arrives.
    world.pass(MINUTE).await;
    oracle::silence(&world).await;
    oracle::nothing_left(&world);
    let (services, endpoints) = match plan.meanwhile {
        Meanwhile::Nothing
        | Meanwhile::Hours
        | Meanwhile::Edited
        | Meanwhile::Deleted
        | Meanwhile::NamespaceDeleted
        | Meanwhile::ServiceMade
        | Meanwhile::EndpointAttached
        | Meanwhile::AttachedForUs => (0, 0),
        Meanwhile::Recreated => (1, 1),
        // What is broken is tried again, three times more than the first.
        Meanwhile::Broken => (4, 4),
        // The new service rejects what was made for the old one, three times more than the first.
        Meanwhile::ServiceLost => (1, 4),
    };
    oracle::created_at_most(&world, plan.luck.made() + services, plan.luck.made() + endpoints);
    if plan.meanwhile == Meanwhile::AttachedForUs && asked {
        // Who was about to attach this very id, and finds it attached, has attached it.
        oracle::told_to_delete(&world);
    } else {
        oracle::always(&world);
    }
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

fn has_recorded_an_attachment(world: &World) -> bool {
    let endpoint = world.kube.get(ENDPOINTS, NAMESPACE, "orders-a").unwrap_or_default();
    let record = endpoint["metadata"]["annotations"][api::ATTEMPT_ANNOTATION].as_str();
    record.is_some_and(|record| record.contains("AddEndpoint"))
}

/// The rest of a life like any other.
async fn lives_on(world: &World, faultless: &Course) {
    get_ready(world).await;
    world.pass(RESYNC).await;
    assert_eq!(oracle::outcome(world), faultless.middle);
    oracle::quiet_resync(world).await;
    delete_both(world);
    end(world).await;
}

/// The rest of a life in which the VPC endpoint may have been made for a service that is gone.
async fn settles(world: &World) {
    let settled = |world: &World| {
        let stalled = |reason| world.endpoint_is("orders-a", api::Standing::Stalled, reason);
        world.link_ready("orders") && (both_are_ready(world) || stalled("ServiceReplaced") || stalled("Rejected"))
    };
    eventually(world, 45 * MINUTE, "Ready, or in need of another VPC endpoint", settled).await;
    world.pass(RESYNC).await;
    oracle::quiet_resync(world).await;
    assert!(settled(world), "{}", world.picture());
    delete_both(world);
    end(world).await;
}

/// Once the Secret is gone, too, nobody can tell what is in Atlas. Each says so, and goes when a person lets it, who then
/// removes by hand what is left.
pub async fn ends_with_its_namespace(world: &World) {
    let left = |world: &World| -> Vec<_> {
        BOTH.into_iter().filter(|(plural, name)| world.kube.get(plural, NAMESPACE, name).is_some()).collect()
    };
    // The link waits for its endpoint, and says so.
    let told =
        |world: &World| left(world).first().is_none_or(|(plural, name)| says(world, plural, name).2 == "Stalled");
    eventually(world, 45 * MINUTE, "gone, or says why not", told).await;
    // What the dead one has still on its way arrives.
    world.pass(MINUTE).await;
    oracle::quiet_resync(world).await;
    assert!(told(world), "{}", world.picture());
    // What stands in Atlas has somebody here who tells of it.
    let attached = ours(world).iter().any(|service| service["endpoints"][0].is_object());
    let there = left(world);
    assert!(!attached || there.contains(&BOTH[0]), "an endpoint is left behind: {}", world.picture());
    assert!(ours(world).is_empty() || there.contains(&BOTH[1]), "a service is left behind: {}", world.picture());
    for (plural, name) in there {
        world.kube.patch(plural, NAMESPACE, name, json!({"spec": {"deletionPolicy": "Retain"}})).unwrap();
    }
    eventually(world, 45 * MINUTE, "let go", |world| left(world).is_empty()).await;
    lose_services(world);
}

async fn happens(world: &World, meanwhile: Meanwhile) {
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Hours => world.pass(120 * MINUTE).await,
        Meanwhile::Edited => {
            for (plural, name) in BOTH {
                // One of them may be gone already.
                drop(world.kube.patch(plural, NAMESPACE, name, json!({"spec": {"deletionPolicy": "Delete"}})));
            }
        }
        Meanwhile::Deleted | Meanwhile::Recreated => {
            for (plural, name) in BOTH {
                // It may be gone already, or on its way.
                drop(world.kube.delete(plural, NAMESPACE, name));
            }
            if meanwhile == Meanwhile::Recreated {
                make_again(world, &[None, None]);
            }
        }
        Meanwhile::NamespaceDeleted => delete_the_namespace(world),
        Meanwhile::ServiceLost => lose_services(world),
        Meanwhile::Broken if is_used(world) => {
            // What is on its way out goes on.
            if ours(world)[0]["endpoints"][0]["deleteRequested"] == false {
                set_state(world, None, Some(EndpointState::Rejected));
            }
        }
        Meanwhile::Broken => set_state(world, Some(ServiceState::Failed), None),
        Meanwhile::ServiceMade => {
            world.pass(5 * MINUTE).await;
            somebody_makes_one(world, Provider::Aws);
        }
        Meanwhile::EndpointAttached => somebody_attaches(world, FOREIGN),
        Meanwhile::AttachedForUs => somebody_attaches(world, VPCE),
    }
}

pub fn lose_services(world: &World) {
    for service in ours(world) {
        let service = service["id"].as_str().unwrap().to_owned();
        world.change(Change::DeleteService { project: PROJECT.to_owned(), service });
    }
}

fn crashes(luck: Luck, dialect: Dialect, all: &[Meanwhile]) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(luck, dialect)).unwrap();
    assert!(writes.len() >= 10, "{writes:?}");
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for point in death::points(&writes) {
        for meanwhile in all {
            let one = Crash { point: point.clone(), meanwhile: *meanwhile, luck, dialect };
            plans.push(Plan::compared(one.data(), one, &faultless, crash));
        }
    }
    plans
}

pub const GROUPS: [Group; 6] = [
    || crashes(Luck::Good, Dialect::V2, &Meanwhile::ALL),
    || crashes(Luck::Good, Dialect::V1, &Meanwhile::ALL),
    || crashes(Luck::Bad, Dialect::V2, &Meanwhile::UNLUCKY),
    || crashes(Luck::Bad, Dialect::V1, &Meanwhile::UNLUCKY_IN_V1),
    || crashes(Luck::Lenient, Dialect::V2, &Meanwhile::PLAIN),
    || crashes(Luck::Lenient, Dialect::V1, &Meanwhile::PLAIN),
];
