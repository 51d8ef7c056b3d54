//! One dead project, one bad object, one panic: the others go on.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    atlas::transport::{Transport, TransportError},
    testbed::{
        kubernetes::{Decision, Phase, Point, Verb},
        simulator::{Fault, Operation, Rule},
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

const DEAD: &str = "5df264b8f10fab7d2cad2f99";

/// What a link takes when nothing is in its way: 165 s in Atlas, and the look that finds out.
const UNDISTURBED: Duration = Duration::from_secs(180);

#[tokio::test(start_paused = true)]
async fn a_dead_project_with_many_links_does_not_delay_the_others() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let mut rule = Rule::everywhere(Fault::HungBefore);
    rule.when.project = Some(DEAD.to_owned());
    world.atlas.inject(rule);
    for number in 0..100 {
        world.apply(with(link(&format!("dead-{number}")), json!({"spec": {"projectId": DEAD}})));
    }
    let _operator = world.start();
    world.pass(MINUTE).await;
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.until(UNDISTURBED, "Ready", |world| world.link_ready("orders")).await;
    world.until(75 * Duration::from_secs(1), "attached", |world| world.endpoint_ready("orders-a")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(2 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    assert!(world.link_is("dead-0", Standing::Reconciling, "AtlasUnreachable"));
}

/// Each write of theirs takes its time, and all wait for their turn.
#[tokio::test(start_paused = true)]
async fn a_busy_project_with_many_endpoints_does_not_delay_the_others() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let busy = |number: u32| endpoint(&format!("busy-{number}"), "busy", &format!("vpce-{number:017x}"));
    world.apply(with(link("busy"), json!({"spec": {"projectId": DEAD}})));
    world.apply(link("orders"));
    let _operator = world.start();
    world.until(UNDISTURBED, "both Ready", |world| world.link_ready("orders") && world.link_ready("busy")).await;
    let mut slow = Rule::always(Operation::AddEndpoint, Fault::Slow { millis: 1_200 });
    slow.when.project = Some(DEAD.to_owned());
    world.atlas.inject(slow);
    (0..200).for_each(|number| world.apply(busy(number)));
    world.pass(Duration::from_secs(10)).await;
    for number in 0..5 {
        let id = format!("vpce-{:017x}", 1000 + number);
        world.apply(endpoint(&format!("orders-{number}"), "orders", &id));
    }
    let attached = |world: &World| {
        (0..5).all(|number| status(world, ENDPOINTS, &format!("orders-{number}"))["origin"] == "Created")
    };
    world.until(Duration::from_secs(20), "attached", attached).await;
}

/// All want to write to one project.
#[tokio::test(start_paused = true)]
async fn a_refused_key_with_many_links_does_not_delay_the_others() {
    let mut world = World::new(Nature::default());
    world.credentials();
    world.secret(NAMESPACE, "refused", &[("publicKey", "nobodys"), ("privateKey", PRIVATE)]);
    let refused = json!({"spec": {"credentialsRef": {"name": "refused"}, "region": "us-west-2"}});
    let name = |number: u32| format!("refused-{number}");
    for number in 0..100 {
        world.apply(with(link(&name(number)), refused.clone()));
    }
    let _operator = world.start();
    let all_told = move |world: &World| {
        (0..100).all(|number| world.link_is(&name(number), Standing::Stalled, "CredentialsRefused"))
    };
    world.until(MINUTE, "all refused", &all_told).await;
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.until(UNDISTURBED, "Ready", |world| world.link_ready("orders")).await;
    world.until(75 * Duration::from_secs(1), "attached", |world| world.endpoint_ready("orders-a")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(2 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    assert!(all_told(&world), "{}", world.picture());
    oracle::nothing_left(&world);
    oracle::always(&world);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_decoded_is_left_alone() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let bad = |kind: &str| json!({"apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": kind, "metadata": {"name": "bad", "namespace": NAMESPACE}, "spec": {"region": 7}});
    world.apply(bad("AtlasPrivateLink"));
    world.apply(bad("AtlasInterfaceEndpoint"));
    let _operator = world.start();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    oracle::quiet_hour(&world).await;
    // Not even a deletion, which looks at all objects, is held up.
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(5 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    oracle::nothing_left(&world);
    assert!(world.operator_writes().0.iter().all(|write| write.name != "bad"));
}

/// A way to Atlas on which requests of one project end in a panic, and when they did.
struct Panicking(Arc<dyn Transport>, Arc<Mutex<Vec<Instant>>>);

impl Transport for Panicking {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Bytes>, TransportError>> {
        let cursed = request.uri().path().contains(DEAD);
        if cursed {
            self.1.lock().unwrap().push(Instant::now());
        }
        let sent = self.0.send(request);
        Box::pin(async move {
            assert!(!cursed, "this panic is part of the test");
            sent.await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_contained_and_tried_again_with_growing_pauses() {
    let mut world = World::new(Nature::default());
    world.credentials();
    world.apply(with(link("cursed"), json!({"spec": {"projectId": DEAD}})));
    let panics = Arc::<Mutex<Vec<Instant>>>::default();
    let way = Arc::new(Panicking(world.atlas.transport(), panics.clone()));
    let operator = world.start_over(way);
    world.apply(link("orders"));
    world.until(UNDISTURBED, "Ready", |world| world.link_ready("orders")).await;
    world.pass(10 * MINUTE).await;
    let times = panics.lock().unwrap().clone();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    // 1, 2, 4 … 32 seconds, then every 60, and a tenth of it at most.
    let (growing, steady) = pauses.split_at(6);
    assert!(growing.windows(2).all(|pair| pair[1] > pair[0].mul_f64(1.5)), "{pauses:?}");
    assert!(!steady.is_empty() && steady.iter().all(|pause| (60..=70).contains(&pause.as_secs())), "{pauses:?}");
    assert!(!operator.has_ended());
    world.kube.delete(LINKS, NAMESPACE, "cursed").unwrap();
    world.until(2 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "cursed").is_none()).await;
    operator.stop().await;
}

/// Which requests to the Kubernetes API end in a panic: those for the link "cursed", or for its Secret.
#[derive(Debug, Clone, Copy)]
enum Curse {
    Secret,
    Finalizer,
    StatusBefore,
    StatusAfter,
}

impl Curse {
    const ALL: [Self; 4] = [Self::Secret, Self::Finalizer, Self::StatusBefore, Self::StatusAfter];

    fn strikes(self, point: &Point) -> bool {
        let (request, before) = (&point.request, point.phase == Phase::BeforeEffect);
        let is_of_link = request.verb.writes() && request.name == "cursed";
        match self {
            Self::Secret => request.verb == Verb::Get && request.name == "cursed-credentials",
            Self::Finalizer => is_of_link && request.subresource.is_empty(),
            Self::StatusBefore => is_of_link && request.subresource == "status" && before,
            Self::StatusAfter => is_of_link && request.subresource == "status" && !before,
        }
    }
}

/// It is no matter of Atlas' transport alone, and nothing shared is left broken by it.
#[tokio::test(start_paused = true)]
async fn a_panic_on_the_way_to_kubernetes_is_contained_too() {
    for curse in Curse::ALL {
        let mut world = World::new(Nature::default());
        world.credentials();
        world.secret(NAMESPACE, "cursed-credentials", &KEY);
        let spec = json!({"spec": {"credentialsRef": {"name": "cursed-credentials"}, "region": "us-west-2"}});
        world.apply(with(link("cursed"), spec));
        let panics = Arc::<Mutex<usize>>::default();
        let seen = panics.clone();
        world.kube.on_request(move |point| {
            if curse.strikes(point) {
                *seen.lock().unwrap() += 1;
                panic!("this panic is part of the test");
            }
            Decision::Proceed
        });
        let operator = world.start();
        world.apply(link("orders"));
        world.until(UNDISTURBED, &format!("{curse:?}: Ready"), |world| world.link_ready("orders")).await;
        let before = *panics.lock().unwrap();
        world.pass(10 * MINUTE).await;
        let more = *panics.lock().unwrap() - before;
        // Every minute, and a tenth of it at most; what has been written is not written again.
        let expected = if matches!(curse, Curse::StatusAfter) { 0..=11 } else { 8..=11 };
        assert!(before > 0 && expected.contains(&more), "{curse:?}: {before} panics, then {more} in ten minutes");
        assert!(!operator.has_ended(), "{curse:?}");
        world.kube.on_request_clear();
        world.until(5 * MINUTE, &format!("{curse:?}: well"), |world| world.link_ready("cursed")).await;
        for name in ["cursed", "orders"] {
            world.kube.delete(LINKS, NAMESPACE, name).unwrap();
        }
        gone(&world).await;
        oracle::although_it_panics(&world);
        operator.stop().await;
    }
}

/// Nothing may be written on the strength of a list that is over ten seconds old when it comes.
#[tokio::test(start_paused = true)]
async fn a_project_whose_lists_come_too_late_says_so_and_does_not_delay_the_others() {
    for links in [1, 100] {
        let mut world = World::new(Nature::default());
        world.credentials();
        let mut rule = Rule::always(Operation::ListServices, Fault::Slow { millis: 12_000 });
        rule.when.project = Some(DEAD.to_owned());
        world.atlas.inject(rule);
        for number in 0..links {
            world.apply(with(link(&format!("slow-{number}")), json!({"spec": {"projectId": DEAD}})));
        }
        let _operator = world.start();
        world
            .until(10 * MINUTE, "told", |world| {
                ["Retrying", "AtlasUnreachable"]
                    .iter()
                    .any(|reason| world.link_is("slow-0", Standing::Reconciling, reason))
            })
            .await;
        world.apply(link("orders"));
        world.until(UNDISTURBED, "Ready", |world| world.link_ready("orders")).await;
        let of_dead = |world: &World| world.ledger().requests().filter(|request| request.path.contains(DEAD)).count();
        let before = of_dead(&world);
        world.pass(HOUR).await;
        let lists = of_dead(&world) - before;
        // However many ask, they share what they are told: a list that takes twelve seconds serves for as long again, and
        // once in a minute one of them looks whether a write would be in time.
        let most = if links == 1 { 80 } else { 220 };
        assert!(lists <= most, "{lists} requests of a project in which nothing can be done");
        world.atlas.clear_faults();
        world.until(15 * MINUTE, "made after all", |world| world.link_ready("slow-0")).await;
    }
}

/// Several links look together, and only one of them asks: what the others said last stands until it has its answer.
#[tokio::test(start_paused = true)]
async fn who_waits_for_anothers_look_says_nothing_of_it() {
    let mut world = World::new(Nature::default());
    world.credentials();
    world.atlas.inject(Rule::always(Operation::ListServices, Fault::Slow { millis: 3_000 }));
    let regions = [("east", "us-east-1"), ("west", "us-west-2"), ("south", "sa-east-1")];
    for (name, region) in regions {
        world.apply(with(link(name), json!({"spec": {"region": region}})));
    }
    let _operator = world.start();
    let all_ready = |world: &World| regions.iter().all(|(name, _)| world.link_ready(name));
    world.until(10 * MINUTE, "all Ready", all_ready).await;
    for (name, _) in regions {
        let writes = world.operator_writes().matching(|write| write.name == name);
        // Its finalizer and its record, that it is being created, and that it is Ready; and what it said before the first look.
        assert!(writes.len() <= 5, "{name}: {writes:#?}");
        let versions = world.kube.history(LINKS, NAMESPACE, name);
        let unreachable = versions.iter().filter(|version| version.object.to_string().contains("AtlasUnreachable"));
        assert!(unreachable.count() <= 2, "{name} flaps");
    }
}

/// Somebody who notes something on objects of ours again and again costs nobody a request to Atlas.
#[tokio::test(start_paused = true)]
async fn a_bystander_who_edits_metadata_costs_atlas_nothing() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    let (calls, writes) = (requests(&world, |_| true).len(), world.operator_writes().len());
    for number in 0..600 {
        let edit =
            json!({"metadata": {"annotations": {"seen": number.to_string()}, "labels": {"seen": number.to_string()}}});
        for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
            world.kube.patch(plural, NAMESPACE, name, edit.clone()).unwrap();
        }
        world.pass(Duration::from_secs(1)).await;
    }
    assert!(requests(&world, |_| true).len() <= calls + 3, "ten minutes are less than a resync");
    assert_eq!(world.operator_writes().len(), writes);
    let before = requests(&world, |_| true).len();
    edit(&world, LINKS, "orders", json!({"suspend": false}));
    world.until(MINUTE, "an edit that counts is looked at", |world| requests(world, |_| true).len() > before).await;
}
