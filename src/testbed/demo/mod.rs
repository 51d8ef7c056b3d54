//! The demo: a simulated Atlas, a real API server, the operator as a child process, and the samples, with a table of
//! how they get on. Nothing of it is left when it ends.

mod args;
mod rows;
mod samples;
mod screen;
mod stage;
mod table;
mod watch;

pub use args::{AtlasApi, DemoArgs};
pub use samples::{Error as SampleError, Samples};

use super::control_plane::{self, ControlPlane, Options, Places, Tool, by_hand};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::reflector::store::WriterDropped;
use screen::Screen;
use stage::Stage;
use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};
use tokio::signal::unix::{SignalKind, signal};

/// What the demo needs of the Atlas that it runs against.
pub trait SimulatedAtlas {
    /// `http://127.0.0.1:PORT`.
    fn base_url(&self) -> String;

    /// What stands in it now, a line for each service; empty when nothing does.
    fn contents(&self) -> impl Future<Output = Vec<String>> + Send;
}

/// What the demo is given beside its arguments.
pub struct Setup<A> {
    /// The definitions of the two resources.
    pub crds: Vec<CustomResourceDefinition>,
    /// The operator: a program that understands `run` (this very program, as a rule).
    pub operator: PathBuf,
    /// A running simulator that knows [`Samples::api_key`].
    pub atlas: A,
}

/// Why the demo ended otherwise than it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    #[error("cannot apply or delete a sample: {0}")]
    Sample(#[from] SampleError),
    #[error("cannot define the resources: {0}")]
    Define(Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot follow the resources: {0}")]
    Watch(WriterDropped),
    #[error("cannot {action}: {source}")]
    Io { action: &'static str, source: io::Error },
    #[error("the operator ended with {status}; its last words:\n{tail}")]
    OperatorEnded { status: ExitStatus, tail: String },
    #[error("not all was Ready after {timeout}:\n{complaints}\nThe operator's last words:\n{tail}")]
    NotReady { timeout: String, complaints: String, tail: String },
    #[error("not all was deleted after {timeout}:\n{complaints}\nThe operator's last words:\n{tail}")]
    NotDeleted { timeout: String, complaints: String, tail: String },
    #[error("everything was deleted, but Atlas still has:\n{0}")]
    NotEmpty(String),
    #[error("interrupted")]
    Interrupted,
}

/// Runs the demo.
///
/// Without a terminal, or with `--exit-when-ready`, it ends by itself; otherwise with Ctrl-C.
///
/// # Errors
/// When something cannot be started, or the samples are not Ready (or not gone again) in time.
pub async fn run<A: SimulatedAtlas>(args: DemoArgs, setup: Setup<A>) -> Result<(), Error> {
    let mut screen = Screen::stdout();
    let samples = Samples::load(args.atlas_api_version)?;
    screen.say("Starting etcd and kube-apiserver…");
    // Until here a signal ends this process as ever; what it has started ends with it.
    let control_plane = ControlPlane::start(Options::default()).await?;
    let ends_by_itself = args.exit_when_ready || !screen.is_terminal();
    screen.say(&instructions(&control_plane, &setup.atlas.base_url()));
    if !ends_by_itself {
        screen.say("Ctrl-C ends it, and leaves nothing behind.\n");
    }

    let outcome = tokio::select! {
        outcome = Stage::play(&args, &setup, &samples, &control_plane, &mut screen) => outcome,
        signal = interrupted() => signal.and_then(|()| if ends_by_itself { Err(Error::Interrupted) } else { Ok(()) }),
    };
    screen.keep();
    control_plane.stop().await?;
    outcome
}

/// What a person may want to know for a second terminal.
fn instructions(control_plane: &ControlPlane, atlas: &str) -> String {
    let places = Places::of_this_machine();
    let kubectl = how_to_look(places.find_kubectl().as_deref(), places.build_directory());
    format!(
        "\nFor a second terminal:\n\n  export KUBECONFIG={}\n  {kubectl}\n  tail -f {}\n\nThe simulated Atlas listens at {atlas}\n",
        control_plane.kubeconfig_path().display(),
        stage::operator_log(control_plane).display(),
    )
}

/// The command that shows the resources (kubectl watches one kind at a time only), or the one that builds what it takes.
fn how_to_look(kubectl: Option<&Path>, build_directory: &Path) -> String {
    match kubectl {
        Some(kubectl) => format!("{} get atlas", kubectl.display()),
        None => format!(
            "# kubectl was not found; this builds it, from the same go.mod:\n  {}",
            by_hand(Tool::Kubectl, build_directory)
        ),
    }
}

/// Comes back when somebody wants this process to end.
async fn interrupted() -> Result<(), Error> {
    let listen = |kind| signal(kind).map_err(|source| Error::Io { action: "listen for signals", source });
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_kubectl_is_told_how_to_build_it() {
        let directory = Path::new("/repository/target/control-plane");
        assert_eq!(how_to_look(Some(Path::new("kubectl")), directory), "kubectl get atlas");
        let hint = how_to_look(None, directory);
        assert!(hint.contains("kubectl was not found"), "{hint}");
        let command = "(cd tests/control-plane && CGO_ENABLED=0 go build -o /repository/target/control-plane/kubectl \
                       k8s.io/kubernetes/cmd/kubectl)";
        assert!(hint.ends_with(command), "{hint}");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/go.mod").is_file());
    }
}
