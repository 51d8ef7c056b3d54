//! Runs plans on all cores, each in a world and a paused time of its own, and keeps what came of them.

use crate::{
    harness::{
        alone::{a_panic_told, alone},
        canary::{Reader, tells},
        chronicle,
        course::{Deeds, deeds},
        oracle,
        world::World,
    },
    plan::Plan,
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    sync::{Mutex, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

/// What two runs of one plan must have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How the objects looked where they are compared with others, and those that are left, without times and invented
    /// names.
    looks: Vec<Value>,
    deeds: Deeds,
}

impl Summary {
    fn of(world: &World) -> Self {
        let mut looks = world.middles.lock().unwrap().clone();
        looks.push(oracle::outcome(world));
        let looks = looks.into_iter().map(interchangeable).collect();
        Self { looks, deeds: deeds(world) }
    }
}

/// Among the numbered objects of a crowd, which have all the same spec, kube's scheduler decides who comes first.
fn interchangeable(mut end: Value) -> Value {
    for objects in end.as_object_mut().into_iter().flat_map(|kinds| kinds.values_mut()).filter_map(Value::as_array_mut)
    {
        for object in objects.iter_mut() {
            let name = object["name"].as_str().unwrap_or_default().trim_end_matches(|end: char| end.is_ascii_digit());
            object["name"] = name.into();
        }
        objects.sort_by_key(Value::to_string);
    }
    end
}

/// What came of a plan.
pub struct Outcome {
    pub plan: Plan,
    /// The summary, or why it failed.
    pub verdict: Result<Summary, String>,
    /// What was to befall its world found nothing to befall: of two operators without a Lease the other one was quicker, say.
    pub spared: bool,
    /// What happened in its world, if it failed.
    pub chronicle: Vec<String>,
    pub took: Duration,
}

fn once(plan: Plan) -> Outcome {
    let start = Instant::now();
    let lived = || async {
        let world = plan.run().await;
        assert!(
            world.was_judged_at_its_end(),
            "nobody has asked at its end whether all had held that must always hold"
        );
        assert!(world.was_quiet_at_its_end(), "nobody has asked whether nothing more is done at its end");
        (Summary::of(&world), world.spared.load(Ordering::SeqCst))
    };
    let (lived, told) = Reader::beside(|| alone(lived));
    let spared = lived.as_ref().is_ok_and(|(_, spared)| *spared);
    let verdict = match lived {
        Err(why) if tells(&why) => Err("a panic tells a secret".to_owned()),
        _ if a_panic_told() => Err("a panic that was caught tells a secret".to_owned()),
        Ok(_) if !told.is_empty() => Err(format!("the log tells a secret: {told:?}")),
        Ok((summary, _)) => Ok(summary),
        Err(why) => Err(why),
    };
    let chronicle = if verdict.is_err() { chronicle::of_the_last_world() } else { Vec::new() };
    Outcome { plan, verdict, spared, chronicle, took: start.elapsed() }
}

/// When no more plans are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    AtTheEnd,
    AtTheFirstFailure,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    GoOn,
    Stop,
}

/// Runs all, and tells of each as soon as it has ended.
pub fn all(plans: Vec<Plan>, threads: usize, stop: Stop, mut tell: impl FnMut(&Outcome)) -> Vec<Outcome> {
    each(plans, threads, once, |outcome| {
        tell(outcome);
        if stop == Stop::AtTheFirstFailure && outcome.verdict.is_err() { Next::Stop } else { Next::GoOn }
    })
}

/// Does `work` with each item on that many threads; no more is begun after `tell` has said so.
pub fn each<T: Send, R: Send>(
    items: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
    mut tell: impl FnMut(&R) -> Next,
) -> Vec<R> {
    let queue = Mutex::new(VecDeque::from(items));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (queue, sender, work) = (&queue, sender.clone(), &work);
            scope.spawn(move || {
                while let Some(item) = { queue.lock().unwrap().pop_front() } {
                    sender.send(work(item)).unwrap();
                }
            });
        }
        drop(sender);
        let mut done = Vec::new();
        for result in receiver {
            if tell(&result) == Next::Stop {
                queue.lock().unwrap().clear();
            }
            done.push(result);
        }
        done
    })
}
