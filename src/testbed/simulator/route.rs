//! From a method and a path to what is asked for. The path is split before it is decoded, so that an encoded `/` stays
//! within its segment (atlas-api.md §2 "Path encoding").

use super::{problem::Problem, regions::Provider, routes_v1, routes_v2};
use http::Method;
use serde::{Deserialize, Serialize};

/// Which API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// `/api/atlas/v1.0`
    #[serde(rename = "v1.0")]
    V1,
    /// `/api/atlas/v2`
    #[serde(rename = "v2")]
    V2,
}

/// Whose words an answer is put in. v1.0 has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The AWS-only connections of the five pages (atlas-api.md §1).
    Legacy,
    /// The endpoint services of all providers (atlas-api.md §2).
    Cloud,
}

/// What a request asks for; the same names in both dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    ListServices,
    GetService,
    CreateService,
    DeleteService,
    GetEndpoint,
    AddEndpoint,
    DeleteEndpoint,
    Token,
    Revoke,
    GetProject,
    GetRegionalMode,
    GetSystemStatus,
}

impl Operation {
    /// The operations that tests put faults on.
    pub const FAULTABLE: [Self; 8] = [
        Self::ListServices,
        Self::GetService,
        Self::CreateService,
        Self::DeleteService,
        Self::GetEndpoint,
        Self::AddEndpoint,
        Self::DeleteEndpoint,
        Self::Token,
    ];

    /// Whether it changes something.
    pub fn is_write(self) -> bool {
        match self {
            Self::CreateService | Self::DeleteService | Self::AddEndpoint | Self::DeleteEndpoint => true,
            Self::ListServices | Self::GetService | Self::GetEndpoint => false,
            Self::Token | Self::Revoke | Self::GetProject | Self::GetRegionalMode | Self::GetSystemStatus => false,
        }
    }
}

/// What a request in a project asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    GetProject,
    GetRegionalMode,
    ListServices(Provider),
    CreateService,
    GetService(Provider, String),
    DeleteService(Provider, String),
    AddEndpoint(Provider, String),
    GetEndpoint(Provider, String, String),
    DeleteEndpoint(Provider, String, String),
}

impl Action {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::GetProject => Operation::GetProject,
            Self::GetRegionalMode => Operation::GetRegionalMode,
            Self::ListServices(_) => Operation::ListServices,
            Self::CreateService => Operation::CreateService,
            Self::GetService(..) => Operation::GetService,
            Self::DeleteService(..) => Operation::DeleteService,
            Self::AddEndpoint(..) => Operation::AddEndpoint,
            Self::GetEndpoint(..) => Operation::GetEndpoint,
            Self::DeleteEndpoint(..) => Operation::DeleteEndpoint,
        }
    }

    /// The ids of the service and the endpoint that the path names.
    pub(super) fn ids(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::GetProject | Self::GetRegionalMode | Self::ListServices(_) | Self::CreateService => (None, None),
            Self::GetService(_, service) | Self::DeleteService(_, service) | Self::AddEndpoint(_, service) => {
                (Some(service), None)
            }
            Self::GetEndpoint(_, service, endpoint) | Self::DeleteEndpoint(_, service, endpoint) => {
                (Some(service), Some(endpoint))
            }
        }
    }
}

/// What a path under `/api/atlas` leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    SystemStatus,
    InProject { project: String, shape: Shape, action: Action },
}

/// A path's dialect and the decoded segments after it.
pub(super) fn split(path: &str) -> Option<(Dialect, Vec<String>)> {
    let tail = path.strip_prefix("/api/atlas/")?;
    let mut segments = tail.strip_suffix('/').unwrap_or(tail).split('/');
    let dialect = match segments.next()? {
        "v1.0" => Dialect::V1,
        "v2" => Dialect::V2,
        _ => return None,
    };
    Some((dialect, segments.map(decode).collect()))
}

/// The route, or the problem to answer with.
pub(super) fn route(method: &Method, path: &str, dialect: Dialect, segments: &[String]) -> Result<Route, Problem> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (segments.as_slice(), method) {
        ([], &Method::GET) => Ok(Route::SystemStatus),
        (["groups", project, tail @ ..], method) => {
            let (shape, action) = match (dialect, tail) {
                (_, []) if method == Method::GET => (Shape::Cloud, Action::GetProject),
                (_, []) => return Err(Problem::method_not_allowed()),
                (Dialect::V1, ["privateEndpoint", tail @ ..]) => routes_v1::action(method, path, tail)?,
                (Dialect::V2, ["privateEndpoint", tail @ ..]) => (Shape::Cloud, routes_v2::action(method, path, tail)?),
                (_, _) => return Err(Problem::no_such_resource(path)),
            };
            Ok(Route::InProject { project: (*project).to_owned(), shape, action })
        }
        (_, _) => Err(Problem::no_such_resource(path)),
    }
}

/// Percent-decoding; what doesn't decode stays as it is.
fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| (h * 16 + l, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, tail));
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8(decoded).unwrap_or_else(|_| segment.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
