//! Refusals, as the `Status` bodies that the real server sends.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::resource::ResourceType;

/// An answer that is not a success.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// HTTP status.
    pub code: StatusCode,
    /// The machine-readable reason.
    pub reason: String,
    /// What a person reads.
    pub message: String,
    /// `details` of the `Status`.
    pub details: Value,
    /// `Retry-After`, which `details.retryAfterSeconds` repeats.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure with no details.
    pub fn new(code: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), details: json!({}), retry_after: None }
    }

    /// The failure that the real server would send with this status, for tests that inject one.
    pub fn injected(code: StatusCode) -> Self {
        let reason = match code {
            StatusCode::BAD_REQUEST => "BadRequest",
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "NotFound",
            StatusCode::CONFLICT => "Conflict",
            StatusCode::GONE => "Expired",
            StatusCode::UNPROCESSABLE_ENTITY => "Invalid",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
            StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            StatusCode::GATEWAY_TIMEOUT => "Timeout",
            _ => "",
        };
        Self::new(code, reason, "injected by the test")
    }

    /// The same failure, asking the client to come back later.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.details["retryAfterSeconds"] = json!(pause.as_secs());
        self.retry_after = Some(pause);
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// What the real server cannot read it calls its own fault, without a reason.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    pub(super) fn method_not_allowed(resource: &ResourceType) -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Self::about(resource, "", StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// Parameters of a request that do not go together.
    pub(super) fn invalid_options(kind: &str, field: &str, why: &str) -> Self {
        let message = format!("{kind}.meta.k8s.io \"\" is invalid: {field}: {why}");
        let causes = json!([{"reason": "FieldValueInvalid", "message": why, "field": field}]);
        let details = json!({"group": "meta.k8s.io", "kind": kind, "causes": causes});
        Self { details, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message) }
    }

    pub(super) fn unsupported_media_type(got: &str) -> Self {
        let message = format!("the body of the request was in an unknown format: {got}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub(super) fn not_found(resource: &ResourceType, name: &str) -> Self {
        Self::about(
            resource,
            name,
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("{} \"{name}\" not found", resource.qualified()),
        )
    }

    pub(super) fn already_exists(resource: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::about(resource, name, StatusCode::CONFLICT, "AlreadyExists", message)
    }

    pub(super) fn conflict(resource: &ResourceType, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::about(resource, name, StatusCode::CONFLICT, "Conflict", message)
    }

    pub(super) fn modified(resource: &ResourceType, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(super) fn invalid(resource: &ResourceType, name: &str, field: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is invalid: {field}: {why}", resource.kind);
        let mut failure = Self::about(resource, name, StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.details["kind"] = json!(resource.kind);
        failure.details["causes"] = json!([{"reason": "FieldValueInvalid", "message": why, "field": field}]);
        failure
    }

    pub(super) fn terminating(resource: &ResourceType, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        let mut failure = Self::about(resource, name, StatusCode::FORBIDDEN, "Forbidden", message);
        failure.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        failure
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    fn about(resource: &ResourceType, name: &str, code: StatusCode, reason: &str, message: String) -> Self {
        let mut failure = Self::new(code, reason, message);
        failure.details = json!({"kind": resource.plural});
        if !name.is_empty() {
            failure.details["name"] = json!(name);
        }
        if !resource.group.is_empty() {
            failure.details["group"] = json!(resource.group);
        }
        failure
    }

    /// The `Status` object.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code.as_u16(),
        });
        if !self.reason.is_empty() {
            body["reason"] = json!(self.reason);
        }
        if self.details.as_object().is_some_and(|details| !details.is_empty()) {
            body["details"] = self.details.clone();
        }
        body
    }
}
