//! Builds Go programs from pinned modules: those of the control plane from `tests/control-plane/go.mod`, and what a
//! test brings along.

use super::{
    binaries::{Tool, is_executable},
    processes::{Guarded, Launch},
};
use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, BufRead, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

const GO_MOD: &str = include_str!("../../../tests/control-plane/go.mod");
const GO_SUM: &str = include_str!("../../../tests/control-plane/go.sum");

/// The Kubernetes version that go.mod pins; a test compares them.
const KUBERNETES_VERSION: &str = "v1.36.3";

const FRAME: Duration = Duration::from_millis(100);
/// How often a log without a terminal gets a line.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// Why there is no control plane to run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "{tool} was not found, and neither was Go to build it. Either install Go from https://go.dev/dl and try again, \
         or {instead}"
    )]
    NoGo { tool: &'static str, instead: &'static str },
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
    #[error("building {tool} with Go ended with {status}:\n{tail}")]
    Failed { tool: &'static str, status: ExitStatus, tail: String },
}

impl BuildError {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

/// What to build.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name of its file.
    pub name: &'static str,
    /// The Go package of its `main`.
    pub package: &'static str,
    /// The module's files by name: go.mod, go.sum and, where `package` is one of its own, the source.
    pub files: &'static [(&'static str, &'static str)],
    /// What is told to the linker.
    pub ldflags: String,
    /// What to do without Go, as an infinitive clause without "to".
    pub instead: &'static str,
}

impl Program {
    /// A program of the control plane.
    fn of(tool: Tool) -> Self {
        let version = "k8s.io/component-base/version";
        Self {
            name: tool.file_name(),
            package: tool.package(),
            files: &[("go.mod", GO_MOD), ("go.sum", GO_SUM)],
            ldflags: format!(
                "-s -w -X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor=1 -X {version}.gitMinor=36"
            ),
            instead: "set KUBEBUILDER_ASSETS to a directory that holds etcd, kube-apiserver and (for the tests) \
                      kube-controller-manager",
        }
    }

    fn no_go(&self) -> BuildError {
        BuildError::NoGo { tool: self.name, instead: self.instead }
    }

    /// Whether what stands in `directory` was built from these files.
    fn is_built_in(&self, directory: &Path) -> bool {
        let module = directory.join(MODULE);
        let same = |(file, text): &(&str, &str)| fs::read(module.join(file)).is_ok_and(|is| is == text.as_bytes());
        is_executable(&directory.join(self.name)) && self.files.iter().all(same)
    }
}

/// Where, beside what is built, the files of its module are.
const MODULE: &str = "module";

/// The command that builds `tool` by hand, for a person to copy.
pub fn by_hand(tool: Tool, directory: &Path) -> String {
    format!(
        "(cd tests/control-plane && CGO_ENABLED=0 go build -o {} {})",
        directory.join(tool.file_name()).display(),
        tool.package()
    )
}

/// Builds a program of the control plane into `directory`, and tells where it is.
pub(super) fn build_tool(tool: Tool, directory: &Path) -> Result<PathBuf, BuildError> {
    build(&Program::of(tool), directory)
}

/// Builds `program` into `directory`, unless it stands there already, one builder of this machine at a time, and tells
/// where it is. Every module has a directory of its own.
///
/// # Errors
/// When it cannot be built.
pub fn build(program: &Program, directory: &Path) -> Result<PathBuf, BuildError> {
    build_by(&["go".into()], program, directory)
}

/// Builds with a `go` that is called by these words.
fn build_by(go: &[OsString], program: &Program, directory: &Path) -> Result<PathBuf, BuildError> {
    let name = program.name;
    if program.is_built_in(directory) {
        return Ok(directory.join(name));
    }
    require_go(go, program)?;
    let module = directory.join(MODULE);
    fs::create_dir_all(&module).map_err(BuildError::io(format!("make the directory {}", module.display())))?;
    let mut progress = Progress::new(name);
    let _lock = lock(&directory.join(".lock"), &mut progress)?;
    let target = directory.join(name);
    if program.is_built_in(directory) {
        return Ok(target);
    }
    // Should this one die, what an earlier one built must not pass for built from the new files.
    let _ = fs::remove_file(&target);
    for (file, text) in program.files {
        fs::write(module.join(file), text).map_err(BuildError::io(format!("write {file}")))?;
    }
    let part = directory.join(format!(".{name}.part"));
    run_go(go, program, &module, &part, &mut progress)?;
    // Nobody ever sees half a program under its name.
    fs::rename(&part, &target).map_err(BuildError::io(format!("rename {}", part.display())))?;
    progress.done();
    Ok(target)
}

