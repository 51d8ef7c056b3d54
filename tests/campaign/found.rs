//! What random lives, the model and the mutants have found, each told again as the shortest life in which it shows.

use crate::{
    Group,
    harness::{
        alone::eventually,
        death::{self, Moment, Write},
        hands::{NEW, change_id, is_at, make_behind_the_back},
        life::{begin, delete_both, end, get_ready, with_neighbours, with_neighbours_in},
        looks::{deletes, says, status},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::{make_vpc_endpoint, remove_endpoint, remove_services, request},
    ways::{Severable, Slow},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::{
        kubernetes::{self, Matcher, Verb},
        simulator::{self, Change, Operation, Provider, Secret, Switches},
    },
};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(45 * 60);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// One that waits for a link which is being deleted shares nothing through it: nobody waits for it.
    WaitsForLeavingLink,
    /// The same, of one that wants the very endpoint that is to be detached.
    WantsItThroughLeavingLink,
    /// An endpoint that was made for a service which is gone is never attached to the next one: nobody waits for it.
    ServiceReplaced,
    /// A dead operator's request arrives when all that stood for it is deleted: what it makes is deleted, too.
    ArrivesAtTheEnd,
    /// Two links for one region, over an Atlas that would make a second service: one of them asks for one.
    RivalsWithoutRefusal,
    /// What two share is not deleted before the other one has heard from Atlas, however long that takes.
    HeardFirst,
    /// An operator that stood still before it asked for a service, while another one got it, over an Atlas that would make
    /// a second one: what it had seen is too old to rest a request on.
    ZombieWithoutRefusal,
    /// Trouble with the API server that is over does not make the next one last longer.
    TroubleIsForgotten,
    /// Two operators, one of which cannot reach Atlas any more, do not answer each other.
    TwoOpinions,
    /// What somebody makes hours after an operator died over its request is theirs.
    MadeLongAfter,
    /// What somebody makes in the place of a service that is gone is theirs, also when its link is deleted then.
    AnotherInItsPlace,
    /// What somebody has just asked for in the same region is waited for, after one refusal at most, until Atlas names it.
    AskedForByAnother,
    /// An endpoint whose link is gone inherits another's, and is deleted by an operator that never knew that link: another
    /// link of the same service is the way.
    InheritedWithoutLink,
    /// What was attached for a younger one, and is gone just when an older one is edited to want it, is attached again.
    WantedByAnElder,
    /// An endpoint that was adopted, and is to be deleted all the same, needs its link for that: the link waits for it.
    AdoptedToBeDeleted,
}

impl Found {
    const ALL: [Self; 15] = [
        Self::WaitsForLeavingLink,
        Self::WantsItThroughLeavingLink,
        Self::ServiceReplaced,
        Self::ArrivesAtTheEnd,
        Self::RivalsWithoutRefusal,
        Self::HeardFirst,
        Self::ZombieWithoutRefusal,
        Self::TroubleIsForgotten,
        Self::TwoOpinions,
        Self::MadeLongAfter,
        Self::AnotherInItsPlace,
        Self::AskedForByAnother,
        Self::InheritedWithoutLink,
        Self::WantedByAnElder,
        Self::AdoptedToBeDeleted,
    ];

    async fn is_lived(self, dialect: Dialect) -> World {
        match self {
            Self::WaitsForLeavingLink => through_a_leaving_link(dialect, NEW).await,
            Self::WantsItThroughLeavingLink => through_a_leaving_link(dialect, VPCE).await,
            Self::ServiceReplaced => service_replaced(dialect).await,
            Self::ArrivesAtTheEnd => arrives_at_the_end(dialect).await,
            Self::RivalsWithoutRefusal => rivals_without_refusal(dialect).await,
            Self::HeardFirst => heard_first(dialect).await,
            Self::ZombieWithoutRefusal => zombie_without_refusal(dialect).await,
            Self::TroubleIsForgotten => trouble_is_forgotten(dialect).await,
            Self::TwoOpinions => two_opinions(dialect).await,
            Self::MadeLongAfter => made_long_after(dialect).await,
            Self::AnotherInItsPlace => another_in_its_place(dialect).await,
            Self::AskedForByAnother => asked_for_by_another(dialect).await,
            Self::InheritedWithoutLink => inherited_without_link(dialect).await,
            Self::WantedByAnElder => wanted_by_an_elder(dialect).await,
            Self::AdoptedToBeDeleted => adopted_to_be_deleted(dialect).await,
        }
    }
}

