//! Why a call of Atlas did not give what was asked. The class alone drives retry, condition and metric label.

use std::{fmt, time::Duration};

/// What kind of failure it is; nothing else about an error is branched on outside this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 5xx, a deadline, a broken or unreadable answer, "try again later": ask again with backoff.
    Transient,
    /// 429. Not before the given time has passed, where Atlas named one.
    Throttled(Option<Duration>),
    /// 409: what was to be made exists already.
    Exists,
    /// 409 of any other code: not possible yet.
    NotYet,
    /// Not sent, or not sent again: what the write rested on is too old by now. Look again.
    Outdated,
    /// Only a person can mend it, outside the cluster.
    Denied(Denial),
    /// Atlas refuses what was asked; asking again won't help.
    Invalid,
    /// 404 about a service or an endpoint. Merely asks for a LIST: absence is proved by nothing else.
    Missing,
}

/// What a person has to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The key or token itself is refused.
    Credentials,
    /// The role, the API access list, or the payment method.
    Access,
    /// Atlas finds no such project, or not for this credential.
    Project,
}

impl Class {
    /// A stable word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled(_) => "throttled",
            Self::Exists => "exists",
            Self::NotYet => "not_yet",
            Self::Outdated => "outdated",
            Self::Denied(Denial::Credentials) => "denied_credentials",
            Self::Denied(Denial::Access) => "denied_access",
            Self::Denied(Denial::Project) => "denied_project",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
        }
    }
}

/// Whether Atlas may have carried out a write whose call failed (design.md, safety rule 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The request was never handed to the transport: what it rested on was too old, or the project is held back.
    NotSent,
    /// A definite refusal: a 4xx with Atlas' error body, or a connection that never came about. Nothing was done.
    None,
    /// No answer, a 5xx or an unreadable one: it may or may not have been done.
    Unknown,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct AtlasError {
    pub class: Class,
    pub effect: Effect,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Atlas' `errorCode`.
    pub code: Option<String>,
    /// What happened, fit for a condition: Atlas' own `detail`, at most 512 bytes, never a header, a body or a secret.
    pub detail: String,
}

/// The conflicts whose end comes by itself (atlas-api.md §2): a service that is not ready for endpoints, and one whose
/// endpoints are still being removed.
const PASSING: [&str; 2] = ["PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS", "CANNOT_DELETE_PRIVATELINK_WITH_ENDPOINTS"];

impl AtlasError {
    /// Whether it is a "not yet" that nobody knows, and that may turn out to be a "never": so may something that is in the
    /// way, or missing, and that no list shows or lacks.
    pub fn may_be_for_ever(&self) -> bool {
        matches!(self.class, Class::NotYet | Class::Exists | Class::Missing)
            && !self.code.as_deref().is_some_and(|code| PASSING.contains(&code))
    }
}

impl fmt::Display for AtlasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        match (&self.code, self.status) {
            (Some(code), Some(status)) => write!(f, " ({status} {code})"),
            (Some(code), None) => write!(f, " ({code})"),
            (None, Some(status)) => write!(f, " ({status})"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_answered_and_nobody_knows_may_be_for_ever() {
        for (class, effect, code, expected) in [
            (Class::NotYet, Effect::None, Some("SOMETHING_NOBODY_KNOWS"), true),
            (Class::NotYet, Effect::Unknown, None, true),
            (Class::Outdated, Effect::NotSent, None, false),
            (Class::Outdated, Effect::None, None, false),
            (Class::NotYet, Effect::None, Some(PASSING[0]), false),
            (Class::NotYet, Effect::None, Some(PASSING[1]), false),
            (Class::Exists, Effect::None, Some("SOMETHING_NOBODY_KNOWS"), true),
            (Class::Missing, Effect::None, None, true),
            (Class::Transient, Effect::None, None, false),
        ] {
            let code = code.map(str::to_owned);
            let error = AtlasError { class, effect, status: Some(409), code, detail: String::new() };
            assert_eq!(error.may_be_for_ever(), expected, "{error:?}");
        }
    }
}
