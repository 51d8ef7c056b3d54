//! An answer before it is sent: status, headers, body; and how JSON is laid out in it.

use super::{problem::Problem, route::Dialect};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};
use std::time::Duration;

/// The media type of v2's successes; errors are plain JSON (atlas-api.md §1, §2, REC).
const V2_JSON: &str = "application/vnd.atlas.2023-01-01+json;charset=utf-8";

/// The whole of an answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
    /// Over how long the body trickles.
    pub(super) drip: Option<Duration>,
}

/// How the caller wants JSON: the query parameters of all Atlas resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pretty: bool,
    envelope: bool,
    /// From 1.
    page: usize,
    items: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { pretty: false, envelope: false, page: 1, items: 100 }
    }
}

impl Layout {
    /// Reads the query. `includeCount` has nothing to count in: a list is a bare array (atlas-api.md §1).
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut layout = Self::default();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let invalid = || Problem::invalid_query_parameter(name);
            match name {
                "pretty" => layout.pretty = value.parse().map_err(|_| invalid())?,
                "envelope" => layout.envelope = value.parse().map_err(|_| invalid())?,
                "includeCount" if value.parse::<bool>().is_err() => return Err(invalid()),
                "pageNum" => layout.page = number(value, usize::MAX).ok_or_else(invalid)?,
                "itemsPerPage" => layout.items = number(value, 500).ok_or_else(invalid)?,
                _ => {}
            }
        }
        Ok(layout)
    }

    /// The part of a list that is asked for: on the original pages; v2 has no paging here (atlas-api.md §2 "Lists").
    fn part(self, value: &Value) -> Value {
        match value {
            Value::Array(all) => {
                let before = (self.page - 1).saturating_mul(self.items);
                all.iter().skip(before).take(self.items).cloned().collect()
            }
            other => other.clone(),
        }
    }

    /// The body in this layout. The envelope's inner field is `content` in the general text (atlas-api.md §9.9).
    fn body(self, status: StatusCode, value: &Value) -> Bytes {
        let wrapped = self.envelope.then(|| json!({"status": status.as_u16(), "content": value}));
        let value = wrapped.as_ref().unwrap_or(value);
        if self.pretty { pretty(value).into() } else { value.to_string().into() }
    }
}

fn number(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=most).contains(number))
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![(header::CONTENT_TYPE, content_type.to_owned())];
        Self { status, headers, body: body.into(), drip: None }
    }

    pub(super) fn json(status: StatusCode, value: &Value) -> Self {
        Self::new(status, "application/json", value.to_string())
    }

    /// A success in a dialect.
    pub(super) fn success(status: StatusCode, value: &Value, dialect: Dialect, layout: Layout) -> Self {
        match dialect {
            Dialect::V1 => Self::new(status, "application/json", layout.body(status, &layout.part(value))),
            Dialect::V2 => Self::new(status, V2_JSON, layout.body(status, value)),
        }
    }

    /// An error, in either dialect, with its `X-Error-Code` (atlas-api.md §1 "Error body", REC).
    pub(super) fn problem(problem: &Problem, layout: Layout) -> Self {
        let answer = Self::new(problem.status, "application/json", layout.body(problem.status, &problem.body()));
        let answer = answer.with(HeaderName::from_static("x-error-code"), problem.code);
        match problem.retry_after {
            Some(seconds) => answer.with(header::RETRY_AFTER, seconds.to_string()),
            None => answer,
        }
    }

    /// The recorded 401 of the authentication itself, down to its spaces; the code came in August 2026 (atlas-api.md
    /// §3 "Digest", §9.1).
    pub(super) fn challenge(header: String, plain: bool) -> Self {
        let code = if plain { "" } else { ",\n  \"errorCode\" : \"UNEXPECTED_ERROR\"" };
        let body = format!(
            "{{\n  \"error\" : 401,\n  \"reason\" : \"Unauthorized\",\n  \"detail\" : \"You are not authorized for this \
             resource.\"{code}\n}}"
        );
        Self::new(StatusCode::UNAUTHORIZED, "application/json", body).with(header::WWW_AUTHENTICATE, header)
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The headers that every recorded answer has; `Date` is inferred (atlas-api.md §2, §9.12).
    pub(super) fn into_response(self, now: Timestamp) -> Response<Body> {
        let mut response = Response::new(match self.drip {
            Some(duration) => dripping(self.body, duration),
            None => Body::from(self.body),
        });
        *response.status_mut() = self.status;
        let common = [
            (header::SERVER, "mdbws".to_owned()),
            (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubdomains;".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::X_FRAME_OPTIONS, "DENY".to_owned()),
            (HeaderName::from_static("x-envoy-upstream-service-time"), "42".to_owned()),
            (
                HeaderName::from_static("x-mongodb-service-version"),
                "gitHash=0000000000000000000000000000000000000000; versionString=simulator".to_owned(),
            ),
            (header::DATE, http_date(now)),
        ];
        for (name, value) in common.into_iter().chain(self.headers) {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// `Mon, 10 Aug 2026 03:03:04 GMT`.
pub(super) fn http_date(at: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

/// A body of ten pieces, over `duration`.
fn dripping(body: Bytes, duration: Duration) -> Body {
    let piece = body.len().div_ceil(10).max(1);
    let pause = duration / 10;
    Body::from_stream(futures::stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok::<_, std::convert::Infallible>(next), rest))
    }))
}

/// JSON as Jackson's pretty printer lays it out, with a space before the colon, as in the recorded challenge (REC).
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

fn write(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                text.push_str(if index == 0 { "\n" } else { ",\n" });
                text.push_str(&"  ".repeat(depth + 1));
                text.push_str(&format!("{} : ", Value::from(name.as_str())));
                write(text, value, depth + 1);
            }
            text.push_str(&format!("\n{}}}", "  ".repeat(depth)));
        }
        Value::Array(items) if !items.is_empty() => {
            text.push_str("[ ");
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write(text, item, depth);
            }
            text.push_str(" ]");
        }
        Value::Object(_) => text.push_str("{ }"),
        Value::Array(_) => text.push_str("[ ]"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}
