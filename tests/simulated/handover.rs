//! A manifest is renamed, or moved to another namespace, while an endpoint is attached (design.md, safety rule 7): what
//! stands in Atlas stays, and the new object owns it, wherever the operator dies in between.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::kubernetes::{Decision, Fault, Matcher, Phase, Rule, Verb},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What becomes of the manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// Link and endpoint get new names.
    Rename,
    /// The endpoint alone gets a new name.
    RenameEndpoint,
    /// Both go to another namespace, with a copy of the Secret.
    Namespace,
}

/// When the old objects are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Ready,
    Soon,
}

/// Where the operator dies.
type Crash = Option<(usize, Phase)>;

type Name = (&'static str, &'static str, &'static str);

impl Move {
    /// The new manifests.
    fn apply(self, world: &World) {
        match self {
            Self::Rename => {
                world.apply(link("orders-new"));
                world.apply(endpoint("orders-b", "orders-new", VPCE));
            }
            Self::RenameEndpoint => world.apply(endpoint("orders-b", "orders", VPCE)),
            Self::Namespace => {
                world.secret(ELSEWHERE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)]);
                world.apply(within(ELSEWHERE, link("orders")));
                world.apply(within(ELSEWHERE, endpoint("orders-a", "orders", VPCE)));
            }
        }
    }

    fn old(self) -> Vec<Name> {
        match self {
            Self::Rename | Self::Namespace => {
                vec![(LINKS, NAMESPACE, "orders"), (ENDPOINTS, NAMESPACE, "orders-a")]
            }
            Self::RenameEndpoint => vec![(ENDPOINTS, NAMESPACE, "orders-a")],
        }
    }

    fn successors(self) -> Vec<Name> {
        match self {
            Self::Rename => vec![(LINKS, NAMESPACE, "orders-new"), (ENDPOINTS, NAMESPACE, "orders-b")],
            Self::RenameEndpoint => vec![(LINKS, NAMESPACE, "orders"), (ENDPOINTS, NAMESPACE, "orders-b")],
            Self::Namespace => vec![(LINKS, ELSEWHERE, "orders"), (ENDPOINTS, ELSEWHERE, "orders-a")],
        }
    }
}

/// Kills the operator at the n-th write from now, counted from 0, and counts the writes.
struct Executioner {
    writes: Arc<AtomicUsize>,
    struck: Arc<AtomicBool>,
}

impl Executioner {
    fn waits(world: &World, victim: &Running, crash: Crash) -> Self {
        let (writes, struck) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, flag, name, victim_task) =
            (writes.clone(), struck.clone(), victim.name.clone(), victim.abort_handle());
        world.kube.on_request(move |point| {
            let is_write =
                point.request.verb.writes() && !["events", "leases"].contains(&point.request.resource.as_str());
            if point.request.client != name || !is_write {
                return Decision::Proceed;
            }
            if flag.load(Ordering::SeqCst) {
                // It is dead already.
                return Decision::Hang;
            }
            let nth = match point.phase {
                Phase::BeforeEffect => count.fetch_add(1, Ordering::SeqCst),
                Phase::AfterEffect => count.load(Ordering::SeqCst) - 1,
            };
            if crash == Some((nth, point.phase)) {
                flag.store(true, Ordering::SeqCst);
                victim_task.abort();
                return Decision::Hang;
            }
            Decision::Proceed
        });
        Self { writes, struck }
    }

    fn has_struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }
}

/// An operator that is started again when it has died.
struct Undying {
    world: World,
    operator: Option<Running>,
    executioner: Executioner,
}

impl Undying {
    /// Lets time pass until the condition holds, with a new operator from 3 s after the old one's death.
    async fn until(&mut self, what: &str, condition: impl Fn(&World) -> bool) {
        let executioner = &self.executioner;
        if self.operator.is_some() {
            self.world.until(2 * HOUR, what, |world| executioner.has_struck() || condition(world)).await;
        }
        self.revive().await;
        self.world.until(2 * HOUR, what, condition).await;
    }

    async fn revive(&mut self) {
        if self.executioner.has_struck()
            && let Some(dead) = self.operator.take()
        {
            dead.kill().await;
            self.world.pass(Duration::from_secs(3)).await;
            self.world.start();
        }
    }
}

fn is_there(world: &World, (plural, namespace, name): Name) -> bool {
    world.kube.get(plural, namespace, name).is_some()
}

fn owns(world: &World, (plural, namespace, name): Name) -> bool {
    ready_as(world, plural, namespace, name, "Created")
}

