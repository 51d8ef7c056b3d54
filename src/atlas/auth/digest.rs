//! HTTP digest with reused nonces, by `diqwest`'s sessions.
//!
//! A session has a race when its nonce expires, so none is shared: a call borrows one exclusively and puts it back.
//! The sessions' own sending isn't used; it has its own sockets and needs three trips for a stale nonce.

use super::{Template, sensitive};
use crate::atlas::{
    call::Exchange,
    classify,
    credential::CredentialId,
    error::{AtlasError, Class, Effect},
};
use bytes::Bytes;
use digest_auth::{Algorithm, AlgorithmType, HttpMethod, Qop};
use diqwest::{DigestAuthCredentials, DigestAuthSession};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Recorded challenges have 150 bytes.
const LONGEST_CHALLENGE: usize = 2048;

/// An API key.
pub(super) struct Key<'a> {
    pub(super) id: CredentialId,
    pub(super) public: &'a str,
    pub(super) private: &'a SecretString,
}

/// The idle sessions of one origin, by credential; of each the most recently used last.
pub(super) struct Sessions {
    lifetime: Duration,
    idle: Mutex<HashMap<CredentialId, Vec<Session>>>,
}

impl Sessions {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, idle: Mutex::default() }
    }

    /// Sends with a session, and once more when the answer is a challenge. A second challenge is a refusal, for an
    /// unknown nonce and a wrong key look alike. A future that is dropped takes its session along.
    pub(super) async fn exchange(
        &self,
        key: &Key<'_>,
        template: &Template,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Bytes>, AtlasError> {
        let mut session = self.borrow(key);
        let authorization = session.authorize(template, None)?;
        let first = exchange.send(template.request(authorization)).await?;
        let Some(challenge) = challenge(&first) else {
            self.put_back(key.id, session, &first);
            return Ok(first);
        };
        exchange.challenged();
        let authorization = session.authorize(template, Some(challenge))?;
        let second = exchange.send(template.request(authorization)).await?;
        self.put_back(key.id, session, &second);
        Ok(second)
    }

    pub(super) fn forget_expired(&self, now: Instant) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, sessions| {
            sessions.retain(|session| session.is_usable(now, self.lifetime));
            !sessions.is_empty()
        });
    }

    fn borrow(&self, key: &Key<'_>) -> Session {
        self.forget_expired(Instant::now());
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.get_mut(&key.id).and_then(Vec::pop).unwrap_or_else(|| Session::new(key))
    }

    /// Keeps the session if `answer` accepted its signature.
    fn put_back(&self, id: CredentialId, session: Session, answer: &Response<Bytes>) {
        let accepted = answer.status() != StatusCode::UNAUTHORIZED || classify::is_about_authorisation(answer);
        if accepted && session.is_usable(Instant::now(), self.lifetime) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().push(session);
        }
    }
}

/// One nonce and how often it was used, in exclusive use.
struct Session {
    inner: DigestAuthSession,
    /// When the nonce came; `None` as long as there is none to reuse.
    nonce_since: Option<Instant>,
}

/// The pool already tells origins apart, so diqwest's own key needn't.
const HOST: &str = "atlas";

impl Session {
    fn new(key: &Key<'_>) -> Self {
        Self { inner: DigestAuthSession::new(key.public, key.private.expose_secret()), nonce_since: None }
    }

    fn is_usable(&self, now: Instant, lifetime: Duration) -> bool {
        self.nonce_since.is_some_and(|since| now.saturating_duration_since(since) < lifetime)
    }

