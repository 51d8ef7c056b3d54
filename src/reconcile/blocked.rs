//! Why an object cannot be decided on now, and what that does to its status. Pure.

use super::{
    Subject,
    report::{self, was_ready},
};
use crate::{
    api::{CommonStatus, Reason, Standing, Verdict},
    atlas::{
        credential::InvalidCredential,
        error::{AtlasError, Class, Denial},
    },
};
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// What kind of cause it is; it decides what may be written, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// This cluster alone shows it.
    Cluster,
    /// The Secret is not there.
    NoCredentials,
    /// Atlas has answered, with a refusal.
    Refusal,
    /// There was no answer, or "later".
    Silence,
    /// What the API server of Kubernetes has could not be read.
    Kubernetes,
    /// Somebody else is asking, and has no answer yet: what was said last stands.
    UnderWay,
}

/// An object that cannot be decided on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    pub cause: Cause,
    pub verdict: Verdict,
    /// When to try again; `None`: when something changes.
    pub retry_at: Option<Instant>,
    /// Whether the cause was learnt after the object's version reached this process, if another process wrote that.
    pub is_news: bool,
}

impl Blocked {
    /// By something in this cluster.
    pub fn by_cluster(verdict: Verdict, retry_at: Option<Instant>) -> Self {
        Self { cause: Cause::Cluster, verdict, retry_at, is_news: true }
    }

    /// By the Secret not being there.
    pub fn without_secret(secret: &str, retry_at: Instant) -> Self {
        let message = format!(
            "the Secret {secret:?} does not exist in this namespace: create it, with publicKey and privateKey, or clientId and clientSecret"
        );
        let verdict = Verdict::reconciling(Reason::WaitingForCredentials, message);
        Self { cause: Cause::NoCredentials, verdict, retry_at: Some(retry_at), is_news: true }
    }

    /// By the operator not being allowed to read the Secret.
    pub fn forbidden_secret(secret: &str, retry_at: Instant) -> Self {
        let message = format!(
            "the operator may not read the Secret {secret:?}: its ServiceAccount needs the verb get on Secrets of this namespace"
        );
        let verdict = Verdict::reconciling(Reason::WaitingForCredentials, message);
        Self { cause: Cause::NoCredentials, verdict, retry_at: Some(retry_at), is_news: true }
    }

    /// The same of a ConfigMap.
    pub fn forbidden_config_map(name: &str, retry_at: Instant) -> Self {
        let message = format!(
            "the operator may not read the ConfigMap {name:?}: its ServiceAccount needs the verb get on ConfigMaps of this namespace"
        );
        Self::by_cluster(Verdict::reconciling(Reason::WaitingForEndpointId, message), Some(retry_at))
    }

    /// By what the Secret holds, or does not hold yet.
    pub fn by_secret(secret: &str, problem: &InvalidCredential, retry_at: Instant) -> Self {
        let message = format!("the Secret {secret:?} cannot be used: {problem}");
        if problem.is_absent() {
            let verdict = Verdict::reconciling(Reason::WaitingForCredentials, message);
            return Self { cause: Cause::NoCredentials, verdict, retry_at: Some(retry_at), is_news: true };
        }
        Self::by_cluster(Verdict::stalled(Reason::CredentialsInvalid, message), Some(retry_at))
    }

    /// By a failed call of Atlas.
    pub fn by_atlas(error: &AtlasError, secret: &str, retry_at: Instant, is_news: bool) -> Self {
        let (cause, verdict) = judge(error, secret);
        Self { cause, verdict, retry_at: Some(retry_at), is_news }
    }
}

impl Blocked {
    /// Only by somebody else's request, which is under way.
    pub fn by_a_request_under_way(self) -> Self {
        Self { cause: Cause::UnderWay, ..self }
    }

    /// The same, once it has lasted too long to be taken for something that passes.
    pub fn stalled(mut self) -> Self {
        self.cause = Cause::Refusal;
        self.verdict = Verdict::stalled(Reason::InvalidRequest, self.verdict.message);
        self
    }
}