/// Applies the new manifests, deletes the old ones and checks what came of it; gives the number of writes.
async fn hand_over(dialect: Dialect, change: Move, when: When, backwards: bool, crash: Crash) -> usize {
    let scene = format!("{change:?}, {when:?}, backwards {backwards}, crash {crash:?}");
    // Every run meets the objects in another order.
    let seed = crash.map_or(0, |(nth, _)| nth as u64);
    let (world, operator) = ready_pair(Nature { seed, ..Nature::of(dialect) }).await;
    let service = only_service(&world);
    let executioner = Executioner::waits(&world, &operator, crash);
    let mut play = Undying { world, operator: Some(operator), executioner };
    change.apply(&play.world);
    match when {
        When::Soon => play.world.pass(Duration::from_millis(50)).await,
        When::Ready => {
            let ready = |world: &World| {
                change
                    .successors()
                    .iter()
                    .all(|(p, ns, n)| object(world, p, ns, n)["status"]["conditions"][0]["status"] == "True")
            };
            play.until(&format!("{scene}: the new ones Ready"), ready).await;
        }
    }
    let mut old = change.old();
    if backwards {
        old.reverse();
    }
    for (plural, namespace, name) in &old {
        play.world.kube.delete(plural, namespace, name).unwrap();
    }
    let done = |world: &World| {
        !old.iter().any(|name| is_there(world, *name)) && change.successors().iter().all(|name| owns(world, *name))
    };
    play.until(&format!("{scene}: handed over"), done).await;
    // A crash after the last write that was waited for comes now, or never.
    play.world.pass(MINUTE).await;
    play.revive().await;
    assert_eq!(play.executioner.has_struck(), crash.is_some(), "{scene}: the crash came");
    oracle::quiet_hour(&play.world).await;
    assert_eq!(deletes(&play.world), Vec::<String>::new(), "{scene}: a DELETE reached Atlas");
    assert_eq!(only_service(&play.world), service, "{scene}: the same service");
    assert!(done(&play.world), "{scene}: it stays so\n{}", play.world.picture());
    for (plural, namespace, name) in change.successors() {
        play.world.kube.delete(plural, namespace, name).unwrap();
    }
    gone_without_trace(&play.world).await;
    play.executioner.writes.load(Ordering::SeqCst)
}

/// The hand-over without a crash, then with one at every write of it.
async fn everywhere(dialect: Dialect, change: Move, when: When, backwards: bool) {
    let writes = hand_over(dialect, change, when, backwards, None).await;
    assert!(writes >= 4, "only {writes} writes were seen");
    // The last two or more belong to the deletion of the successors.
    let last = writes - 2 * change.successors().len();
    for nth in 0..last {
        for phase in [Phase::BeforeEffect, Phase::AfterEffect] {
            hand_over(dialect, change, when, backwards, Some((nth, phase))).await;
        }
    }
}

/// The moves among namespaces in the older dialect, without a crash; its renames are among those below.
#[tokio::test(start_paused = true)]
async fn a_move_in_v1() {
    for when in [When::Ready, When::Soon] {
        for backwards in [false, true] {
            hand_over(Dialect::V1, Move::Namespace, when, backwards, None).await;
        }
    }
}

macro_rules! hand_overs {
    ($($name:ident: $dialect:ident $change:ident $when:ident $backwards:literal,)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            everywhere(Dialect::$dialect, Move::$change, When::$when, $backwards).await;
        }
    )*};
}

hand_overs! {
    a_rename_after_ready_link_first: V2 Rename Ready false,
    a_rename_after_ready_endpoint_first: V2 Rename Ready true,
    a_rename_at_once_link_first: V2 Rename Soon false,
    a_rename_at_once_endpoint_first: V2 Rename Soon true,
    an_endpoints_rename_after_ready: V2 RenameEndpoint Ready false,
    an_endpoints_rename_at_once: V2 RenameEndpoint Soon false,
    a_move_after_ready_link_first: V2 Namespace Ready false,
    a_move_after_ready_endpoint_first: V2 Namespace Ready true,
    a_move_at_once_link_first: V2 Namespace Soon false,
    a_move_at_once_endpoint_first: V2 Namespace Soon true,
    a_rename_after_ready_link_first_in_v1: V1 Rename Ready false,
    a_rename_after_ready_endpoint_first_in_v1: V1 Rename Ready true,
    a_rename_at_once_link_first_in_v1: V1 Rename Soon false,
    a_rename_at_once_endpoint_first_in_v1: V1 Rename Soon true,
    an_endpoints_rename_after_ready_in_v1: V1 RenameEndpoint Ready false,
    an_endpoints_rename_at_once_in_v1: V1 RenameEndpoint Soon false,
}