fn is_gone(plural: &'static str, name: &'static str) -> impl Fn(&World) -> bool {
    move |world| world.kube.get(plural, NAMESPACE, name).is_none()
}

fn reason(world: &World, plural: &str, name: &str) -> String {
    says(world, plural, name).1
}

async fn over(world: World, operator: Running) -> World {
    oracle::silence(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, 120);
    operator.stop().await;
    world
}

async fn through_a_leaving_link(dialect: Dialect, id: &str) -> World {
    let mut world = begin(dialect);
    let operator = world.start();
    get_ready(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let blocked = |world: &World| reason(world, LINKS, "orders") == "DeletionBlocked";
    eventually(&world, PATIENCE, "held by its endpoint", blocked).await;
    world.apply(endpoint("late", "orders", id));
    let waits = |world: &World| reason(world, ENDPOINTS, "late") == "WaitingForLink";
    eventually(&world, PATIENCE, "the late one waits", waits).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "the endpoint is gone", is_gone(ENDPOINTS, "orders-a")).await;
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "late").unwrap();
    end(&world).await;
    over(world, operator).await
}

async fn service_replaced(dialect: Dialect) -> World {
    let mut world = begin(dialect);
    let operator = world.start();
    get_ready(&world).await;
    remove_services(&world);
    let replaced = |world: &World| reason(world, ENDPOINTS, "orders-a") == "ServiceReplaced";
    eventually(&world, PATIENCE, "its service was replaced", replaced).await;
    // Somebody has made another VPC endpoint, and got the same id.
    make_vpc_endpoint(&world);
    world.apply(endpoint("next", "orders", VPCE));
    eventually(&world, PATIENCE, "the next one is Ready", |world| world.endpoint_ready("next")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "next").unwrap();
    eventually(&world, PATIENCE, "the next one is gone", is_gone(ENDPOINTS, "next")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}

/// Two links for one region, in an Atlas that takes seconds for what takes it minutes: there all is gone before the request
/// of the dead operator arrives.
async fn arrives_at_the_end(dialect: Dialect) -> World {
    let nature = Nature::of(dialect);
    let atlas = simulator::Settings { time_scale: 200.0, ..nature.atlas.clone() };
    let mut world = with_neighbours_in(Nature { atlas, ..nature });
    world.credentials();
    world.apply(link("orders"));
    let point = Write { what: "Atlas POST service".to_owned(), nth: 1 };
    let (operator, mut reaper) = death::start(&mut world, Some((point, Moment::EffectComesLate)));
    reaper.kill(&world, operator).await;
    world.apply(link("rival"));
    let operator = world.start();
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    for name in ["rival", "orders"] {
        world.kube.delete(LINKS, NAMESPACE, name).unwrap();
    }
    eventually(&world, PATIENCE, "both gone", |world| world.kube.list(LINKS).is_empty()).await;
    world.pass(3 * MINUTE).await;
    oracle::nothing_left(&world);
    over(world, operator).await
}

async fn rivals_without_refusal(dialect: Dialect) -> World {
    let switches = Switches { duplicate_services: true, ..Switches::default() };
    let mut world = with_neighbours_in(Nature { switches, ..Nature::of(dialect) });
    world.credentials();
    for name in ["orders", "rival", "third"] {
        world.apply(link(name));
    }
    let operator = world.start();
    let ready = |world: &World| ["orders", "rival", "third"].into_iter().all(|name| world.link_ready(name));
    eventually(&world, PATIENCE, "all Ready", ready).await;
    oracle::created(&world, 1, 0);
    for name in ["orders", "rival", "third"] {
        world.kube.delete(LINKS, NAMESPACE, name).unwrap();
        eventually(&world, PATIENCE, "gone", is_gone(LINKS, name)).await;
    }
    oracle::nothing_left(&world);
    oracle::created(&world, 1, 0);
    over(world, operator).await
}

async fn heard_first(dialect: Dialect) -> World {
    const OTHER_KEY: (&str, &str) = ("secondpb", "canary-private-key-of-the-rival");
    let nature = Nature::of(dialect);
    let mut atlas = nature.atlas.clone();
    atlas.api_keys.push(Secret::new(OTHER_KEY.0, OTHER_KEY.1));
    let mut world = with_neighbours_in(Nature { atlas, ..nature });
    world.credentials();
    world.secret(NAMESPACE, "rivals", &[("publicKey", OTHER_KEY.0), ("privateKey", OTHER_KEY.1)]);
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "the owner is Ready", |world| world.link_ready("orders")).await;
    world.apply(with(link("rival"), json!({"spec": {"credentialsRef": {"name": "rivals"}}})));
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    operator.kill().await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let slow = Slow { inner: world.atlas.transport(), caller: OTHER_KEY.0 };
    let operator = world.start_over(Arc::new(slow));
    eventually(&world, PATIENCE, "the owner is gone", is_gone(LINKS, "orders")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "the rival uses it");
    // Nothing is ever written that rests on so slow a look.
    operator.kill().await;
    let operator = world.start();
    world.pass(MINUTE).await;
    assert!(world.link_ready("rival"), "{}", world.picture());
    world.kube.delete(LINKS, NAMESPACE, "rival").unwrap();
    end(&world).await;
    over(world, operator).await
}

