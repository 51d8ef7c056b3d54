//! Atlas' error answers: HTTP status, `errorCode`, detail and parameters (atlas-api.md §1 "Error codes", DOC, and
//! "Error body", REC; §2 "v2 error codes seen").

use super::regions::Provider;
use http::StatusCode;
use serde_json::{Value, json};

/// An answer that says no.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) parameters: Vec<Value>,
    /// Seconds, for the `Retry-After` header.
    pub(super) retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), parameters: Vec::new(), retry_after: None }
    }

    pub(super) fn with(mut self, parameters: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.parameters = parameters.into_iter().map(Into::into).collect();
        self
    }

    /// The recorded error body.
    pub(super) fn body(&self) -> Value {
        json!({
            "detail": self.detail,
            "error": self.status.as_u16(),
            "errorCode": self.code,
            "parameters": self.parameters,
            "reason": self.status.canonical_reason().unwrap_or_default(),
        })
    }

    pub(super) fn invalid_attribute(name: &str) -> Self {
        let detail = format!("Invalid attribute {name} specified.");
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ATTRIBUTE", detail).with([name])
    }

    pub(super) fn missing_attribute(name: &str) -> Self {
        let detail = format!("The required attribute {name} was not specified.");
        Self::new(StatusCode::BAD_REQUEST, "MISSING_ATTRIBUTE", detail).with([name])
    }

    pub(super) fn malformed_json() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED_JSON", "Received JSON is malformed.")
    }

    /// The code is in the table, the text is inferred (INF).
    pub(super) fn invalid_query_parameter(name: &str) -> Self {
        let detail = format!("Invalid query parameter {name} specified.");
        Self::new(StatusCode::BAD_REQUEST, "INVALID_QUERY_PARAMETER", detail).with([name])
    }

    pub(super) fn invalid_provider(word: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PROVIDER", format!("No provider {word} exists.")).with([word])
    }

    pub(super) fn unsupported_provider(word: &str) -> Self {
        let detail = format!("Provider {word} not currently supported.");
        Self::new(StatusCode::NOT_FOUND, "PROVIDER_UNSUPPORTED", detail).with([word])
    }

    pub(super) fn invalid_region(region: &str, provider: Provider) -> Self {
        let detail = format!("No region {region} exists for provider {provider}.");
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REGION", detail).with([region, provider.word()])
    }

    pub(super) fn no_such_resource(path: &str) -> Self {
        let detail = format!("Cannot find resource {path}.");
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", detail).with([path])
    }

    /// The code of a verb that a path doesn't have is not recorded (INF).
    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "The method is not allowed on this resource.")
    }

    /// 404, not 400 (atlas-api.md §1, general codes).
    pub(super) fn invalid_group_id(group: &str) -> Self {
        let detail = format!("An invalid group ID {group} was specified.");
        Self::new(StatusCode::NOT_FOUND, "INVALID_GROUP_ID", detail).with([group])
    }

    pub(super) fn group_not_found(group: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "GROUP_NOT_FOUND", format!("No group with ID {group} exists.")).with([group])
    }

    pub(super) fn not_in_group() -> Self {
        let detail = "The current user is not in the group, or the group does not exist.";
        Self::new(StatusCode::UNAUTHORIZED, "NOT_IN_GROUP", detail)
    }

    /// 401 in v1.0's table; v2 answers 403 (atlas-api.md §3 "401/403").
    pub(super) fn unauthorized(status: StatusCode) -> Self {
        Self::new(status, "USER_UNAUTHORIZED", "Current user is not authorized to perform this action.")
    }

    pub(super) fn not_on_access_list() -> Self {
        let detail = "IP address 203.0.113.9 is not allowed to access this resource.";
        Self::new(StatusCode::FORBIDDEN, "IP_ADDRESS_NOT_ON_ACCESS_LIST", detail).with(["203.0.113.9"])
    }

    /// atlas-api.md §2.
    pub(super) fn cannot_accept(service: &str) -> Self {
        let detail = format!(
            "The PrivateLink with the specified id {service} is not ready to accept endpoint connection requests."
        );
        Self::conflict("PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS", detail).with([service])
    }

    /// atlas-api.md §4 (DOC); parameters are of mixed types.
    pub(super) fn rate_limited(resource: &str, retry: u64, capacity: u64, refill: u64, seconds: u64) -> Self {
        let detail = format!(
            "Rate limit exceeded for {resource}. Please retry after {retry} seconds. Request capacity: {capacity}. \
             Refill rate: {refill} per {seconds} seconds."
        );
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED_TOKEN_BUCKET", detail);
        problem.parameters = vec![resource.into(), retry.into(), capacity.into(), refill.into(), seconds.into()];
        problem.retry_after = Some(retry);
        problem
    }

    pub(super) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub(super) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }
}
