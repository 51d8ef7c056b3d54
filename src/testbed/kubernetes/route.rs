//! Reading a request: which resource it is for and what it asks.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, header};
use kube::client::Body;
use serde_json::Value;

use super::{failure::Failure, log::Verb, resource::NAMESPACES};

/// A request, read whole.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub raw_query: String,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub accept: String,
    pub user_agent: String,
    pub body: Bytes,
}

/// The place in the API that a path names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
}

impl Call {
    pub(super) async fn read(request: Request<Body>) -> Result<Self, kube::Error> {
        let (parts, body) = request.into_parts();
        let header =
            |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self {
            path: parts.uri.path().to_owned(),
            query: pairs(&raw_query),
            raw_query,
            content_type: header(header::CONTENT_TYPE),
            accept: header(header::ACCEPT),
            user_agent: header(header::USER_AGENT),
            body: body.collect_bytes().await?,
            method: parts.method,
        })
    }

    /// A parameter of the query; empty ones count as absent.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a parameter of the query is set to true.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), Some("true" | "1"))
    }

    /// Whether an answer from the server's cache will do, however old.
    pub(super) fn takes_cached(&self) -> bool {
        self.parameter("resourceVersion") == Some("0")
    }

    /// A parameter of the query that must be a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let invalid = |_| Failure::bad_request(format!("invalid {name}"));
        self.parameter(name).map(|value| value.parse().map_err(invalid)).transpose()
    }

    /// The resource version that the query asks for.
    pub(super) fn revision(&self) -> Result<Option<u64>, Failure> {
        let unreadable = |_| Failure::unreadable("invalid resourceVersion");
        self.parameter("resourceVersion").map(|value| value.parse().map_err(unreadable)).transpose()
    }

    /// Who the writes belong to: the field manager, else the first part of the user agent.
    pub(super) fn manager(&self, client: &str) -> String {
        let agent = self.user_agent.split('/').next().filter(|agent| !agent.is_empty());
        self.parameter("fieldManager").or(agent).unwrap_or(client).to_owned()
    }

    /// The body as an object.
    pub(super) fn object(&self) -> Result<Value, Failure> {
        if !self.content_type.is_empty() && !self.content_type.starts_with("application/json") {
            return Err(Failure::unsupported_media_type(&self.content_type));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}")))
    }

    /// Whether the answer shall hold only metadata.
    pub(super) fn metadata_only(&self) -> bool {
        self.accept.contains("as=PartialObjectMetadata")
    }

    /// The place that the path names; none for what is no resource.
    pub(super) fn address(&self) -> Option<Address> {
        let segments: Vec<_> = self.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            [NAMESPACES, namespace, inner @ ..] if !matches!(inner, [] | ["status" | "finalize"]) => {
                (*namespace, inner)
            }
            _ => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, "", ""),
            [plural, name] => (plural, *name, ""),
            [plural, name, subresource] => (plural, *name, *subresource),
            _ => return None,
        };
        let [group, version, plural, namespace, name, subresource] =
            [group, version, plural, namespace, name, subresource].map(str::to_owned);
        Some(Address { group, version, plural, namespace, name, subresource })
    }

    /// What it does to that place.
    pub(super) fn verb(&self, address: Option<&Address>) -> Option<Verb> {
        let Some(address) = address else { return Some(Verb::Discover) };
        let whole = address.name.is_empty();
        match self.method {
            Method::GET if self.flag("watch") => Some(Verb::Watch),
            Method::GET if whole => Some(Verb::List),
            Method::GET => Some(Verb::Get),
            Method::POST => Some(Verb::Create),
            Method::PUT if !whole => Some(Verb::Update),
            Method::PATCH if !whole => Some(Verb::Patch),
            Method::DELETE if whole => Some(Verb::DeleteCollection),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }
}

fn pairs(query: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

/// Undoes the encoding of forms: `+` and `%xx`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let escaped = after
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
