//! Sends a recorded attempt to Atlas and remembers how that ended.

use super::{
    context::Context,
    kind::{Applied, Kind},
    write,
};
use crate::{
    atlas::{Failure, error::Effect},
    reconcile::{
        Subject,
        attempt::{Attempt, Refusal, Sending, SendingOutcome},
    },
};
use kube::ResourceExt;
use std::future::Future;
use tokio::time::Instant;

/// Records `attempt` on the object, then makes the call. A definite refusal of its only request is recorded, too, before
/// anything else is said.
///
/// # Errors
/// When Kubernetes did not take the record.
pub async fn attempt<K: Kind, T>(
    ctx: &Context,
    object: &K,
    attempt: &Attempt,
    call: impl AsyncFnOnce() -> Result<T, Failure>,
) -> Result<Applied<K>, kube::Error> {
    let object = write::record(ctx, object, Some(attempt)).await?;
    let subject = Subject::of(&object, false);
    let failure = match remembered(ctx, &subject, attempt, call()).await {
        Ok(_) => return Ok(Applied::Changed(Box::new(object))),
        Err(failure) => failure,
    };
    if failure.error.effect == Effect::None && !attempt.is_repeat() {
        let refused = attempt.refused(Refusal::new(&failure.error, &subject));
        let object = write::record(ctx, &object, Some(&refused)).await?;
        return Ok(Applied::Failed(failure, Box::new(object)));
    }
    Ok(Applied::Failed(failure, Box::new(object)))
}

async fn remembered<T>(
    ctx: &Context,
    subject: &Subject,
    attempt: &Attempt,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let uid = &subject.uid;
    let at = Instant::now();
    let sending = |outcome| {
        let (first, write, is_repeat) = (attempt.first, attempt.write.clone(), attempt.is_repeat());
        Sending { first, write, is_repeat, at, outcome }
    };
    let before = ctx.memories.with(uid, |memory| memory.attempt.sending.replace(sending(SendingOutcome::InFlight)));
    let result = call.await;
    let ended = ctx.inventory.sequence();
    let outcome = match &result {
        Ok(_) => Some(SendingOutcome::Answered),
        Err(failure) => match failure.error.effect {
            Effect::NotSent => None,
            Effect::None => Some(SendingOutcome::Refused(Refusal::new(&failure.error, subject))),
            Effect::Unknown => Some(SendingOutcome::Unanswered { ended }),
        },
    };
    ctx.memories.with(uid, |memory| {
        memory.attempt.sending = match outcome {
            Some(outcome) => Some(sending(outcome)),
            None => before,
        };
        if result.is_err() {
            memory.look_after = Some(ended);
        } else {
            memory.write_taken();
        }
    });
    result
}

/// Makes a call that needs no record: the deletion of what a deleted object has.
pub async fn unrecorded<K: Kind, T>(
    ctx: &Context,
    object: &K,
    call: impl Future<Output = Result<T, Failure>>,
) -> Applied<K> {
    let result = call.await;
    let ended = ctx.inventory.sequence();
    ctx.memories.with(&object.uid().unwrap_or_default(), |memory| match &result {
        Ok(_) => memory.write_taken(),
        Err(_) => memory.look_after = Some(ended),
    });
    match result {
        Ok(_) => Applied::Changed(Box::new(object.clone())),
        Err(failure) => Applied::Failed(failure, Box::new(object.clone())),
    }
}