fn require_go(go: &[OsString], program: &Program) -> Result<(), BuildError> {
    let (go, words) = go.split_first().ok_or_else(|| program.no_go())?;
    let found = Command::new(go).args(words).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(program.no_go()),
        Err(error) => Err(BuildError::io("run go")(error)),
        Ok(_) => Ok(()),
    }
}

/// Waits for the lock, which the system takes back from a builder that dies.
fn lock(path: &Path, progress: &mut Progress) -> Result<File, BuildError> {
    let file = File::create(path).map_err(BuildError::io(format!("open {}", path.display())))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => progress.show("waiting for another process that builds it"),
            Err(TryLockError::Error(error)) => return Err(BuildError::io(format!("lock {}", path.display()))(error)),
        }
        std::thread::sleep(FRAME);
    }
}

fn run_go(
    go: &[OsString],
    program: &Program,
    module: &Path,
    output: &Path,
    progress: &mut Progress,
) -> Result<(), BuildError> {
    let (go, words) = go.split_first().ok_or_else(|| program.no_go())?;
    let (mut go, stderr) = Launch::new(go)
        .args(words)
        .args(["build", "-v", "-mod=readonly", "-buildvcs=false", "-ldflags", &program.ldflags, "-o"])
        .args([output])
        .args([program.package])
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .current_dir(module)
        .piped()
        .map_err(BuildError::io("run go build"))?;
    let mut last_lines = VecDeque::new();
    let status = follow(&mut go, &read_lines(stderr), &mut last_lines, progress)?;
    if status.success() {
        return Ok(());
    }
    progress.clear();
    let tail = Vec::from(last_lines).join("\n");
    Err(BuildError::Failed { tool: program.name, status, tail })
}

