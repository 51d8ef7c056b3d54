//! Where the programs of a control plane come from.
//!
//! Each is taken from the first place that has it: `KUBEBUILDER_ASSETS`, `/usr/local/kubebuilder/bin`, then what an
//! earlier build left under `target/control-plane/`. What none of them has is built there.

use super::go_build::{self, BuildError};
use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Of Kubernetes 1; the chart's `kubeVersion`.
const OLDEST_MINOR: u32 = 29;

/// A program that belongs to a control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Etcd,
    ApiServer,
    ControllerManager,
    Kubectl,
}

impl Tool {
    /// The name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
        }
    }

    /// The Go package of its `main`.
    pub fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
        }
    }
}

/// The programs that one control plane runs.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub etcd: PathBuf,
    pub api_server: PathBuf,
    /// Only where it was asked for.
    pub controller_manager: Option<PathBuf>,
}

/// The places to look in, first one first, and the one to build in.
#[derive(Debug, Clone)]
pub struct Places {
    directories: Vec<PathBuf>,
    build_directory: PathBuf,
    /// Where a shell looks for programs.
    path: Vec<PathBuf>,
}

impl Places {
    /// The places of this machine.
    pub fn of_this_machine() -> Self {
        let path = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        Self { path, ..Self::new(env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from), &repository()) }
    }

    fn new(assets: Option<PathBuf>, repository: &Path) -> Self {
        let build_directory = repository.join("target/control-plane");
        let fixed = [PathBuf::from("/usr/local/kubebuilder/bin"), build_directory.clone()];
        let assets = assets.filter(|path| !path.as_os_str().is_empty());
        Self { directories: assets.into_iter().chain(fixed).collect(), build_directory, path: Vec::new() }
    }

    /// The file of `tool` in the first place that has it.
    pub fn find(&self, tool: Tool) -> Option<PathBuf> {
        self.directories.iter().map(|directory| directory.join(tool.file_name())).find(|file| is_executable(file))
    }

    /// kubectl, by its bare name where a shell finds it.
    pub fn find_kubectl(&self) -> Option<PathBuf> {
        self.kubectl_of_the_shell().map(|_| Tool::Kubectl.file_name().into()).or_else(|| self.find(Tool::Kubectl))
    }

    fn kubectl_of_the_shell(&self) -> Option<PathBuf> {
        let files = self.path.iter().map(|directory| directory.join(Tool::Kubectl.file_name()));
        files.into_iter().find(|file| is_executable(file))
    }

    /// Finds kubectl as [`Self::find_kubectl`] does, but for one on the PATH that is too old, or builds it.
    ///
    /// # Errors
    /// When it is missing and cannot be built.
    pub fn ensure_kubectl(&self) -> Result<PathBuf, BuildError> {
        let of_the_shell = self.kubectl_of_the_shell().filter(|file| is_new_enough(file));
        let found = of_the_shell.map(|_| Tool::Kubectl.file_name().into()).or_else(|| self.find(Tool::Kubectl));
        found.map_or_else(|| go_build::build_tool(Tool::Kubectl, &self.build_directory), Ok)
    }

    /// Where `tool` is built.
    pub fn build_directory(&self) -> &Path {
        &self.build_directory
    }

    /// Finds or builds what a control plane needs. This may take minutes and tells of them on standard error.
    ///
    /// # Errors
    /// When something is missing and cannot be built.
    pub fn ensure(&self, controller_manager: bool) -> Result<Binaries, BuildError> {
        let ensure = |tool| match self.find(tool) {
            Some(file) => Ok(file),
            None => go_build::build_tool(tool, &self.build_directory),
        };
        Ok(Binaries {
            etcd: ensure(Tool::Etcd)?,
            api_server: ensure(Tool::ApiServer)?,
            controller_manager: controller_manager.then(|| ensure(Tool::ControllerManager)).transpose()?,
        })
    }
}

/// The repository that this program was built from, where it is still there; else the current directory.
fn repository() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    if source.is_dir() { source.to_owned() } else { env::current_dir().unwrap_or_else(|_| PathBuf::from(".")) }
}

/// Whether a kubectl is as new as the oldest Kubernetes that the operator runs on.
fn is_new_enough(kubectl: &Path) -> bool {
    let told = Command::new(kubectl).args(["version", "--client", "--output=json"]).stdin(Stdio::null()).output();
    told.is_ok_and(|told| minor_version(&told.stdout).is_some_and(|minor| minor >= OLDEST_MINOR))
}