/// The old objects are deleted first, and the new ones applied after `pause`.
async fn old_first(change: Move, pause: Duration) {
    let scene = format!("{change:?} after {pause:?}");
    let (world, _operator) = ready_pair(Nature::default()).await;
    let service = only_service(&world);
    for (plural, namespace, name) in change.old() {
        world.kube.delete(plural, namespace, name).unwrap();
    }
    world.pass(pause).await;
    change.apply(&world);
    let [new_link, new_endpoint] = change.successors()[..] else { panic!("a link and an endpoint") };
    let settled = |world: &World| {
        let (_, namespace, name) = new_endpoint;
        let conditions = &object(world, ENDPOINTS, namespace, name)["status"]["conditions"];
        conditions[0]["status"] == "True" || conditions[1]["type"] == "Stalled"
    };
    let old_gone = |world: &World| !change.old().iter().any(|name| is_there(world, *name));
    world.until(2 * HOUR, &scene, |world| old_gone(world) && owns(world, new_link) && settled(world)).await;
    let (_, namespace, name) = new_endpoint;
    let reason = object(&world, ENDPOINTS, namespace, name)["status"]["conditions"][0]["reason"].clone();
    if only_service(&world) == service {
        assert_eq!(reason, "Available", "{scene}: the service survived, so the VPC endpoint still fits");
    } else {
        // The VPC endpoint was made for the service that is gone.
        assert_eq!(reason, "Rejected", "{scene}");
        let id = "vpce-0123456789abcdef0";
        world.kube.patch(ENDPOINTS, namespace, name, json!({"spec": {"interfaceEndpointId": id}})).unwrap();
        world
            .until(5 * MINUTE, &format!("{scene}: mended by a new id"), |world| {
                let retiring = &object(world, ENDPOINTS, namespace, name)["status"]["retiring"];
                owns(world, new_endpoint) && retiring.is_null()
            })
            .await;
        // The link shows what is attached at its next resync.
        world.pass(20 * MINUTE).await;
    }
    oracle::quiet_hour(&world).await;
    for (plural, namespace, name) in change.successors() {
        world.kube.delete(plural, namespace, name).unwrap();
    }
    gone_without_trace(&world).await;
}

#[tokio::test(start_paused = true)]
async fn old_first_then_new_ends_clean_and_converges() {
    for change in [Move::Rename, Move::RenameEndpoint, Move::Namespace] {
        for pause in [50, 1_000, 15_000, 40_000, 600_000] {
            old_first(change, Duration::from_millis(pause)).await;
        }
    }
}

/// Everything about one resource of a namespace comes 20 s late: its reader has not had its answer yet.
fn slow(world: &World, resource: &str, namespace: &str) {
    let late = Matcher::any().verb(Verb::Get).resource(resource).namespace(namespace);
    world.kube.inject(Rule::new(late, Fault::slow(Duration::from_secs(20))).always());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_heirs_whose_secret_is_still_being_read() {
    for backwards in [false, true] {
        let (world, _operator) = ready_pair(Nature::default()).await;
        slow(&world, "secrets", ELSEWHERE);
        Move::Namespace.apply(&world);
        let mut old = Move::Namespace.old();
        if backwards {
            old.reverse();
        }
        for (plural, namespace, name) in &old {
            world.kube.delete(plural, namespace, name).unwrap();
        }
        let done = |world: &World| {
            !old.iter().any(|name| is_there(world, *name))
                && Move::Namespace.successors().iter().all(|name| owns(world, *name))
        };
        world.until(HOUR, "handed over", done).await;
        assert_eq!(deletes(&world), Vec::<String>::new(), "backwards {backwards}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_an_heir_whose_config_map_is_still_being_read() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ids", "namespace": NAMESPACE}, "data": {"id": VPCE}}));
    slow(&world, "configmaps", NAMESPACE);
    let from = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": {"configMapKeyRef": {"name": "ids", "key": "id"}}}});
    world.apply(with(endpoint("orders-b", "orders", VPCE), from));
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    let done = |world: &World| {
        world.find_endpoint(NAMESPACE, "orders-a").is_none() && owns(world, (ENDPOINTS, NAMESPACE, "orders-b"))
    };
    world.until(HOUR, "handed over", done).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_is_told_on_both_sides() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    Move::Rename.apply(&world);
    let new_ready = |world: &World| world.link_ready("orders-new") && world.endpoint_ready("orders-b");
    world.until(HOUR, "the new ones Ready", new_ready).await;
    for name in ["orders-new", "orders-b"] {
        assert_eq!(told(&world, name), ["Adopted", "Ready"], "{name}");
    }
    for (plural, namespace, name) in Move::Rename.old() {
        world.kube.delete(plural, namespace, name).unwrap();
    }
    let gone = |world: &World| !Move::Rename.old().iter().any(|name| is_there(world, *name));
    world.until(HOUR, "the old ones gone", gone).await;
    for name in ["orders-new", "orders-b"] {
        assert_eq!(told(&world, name), ["Adopted", "Ready", "HandedOver"], "{name}");
    }
    for name in ["orders", "orders-a"] {
        assert_eq!(told(&world, name), ["Created", "Ready", "HandedOver"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_without_endpoints_waits_for_its_heir_too() {
    let (world, _operator) = ready_link(Nature::default()).await;
    slow(&world, "secrets", ELSEWHERE);
    world.secret(ELSEWHERE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)]);
    world.apply(within(ELSEWHERE, link("orders")));
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let done =
        |world: &World| world.find_link(NAMESPACE, "orders").is_none() && owns(world, (LINKS, ELSEWHERE, "orders"));
    world.until(HOUR, "handed over", done).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}