/// What a pipe delivers, line by line.
fn read_lines(pipe: impl io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Shows what Go says until it has ended.
fn follow(
    go: &mut Guarded,
    lines: &Receiver<String>,
    last_lines: &mut VecDeque<String>,
    progress: &mut Progress,
) -> Result<ExitStatus, BuildError> {
    let mut counts = Counts::default();
    loop {
        match lines.recv_timeout(FRAME) {
            Ok(line) => {
                counts.take(&line);
                last_lines.push_back(line);
                if last_lines.len() > 20 {
                    last_lines.pop_front();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(FRAME),
        }
        progress.show(&counts.text(last_lines.back()));
        if let Some(status) = go.ended().map_err(BuildError::io("wait for go build"))? {
            last_lines.extend(lines.iter());
            return Ok(status);
        }
    }
}

/// What Go has told of its work so far.
#[derive(Debug, Default)]
struct Counts {
    modules: usize,
    packages: usize,
}

impl Counts {
    fn take(&mut self, line: &str) {
        if line.starts_with("go: downloading") {
            self.modules += 1;
        } else {
            self.packages += 1;
        }
    }

    fn text(&self, last: Option<&String>) -> String {
        let last = last.map(|line| line.trim_start_matches("go: ")).unwrap_or("looking at what is built already");
        match self {
            Self { modules: 0, packages } => format!("{packages} packages compiled, {last}"),
            Self { modules, packages } => format!("{modules} modules fetched, {packages} packages compiled, {last}"),
        }
    }
}

/// Tells a person that something happens: one line redrawn on a terminal, a line now and then elsewhere.
struct Progress {
    name: &'static str,
    terminal: bool,
    start: Instant,
    shown: Option<Instant>,
}

impl Progress {
    fn new(name: &'static str) -> Self {
        Self { name, terminal: io::stderr().is_terminal(), start: Instant::now(), shown: None }
    }

    fn show(&mut self, what: &str) {
        let interval = if self.terminal { FRAME } else { PLAIN_INTERVAL };
        if self.shown.is_some_and(|shown| shown.elapsed() < interval) {
            return;
        }
        self.shown = Some(Instant::now());
        let seconds = self.start.elapsed().as_secs();
        let (minutes, seconds, name) = (seconds / 60, seconds % 60, self.name);
        if self.terminal {
            const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
            let turn = (self.start.elapsed().as_millis() / 100 % 10) as usize;
            // Line wrap is off meanwhile: a line that wraps could not be redrawn.
            self.write(&format!(
                "\r\x1b[?7l\x1b[2K{} building {name}  {minutes}m{seconds:02}s  {what}\x1b[?7h",
                SPINNER[turn]
            ));
        } else {
            self.write(&format!("building {name}, {minutes}m{seconds:02}s: {what}\n"));
        }
    }

    fn clear(&self) {
        if self.terminal && self.shown.is_some() {
            self.write("\r\x1b[2K");
        }
    }

    fn done(&self) {
        self.clear();
        self.write(&format!("built {} in {} s\n", self.name, self.start.elapsed().as_secs()));
    }

    /// A standard error that cannot be written is no reason to stop the build.
    fn write(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_told_is_the_version_pinned() {
        assert!(GO_MOD.contains(&format!("k8s.io/kubernetes {KUBERNETES_VERSION} ")));
    }

    #[test]
    fn every_tool_is_pinned() {
        for tool in [Tool::Etcd, Tool::ApiServer, Tool::ControllerManager, Tool::Kubectl] {
            assert!(GO_MOD.lines().any(|line| line.trim() == tool.package()), "{tool:?}");
        }
    }

    #[test]
    fn a_missing_go_names_both_ways() {
        let message = Program::of(Tool::Etcd).no_go().to_string();
        assert!(message.contains("install Go") && message.contains("KUBEBUILDER_ASSETS"), "{message}");
    }

    /// A Go that takes its time, writes what it builds in two halves, tells how often it was asked, and fails when it
    /// meets another that builds, or a go.mod that isn't the pinned one.
    const SLOW_GO: &str = r#"
[ "$1" = version ] && exit 0
case " $* " in *" -mod=readonly "*) ;; *) echo "go.mod may change" >&2; exit 1 ;; esac
while [ "$1" != -o ]; do shift; done
mkdir ../building || exit 1
echo once >> ../asked
printf half > "$2"
chmod +x "$2"
sleep 0.4
printf ' and whole' >> "$2"
rmdir ../building
"#;

    fn script(directory: &Path, text: &str) -> Vec<OsString> {
        let file = directory.join("go");
        fs::write(&file, text).unwrap();
        vec!["/bin/sh".into(), file.into()]
    }

    #[test]
    fn builders_do_not_collide() {
        let dir = tempfile::tempdir().unwrap();
        let go = script(dir.path(), SLOW_GO);
        let builders = [(); 4].map(|()| {
            let (go, directory) = (go.clone(), dir.path().to_owned());
            std::thread::spawn(move || build_by(&go, &Program::of(Tool::Etcd), &directory))
        });
        let target = dir.path().join("etcd");
        while !builders.iter().all(std::thread::JoinHandle::is_finished) {
            if let Ok(seen) = fs::read_to_string(&target) {
                assert_eq!(seen, "half and whole", "half a program was seen under its name");
            }
            std::thread::yield_now();
        }
        for builder in builders {
            assert_eq!(builder.join().unwrap().unwrap(), target);
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "half and whole");
        assert_eq!(fs::read_to_string(dir.path().join("asked")).unwrap(), "once\n", "it was built more than once");
        assert_eq!(fs::read_to_string(dir.path().join("module/go.mod")).unwrap(), GO_MOD);
    }

    #[test]
    fn what_was_built_of_other_files_is_built_again() {
        let dir = tempfile::tempdir().unwrap();
        let go = script(dir.path(), SLOW_GO);
        let program = Program::of(Tool::Etcd);
        for (files, asked) in [(program.files, 1), (program.files, 1), (&[("go.mod", "module other")] as &[_], 2)] {
            build_by(&go, &Program { files, ..program.clone() }, dir.path()).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("asked")).unwrap(), "once\n".repeat(asked));
        }
    }

    #[test]
    fn a_build_that_fails_leaves_nothing_and_tells_why() {
        let dir = tempfile::tempdir().unwrap();
        let go = script(dir.path(), "[ \"$1\" = version ] && exit 0\necho 'no space left' >&2\nexit 3\n");
        let error = build_by(&go, &Program::of(Tool::Etcd), dir.path()).unwrap_err().to_string();
        assert!(error.contains("building etcd with Go") && error.contains("no space left"), "{error}");
        assert!(!dir.path().join("etcd").exists());
    }

    #[test]
    fn what_go_says_is_counted() {
        let mut counts = Counts::default();
        for line in ["go: downloading k8s.io/api v0.36.3", "k8s.io/api/core/v1"] {
            counts.take(line);
        }
        let text = counts.text(Some(&"k8s.io/api/core/v1".to_owned()));
        assert_eq!(text, "1 modules fetched, 1 packages compiled, k8s.io/api/core/v1");
    }
}
