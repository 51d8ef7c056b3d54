//! Lives of operators that stand still, hear nothing, or are refused by the API server.

use super::{MINUTE, PATIENCE, leave, over, ready};
use crate::{
    harness::{
        alone::eventually,
        death::{self, Moment, Write},
        hands::{NEW, change_id, declare},
        life::{begin, delete_both, end, get_ready, with_neighbours_in},
        looks::{deletes, status},
        oracle,
        world::*,
    },
    states::{remove_endpoint, request},
    ways::{Late, Overtaking, Severable},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::{
        kubernetes::{self, Matcher, Verb},
        simulator::Standing,
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

pub(super) async fn zombie_without_refusal(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(Nature::lenient(dialect));
    world.credentials();
    world.apply(link("orders"));
    let recorded = (Write { what: "Patch atlasprivatelinks orders".to_owned(), nth: 1 }, Moment::AfterEffect);
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

pub(super) async fn trouble_is_forgotten(dialect: Dialect) -> World {
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

pub(super) async fn two_opinions(dialect: Dialect) -> World {
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

pub(super) async fn time_stands_still(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(Nature::of(dialect));
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start_over(Arc::new(Overtaking::of(world.atlas.transport())));
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}

/// Atlas answers a list from before what it is just asked to make. Two links and an endpoint, each of which is begun while
/// a request of another one is under way.
pub(super) async fn lists_overtake_writes(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(Nature::lenient(dialect));
    world.credentials();
    world.apply(link("orders"));
    let late = Late { inner: world.atlas.transport(), by: Duration::from_secs(1) };
    let operator = world.start_over(Arc::new(late));
    let records = |plural: &'static str, name: &'static str, write: &'static str| {
        move |world: &World| {
            let object = world.kube.get(plural, NAMESPACE, name).unwrap_or_default();
            object["metadata"]["annotations"].to_string().contains(write)
        }
    };
    world.until(MINUTE, "asked for", records(LINKS, "orders", "CreateService")).await;
    world.apply(with(link("rival"), json!({"spec": {"region": "ap-southeast-2"}})));
    let both = |world: &World| world.link_ready("orders") && world.link_ready("rival");
    eventually(&world, PATIENCE, "both Ready", both).await;
    oracle::created(&world, 2, 0);
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.until(MINUTE, "asked for", records(ENDPOINTS, "orders-a", "AddEndpoint")).await;
    world.apply(with(link("rival"), json!({"spec": {"region": "ap-southeast-2", "deletionPolicy": "Delete"}})));
    eventually(&world, PATIENCE, "attached", |world| world.endpoint_ready("orders-a")).await;
    for (plural, name) in [(LINKS, "orders"), (LINKS, "rival"), (ENDPOINTS, "orders-a")] {
        assert_eq!(status(&world, plural, name)["origin"], "Created", "{}", world.picture());
    }
    leave(world, operator).await
}

/// The id is changed while the link leaves: what is said then differs in words alone from what was said before.
pub(super) async fn answer_of_a_status_lost(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let of_status = Matcher::any().resource(ENDPOINTS).verb(Verb::Update).subresource("status");
    world.kube.inject(kubernetes::Rule::new(of_status, kubernetes::Fault::lost()).times(1));
    change_id(&world, NEW);
    let message = |world: &World| status(world, ENDPOINTS, "orders-a")["conditions"][0]["message"].to_string();
    let is_told = |world: &World| message(world).contains("the link is being deleted");
    eventually(&world, PATIENCE, "what is the case", is_told).await;
    leave(world, operator).await
}

/// An operator dies over its request to detach a rejected endpoint, somebody is quicker, and it arrives when the next
/// operator could long have attached the endpoint again.
pub(super) async fn detached_twice(dialect: Dialect) -> World {
    let mut world = begin(dialect);
    declare(&world, VPCE, Standing::RejectedTimes(1));
    let removal = Write { what: format!("Atlas DELETE endpoint {VPCE}"), nth: 1 };
    let (operator, mut reaper) = death::start(&mut world, Some((removal, Moment::EffectComesLate)));
    reaper.kill(&world, operator).await;
    remove_endpoint(&world, VPCE);
    let operator = world.start();
    get_ready(&world).await;
    world.pass(5 * MINUTE).await;
    assert_eq!(deletes(&world).len(), 1, "the late request has reached Atlas");
    assert!(world.ledger().endpoint_deletes().is_empty(), "it came before there was anything to detach");
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}
