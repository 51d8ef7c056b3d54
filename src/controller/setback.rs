//! What is done when an object cannot be decided on, or Atlas did not take a write.

use super::{
    context::Context,
    driver::{SOONEST, Trouble, write_status},
    kind::Kind,
    memory::{Rebuff, Wish, WritePause},
    way,
};
use crate::{
    atlas::{
        Caller, Failure,
        error::{Class, Denial},
    },
    metrics::ErrorClass,
    reconcile::{
        Subject,
        blocked::{self, Blocked, Cause, Confirmation},
        report,
    },
};
use kube::runtime::controller::Action;
use tokio::time::Instant;

/// How many writes in a row may be too late before that is called a failure.
const OUTDATED: u32 = 3;

/// The object cannot be decided on now.
pub async fn stop<K: Kind>(ctx: &Context, object: &K, subject: &Subject, blocked: &Blocked) -> Result<Action, Trouble> {
    let now = Instant::now();
    let (confirmation, retry_at) = ctx.memories.with(&subject.uid, |memory| {
        let known = Confirmation {
            own_version: memory.foreign_version.is_none() && memory.own_version.is_some(),
            version_at: memory.foreign_version.as_ref().map_or(now, |(_, _, at)| *at),
            confirmed_at: memory.confirmed_at.unwrap_or(now),
            patience: ctx.settings.patience(),
            in_vain_since: memory
                .write_pause
                .as_ref()
                .filter(|pause| pause.told.verdict == blocked.verdict)
                .map(|pause| pause.since),
        };
        // What stands in the way is another matter than what was done just before.
        memory.told_deed = false;
        memory.silent_until = blocked.retry_at.filter(|_| blocked.cause == Cause::Silence);
        (known, blocked.retry_at)
    });
    let before = object.status().cloned().unwrap_or_default();
    if let Some(status) = blocked::status(&before, subject, blocked, confirmation, (now, ctx.clock.now())) {
        write_status(ctx, object, status).await?;
    } else {
        tracing::debug!(reason = %blocked.verdict.reason, "{}", blocked.verdict.message);
    }
    let due = retry_at.unwrap_or(now + ctx.settings.resync_interval);
    // However late Atlas is asked again: when its silence has lasted too long, that is told in time.
    let lost = Some(confirmation.confirmed_at + confirmation.patience).filter(|lost| *lost > now);
    Ok(Action::requeue(lost.map_or(due, |lost| due.min(lost)).saturating_duration_since(now).max(SOONEST)))
}

/// Why the next write to Atlas has to wait: a refusal that holds for the whole project, or the object's own pause, in
/// which it goes on saying what Atlas said last. A person who edits the object, or asks for a reconcile, ends both once.
pub fn held_back<K: Kind>(ctx: &Context, object: &K, subject: &Subject, caller: Option<&Caller>) -> Option<Blocked> {
    let now = Instant::now();
    let status = object.status();
    // Nobody but a person who asks for it asks about a refusal of the whole project out of turn.
    let asked = status.is_some_and(|status| report::asks_now(status, subject));
    if let Some(refused) = caller.and_then(|caller| ctx.inventory.writes_refused(caller)).filter(|_| !asked) {
        return Some(way::blocked(ctx, subject, &object.secret(ctx), &refused));
    }
    let pause = ctx.memories.with(&subject.uid, |memory| memory.write_pause.clone());
    let pause = pause.filter(|pause| pause.wish == Wish::of(subject))?;
    (pause.until > now).then_some(Blocked { retry_at: Some(pause.until), ..pause.told })
}

/// Atlas did not take a write.
pub async fn failed<K: Kind>(
    ctx: &Context,
    object: &K,
    subject: &Subject,
    caller: Option<&Caller>,
    failure: &Failure,
) -> Result<Action, Trouble> {
    let now = Instant::now();
    ctx.metrics.reconcile_failed(ErrorClass::Atlas(failure.error.class));
    tracing::debug!(class = failure.error.class.label(), "Atlas did not take the write: {}", failure.error);
    let outdated = failure.error.class == Class::Outdated;
    if outdated {
        let times = ctx.memories.with(&subject.uid, |memory| {
            memory.outdated = memory.outdated.saturating_add(1);
            memory.outdated
        });
        // As a rule another write came between, and the next look is in time. Where Atlas is slow, none ever is.
        let known_as_slow = caller.is_some_and(|caller| ctx.inventory.has_refused_writes(caller));
        if times <= OUTDATED && !known_as_slow {
            return Ok(Action::requeue(SOONEST));
        }
    }
    if let (Class::Denied(Denial::Credentials), Some(caller)) = (failure.error.class, caller)
        && way::rotated(ctx, subject, &object.secret(ctx), caller, failure).await.is_some()
    {
        return Ok(Action::requeue(SOONEST));
    }
    let concerns_all = outdated || matches!(failure.error.class, Class::Denied(_));
    if let Some(caller) = caller.filter(|_| concerns_all) {
        ctx.inventory.refuse_writes(caller, failure.clone());
    }
    let rebuff = Rebuff { error: &failure.error, secret: &object.secret(ctx), wish: Wish::of(subject) };
    let before = ctx.memories.with(&subject.uid, |memory| memory.write_pause.clone());
    let pause = WritePause::after(before, rebuff, ctx.jitter.fraction(), now);
    let (told, failures) = (pause.told.clone(), pause.failures);
    ctx.memories.with(&subject.uid, |memory| memory.write_pause = Some(pause));
    if let (Class::Exists | Class::Missing, 1) = (failure.error.class, failures) {
        // Something is there, or not there any more: the next list tells. If it doesn't, the pause holds.
        return Ok(Action::requeue(SOONEST));
    }
    stop(ctx, object, subject, &told).await
}
