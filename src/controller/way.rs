//! The way from an object to Atlas, the same for both kinds: its Secret, its project, and how recent a look must be.

use super::{
    context::{Care, Context},
    memory::{Memory, Way},
};
use crate::{
    api::{CommonStatus, Reason, Standing, Verdict},
    atlas::{
        Caller, Failure, Sent,
        credential::Credential,
        error::{Class, Denial},
        ids::ProjectId,
        inventory::{Need, Services, Unseen, View, Why},
        model::Endpoint,
        region::Provider,
    },
    credentials::{self, Problem},
    metrics::ErrorClass,
    reconcile::{
        Moment, Subject,
        attempt::{Attempt, AttemptedWrite},
        blocked::{Blocked, Cause},
        endpoint::Attachment,
        ownership::Heard,
        report,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How soon what is missing in the cluster is looked for again.
const LOOK_FOR_SECRET: Duration = Duration::from_secs(30);
/// A write may rest on a view of ten seconds; half of that leaves time to record the attempt.
const WRITE_VIEW: Duration = Duration::from_secs(5);

/// The moment of a decision, without Atlas' time.
pub fn moment(ctx: &Context, subject: &Subject, attempt: Option<&Attempt>) -> Moment {
    let now = Instant::now();
    ctx.memories.with(&subject.uid, |memory| {
        if let Some(attempt) = attempt {
            memory.attempt.notice(attempt, &ctx.holder, now);
        }
        Moment {
            holder: ctx.holder.clone(),
            now,
            atlas_time: ctx.clock.at(now),
            attempt: memory.attempt.clone(),
            failed_since: memory.failed_since,
            removed: memory.being_removed(now),
        }
    })
}

/// How many times something failed has been taken away: what status says, or the attempt recorded after it, if that may
/// have had an effect.
pub fn tries<S: CommonStatus>(
    status: &S,
    subject: &Subject,
    attempt: Option<&Attempt>,
    is_about_it: impl Fn(&AttemptedWrite) -> bool,
) -> u32 {
    if report::starts_anew(status, subject) && !subject.deleting {
        return 0;
    }
    let tried = attempt.filter(|attempt| is_about_it(&attempt.write));
    let recorded = tried.map_or(0, |attempt| attempt.tries);
    status.attempts().max(recorded)
}

/// Whether nothing moves in Atlas: it was Ready, or only a person can mend it. Where that was to let us in, what may have
/// moved meanwhile is not known.
pub fn is_quiet<S: CommonStatus>(status: Option<&S>) -> bool {
    match status.and_then(|status| Verdict::of(status.conditions())) {
        Some((Standing::Ready, _)) => true,
        Some((Standing::Stalled, reason)) => {
            !Reason::LOCKED_OUT.iter().any(|locked_out| locked_out.to_string() == reason)
        }
        Some((Standing::Reconciling | Standing::Unconfirmed, _)) | None => false,
    }
}

/// How recent a look at Atlas must be.
pub fn need(ctx: &Context, subject: &Subject, project: ProjectId, quiet: bool, care: Care) -> Need {
    let interval = if quiet { ctx.resync_interval(&project) } else { ctx.settings.poll_interval };
    let max_age = match care {
        Care::Normal => interval,
        Care::AtlasNow | Care::EverythingNow => interval.min(WRITE_VIEW),
    };
    let after = ctx.memories.with(&subject.uid, |memory| {
        memory.foreign_version.as_ref().map(|(_, sequence, _)| *sequence).max(memory.look_after)
    });
    Need { after, not_before: None, max_age, insist: false }
}

/// Whether Atlas is to be asked although it is too early: once for each reconcile request.
pub fn insists<S: CommonStatus>(ctx: &Context, subject: &Subject, status: Option<&S>) -> bool {
    let asked = status.map_or(subject.request.is_some(), |status| report::asks_now(status, subject));
    let heed =
        |memory: &mut Memory| std::mem::replace(&mut memory.insisted, subject.request.clone()) != subject.request;
    asked && ctx.memories.with(&subject.uid, heed)
}

/// Lists the services of an object's project with its own credential, or, for a deletion, with the last one it had.
///
/// # Errors
/// When there is no credential, or Atlas gave no list.
pub async fn services(
    ctx: &Context,
    subject: &Subject,
    secret: &str,
    project: ProjectId,
    provider: Provider,
    need: Need,
) -> Result<(Services, Caller), Blocked> {
    let caller = caller(ctx, subject, secret, project).await?;
    let need = Need { not_before: ctx.memories.with(&subject.uid, |memory| memory.list_seen), ..need };
    let first = ctx.inventory.services(&caller, provider, need).await;
    let newer = match &first {
        Err(unseen) => after_rotation(ctx, subject, secret, &caller, &unseen.failure).await,
        Ok(_) => None,
    };
    let (result, caller) = match newer {
        Some(caller) => (ctx.inventory.services(&caller, provider, need).await, caller),
        None => (first, caller),
    };
    match result {
        Ok(services) => {
            let way = Way { secret: secret.to_owned(), caller: caller.clone(), provider };
            ctx.memories.with(&subject.uid, |memory| {
                memory.way = Some(way);
                memory.list_seen = memory.list_seen.max(Some(services.read.sequence));
            });
            Ok((services, caller))
        }
        Err(unseen) => Err(blocked(ctx, subject, secret, &unseen)),
    }
}

/// Remembers that Atlas confirmed the object when it was asked then.
pub fn confirm(ctx: &Context, subject: &Subject, read: Sent) {
    ctx.memories.with(&subject.uid, |memory| memory.confirmed_at = memory.confirmed_at.max(Some(read.at)));
}

/// The credential that the Secret holds by now, if it is another than the one that Atlas refused: it takes effect at once.
pub async fn rotated(
    ctx: &Context,
    subject: &Subject,
    secret: &str,
    caller: &Caller,
    failure: &Failure,
) -> Option<Arc<Credential>> {
    let refused_at = failure.sent.map_or(failure.at, |sent| sent.at);
    let held = ctx.credentials.after_refusal(refused_at, &subject.object.namespace, secret).await;
    held.ok().filter(|held| held.id() != caller.credential.id())
}

/// Reads the connection of an attached endpoint.
///
/// # Errors
/// When Atlas did not show it.
pub async fn endpoint(
    ctx: &Context,
    subject: &Subject,
    caller: &Caller,
    of: &Attachment,
    need: Need,
) -> Result<View<Endpoint>, Unseen> {
    let need = Need { not_before: ctx.memories.with(&subject.uid, |memory| memory.endpoint_seen), ..need };
    let view = ctx.inventory.endpoint(caller, of.service, &of.endpoint, need).await?;
    let seen = Some(view.read.sequence);
    ctx.memories.with(&subject.uid, |memory| memory.endpoint_seen = memory.endpoint_seen.max(seen));
    Ok(view)
}

async fn caller(ctx: &Context, subject: &Subject, secret: &str, project: ProjectId) -> Result<Caller, Blocked> {
    let problem = match ctx.credentials.get(&subject.object.namespace, secret).await {
        Ok(credential) => return Ok(Caller { credential, project }),
        Err(problem) => problem,
    };
    let last = ctx.memories.with(&subject.uid, |memory| memory.way.clone());
    let last = last.filter(|way| subject.deleting && way.caller.project == project);
    match (problem, last) {
        // The Secret went first, as it does when its namespace is deleted: what it held finishes the job.
        (Problem::Missing, Some(way)) => Ok(way.caller),
        // So may have gone what allowed the operator to read it.
        (Problem::Unreadable(error), Some(way)) if is_forbidden(&error) => Ok(way.caller),
        (Problem::Missing, _) => Err(Blocked::without_secret(secret, Instant::now() + LOOK_FOR_SECRET)),
        (Problem::Invalid(problem), _) => Err(Blocked::by_secret(secret, &problem, Instant::now() + LOOK_FOR_SECRET)),
        (Problem::Unreadable(error), _) if is_forbidden(&error) => {
            Err(Blocked::forbidden_secret(secret, Instant::now() + LOOK_FOR_SECRET))
        }
        (Problem::Unreadable(error), _) => Err(by_kubernetes(&error)),
    }
}

/// Whether the operator's ServiceAccount lacks a permission.
pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

/// Who is to ask once more, if Atlas refused the credential and the Secret holds another one by now.
pub async fn after_rotation(
    ctx: &Context,
    subject: &Subject,
    secret: &str,
    caller: &Caller,
    failure: &Failure,
) -> Option<Caller> {
    if failure.error.class != Class::Denied(Denial::Credentials) {
        return None;
    }
    let credential = rotated(ctx, subject, secret, caller, failure).await?;
    Some(Caller { credential, ..caller.clone() })
}

/// What a failed look at Atlas means for the object.
pub fn blocked(ctx: &Context, subject: &Subject, secret: &str, unseen: &Unseen) -> Blocked {
    let foreign = ctx.memories.with(&subject.uid, |memory| memory.foreign_version.clone());
    let is_news = foreign.is_none_or(|(_, sequence, at)| match unseen.failure.sent {
        Some(asked) => asked.sequence > sequence,
        // No token was given, or the credential cannot be used: that was known without a request of Atlas' API.
        None => unseen.failure.at > at,
    });
    // A Secret that is mended is noticed within a minute, however rarely Atlas is asked about the one that is refused.
    let retry_at = unseen.retry_at.min(Instant::now() + credentials::LIFETIME);
    let mut blocked = Blocked::by_atlas(&unseen.failure.error, secret, retry_at, is_news);
    blocked.retry_at = Some(if blocked.cause == Cause::Refusal { retry_at } else { unseen.retry_at });
    match unseen.why {
        Why::Failed => {
            ctx.metrics.reconcile_failed(ErrorClass::Atlas(unseen.failure.error.class));
            blocked
        }
        Why::UnderWay => blocked.by_a_request_under_way(),
    }
}

/// A read of Kubernetes that failed: nothing is known, and nothing is said.
pub fn by_kubernetes(error: &kube::Error) -> Blocked {
    tracing::warn!(%error, "a read of the Kubernetes API failed");
    let message = match error {
        kube::Error::Api(refusal) if refusal.is_forbidden() => {
            format!("the Kubernetes API refuses a read that is needed for it: {}", refusal.message)
        }
        _ => "the Kubernetes API did not answer".to_owned(),
    };
    unread(message)
}

/// The watch of links has not shown yet what is there: that a link is not found says nothing.
pub fn by_an_unseen_link() -> Blocked {
    unread("the AtlasPrivateLinks of this namespace could not be listed yet".to_owned())
}

fn unread(message: String) -> Blocked {
    let verdict = Verdict::reconciling(Reason::Retrying, message);
    Blocked { cause: Cause::Kubernetes, verdict, retry_at: None, is_news: false }
}

/// What an attempt to look at Atlas tells about whether the object counts; `None`: nothing new.
pub fn heard<T>(result: &Result<T, Blocked>) -> Option<Heard> {
    match result {
        Ok(_) => Some(Heard::Listed),
        Err(blocked) => match blocked.cause {
            Cause::Cluster | Cause::NoCredentials | Cause::Refusal => Some(Heard::Lacking),
            Cause::Silence | Cause::Kubernetes | Cause::UnderWay => None,
        },
    }
}

/// Remembers what was heard.
pub fn hear(ctx: &Context, uid: &str, heard: Option<Heard>, target: Option<Attachment>, waits_for_link: bool) {
    let at = ctx.inventory.sequence();
    ctx.memories.with(uid, |memory| {
        if let Some(heard) = heard {
            let before = memory.hearing.heard;
            memory.hearing.hear(heard, at, Instant::now());
            if memory.hearing.heard != before {
                memory.told_others = None;
            }
            memory.hearing.waits_for_link = waits_for_link;
        }
        if target.is_some() {
            memory.hearing.target = target;
        }
    });
}
