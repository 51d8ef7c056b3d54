//! One fetch for all readers, shared failures and their pauses, and the order of observations.

use super::*;
use crate::atlas::{Sent, error::Denial, turnstile::PATIENCE};
use futures::future::join_all;
use std::sync::atomic::{AtomicUsize, Ordering};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn answer(value: u32, place: u64) -> Answer<u32> {
    Answer { value, sent: Sent { sequence: Sequence::fixture(place), at: Instant::now() }, date: None }
}

fn failure(class: Class) -> Failure {
    let error = AtlasError { class, effect: Effect::None, status: None, code: None, detail: "told".into() };
    Failure { error: Box::new(error), sent: None, at: Instant::now() }
}

fn need(max_age: Duration) -> Need {
    Need { after: None, not_before: None, max_age, insist: false }
}

/// Reads with a fetch that ends like this, and tells whether it was made.
async fn read(
    cell: &Shared<u32>,
    need: Need,
    result: Result<Answer<u32>, Failure>,
) -> (bool, Result<Answer<u32>, Flaw>) {
    let asked = AtomicUsize::new(0);
    let read = cell
        .read(need, || async {
            asked.fetch_add(1, Ordering::SeqCst);
            result
        })
        .await;
    (asked.into_inner() == 1, read)
}

/// 64 readers at once, of a fetch that takes a second.
async fn crowd(need: Need, result: Result<u32, Class>) -> (usize, Vec<Result<Answer<u32>, Flaw>>) {
    let (cell, asked) = (Shared::default(), AtomicUsize::new(0));
    let reads = (0..64).map(|_| {
        cell.read(need, || async {
            let place = asked.fetch_add(1, Ordering::SeqCst) as u64 + 1;
            let result = result.map(|value| answer(value, place)).map_err(failure);
            tokio::time::sleep(SECOND).await;
            result
        })
    });
    let reads = join_all(reads).await;
    (asked.load(Ordering::SeqCst), reads)
}

#[tokio::test(start_paused = true)]
async fn one_fetch_serves_all_readers() {
    let (asked, reads) = crowd(need(MINUTE), Ok(7)).await;
    assert_eq!(asked, 1);
    assert!(reads.iter().all(|read| read.as_ref().is_ok_and(|answer| answer.value == 7)));
}

