//! Random lives: a few links and endpoints of two projects, applied, edited and deleted at random, by operators that are
//! killed at random, over an Atlas and an API server that fail at random. Then the faults end, and all must come to rest;
//! then all is deleted, and nothing may be left. A run is named by its seed, and only run where it is asked for.

mod others;

use crate::{
    crowd,
    harness::{
        alone::eventually,
        hands::NEW,
        life::{PATIENCE, all_objects, delete_all},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    ways::Late,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::{
        kubernetes::{self, Matcher, Verb},
        simulator::{Change, Fault, Operation, Rule, Switches},
    },
};
use http::StatusCode;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const STEPS: usize = 30;
const LINK_NAMES: [&str; 4] = ["a", "b", "c", "d"];
const ENDPOINT_NAMES: [&str; 4] = ["a-1", "a-2", "b-1", "c-1"];
const OBJECTS: [(&str, &str); 8] = [
    (LINKS, LINK_NAMES[0]),
    (LINKS, LINK_NAMES[1]),
    (LINKS, LINK_NAMES[2]),
    (LINKS, LINK_NAMES[3]),
    (ENDPOINTS, ENDPOINT_NAMES[0]),
    (ENDPOINTS, ENDPOINT_NAMES[1]),
    (ENDPOINTS, ENDPOINT_NAMES[2]),
    (ENDPOINTS, ENDPOINT_NAMES[3]),
];
/// VPC endpoints for the service of `a` and `b`, and for any other one: AWS makes each for one service.
const IDS: [&str; 3] = [VPCE, NEW, "vpce-0a0a0a0a0a0a0a0a0"];
const IDS_ELSEWHERE: [&str; 3] = ["vpce-0b0b0b0b0b0b0b0b0", "vpce-0c0c0c0c0c0c0c0c0", "vpce-0d0d0d0d0d0d0d0d0"];
const OTHER: &str = "5df264b8f10fab7d2cad2f0e";

/// The first `runs` from a seed, and a crowd for every thousand of them.
pub fn plans(first: u64, runs: u64) -> Vec<Plan> {
    let crowds = (first..first.saturating_add(runs / 1000)).map(crowd::plan);
    crowds.chain((first..first.saturating_add(runs)).map(plan)).collect()
}

/// The one of this id, if it is one.
pub fn named(id: &str) -> Option<Plan> {
    let seed = id.strip_prefix("soak/")?.rsplit_once("seed-")?.1.parse().ok()?;
    [plan(seed), crowd::plan(seed)].into_iter().find(|plan| plan.id() == id)
}

fn plan(seed: u64) -> Plan {
    let dialect = if seed.is_multiple_of(3) { Dialect::V1 } else { Dialect::V2 };
    let data = Data { seed, ..Data::new(Campaign::Soak, "random", dialect) };
    Plan::new(data, move || run(seed, dialect))
}

/// A life, its randomness, and the operator that works now.
struct Life {
    world: World,
    dice: SmallRng,
    operator: Option<Running>,
    way: Way,
    /// Whether others make services and attach endpoints, too: then nothing is told to delete whatever it has.
    others_make: bool,
    /// Whether `b` only ever adopts: what a link has made is not deleted for one that was told later to adopt only.
    shares: bool,
}

/// How the operator proves itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Key,
    ServiceAccount,
}

impl Way {
    /// v1.0 takes no service account.
    fn of(seed: u64, dialect: Dialect) -> Self {
        if seed.is_multiple_of(5) && dialect == Dialect::V2 { Self::ServiceAccount } else { Self::Key }
    }

    /// Its name, and the secrets that it has one after the other.
    fn credentials(self) -> (&'static str, [&'static str; 3]) {
        match self {
            Self::Key => {
                (PUBLIC, [PRIVATE, "canary-private-key-0123456789-second", "canary-private-key-0123456789-third"])
            }
            Self::ServiceAccount => (CLIENT_ID, [CLIENT_SECRET, "mdb_sa_sk_canary-second", "mdb_sa_sk_canary-third"]),
        }
    }

    /// What the Secret then holds.
    fn entries(self, secret: &str) -> [(&'static str, &str); 2] {
        match self {
            Self::Key => [("publicKey", PUBLIC), ("privateKey", secret)],
            Self::ServiceAccount => [("clientId", CLIENT_ID), ("clientSecret", secret)],
        }
    }
}