/// What `kubectl version --client --output=json` tells; a cloud's build calls itself 29+.
fn minor_version(told: &[u8]) -> Option<u32> {
    let told: serde_json::Value = serde_json::from_slice(told).ok()?;
    told["clientVersion"]["minor"].as_str()?.trim_end_matches('+').parse().ok()
}

/// Whether `path` is a file that can be run.
pub(super) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(directory: &Path, tool: Tool, mode: u32) {
        fs::create_dir_all(directory).unwrap();
        let file = directory.join(tool.file_name());
        fs::write(&file, "").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Places without the one directory that a test cannot own.
    fn places(assets: Option<&Path>, repository: &Path) -> Places {
        let mut places = Places::new(assets.map(Path::to_owned), repository);
        places.directories.retain(|directory| !directory.starts_with("/usr/local"));
        places
    }

    #[test]
    fn the_places_stand_in_their_order() {
        let places = Places::new(Some("/assets".into()), Path::new("/repository"));
        let expected = ["/assets", "/usr/local/kubebuilder/bin", "/repository/target/control-plane"];
        assert_eq!(places.directories, expected.map(PathBuf::from));
        assert_eq!(places.build_directory(), Path::new(expected[2]));
        assert_eq!(Places::new(Some("".into()), Path::new("/r")).directories.len(), 2, "an empty variable is none");
    }

    #[test]
    fn each_tool_comes_from_the_first_place_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (assets, repository) = (dir.path().join("assets"), dir.path().join("repository"));
        let built = repository.join("target/control-plane");
        put(&assets, Tool::Etcd, 0o755);
        put(&assets, Tool::ApiServer, 0o644);
        for tool in [Tool::Etcd, Tool::ApiServer, Tool::ControllerManager] {
            put(&built, tool, 0o755);
        }
        let places = places(Some(&assets), &repository);
        assert_eq!(places.find(Tool::Etcd), Some(assets.join("etcd")));
        assert_eq!(
            places.find(Tool::ApiServer),
            Some(built.join("kube-apiserver")),
            "what cannot be run doesn't count"
        );
        assert_eq!(places.find(Tool::Kubectl), None);

        let binaries = places.ensure(true).unwrap();
        assert_eq!(binaries.controller_manager, Some(built.join("kube-controller-manager")));
        assert_eq!(places.ensure(false).unwrap().controller_manager, None);
    }

    #[test]
    fn kubectl_is_called_as_a_shell_would_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let (repository, bin) = (dir.path().join("repository"), dir.path().join("bin"));
        let mut places = Places { path: vec![dir.path().join("empty"), bin.clone()], ..places(None, &repository) };
        assert_eq!(places.find_kubectl(), None);
        let built = repository.join("target/control-plane");
        put(&built, Tool::Kubectl, 0o755);
        assert_eq!(places.find_kubectl(), Some(built.join("kubectl")));
        put(&bin, Tool::Kubectl, 0o755);
        assert_eq!(places.find_kubectl(), Some("kubectl".into()), "its bare name is enough");
        places.path.clear();
        assert_eq!(places.find_kubectl(), Some(built.join("kubectl")));
    }

    #[test]
    fn a_kubectl_that_tells_no_version_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (repository, bin) = (dir.path().join("repository"), dir.path().join("bin"));
        let built = repository.join("target/control-plane");
        put(&built, Tool::Kubectl, 0o755);
        put(&bin, Tool::Kubectl, 0o755);
        let places = Places { path: vec![bin], ..places(None, &repository) };
        assert_eq!(places.find_kubectl(), Some("kubectl".into()));
        assert_eq!(places.ensure_kubectl().unwrap(), built.join("kubectl"));
    }

    #[test]
    fn the_minor_version_is_read() {
        let told = |minor: &str| format!(r#"{{"clientVersion": {{"major": "1", "minor": "{minor}"}}}}"#);
        for (text, expected) in
            [(told("36"), Some(36)), (told("28+"), Some(28)), (told(""), None), ("Client Version: v1.36".into(), None)]
        {
            assert_eq!(minor_version(text.as_bytes()), expected, "{text}");
        }
        let chart = include_str!("../../../charts/atlas-privatelink-operator/Chart.yaml");
        assert!(chart.contains(&format!("kubeVersion: \">=1.{OLDEST_MINOR}.")), "the chart asks for another");
    }
}
