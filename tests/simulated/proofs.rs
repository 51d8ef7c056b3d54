//! What is proved to be ours when records are copied, lost, or written just before a crash (design.md, safety rules 1 and
//! 2).

use super::{hands::copied, looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::ATTEMPT_ANNOTATION,
    testbed::{
        kubernetes::{Decision, Phase},
        simulator::{Change, Operation, Provider},
    },
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

#[tokio::test(start_paused = true)]
async fn a_copy_with_annotations_and_status_owns_nothing() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    let service = only_service(&world);
    world.pass(Duration::from_secs(2)).await;
    world.secret(ELSEWHERE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)]);
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        let (copy, status) = copied(&world, plural, name);
        world.apply(within(ELSEWHERE, copy));
        world.kube.patch_status(plural, ELSEWHERE, name, json!({"status": status})).unwrap();
    }
    world.pass(20 * MINUTE).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        assert!(ready_as(&world, plural, NAMESPACE, name, "Created"), "{}", world.picture());
        world.kube.delete(plural, ELSEWHERE, name).unwrap();
    }
    let gone = |world: &World| {
        world.kube.get(LINKS, ELSEWHERE, "orders").is_none()
            && world.kube.get(ENDPOINTS, ELSEWHERE, "orders-a").is_none()
    };
    world.until(30 * MINUTE, "the copies gone", gone).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(only_service(&world), service);
    assert!(world.link_ready("orders") && world.endpoint_ready("orders-a"));
}

/// Suspended, they never write into their status that it is not believed; what they are handed they have all the same.
#[tokio::test(start_paused = true)]
async fn a_suspended_copy_inherits_once() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.pass(Duration::from_secs(2)).await;
    world.secret(ELSEWHERE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)]);
    let both = [(ENDPOINTS, "orders-a"), (LINKS, "orders")];
    for (plural, name) in both {
        let (copy, status) = copied(&world, plural, name);
        world.apply(with(within(ELSEWHERE, copy), json!({"spec": {"suspend": true}})));
        world.kube.patch_status(plural, ELSEWHERE, name, json!({"status": status})).unwrap();
    }
    world.pass(20 * MINUTE).await;
    let written = world.operator_writes().len();
    for (plural, name) in both {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
        world.until(10 * MINUTE, "gone", |world| world.kube.get(plural, NAMESPACE, name).is_none()).await;
    }
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert!(world.operator_writes().len() - written < 20, "{}", world.operator_writes().len() - written);
    for (plural, name) in both {
        assert_eq!(object(&world, plural, ELSEWHERE, name)["status"]["origin"], "Created");
        world.kube.patch(plural, ELSEWHERE, name, json!({"spec": {"suspend": null}})).unwrap();
        world.kube.delete(plural, ELSEWHERE, name).unwrap();
    }
    world.until(30 * MINUTE, "both gone", World::is_empty).await;
    oracle::nothing_left(&world);
}

/// A manifest was committed with the record of another object, which is written over each of the operator's own.
#[tokio::test(start_paused = true)]
async fn a_record_that_gitops_writes_again_and_again_takes_nothing_away() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    let both = [(ENDPOINTS, "orders-a"), (LINKS, "orders")];
    for (plural, name) in both {
        let record = &object(&world, plural, NAMESPACE, name)["metadata"]["annotations"][ATTEMPT_ANNOTATION];
        let mut record: Value = serde_json::from_str(record.as_str().unwrap()).unwrap();
        record["uid"] = json!("the uid of what was copied");
        let annotations = json!({"metadata": {"annotations": {ATTEMPT_ANNOTATION: record.to_string()}}});
        world.kube.patch(plural, NAMESPACE, name, annotations).unwrap();
    }
    world.pass(HOUR).await;
    operator.stop().await;
    let _operator = world.start();
    world.pass(HOUR).await;
    for (plural, name) in both {
        assert!(ready_as(&world, plural, NAMESPACE, name, "Created"), "{}", world.picture());
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    gone_without_trace(&world).await;
}

