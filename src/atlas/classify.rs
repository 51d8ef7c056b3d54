//! From an HTTP refusal to an [`AtlasError`]: one table, by status first and Atlas' code second (atlas-api.md §1–§4).

use super::{
    credential::Hidden,
    detail,
    error::{AtlasError, Class, Denial, Effect},
    headers,
};
use crate::clock::Clock;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// What an error body says, if it is Atlas' (atlas-api.md §1 "Error body").
struct Complaint {
    code: Option<String>,
    text: Option<String>,
}

impl Complaint {
    /// `None` unless the body is Atlas' error object: JSON that repeats the status or names a code. A gateway's own
    /// JSON is not, and proves nothing about what Atlas did.
    fn read(status: StatusCode, body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let code = text("errorCode").map(|code| detail::tidy(&code, usize::MAX));
        let repeated = value.get("error").and_then(Value::as_u64) == Some(status.as_u16().into());
        (repeated || code.is_some()).then(|| Self { code, text: text("detail").or_else(|| text("reason")) })
    }
}

/// Whether an answer is about what the caller may do, not about who it is: no new challenge or token would change it.
/// The particular code tells, for the bodies of mere challenges carry a code too (atlas-api.md §9.1).
pub(super) fn is_about_authorisation(answer: &Response<Bytes>) -> bool {
    let code = Complaint::read(answer.status(), answer.body()).and_then(|complaint| complaint.code);
    code.as_deref().is_some_and(|code| authorisation(code).is_some())
}

/// The error that a non-2xx `answer` stands for.
pub(super) fn refusal(answer: &Response<Bytes>, hidden: Hidden<'_>, clock: &Clock) -> AtlasError {
    let status = answer.status();
    let complaint = Complaint::read(status, answer.body());
    let is_atlas = complaint.is_some();
    let Complaint { code, text } = complaint.unwrap_or(Complaint { code: None, text: None });
    let subject = Subject {
        status,
        is_atlas,
        code: code.as_deref().unwrap_or_default(),
        text: text.as_deref().unwrap_or_default(),
        retry_after: headers::retry_after(answer.headers(), clock),
    };
    let class = subject.class();
    let told = text.clone().unwrap_or_else(|| subject.own_words());
    AtlasError {
        class,
        effect: if status.is_client_error() && is_atlas { Effect::None } else { Effect::Unknown },
        status: Some(status.as_u16()),
        detail: detail::compose(&told, subject.hint(class), hidden),
        code: code.map(|code| detail::discreet(&code, hidden, detail::LONGEST_CODE)),
    }
}

/// What the table looks at.
struct Subject<'a> {
    status: StatusCode,
    is_atlas: bool,
    /// Empty when there is none.
    code: &'a str,
    text: &'a str,
    retry_after: Option<Duration>,
}

