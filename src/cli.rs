//! The command line. Every flag of `run` is also an environment variable.

use crate::{
    atlas::{dialect::Dialect, https::HttpsOptions, url::BaseUrl},
    controller::settings::Settings,
    duration::HumanDuration,
    lease,
    probe::ProbeArgs,
    reconcile::policy::DefaultDeletionPolicy,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

/// Gives MongoDB Atlas projects private connectivity from Kubernetes manifests.
#[derive(Debug, Parser)]
#[command(version, about, disable_help_subcommand = true, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What the one binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator
    Run(Box<RunArgs>),
    /// Write the CustomResourceDefinitions
    Crds(CrdsArgs),
    /// Ask a URL until it answers well: what `helm test` runs
    Probe(ProbeArgs),
    /// Show it all on this machine: a real Kubernetes API server, a simulated Atlas, and this operator
    #[cfg(feature = "testbed")]
    Demo(crate::testbed::demo::DemoArgs),
    /// Run a simulated Atlas to develop against
    #[cfg(feature = "testbed")]
    Simulator(Box<crate::testbed::simulator::Settings>),
}

/// Arguments of `crds`.
#[derive(Debug, Args)]
pub struct CrdsArgs {
    /// Folder to write one file for each kind into; without it they are printed
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where Atlas is
    #[arg(
        long,
        env = "ATLAS_PRIVATELINK_ATLAS_BASE_URL",
        value_name = "URL",
        default_value = "https://cloud.mongodb.com"
    )]
    pub atlas_base_url: String,

    /// The API that Atlas is spoken to in
    #[arg(long, env = "ATLAS_PRIVATELINK_ATLAS_API_VERSION", value_name = "v2|v1.0", default_value = "v2")]
    pub atlas_api_version: Dialect,

    /// A namespace to watch; may be repeated, or separated by commas. All namespaces when absent
    #[arg(
        long = "namespace",
        env = "ATLAS_PRIVATELINK_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        value_parser = namespace
    )]
    pub namespaces: Vec<String>,

    /// How often Atlas is looked at while something moves
    #[arg(long, env = "ATLAS_PRIVATELINK_POLL_INTERVAL", value_name = "DURATION", default_value = "10s")]
    pub poll_interval: HumanDuration,

    /// How often Atlas is looked at while nothing does
    #[arg(long, env = "ATLAS_PRIVATELINK_RESYNC_INTERVAL", value_name = "DURATION", default_value = "15m")]
    pub resync_interval: HumanDuration,

    /// What becomes of Atlas' side of a deleted resource without spec.deletionPolicy. Created: what it created is deleted,
    /// what it adopted is kept. Retain: everything is kept
    #[arg(
        long,
        env = "ATLAS_PRIVATELINK_DEFAULT_DELETION_POLICY",
        value_name = "Created|Retain",
        default_value = "Created"
    )]
    pub default_deletion_policy: DefaultDeletionPolicy,

    /// How many objects of one kind are worked on at once, in each watched namespace
    #[arg(long, env = "ATLAS_PRIVATELINK_CONCURRENCY", value_name = "NUMBER", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,

    /// Address of `/healthz`, `/readyz` and `/metrics`; when absent port 8080 of every interface, IPv6 included if there is any
    #[arg(
        help = "Address of /healthz, /readyz and /metrics [default: [::]:8080, or 0.0.0.0:8080 where there is no IPv6]",
        long,
        env = "ATLAS_PRIVATELINK_HTTP_LISTEN",
        value_name = "ADDRESS"
    )]
    pub http_listen: Option<SocketAddr>,

    #[command(flatten)]
    pub leader_election: LeaderElectionArgs,

    /// Format of the log
    #[arg(
        long,
        env = "ATLAS_PRIVATELINK_LOG_FORMAT",
        value_name = "text|json",
        default_value = "text",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,

    /// What is logged: a level (error, warn, info, debug, trace), or levels by module: info,atlas_privatelink_operator::atlas=debug
    #[arg(long, env = "ATLAS_PRIVATELINK_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub log_level: String,

    /// Allow http to a host other than this machine. Keys are then not protected on their way
    #[arg(long, env = "ATLAS_PRIVATELINK_ALLOW_HTTP")]
    pub allow_http: bool,

    /// PEM file of certificates to trust for Atlas, in addition to the system's
    #[arg(long, env = "ATLAS_PRIVATELINK_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Proxy for Atlas; the Kubernetes API is always reached directly. One with a password is for the variable
    // It may have a password in it, which a help that shows what is set would show.
    #[arg(long, env = "ATLAS_PRIVATELINK_HTTPS_PROXY", value_name = "URL", hide_env_values = true)]
    pub https_proxy: Option<String>,

    /// Hosts to reach without that proxy, separated by commas
    #[arg(long, env = "ATLAS_PRIVATELINK_NO_PROXY", value_name = "HOSTS")]
    pub no_proxy: Option<String>,
}

/// Whether and how to stand for election among several operators.
#[derive(Debug, Args)]
pub struct LeaderElectionArgs {
    /// Work only while holding a Lease, so that several may run and one works
    #[arg(long, env = "ATLAS_PRIVATELINK_LEADER_ELECTION")]
    pub leader_election: bool,

    /// Namespace of the Lease; when absent POD_NAMESPACE, else the namespace of the ServiceAccount
    #[arg(long, env = "ATLAS_PRIVATELINK_LEADER_ELECTION_NAMESPACE", value_name = "NAMESPACE")]
    pub leader_election_namespace: Option<String>,