/// A status as a new object has it.
fn lose_status(world: &World, plural: &str, name: &str) {
    let fields = status(world, plural, name);
    let mut patch = json!({});
    for field in fields.as_object().unwrap().keys() {
        patch[field] = Value::Null;
    }
    patch["observedGeneration"] = json!(-1);
    world.kube.patch_status(plural, NAMESPACE, name, json!({"status": patch})).unwrap();
}

fn lose_attempt(world: &World, plural: &str, name: &str) {
    let annotations = json!({"metadata": {"annotations": {"atlas.privatelink.dev/attempt": null}}});
    world.kube.patch(plural, NAMESPACE, name, annotations).unwrap();
}

/// Ends the operator, so that nothing but the objects remembers anything, and starts another after `change`.
async fn while_it_is_down(world: &mut World, operator: Running, change: impl Fn(&World)) -> Running {
    operator.stop().await;
    world.pass(HOUR).await;
    change(world);
    world.start()
}

#[tokio::test(start_paused = true)]
async fn a_lost_status_is_proved_again_by_the_attempt() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    let _operator = while_it_is_down(&mut world, operator, |world| {
        lose_status(world, LINKS, "orders");
        lose_status(world, ENDPOINTS, "orders-a");
    })
    .await;
    world
        .until(10 * MINUTE, "both proved again", |world| {
            ready_as(world, LINKS, NAMESPACE, "orders", "Created")
                && ready_as(world, ENDPOINTS, NAMESPACE, "orders-a", "Created")
        })
        .await;
    assert_eq!(writes_to_atlas(&world), 2, "the POSTs of before");
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    gone_without_trace(&world).await;
}

#[tokio::test(start_paused = true)]
async fn with_status_and_attempt_lost_everything_is_adopted_and_kept() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    let service = only_service(&world);
    let _operator = while_it_is_down(&mut world, operator, |world| {
        for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
            lose_status(world, plural, name);
            lose_attempt(world, plural, name);
        }
    })
    .await;
    world
        .until(10 * MINUTE, "both adopted", |world| {
            ready_as(world, LINKS, NAMESPACE, "orders", "Adopted")
                && ready_as(world, ENDPOINTS, NAMESPACE, "orders-a", "Adopted")
        })
        .await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.until(HOUR, "gone", World::is_empty).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(only_service(&world), service);
}

#[tokio::test(start_paused = true)]
async fn a_lost_status_of_what_was_adopted_proves_nothing() {
    let (mut world, operator) = empty();
    let service = foreign_service(&world);
    foreign_endpoint(&world, &service);
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", FOREIGN));
    both_ready(&world).await;
    let _operator = while_it_is_down(&mut world, operator, |world| {
        lose_status(world, LINKS, "orders");
        lose_status(world, ENDPOINTS, "orders-a");
    })
    .await;
    both_ready(&world).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        assert!(ready_as(&world, plural, NAMESPACE, name, "Adopted"));
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.until(HOUR, "gone", World::is_empty).await;
    assert_eq!(writes_to_atlas(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_refusal_proves_that_nothing_was_made() {
    let (mut world, operator) = empty();
    world.pass(MINUTE).await;
    let (atlas, victim, writes) = (world.atlas.clone(), operator.abort_handle(), AtomicUsize::new(0));
    world.kube.on_request(move |point| {
        if point.request.resource != LINKS || !point.request.verb.writes() || point.phase != Phase::BeforeEffect {
            return Decision::Proceed;
        }
        match writes.fetch_add(1, Ordering::SeqCst) {
            // Somebody else is quicker, between the look at Atlas and the POST.
            0 => {
                let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
                let change =
                    Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: true };
                atlas.change(change).unwrap();
                Decision::Proceed
            }
            // The refusal is recorded; then the operator dies, before status says anything.
            2 => {
                victim.abort();
                Decision::Hang
            }
            _ => Decision::Proceed,
        }
    });
    world.apply(link("orders"));
    world.pass(MINUTE).await;
    assert_eq!(world.calls(Operation::CreateService), 1, "it was refused");
    assert!(status(&world, LINKS, "orders")["origin"].is_null());
    operator.kill().await;
    let _operator = world.start();
    world.until(10 * MINUTE, "adopted", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Adopted")).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(10 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}
