//! What a simulator is started with: the arguments of the `simulator` subcommand, and the switches that can also be
//! changed while it runs.

use super::buckets::BucketSize;
use clap::Args;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

/// A name and its secret: an API key (`PUBLIC:PRIVATE`) or a service account (`ID:SECRET`). Never printed.
#[derive(Clone)]
pub struct Secret {
    pub name: String,
    pub secret: SecretString,
}

impl Secret {
    pub fn new(name: &str, secret: &str) -> Self {
        Self { name: name.to_owned(), secret: secret.into() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.name)
    }
}

impl FromStr for Secret {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((name, secret)) if !name.is_empty() && !secret.is_empty() => Ok(Self::new(name, secret)),
            // The text is not repeated: it may hold a secret.
            _ => Err("expected NAME:SECRET"),
        }
    }
}

/// The public key that a simulator knows when it is told of no other credential.
pub const PUBLIC_KEY: &str = "public";
/// Its private key.
pub const PRIVATE_KEY: &str = "private";

/// How a simulated Atlas is started.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// How much sooner than in the real Atlas things are done: 165 s to make an AWS service become 165/SCALE
    #[arg(long, value_name = "SCALE", default_value_t = 1.0, value_parser = positive)]
    pub time_scale: f64,
    /// What ids, names and nonces are drawn from
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// An API key that owns every project; without any credential `public:private` is known
    #[arg(long = "api-key", value_name = "PUBLIC:PRIVATE")]
    pub api_keys: Vec<Secret>,
    /// A service account that owns every project
    #[arg(long = "service-account", value_name = "ID:SECRET")]
    pub service_accounts: Vec<Secret>,
    /// A project that exists; without any, every well-formed id does
    #[arg(long = "project", value_name = "ID")]
    pub projects: Vec<String>,
    /// The token bucket of each project
    #[arg(long, value_name = "CAPACITY/REFILL/SECONDS", default_value_t = BucketSize::default())]
    pub bucket: BucketSize,
    /// How many seconds a digest nonce lives
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub nonce_lifetime: u64,
    /// How often a digest nonce may be used
    #[arg(long, value_name = "TIMES", default_value_t = 1023)]
    pub nonce_uses: u32,
    /// How many seconds an OAuth token lives
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub token_lifetime: u64,
    /// How many live OAuth tokens a service account may have
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub token_limit: usize,
    /// In process only: how long a request and its answer are on their way, each, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 20)]
    pub latency: u64,
    #[command(flatten)]
    pub switches: Switches,
}

/// Where the evidence about Atlas is at odds or thin, the behaviour is a switch; all are off at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Remove a service with its last endpoint
    #[arg(long)]
    pub auto_remove_service: bool,
    /// v2 says `WAITING_FOR_USER` of a ready service, as v1.0 does, instead of `AVAILABLE`
    #[arg(long)]
    pub v2_waiting_for_user: bool,
    /// Let a project have several services in a region
    #[arg(long)]
    pub duplicate_services: bool,
    /// Refuse a second endpoint in a region
    #[arg(long)]
    pub single_endpoint: bool,
    /// Leave `errorCode` out of the body of digest challenges, as before August 2026
    #[arg(long)]
    pub plain_challenge: bool,
}

impl Settings {
    /// The lifetime of a digest nonce: 60 s, Jetty's (atlas-api.md §3, INF).
    pub(super) fn nonce_lifetime(&self) -> Duration {
        Duration::from_secs(self.nonce_lifetime)
    }

    /// A delay of the real Atlas, shortened.
    pub(super) fn scaled(&self, seconds: u32) -> Duration {
        Duration::try_from_secs_f64(f64::from(seconds) / self.time_scale).unwrap_or(Duration::ZERO)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            time_scale: 1.0,
            seed: 0,
            api_keys: Vec::new(),
            service_accounts: Vec::new(),
            projects: Vec::new(),
            bucket: BucketSize::default(),
            nonce_lifetime: 60,
            nonce_uses: 1023,
            token_lifetime: 3600,
            token_limit: 100,
            latency: 20,
            switches: Switches::default(),
        }
    }
}

fn positive(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|scale: &f64| scale.is_finite() && *scale > 0.0).ok_or("expected a number above 0")
}
