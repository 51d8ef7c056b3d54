//! Access tokens of service accounts: cached, fetched by one caller for all, renewed before they expire.

use super::{Template, sensitive};
use crate::atlas::{
    budget::{Hold, Signal},
    call::{Client, Exchange},
    classify,
    credential::{CredentialId, Hidden},
    detail,
    error::{AtlasError, Class, Denial, Effect},
    headers,
    transport::TransportError,
    url::Path,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// A token request may take this long, so that one that hangs leaves time to go on with the old token.
const PATIENCE: Duration = Duration::from_secs(10);

/// A token is renewed after four fifths of its life, but never earlier than this long before its end.
const EARLIEST_RENEWAL: Duration = Duration::from_secs(600);

/// After a renewal that failed, the token at hand is used on for this long before the next try.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// Where an answer doesn't say: short, for a token that is believed too long costs refusals.
const UNKNOWN_LIFE: u64 = 60;
const LONGEST_LIFE: u64 = 86_400;

const LONGEST_TOKEN: usize = 8192;

/// A service account.
pub(super) struct Account<'a> {
    pub(super) id: CredentialId,
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a SecretString,
}

/// The tokens of one origin, by credential.
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<CredentialId, Arc<Slot>>>,
}

/// Locked while a token is fetched: whoever comes meanwhile waits and shares the result.
type Slot = tokio::sync::Mutex<State>;

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The last fetch, if it failed, and when it did.
    failed: Option<(Instant, AtlasError)>,
    hold: Hold,
}

#[derive(Clone)]
struct Token {
    authorization: HeaderValue,
    renew_at: Instant,
    expires_at: Instant,
    /// When it was asked for: tells one token from the next.
    since: Instant,
}

impl Tokens {
    /// Sends with a token; after a 401 that is about the token once more with a new one. A token that was new already
    /// isn't replaced: Atlas allows a hundred at a time.
    pub(super) async fn exchange(
        &self,
        account: &Account<'_>,
        template: &Template,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Bytes>, AtlasError> {
        let asked = Instant::now();
        let token = self.token(account, exchange.client(), None).await.map_err(|error| exchange.unsent(error))?;
        let first = exchange.send(template.request(Some(token.authorization.clone()))).await?;
        let refused = first.status() == StatusCode::UNAUTHORIZED && !classify::is_about_authorisation(&first);
        if !refused || token.since >= asked {
            return Ok(first);
        }
        exchange.challenged();
        let token =
            self.token(account, exchange.client(), Some(&token)).await.map_err(|error| exchange.unsent(error))?;
        exchange.send(template.request(Some(token.authorization))).await
    }

    /// The token at hand, or a new one; never `refused`.
    async fn token(
        &self,
        account: &Account<'_>,
        client: Client<'_>,
        refused: Option<&Token>,
    ) -> Result<Token, AtlasError> {
        let asked = Instant::now();
        let slot = self.slot(account.id);
        let mut state = slot.lock().await;
        let now = Instant::now();
        if state.token.as_ref().is_some_and(|token| refused.is_some_and(|refused| refused.since >= token.since)) {
            state.token = None;
        }
        if let Some(token) = state.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.clone());
        }
        let renewed = match &state.failed {
            // Failed while we were waiting: one failure for all who waited.
            Some((at, error)) if *at >= asked => Err(error.clone()),
            Some(_) | None => state.fetch(account, client).await,
        };
        match (renewed, state.token.as_mut().filter(|token| now < token.expires_at)) {
            (Ok(()), Some(token)) => Ok(token.clone()),
            (Err(_), Some(token)) => {
                token.renew_at = now + RENEWAL_PAUSE;
                Ok(token.clone())
            }
            (Err(error), None) => Err(error),
            (Ok(()), None) => Err(transient("Atlas gave an access token that has expired already".into(), None)),
        }
    }

    fn slot(&self, id: CredentialId) -> Arc<Slot> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    pub(super) fn forget_expired(&self, now: Instant) {
        let is_of_use = |state: &State| {
            let token = state.token.as_ref().is_some_and(|token| now < token.expires_at);
            token || state.hold.remaining(now).is_some()
        };
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|state| is_of_use(&state)));
    }
}

