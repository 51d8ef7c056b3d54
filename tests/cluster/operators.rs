//! Operators that meet, die, and find the API server gone.

use super::{
    audit::{Call, calls},
    world::*,
};
use atlas_privatelink_operator::{
    api::ATTEMPT_ANNOTATION,
    testbed::{
        control_plane::{ControlPlane, Options},
        simulator::{Fault, Operation, Rule},
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::io::AsyncWriteExt;

/// Links, and an endpoint on each, in as many projects.
async fn applied(world: &World, count: usize) {
    world.credentials().await;
    for number in 0..count {
        world.apply(&link_of(&format!("orders-{number}"), &project(number))).await;
        let name = format!("orders-{number}-a");
        world.apply(&endpoint(&name, &format!("orders-{number}"), &vpce(number))).await;
    }
}

async fn until_all_ready(world: &World, within: Duration) {
    world
        .until(within, "all are Ready", async |world: &World| {
            let (links, endpoints) = (world.list(LINKS).await, world.list(ENDPOINTS).await);
            links.iter().chain(&endpoints).all(is_ready)
        })
        .await;
}

/// The versions of all objects, which tell whether anybody wrote one.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for plural in [LINKS, ENDPOINTS] {
        for object in world.list(plural).await {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            versions.insert(text("uid"), text("resourceVersion"));
        }
    }
    versions
}

