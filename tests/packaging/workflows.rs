//! What runs on GitHub, read: by actionlint, which is built from `tests/actionlint/go.mod`, and for what it lets pass.

use super::{helm::repository, values::defaults};
use atlas_privatelink_operator::testbed::control_plane::{Program, build};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

/// What a job may be allowed to write, and the command in it that needs that.
const WRITES: [(&str, &str); 3] =
    [("contents", "gh release create"), ("id-token", "cosign sign"), ("packages", "docker login ghcr.io")];

fn actionlint() -> Program {
    Program {
        name: "actionlint",
        package: "github.com/rhysd/actionlint/cmd/actionlint",
        files: &[("go.mod", include_str!("../actionlint/go.mod")), ("go.sum", include_str!("../actionlint/go.sum"))],
        ldflags: "-s -w".to_owned(),
        instead: "put an actionlint of the version in tests/actionlint/go.mod on the PATH",
    }
}

/// The one from the PATH if it has the same rules, else the one that is built and kept under `target/actionlint/`.
fn program() -> PathBuf {
    let pinned = actionlint();
    let mut lines = pinned.files[0].1.lines().map(str::trim);
    let version = lines.find_map(|line| line.strip_prefix("github.com/rhysd/actionlint v")).expect("its version");
    let told = Command::new("actionlint").arg("-version").output().map(|told| told.stdout).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    if told.lines().next().is_some_and(|line| line.trim_start_matches('v') == version.trim_end_matches(" // indirect"))
    {
        return "actionlint".into();
    }
    build(&pinned, &repository("target/actionlint")).expect("actionlint is built")
}

struct Workflow {
    name: String,
    text: String,
    content: Value,
}

impl Workflow {
    fn read(path: &PathBuf) -> Self {
        let text = fs::read_to_string(path).expect("a workflow");
        let content = serde_saphyr::from_str(&text).expect("YAML");
        Self { name: path.display().to_string(), text, content }
    }

    fn jobs(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.content["jobs"].as_object().expect("jobs").iter()
    }

    /// The steps of all jobs, each with the name of its job.
    fn steps(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.jobs().flat_map(|(name, job)| steps(job).map(move |step| (name, step)))
    }
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().into_iter().flatten()
}

/// What a job runs in its shells.
fn script(job: &Value) -> String {
    steps(job).filter_map(|step| step["run"].as_str()).collect::<Vec<_>>().join("\n")
}

fn files() -> Vec<PathBuf> {
    let folder = fs::read_dir(repository(".github/workflows")).expect("workflows");
    folder.map(|entry| entry.expect("an entry").path()).collect()
}

fn workflows() -> Vec<Workflow> {
    files().iter().map(Workflow::read).collect()
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// ShellCheck and pyflakes are not asked: where they happen to be installed, they would find more than elsewhere.
#[test]
fn actionlint_has_nothing_to_say() {
    let said = Command::new(program()).args(["-shellcheck=", "-pyflakes="]).args(files()).output().expect("ran");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&[said.stdout, said.stderr].concat()));
}

/// A tag can be moved to other code, a commit cannot. Files of this repository come with the commit that uses them.
#[test]
fn every_action_is_a_commit_with_its_version_beside_it() {
    let mut pins = BTreeSet::new();
    for workflow in workflows() {
        let lines = workflow.text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "));
        let mut listed = Vec::new();
        for line in lines {
            let (action, version) = line.split_once(" # ").unwrap_or((line, ""));
            listed.push(action);
            if action.starts_with("./") {
                continue;
            }
            let (_, commit) = action.split_once('@').unwrap_or_default();
            let digits = commit.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'));
            assert!(commit.len() == 40 && digits, "{}: {line}", workflow.name);
            let number = version.strip_prefix('v').unwrap_or_default();
            let numbers = number.split('.').all(|part| part.parse::<u32>().is_ok());
            assert!(number.matches('.').count() == 2 && numbers, "{}: {line}", workflow.name);
            pins.insert(line.to_owned());
        }
        let used = workflow.steps().map(|(_, step)| step).chain(workflow.jobs().map(|(_, job)| job));
        let used: BTreeSet<&str> = used.filter_map(|one| one["uses"].as_str()).collect();
        assert_eq!(used, BTreeSet::from_iter(listed), "{}: a `uses` that was not looked at", workflow.name);
    }
    let actions: BTreeSet<&str> = pins.iter().filter_map(|pin| pin.split('@').next()).collect();
    assert_eq!(actions.len(), pins.len(), "one version of each action: {pins:?}");
}