impl Subject<'_> {
    fn class(&self) -> Class {
        match self.status.as_u16() {
            401 => authorisation(self.code).unwrap_or(Class::Denied(Denial::Credentials)),
            402 => Class::Denied(Denial::Access),
            403 => authorisation(self.code).unwrap_or(Class::Denied(Denial::Access)),
            408 | 425 => Class::Transient,
            429 => Class::Throttled(self.retry_after),
            409 => self.conflict(),
            // Whatever stands between us and Atlas refused it, not Atlas.
            _ if self.status.is_client_error() && !self.is_atlas => Class::Transient,
            400 => self.bad_request(),
            404 => self.not_found(),
            // atlas-api.md §1: writes are off while Atlas is being upgraded.
            405 if self.code == "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES" => Class::Transient,
            _ if self.status.is_client_error() => Class::Invalid,
            _ => Class::Transient,
        }
    }

    fn bad_request(&self) -> Class {
        match self.code {
            // Terraform's provider repeats it and gets through (atlas-api.md §2).
            "ATLAS_GENERAL_ERROR" if self.text.to_ascii_lowercase().contains("no capacity") => Class::Transient,
            "NO_CAPACITY" => Class::Transient,
            code => project(code).unwrap_or(Class::Invalid),
        }
    }

    /// 404 covers more than absence (atlas-api.md §9.2); codes nobody has recorded exist (Unknowns 2), and `Missing`
    /// only asks for a LIST, so they count as that.
    fn not_found(&self) -> Class {
        match self.code {
            "PRIVATELINK_INTERFACE_ENDPOINT_ID_MALFORMED" | "PROVIDER_UNSUPPORTED" => Class::Invalid,
            code => project(code).unwrap_or(Class::Missing),
        }
    }

    fn conflict(&self) -> Class {
        match self.code {
            code if code.contains("ALREADY_EXISTS") => Class::Exists,
            "NO_CAPACITY" => Class::Transient,
            // Only a person mends these: fewer nodes, another region, or another shape of the project.
            "MULTIPLE_PRIVATE_ENDPOINTS_RESTRICTED_TO_SINGLE_REGION" | "PRIVATELINK_INCOMPATIBLE_TOO_MANY_NODES" => {
                Class::Invalid
            }
            _ => Class::NotYet,
        }
    }

    /// For an answer that says nothing itself.
    fn own_words(&self) -> String {
        let status = self.status;
        match status.as_u16() {
            300..=399 => {
                "Atlas' address answers with a redirect, which is not followed; check the Atlas base URL".into()
            }
            _ if self.is_atlas => format!("Atlas refused the request: {status}"),
            500..=599 => format!("Atlas has a problem: {status}"),
            _ => format!(
                "{status}, without Atlas' error body: something between the operator and Atlas may have answered"
            ),
        }
    }

    /// What a person can do about it, where Atlas' own words don't say.
    fn hint(&self, class: Class) -> Option<&'static str> {
        match class {
            Class::Denied(Denial::Credentials) => {
                Some("Check that the Secret holds an API key or service account that Atlas still knows.")
            }
            Class::Denied(Denial::Project) => {
                Some("Check spec.projectId, and that the credential in the Secret belongs to that project.")
            }
            Class::Denied(Denial::Access) => Some(match (self.status.as_u16(), self.code) {
                (402, _) => "Check the payment method of the Atlas organization.",
                (_, code) if code.contains("ACCESS_LIST") || code.contains("WHITELIST") => {
                    "Add the operator's outgoing address to the API access list of the key or service account."
                }
                _ => "Give the credential the role Project Owner in this project.",
            }),
            Class::Transient | Class::Throttled(_) | Class::Exists | Class::NotYet | Class::Outdated => None,
            Class::Invalid | Class::Missing => None,
        }
    }
}

/// Codes of a 401 or 403 that are not about the credential itself.
fn authorisation(code: &str) -> Option<Class> {
    match code {
        "USER_UNAUTHORIZED" => Some(Class::Denied(Denial::Access)),
        "IP_ADDRESS_NOT_ON_ACCESS_LIST" | "IP_ADDRESS_NOT_ON_WHITELIST" => Some(Class::Denied(Denial::Access)),
        "ORG_REQUIRES_ACCESS_LIST" | "ORG_REQUIRES_WHITELIST" => Some(Class::Denied(Denial::Access)),
        "RESOURCE_REQUIRES_ACCESS_LIST" | "RESOURCE_REQUIRES_WHITELIST" => Some(Class::Denied(Denial::Access)),
        code => project(code),
    }
}

