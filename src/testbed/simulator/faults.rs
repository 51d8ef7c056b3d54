//! Faults on demand: what they do to a request. Which requests meet one is [`super::rules`]' business.

mod outcome;

pub(super) use outcome::{Cut, Outcome};

use serde::{Deserialize, Serialize};

/// What goes wrong. The kebab-case names are stable: test matrices are made of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// It is done, but the connection is cut without an answer.
    AnswerLost,
    /// The connection never comes about. Over a socket it has, so there it is cut.
    RefusedBefore,
    /// The connection is cut, nothing is done.
    DroppedBefore,
    /// Nothing is done and nothing is ever answered.
    HungBefore,
    /// A bare status, nothing is done.
    Status { code: u16, body: BodyKind },
    /// It is done, and this is answered.
    StatusAfter { code: u16, body: BodyKind },
    /// 429 with `Retry-After` in seconds.
    ThrottledSeconds { seconds: u64 },
    /// 429 with `Retry-After` as a date.
    ThrottledDate { seconds: u64 },
    /// 429 without `Retry-After`.
    ThrottledSilent,
    /// 500 `UNEXPECTED_ERROR`.
    UnexpectedError,
    /// 502 from a proxy, HTML.
    BadGateway,
    /// 503 from Envoy, plain text (INF), with `Retry-After` if there are seconds.
    Unavailable { seconds: Option<u64> },
    /// 504 from a proxy, plain text.
    GatewayTimeout,
    /// 405 `WRITES_NOT_ALLOWED_DURING_APP_UPGRADES`, which passes.
    AppUpgrade,
    /// 400 `ATLAS_GENERAL_ERROR`, "No Capacity".
    NoCapacity,
    /// 401 as for a wrong key.
    WrongCredentials,
    /// 401 with `stale=true`.
    StaleNonce,
    /// 402 `NO_PAYMENT_INFORMATION_FOUND`.
    PaymentRequired,
    /// 403 `IP_ADDRESS_NOT_ON_ACCESS_LIST`.
    AccessList,
    /// 404 with an error body that names nothing asked for.
    NotFoundJson,
    /// 404 in HTML.
    NotFoundHtml,
    /// 409 with a code that nobody knows.
    ConflictUnknown,
    /// 409: the service is not ready for endpoints yet.
    CannotAccept,
    /// It is done; HTML with 200.
    HtmlOk,
    /// It is done; the JSON breaks off.
    TruncatedJson,
    /// It is done; the JSON is called text.
    WrongContentType,
    /// It is done; states are words that nobody knows.
    UnknownWord,
    /// It is done; ids are missing.
    MissingId,
    /// It is done; the answer tells of another object, as an example of the original pages does (atlas-api.md §9.7). Lists
    /// are as they are.
    AnotherObject,
    /// It is done; all values are null.
    Nulls,
    /// It is done; there are fields that nobody knows.
    ExtraFields,
    /// It is done; the body has ten megabytes.
    HugeBody,
    /// It is done; the body is not UTF-8.
    InvalidUtf8,
    /// It is done; the answer comes late.
    Slow { millis: u64 },
    /// It is done; the body trickles.
    Drip { millis: u64 },
    /// 302, nothing is done.
    Redirect { to: String },
}

/// What is in the body of a bare status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyKind {
    Empty,
    /// Atlas' error body without a code (atlas-api.md §1: "may be null").
    Json,
    Html,
    Text,
}

/// Where the effect of the request stands to the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The fault comes instead of the effect.
    Instead,
    /// The effect takes place, then the fault.
    After,
}