#[test]
fn nothing_may_be_written_but_what_a_job_writes() {
    for workflow in workflows() {
        let name = &workflow.name;
        assert_eq!(workflow.content["permissions"], serde_json::json!({"contents": "read"}), "{name}");
        for (job, content) in workflow.jobs() {
            // Named, no permission is there but these; otherwise the workflow's are.
            assert!(!content["permissions"].is_string(), "{name}: {job} lists no permissions");
            for (permission, access) in fields(&content["permissions"]) {
                let uses = |(what, command): &(&str, &str)| *what == permission && script(content).contains(command);
                assert!(access != "write" || WRITES.iter().any(uses), "{name}: {job} does not use {permission}");
            }
        }
    }
}

/// A secret is in the environment of the one step whose command reads it; nothing that others can write is part of a
/// script; and no later step finds the credentials of the checkout.
#[test]
fn no_step_knows_more_than_it_needs() {
    for workflow in workflows() {
        let name = &workflow.name;
        let mut secrets = 0;
        for (job, step) in workflow.steps() {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: {job} pastes a value into a script: {script}");
            let checkout = step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@"));
            assert!(!checkout || step["with"]["persist-credentials"] == false, "{name}: {job} keeps credentials");
            for (variable, value) in fields(&step["env"]) {
                let secret = mentions(&value);
                let read =
                    script.contains(&format!("${variable}")) || (variable == "GH_TOKEN" && script.contains("gh "));
                assert!(secret == 0 || read, "{name}: {job} does not read {variable}");
                secrets += secret;
            }
        }
        assert_eq!(mentions(&workflow.content), secrets, "{name}: a secret outside of a step's environment");
    }
}

/// How often a value names a secret.
fn mentions(value: &Value) -> usize {
    let text = value.to_string();
    ["github.token", "secrets"].iter().map(|word| text.matches(word).count()).sum()
}

/// Nothing hangs for GitHub's six hours, and no failure within a pipe is passed over.
#[test]
fn every_job_ends() {
    for workflow in workflows() {
        let name = &workflow.name;
        assert!(workflow.content["concurrency"]["group"].is_string(), "{name}");
        assert_eq!(workflow.content["defaults"]["run"]["shell"], "bash", "{name}");
        for (job, content) in workflow.jobs() {
            // A job that calls a workflow has the timeouts of that one's jobs.
            let minutes = content["timeout-minutes"].as_u64();
            assert!(minutes.is_some_and(|minutes| minutes <= 60) || content["uses"].is_string(), "{name}: {job}");
        }
    }
}

#[test]
fn what_is_released_is_what_the_chart_asks_for() {
    let release = Workflow::read(&repository(".github/workflows/release.yaml"));
    let image = release.content["env"]["IMAGE"].as_str().expect("an image");
    assert_eq!(image, defaults()["image"]["repository"]);
    let (owner, name) = image.rsplit_once('/').expect("an owner");
    assert_eq!(release.content["env"]["CHARTS"], format!("{owner}/charts"));
    assert_eq!(name, env!("CARGO_PKG_NAME"));
    // The command that puts the digest into the manifests finds the image there, once.
    let manifests = fs::read_to_string(repository("deploy/install.yaml")).expect("install.yaml");
    assert_eq!(manifests.matches(&format!("image: {image}:{}\n", env!("CARGO_PKG_VERSION"))).count(), 1);
    // A pull request passes what a release passes.
    assert_eq!(release.content["jobs"]["test"]["uses"], "./.github/workflows/ci.yaml");
    let ci = Workflow::read(&repository(".github/workflows/ci.yaml"));
    assert!(script(&ci.content["jobs"]["test"]).contains(".ci/run"));
}
