//! A real Kubernetes API server with its etcd and, where wanted, the controller manager (garbage collection, namespace
//! deletion, ServiceAccounts). There is no kubelet: what needs one, such as a Pod, is only stored.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use atlas_privatelink_operator::testbed::control_plane::{ControlPlane, Options};
//! let control_plane = ControlPlane::start(Options { controller_manager: true, ..Options::default() }).await?;
//! println!("export KUBECONFIG={}", control_plane.kubeconfig_path().display());
//! control_plane.stop().await?;
//! # Ok(())
//! # }
//! ```

mod audit;
mod binaries;
mod go_build;
mod identity;
mod ports;
mod processes;

pub use audit::AuditLog;
pub use binaries::{Binaries, Places, Tool};
pub use go_build::{BuildError, Program, build, by_hand};
pub use processes::{Guarded, Launch, tail};

use identity::{Identity, IdentityFiles};
use ports::Ports;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long the API server may take to be ready: far more than it ever took, for machines that have much else to do.
const READY_DEADLINE: Duration = Duration::from_secs(600);
/// A connection that died with the API server before gives no answer; a slow machine takes its time for one.
const PROBE_DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);
/// How often other ports are tried when chosen ones turn out to be taken.
const PORT_ATTEMPTS: usize = 5;
const LOG_LINES: usize = 20;

/// What a control plane consists of.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether kube-controller-manager runs too.
    pub controller_manager: bool,
    /// An audit policy (YAML); with one, [`ControlPlane::audit_log`] tells what the API server was asked.
    pub audit_policy: Option<String>,
}

