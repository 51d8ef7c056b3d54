//! Drives one object through its phases: resolve → plan → apply, a bounded number of times, then status, once.

use super::{
    context::{Care, Context},
    kind::{Applied, Decision, Demand, Kind},
    memory::{WritePause, is_older},
    write,
};
use crate::{
    api::CommonStatus,
    atlas::{
        Failure, Sent,
        error::{Class, Denial, Effect},
        ids::ProjectId,
    },
    reconcile::{
        Look, Subject,
        blocked::{self, Blocked, Confirmation},
        report,
    },
};
use futures::FutureExt;
use kube::{ResourceExt, core::DeserializeGuard, runtime::controller::Action};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::Instrument;

/// How many steps one reconcile takes at most; what is left is left to the next.
const STEPS: usize = 8;
/// How long one reconcile may take, waiting for the project's turn included.
const DEADLINE: Duration = Duration::from_secs(180);
/// How long a reconcile waits for its turn to write to a project before it lets others go on.
const TURN: Duration = Duration::from_secs(2);
/// How soon an object is looked at again when the cluster is about to change.
const SHORTLY: Duration = Duration::from_secs(1);
/// No requeue is sooner than this.
const SOONEST: Duration = Duration::from_millis(50);
/// An unknown "not yet" of Atlas is taken for a "never" after this time.
const PATIENCE_WITH_NOT_YET: Duration = Duration::from_secs(3600);

/// Why a reconcile came to no end.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the Kubernetes API did not take a request")]
    Kubernetes(#[from] kube::Error),
}

/// Reconciles one object. Never fails: whatever happens ends in a requeue.
pub async fn reconcile<K: Kind>(object: Arc<DeserializeGuard<K>>, ctx: Arc<Context>) -> Action {
    let object = match &object.0 {
        Ok(object) => object.clone(),
        Err(invalid) => {
            tracing::error!(name = invalid.metadata.name, namespace = invalid.metadata.namespace, error = %invalid.error, "the object cannot be decoded and is left alone");
            return Action::await_change();
        }
    };
    let uid = object.uid().unwrap_or_default();
    let whereabouts = object.whereabouts(&ctx).unwrap_or_default();
    let span = tracing::info_span!(
        "reconcile",
        kind = %K::kind(&()),
        namespace = object.namespace(),
        name = object.name_any(),
        project = whereabouts.0,
        region = whereabouts.1
    );
    let run = AssertUnwindSafe(run(&ctx, object)).catch_unwind();
    match tokio::time::timeout(DEADLINE, run).instrument(span.clone()).await {
        Ok(Ok(Ok(action))) => {
            ctx.memories.with(&uid, |memory| memory.troubles = 0);
            action
        }
        Ok(Ok(Err(Trouble::Kubernetes(error)))) => {
            let conflict = matches!(&error, kube::Error::Api(status) if status.is_conflict());
            span.in_scope(|| {
                if conflict {
                    tracing::debug!("somebody else has changed the object meanwhile")
                } else {
                    tracing::warn!(%error, "will try again")
                }
            });
            again(&ctx, &uid)
        }
        Ok(Err(_panic)) => {
            span.in_scope(|| tracing::error!("the reconcile panicked; this is a bug of the operator"));
            again(&ctx, &uid)
        }
        Err(_elapsed) => {
            span.in_scope(|| tracing::warn!("the reconcile took too long and was given up"));
            again(&ctx, &uid)
        }
    }
}

/// The next try after trouble: 1, 2, 4 … 60 seconds.
fn again(ctx: &Context, uid: &str) -> Action {
    let troubles = ctx.memories.with(uid, |memory| {
        memory.troubles = memory.troubles.saturating_add(1);
        memory.troubles
    });
    let pause = Duration::from_secs(1 << (troubles - 1).min(6)).min(Duration::from_secs(60));
    Action::requeue(pause.mul_f64(1.0 + 0.1 * ctx.jitter.fraction()))
}