    /// Name of the Lease
    #[arg(
        long,
        env = "ATLAS_PRIVATELINK_LEADER_ELECTION_LEASE_NAME",
        value_name = "NAME",
        default_value = "atlas-privatelink-operator"
    )]
    pub leader_election_lease_name: String,

    /// How long a leader that is not heard of is waited for. It renews in two fifteenths of this, and gives up after two
    /// thirds without success
    #[arg(
        long,
        env = "ATLAS_PRIVATELINK_LEADER_ELECTION_LEASE_DURATION",
        value_name = "DURATION",
        default_value = "15s"
    )]
    pub leader_election_lease_duration: HumanDuration,
}

/// Where a pod finds its own namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

impl LeaderElectionArgs {
    /// The settings, if it is asked for.
    ///
    /// # Errors
    /// When the lease is too short, or there is no telling where it is.
    pub fn settings(&self) -> Result<Option<lease::Settings>, InvalidArgs> {
        if !self.leader_election {
            return Ok(None);
        }
        let duration = self.leader_election_lease_duration;
        at_least("leader-election-lease-duration", duration, lease::Timing::SHORTEST)?;
        let namespace = self
            .leader_election_namespace
            .clone()
            .or_else(|| std::env::var("POD_NAMESPACE").ok())
            .or_else(|| std::fs::read_to_string(NAMESPACE_FILE).ok())
            .map(|namespace| namespace.trim().to_owned())
            .filter(|namespace| !namespace.is_empty())
            .ok_or(InvalidArgs::NoLeaseNamespace)?;
        let (name, timing) = (self.leader_election_lease_name.clone(), lease::Timing::of(duration.get()));
        Ok(Some(lease::Settings { namespace, name, timing }))
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Why the arguments of `run` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidArgs {
    #[error("--atlas-base-url: {0}")]
    BaseUrl(#[from] crate::atlas::url::InvalidBaseUrl),
    #[error("--ca-file {path}: {error}")]
    CaFile { path: PathBuf, error: std::io::Error },
    #[error("--{flag} must be at least {least}")]
    TooShort { flag: &'static str, least: HumanDuration },
    #[error(
        "--leader-election needs --leader-election-namespace, or POD_NAMESPACE: this is no pod, and tells no namespace"
    )]
    NoLeaseNamespace,
}

impl RunArgs {
    /// What reconciling needs of them.
    ///
    /// # Errors
    /// When an interval is too short to be meant.
    pub fn settings(&self) -> Result<Settings, InvalidArgs> {
        at_least("poll-interval", self.poll_interval, std::time::Duration::from_millis(100))?;
        at_least("resync-interval", self.resync_interval, self.poll_interval.get())?;
        Ok(Settings {
            poll_interval: self.poll_interval.get(),
            resync_interval: self.resync_interval.get(),
            default_deletion_policy: self.default_deletion_policy,
            concurrency: self.concurrency,
            namespaces: self.named_namespaces(),
        })
    }

    /// Each once; an empty name, as that of an environment variable without a value, is none.
    fn named_namespaces(&self) -> Vec<String> {
        let names: BTreeSet<_> = self.namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
        names.into_iter().collect()
    }

    /// Where Atlas is.
    ///
    /// # Errors
    /// When it is not a URL that keys may be sent to.
    pub fn base_url(&self) -> Result<BaseUrl, InvalidArgs> {
        Ok(BaseUrl::parse(&self.atlas_base_url, self.allow_http)?)
    }

    /// How to reach Atlas.
    ///
    /// # Errors
    /// When the CA file cannot be read.
    pub fn https_options(&self) -> Result<HttpsOptions, InvalidArgs> {
        let read =
            |path: &PathBuf| std::fs::read(path).map_err(|error| InvalidArgs::CaFile { path: path.clone(), error });
        let extra_ca = self.ca_file.as_ref().map(read).transpose()?;
        Ok(HttpsOptions { extra_ca, https_proxy: self.https_proxy.clone(), no_proxy: self.no_proxy.clone() })
    }
}

/// The name of a namespace (an RFC 1123 label), or nothing.
fn namespace(text: &str) -> Result<String, String> {
    let name = text.trim();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = name.starts_with('-') || name.ends_with('-');
    if name.len() > 63 || ends || !name.chars().all(fits) {
        return Err("it is no name of a namespace: lower-case letters, digits and '-', at most 63".to_owned());
    }
    Ok(name.to_owned())
}

fn at_least(flag: &'static str, value: HumanDuration, least: std::time::Duration) -> Result<(), InvalidArgs> {
    if value.get() < least { Err(InvalidArgs::TooShort { flag, least: least.into() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn namespaces_are_names_and_each_is_watched_once() {
        let watched = |text: &str| match Cli::try_parse_from(["x", "run", "--namespace", text]).ok()?.command {
            Command::Run(arguments) => Some(arguments.settings().unwrap().namespaces),
            _ => None,
        };
        assert_eq!(watched("a, b,a,").unwrap(), ["a", "b"]);
        assert_eq!(watched("").unwrap(), Vec::<String>::new());
        for refused in ["a b", "A", "-a", "a-", "a/b", "ä", &"a".repeat(64)] {
            assert!(watched(refused).is_none(), "{refused}");
        }
    }

    #[test]
    fn every_flag_of_run_is_an_environment_variable() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
            let long = argument.get_long().unwrap().to_uppercase().replace('-', "_");
            let env = argument.get_env().map(|env| env.to_string_lossy().into_owned());
            assert_eq!(env, Some(format!("ATLAS_PRIVATELINK_{long}")));
        }
    }
}
