//! OAuth 2 client credentials of service accounts (atlas-api.md §3 "OAuth2 service accounts").

use super::{access::Access, answer::Answer, ids::Mint, ledger::Effect};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// The tokens that were given out.
pub(super) struct Tokens {
    lifetime: u64,
    limit: usize,
    live: HashMap<String, Token>,
}

struct Token {
    client: String,
    expires: Instant,
}

impl Tokens {
    pub(super) fn new(lifetime: u64, limit: usize) -> Self {
        Self { lifetime, limit, live: HashMap::new() }
    }

    /// Revokes them all.
    pub(super) fn forget(&mut self) {
        self.live.clear();
    }

    /// The client whose live token this is.
    pub(super) fn client(&self, token: &str, now: Instant) -> Option<&str> {
        self.live.get(token).filter(|token| token.expires > now).map(|token| token.client.as_str())
    }

    /// `POST /api/oauth/token`.
    pub(super) fn issue(
        &mut self,
        headers: &HeaderMap,
        body: &[u8],
        access: &Access,
        mint: &mut Mint,
        now: Instant,
    ) -> (Answer, Option<String>, Effect) {
        let Some(client) = client_of(headers, access) else { return (invalid_client(), None, Effect::None) };
        if !is_form(headers) || field(body, "grant_type").as_deref() != Some("client_credentials") {
            let answer = refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Expected client_credentials.");
            return (answer, Some(client), Effect::None);
        }
        self.live.retain(|_, token| token.expires > now);
        if self.live.values().filter(|token| token.client == client).count() >= self.limit {
            let text = "Access Token limit reached. Please use the existing Access Token or create a new Service \
                        Account.";
            return (refusal(StatusCode::FORBIDDEN, "access_denied", text), Some(client), Effect::None);
        }
        let token = format!("simulated.{}.{}", mint.hex(32), mint.hex(32));
        let body = json!({"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"});
        let expires = now + Duration::from_secs(self.lifetime);
        self.live.insert(token, Token { client: client.clone(), expires });
        let effect = Effect::TokenIssued { client: client.clone() };
        (Answer::json(StatusCode::OK, &body), Some(client), effect)
    }

    /// `POST /api/oauth/revoke`.
    pub(super) fn revoke(&mut self, headers: &HeaderMap, body: &[u8], access: &Access) -> (Answer, Option<String>) {
        let Some(client) = client_of(headers, access) else { return (invalid_client(), None) };
        if let Some(token) = field(body, "token")
            && self.live.get(&token).is_some_and(|live| live.client == client)
        {
            self.live.remove(&token);
        }
        (Answer::json(StatusCode::OK, &json!({})), Some(client))
    }
}

/// The service account that the Basic credentials prove.
fn client_of(headers: &HeaderMap, access: &Access) -> Option<String> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    let known = access.accounts.get(client)?.usable_secret()?;
    (known == secret).then(|| client.to_owned())
}

fn is_form(headers: &HeaderMap) -> bool {
    let content = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content.starts_with("application/x-www-form-urlencoded")
}

/// A field of a form; none of the values that are looked for has anything to decode.
fn field(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
}

/// RFC 6749's code; Atlas' own body is not recorded (INF).
fn invalid_client() -> Answer {
    refusal(StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed.")
}

fn refusal(status: StatusCode, code: &str, text: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "error_description": text}))
}