async fn run<K: Kind>(ctx: &Context, object: K) -> Result<Action, Trouble> {
    let Some(mut object) = newest(ctx, object).await? else { return Ok(Action::await_change()) };
    let (mut care, mut turn) = (Care::Normal, None);
    for _ in 0..STEPS {
        let subject = Subject::of(&object, object.is_suspended());
        let case = match object.resolve(ctx, subject.clone(), care).await {
            Ok(case) => case,
            Err(_) if subject.suspended && !subject.deleting => return suspended(ctx, &object, &subject).await,
            Err(blocked) => return stop(ctx, &object, &subject, &blocked).await,
        };
        if subject.suspended && !subject.deleting {
            return suspended(ctx, &object, &subject).await;
        }
        let before = object.status().cloned().unwrap_or_default();
        let decision = K::decide(&before, &case, ctx.clock.now());
        let Some(step) = decision.step.as_ref() else { return settle(ctx, &object, decision, K::project(&case)).await };
        match K::demand(step) {
            Demand::Record => {}
            Demand::Status => {
                object = write_status(ctx, &object, decision.status).await?;
                continue;
            }
            Demand::Atlas(_) if subject.suspended => return suspended(ctx, &object, &subject).await,
            Demand::Atlas(needed) => {
                if let Some(blocked) = held_back(ctx, &object, &subject, K::caller(&case)) {
                    return match blocked {
                        Some(blocked) => stop(ctx, &object, &subject, &blocked).await,
                        None => settle(ctx, &object, paused(ctx, &subject, decision), K::project(&case)).await,
                    };
                }
                if care < needed || turn.is_none() {
                    if let (None, Some(caller)) = (&turn, K::caller(&case)) {
                        let Ok(taken) = tokio::time::timeout(TURN, ctx.inventory.turn(caller.project)).await else {
                            return Ok(Action::requeue(SHORTLY));
                        };
                        turn = Some(taken);
                    }
                    let Some(newest) = careful(ctx, object, needed).await? else { return Ok(Action::await_change()) };
                    (object, care) = (newest, needed);
                    continue;
                }
            }
            Demand::Kubernetes(needed) => {
                if care < needed {
                    let Some(newest) = careful(ctx, object, needed).await? else { return Ok(Action::await_change()) };
                    (object, care) = (newest, needed);
                    continue;
                }
            }
        }
        let Some(step) = decision.step else { break };
        tracing::debug!(?step, "taking a step");
        match object.apply(ctx, &case, step).await? {
            Applied::Changed(changed) => object = *changed,
            Applied::Gone => {
                ctx.memories.forget(&subject.uid);
                return Ok(Action::await_change());
            }
            Applied::Failed(failure, changed) => {
                return failed(ctx, &*changed, &subject, K::caller(&case), &failure).await;
            }
        }
        care = Care::Normal;
    }
    Ok(Action::requeue(SHORTLY))
}

/// The object as it is worth deciding on: not older than this process' own last write. Remembers who wrote it.
async fn newest<K: Kind>(ctx: &Context, object: K) -> Result<Option<K>, kube::Error> {
    let uid = object.uid().unwrap_or_default();
    let own = ctx.memories.with(&uid, |memory| memory.own_version.clone());
    let object = match &own {
        Some(own) if is_older(&object.resource_version().unwrap_or_default(), own) => {
            match fetched(ctx, &object).await? {
                Some(object) => object,
                None => return Ok(None),
            }
        }
        Some(_) | None => object,
    };
    ctx.reached(&object);
    Ok(Some(object))
}

async fn careful<K: Kind>(ctx: &Context, object: K, care: Care) -> Result<Option<K>, kube::Error> {
    if care < Care::EverythingNow {
        return Ok(Some(object));
    }
    let object = fetched(ctx, &object).await?;
    if let Some(object) = &object {
        ctx.reached(object);
    }
    Ok(object)
}

/// The object as the API server has it; `None` if it is gone, or another has its name.
async fn fetched<K: Kind>(ctx: &Context, object: &K) -> Result<Option<K>, kube::Error> {
    let api = K::objects(ctx).api(&object.namespace().unwrap_or_default());
    Ok(api.get_opt(&object.name_any()).await?.filter(|found| found.uid() == object.uid()))
}

/// Nothing is left to do now: writes the status if it differs, and tells when to look again.
async fn settle<K: Kind>(
    ctx: &Context,
    object: &K,
    decision: Decision<K>,
    project: Option<ProjectId>,
) -> Result<Action, Trouble> {
    let failed = K::has_failed(&decision.status);
    ctx.memories.with(&object.uid().unwrap_or_default(), |memory| {
        memory.failed_since = if failed { memory.failed_since.or(Some(Instant::now())) } else { None };
    });
    write_status(ctx, object, decision.status).await?;
    let resync = project.map_or(ctx.settings.resync_interval, |project| ctx.resync_interval(&project));
    Ok(next_look(decision.look, decision.read, ctx.settings.poll_interval, resync))
}

fn next_look(look: Look, read: Option<Sent>, poll: Duration, resync: Duration) -> Action {
    let now = Instant::now();
    let seen = read.map_or(now, |read| read.at);
    let poll = seen + poll;
    let due = match look {
        Look::Poll => poll,
        Look::Resync => seen + resync,
        Look::Shortly => now + SHORTLY,
        Look::At(instant) if instant > now => instant,
        Look::At(_) => poll,
        Look::Never => return Action::await_change(),
    };
    Action::requeue(due.saturating_duration_since(now).max(SOONEST))
}

async fn write_status<K: Kind>(ctx: &Context, object: &K, status: K::Status) -> Result<K, kube::Error> {
    if object.status() == Some(&status) {
        return Ok(object.clone());
    }
    let news = object.news(&status);
    let written = write::status(ctx, object, status).await?;
    if let Some(ready) = written.status().and_then(|status| status.conditions().first()) {
        tracing::info!(ready = ready.status, reason = ready.reason, "{}", ready.message);
    }
    for item in news {
        ctx.events.publish(&written, item).await;
    }
    Ok(written)
}