    /// The `Authorization` for the next request: from `challenge`, else from the nonce at hand, else none.
    fn authorize(
        &mut self,
        template: &Template,
        challenge: Option<Challenge>,
    ) -> Result<Option<HeaderValue>, AtlasError> {
        let credentials = &self.inner;
        if challenge.is_some() {
            self.nonce_since = None;
            credentials.clear_context(HOST).map_err(|error| unusable(&error))?;
        } else if self.nonce_since.is_none() {
            return Ok(None);
        }
        let headers = challenge.as_ref().map(Challenge::headers).unwrap_or_default();
        let outline = &template.outline;
        let authorization = credentials
            .calculate_authorization(
                HOST,
                template.uri.path_and_query().map_or("/", |target| target.as_str()),
                HttpMethod::from(outline.method.as_str()),
                (!outline.body.is_empty()).then_some(outline.body.as_ref()),
                &headers,
            )
            .map_err(|error| unusable(&error))?;
        // Only now, or the first use would count as the second.
        if let Some(challenge) = challenge.filter(Challenge::is_reusable) {
            credentials.store_context(HOST, &challenge.text).map_err(|error| unusable(&error))?;
            self.nonce_since = Some(Instant::now());
        }
        Ok(sensitive(&authorization.to_string()))
    }
}

/// The `Digest` challenge of a 401.
struct Challenge {
    text: String,
    parsed: digest_auth::WwwAuthenticateHeader,
}

impl Challenge {
    /// `None` if it can't be answered well: without `qop=auth` there is no client nonce in the answer (RFC 2069), or
    /// none that an endpoint without a body knows (`auth-int`).
    fn read(text: &str) -> Option<Self> {
        let text = format!("Digest {}", text.trim_end_matches([' ', ',']).trim());
        let parsed = digest_auth::parse(&text).ok()?;
        parsed.qop.as_ref()?.contains(&Qop::AUTH).then_some(Self { text, parsed })
    }

    /// MD5 is for an Atlas that knows nothing better.
    fn is_strong(&self) -> bool {
        match self.parsed.algorithm.algo {
            AlgorithmType::MD5 => false,
            AlgorithmType::SHA2_256 | AlgorithmType::SHA2_512_256 => true,
        }
    }

    /// Just this challenge, for diqwest looks at the first header only.
    fn headers(&self) -> HeaderMap {
        HeaderValue::from_str(&self.text)
            .map(|value| HeaderMap::from_iter([(header::WWW_AUTHENTICATE, value)]))
            .unwrap_or_default()
    }

    /// diqwest remembers neither the algorithm nor escapes: other challenges are answered once and then forgotten.
    fn is_reusable(&self) -> bool {
        let plain = |text: &str| !text.contains(['"', '\\']);
        let Algorithm { algo, sess } = &self.parsed.algorithm;
        let md5 = matches!(algo, AlgorithmType::MD5) && !sess;
        md5 && plain(&self.parsed.nonce) && plain(&self.parsed.realm) && self.parsed.opaque.as_deref().is_none_or(plain)
    }
}

/// The `Digest` challenge of a 401 to answer: the first usable one of a strong algorithm, else the first usable one, in
/// whichever header and after whichever other challenge it stands.
fn challenge(answer: &Response<Bytes>) -> Option<Challenge> {
    if answer.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let values = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
    let texts = values.filter_map(|value| value.to_str().ok()).filter(|text| text.len() <= LONGEST_CHALLENGE);
    let usable = texts.flat_map(parameters).filter_map(Challenge::read);
    usable.reduce(|best, next| if next.is_strong() && !best.is_strong() { next } else { best })
}

/// What stands after each `Digest` of a header, up to the next.
fn parameters(value: &str) -> Vec<&str> {
    let lower = value.to_ascii_lowercase();
    let begins = |before: &str| {
        let quoted = before.matches('"').count() % 2 == 1;
        before.is_empty() || (before.trim_end().ends_with(',') && !quoted)
    };
    let found = lower.match_indices(SCHEME).map(|(at, _)| at);
    let starts: Vec<_> = found.filter(|at| lower.get(..*at).is_some_and(begins)).collect();
    let ends = starts.iter().copied().skip(1).chain([value.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| value.get(start + SCHEME.len()..end)).collect()
}

const SCHEME: &str = "digest ";

/// A challenge that can't be answered; the request it refused has done nothing.
fn unusable(error: &diqwest::error::Error) -> AtlasError {
    AtlasError {
        class: Class::Transient,
        effect: Effect::None,
        status: Some(StatusCode::UNAUTHORIZED.as_u16()),
        code: None,
        detail: format!("Atlas' digest challenge can't be answered: {error}"),
    }
}