async fn zombie_without_refusal(dialect: Dialect) -> World {
    let switches = Switches { duplicate_services: true, ..Switches::default() };
    let mut world = with_neighbours_in(Nature { switches, ..Nature::of(dialect) });
    world.credentials();
    world.apply(link("orders"));
    let recorded = (Write { what: "Patch atlasprivatelinks".to_owned(), nth: 1 }, Moment::AfterEffect);
    let atlas = world.atlas.transport();
    let (zombie, mut reaper) = death::start_met_over(&mut world, recorded, 2 * MINUTE, atlas);
    reaper.arrives().await;
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    world.pass(3 * MINUTE).await;
    oracle::created(&world, 1, 0);
    zombie.kill().await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}

async fn trouble_is_forgotten(dialect: Dialect) -> World {
    let mut world = begin(dialect);
    let operator = world.start();
    let refused = kubernetes::Fault::status(StatusCode::INTERNAL_SERVER_ERROR);
    let rule = kubernetes::Rule::new(Matcher::any().resource(LINKS).verb(Verb::Update), refused);
    world.kube.inject(rule.clone().times(8));
    get_ready(&world).await;
    // Whatever wakes the object meanwhile, it is the pauses that bring it through.
    let refusing = world.kube.inject(rule.always());
    request(&world);
    world.pass(MINUTE / 12).await;
    world.kube.lift(refusing);
    world.pass(MINUTE / 2).await;
    let log = world.kube.log().matching(|record| record.resource == LINKS && record.verb == Verb::Update);
    let failed = log.0.iter().rposition(|record| record.code == Some(500)).expect("a write failed");
    let next = log.0.get(failed + 1).expect("it was tried again soon");
    let pause = next.at.duration_since(log.0[failed].at);
    assert!(pause < SignedDuration::from_secs(10), "tried again only after {pause:#}");
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

async fn two_opinions(dialect: Dialect) -> World {
    let mut world = begin(dialect);
    let cut = Arc::<AtomicBool>::default();
    let deaf = world.start_over(Arc::new(Severable { inner: world.atlas.transport(), cut: cut.clone() }));
    let operator = world.start();
    get_ready(&world).await;
    world.pass(30 * MINUTE).await;
    cut.store(true, Ordering::SeqCst);
    let before = world.operator_writes().len();
    // Three resync intervals after the other one has spoken, the deaf one may say that it hears nothing (design.md).
    for minute in 1..=180 {
        world.pass(MINUTE).await;
        let written = world.operator_writes().len() - before;
        assert!(written <= 20, "they wrote {written} times in {minute} minutes");
    }
    deaf.kill().await;
    delete_both(&world);
    end(&world).await;
    oracle::silence(&world).await;
    oracle::always(&world);
    operator.stop().await;
    world
}

/// The link is deleted, and what stands in Atlas stays, for it is somebody else's.
async fn goes_alone(world: World, operator: Running) -> World {
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "it is somebody else's");
    over(world, operator).await
}