impl Life {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.dice).unwrap()
    }

    /// The manifest of a link: `a` and `b` are rivals for one service.
    fn link(&mut self, name: &str) -> Value {
        let change = match name {
            "a" | "b" => json!({}),
            "c" => json!({"spec": {"region": "us-west-2"}}),
            _ => json!({"spec": {"projectId": OTHER}}),
        };
        let policies = if name == "b" && self.shares {
            json!({"adoptionPolicy": "AdoptOnly"})
        } else {
            json!({"adoptionPolicy": self.policy("CreateOnly"), "deletionPolicy": self.disposal()})
        };
        with(with(link(name), change), json!({"spec": policies}))
    }

    fn endpoint(&mut self, name: &str) -> Value {
        let id = self.pick(if name.starts_with('c') { &IDS_ELSEWHERE } else { &IDS });
        with(endpoint(name, &name[..1], id), json!({"spec": {"deletionPolicy": self.disposal()}}))
    }

    fn disposal(&mut self) -> Option<&'static str> {
        self.policy("Delete").filter(|_| !self.others_make)
    }

    /// Most often the one that a manifest has which says nothing.
    fn policy(&mut self, other: &'static str) -> Option<&'static str> {
        self.dice.random_ratio(1, 5).then_some(other)
    }

    async fn step(&mut self) {
        let Self { world, .. } = self;
        let world = world.clone();
        let chosen = self.dice.random_range(0..12);
        match chosen {
            0..=2 => {
                let name = self.pick(&LINK_NAMES);
                world.apply(self.link(name));
            }
            3 | 4 => {
                let name = self.pick(&ENDPOINT_NAMES);
                // An edit of one that is being deleted is refused in vain.
                let manifest = self.endpoint(name);
                drop(world.kube.apply(manifest));
            }
            5 => drop(world.kube.delete(ENDPOINTS, NAMESPACE, self.pick(&ENDPOINT_NAMES))),
            6 => drop(world.kube.delete(LINKS, NAMESPACE, self.pick(&LINK_NAMES))),
            7 => {
                let suspend = json!({"spec": {"suspend": if self.dice.random() { json!(true) } else { Value::Null }}});
                let (plural, name) = self.pick(&OBJECTS);
                drop(world.kube.patch(plural, NAMESPACE, name, suspend));
            }
            8 => self.crash().await,
            9 => {
                let fault = Fault::all().choose(&mut self.dice).unwrap().clone();
                let operations = [
                    Operation::ListServices,
                    Operation::CreateService,
                    Operation::DeleteService,
                    Operation::GetEndpoint,
                    Operation::AddEndpoint,
                    Operation::DeleteEndpoint,
                    Operation::Token,
                ];
                let times = self.dice.random_range(1..6);
                world.atlas.inject(Rule::always(self.pick(&operations), fault).times(times));
            }
            10 => {
                let faults = [
                    kubernetes::Fault::status(StatusCode::CONFLICT),
                    kubernetes::Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
                    kubernetes::Fault::lost(),
                    kubernetes::Fault::dropped(),
                ];
                let fault = faults.choose(&mut self.dice).unwrap().clone();
                let verb = self.pick(&[Verb::Patch, Verb::Update, Verb::Create, Verb::Get, Verb::List, Verb::Watch]);
                let times = self.dice.random_range(1..4);
                world.kube.inject(kubernetes::Rule::new(Matcher::any().verb(verb), fault).times(times));
            }
            _ => self.others_act(),
        }
        let pauses = [10, 1_000, 5_000, 45_000, 200_000, 1_200_000];
        let pause = self.pick(&pauses);
        world.pass(Duration::from_millis(pause)).await;
    }

    async fn crash(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.kill().await;
        }
        let pause = self.pick(&[1, 40, 600]);
        self.world.pass(Duration::from_secs(pause)).await;
        self.operator = Some(start(&mut self.world));
    }

    /// A new key, something made that is nobody's here, or something removed.
    fn others_act(&mut self) {
        if self.others_make && self.dice.random() {
            let change = if self.dice.random() { others::service(self) } else { others::endpoint(self) };
            return drop(change.map(|change| self.world.atlas.change(change)));
        }
        if self.dice.random() {
            let (name, secrets) = self.way.credentials();
            let secret = self.pick(&secrets);
            self.world.change(Change::Rotate { name: name.to_owned(), secret: secret.to_owned().into() });
            self.world.secret(NAMESPACE, "atlas-credentials", &self.way.entries(secret));
            return;
        }
        let services = self.world.services();
        let Some(service) = services.choose(&mut self.dice) else { return };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (project, id) = (text(&service["project"]), text(&service["id"]));
        let endpoint = text(&service["endpoints"][0]["id"]);
        let change = if endpoint.is_empty() {
            Change::DeleteService { project, service: id }
        } else {
            Change::DeleteEndpoint { project, service: id, endpoint }
        };
        drop(self.world.atlas.change(change));
    }

    /// Faults end, and nothing is suspended any more.
    fn heal(&mut self) {
        self.world.atlas.clear_faults();
        self.world.kube.lift_all();
        for (plural, name) in OBJECTS {
            drop(self.world.kube.patch(plural, NAMESPACE, name, json!({"spec": {"suspend": null}})));
        }
    }
}

