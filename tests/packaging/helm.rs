//! The real Helm: one of version 4 from the PATH, else built from `tests/helm/go.mod` and kept under `target/helm/`.

use atlas_privatelink_operator::testbed::control_plane::{Program, build};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
};
use tempfile::TempDir;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let version = Command::new("helm").args(["version", "--template", "{{.Version}}"]).output();
    if version.is_ok_and(|version| version.stdout.starts_with(b"v4.")) {
        return "helm".into();
    }
    build(&helm_4(), &repository("target/helm")).expect("Helm is built")
});

fn helm_4() -> Program {
    Program {
        name: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
        files: &[("go.mod", include_str!("../helm/go.mod")), ("go.sum", include_str!("../helm/go.sum"))],
        ldflags: "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1".to_owned(),
        instead: "put a helm of version 4 on the PATH",
    }
}

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Our chart.
pub fn chart() -> PathBuf {
    repository("charts/atlas-privatelink-operator")
}

/// Helm with a home of its own and, where it is given one, a cluster.
pub struct Helm {
    home: TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// One that knows no cluster.
    pub fn offline() -> Self {
        Self { home: tempfile::tempdir().expect("a directory"), kubeconfig: None }
    }

    pub fn of(kubeconfig: &Path) -> Self {
        Self { kubeconfig: Some(kubeconfig.to_owned()), ..Self::offline() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&*PROGRAM);
        for (variable, folder) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            command.env(format!("HELM_{variable}_HOME"), self.home.path().join(folder));
        }
        let nowhere = self.home.path().join("no-kubeconfig");
        command.env("KUBECONFIG", self.kubeconfig.as_ref().unwrap_or(&nowhere)).env("NO_PROXY", "127.0.0.1");
        command.args(arguments);
        command
    }

    /// What it says, if all goes well; else its complaint.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        said(self.command(arguments).output().expect("helm"))
    }

    /// Lets it run beside the test; [`Running::end`] waits for it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("helm"))
    }

    /// The objects that a chart renders with values (YAML), its hooks included.
    pub fn template(&self, chart: &Path, values: &str, arguments: &[&str]) -> Result<Vec<Value>, String> {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile_in(self.home.path()).expect("a file");
        std::fs::write(file.path(), values).expect("written");
        let (chart, file) = (chart.to_str().expect("text"), file.path().to_str().expect("text"));
        let first = ["template", "release", chart, "--namespace", "operators", "--values", file];
        objects(&self.run(&[&first, arguments].concat())?)
    }
}

/// The objects of a text of several YAML documents.
pub fn objects(text: &str) -> Result<Vec<Value>, String> {
    let documents = serde_saphyr::from_multiple::<Value>(text).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// A Helm that runs beside the test; it ends with the test at the latest.
pub struct Running(Child);

impl Running {
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("known").is_some()
    }

    pub fn end(mut self) -> Result<String, String> {
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut text = Vec::new();
            pipe.expect("a pipe").read_to_end(&mut text).expect("read");
            text
        };
        let stdout = read(self.0.stdout.as_mut().map(|pipe| pipe as _));
        let stderr = read(self.0.stderr.as_mut().map(|pipe| pipe as _));
        said(Output { status: self.0.wait().expect("waited"), stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn said(output: Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
