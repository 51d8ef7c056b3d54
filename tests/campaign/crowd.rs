//! A crowd (C11 of reliability.md): a thousand resources in fifty projects, and an hour in which every tenth request fails, to
//! Atlas or to Kubernetes, while every ten seconds one of them is edited, deleted, made anew or suspended, or the operator is
//! killed. Then all is well again: all get Ready, and nothing more is done; then all is deleted, and nothing is left.

use crate::{
    floods::REGIONS,
    harness::{
        alone::{eventually, says_ready},
        life::{PATIENCE, all_objects, delete_all},
        looks::{HOUR, edit},
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
    testbed::{
        kubernetes::{Decision, Failure, Phase, Point, RequestRecord},
        simulator::{Fault, Rule, Simulator},
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// A link and an endpoint each; as many as there are regions are in one project.
const PAIRS: usize = 500;
const BETWEEN_ACTS: Duration = Duration::from_secs(10);
/// How many of a hundred requests fail.
const FAILING: u32 = 10;

pub fn plan(seed: u64) -> Plan {
    let data = Data { seed, ..Data::new(Campaign::Soak, "crowd", Dialect::V2) };
    Plan::new(data, move || run(seed))
}

/// Shared by all that fails; `None` once all is well.
type Dice = Arc<Mutex<Option<SmallRng>>>;

fn befalls(dice: &Dice, of_a_hundred: u32) -> bool {
    dice.lock().unwrap().as_mut().is_some_and(|dice| dice.random_ratio(of_a_hundred, 100))
}

fn pick<T: Clone>(dice: &Dice, of: &[T]) -> Option<T> {
    of.choose(dice.lock().unwrap().as_mut()?).cloned()
}

/// A way to an Atlas that fails some requests, each in a way of its own.
struct Unsteady {
    inner: Arc<dyn Transport>,
    atlas: Simulator,
    dice: Dice,
}

impl Transport for Unsteady {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        if request.headers().contains_key(header::AUTHORIZATION) && befalls(&self.dice, FAILING) {
            let fault = pick(&self.dice, &Fault::all());
            fault.map(|fault| self.atlas.inject(Rule::everywhere(fault).times(1)));
        }
        self.inner.send(request)
    }
}

/// Half of what fails has had its effect.
fn unsteady(dice: Dice) -> impl Fn(&Point) -> Decision + Send + Sync + 'static {
    move |point| {
        if !point.request.client.starts_with("operator") || !befalls(&dice, FAILING / 2) {
            return Decision::Proceed;
        }
        let refusals = [StatusCode::CONFLICT, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE];
        match (point.phase, pick(&dice, &refusals)) {
            (Phase::BeforeEffect, Some(code)) => Decision::Answer(Failure::injected(code)),
            (Phase::AfterEffect, _) | (Phase::BeforeEffect, None) => Decision::Sever,
        }
    }
}

struct Pair {
    number: usize,
    /// How many VPC endpoints were made for it: each is for one service.
    made: usize,
}

impl Pair {
    fn names(&self) -> (String, String) {
        (format!("pair-{}", self.number), format!("pair-{}-a", self.number))
    }

    fn link(&self) -> Value {
        let project = format!("{:024x}", 0x5df2_64b8_f10f_ab7d_u64 + (self.number / REGIONS.len()) as u64);
        let region = REGIONS[self.number % REGIONS.len()];
        with(link(&self.names().0), json!({"spec": {"projectId": project, "region": region}}))
    }

    fn id(&self) -> String {
        format!("vpce-{:017x}", self.made * PAIRS + self.number)
    }

    fn endpoint(&self) -> Value {
        let (link, own) = self.names();
        endpoint(&own, &link, &self.id())
    }

    /// Whoever is there already, or on the way out, is edited.
    fn is_applied(&mut self, world: &World) {
        self.made += 1;
        drop((world.kube.apply(self.link()), world.kube.apply(self.endpoint())));
    }

    fn is_deleted(&self, world: &World) {
        let (link, own) = self.names();
        drop((world.kube.delete(ENDPOINTS, NAMESPACE, &own), world.kube.delete(LINKS, NAMESPACE, &link)));
    }
}

struct Crowd {
    world: World,
    pairs: Vec<Pair>,
    dice: SmallRng,
    /// That of the faults.
    faults: Dice,
    operator: Running,
}

fn start(world: &mut World, faults: &Dice) -> Running {
    let (inner, atlas) = (world.atlas.transport(), world.atlas.clone());
    world.start_over(Arc::new(Unsteady { inner, atlas, dice: faults.clone() }))
}

impl Crowd {
    async fn acts(mut self) -> Self {
        let pair = &mut self.pairs[self.dice.random_range(0..PAIRS)];
        let (link, own) = pair.names();
        let spec = match self.dice.random_range(0..32) {
            0..8 => {
                pair.is_applied(&self.world);
                return self;
            }
            8..16 => {
                pair.is_deleted(&self.world);
                return self;
            }
            16 => {
                self.operator.kill().await;
                self.world.pass(Duration::from_secs(40)).await;
                self.operator = start(&mut self.world, &self.faults);
                return self;
            }
            17..22 => json!({"suspend": true}),
            22..27 => json!({"suspend": null}),
            _ => json!({"deletionPolicy": "Delete"}),
        };
        let (plural, name) = if self.dice.random() { (LINKS, &link) } else { (ENDPOINTS, &own) };
        if self.world.kube.get(plural, NAMESPACE, name).is_some() {
            edit(&self.world, plural, name, spec);
        }
        self
    }

    /// No request fails any more, and everyone is there again.
    async fn is_well(&mut self) {
        *self.faults.lock().unwrap() = None;
        self.world.atlas.clear_faults();
        self.world.kube.on_request_clear();
        for (plural, object) in all_objects(&self.world) {
            edit(&self.world, plural, object["metadata"]["name"].as_str().unwrap(), json!({"suspend": null}));
        }
        let nobody_leaves = |world: &World| {
            all_objects(world).iter().all(|(_, object)| object["metadata"]["deletionTimestamp"].is_null())
        };
        eventually(&self.world, PATIENCE, "gone whoever was to go", nobody_leaves).await;
        for pair in &mut self.pairs {
            if self.world.kube.get(LINKS, NAMESPACE, &pair.names().0).is_none() {
                pair.is_applied(&self.world);
            }
        }
    }
}

/// How many requests of operators have failed, to Atlas and to Kubernetes.
fn failed(world: &World) -> (usize, usize) {
    let to_atlas = world.ledger().requests().filter(|request| request.fault.is_some()).count();
    let failed = |request: &RequestRecord| {
        request.client.starts_with("operator") && request.code.is_none_or(|code| [409, 500, 503].contains(&code))
    };
    (to_atlas, world.kube.log().matching(failed).len())
}

async fn run(seed: u64) -> World {
    let mut world = World::new(Nature { seed, ..Nature::of(Dialect::V2) });
    world.credentials();
    let faults: Dice = Arc::new(Mutex::new(Some(SmallRng::seed_from_u64(seed + 1))));
    world.kube.on_request(unsteady(faults.clone()));
    let mut pairs: Vec<_> = (0..PAIRS).map(|number| Pair { number, made: 0 }).collect();
    pairs.iter_mut().for_each(|pair| pair.is_applied(&world));
    let operator = start(&mut world, &faults);
    let mut crowd = Crowd { world: world.clone(), pairs, dice: SmallRng::seed_from_u64(seed), faults, operator };
    let end = Instant::now() + HOUR;
    while Instant::now() < end {
        crowd = crowd.acts().await;
        world.pass(BETWEEN_ACTS).await;
    }
    let (to_atlas, to_kubernetes) = failed(&world);
    assert!(to_atlas >= 100 && to_kubernetes >= 100, "only {to_atlas} and {to_kubernetes} requests have failed");
    crowd.is_well().await;
    let all_are_ready = |world: &World| {
        let both = |pair: &Pair| {
            let (link, own) = pair.names();
            says_ready(world, LINKS, &link) && says_ready(world, ENDPOINTS, &own)
        };
        crowd.pairs.iter().all(both)
    };
    eventually(&world, PATIENCE, "all Ready", all_are_ready).await;
    world.pass(PATIENCE).await;
    oracle::quiet_resync(&world).await;
    delete_all(&world);
    eventually(&world, PATIENCE, "all gone", World::is_empty).await;
    oracle::nothing_left(&world);
    oracle::silence(&world).await;
    oracle::always(&world);
    crowd.operator.stop().await;
    world
}
