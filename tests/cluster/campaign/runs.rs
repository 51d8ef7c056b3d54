//! Runs plans, several at a time, and tells of those that fail. With `PLAN=ID` only that one runs, or those below a part
//! of an id.

use futures::{FutureExt, StreamExt, future::LocalBoxFuture};
use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

const VARIABLE: &str = "PLAN";

/// Whether a plan is asked for.
pub fn is_wanted(id: &str) -> bool {
    std::env::var(VARIABLE).map_or(true, |wanted| id == wanted || id.starts_with(&format!("{wanted}/")))
}

/// A plan that is ready to be run.
pub struct Run<'a> {
    pub id: String,
    pub run: LocalBoxFuture<'a, ()>,
}

struct Outcome {
    id: String,
    verdict: Result<(), String>,
    took: Duration,
}

impl Run<'_> {
    async fn outcome(self) -> Outcome {
        let start = Instant::now();
        let verdict = AssertUnwindSafe(self.run).catch_unwind().await.map_err(|why| words(&*why));
        Outcome { id: self.id, verdict, took: start.elapsed() }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// Runs all, so many at a time, in this order.
pub async fn all(what: &str, runs: Vec<Run<'_>>, at_a_time: usize) {
    let start = Instant::now();
    let outcomes: Vec<Outcome> =
        futures::stream::iter(runs).map(Run::outcome).buffer_unordered(at_a_time).collect().await;
    let slowest = outcomes.iter().max_by_key(|outcome| outcome.took);
    let told = slowest.map(|one| format!("; the slowest, {}, took {:.1} s", one.id, one.took.as_secs_f64()));
    println!("{} {what} in {:.1} s{}", outcomes.len(), start.elapsed().as_secs_f64(), told.unwrap_or_default());
    let failed: Vec<_> =
        outcomes.iter().filter_map(|outcome| Some((&outcome.id, outcome.verdict.as_ref().err()?))).collect();
    for (index, (id, why)) in failed.iter().enumerate() {
        // A picture of the whole world is for the first few, and for whoever asks for one.
        let shown = if index < 3 { (*why).clone() } else { why.lines().take(2).collect::<Vec<_>>().join(" ") };
        println!("\nfailed: {id}\n{shown}\nagain: {VARIABLE}='{id}' cargo test --test integration cluster::campaign");
    }
    assert!(failed.is_empty(), "{} of {} plans failed", failed.len(), outcomes.len());
}