/// Codes that say that Atlas finds no such project, or not for this credential.
fn project(code: &str) -> Option<Class> {
    match code {
        "NOT_IN_GROUP"
        | "USER_CANNOT_ACCESS_GROUP"
        | "GROUP_NOT_FOUND"
        | "GROUP_NAME_NOT_FOUND"
        | "INVALID_GROUP_ID"
        | "NOT_ATLAS_GROUP" => Some(Class::Denied(Denial::Project)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ACCESS: Class = Class::Denied(Denial::Access);
    const CREDENTIALS: Class = Class::Denied(Denial::Credentials);
    const PROJECT: Class = Class::Denied(Denial::Project);

    async fn classify(status: u16, body: impl Into<Bytes>) -> AtlasError {
        let answer = Response::builder().status(status).body(body.into()).unwrap();
        refusal(&answer, Hidden { secret: &"hunter2".to_owned().into(), sent: None }, &Clock::system())
    }

    fn body(status: u16, code: &str, detail: &str) -> String {
        json!({"detail": detail, "error": status, "errorCode": code, "parameters": [1, "a"], "reason": "r"}).to_string()
    }

    #[tokio::test]
    async fn every_code_of_the_facts_has_its_class() {
        for (status, code, class) in [
            (400, "INVALID_REGION", Class::Invalid),
            (400, "INVALID_PROVIDER", Class::Invalid),
            (400, "INVALID_ATTRIBUTE", Class::Invalid),
            (400, "MISSING_ATTRIBUTE", Class::Invalid),
            (400, "INVALID_JSON", Class::Invalid),
            (400, "MALFORMED_JSON", Class::Invalid),
            (400, "INVALID_ENUM_VALUE", Class::Invalid),
            (400, "INVALID_PATH_PARAMETER", Class::Invalid),
            (400, "INVALID_QUERY_PARAMETER", Class::Invalid),
            (400, "VALIDATION_ERROR", Class::Invalid),
            (400, "ATLAS_GENERAL_ERROR", Class::Invalid),
            (400, "CROSS_REGION_PRIVATE_LINK_SELF_REGION", Class::Invalid),
            (401, "NOT_IN_GROUP", PROJECT),
            (401, "USER_CANNOT_ACCESS_GROUP", PROJECT),
            (401, "USER_UNAUTHORIZED", ACCESS),
            (401, "NO_CURRENT_USER", CREDENTIALS),
            (401, "UNEXPECTED_ERROR", CREDENTIALS),
            (402, "NO_PAYMENT_INFORMATION_FOUND", ACCESS),
            (402, "ACCOUNT_SUSPENDED", ACCESS),
            (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", ACCESS),
            (403, "IP_ADDRESS_NOT_ON_WHITELIST", ACCESS),
            (403, "RESOURCE_REQUIRES_WHITELIST", ACCESS),
            (403, "ORG_REQUIRES_WHITELIST", ACCESS),
            (403, "ORG_REQUIRES_ACCESS_LIST", ACCESS),
            (403, "ACCESS_FORBIDDEN", ACCESS),
            (404, "GROUP_NOT_FOUND", PROJECT),
            (404, "GROUP_NAME_NOT_FOUND", PROJECT),
            (404, "INVALID_GROUP_ID", PROJECT),
            (404, "NOT_ATLAS_GROUP", PROJECT),
            (404, "PRIVATELINK_NOT_FOUND", Class::Missing),
            (404, "PRIVATELINK_INTERFACE_ENDPOINT_NOT_FOUND", Class::Missing),
            (404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND", Class::Missing),
            (404, "RESOURCE_NOT_FOUND", Class::Missing),
            (404, "A_CODE_NOBODY_RECORDED", Class::Missing),
            (404, "PRIVATELINK_INTERFACE_ENDPOINT_ID_MALFORMED", Class::Invalid),
            (404, "PROVIDER_UNSUPPORTED", Class::Invalid),
            (405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", Class::Transient),
            (409, "PRIVATELINK_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION", Class::Exists),
            (409, "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION", Class::Exists),
            (409, "PRIVATELINK_INTERFACE_ENDPOINT_ALREADY_EXISTS", Class::Exists),
            (409, "PRIVATELINK_INCOMPATIBLE_TOO_MANY_NODES", Class::Invalid),
            (409, "MULTIPLE_PRIVATE_ENDPOINTS_RESTRICTED_TO_SINGLE_REGION", Class::Invalid),
            (409, "CLUSTER_INCOMPATIBLE_WITH_EXISTING_PRIVATELINK", Class::NotYet),
            (409, "CANNOT_DELETE_PRIVATELINK_WITH_ENDPOINTS", Class::NotYet),
            (409, "PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS", Class::NotYet),
            (409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_PRIVATE_ENDPOINT_SERVICES", Class::NotYet),
            (409, "MULTIPLE_GROUPS", Class::NotYet),
            (409, "CONTAINERS_IN_USE", Class::NotYet),
            (409, "NO_CAPACITY", Class::Transient),
            (409, "A_CODE_NOBODY_RECORDED", Class::NotYet),
            (429, "RATE_LIMITED", Class::Throttled(None)),
            (429, "RATE_LIMITED_TOKEN_BUCKET", Class::Throttled(None)),
        ] {
            let error = classify(status, body(status, code, "told by Atlas")).await;
            assert_eq!((error.class, error.effect), (class, Effect::None), "{status} {code}");
            assert_eq!((error.status, error.code.as_deref()), (Some(status), Some(code)));
            assert!(error.detail.starts_with("told by Atlas"), "{}", error.detail);
        }
        for status in [500, 502, 503, 504] {
            let error = classify(status, body(status, "UNEXPECTED_ERROR", "Unexpected error.")).await;
            assert_eq!((error.class, error.effect), (Class::Transient, Effect::Unknown), "{status}");
        }
    }

    #[tokio::test]
    async fn no_capacity_may_pass() {
        let error = classify(400, body(400, "ATLAS_GENERAL_ERROR", "Reason: No Capacity.")).await;
        assert_eq!((error.class, error.effect), (Class::Transient, Effect::None));
    }

    #[tokio::test]
    async fn a_null_code_is_no_code() {
        let body = r#"{"detail":"gone","error":404,"errorCode":null,"parameters":null,"reason":"Not Found"}"#;
        let error = classify(404, body).await;
        assert_eq!((error.class, error.effect, error.code), (Class::Missing, Effect::None, None));
    }

    #[tokio::test]
    async fn what_is_not_atlas_proves_nothing() {
        for (status, text) in [
            (404, "<html>Not Found</html>"),
            (400, "You sent something odd"),
            (404, r#"{"message":"no route"}"#),
            (404, r#"{"error":500}"#),
            (413, ""),
            (302, ""),
            (503, "upstream connect error"),
        ] {
            let error = classify(status, text).await;
            assert_eq!((error.class, error.effect), (Class::Transient, Effect::Unknown), "{status} {text}");
            assert!(text.is_empty() || !error.detail.contains(text), "{}", error.detail);
        }
        for (status, class) in [(401, CREDENTIALS), (403, ACCESS), (429, Class::Throttled(None)), (409, Class::NotYet)]
        {
            let error = classify(status, "<html>").await;
            assert_eq!((error.class, error.effect), (class, Effect::Unknown), "{status}");
        }
    }

    #[tokio::test]
    async fn details_are_short_clean_and_without_secrets() {
        let long = format!("hunter2 \u{7}{}", "é".repeat(900));
        let error = classify(403, body(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", &long)).await;
        assert!(error.detail.len() <= 512 && !error.detail.contains("hunter2") && !error.detail.contains('\u{7}'));
        assert!(error.detail.ends_with("access list of the key or service account."), "{}", error.detail);
    }

    #[tokio::test]
    async fn an_error_reads_well() {
        let detail = "IP address 203.0.113.9 is not allowed to access this resource.";
        let error = classify(403, body(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", detail)).await;
        assert_eq!(
            error.to_string(),
            "IP address 203.0.113.9 is not allowed to access this resource. Add the operator's outgoing address to the \
             API access list of the key or service account. (403 IP_ADDRESS_NOT_ON_ACCESS_LIST)"
        );
    }

    #[tokio::test]
    async fn what_atlas_takes_back_at_once_may_pass() {
        for status in [408, 425] {
            let error = classify(status, body(status, "SOMETHING", "Too early.")).await;
            assert_eq!((error.class, error.effect), (Class::Transient, Effect::None), "{status}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_words_gets_some() {
        for (status, text, words) in [
            (302, "", "check the Atlas base URL"),
            (400, r#"{"error":400}"#, "Atlas refused the request: 400"),
            (503, "", "Atlas has a problem: 503"),
            (404, "", "without Atlas' error body"),
        ] {
            let error = classify(status, text).await;
            assert!(error.detail.contains(words), "{}", error.detail);
        }
    }

    #[tokio::test]
    async fn a_refusal_tells_what_to_do() {
        for (status, code, hint) in [
            (402, "NO_PAYMENT_INFORMATION_FOUND", "payment method"),
            (403, "RESOURCE_REQUIRES_WHITELIST", "API access list"),
            (403, "RESOURCE_REQUIRES_ACCESS_LIST", "API access list"),
            (403, "USER_UNAUTHORIZED", "Project Owner"),
            (404, "GROUP_NOT_FOUND", "spec.projectId"),
            (401, "NO_CURRENT_USER", "that Atlas still knows"),
        ] {
            let error = classify(status, body(status, code, "No.")).await;
            assert!(error.detail.contains(hint), "{code}: {}", error.detail);
        }
    }
}