/// Why a control plane is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
    #[error("cannot make the control plane's keys: {0}")]
    Keys(#[from] rcgen::Error),
    #[error("{name} ended with {status} before the API server was ready; its last words:\n{tail}")]
    Ended { name: &'static str, status: ExitStatus, tail: String },
    #[error("the API server was not ready after {} s ({last}); its last words:\n{tail}", waited.as_secs())]
    NotReady { waited: Duration, last: String, tail: String },
    #[error("no free port was found on 127.0.0.1")]
    NoPort,
    #[error("cannot use the control plane's own kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("cannot make a client of the API server: {0}")]
    Client(#[source] Box<kube::Error>),
    #[error("line {line} of the audit log is not an event: {source}")]
    Audit { line: usize, source: serde_json::Error },
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// Whether somebody else took a port between its choice and its use.
    fn is_port_conflict(&self) -> bool {
        matches!(self, Self::Ended { tail, .. } if tail.contains("address already in use"))
    }
}

/// A running control plane. Dropping it stops it; so does the end of the process, SIGKILL included.
pub struct ControlPlane {
    // In the order in which they are dropped: nobody shall serve what has gone from under it.
    controller_manager: Option<Guarded>,
    api_server: Option<Guarded>,
    etcd: Guarded,
    binaries: Binaries,
    ports: Ports,
    options: Options,
    files: IdentityFiles,
    config: kube::Config,
    client: kube::Client,
    directory: TempDir,
}

impl ControlPlane {
    /// Finds or builds the programs, starts them, and waits until the API server is ready.
    ///
    /// # Errors
    /// When a program is missing and cannot be built, ends, or is not ready in time.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let controller_manager = options.controller_manager;
        let binaries = tokio::task::spawn_blocking(move || Places::of_this_machine().ensure(controller_manager))
            .await
            .map_err(|error| Error::io("look for the programs")(io::Error::other(error)))??;
        let mut attempt = 1;
        loop {
            match Self::start_once(binaries.clone(), options.clone()).await {
                Err(error) if error.is_port_conflict() && attempt < PORT_ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    async fn start_once(binaries: Binaries, options: Options) -> Result<Self, Error> {
        install_crypto_provider();
        let directory = tempfile::Builder::new()
            .prefix("atlas-control-plane-")
            .tempdir()
            .map_err(Error::io("make a temporary directory"))?;
        let ports = Ports::choose().ok_or(Error::NoPort)?;
        let identity = Identity::generate()?;
        let files = identity.write(directory.path()).map_err(Error::io("write the keys"))?;
        let kubeconfig = identity.kubeconfig(&format!("https://127.0.0.1:{}", ports.api_server));
        fs::write(kubeconfig_in(&directory), &kubeconfig).map_err(Error::io("write the kubeconfig"))?;
        if let Some(policy) = &options.audit_policy {
            fs::write(audit_policy_in(&directory), policy).map_err(Error::io("write the audit policy"))?;
        }
        let config = own_config(&kubeconfig).await?;
        let client = client_of(&config)?;
        let etcd = launch(&directory, "etcd", &binaries.etcd, etcd_arguments(&directory, &ports))?;
        let mut control_plane = Self {
            controller_manager: None,
            api_server: None,
            etcd,
            binaries,
            ports,
            options,
            files,
            config,
            client,
            directory,
        };
        control_plane.start_api_server().await?;
        control_plane.start_controller_manager()?;
        Ok(control_plane)
    }

    /// Where the kubeconfig of an administrator is; it needs no other file.
    pub fn kubeconfig_path(&self) -> PathBuf {
        kubeconfig_in(&self.directory)
    }

    /// The directory of this control plane's files and logs, removed when it stops.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How an administrator reaches the API server.
    pub fn config(&self) -> kube::Config {
        self.config.clone()
    }

    /// A client of the tokio runtime that started this control plane; in another one, make a client of [`Self::config`].
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Kills the API server and starts it again: same data, same port, same keys.
    ///
    /// # Errors
    /// As [`Self::start_api_server`].
    pub async fn restart_api_server(&mut self) -> Result<(), Error> {
        self.stop_api_server().await;
        self.start_api_server().await
    }

    /// Kills the API server; etcd keeps the data.
    pub async fn stop_api_server(&mut self) {
        if let Some(api_server) = self.api_server.take() {
            api_server.stop().await;
        }
    }

    /// Starts the API server, where it doesn't run, and waits until it is ready.
    ///
    /// # Errors
    /// When it, or etcd, ends or is not ready in time.
    pub async fn start_api_server(&mut self) -> Result<(), Error> {
        if self.api_server.is_none() {
            self.api_server = Some(self.launch_api_server()?);
        }
        self.wait_until_ready().await
    }

    /// What the API server was asked; empty without an audit policy.
    pub fn audit_log(&self) -> AuditLog {
        AuditLog { path: audit_log_in(&self.directory) }
    }

    /// Stops everything and removes the files.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { controller_manager, api_server, etcd, directory, .. } = self;
        for process in [controller_manager, api_server, Some(etcd)].into_iter().flatten() {
            process.stop().await;
        }
        directory.close().map_err(Error::io("remove the control plane's files"))
    }

    fn launch_api_server(&self) -> Result<Guarded, Error> {
        let mut arguments = api_server_arguments(&self.ports, &self.files);
        if self.options.audit_policy.is_some() {
            arguments.push(flag("audit-policy-file", &audit_policy_in(&self.directory)));
            arguments.push(flag("audit-log-path", &audit_log_in(&self.directory)));
        }
        launch(&self.directory, "kube-apiserver", &self.binaries.api_server, arguments)
    }

    fn start_controller_manager(&mut self) -> Result<(), Error> {
        if let Some(program) = &self.binaries.controller_manager {
            // It ends when the API server is away for ten seconds while it starts; then it is started again, as a
            // kubelet would.
            let again = ["-c", "while :; do \"$@\"; sleep 1; done", "controller-manager"].map(str::to_owned);
            let mut arguments = again.to_vec();
            arguments.push(program.display().to_string());
            arguments.extend(controller_manager_arguments(&self.kubeconfig_path(), &self.files));
            let shell = Path::new("/bin/sh");
            self.controller_manager = Some(launch(&self.directory, "kube-controller-manager", shell, arguments)?);
        }
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        // Until it answers on the system's own namespaces there is nothing to put an object into.
        for path in ["/readyz", "/api/v1/namespaces/default"] {
            while let Err(last) = self.probe(path).await {
                self.check_alive()?;
                if start.elapsed() > READY_DEADLINE {
                    let tail = tail(&log_in(&self.directory, "kube-apiserver"), LOG_LINES);
                    return Err(Error::NotReady { waited: start.elapsed(), last, tail });
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Asks the API server once; what it answered, if that is not yet what it should be.
    async fn probe(&self, path: &str) -> Result<(), String> {
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        match tokio::time::timeout(PROBE_DEADLINE, self.client.request_text(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer to GET {path}")),
        }
    }

    fn check_alive(&mut self) -> Result<(), Error> {
        let processes = [("etcd", Some(&mut self.etcd)), ("kube-apiserver", self.api_server.as_mut())];
        for (name, process) in processes {
            let Some(process) = process else { continue };
            if let Some(status) = process.ended().map_err(Error::io(format!("watch {name}")))? {
                return Err(Error::Ended { name, status, tail: tail(&log_in(&self.directory, name), LOG_LINES) });
            }
        }
        Ok(())
    }
}

/// Chooses ring for TLS in this process; whoever came first has chosen, and that is as good.
pub fn install_crypto_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn own_config(kubeconfig: &str) -> Result<kube::Config, Error> {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(kubeconfig)?;
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
    // A proxy of the environment has no business with this machine's own loopback.
    config.proxy_url = None;
    Ok(config)
}

fn client_of(config: &kube::Config) -> Result<kube::Client, Error> {
    kube::Client::try_from(config.clone()).map_err(|error| Error::Client(Box::new(error)))
}

fn launch(directory: &TempDir, name: &str, program: &Path, arguments: Vec<String>) -> Result<Guarded, Error> {
    Launch::new(program)
        .args(arguments)
        .remove_when_orphaned(directory.path())
        .log_to(&log_in(directory, name))
        .map_err(Error::io(format!("start {}", program.display())))
}

fn etcd_arguments(directory: &TempDir, ports: &Ports) -> Vec<String> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    vec![
        flag("data-dir", &directory.path().join("etcd")),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{}", ports.etcd_peer),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ]
}

fn api_server_arguments(ports: &Ports, files: &IdentityFiles) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        // Should the port of etcd be taken by another control plane's, nothing of that one's is touched before we notice.
        format!("--etcd-prefix=/testbed-{}", ports.api_server),
        format!("--secure-port={}", ports.api_server),
        "--bind-address=127.0.0.1".to_owned(),
        flag("tls-cert-file", &files.certificate),
        flag("tls-private-key-file", &files.key),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        flag("service-account-key-file", &files.service_account_public_key),
        flag("service-account-signing-key-file", &files.service_account_key),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        flag("token-auth-file", &files.tokens),
        "--authorization-mode=RBAC".to_owned(),
    ]
}

fn controller_manager_arguments(kubeconfig: &Path, files: &IdentityFiles) -> Vec<String> {
    vec![
        flag("kubeconfig", kubeconfig),
        flag("authentication-kubeconfig", kubeconfig),
        flag("authorization-kubeconfig", kubeconfig),
        flag("service-account-private-key-file", &files.service_account_key),
        "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller".to_owned(),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
    ]
}

fn flag(name: &str, value: &Path) -> String {
    format!("--{name}={}", value.display())
}

fn log_in(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(format!("{name}.log"))
}

fn kubeconfig_in(directory: &TempDir) -> PathBuf {
    directory.path().join("kubeconfig")
}

fn audit_policy_in(directory: &TempDir) -> PathBuf {
    directory.path().join("audit-policy.yaml")
}

fn audit_log_in(directory: &TempDir) -> PathBuf {
    directory.path().join("audit.log")
}
