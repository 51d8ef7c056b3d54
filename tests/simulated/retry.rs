//! What failed is tried again, a bounded number of times, and what was removed is made again (design.md, safety rule 5).

use super::{
    hands::{NEW, change_id, declare, fails, is_at},
    looks::*,
    oracle,
    replace::stalled,
    world::*,
};
use atlas_privatelink_operator::{
    api::Standing,
    testbed::{
        kubernetes::{Decision, Phase, Verb},
        simulator::{
            self, Change, Effect, Fault, Operation, Provider, Rule, ServiceState, Standing as Known, Switches,
        },
    },
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

const REQUEST: &str = "atlas.privatelink.dev/reconcile-requested-at";

pub fn ask_again(world: &World, plural: &str, name: &str, value: &str) {
    world.kube.patch(plural, NAMESPACE, name, json!({"metadata": {"annotations": {REQUEST: value}}})).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rejected_endpoint_is_added_again_until_it_is_fine() {
    for times in 1..=3 {
        let (world, _operator) = ready_link(Nature::default()).await;
        declare(&world, VPCE, Known::RejectedTimes(times));
        world.apply(endpoint("orders-a", "orders", VPCE));
        world.until(30 * MINUTE, &format!("fine after {times}"), |world| is_at(world, VPCE)).await;
        let tries = usize::try_from(times).unwrap();
        assert_eq!(world.ledger().endpoint_adds().len(), tries + 1);
        assert!(status(&world, ENDPOINTS, "orders-a")["attempts"].is_null(), "Ready is a fresh start");
        let events = told(&world, "orders-a");
        assert_eq!(events.iter().filter(|reason| *reason == "Retried").count(), tries, "{events:?}");
        assert_eq!(events.iter().filter(|reason| *reason == "Ready").count(), 1, "{events:?}");
    }
}

/// An Atlas that takes no time for anything.
fn at_once() -> Nature {
    let nature = Nature::default();
    let atlas = simulator::Settings { time_scale: 1e6, ..nature.atlas.clone() };
    Nature { atlas, ..nature }
}

/// The old one is gone before status tells that it was taken away.
#[tokio::test(start_paused = true)]
async fn tries_are_counted_where_a_removal_takes_no_time() {
    let (world, _operator) = ready_link(at_once()).await;
    declare(&world, VPCE, Known::Unknown);
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.until(HOUR, "given up", |world| stalled(world, "Rejected")).await;
    world.pass(HOUR).await;
    assert_eq!(world.ledger().endpoint_adds().len(), 4);
    let mut world = World::new(at_once());
    let _operator = world.start();
    world.credentials();
    fails(&world, 99);
    world.apply(link("orders"));
    world.until(HOUR, "given up", |world| world.link_is("orders", Standing::Stalled, "Failed")).await;
    world.pass(HOUR).await;
    assert_eq!(world.ledger().creates().values().sum::<usize>(), 4);
}

/// Kubernetes takes so long to record the attempt that nothing can rest on the look before it.
#[tokio::test(start_paused = true)]
async fn a_removal_that_was_never_sent_is_no_try() {
    let (world, _operator) = ready_link(Nature::default()).await;
    declare(&world, VPCE, Known::Unknown);
    world.apply(endpoint("orders-a", "orders", VPCE));
    let rejected = |world: &World| status(world, ENDPOINTS, "orders-a")["connectionStatus"] == "REJECTED";
    world.until(10 * MINUTE, "rejected", rejected).await;
    let (slow, recorded) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    world.kube.on_request({
        let (slow, recorded) = (slow.clone(), recorded.clone());
        move |point| {
            let records = point.request.resource == ENDPOINTS && point.request.verb == Verb::Patch;
            if !records || point.phase != Phase::BeforeEffect || !slow.load(Ordering::SeqCst) {
                return Decision::Proceed;
            }
            recorded.fetch_add(1, Ordering::SeqCst);
            Decision::Delay(Duration::from_secs(12))
        }
    });
    world.until(HOUR, "recorded again and again", |_| recorded.load(Ordering::SeqCst) > 4).await;
    assert_eq!(world.calls(Operation::DeleteEndpoint), 0);
    slow.store(false, Ordering::SeqCst);
    world.until(HOUR, "given up", |world| stalled(world, "Rejected")).await;
    assert_eq!(world.ledger().endpoint_adds().len(), 4);
}

/// The instants of the ledger at which the endpoint was added.
fn added_at(world: &World) -> Vec<jiff::Timestamp> {
    let ledger = world.ledger();
    let added = ledger.iter().filter(|entry| matches!(&entry.effect, Effect::EndpointAdded { .. }));
    added.map(|entry| entry.at).collect()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_rejected_for_good_ends_stalled_with_what_atlas_said() {
    let (world, _operator) = ready_link(Nature::default()).await;
    declare(&world, VPCE, Known::Unknown);
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.until(HOUR, "given up", |world| stalled(world, "Rejected")).await;
    let times = added_at(&world);
    assert_eq!(times.len(), 4, "one try and three more");
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "the pauses grow: {pauses:?}");
    let said = message(&world, ENDPOINTS, NAMESPACE, "orders-a");
    assert!(said.contains(&format!("Interface endpoint {VPCE} was not found.")), "{said}");
    let shown = status(&world, ENDPOINTS, "orders-a");
    assert_eq!((&shown["connectionStatus"], &shown["attempts"]), (&json!("REJECTED"), &json!(3)), "{shown}");
    assert_eq!(shown["errorMessage"], format!("Interface endpoint {VPCE} was not found."));
    oracle::quiet_hour(&world).await;
    assert_eq!(told(&world, "orders-a").iter().filter(|reason| *reason == "Rejected").count(), 1);
    // A person has made the VPC endpoint meanwhile, and asks for another try.
    declare(&world, VPCE, Known::RejectedTimes(1));
    ask_again(&world, ENDPOINTS, "orders-a", "2026-11-21T12:00:00Z");
    world.until(10 * MINUTE, "fine", |world| is_at(world, VPCE)).await;
    assert_eq!(status(&world, ENDPOINTS, "orders-a")["lastHandledReconcileAt"], "2026-11-21T12:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_request_begins_a_new_round_of_tries_which_is_bounded_too() {
    let (world, _operator) = ready_link(Nature::default()).await;
    declare(&world, VPCE, Known::Unknown);
    world.apply(endpoint("orders-a", "orders", VPCE));
    for round in 1..=2 {
        world.until(HOUR, "given up", |world| stalled(world, "Rejected")).await;
        world.pass(HOUR).await;
        assert_eq!(added_at(&world).len(), round * 3 + 1, "round {round}");
        ask_again(&world, ENDPOINTS, "orders-a", &format!("request {round}"));
        world.until(2 * MINUTE, "answered", |world| !stalled(world, "Rejected")).await;
        assert_eq!(status(&world, ENDPOINTS, "orders-a")["lastHandledReconcileAt"], format!("request {round}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_count_of_tries_survives_a_restart() {
    let (mut world, mut operator) = ready_link(Nature::default()).await;
    declare(&world, VPCE, Known::Unknown);
    world.apply(endpoint("orders-a", "orders", VPCE));
    for tries in 1..=3 {
        let counted = |world: &World| status(world, ENDPOINTS, "orders-a")["attempts"] == tries;
        world.until(HOUR, &format!("{tries} tries"), counted).await;
        operator.kill().await;
        operator = world.start();
    }
    world.until(HOUR, "given up", |world| stalled(world, "Rejected")).await;
    world.pass(HOUR).await;
    assert_eq!(added_at(&world).len(), 4);
    operator.kill().await;
    world.start();
    world.pass(HOUR).await;
    assert!(stalled(&world, "Rejected"));
    assert_eq!(added_at(&world).len(), 4, "a restart is no reason to try again");
}

#[tokio::test(start_paused = true)]
async fn an_adopted_endpoint_that_is_rejected_is_not_touched() {
    let (world, _operator) = ready_link(Nature::default()).await;
    let (project, service) = (PROJECT.to_owned(), only_service(&world));
    declare(&world, VPCE, Known::Unknown);
    world.change(Change::AddEndpoint { project, service, endpoint: VPCE.to_owned(), ready: false });
    world.pass(MINUTE).await;
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.until(5 * MINUTE, "Stalled", |world| stalled(world, "Rejected")).await;
    oracle::quiet_hour(&world).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(world.calls(Operation::AddEndpoint), 0);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_somebody_removed_is_added_again() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    somebody_has_detached(&world, &only_service(&world), VPCE);
    world.until(17 * MINUTE, "added again", |world| world.ledger().endpoint_adds().len() == 2).await;
    world.until(3 * MINUTE, "Ready again", |world| is_at(world, VPCE)).await;
    assert_eq!(status(&world, ENDPOINTS, "orders-a")["origin"], "Created");
    let events = told(&world, "orders-a");
    assert_eq!(events.iter().filter(|reason| *reason == "EndpointGone").count(), 1, "{events:?}");
    oracle::quiet_hour(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_somebody_removed_is_made_anew_and_its_endpoint_needs_a_new_id() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    let old_name = status(&world, LINKS, "orders")["endpointServiceName"].as_str().unwrap().to_owned();
    let old = only_service(&world);
    world.change(Change::DeleteService { project: PROJECT.into(), service: old.clone() });
    world.until(17 * MINUTE, "noticed", |world| world.link_is("orders", Standing::Reconciling, "Creating")).await;
    world.until(10 * MINUTE, "made anew", |world| world.link_ready("orders")).await;
    let new_name = status(&world, LINKS, "orders")["endpointServiceName"].as_str().unwrap().to_owned();
    assert_ne!(old_name, new_name);
    world.until(MINUTE, "told", |world| stalled(world, "ServiceReplaced")).await;
    let said = message(&world, ENDPOINTS, NAMESPACE, "orders-a");
    assert!(said.contains(&new_name), "{said}");
    // What is told comes after what is shown.
    world.pass(Duration::from_secs(1)).await;
    let events = told(&world, "orders");
    for reason in ["ServiceGone", "ServiceNameChanged"] {
        assert_eq!(events.iter().filter(|told| *told == reason).count(), 1, "{reason}: {events:?}");
    }
    let changed = note(&world, "orders", "ServiceNameChanged");
    assert!(changed.contains(&old_name) && changed.contains(&new_name), "{changed}");
    world.pass(20 * MINUTE).await;
    oracle::quiet_hour(&world).await;
    assert_eq!(world.ledger().endpoint_adds().len(), 1, "the old VPC endpoint is not added to the new service");
    change_id(&world, NEW);
    world.until(5 * MINUTE, "mended", |world| is_at(world, NEW)).await;
    oracle::always(&world);
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    gone_without_trace(&world).await;
}

/// Who shares a service has not made it anew, and has VPC endpoints of its own for the old name.
#[tokio::test(start_paused = true)]
async fn a_new_service_name_is_told_to_all_who_share_the_service() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.apply(link("beside"));
    world.until(MINUTE, "shared", |world| ready_as(world, LINKS, NAMESPACE, "beside", "Adopted")).await;
    let old_name = status(&world, LINKS, "orders")["endpointServiceName"].as_str().unwrap().to_owned();
    let old = only_service(&world);
    world.change(Change::DeleteService { project: PROJECT.into(), service: old });
    world.until(30 * MINUTE, "noticed", |world| !world.link_ready("beside")).await;
    world.until(30 * MINUTE, "made anew", |world| world.link_ready("orders") && world.link_ready("beside")).await;
    world.pass(Duration::from_secs(1)).await;
    for name in ["orders", "beside"] {
        let times = told(&world, name).iter().filter(|told| *told == "ServiceNameChanged").count();
        assert_eq!(times, 1, "{name}: {:?}", told(&world, name));
        let changed = note(&world, name, "ServiceNameChanged");
        assert!(changed.contains(&old_name), "{name}: {changed}");
    }
}

#[tokio::test(start_paused = true)]
async fn atlas_may_remove_a_service_with_its_last_endpoint() {
    for auto_remove_service in [false, true] {
        let switches = Switches { auto_remove_service, ..Switches::default() };
        let (world, _operator) = ready_pair(Nature { switches, ..Nature::default() }).await;
        let old = only_service(&world);
        world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
        world.until(5 * MINUTE, "detached", |world| world.kube.list(ENDPOINTS).is_empty()).await;
        world.pass(30 * MINUTE).await;
        assert!(world.link_ready("orders"), "{}", world.picture());
        assert_eq!(only_service(&world) == old, !auto_remove_service);
        oracle::quiet_hour(&world).await;
        world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
        gone_without_trace(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_and_its_endpoint_go_together_whatever_atlas_does_with_the_last_endpoint() {
    for auto_remove_service in [false, true] {
        for plurals in [[LINKS, ENDPOINTS], [ENDPOINTS, LINKS]] {
            let switches = Switches { auto_remove_service, ..Switches::default() };
            let (world, _operator) = ready_pair(Nature { switches, ..Nature::default() }).await;
            for plural in plurals {
                world.kube.delete(plural, NAMESPACE, if plural == LINKS { "orders" } else { "orders-a" }).unwrap();
            }
            gone_without_trace(&world).await;
            let creates: usize = world.ledger().creates().values().sum();
            assert_eq!(creates, 1, "nothing is made for what is going");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_service_is_made_again_until_it_is_fine() {
    for times in 1..=3 {
        let mut world = World::new(Nature::default());
        fails(&world, times);
        world.credentials();
        let _operator = world.start();
        world.apply(link("orders"));
        world.until(HOUR, &format!("fine after {times}"), |world| world.link_ready("orders")).await;
        assert_eq!(world.calls(Operation::CreateService), usize::try_from(times).unwrap() + 1);
        assert!(status(&world, LINKS, "orders")["attempts"].is_null());
        oracle::always(&world);
        oracle::quiet_hour(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_for_good_ends_stalled_with_what_atlas_said() {
    let mut world = World::new(Nature::default());
    fails(&world, 4);
    world.credentials();
    let _operator = world.start();
    world.apply(link("orders"));
    world.until(HOUR, "given up", |world| world.link_is("orders", Standing::Stalled, "Failed")).await;
    assert_eq!(world.calls(Operation::CreateService), 4, "one try and three more");
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains("No capacity."), "{said}");
    oracle::quiet_hour(&world).await;
    ask_again(&world, LINKS, "orders", "now");
    world.until(20 * MINUTE, "fine", |world| world.link_ready("orders")).await;
    assert_eq!(status(&world, LINKS, "orders")["lastHandledReconcileAt"], "now");
    oracle::always(&world);
}

#[tokio::test(start_paused = true)]
async fn a_failed_service_that_was_adopted_or_is_used_is_left_alone() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    let (project, service) = (PROJECT.to_owned(), only_service(&world));
    world.change(Change::SetServiceState {
        project,
        service,
        state: ServiceState::Failed,
        error: Some("Broken.".into()),
    });
    world.until(17 * MINUTE, "Stalled", |world| world.link_is("orders", Standing::Stalled, "Failed")).await;
    oracle::quiet_hour(&world).await;
    assert_eq!(deletes(&world), Vec::<String>::new());

    let mut world = World::new(Nature::default());
    world.credentials();
    let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
    let change = Change::CreateService {
        project: project.clone(),
        provider: Provider::Aws,
        region,
        port_mapped: false,
        ready: true,
    };
    let service = world.change(change).unwrap();
    world.change(Change::SetServiceState { project, service, state: ServiceState::Failed, error: None });
    let _operator = world.start();
    world.apply(link("orders"));
    world.until(MINUTE, "Stalled", |world| world.link_is("orders", Standing::Stalled, "Failed")).await;
    oracle::quiet_hour(&world).await;
    assert_eq!(writes_to_atlas(&world), 0);
}

/// A key that may read and not delete: no try was made, so none is counted, and it goes on once the role is mended.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_refused_is_no_try() {
    let mut world = World::new(Nature::default());
    world.credentials();
    fails(&world, 1);
    world.atlas.inject(Rule::always(Operation::DeleteService, Fault::AccessList));
    let _operator = world.start();
    world.apply(link("orders"));
    let refused = |world: &World| world.link_is("orders", Standing::Stalled, "AccessDenied");
    world.until(20 * MINUTE, "refused", refused).await;
    world.pass(3 * HOUR).await;
    assert!(refused(&world), "{}", world.picture());
    world.atlas.clear_faults();
    world.until(30 * MINUTE, "made anew", |world| world.link_ready("orders")).await;
}
