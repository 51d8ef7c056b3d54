//! Are the oracles any good? Each mutant is one small change of the product that breaks a rule of the protocol; a plan
//! must fail under it, or already an undisturbed life from which plans are made. `cargo test --test campaign -- --mutants`
//! makes each in a copy of the repository, and says what caught it; an ordinary run only sees that what the mutants change
//! is still there.

mod table;

use crate::command;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
pub use table::MUTANTS;

/// A text of the product, and what stands there instead.
pub struct Edit {
    pub file: &'static str,
    pub old: &'static str,
    pub new: &'static str,
}

/// One small change of the product, at two places where a rule has two guards; and where it is looked for.
pub struct Mutant {
    pub name: &'static str,
    pub edits: &'static [Edit],
    /// Plans whose id contains this are run until one fails.
    pub only: &'static str,
}

/// What became of a mutant.
enum Fate {
    /// By the plan of this id.
    Caught(String),
    /// Already a life without a disturbance, from which plans are made, does not end well: why not.
    CaughtUndisturbed(String),
    Survived,
    /// It can't be built, or there is no plan to be run.
    Stillborn(String),
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is wrong with the table: a text that is not there, or there more than once.
pub fn stale() -> Vec<String> {
    let occurrences = |edit: &Edit| {
        let text = std::fs::read_to_string(repository().join(edit.file)).unwrap_or_default();
        text.matches(edit.old).count()
    };
    let edits = MUTANTS.iter().flat_map(|mutant| mutant.edits.iter().map(move |edit| (mutant.name, edit)));
    let counted = edits.map(|(name, edit)| (name, edit, occurrences(edit))).filter(|(.., count)| *count != 1);
    counted
        .map(|(name, edit, count)| format!("{name}: what it changes stands {count} times in {}", edit.file))
        .collect()
}

/// Makes and runs those whose name contains `only`: of `every` so many one, the first after `offset`. Gives the names of
/// those that no plan caught.
pub fn run(only: &str, offset: usize, every: usize) -> Vec<String> {
    let place = Place::laid_out(offset);
    let (mut survivors, mut undisturbed) = (Vec::new(), 0);
    let named = MUTANTS.iter().filter(|mutant| mutant.name.contains(only));
    let chosen: Vec<&Mutant> = named.skip(offset).step_by(every.max(1)).collect();
    for mutant in &chosen {
        let told = match try_out(&place, mutant) {
            Fate::Caught(plan) => {
                undisturbed += usize::from(plan.starts_with("undisturbed/"));
                format!("caught by {plan}")
            }
            Fate::CaughtUndisturbed(why) => {
                undisturbed += 1;
                format!("caught by an undisturbed life: {why}")
            }
            Fate::Survived => {
                survivors.push(mutant.name.to_owned());
                "SURVIVED".to_owned()
            }
            Fate::Stillborn(why) => {
                survivors.push(mutant.name.to_owned());
                format!("was not tried: {why}")
            }
        };
        println!("{:<44} {told}", mutant.name);
    }
    if chosen.is_empty() {
        survivors.push(format!("there is no mutant {only:?}"));
    }
    let caught = chosen.len().saturating_sub(survivors.len());
    println!("{} mutants, {caught} caught, {undisturbed} of them by undisturbed lives", chosen.len());
    survivors
}

/// A copy of the repository, and what is built of it.
struct Place {
    tree: PathBuf,
    target: PathBuf,
}

impl Place {
    fn laid_out(offset: usize) -> Self {
        let folder = repository().join(format!("target/mutants/{offset}"));
        let (tree, target) = (folder.join("tree"), folder.join("target"));
        copy(&tree);
        Self { tree, target }
    }
}

/// What an earlier run has left changed goes with what is there no more; what has not changed keeps its age, lest all be
/// built anew, but for what a mutant of that run may have been built from.
fn copy(folder: &Path) {
    for sources in ["src", "tests"] {
        // There may be no copy yet.
        drop(std::fs::remove_dir_all(folder.join(sources)));
    }
    std::fs::create_dir_all(folder).expect("a folder");
    let copied = Command::new("cp")
        .args(["--recursive", "--preserve=timestamps"])
        .args(
            ["Cargo.toml", "Cargo.lock", "README.md", "src", "tests", "crds", "charts", "deploy"]
                .map(|name| repository().join(name)),
        )
        .arg(folder)
        .status();
    assert!(copied.expect("cp runs").success(), "the repository is not copied");
    for file in MUTANTS.iter().flat_map(|mutant| mutant.edits).map(|edit| edit.file) {
        restore(folder, file);
    }
}

fn try_out(place: &Place, mutant: &Mutant) -> Fate {
    for Edit { file, old, new } in mutant.edits {
        let file = place.tree.join(file);
        let text = std::fs::read_to_string(&file).expect("the file");
        std::fs::write(file, text.replacen(old, new, 1)).expect("written");
    }
    let fate = built(place).map_or_else(Fate::Stillborn, |()| caught(place, mutant));
    mutant.edits.iter().for_each(|edit| restore(&place.tree, edit.file));
    fate
}

/// As it is in the repository, and as new.
fn restore(folder: &Path, file: &str) {
    let original = std::fs::read(repository().join(file)).expect("the file");
    std::fs::write(folder.join(file), original).expect("written");
}

fn cargo(place: &Place, arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&place.tree).args(arguments).args(["--locked", "--quiet", "--test", "campaign", "--target-dir"]);
    cargo.arg(&place.target);
    cargo
}

fn built(place: &Place) -> Result<(), String> {
    let built = cargo(place, &["build"]).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    if built.status.success() { Ok(()) } else { Err(said.lines().take(3).collect::<Vec<_>>().join(" ")) }
}

fn caught(place: &Place, mutant: &Mutant) -> Fate {
    let ran = cargo(place, &["test"]).args(["--", "--first", "--only", mutant.only]).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if said.contains(command::NO_SUCH_PLAN) {
        return Fate::Stillborn(format!("no plan has {:?} in its id", mutant.only));
    }
    if let Some(plan) = said.lines().find_map(|line| line.strip_prefix("failed: ")) {
        return Fate::Caught(plan.to_owned());
    }
    let unmade = said.lines().find_map(|line| line.strip_prefix("the plans cannot be made: "));
    match unmade.map(|why| why.chars().take(100).collect::<String>()) {
        None => Fate::Survived,
        Some(why) if why.starts_with("group ") || why.starts_with("two plans ") => Fate::Stillborn(why),
        Some(why) => Fate::CaughtUndisturbed(why),
    }
}