/// What a failed call means for the object on whose behalf it was made. What to do about a refusal stands in the error,
/// which knows its cause.
fn judge(error: &AtlasError, secret: &str) -> (Cause, Verdict) {
    let refusal = |reason, message: String| (Cause::Refusal, Verdict::stalled(reason, message));
    let silence = |reason, message: String| (Cause::Silence, Verdict::reconciling(reason, message));
    match error.class {
        // Atlas was not even asked: this kind of credential is of no use here.
        Class::Denied(Denial::Credentials) if error.status.is_none() => {
            refusal(Reason::CredentialsInvalid, format!("the Secret {secret:?} cannot be used: {error}"))
        }
        Class::Denied(Denial::Credentials) => refusal(
            Reason::CredentialsRefused,
            format!("Atlas refuses the credential in the Secret {secret:?}: {error}"),
        ),
        Class::Denied(Denial::Access) => refusal(
            Reason::AccessDenied,
            format!("Atlas does not let the credential in the Secret {secret:?} do this: {error}"),
        ),
        Class::Denied(Denial::Project) => refusal(
            Reason::ProjectNotFound,
            format!("Atlas shows no such project to the credential in the Secret {secret:?}: {error}"),
        ),
        Class::Invalid => refusal(Reason::InvalidRequest, format!("Atlas refuses the request: {error}")),
        Class::Throttled(_) => {
            silence(Reason::Throttled, format!("Atlas limits the rate of requests: {}", error.detail))
        }
        // Atlas itself has answered: it has no capacity, or is being upgraded.
        Class::Transient if error.code.is_some() && error.status.is_some_and(|status| status < 500) => {
            silence(Reason::Retrying, format!("Atlas cannot do this at the moment: {error}"))
        }
        Class::Transient => silence(Reason::AtlasUnreachable, format!("Atlas cannot be asked at the moment: {error}")),
        Class::NotYet | Class::Outdated | Class::Exists | Class::Missing => {
            silence(Reason::Retrying, format!("Atlas cannot do this yet: {error}"))
        }
    }
}

/// What this process knows of an object's version and of Atlas' last word on it.
#[derive(Debug, Clone, Copy)]
pub struct Confirmation {
    /// Whether the object's current version was written by this process.
    pub own_version: bool,
    /// When that version reached this process.
    pub version_at: Instant,
    /// When Atlas last confirmed the object (or the process started).
    pub confirmed_at: Instant,
    /// After this time without a word from Atlas, what it said last no longer counts.
    pub patience: Duration,
    /// Since when Atlas has not taken what the object asks of it.
    pub in_vain_since: Option<Instant>,
}

/// A deletion that Atlas does not take for this time says why: whoever waits for it looks by then.
const WORTH_TELLING: Duration = Duration::from_secs(60);

impl Confirmation {
    /// Whether a request without an answer may be told: another process may have had one, and said so.
    fn may_be_told_without_answer(&self, now: Instant) -> bool {
        self.own_version || now.saturating_duration_since(self.version_at) >= self.patience
    }

    fn is_asked_in_vain(&self, now: Instant) -> bool {
        self.in_vain_since.is_some_and(|since| now.saturating_duration_since(since) >= WORTH_TELLING)
    }

    /// Whether what Atlas said last no longer counts.
    fn is_lost(&self, now: Instant) -> bool {
        let silent = now.saturating_duration_since(self.confirmed_at) >= self.patience;
        silent && self.may_be_told_without_answer(now)
    }
}

fn is_unconfirmed<S: CommonStatus>(before: &S) -> bool {
    matches!(Verdict::of(before.conditions()), Some((Standing::Unconfirmed, _)))
}

/// The status that tells why the object is blocked, or `None` if what it says now still stands.
pub fn status<S: CommonStatus>(
    before: &S,
    subject: &Subject,
    blocked: &Blocked,
    known: Confirmation,
    now: (Instant, Timestamp),
) -> Option<S> {
    let verdict = verdict(before, subject, blocked, known, now.0)?;
    let mut status = before.clone();
    let anew = report::starts_anew(before, subject) && !subject.deleting;
    let tries = if anew { 0 } else { status.attempts() };
    report::tell(&mut status, subject, &verdict, tries, now.1);
    Some(status)
}