async fn made_long_after(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let recorded = Write { what: "Patch atlasprivatelinks".to_owned(), nth: 1 };
    let (operator, mut reaper) = death::start(&mut world, Some((recorded, Moment::AfterEffect)));
    reaper.kill(&world, operator).await;
    world.pass(120 * MINUTE).await;
    make_behind_the_back(&world).await;
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    goes_alone(world, operator).await
}

async fn another_in_its_place(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    operator.kill().await;
    remove_services(&world);
    world.pass(30 * MINUTE).await;
    make_behind_the_back(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let operator = world.start();
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "it is somebody else's");
    over(world, operator).await
}

async fn asked_for_by_another(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
    let asked = Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: false };
    world.change(asked).unwrap();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    assert!(world.calls(Operation::CreateService) <= 1, "{}", world.picture());
    goes_alone(world, operator).await
}

async fn inherited_without_link(dialect: Dialect) -> World {
    let mut world = begin(dialect);
    let operator = world.start();
    get_ready(&world).await;
    world.apply(link("other"));
    world.apply(endpoint("heir", "other", VPCE));
    eventually(&world, PATIENCE, "the heir is Ready", |world| world.endpoint_ready("heir")).await;
    world.kube.delete(LINKS, NAMESPACE, "other").unwrap();
    eventually(&world, PATIENCE, "its link is gone", is_gone(LINKS, "other")).await;
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "handed over", |world| is_at(world, NEW)).await;
    operator.kill().await;
    let operator = world.start();
    world.kube.delete(ENDPOINTS, NAMESPACE, "heir").unwrap();
    eventually(&world, PATIENCE, "the heir is gone", is_gone(ENDPOINTS, "heir")).await;
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

async fn wanted_by_an_elder(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("elder", "orders", NEW));
    let operator = world.start();
    eventually(&world, PATIENCE, "the elder is Ready", |world| world.endpoint_ready("elder")).await;
    world.apply(endpoint("orders-a", "orders", VPCE));
    eventually(&world, PATIENCE, "the younger is Ready", |world| world.endpoint_ready("orders-a")).await;
    remove_endpoint(&world, VPCE);
    make_vpc_endpoint(&world);
    let edit = json!({"spec": {"interfaceEndpointId": VPCE}});
    world.kube.patch(ENDPOINTS, NAMESPACE, "elder", edit).unwrap();
    let shared = |world: &World| {
        let at = &status(world, ENDPOINTS, "elder")["interfaceEndpointId"];
        at == VPCE && world.endpoint_ready("elder") && world.endpoint_ready("orders-a")
    };
    eventually(&world, PATIENCE, "both Ready", shared).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "elder").unwrap();
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

async fn adopted_to_be_deleted(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    make_behind_the_back(&world).await;
    world.apply(link("orders"));
    world.apply(with(endpoint("orders-a", "orders", VPCE), json!({"spec": {"deletionPolicy": "Delete"}})));
    let operator = world.start();
    get_ready(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let held = |world: &World| reason(world, LINKS, "orders") == "DeletionBlocked";
    eventually(&world, PATIENCE, "held by its endpoint", held).await;
    operator.kill().await;
    let operator = world.start();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "both gone", World::is_empty).await;
    assert_eq!(deletes(&world).len(), 1, "the endpoint was to be deleted, and nothing else: {:?}", deletes(&world));
    oracle::silence(&world).await;
    oracle::told_to_delete(&world);
    operator.stop().await;
    world
}

fn found() -> Vec<Plan> {
    let plan = |found: Found, dialect| {
        let data = Data::new(Campaign::State, "found", dialect).meanwhile(format!("{found:?}"));
        Plan::new(data, move || found.is_lived(dialect))
    };
    let of = |dialect| Found::ALL.into_iter().map(move |found| plan(found, dialect));
    [Dialect::V2, Dialect::V1].into_iter().flat_map(of).collect()
}

pub const GROUPS: [Group; 1] = [found];