/// An operator whose writes are so long on their way.
fn start(world: &mut World) -> Running {
    let late = world.nature.late;
    let atlas = world.atlas.transport();
    if late.is_zero() { world.start() } else { world.start_over(Arc::new(Late { inner: atlas, by: late })) }
}

/// Every object is Ready, or a person is called for, or it waits for one of those.
fn rests(world: &World) -> bool {
    let rests = |(_, object): (_, Value)| {
        let conditions = &object["status"]["conditions"];
        let message = conditions[0]["message"].as_str().unwrap_or_default();
        let waits = match conditions[0]["reason"].as_str() {
            Some("WaitingForLink" | "WaitingForService") => true,
            // While the old endpoint serves, this is the reason, whatever the new one waits for.
            Some("Replacing") => {
                ["waiting for ", "has to mend it", "link is being deleted"].iter().any(|why| message.contains(why))
            }
            Some(_) | None => false,
        };
        if !object["metadata"]["deletionTimestamp"].is_null() {
            // A link may wait for an endpoint that is itself held back.
            return conditions[0]["reason"] == "DeletionBlocked" || message.contains("first its endpoints");
        }
        conditions[0]["status"] == "True" || conditions[1]["type"] == "Stalled" || waits
    };
    all_objects(world).into_iter().all(rests)
}

/// Until all are at rest, and have stayed so for longer than any pause between two tries.
async fn comes_to_rest(world: &World) {
    for _ in 0..4 {
        eventually(world, PATIENCE, "all at rest", rests).await;
        let writes = world.operator_writes().len();
        world.pass(Duration::from_secs(45 * 60)).await;
        if rests(world) && world.operator_writes().len() == writes {
            return;
        }
    }
    panic!("it does not come to rest\n{}", world.picture());
}

async fn run(seed: u64, dialect: Dialect) -> World {
    let dice = SmallRng::seed_from_u64(seed);
    let (shares, others_make) = (seed.is_multiple_of(11), (seed / 2).is_multiple_of(2));
    let switches = Switches {
        // Atlas would take away a service of others with the last endpoint.
        auto_remove_service: seed.is_multiple_of(2) && !others_make,
        // One operator lives at a time, and nobody else asks.
        duplicate_services: seed.is_multiple_of(7) && !others_make,
        ..Switches::default()
    };
    let late = Duration::from_millis([0, 0, 1_500][usize::try_from(seed / 4 % 3).unwrap()]);
    let mut world = World::new(Nature { switches, seed, late, ..Nature::of(dialect) });
    let way = Way::of(seed, dialect);
    world.secret(NAMESPACE, "atlas-credentials", &way.entries(way.credentials().1[0]));
    let operator = Some(start(&mut world));
    let mut life = Life { world: world.clone(), dice, operator, way, others_make, shares };
    for _ in 0..STEPS {
        life.step().await;
    }
    life.heal();
    comes_to_rest(&world).await;
    oracle::quiet_wait(&world).await;
    delete_all(&world);
    others::leave(&world);
    eventually(&world, PATIENCE, "all gone", World::is_empty).await;
    world.pass(Duration::from_secs(60)).await;
    oracle::silence(&world).await;
    oracle::nothing_left(&world);
    oracle::always(&world);
    oracle::no_storm(&world, 120);
    if let Some(operator) = life.operator.take() {
        assert!(!operator.has_ended(), "the operator has died");
        operator.stop().await;
    }
    world
}