impl State {
    async fn fetch(&mut self, account: &Account<'_>, client: Client<'_>) -> Result<(), AtlasError> {
        let since = Instant::now();
        let outcome = match self.hold.remaining(since) {
            Some(left) => Err(AtlasError {
                class: Class::Throttled(Some(left)),
                effect: Effect::NotSent,
                status: None,
                code: None,
                detail: "Atlas asked to wait before another access token is fetched".into(),
            }),
            None => self.request(account, client, since).await,
        };
        match outcome {
            Ok(token) => {
                self.token = Some(token);
                self.failed = None;
                Ok(())
            }
            Err(error) => {
                self.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn request(
        &mut self,
        account: &Account<'_>,
        client: Client<'_>,
        since: Instant,
    ) -> Result<Token, AtlasError> {
        let request = token_request(account, client)
            .ok_or_else(|| transient("the access token request can't be built".into(), None))?;
        let sent = request.headers().get(header::AUTHORIZATION).cloned();
        let hidden = Hidden { secret: account.client_secret, sent: sent.as_ref() };
        let answer = match timeout(PATIENCE, client.transport.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(
                error @ (TransportError::NotConnected(_)
                | TransportError::NoAnswer(_)
                | TransportError::Withheld(_)
                | TransportError::TooLarge(_)),
            )) => {
                return Err(transient(format!("no access token: {error}"), None));
            }
            Err(_) => return Err(transient("Atlas gave no access token within 10 s".into(), None)),
        };
        self.hold.observe(Signal::of(&answer, client.clock), Instant::now(), client.jitter);
        if answer.status().is_success() { read(&answer, since) } else { Err(refusal(&answer, hidden, client)) }
    }
}

fn token_request(account: &Account<'_>, client: Client<'_>) -> Option<Request<Bytes>> {
    let uri = client.base.join(&Path::new("/api").literal("oauth").literal("token"))?;
    let pair = SecretString::from(format!("{}:{}", account.client_id, account.client_secret.expose_secret()));
    let authorization = sensitive(&format!("Basic {}", STANDARD.encode(pair.expose_secret())))?;
    let mut request = Request::new(Bytes::from_static(b"grant_type=client_credentials"));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, authorization);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Some(request)
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
    token_type: Option<String>,
}

fn read(answer: &Response<Bytes>, since: Instant) -> Result<Token, AtlasError> {
    let unreadable = || transient("the answer to the access token request is unreadable".into(), Some(answer.status()));
    let granted: Granted = serde_json::from_slice(answer.body()).map_err(|_| unreadable())?;
    let token = granted.access_token.as_str();
    let bearer = granted.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let usable = bearer && (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    let authorization = sensitive(&format!("Bearer {token}")).filter(|_| usable).ok_or_else(unreadable)?;
    let life = Duration::from_secs(granted.expires_in.unwrap_or(UNKNOWN_LIFE).min(LONGEST_LIFE));
    let renewal = life.mul_f64(0.8).max(life.saturating_sub(EARLIEST_RENEWAL));
    Ok(Token { authorization, renew_at: since + renewal, expires_at: since + life, since })
}

/// Why no token was given. The body is Atlas' error object or OAuth's (`error`, `error_description`).
fn refusal(answer: &Response<Bytes>, hidden: Hidden<'_>, client: Client<'_>) -> AtlasError {
    let status = answer.status();
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |key| body.get(key).and_then(Value::as_str);
    let code = text("errorCode").or_else(|| text("error"));
    let class = match status.as_u16() {
        429 => Class::Throttled(headers::retry_after(answer.headers(), client.clock)),
        401 => Class::Denied(Denial::Credentials),
        403 => Class::Denied(Denial::Access),
        400 if matches!(code, Some("invalid_client" | "unauthorized_client" | "invalid_grant")) => {
            Class::Denied(Denial::Credentials)
        }
        _ => Class::Transient,
    };
    let hint = match class {
        Class::Denied(Denial::Credentials) => Some("Check clientId and clientSecret in the Secret."),
        // Atlas gives an account a limited number of tokens (atlas-api.md, section 3).
        Class::Denied(Denial::Access) if code == Some("access_denied") => {
            Some("Wait until earlier tokens have expired, or give this operator a service account of its own.")
        }
        Class::Denied(Denial::Access | Denial::Project) => {
            Some("Add the operator's outgoing address to the API access list of the service account.")
        }
        Class::Transient | Class::Throttled(_) | Class::Exists | Class::NotYet => None,
        Class::Outdated | Class::Invalid | Class::Missing => None,
    };
    let words = text("detail").or_else(|| text("error_description"));
    let words = words.map_or_else(|| own_words(status), str::to_owned);
    AtlasError {
        class,
        effect: Effect::NotSent,
        status: Some(status.as_u16()),
        code: code.map(|code| detail::discreet(code, hidden, detail::LONGEST_CODE)),
        detail: detail::compose(&format!("Atlas gave no access token: {words}"), hint, hidden),
    }
}

fn transient(detail: String, status: Option<StatusCode>) -> AtlasError {
    let status = status.map(|status| status.as_u16());
    AtlasError { class: Class::Transient, effect: Effect::NotSent, status, code: None, detail }
}

/// For an answer that says nothing itself.
fn own_words(status: StatusCode) -> String {
    if status.is_redirection() {
        format!("{status}, a redirect, which is not followed; check the Atlas base URL")
    } else {
        status.to_string()
    }
}