/// In the end nothing is written any more, though every project is looked at again and again: who writes because
/// another has written never comes to this end.
async fn quiet(world: &World, projects: usize) {
    const LOOKS: usize = 12;
    let lists = |world: &World| -> Vec<usize> { (0..projects).map(|n| world.requests_of(&project(n))).collect() };
    let mut last = (versions(world).await, lists(world));
    let what = "every project is looked at twelve times, and nobody writes meanwhile";
    world
        .until(SOON, what, async |world: &World| {
            let now = versions(world).await;
            if now != last.0 {
                last = (now, lists(world));
            }
            lists(world).iter().zip(&last.1).all(|(now, before)| *now >= before + LOOKS)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_on_the_same_objects_create_once_and_do_not_answer_each_other() {
    const COUNT: usize = 5;
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let (_one, _other) = (world.start(), world.start());
    applied(&world, COUNT).await;
    until_all_ready(&world, SOON).await;
    quiet(&world, COUNT).await;
    let creates = world.ledger().creates();
    assert_eq!(creates.values().copied().collect::<Vec<_>>(), [1; COUNT]);
    assert_eq!(world.ledger().endpoint_adds().len(), COUNT);
    for object in world.list(LINKS).await.iter().chain(&world.list(ENDPOINTS).await) {
        assert_eq!(object["status"]["origin"], "Created", "{object:#}");
    }
    for plural in [LINKS, ENDPOINTS] {
        for object in world.list(plural).await {
            world.delete(plural, object["metadata"]["name"].as_str().expect("a name")).await;
        }
    }
    world
        .until(SOON, "all are gone", async |world: &World| {
            world.list(LINKS).await.is_empty() && world.list(ENDPOINTS).await.is_empty()
        })
        .await;
    world.nothing_is_left();
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_clusters_exactly_one_says_created() {
    const COUNT: usize = 6;
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let control_plane = ControlPlane::start(Options::default()).await.expect("started");
    define(&control_plane.client()).await;
    let here = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let there = here.beside(Plane::of(&control_plane)).await;
    let (_one, _other) = (here.start(), there.start());
    tokio::join!(applied(&here, COUNT), applied(&there, COUNT));
    tokio::join!(until_all_ready(&here, SOON), until_all_ready(&there, SOON));
    for plural in [LINKS, ENDPOINTS] {
        for (one, other) in here.list(plural).await.iter().zip(there.list(plural).await) {
            let mut origins = [&one["status"]["origin"], &other["status"]["origin"]];
            origins.sort_by_key(|origin| origin.to_string());
            assert_eq!(origins, ["Adopted", "Created"], "{one:#}\n{other:#}");
        }
    }
    assert_eq!(here.ledger().creates().values().copied().collect::<Vec<_>>(), [1; COUNT]);
    here.always().await;
    there.always().await;
    drop(_other);
    control_plane.stop().await.expect("stopped");
}

/// Whether a creation of it is recorded that nobody has heard the end of.
fn is_unanswered(object: &Value) -> bool {
    object["metadata"]["annotations"][ATTEMPT_ANNOTATION].is_string() && object["status"]["origin"].is_null()
}

async fn unanswered(world: &World) -> usize {
    let (links, endpoints) = (world.list(LINKS).await, world.list(ENDPOINTS).await);
    links.iter().chain(&endpoints).filter(|object| is_unanswered(object)).count()
}

/// The seed of the instants: of this variable, else another one each time.
fn seed() -> u64 {
    const VARIABLE: &str = "KILL_SEED";
    let seed = match std::env::var(VARIABLE) {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => rand::random(),
    };
    println!("again with these instants: {VARIABLE}={seed}");
    seed
}

/// Killed again and again at random instants while creations of 20 projects are in every phase: recorded, on their way,
/// done without an answer, answered without a status.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_mid_creation_it_creates_nothing_twice() {
    const COUNT: usize = 20;
    const ROUNDS: usize = 20;
    let mut random = StdRng::seed_from_u64(seed());
    let world = World::new(Nature::default()).await;
    // Whatever the instants meet: the first kill meets one that is done, and whose answer is far away.
    world.atlas.inject(Rule::once(Operation::CreateService, Fault::Slow { millis: 25_000 }));
    for (operation, millis) in [(Operation::CreateService, 300), (Operation::AddEndpoint, 200)] {
        world.atlas.inject(Rule { times: Some(50), ..Rule::always(operation, Fault::Slow { millis }) });
    }
    applied(&world, COUNT).await;
    let operator = world.start();
    world.until(SOON, "a creation is sent", async |world: &World| world.calls(Operation::CreateService) > 0).await;
    operator.kill().await;
    let mut met = vec![unanswered(&world).await];
    assert!(met[0] > 0, "the kill met nothing");
    for _ in 0..ROUNDS {
        let operator = world.start();
        tokio::time::sleep(Duration::from_millis(random.random_range(20..900))).await;
        operator.kill().await;
        met.push(unanswered(&world).await);
    }
    println!("unanswered after each kill: {met:?}");
    let _operator = world.start();
    // One that was killed between the record and the request is waited for, for 90 seconds.
    until_all_ready(&world, 2 * SOON).await;
    let ledger = world.ledger();
    assert_eq!(ledger.creates().values().copied().collect::<Vec<_>>(), [1; COUNT]);
    assert_eq!(ledger.endpoint_adds().len(), COUNT);
    assert!(ledger.service_deletes().is_empty() && ledger.endpoint_deletes().is_empty());
    for object in world.list(LINKS).await.iter().chain(&world.list(ENDPOINTS).await) {
        assert_eq!(object["status"]["origin"], "Created", "{object:#}");
    }
    world.always().await;
}

/// What is Ready stays so through restarts, without a single write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_not_seen_on_what_is_ready() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let mut operator = world.start();
    applied(&world, 6).await;
    until_all_ready(&world, SOON).await;
    quiet(&world, 6).await;
    let before = versions(&world).await;
    for _ in 0..6 {
        operator.kill().await;
        operator = world.start();
        let looks = world.calls(Operation::GetEndpoint);
        world
            .until(SOON, "it looks at every endpoint", async |world: &World| {
                world.calls(Operation::GetEndpoint) >= looks + 6
            })
            .await;
        assert_eq!(versions(&world).await, before, "the restart was written down");
    }
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_well() {
    let world = World::new(Nature::default()).await;
    let operator = world.start();
    applied(&world, 1).await;
    until_all_ready(&world, SOON).await;
    let status = operator.terminate().await;
    assert!(status.success(), "{status}");
    world.always().await;
}

/// Also while somebody has begun to ask for one of its pages, and says no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_never_finished_does_not_hold_up_its_end() {
    let world = World::new(Nature::default()).await;
    let operator = world.start();
    until(SOON, "it serves", async || operator.page("/readyz").await.0 == 200).await;
    let mut half = tokio::net::TcpStream::connect(operator.address().await).await.expect("connected");
    half.write_all(b"GET /met").await.expect("sent");
    let status = operator.terminate().await;
    assert!(status.success(), "{status}");
}

/// Also while a call of Atlas is under way: that one is finished and recorded, and nothing else is begun meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_it_finish_what_runs_and_begin_nothing() {
    let world = World::new(Nature::default()).await;
    let mut operator = world.start();
    world.credentials().await;
    world.atlas.inject(Rule::once(Operation::CreateService, Fault::Slow { millis: 20_000 }));
    world.apply(&link_of("late", &project(7))).await;
    world.until(SOON, "the request is sent", async |world: &World| world.calls(Operation::CreateService) == 1).await;
    operator.signal("-TERM");
    until(SOON, "it has heard the signal", async || operator.log().contains("stopping: no new work")).await;
    world.apply(&link_of("too-late", &project(8))).await;
    assert!(!operator.has_ended(), "it did not wait for what runs: nobody was there to see the new link");
    let status = operator.end().await;
    assert!(status.success(), "{status}");
    let late = world.get(LINKS, "late").await.expect("there");
    assert_eq!(late["status"]["origin"], "Created", "what ran was not finished: {late:#}");
    let too_late = world.get(LINKS, "too-late").await.expect("there");
    assert_eq!(too_late["status"], json!({"observedGeneration": -1}), "new work was begun");
    assert_eq!(too_late["metadata"]["finalizers"], Value::Null, "new work was begun");
    assert_eq!(world.requests_of(&project(8)), 0, "Atlas was asked for new work");
    world.always().await;
}

/// The writes of the operator that were refused because somebody else had been quicker.
fn refused_writes(world: &World) -> Vec<Call> {
    let calls = calls(&world.nature.plane.audit, &world.namespace).into_iter();
    calls.filter(|call| call.is_operator() && call.code == 409 && [LINKS, ENDPOINTS].contains(&call.plural())).collect()
}

/// Somebody else writes to the same objects all the time, so that every version the operator has is an old one soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_gets_its_work_done_beside_a_busy_writer() {
    let world = World::new(Nature::default()).await;
    let _operator = world.start();
    applied(&world, 1).await;
    let (mut writes, start) = (0u32, Instant::now());
    let names = [(LINKS, "orders-0"), (ENDPOINTS, "orders-0-a")];
    let all_ready = async || {
        let (link, endpoint) = (world.get(LINKS, "orders-0").await, world.get(ENDPOINTS, "orders-0-a").await);
        [link, endpoint].into_iter().flatten().filter(is_ready).count() == 2
    };
    // However quick the operator is: one of its writes has to have met a version that was not the newest any more.
    while !all_ready().await || writes < 100 || refused_writes(&world).is_empty() {
        if start.elapsed() > SOON {
            let objects = (world.list(LINKS).await, world.list(ENDPOINTS).await);
            panic!("no conflict, or none that it gets over: {:?}\n{objects:#?}", refused_writes(&world));
        }
        for (plural, name) in names {
            let label = json!({"metadata": {"labels": {"busy": writes.to_string()}}});
            world.merge(plural, name, &label).await.expect("written");
        }
        writes += 1;
    }
    assert_eq!(world.ledger().creates().values().sum::<usize>(), 1);
    assert_eq!(world.ledger().endpoint_adds().len(), 1);
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_begins_by_itself_and_says_that_it_is_ready() {
    let world = World::new(Nature::default()).await;
    world.apply(&link("orders")).await;
    let operator = world.start();
    world.until_is(LINKS, "orders", "it is seen", |link| link["status"]["observedGeneration"] == 1).await;
    let (status, body) = operator.page("/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
}

/// The definitions come after the operator, and the API server goes and comes back under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_the_definitions_and_outlives_the_api_server() {
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let mut control_plane = ControlPlane::start(Options::default()).await.expect("started");
    let nature = Nature { plane: Plane::of(&control_plane), ..Nature::default() };
    let world = World::new(nature).await;
    let mut operator = world.start();
    until(SOON, "it says what is missing", async || {
        let (status, body) = operator.page("/readyz").await;
        status == 503
            && body.contains("atlasprivatelinks.atlas.privatelink.dev")
            && body.contains("atlasinterfaceendpoints.atlas.privatelink.dev")
    })
    .await;
    assert_eq!(operator.page("/healthz").await.0, 200, "a restart would not help");
    define(&world.client).await;
    until(SOON, "it is ready", async || operator.page("/readyz").await.0 == 200).await;
    applied(&world, 2).await;
    world.until(SOON, "a service is being made", async |world: &World| world.calls(Operation::CreateService) > 0).await;

    control_plane.restart_api_server().await.expect("restarted");
    until_all_ready(&world, SOON).await;
    // The watches work again: what comes now is noticed, what goes as well.
    world.apply(&link_of("late", &project(9))).await;
    world.until_ready(LINKS, "late").await;
    world.delete(LINKS, "late").await;
    world.until_gone(LINKS, "late").await;
    assert_eq!(world.ledger().creates().values().copied().collect::<Vec<_>>(), [1; 3]);
    assert!(!operator.has_ended());
    world.always().await;
    drop(operator);
    control_plane.stop().await.expect("stopped");
}
