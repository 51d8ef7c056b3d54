//! What people, other tools and a broken Atlas hand to the operator: a clear condition each, and no crash, leak or loop.

mod atlas;
mod people;

use super::world::*;
use atlas_privatelink_operator::api::Standing;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A link that cannot be served, and what it must say.
struct Case {
    name: &'static str,
    standing: Standing,
    reason: &'static str,
    /// What the message must name.
    words: &'static [&'static str],
}

impl Case {
    const fn new(name: &'static str, standing: Standing, reason: &'static str, words: &'static [&'static str]) -> Self {
        Self { name, standing, reason, words }
    }

    /// Waits for the verdict, and reads it as a person does.
    async fn judge(&self, world: &World, plural: &str) {
        let object = world.until_says(plural, self.name, self.standing, self.reason).await;
        let message = message(&object);
        println!("{} {}: {message}", self.reason, self.name);
        assert!(self.words.iter().all(|word| message.contains(word)), "{}: {:?} in {message}", self.name, self.words);
        assert!((20..1024).contains(&message.len()), "{}: {message}", self.name);
        assert!(!message.to_lowercase().contains("<html"), "{}: {message}", self.name);
        assert!(message.chars().all(|c| !c.is_control()), "{}: {message:?}", self.name);
    }
}

/// Nobody is asked more than now and then, though the poll interval is a fifth of a second.
async fn does_not_loop(world: &World, projects: usize) {
    let before: Vec<_> = (0..projects).map(|number| world.requests_of(&project(number))).collect();
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after: Vec<_> = (0..projects).map(|number| world.requests_of(&project(number))).collect();
    // A busy machine may have slept longer, and whoever only asks now and then has asked more often then.
    let allowed = 12 * start.elapsed().as_secs().div_ceil(5);
    for (number, (before, after)) in before.into_iter().zip(after).enumerate() {
        let more = (after - before) as u64;
        assert!(more <= allowed, "{more} requests of {} in {:?}", project(number), start.elapsed());
    }
}

fn with_secret(link: Value, secret: &str) -> Value {
    with(link, &json!({"spec": {"credentialsRef": {"name": secret}}}))
}