fn verdict<S: CommonStatus>(
    before: &S,
    subject: &Subject,
    blocked: &Blocked,
    known: Confirmation,
    now: Instant,
) -> Option<Verdict> {
    if subject.deleting {
        return while_deleting(before, blocked, known, now);
    }
    let lost = known.is_lost(now);
    let unconfirmed = || {
        let message = format!("Atlas has not confirmed it for a long time: {}", blocked.verdict.message);
        Verdict { standing: Standing::Unconfirmed, reason: Reason::AtlasUnreachable, message }
    };
    match blocked.cause {
        Cause::Cluster => Some(blocked.verdict.clone()),
        // What was Ready is not so as it is now: the edit may have named a Secret that is not there.
        Cause::NoCredentials if before.observed_generation() != subject.generation => Some(blocked.verdict.clone()),
        Cause::NoCredentials | Cause::Silence | Cause::Kubernetes | Cause::UnderWay if was_ready(before) => {
            lost.then(unconfirmed)
        }
        Cause::UnderWay => before.conditions().is_empty().then(|| blocked.verdict.clone()),
        Cause::NoCredentials if is_unconfirmed(before) => None,
        Cause::NoCredentials => Some(blocked.verdict.clone()),
        Cause::Refusal => (blocked.is_news || before.conditions().is_empty()).then(|| blocked.verdict.clone()),
        Cause::Silence | Cause::Kubernetes => match Verdict::of(before.conditions()) {
            None => Some(blocked.verdict.clone()),
            Some((Standing::Stalled, reason)) if reason == Reason::CredentialsInvalid.to_string() => {
                // The Secret has been mended, or Atlas could not have been asked.
                known.may_be_told_without_answer(now).then(|| blocked.verdict.clone())
            }
            // What was said then stands until Atlas speaks again.
            Some((Standing::Stalled | Standing::Unconfirmed | Standing::Ready, _)) => None,
            Some((Standing::Reconciling, reason)) => {
                // The words change with every answer (so many seconds to wait); what they mean is told once.
                let told = reason == blocked.verdict.reason.to_string() && !report::starts_anew(before, subject);
                (!told && known.may_be_told_without_answer(now)).then(|| blocked.verdict.clone())
            }
        },
    }
}

const RELEASE: &str = "To let this resource go and keep what it has in Atlas, set spec.deletionPolicy to Retain";

/// A deletion that cannot go on says how to release the object, if a person has to act.
fn while_deleting<S: CommonStatus>(
    before: &S,
    blocked: &Blocked,
    known: Confirmation,
    now: Instant,
) -> Option<Verdict> {
    let stalled = |verdict: &Verdict| Verdict {
        standing: Standing::Stalled,
        reason: verdict.reason,
        message: format!("{}. {RELEASE}", verdict.message),
    };
    match blocked.cause {
        Cause::Cluster if blocked.verdict.standing == Standing::Stalled => Some(stalled(&blocked.verdict)),
        Cause::Cluster => {
            Some(Verdict::reconciling(Reason::DeletionBlocked, format!("{}. {RELEASE}", blocked.verdict.message)))
        }
        Cause::NoCredentials => Some(stalled(&blocked.verdict)),
        Cause::Refusal => blocked.is_news.then(|| stalled(&blocked.verdict)),
        Cause::UnderWay => None,
        Cause::Silence | Cause::Kubernetes => {
            let reason = blocked.verdict.reason;
            let told = match Verdict::of(before.conditions()) {
                Some((Standing::Stalled, _)) => true,
                // The words change with every answer; what they mean is told once.
                Some((Standing::Reconciling, told)) => !known.is_asked_in_vain(now) || told == reason.to_string(),
                Some((Standing::Ready | Standing::Unconfirmed, _)) | None => false,
            };
            (!told || known.is_lost(now)).then(|| {
                let message = format!("it cannot be deleted at the moment: {}. {RELEASE}", blocked.verdict.message);
                Verdict::reconciling(reason, message)
            })
        }
    }
}

#[cfg(test)]
mod tests;
