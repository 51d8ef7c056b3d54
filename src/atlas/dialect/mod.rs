//! The two dialects of the Administration API: how each names paths and bodies, and how its answers read.

mod v1;
mod v2;

use super::{
    detail::tidy,
    error::{AtlasError, Class, Effect},
    ids::{EndpointId, ProjectId, ServiceId},
    model::{Endpoint, Service},
    region::{Provider, Region},
    url::Path,
};
use crate::api::LONGEST_STATUS_TEXT;
use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use std::{fmt, str::FromStr};

/// Which API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// `v1.0`: the legacy resource, AWS only, API keys only.
    V1,
    /// `v2`, version 2023-01-01: AWS, Azure and GCP.
    V2,
}

/// Why a text is not a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Atlas API is either v2 or v1.0")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        match text {
            "v1.0" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(UnknownDialect),
        }
    }
}

impl Dialect {
    /// The word for it, as on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::V2 => "v2",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is asked of Atlas.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation<'a> {
    ListServices(Provider),
    GetService(Provider, ServiceId),
    CreateService(&'a Region),
    DeleteService(Provider, ServiceId),
    GetEndpoint(ServiceId, &'a EndpointId),
    AddEndpoint(ServiceId, &'a EndpointId),
    RemoveEndpoint(ServiceId, &'a EndpointId),
}

impl Operation<'_> {
    /// A stable word for logs and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ListServices(_) => "list_services",
            Self::GetService(..) => "get_service",
            Self::CreateService(_) => "create_service",
            Self::DeleteService(..) => "delete_service",
            Self::GetEndpoint(..) => "get_endpoint",
            Self::AddEndpoint(..) => "add_endpoint",
            Self::RemoveEndpoint(..) => "remove_endpoint",
        }
    }

    fn provider(&self) -> Provider {
        match self {
            Self::ListServices(provider) | Self::GetService(provider, _) | Self::DeleteService(provider, _) => {
                *provider
            }
            Self::CreateService(region) => region.provider(),
            Self::GetEndpoint(..) | Self::AddEndpoint(..) | Self::RemoveEndpoint(..) => Provider::Aws,
        }
    }

    fn method(&self) -> Method {
        match self {
            Self::ListServices(_) | Self::GetService(..) | Self::GetEndpoint(..) => Method::GET,
            Self::CreateService(_) | Self::AddEndpoint(..) => Method::POST,
            Self::DeleteService(..) | Self::RemoveEndpoint(..) => Method::DELETE,
        }
    }
}

/// A request without its authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) method: Method,
    pub(super) path: Path,
    /// `Accept`, and `Content-Type` where there is a body.
    pub(super) media_type: &'static str,
    /// Empty for GET and DELETE.
    pub(super) body: Bytes,
}

/// Why a 2xx answer can't be used. Says where, never what: bodies aren't repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer from Atlas is unreadable: {0}")]
pub(super) struct Unreadable(pub(super) String);

impl Dialect {
    /// Whether `operation` can be said.
    ///
    /// # Errors
    /// When it can't: another provider than AWS, or a region it doesn't take, in v1.0.
    pub(super) fn check(self, operation: &Operation<'_>) -> Result<(), AtlasError> {
        match self {
            Self::V1 => v1::check(operation),
            Self::V2 => Ok(()),
        }
    }

    /// The request for `operation`.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn outline(self, project: ProjectId, operation: &Operation<'_>) -> Result<Outline, AtlasError> {
        self.check(operation)?;
        let (path, body, media_type) = match self {
            Self::V1 => (v1::path(project, operation), v1::body(operation), v1::MEDIA_TYPE),
            Self::V2 => (v2::path(project, operation), v2::body(operation), v2::MEDIA_TYPE),
        };
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        Ok(Outline { method: operation.method(), path, media_type, body })
    }

    /// Reads the answer of a LIST. One unreadable service spoils it: leaving it out would prove its absence.
    pub(super) fn services(self, provider: Provider, body: &[u8]) -> Result<Vec<Service>, Unreadable> {
        match self {
            Self::V1 => json::<Vec<v1::Connection>>(body)?.into_iter().map(v1::Connection::into_service).collect(),
            Self::V2 => {
                json::<Vec<v2::Service>>(body)?.into_iter().map(|service| service.into_service(provider)).collect()
            }
        }
    }

    /// Reads one service.
    pub(super) fn service(self, provider: Provider, body: &[u8]) -> Result<Service, Unreadable> {
        match self {
            Self::V1 => json::<v1::Connection>(body)?.into_service(),
            Self::V2 => json::<v2::Service>(body)?.into_service(provider),
        }
    }

    /// Reads one AWS endpoint: both dialects give the same object.
    pub(super) fn endpoint(self, body: &[u8]) -> Result<Endpoint, Unreadable> {
        json::<v1::InterfaceEndpoint>(body)?.into_endpoint()
    }

    /// Reads the answer of a DELETE: nothing, or any JSON.
    pub(super) fn nothing(self, body: &[u8]) -> Result<(), Unreadable> {
        if body.trim_ascii().is_empty() { Ok(()) } else { json::<serde::de::IgnoredAny>(body).map(drop) }
    }
}

/// `None` becomes the default: Atlas sends null where another server would send nothing.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    use serde_json::error::Category;
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Eof if body.trim_ascii().is_empty() => "it is empty",
            Category::Eof => "its JSON is cut short",
            Category::Data => "its JSON has another shape than the documented one",
            Category::Syntax | Category::Io => "it is not JSON",
        };
        Unreadable(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

/// An id of an answer, through the same parser as one of a manifest.
fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|_| Unreadable(format!("its {what} has not the form of one")))
}

/// A text fit for a status field; `None` when there is none. AWS' own messages have some 300 bytes, an Azure resource id
/// at most 400.
fn shown(text: Option<String>) -> Option<String> {
    text.map(|text| tidy(&text, LONGEST_STATUS_TEXT)).filter(|text| !text.is_empty())
}

fn all_shown(texts: Vec<Option<String>>) -> Vec<String> {
    texts.into_iter().filter_map(shown).collect()
}

/// A state's word. One that an answer leaves out is `UNKNOWN`; like every unknown word it never counts as ready.
fn word(text: Option<String>) -> String {
    shown(text).unwrap_or_else(|| "UNKNOWN".into())
}

/// What can't be said in a dialect; nothing was sent.
fn unspeakable(detail: String) -> AtlasError {
    AtlasError { class: Class::Invalid, effect: Effect::NotSent, status: None, code: None, detail }
}