impl Fault {
    /// One of each, with sensible values, for test matrices.
    pub fn all() -> Vec<Self> {
        vec![
            Self::AnswerLost,
            Self::RefusedBefore,
            Self::DroppedBefore,
            Self::HungBefore,
            Self::Status { code: 418, body: BodyKind::Empty },
            Self::StatusAfter { code: 500, body: BodyKind::Json },
            Self::ThrottledSeconds { seconds: 7 },
            Self::ThrottledDate { seconds: 7 },
            Self::ThrottledSilent,
            Self::UnexpectedError,
            Self::BadGateway,
            Self::Unavailable { seconds: Some(5) },
            Self::GatewayTimeout,
            Self::AppUpgrade,
            Self::NoCapacity,
            Self::WrongCredentials,
            Self::StaleNonce,
            Self::PaymentRequired,
            Self::AccessList,
            Self::NotFoundJson,
            Self::NotFoundHtml,
            Self::ConflictUnknown,
            Self::CannotAccept,
            Self::HtmlOk,
            Self::TruncatedJson,
            Self::WrongContentType,
            Self::UnknownWord,
            Self::MissingId,
            Self::AnotherObject,
            Self::Nulls,
            Self::ExtraFields,
            Self::HugeBody,
            Self::InvalidUtf8,
            Self::Slow { millis: 45_000 },
            Self::Drip { millis: 29_000 },
            Self::Redirect { to: "https://elsewhere.invalid/".to_owned() },
        ]
    }

    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AnswerLost => "answer-lost",
            Self::RefusedBefore => "refused-before",
            Self::DroppedBefore => "dropped-before",
            Self::HungBefore => "hung-before",
            Self::Status { .. } => "status",
            Self::StatusAfter { .. } => "status-after",
            Self::ThrottledSeconds { .. } => "throttled-seconds",
            Self::ThrottledDate { .. } => "throttled-date",
            Self::ThrottledSilent => "throttled-silent",
            Self::UnexpectedError => "unexpected-error",
            Self::BadGateway => "bad-gateway",
            Self::Unavailable { .. } => "unavailable",
            Self::GatewayTimeout => "gateway-timeout",
            Self::AppUpgrade => "app-upgrade",
            Self::NoCapacity => "no-capacity",
            Self::WrongCredentials => "wrong-credentials",
            Self::StaleNonce => "stale-nonce",
            Self::PaymentRequired => "payment-required",
            Self::AccessList => "access-list",
            Self::NotFoundJson => "not-found-json",
            Self::NotFoundHtml => "not-found-html",
            Self::ConflictUnknown => "conflict-unknown",
            Self::CannotAccept => "cannot-accept",
            Self::HtmlOk => "html-ok",
            Self::TruncatedJson => "truncated-json",
            Self::WrongContentType => "wrong-content-type",
            Self::UnknownWord => "unknown-word",
            Self::MissingId => "missing-id",
            Self::AnotherObject => "another-object",
            Self::Nulls => "nulls",
            Self::ExtraFields => "extra-fields",
            Self::HugeBody => "huge-body",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Slow { .. } => "slow",
            Self::Drip { .. } => "drip",
            Self::Redirect { .. } => "redirect",
        }
    }

    /// Whether the request still does what it asks for.
    pub fn takes_effect(&self) -> bool {
        self.order() == Order::After
    }

    pub(super) fn order(&self) -> Order {
        match self {
            Self::RefusedBefore
            | Self::DroppedBefore
            | Self::HungBefore
            | Self::Status { .. }
            | Self::ThrottledSeconds { .. }
            | Self::ThrottledDate { .. }
            | Self::ThrottledSilent
            | Self::UnexpectedError
            | Self::BadGateway
            | Self::Unavailable { .. }
            | Self::GatewayTimeout
            | Self::AppUpgrade
            | Self::NoCapacity
            | Self::WrongCredentials
            | Self::StaleNonce
            | Self::PaymentRequired
            | Self::AccessList
            | Self::NotFoundJson
            | Self::NotFoundHtml
            | Self::ConflictUnknown
            | Self::CannotAccept
            | Self::Redirect { .. } => Order::Instead,
            Self::AnswerLost
            | Self::StatusAfter { .. }
            | Self::HtmlOk
            | Self::TruncatedJson
            | Self::WrongContentType
            | Self::UnknownWord
            | Self::MissingId
            | Self::AnotherObject
            | Self::Nulls
            | Self::ExtraFields
            | Self::HugeBody
            | Self::InvalidUtf8
            | Self::Slow { .. }
            | Self::Drip { .. } => Order::After,
        }
    }
}
