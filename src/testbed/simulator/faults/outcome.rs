//! What the caller of a request that meets a fault gets.

use super::{
    super::{
        answer::{Answer, Layout, http_date},
        problem::Problem,
    },
    BodyKind, Fault,
};
use bytes::Bytes;
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

/// What the caller gets of an answer.
#[derive(Debug)]
pub(in crate::testbed::simulator) enum Outcome {
    Answer(Answer),
    /// After a while.
    Late(Answer, Duration),
    /// Never anything.
    Silence,
    Cut(Cut),
}

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::testbed::simulator) enum Cut {
    NeverCameAbout,
    Dropped,
}

impl Fault {
    /// What the caller gets. `answer` is what Atlas would have said, if it was asked; `challenge` makes a 401.
    pub(in crate::testbed::simulator) fn apply(
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
            | Self::ConflictUnknown
            | Self::CannotAccept => self.problem(project),
            Self::Redirect { to } => {
                Answer::new(StatusCode::FOUND, "text/plain", Bytes::new()).with(header::LOCATION, to)
            }
            Self::TruncatedJson
            | Self::WrongContentType
            | Self::UnknownWord
            | Self::MissingId
            | Self::AnotherObject
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
            Self::CannotAccept => Problem::cannot_accept("0".repeat(24).as_str()),
            _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "UNEXPECTED_ERROR", "Unexpected error."),
        };
        Answer::problem(&problem, Layout::default())
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
            Self::AnotherObject => match serde_json::from_slice(&answer.body) {
                Ok(Value::Object(fields)) => Bytes::from(renamed(fields).to_string()),
                _ => answer.body.clone(),
            },
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

/// The same of another object: its ids and its region are those of the original pages' examples.
fn renamed(fields: serde_json::Map<String, Value>) -> Value {
    let rename = |(name, value): (String, Value)| {
        let other = match name.as_str() {
            "id" => "5df264b8f10fab7d2cad2f0d",
            "interfaceEndpointId" => "vpce-08fb7e9319909ec7b",
            "regionName" => "US_WEST_2",
            _ => return (name, value),
        };
        (name, other.into())
    };
    Value::Object(fields.into_iter().map(rename).collect())
}

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
    Answer::problem(&problem, Layout::default())
}
