//! Scenarios in simulated time: worlds whose objects are followed through the states of the table.

use super::{
    table::State,
    trail::{Trail, shows},
};
use crate::harness::{alone::alone, world::*};
use atlas_privatelink_operator::testbed::{
    kubernetes,
    simulator::{Change, Fault, Rule},
};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const RESYNC: Duration = Duration::from_secs(900);

/// A scenario and its name; it gives the states that it went through.
pub type Scenario = (&'static str, fn() -> LocalBoxFuture<'static, BTreeSet<State>>);

/// Plays all, and sees that they have shown every state that is promised.
pub fn play(scenarios: &[Scenario], promised: &[State]) {
    let (mut shown, mut failed) = (BTreeSet::new(), Vec::new());
    for (name, scenario) in scenarios {
        match alone(scenario) {
            Ok(states) => shown.extend(states),
            Err(why) => failed.push(format!("{name}: {why}")),
        }
    }
    assert!(failed.is_empty(), "{} of {} scenarios failed:\n{}", failed.len(), scenarios.len(), failed.join("\n"));
    assert_eq!(shown, promised.iter().copied().collect(), "what was shown, and what is promised");
}

/// An object that is followed from its creation on.
pub struct Followed {
    plural: &'static str,
    name: &'static str,
    trail: Trail,
}

impl Followed {
    /// Applies the manifest of a link, `orders` by name.
    pub fn link(world: &World, change: Value) -> Self {
        world.apply(with(link("orders"), change));
        Self::created(world, LINKS, "orders")
    }

    /// Applies the manifest of an endpoint, `orders-a` by name, of the link `orders`.
    pub fn endpoint(world: &World, change: Value) -> Self {
        world.apply(with(endpoint("orders-a", "orders", VPCE), change));
        Self::created(world, ENDPOINTS, "orders-a")
    }

    /// An object that has just been applied.
    pub fn created(world: &World, plural: &'static str, name: &'static str) -> Self {
        let mut followed = Self { plural, name, trail: Trail::default() };
        followed.now(world, State::Created);
        followed
    }

    /// Every version that tools have seen of it.
    fn versions(&self, world: &World) -> Vec<Value> {
        let all = world.kube.history(self.plural, NAMESPACE, self.name).into_iter();
        all.filter(|version| version.change != kubernetes::Change::Deleted).map(|version| version.object).collect()
    }

    /// It is in this state, without any time passing.
    pub fn now(&mut self, world: &World, state: State) {
        self.trail.step(state, self.versions(world).len());
    }

    /// Waits for what the conditions of this state are.
    pub async fn until(&mut self, world: &World, within: Duration, state: State) {
        let what = format!("{} is {state:?}", self.name);
        let shown =
            |world: &World| world.kube.get(self.plural, NAMESPACE, self.name).is_some_and(|it| shows(&it, state));
        world.until(within, &what, shown).await;
        self.now(world, state);
    }

    /// Changes its spec, which the operator has not seen yet.
    pub fn edit(&mut self, world: &World, spec: Value) {
        world.kube.patch(self.plural, NAMESPACE, self.name, json!({"spec": spec})).unwrap();
        self.now(world, State::Edited);
    }

    /// Deletes it, and waits until it is gone.
    pub async fn delete(&mut self, world: &World) {
        self.mark_deleted(world);
        self.until_gone(world).await;
    }

    pub fn mark_deleted(&mut self, world: &World) {
        world.kube.delete(self.plural, NAMESPACE, self.name).unwrap();
        self.now(world, State::Deleting);
    }

    pub async fn until_gone(&mut self, world: &World) {
        let what = format!("{} is gone", self.name);
        world.until(HOUR, &what, |world| world.kube.get(self.plural, NAMESPACE, self.name).is_none()).await;
        self.now(world, State::Deleting);
    }

    /// Checks every version, and gives the states that it was in.
    pub fn check(&self, world: &World) -> BTreeSet<State> {
        self.trail.check(self.name, &self.versions(world))
    }
}

/// Suspends, looks on for a while, and resumes.
pub async fn suspend_and_resume(world: &World, followed: &mut Followed, suspended: State, before: State) {
    followed.edit(world, json!({"suspend": true}));
    followed.until(world, MINUTE, suspended).await;
    world.pass(2 * HOUR).await;
    followed.now(world, suspended);
    followed.edit(world, json!({"suspend": null}));
    followed.until(world, 10 * MINUTE, before).await;
}

/// Atlas knows the API key's private half by this word from now on.
pub fn rotate(world: &World, secret: &str) {
    world.change(Change::Rotate { name: PUBLIC.into(), secret: secret.to_owned().into() });
}

/// Atlas fails for less than three resync intervals, then for longer.
pub async fn through_silence(world: &World, followed: &mut Followed) {
    for fault in [Fault::ThrottledSilent, Fault::BadGateway] {
        world.atlas.inject(Rule::everywhere(fault));
        world.pass(2 * RESYNC).await;
        followed.now(world, State::Blip);
        world.atlas.clear_faults();
        world.pass(2 * RESYNC).await;
        followed.now(world, State::Usable);
    }
    world.atlas.inject(Rule::everywhere(Fault::BadGateway));
    world.pass(2 * RESYNC - MINUTE).await;
    followed.now(world, State::Blip);
    followed.until(world, 2 * RESYNC, State::Silence).await;
    world.pass(3 * HOUR).await;
    followed.now(world, State::Silence);
    world.atlas.clear_faults();
    followed.until(world, HOUR, State::Usable).await;
}
