//! The demo before a person: on a terminal it stays until Ctrl-C, and Ctrl-C leaves nothing behind anywhere.

use super::{
    super::{
        control_plane::{eventually, processes_of},
        plane::{SOON, until},
    },
    demo, stand_in,
};
use rustix::{
    process::{Pid, Signal, kill_process_group},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

/// An operator that does nothing; that it is one of this control plane shows in its arguments.
const IDLE: &str = "exec tail -f \"$KUBECONFIG\" >/dev/null";

/// A running demo and what it has shown so far, killed when it is dropped.
struct Shown {
    child: Child,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Shown {
    /// As a shell starts it: with a process group of its own, and with what it shows going to a terminal.
    fn on_terminal(command: Command) -> Self {
        let (here, there) = terminal().expect("a pseudoterminal");
        Self::start(command, here, [there.try_clone().expect("another handle").into(), there.into()])
    }

    /// The same, but what it shows goes into a pipe.
    fn in_pipe(command: Command) -> Self {
        let (here, there) = io::pipe().expect("a pipe");
        Self::start(command, here, [there.try_clone().expect("another handle").into(), there.into()])
    }

    fn start(mut command: Command, mut here: impl Read + Send + 'static, [out, err]: [Stdio; 2]) -> Self {
        command.process_group(0).env("TERM", "xterm").env("NO_COLOR", "1");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().expect("started");
        let text = Arc::new(Mutex::new(Vec::new()));
        let taken = text.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // A terminal whose other side is closed ends with an error.
            while let Ok(length @ 1..) = here.read(&mut chunk) {
                taken.lock().expect("not poisoned").extend_from_slice(&chunk[..length]);
            }
        });
        Self { child, text }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("not poisoned")).replace("\r\n", "\n")
    }

    async fn until_shows(&self, count: usize, what: &str) {
        let shows = || self.text().matches(what).count() >= count;
        until(SOON, what, async || shows()).await;
    }

    /// The directory of its control plane.
    async fn directory(&self) -> PathBuf {
        const BEFORE: &str = "export KUBECONFIG=";
        self.until_shows(1, "\n  tail -f ").await;
        let text = self.text();
        let file = text.lines().find_map(|line| line.trim_start().strip_prefix(BEFORE)).expect("it tells the file");
        Path::new(file).parent().expect("a file in a directory").to_owned()
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("known")
    }

    /// What a terminal does for Ctrl-C: SIGINT for all of the group.
    async fn ctrl_c(&mut self) -> ExitStatus {
        assert_eq!(self.has_ended(), None, "it has ended by itself");
        let group = Pid::from_child(&self.child);
        kill_process_group(group, Signal::INT).expect("sent");
        self.end().await
    }

    async fn end(&mut self) -> ExitStatus {
        let mut ended = None;
        until(SOON, "it ends", async || {
            ended = self.has_ended();
            ended.is_some()
        })
        .await;
        ended.expect("it has ended")
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // One that has ended is none of its business any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
        println!("{}", self.text());
    }
}

/// Both sides of a new terminal: the person's and the program's.
fn terminal() -> io::Result<(File, File)> {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&person)?;
    unlockpt(&person)?;
    let name = ptsname(&person, Vec::new())?;
    let program = OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.to_bytes()))?;
    Ok((person.into(), program))
}

async fn nothing_is_left_of(directory: &Path) {
    eventually("all processes and files of the demo are gone", async || {
        processes_of(directory).is_empty() && !directory.exists()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_stays_until_ctrl_c() {
    let mut shown = Shown::on_terminal(demo("--atlas-api-version v2", &stand_in::command()));
    let directory = shown.directory().await;
    // One picture of this is the last one where there is no terminal.
    shown.until_shows(20, "6 of 6 ready").await;
    assert!(processes_of(&directory).iter().any(|command| command.contains("stand_in")), "the operator is not seen");
    let status = shown.ctrl_c().await;
    assert!(status.success(), "{status}");
    let text = shown.text();
    assert!(text.contains("Ctrl-C ends it") && !text.contains("Deleting them again"));
    assert!(text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l"), "the cursor stays hidden");
    nothing_is_left_of(&directory).await;
}

/// Without `--exit-when-ready` too, and then what was applied is not deleted one by one.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_it_ends_when_all_is_ready() {
    let mut shown = Shown::in_pipe(demo("--atlas-api-version v2", &stand_in::command()));
    let directory = shown.directory().await;
    let status = shown.end().await;
    assert!(status.success(), "{status}");
    shown.until_shows(1, "AtlasInterfaceEndpoint orders-vpc-b: AVAILABLE, ready (Available)").await;
    let text = shown.text();
    assert!(!text.contains("Ctrl-C") && !text.contains("Deleting") && !text.contains(": gone"), "it goes on");
    nothing_is_left_of(&directory).await;
}

/// With nothing Ready, and long after the timeout, which is for those who wait for the end.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_mid_run_is_no_failure_on_a_terminal() {
    let mut shown = Shown::on_terminal(demo("--timeout 1ms", IDLE));
    let directory = shown.directory().await;
    shown.until_shows(20, "0 of 6 ready").await;
    let status = shown.ctrl_c().await;
    assert!(status.success(), "{status}");
    nothing_is_left_of(&directory).await;
}

/// Where somebody waits for the end, a run that was interrupted has shown nothing.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_mid_run_is_a_failure_for_a_script() {
    for arguments in ["--exit-when-ready", "--atlas-api-version v1.0"] {
        let mut shown = Shown::in_pipe(demo(arguments, IDLE));
        let directory = shown.directory().await;
        until(SOON, "the operator is started", async || directory.join("operator.log").exists()).await;
        let status = shown.ctrl_c().await;
        assert!(!status.success(), "{arguments}");
        shown.until_shows(1, "interrupted").await;
        nothing_is_left_of(&directory).await;
    }
}
