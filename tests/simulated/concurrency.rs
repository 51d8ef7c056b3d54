//! How many objects of a kind are worked on at once.

use super::{looks::MINUTE, world::*};
use atlas_privatelink_operator::{
    controller::settings::Settings,
    testbed::simulator::{Fault, Operation, Rule},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const PROJECTS: [&str; 3] = [PROJECT, "5df264b8f10fab7d2cad2f99", "5df264b8f10fab7d2cad2f98"];
/// What a LIST takes; less than makes a creation look once more.
const SLOW: SignedDuration = SignedDuration::from_secs(3);

/// From when to when each project's first LIST was under way, in the order in which they were asked for.
async fn first_lists(concurrency: u16) -> Vec<(Timestamp, Timestamp)> {
    let nature = Nature::default();
    let settings = Settings { concurrency, ..nature.settings.clone() };
    let mut world = World::new(Nature { settings, ..nature });
    world.credentials();
    world.atlas.inject(Rule::always(Operation::ListServices, Fault::Slow { millis: 3_000 }));
    for (number, project) in PROJECTS.into_iter().enumerate() {
        world.apply(with(link(&format!("orders-{number}")), json!({"spec": {"projectId": project}})));
    }
    let _operator = world.start();
    world.pass(5 * MINUTE).await;
    let ledger = world.ledger();
    let first = PROJECTS.map(|project| {
        let lists = |path: &str| path.contains(project);
        let asked = ledger
            .iter()
            .find(|entry| entry.request().is_some_and(|request| !request.challenged && lists(&request.path)));
        let from = asked.unwrap_or_else(|| panic!("{project} was never asked about")).at;
        (from, from + SLOW)
    });
    let mut first = first.to_vec();
    first.sort();
    first
}

/// How many of them were under way at once, at most.
fn at_once(lists: &[(Timestamp, Timestamp)]) -> usize {
    let during = |instant: &Timestamp| lists.iter().filter(|(from, until)| from <= instant && instant < until).count();
    lists.iter().map(|(from, _)| during(from)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn so_many_objects_of_a_kind_are_worked_on_at_once_and_not_more() {
    for (concurrency, expected) in [(1, 1), (2, 2), (32, 3)] {
        let lists = first_lists(concurrency).await;
        assert_eq!(at_once(&lists), expected, "--concurrency {concurrency}: {lists:?}");
    }
}
