//! Child processes that cannot outlive their owner.
//!
//! Each runs under a small shell supervisor (`supervisor.sh`) whose standard input the owner holds. The kernel closes
//! that pipe however the owner ends, SIGKILL included, and the supervisor then ends the child. Both are in a process
//! group of their own, so that a Ctrl-C on the terminal reaches the owner alone and it decides the order of the end.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const SUPERVISOR: &str = include_str!("supervisor.sh");

/// How long a supervisor may take for its work, beside the grace that its child has.
const SUPERVISOR_TIME: Duration = Duration::from_secs(60);

/// What to run. Built up by its methods, then [`Launch::log_to`] or [`Launch::piped`] starts it.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    grace: Duration,
}

impl Launch {
    /// Will run `program`.
    pub fn new(program: impl Into<OsString>) -> Self {
        let mut command = Command::new("/bin/sh");
        command.process_group(0).stdin(Stdio::piped());
        Self {
            command,
            arguments: vec![program.into()],
            environment: Vec::new(),
            directory: None,
            grace: Duration::ZERO,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// How long the process has between SIGTERM and SIGKILL; by default it gets SIGKILL at once.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// A directory to remove when the owner ends without having stopped the process.
    #[must_use]
    pub fn remove_when_orphaned(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Starts it with its output appended to a file.
    ///
    /// # Errors
    /// When the file cannot be opened or no process can be started.
    pub fn log_to(mut self, log: &Path) -> io::Result<Guarded> {
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        self.command.stdout(file.try_clone()?).stderr(file);
        self.spawn()
    }

    /// Starts it with its standard error in a pipe, and its standard output nowhere.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn piped(mut self) -> io::Result<(Guarded, ChildStderr)> {
        self.command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut guarded = self.spawn()?;
        let stderr = guarded.supervisor.stderr.take().ok_or_else(|| io::Error::other("the pipe is missing"))?;
        Ok((guarded, stderr))
    }

    fn spawn(mut self) -> io::Result<Guarded> {
        let tenths = self.grace.as_millis().div_ceil(100).to_string();
        self.command
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(self.directory.unwrap_or_default())
            .arg(tenths)
            .args(self.arguments)
            .envs(self.environment);
        let mut supervisor = self.command.spawn()?;
        let leash = supervisor.stdin.take();
        Ok(Guarded { supervisor, leash, grace: self.grace })
    }
}

/// A running process that ends with this value, or with the program that holds it.
#[derive(Debug)]
pub struct Guarded {
    supervisor: Child,
    /// `None` once the process was told to stop.
    leash: Option<ChildStdin>,
    grace: Duration,
}

impl Guarded {
    /// How the process ended, if it did. The status is the process' own as long as nobody stopped it.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.supervisor.try_wait()
    }

    /// Stops the process and waits until it is gone.
    pub async fn stop(mut self) {
        let deadline = self.order_stop();
        while matches!(self.ended(), Ok(None)) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Tells the supervisor, and the time by which it must be done.
    fn order_stop(&mut self) -> Instant {
        if let Some(mut leash) = self.leash.take() {
            // A broken pipe says that the supervisor is gone already.
            let _ = leash.write_all(b"stop\n");
        }
        Instant::now() + self.grace + SUPERVISOR_TIME
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let deadline = self.order_stop();
        while matches!(self.ended(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The last lines of a log, as much as a person wants to read; empty where there is none.
pub fn tail(log: &Path, lines: usize) -> String {
    const ENOUGH: u64 = 32 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(300);
        while !condition() {
            assert!(Instant::now() < deadline, "the condition did not come true in time");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_status_of_a_process_that_ends_by_itself_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut process = Launch::new("/bin/sh").args(["-c", "echo one; echo two >&2; exit 3"]).log_to(&log).unwrap();
        wait_for(|| process.ended().unwrap().is_some());
        assert_eq!(tail(&log, 10), "one\ntwo");
        assert_eq!(tail(&log, 1), "two");
        assert_eq!(process.ended().unwrap().and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn a_stopped_process_may_tidy_up_and_its_directory_stays() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "trap 'echo tidied; exit 0' TERM; echo started; while :; do sleep 0.05; done";
        let process = Launch::new("/bin/sh")
            .args(["-c", script])
            .grace(Duration::from_secs(120))
            .remove_when_orphaned(dir.path())
            .log_to(&log)
            .unwrap();
        wait_for(|| tail(&log, 1) == "started");
        drop(process);
        assert_eq!(tail(&log, 1), "tidied");
    }

    #[test]
    fn a_process_whose_owner_is_gone_ends_and_its_directory_with_it() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        std::fs::create_dir(&dir).unwrap();
        let log = parent.path().join("log");
        let mut process = Launch::new("/bin/sh")
            .args(["-c", "echo started; while :; do sleep 0.05; done"])
            .remove_when_orphaned(&dir)
            .log_to(&log)
            .unwrap();
        wait_for(|| tail(&log, 1) == "started");
        // What the kernel does when the owner is killed.
        drop(process.leash.take());
        wait_for(|| process.ended().unwrap().is_some());
        assert!(!dir.exists());
    }
}