async fn suspended<K: Kind>(ctx: &Context, object: &K, subject: &Subject) -> Result<Action, Trouble> {
    let mut status = object.status().cloned().unwrap_or_default();
    report::tell_suspended(&mut status, subject, ctx.clock.now());
    write_status(ctx, object, status).await?;
    Ok(Action::requeue(ctx.settings.resync_interval))
}

/// The object cannot be decided on now.
async fn stop<K: Kind>(ctx: &Context, object: &K, subject: &Subject, blocked: &Blocked) -> Result<Action, Trouble> {
    let now = Instant::now();
    let (confirmation, retry_at) = ctx.memories.with(&subject.uid, |memory| {
        let known = Confirmation {
            own_version: memory.foreign_version.is_none() && memory.own_version.is_some(),
            version_at: memory.foreign_version.as_ref().map_or(now, |(_, _, at)| *at),
            confirmed_at: memory.confirmed_at.unwrap_or(now),
            patience: ctx.settings.patience(),
        };
        (known, blocked.retry_at)
    });
    let before = object.status().cloned().unwrap_or_default();
    if let Some(status) = blocked::status(&before, subject, blocked, confirmation, (now, ctx.clock.now())) {
        write_status(ctx, object, status).await?;
    } else {
        tracing::debug!(reason = %blocked.verdict.reason, "{}", blocked.verdict.message);
    }
    Ok(match retry_at {
        Some(at) => Action::requeue(at.saturating_duration_since(now).max(SOONEST)),
        None => Action::requeue(ctx.settings.resync_interval),
    })
}

/// Whether the next write to Atlas has to wait: `Some(None)` for the object's own pause, `Some(Some(_))` for a refusal
/// that holds for the whole project.
fn held_back<K: Kind>(
    ctx: &Context,
    object: &K,
    subject: &Subject,
    caller: Option<&crate::atlas::Caller>,
) -> Option<Option<Blocked>> {
    let anew = object.status().is_some_and(|status| report::starts_anew(status, subject));
    let pause = ctx
        .memories
        .with(&subject.uid, |memory| memory.write_pause.filter(|pause| pause.until > Instant::now() && !anew));
    if pause.is_some() {
        return Some(None);
    }
    let refused = ctx.inventory.writes_refused(caller?).filter(|_| !anew)?;
    Some(Some(super::way::blocked(ctx, subject, &object.secret(ctx), &refused)))
}

/// The decision without its step, until the object's pause is over.
fn paused<K: Kind>(ctx: &Context, subject: &Subject, decision: Decision<K>) -> Decision<K> {
    let until = ctx.memories.with(&subject.uid, |memory| memory.write_pause.map(|pause| pause.until));
    Decision { step: None, look: until.map_or(Look::Shortly, Look::At), ..decision }
}

/// Atlas did not take a write.
async fn failed<K: Kind>(
    ctx: &Context,
    object: &K,
    subject: &Subject,
    caller: Option<&crate::atlas::Caller>,
    failure: &Failure,
) -> Result<Action, Trouble> {
    let now = Instant::now();
    tracing::warn!(class = failure.error.class.label(), "Atlas did not take the write: {}", failure.error);
    if failure.error.effect == Effect::NotSent && failure.error.class == Class::NotYet {
        return Ok(Action::requeue(SOONEST));
    }
    if let (Class::Denied(_), Some(caller)) = (failure.error.class, caller) {
        if failure.error.class == Class::Denied(Denial::Credentials) {
            // A rotated key takes effect at once: the next reconcile finds it.
            let refused_at = failure.sent.map_or(now, |sent| sent.at);
            let _ = ctx.credentials.after_refusal(refused_at, &subject.object.namespace, &object.secret(ctx)).await;
        }
        ctx.inventory.refuse_writes(caller, failure.clone());
    }
    let pause = ctx.memories.with(&subject.uid, |memory| {
        let mut pause = WritePause::after(memory.write_pause, ctx.jitter.fraction(), now);
        if let Class::Throttled(Some(after)) = failure.error.class {
            pause.until = pause.until.max(now + after);
        }
        memory.write_pause = Some(pause);
        pause
    });
    if let (Class::Exists | Class::Missing, 1) = (failure.error.class, pause.failures) {
        // Something is there, or not there any more: the next list tells. If it doesn't, the pause holds.
        return Ok(Action::requeue(SOONEST));
    }
    let mut blocked = Blocked::by_atlas(&failure.error, &object.secret(ctx), pause.until, true);
    if failure.error.class == Class::NotYet && now.saturating_duration_since(pause.since) >= PATIENCE_WITH_NOT_YET {
        blocked = blocked.stalled();
    }
    stop(ctx, object, subject, &blocked).await
}
