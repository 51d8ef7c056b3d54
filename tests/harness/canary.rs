//! Whether anything tells a secret: the log at its finest, metrics, and what requests to Atlas show beside their proof.

use super::world::{CLIENT_ID, CLIENT_SECRET, PRIVATE};
use atlas_privatelink_operator::{
    atlas::transport::{Transport, TransportError},
    metrics::Metrics,
    telemetry,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, Request, Response, Uri, header};
use std::{
    fmt::{Debug, Write},
    sync::{Arc, LazyLock, Mutex},
};
use tracing::{
    Dispatch, Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

/// What all private keys of the campaigns begin with, those that take another's place too.
const KEYS: &str = "canary-private-key";
/// What all access tokens of the simulated Atlas begin with.
const TOKENS: &str = "simulated.";

/// The password of a proxy, where there is one.
pub const PROXY_PASSWORD: &str = "canary-proxy-password";

/// What no one may show: keys, client secrets and access tokens, as they are, as they stand in a Secret or in a header, and
/// as bytes.
static SECRETS: LazyLock<Vec<String>> = LazyLock::new(|| {
    assert!(PRIVATE.starts_with(KEYS));
    let mut all = vec![TOKENS.to_owned(), STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")), proxy_proof()];
    for secret in [KEYS, CLIENT_SECRET, PROXY_PASSWORD] {
        // Three bytes are four letters: what comes after whole ones does not change them.
        let encoded = STANDARD.encode(&secret[..secret.len() / 3 * 3]);
        let bytes = format!("{:?}", secret.as_bytes());
        all.extend([secret.to_owned(), encoded, bytes.trim_matches(['[', ']']).to_owned()]);
    }
    all
});

/// What stands in a header for a proxy, of the user `operator`.
pub fn proxy_proof() -> String {
    STANDARD.encode(format!("operator:{PROXY_PASSWORD}"))
}

pub fn tells(text: &str) -> bool {
    SECRETS.iter().any(|secret| text.contains(secret.as_str()))
}

/// What was told, and the metrics of all operators. Clones are the same.
#[derive(Clone, Default)]
pub struct Told {
    leaks: Arc<Mutex<Vec<String>>>,
    metrics: Arc<Mutex<Vec<Metrics>>>,
}

impl Told {
    pub fn watch(&self, metrics: Metrics) {
        self.metrics.lock().unwrap().push(metrics);
    }

    /// The way to Atlas, seen.
    pub fn over(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Seen { inner, leaks: self.leaks.clone() })
    }

    /// The metrics of every operator.
    fn pages(&self) -> Vec<String> {
        self.metrics.lock().unwrap().iter().filter_map(|metrics| metrics.text().ok()).collect()
    }

    /// How many reconciles have panicked, of all operators.
    pub fn panics(&self) -> u64 {
        self.count(|line| line.contains("reconcile_errors") && line.contains("class=\"panic\""))
    }

    /// How many reconciles have ended, of all operators.
    pub fn reconciles(&self) -> u64 {
        self.count(|line| line.contains("reconcile_duration_seconds_count"))
    }

    /// The sum of those lines of the metrics.
    fn count(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        let pages = self.pages();
        let lines = pages.iter().flat_map(|page| page.lines()).filter(|line| !line.starts_with('#') && wanted(line));
        lines.map(|line| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count")).sum()
    }

    /// Every place where a secret was shown.
    pub fn leaks(&self) -> Vec<String> {
        let mut leaks = self.leaks.lock().unwrap().clone();
        leaks.extend(self.pages().into_iter().filter(|page| tells(page)).map(|_| "the metrics".to_owned()));
        leaks
    }
}

/// What tells a secret in a request, beside the headers of its proof.
pub fn shown(uri: &Uri, headers: &HeaderMap, body: &Bytes, proof: &[HeaderName]) -> Vec<String> {
    let shown = headers.iter().filter(|(name, _)| !proof.contains(name)).map(|(_, value)| value.as_bytes());
    let texts = shown.chain([body.as_ref()]).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    texts.chain([uri.to_string()]).filter(|text| tells(text)).collect()
}

struct Seen {
    inner: Arc<dyn Transport>,
    leaks: Arc<Mutex<Vec<String>>>,
}

impl Transport for Seen {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let proof = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION];
        let told = shown(request.uri(), request.headers(), request.body(), &proof);
        self.leaks.lock().unwrap().extend(told.into_iter().map(|text| format!("a request: {text}")));
        self.inner.send(request)
    }
}

/// Reads everything that is logged, at every level that the operator has, and keeps what tells a secret.
#[derive(Clone, Default)]
pub struct Reader(Arc<Mutex<Vec<String>>>);

impl Reader {
    /// Runs with everything that is logged being read; gives the lines that told a secret.
    pub fn beside<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
        let reader = Self::default();
        let filter = telemetry::filter("trace").unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(reader.clone().with_filter(filter)));
        let result = tracing::dispatcher::with_default(&dispatch, run);
        let lines = reader.0.lock().unwrap().clone();
        (result, lines)
    }

    fn read(&self, record: impl FnOnce(&mut Words)) {
        let mut words = Words::default();
        record(&mut words);
        if tells(&words.0) {
            self.0.lock().unwrap().push(words.0);
        }
    }
}

#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.push_str(value);
        self.0.push(' ');
    }

    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{value:?} ");
    }
}

impl<S: Subscriber> Layer<S> for Reader {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.read(|words| event.record(words));
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.read(|words| span.record(words));
    }

    fn on_record(&self, _: &Id, span: &Record<'_>, _: Context<'_, S>) {
        self.read(|words| span.record(words));
    }
}
