//! The Go program under `program/`: the real kstatus, and the Lua engine of Argo CD.

use atlas_privatelink_operator::testbed::control_plane::{Program, build};
use serde::Deserialize;
use serde_json::Value;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

static PROGRAM: LazyLock<PathBuf> =
    LazyLock::new(|| build(&verdicts(), &repository("target/verdicts")).expect("the program is built"));

fn verdicts() -> Program {
    Program {
        name: "verdicts",
        package: ".",
        files: &[
            ("go.mod", include_str!("program/go.mod")),
            ("go.sum", include_str!("program/go.sum")),
            ("main.go", include_str!("program/main.go")),
            ("argocd.go", include_str!("program/argocd.go")),
            ("layout.go", include_str!("program/layout.go")),
        ],
        ldflags: "-s -w".to_owned(),
        instead: "leave these tests out",
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Our scripts, laid out as in Argo CD's repository.
pub fn scripts() -> PathBuf {
    repository("deploy/argocd/resource_customizations")
}

/// What one of the tools says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Said {
    pub status: String,
    pub message: String,
}

/// What both say of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Judgement {
    pub argocd: Said,
    pub kstatus: Said,
}

/// An action as it is offered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Action {
    pub name: String,
    pub disabled: bool,
}

/// What can be done with an object, and the merge patch that one action sends.
#[derive(Debug, Deserialize)]
pub struct Offer {
    pub actions: Vec<Action>,
    pub patch: Value,
}

/// The verdicts on these objects, in their order.
pub fn judge(objects: &[Value]) -> Vec<Judgement> {
    let said = run(&["judge"], &scripts(), &[], objects).expect("verdicts");
    let judgements: Vec<_> =
        serde_json::Deserializer::from_str(&said).into_iter().collect::<Result<_, _>>().expect("verdicts as JSON");
    assert_eq!(judgements.len(), objects.len());
    judgements
}

/// What Argo CD offers for an object, and what it sends when a person picks this action.
pub fn act(object: &Value, action: &str) -> Offer {
    let said = run(&["act"], &scripts(), &[action], std::slice::from_ref(object)).expect("an offer");
    serde_json::from_str(&said).expect("an offer as JSON")
}

/// Runs the tests that stand beside the scripts, as Argo CD's own test suite does; gives how many passed, or what failed.
pub fn examine(scripts: &Path) -> Result<usize, String> {
    run(&["examine"], scripts, &[], &[]).map(|passed| passed.trim().parse().expect("a number"))
}

/// What the program says, if all goes well; else its complaint.
fn run(command: &[&str], scripts: &Path, more: &[&str], objects: &[Value]) -> Result<String, String> {
    let mut process = Command::new(&*PROGRAM);
    process.args(command).arg(scripts).args(more);
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = process.spawn().expect("the program starts");
    let mut stdin = process.stdin.take().expect("a pipe");
    let input: String = objects.iter().map(|object| format!("{object}\n")).collect();
    // Beside the reading: both pipes may fill up.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = process.wait_with_output().expect("it ends");
    let written = writer.join().expect("written");
    if output.status.success() {
        written.expect("it reads everything");
        Ok(String::from_utf8(output.stdout).expect("text"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