#[tokio::test(start_paused = true)]
async fn one_failure_serves_all_who_waited_for_it() {
    for class in [Class::Transient, Class::Denied(Denial::Access), Class::Missing, Class::Throttled(None)] {
        let (asked, reads) = crowd(need(MINUTE), Err(class)).await;
        assert_eq!(asked, 1, "{class:?}");
        assert!(reads.iter().all(|read| read.as_ref().is_err_and(|flaw| flaw.failure.error.class == class)));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_slow_answer() {
    let cell = Shared::default();
    let slow = cell.read(need(MINUTE), || async {
        let answer = answer(1, 1);
        tokio::time::sleep(SECOND * 20).await;
        Ok(answer)
    });
    let waits = async {
        let started = Instant::now();
        let (asked, read) = read(&cell, need(MINUTE), Ok(answer(2, 2))).await;
        assert!(!asked && read.is_err_and(|flaw| flaw.failure.error.class == Class::Transient));
        assert_eq!(started.elapsed(), PATIENCE);
    };
    let (slow, ()) = tokio::join!(slow, waits);
    assert_eq!(slow.unwrap().value, 1);
    let (asked, late) = read(&cell, need(SECOND), Ok(answer(3, 3))).await;
    assert!(!asked && late.is_ok_and(|answer| answer.value == 1), "what came late is known from then on");
    tokio::time::advance(SECOND * 19).await;
    assert!(!read(&cell, need(SECOND), Ok(answer(3, 3))).await.0, "for as long as it took");
    tokio::time::advance(SECOND).await;
    assert!(read(&cell, need(SECOND), Ok(answer(3, 3))).await.0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_away_gives_its_flight_up() {
    let cell = Shared::default();
    let never = cell.read(need(MINUTE), std::future::pending);
    assert!(tokio::time::timeout(SECOND, never).await.is_err());
    assert!(read(&cell, need(MINUTE), Ok(answer(1, 1))).await.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_recent_enough_is_not_asked_again() {
    let cell = Shared::default();
    read(&cell, need(MINUTE), Ok(answer(1, 5))).await.1.unwrap();
    tokio::time::advance(SECOND * 59).await;
    assert!(!read(&cell, need(MINUTE), Ok(answer(2, 6))).await.0);
    let after = |place| Need { after: Some(Sequence::fixture(place)), ..need(MINUTE) };
    assert!(!read(&cell, after(4), Ok(answer(2, 6))).await.0);
    let (asked, newer) = read(&cell, after(5), Ok(answer(2, 6))).await;
    assert!(asked && newer.unwrap().value == 2);
    tokio::time::advance(MINUTE).await;
    assert!(read(&cell, need(MINUTE), Ok(answer(3, 7))).await.0);
}

/// The pauses between the fetches of somebody who reads every second.
async fn pauses(class: Class, count: usize) -> Vec<Duration> {
    let (cell, mut pauses) = (Shared::default(), Vec::new());
    let mut last: Option<Instant> = None;
    while pauses.len() < count {
        if read(&cell, need(MINUTE), Err(failure(class))).await.0 {
            pauses.extend(last.map(|last| last.elapsed()));
            last = Some(Instant::now());
        }
        tokio::time::advance(SECOND).await;
    }
    pauses
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_asked_after_1_2_4_then_every_5_minutes() {
    for class in [Class::Denied(Denial::Credentials), Class::Denied(Denial::Project), Class::Invalid] {
        assert_eq!(pauses(class, 5).await, [1, 2, 4, 5, 5].map(|minutes| MINUTE * minutes), "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_by_itself_is_asked_after_pauses_that_double() {
    for class in [Class::Transient, Class::Throttled(None), Class::NotYet] {
        assert_eq!(pauses(class, 8).await, [1, 2, 4, 8, 16, 32, 60, 60].map(|seconds| SECOND * seconds), "{class:?}");
    }
    assert_eq!(pauses(Class::Throttled(Some(SECOND * 7)), 3).await, [SECOND * 7; 3], "as long as Atlas said");
    assert_eq!(
        pauses(Class::Missing, 2).await,
        [SECOND, SECOND * 2],
        "a LIST tells at once; a GET that contradicts it is not repeated in haste"
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_pauses_and_whoever_insists_does_not_wait() {
    let cell = Shared::default();
    let denied = || Err(failure(Class::Denied(Denial::Access)));
    for _ in 0..4 {
        assert!(read(&cell, Need { insist: true, ..need(MINUTE) }, denied()).await.0);
        assert!(!read(&cell, need(MINUTE), denied()).await.0);
    }
    assert!(read(&cell, Need { insist: true, ..need(MINUTE) }, Ok(answer(1, 1))).await.0);
    tokio::time::advance(MINUTE).await;
    let (_, first) = read(&cell, need(MINUTE), denied()).await;
    assert_eq!(first.unwrap_err().retry_at, Instant::now() + MINUTE, "they begin anew");
}

#[tokio::test(start_paused = true)]
async fn observations_are_ordered_by_when_they_were_requested() {
    let cell = Shared::default();
    cell.observe(answer(2, 2));
    cell.observe(answer(1, 1));
    assert_eq!(read(&cell, need(MINUTE), Ok(answer(9, 9))).await.1.unwrap().value, 2);
    // A read that was requested before a write was answered, and ends after it.
    let late = Need { after: Some(Sequence::fixture(2)), ..need(MINUTE) };
    let read_late = cell.read(late, || async {
        let old = answer(3, 3);
        cell.observe(answer(4, 4));
        Ok(old)
    });
    assert_eq!(read_late.await.unwrap().value, 4);
    assert_eq!(read(&cell, need(MINUTE), Ok(answer(9, 9))).await.1.unwrap().value, 4);
    assert_eq!(cell.seen(), Some(Sequence::fixture(4)));
}

#[tokio::test(start_paused = true)]
async fn a_cell_is_idle_after_a_day_without_readers() {
    let cell = Shared::default();
    read(&cell, need(MINUTE), Ok(answer(1, 1))).await.1.unwrap();
    tokio::time::advance(IDLE).await;
    assert!(!cell.is_idle());
    tokio::time::advance(SECOND).await;
    assert!(cell.is_idle());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_shown_what_was_before_what_they_have_seen() {
    let cell = Shared::default();
    assert!(read(&cell, need(MINUTE), Ok(answer(1, 5))).await.0);
    let seen = |place| Need { not_before: Some(Sequence::fixture(place)), ..need(MINUTE) };
    assert!(!read(&cell, seen(5), Ok(answer(2, 7))).await.0, "the very one that they have seen");
    assert!(read(&cell, seen(6), Ok(answer(2, 7))).await.0);
}
