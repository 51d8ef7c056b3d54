//! Who asks: HTTP digest with an API key, or a bearer token of a service account (atlas-api.md §3).

mod digest;
mod oauth;

use super::{
    call::Exchange,
    credential::{Credential, CredentialKind},
    dialect::{Dialect, Outline},
    error::{AtlasError, Class, Denial, Effect},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use std::time::Duration;
use tokio::time::Instant;

/// Sessions and tokens of one Atlas origin.
pub(super) struct Authenticator {
    sessions: digest::Sessions,
    tokens: oauth::Tokens,
}

impl Authenticator {
    pub(super) fn new(session_lifetime: Duration) -> Self {
        Self { sessions: digest::Sessions::new(session_lifetime), tokens: oauth::Tokens::default() }
    }

    /// Forgets sessions and tokens whose time is over at `now`.
    pub(super) fn forget_expired(&self, now: Instant) {
        self.sessions.forget_expired(now);
        self.tokens.forget_expired(now);
    }

    /// Sends the request with the credential, authenticating anew at most once, and gives the last answer.
    pub(super) async fn exchange(
        &self,
        credential: &Credential,
        template: &Template,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Bytes>, AtlasError> {
        match credential.kind() {
            CredentialKind::ApiKey { public, private } => {
                let key = digest::Key { id: credential.id(), public, private };
                self.sessions.exchange(&key, template, exchange).await
            }
            CredentialKind::ServiceAccount { client_id, client_secret } => {
                let account = oauth::Account { id: credential.id(), client_id, client_secret };
                self.tokens.exchange(&account, template, exchange).await
            }
        }
    }
}

/// Whether `dialect` can be spoken with `credential` at all.
pub(super) fn check(dialect: Dialect, credential: &Credential) -> Result<(), AtlasError> {
    match (dialect, credential.kind()) {
        (Dialect::V1, CredentialKind::ServiceAccount { .. }) => Err(AtlasError {
            class: Class::Denied(Denial::Credentials),
            effect: Effect::NotSent,
            status: None,
            code: None,
            detail:
                "the v1.0 API of Atlas takes no service account; put publicKey and privateKey of an API key into the \
                     Secret, or run the operator with v2"
                    .into(),
        }),
        (Dialect::V1, CredentialKind::ApiKey { .. }) | (Dialect::V2, _) => Ok(()),
    }
}

/// A request that can be made again with another `Authorization`.
pub(super) struct Template {
    pub(super) uri: Uri,
    pub(super) outline: Outline,
}

impl Template {
    fn request(&self, authorization: Option<HeaderValue>) -> Request<Bytes> {
        let mut request = Request::new(self.outline.body.clone());
        *request.method_mut() = self.outline.method.clone();
        *request.uri_mut() = self.uri.clone();
        let media_type = HeaderValue::from_static(self.outline.media_type);
        if !self.outline.body.is_empty() {
            request.headers_mut().insert(header::CONTENT_TYPE, media_type.clone());
        }
        request.headers_mut().insert(header::ACCEPT, media_type);
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        request
    }
}

/// A header value that no log of a dependency prints.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
