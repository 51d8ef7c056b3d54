//! Poison and floods: whatever is wrong with other objects, and however many they are, the slowest of some healthy pairs
//! gets Ready, and goes, in hardly more time than where they are alone.

use crate::{
    Group,
    harness::{
        alone::{alone, says_ready},
        looks::HOUR,
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{
    atlas::{
        dialect::Dialect,
        transport::{Transport, TransportError},
    },
    testbed::simulator::{Change, Fault, Operation, Rule},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const DEAD: &str = "5df264b8f10fab7d2cad2f99";
const MANY: usize = 150;
/// Where there is a healthy pair. With so few of them, the ninety-ninth percentile is the slowest.
pub const REGIONS: [&str; 10] = [
    "us-east-1",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
];

/// What is wrong with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    LinkIsUndecodable,
    EndpointIsUndecodable,
    ObjectIsHuge,
    ReconcilePanics,
    ProjectHangs,
    ProjectIsSlow,
    /// Whoever writes takes long, and several have something to write.
    WritesAreSlow,
    ProjectIsThrottled,
    ProjectIsBroken,
    ProjectIsBrokenForThousands,
    ProjectIsNotFound,
    KeyIsRefused,
    SecretsAreMissing,
    LinkIsMissing,
    EditsPourIn,
}

impl Trouble {
    const ALL: [Self; 15] = [
        Self::LinkIsUndecodable,
        Self::EndpointIsUndecodable,
        Self::ObjectIsHuge,
        Self::ReconcilePanics,
        Self::ProjectHangs,
        Self::ProjectIsSlow,
        Self::WritesAreSlow,
        Self::ProjectIsThrottled,
        Self::ProjectIsBroken,
        Self::ProjectIsBrokenForThousands,
        Self::ProjectIsNotFound,
        Self::KeyIsRefused,
        Self::SecretsAreMissing,
        Self::LinkIsMissing,
        Self::EditsPourIn,
    ];

    fn begins(self, world: &World) {
        let bad = |kind: &str| json!({"apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": kind, "metadata": {"name": "bad", "namespace": NAMESPACE}, "spec": {"region": 7}});
        let in_dead_project = |fault: Fault| {
            let mut rule = Rule::everywhere(fault);
            rule.when.project = Some(DEAD.to_owned());
            world.atlas.inject(rule);
            links(world, &json!({"spec": {"projectId": DEAD}}));
        };
        match self {
            Self::LinkIsUndecodable => world.apply(bad("AtlasPrivateLink")),
            Self::EndpointIsUndecodable => world.apply(bad("AtlasInterfaceEndpoint")),
            Self::ObjectIsHuge => {
                // All annotations of an object together have 256 KiB at most, a request 1.5 MiB.
                let label = |number: usize| (format!("{number:063}"), json!("x".repeat(63)));
                let labels: serde_json::Map<_, _> = (0..8_700).map(label).collect();
                let metadata = json!({"labels": labels, "annotations": {"note": "x".repeat(260_000)}});
                let huge = with(link("huge"), json!({"metadata": metadata, "spec": {"region": "us-west-1"}}));
                assert!(huge.to_string().len() > 1_400_000);
                world.apply(huge);
            }
            Self::ReconcilePanics | Self::ProjectIsNotFound => links(world, &json!({"spec": {"projectId": DEAD}})),
            Self::ProjectHangs => in_dead_project(Fault::HungBefore),
            Self::ProjectIsSlow => in_dead_project(Fault::Slow { millis: 12_000 }),
            Self::WritesAreSlow => {
                let mut rule = Rule::always(Operation::CreateService, Fault::Slow { millis: 10_000 });
                rule.when.project = Some(DEAD.to_owned());
                world.atlas.inject(rule);
                for region in ["us-east-2", "us-west-1", "us-west-2", "sa-east-1"] {
                    world.apply(with(link(region), json!({"spec": {"projectId": DEAD, "region": region}})));
                }
            }
            Self::ProjectIsThrottled => in_dead_project(Fault::ThrottledSilent),
            Self::ProjectIsBroken => in_dead_project(Fault::UnexpectedError),
            Self::ProjectIsBrokenForThousands => {
                in_dead_project(Fault::UnexpectedError);
                for number in MANY..10_000 {
                    let region = REGIONS[number % REGIONS.len()];
                    let change = json!({"spec": {"projectId": DEAD, "region": region}});
                    world.apply(with(link(&format!("other-{number}")), change));
                }
            }
            Self::KeyIsRefused => {
                world.secret(NAMESPACE, "refused", &[("publicKey", "nobodys"), ("privateKey", PRIVATE)]);
                links(world, &json!({"spec": {"credentialsRef": {"name": "refused"}, "region": "us-west-2"}}));
            }
            Self::SecretsAreMissing => links(world, &json!({"spec": {"credentialsRef": {"name": "missing"}}})),
            Self::LinkIsMissing => {
                for number in 0..MANY {
                    world.apply(endpoint(&format!("other-{number}"), "missing", VPCE));
                }
            }
            Self::EditsPourIn => {
                world.apply(with(link("edited"), json!({"spec": {"suspend": true, "region": "us-west-1"}})))
            }
        }
    }

    /// What goes on and on.
    async fn goes_on(self, world: &World) {
        if self != Self::EditsPourIn {
            return std::future::pending().await;
        }
        for number in 0_u64.. {
            // Ten thousand in the first second.
            let pause = if number < 10_000 { Duration::from_micros(100) } else { Duration::from_millis(20) };
            let edit = json!({"metadata": {"annotations": {"edit": number.to_string()}}});
            world.kube.patch(LINKS, NAMESPACE, "edited", edit).unwrap();
            world.pass(pause).await;
        }
    }
}

fn links(world: &World, change: &Value) {
    for number in 0..MANY {
        world.apply(with(link(&format!("other-{number}")), change.clone()));
    }
}

/// A way to Atlas on which every request of the dead project ends in a panic.
struct Cursed(Arc<dyn Transport>);

impl Transport for Cursed {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let cursed = request.uri().path().contains(DEAD);
        let sent = self.0.send(request);
        Box::pin(async move {
            assert!(!cursed, "this panic is part of the test");
            sent.await
        })
    }
}

/// How long the slowest pair takes to get Ready, and to go, and how all looked between.
#[derive(Clone)]
struct Pace {
    ready: Duration,
    gone: Duration,
    pairs: Vec<Value>,
}

/// The names of link and endpoint of a pair.
fn names(region: &str) -> [(&'static str, String); 2] {
    [(LINKS, format!("orders-{region}")), (ENDPOINTS, format!("orders-{region}-a"))]
}

async fn pace(world: &World) -> Pace {
    let start = Instant::now();
    for (number, region) in REGIONS.iter().enumerate() {
        let [(_, link_name), (_, endpoint_name)] = names(region);
        world.apply(with(link(&link_name), json!({"spec": {"region": region}})));
        world.apply(endpoint(&endpoint_name, &link_name, &format!("vpce-{number:017x}")));
    }
    let all = || REGIONS.iter().flat_map(|region| names(region));
    let are_ready = |world: &World| all().all(|(plural, name)| says_ready(world, plural, &name));
    world.until(HOUR, "all Ready", are_ready).await;
    let ready = start.elapsed();
    let pairs = pairs(world);
    let start = Instant::now();
    for (plural, name) in all() {
        world.kube.delete(plural, NAMESPACE, &name).unwrap();
    }
    let are_gone = |world: &World| all().all(|(plural, name)| world.kube.get(plural, NAMESPACE, &name).is_none());
    world.until(HOUR, "all gone", are_gone).await;
    Pace { ready, gone: start.elapsed(), pairs }
}

/// How the pairs look, among all the others.
fn pairs(world: &World) -> Vec<Value> {
    let mut outcome = oracle::outcome(world);
    let of_pair = |object: &&mut Value| object["name"].as_str().is_some_and(|name| name.starts_with("orders-"));
    oracle::objects_in(&mut outcome).filter(of_pair).map(|object| object.take()).collect()
}

async fn undisturbed() -> Pace {
    let mut world = World::new(Nature::default());
    world.credentials();
    world.start();
    pace(&world).await
}

async fn run(trouble: Trouble, alone: Arc<Pace>) -> World {
    let mut world = World::new(Nature::default());
    world.credentials();
    if trouble == Trouble::ProjectIsNotFound {
        world.change(Change::DeleteProject { project: DEAD.to_owned() });
    }
    trouble.begins(&world);
    let transport = world.atlas.transport();
    let operator =
        if trouble == Trouble::ReconcilePanics { world.start_over(Arc::new(Cursed(transport))) } else { world.start() };
    world.pass(Duration::from_secs(60)).await;
    let Pace { ready, gone, pairs } = tokio::select! {
        pace = pace(&world) => pace,
        () = trouble.goes_on(&world) => unreachable!("it goes on for ever"),
    };
    // A tenth more, and a moment for the looks of this test.
    let most = |alone: Duration| alone.mul_f64(1.1) + Duration::from_secs(1);
    assert!(ready <= most(alone.ready), "Ready after {ready:?}, and after {:?} alone", alone.ready);
    assert!(gone <= most(alone.gone), "gone after {gone:?}, and after {:?} alone", alone.gone);
    assert_eq!(pairs, alone.pairs);
    let made = (REGIONS.len(), REGIONS.len());
    assert_eq!(made_for_the_pairs(&world), made, "services and endpoints made for the pairs");
    assert!(!operator.has_ended(), "the operator has died");
    // Who of a crowd comes first is for chance; once Atlas is well again, all do. Thousands that share a service would tell
    // each other for minutes what they have.
    if trouble == Trouble::ProjectIsBrokenForThousands {
        oracle::quiet_wait(&world).await;
    } else {
        world.atlas.clear_faults();
        if trouble == Trouble::ProjectIsNotFound {
            world.change(Change::RestoreProject { project: DEAD.to_owned() });
        }
        world.pass(HOUR).await;
        oracle::quiet_resync(&world).await;
    }
    if trouble == Trouble::ReconcilePanics {
        oracle::although_it_panics(&world)
    } else {
        oracle::always(&world)
    }
    operator.stop().await;
    world
}

/// How many services and endpoints requests have made where the pairs are.
fn made_for_the_pairs(world: &World) -> (usize, usize) {
    let ledger = world.ledger();
    let creates = ledger.creates();
    let of_pairs = creates.iter().filter(|((project, _, region, _), _)| {
        let theirs = REGIONS.iter().any(|theirs| theirs.to_uppercase().replace('-', "_") == *region);
        project == PROJECT && theirs
    });
    (of_pairs.map(|(_, count)| count).sum(), ledger.endpoint_adds().len())
}

fn floods() -> Vec<Plan> {
    let alone = Arc::new(alone(undisturbed).unwrap());
    let plan = |trouble: Trouble| {
        let data = Data::new(Campaign::Flood, "pair", Dialect::V2).meanwhile(format!("{trouble:?}"));
        Plan::compared(data, trouble, &alone, run)
    };
    Trouble::ALL.into_iter().map(plan).collect()
}

pub const GROUPS: [Group; 1] = [floods];
