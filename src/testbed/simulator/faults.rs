//! Faults on demand: what they do to a request. Which requests meet one is [`super::rules`]' business.

use super::{
    answer::{Answer, http_date},
    problem::Problem,
};
use bytes::Bytes;
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

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

/// What the caller gets of an answer.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// After a while.
    Late(Answer, Duration),
    /// Never anything.
    Silence,
    Cut(Cut),
}

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    NeverCameAbout,
    Dropped,
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
            Self::HtmlOk,
            Self::TruncatedJson,
            Self::WrongContentType,
            Self::UnknownWord,
            Self::MissingId,
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
            Self::HtmlOk => "html-ok",
            Self::TruncatedJson => "truncated-json",
            Self::WrongContentType => "wrong-content-type",
            Self::UnknownWord => "unknown-word",
            Self::MissingId => "missing-id",
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
            | Self::Redirect { .. } => Order::Instead,
            Self::AnswerLost
            | Self::StatusAfter { .. }
            | Self::HtmlOk
            | Self::TruncatedJson
            | Self::WrongContentType
            | Self::UnknownWord
            | Self::MissingId
            | Self::Nulls
            | Self::ExtraFields
            | Self::HugeBody
            | Self::InvalidUtf8
            | Self::Slow { .. }
            | Self::Drip { .. } => Order::After,
        }
    }

    /// What the caller gets. `answer` is what Atlas would have said, if it was asked; `challenge` makes a 401.
    pub(super) fn apply(
        &self,
        answer: Answer,
        project: &str,
        now: Timestamp,
        challenge: impl FnOnce(bool) -> Answer,
    ) -> Outcome {
        let html =
            |status, text: &str| Answer::new(status, "text/html", format!("<html><body><h1>{text}</h1></body></html>"));
        Outcome::Answer(match self {
            Self::AnswerLost | Self::DroppedBefore => return Outcome::Cut(Cut::Dropped),
            Self::RefusedBefore => return Outcome::Cut(Cut::NeverCameAbout),
            Self::HungBefore => return Outcome::Silence,
            Self::Slow { millis } => return Outcome::Late(answer, Duration::from_millis(*millis)),
            Self::Drip { millis } => Answer { drip: Some(Duration::from_millis(*millis)), ..answer },
            Self::Status { code, body } | Self::StatusAfter { code, body } => bare(*code, *body),
            Self::ThrottledSeconds { seconds } => throttled(*seconds).with(header::RETRY_AFTER, seconds.to_string()),
            Self::ThrottledDate { seconds } => {
                let seconds_ahead = SignedDuration::from_secs(i64::try_from(*seconds).unwrap_or(i64::MAX));
                let date = http_date(now.saturating_add(seconds_ahead).unwrap_or(Timestamp::MAX));
                throttled(*seconds).with(header::RETRY_AFTER, date)
            }
            Self::ThrottledSilent => throttled(60),
            Self::BadGateway => html(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
            Self::Unavailable { seconds } => {
                let text = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
                let answer = Answer::new(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text);
                match seconds {
                    Some(seconds) => answer.with(header::RETRY_AFTER, seconds.to_string()),
                    None => answer,
                }
            }
            Self::GatewayTimeout => Answer::new(StatusCode::GATEWAY_TIMEOUT, "text/plain", "upstream request timeout"),
            Self::WrongCredentials => challenge(false),
            Self::StaleNonce => challenge(true),
            Self::NotFoundHtml => html(StatusCode::NOT_FOUND, "404 Not Found"),
            Self::HtmlOk => html(StatusCode::OK, "We are down for maintenance"),
            Self::UnexpectedError
            | Self::AppUpgrade
            | Self::NoCapacity
            | Self::PaymentRequired
            | Self::AccessList
            | Self::NotFoundJson
            | Self::ConflictUnknown => self.problem(project),
            Self::Redirect { to } => {
                Answer::new(StatusCode::FOUND, "text/plain", Bytes::new()).with(header::LOCATION, to)
            }
            Self::TruncatedJson
            | Self::WrongContentType
            | Self::UnknownWord
            | Self::MissingId
            | Self::Nulls
            | Self::ExtraFields
            | Self::HugeBody
            | Self::InvalidUtf8 => self.mangle(answer),
        })
    }

    /// Atlas' own error bodies.
    fn problem(&self, project: &str) -> Answer {
        let problem = match self {
            Self::AppUpgrade => Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES",
                "Create, update, and delete API endpoints are disabled while the system is being upgraded.",
            ),
            Self::NoCapacity => Problem::new(StatusCode::BAD_REQUEST, "ATLAS_GENERAL_ERROR", "Reason: No Capacity.")
                .with(["No Capacity"]),
            Self::PaymentRequired => {
                let detail = format!("No payment information was found for group {project}.");
                Problem::new(StatusCode::PAYMENT_REQUIRED, "NO_PAYMENT_INFORMATION_FOUND", detail).with([project])
            }
            Self::AccessList => Problem::not_on_access_list(),
            Self::NotFoundJson => Problem::no_such_resource("/"),
            Self::ConflictUnknown => {
                Problem::conflict("SOMETHING_NOBODY_KNOWS", "The request conflicts with something.")
            }
            _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "UNEXPECTED_ERROR", "Unexpected error."),
        };
        Answer::problem(&problem, super::answer::Layout::default())
    }

    /// The real answer, spoilt.
    fn mangle(&self, answer: Answer) -> Answer {
        let rewrite = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| match serde_json::from_slice(&answer.body)
        {
            Ok(mut value) => {
                each_object(&mut value, change);
                Bytes::from(value.to_string())
            }
            Err(_) => answer.body.clone(),
        };
        let body = match self {
            Self::TruncatedJson => answer.body.slice(..answer.body.len() / 2),
            Self::UnknownWord => rewrite(&|fields| {
                for (name, value) in fields.iter_mut() {
                    if name == "status" || name == "connectionStatus" {
                        *value = "PONDERING".into();
                    }
                }
            }),
            Self::MissingId => rewrite(&|fields| fields.retain(|name, _| !ID_FIELDS.contains(&name.as_str()))),
            Self::Nulls => rewrite(&|fields| fields.values_mut().for_each(|value| *value = Value::Null)),
            Self::ExtraFields => rewrite(&|fields| {
                fields.insert("futureField".to_owned(), json!({"deep": [1, null, "x"]}));
            }),
            Self::HugeBody => Bytes::from(format!("\"{}\"", "x".repeat(10_000_000))),
            Self::InvalidUtf8 => Bytes::from_static(b"{\"id\":\"\xff\xfe\xc3\"}"),
            _ => answer.body.clone(),
        };
        let mut spoilt = Answer { body, ..answer.clone() };
        if *self == Self::WrongContentType {
            spoilt.headers.retain(|(name, _)| *name != header::CONTENT_TYPE);
            spoilt.headers.push((header::CONTENT_TYPE, "text/plain".to_owned()));
        }
        spoilt
    }
}

/// The fields that name an object.
const ID_FIELDS: [&str; 5] =
    ["id", "interfaceEndpointId", "privateEndpointResourceId", "endpointGroupName", "access_token"];

/// Changes an object, or every object of a list.
fn each_object(value: &mut Value, change: &dyn Fn(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        Value::Object(fields) => change(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn bare(code: u16, body: BodyKind) -> Answer {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = status.canonical_reason().unwrap_or_default();
    match body {
        BodyKind::Empty => Answer { headers: Vec::new(), ..Answer::new(status, "", Bytes::new()) },
        BodyKind::Json => Answer::json(
            status,
            &json!({"detail": reason, "error": code, "errorCode": null, "parameters": null, "reason": reason}),
        ),
        BodyKind::Html => Answer::new(status, "text/html", format!("<html>{reason}</html>")),
        BodyKind::Text => Answer::new(status, "text/plain", reason),
    }
}

fn throttled(seconds: u64) -> Answer {
    let mut problem = Problem::rate_limited("api/atlas", seconds, 10, 5, 60);
    problem.retry_after = None;
    Answer::problem(&problem, super::answer::Layout::default())
}
