//! The recipe of the image, read; nothing here needs Docker.

use super::helm::{Helm, chart, repository};
use serde_json::Value;

/// The instructions, continued lines joined, comments left out.
fn instructions(text: &str) -> Vec<(String, String)> {
    let plain: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let joined = plain.join("\n").replace("\\\n", " ");
    let split = |line: &str| line.split_once(' ').map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()));
    joined.lines().filter_map(split).collect()
}

fn dockerfile() -> Vec<(String, String)> {
    instructions(&std::fs::read_to_string(repository("deploy/Dockerfile")).expect("deploy/Dockerfile"))
}

fn all<'a>(instructions: &'a [(String, String)], word: &str) -> Vec<&'a str> {
    instructions.iter().filter(|(found, _)| found == word).map(|(_, rest)| rest.as_str()).collect()
}

#[test]
fn the_operator_is_built_without_the_testbed_by_the_oldest_rust_it_allows() {
    let recipe = dockerfile();
    let builds: Vec<&str> = all(&recipe, "RUN").into_iter().filter(|run| run.contains("cargo build")).collect();
    assert_eq!(builds.len(), 2, "the dependencies alone, then the program");
    for build in builds {
        assert!(build.contains("cargo build --locked --release --no-default-features"), "{build}");
    }
    let manifest = std::fs::read_to_string(repository("Cargo.toml")).expect("Cargo.toml");
    let version = all(&recipe, "ARG")[0].strip_prefix("RUST_VERSION=").expect("a version of Rust");
    assert!(manifest.contains(&format!("rust-version = \"{version}\"")), "{version}");
    for profile in ["strip = \"symbols\"", "lto = \"fat\""] {
        assert!(manifest.contains(profile), "{profile}");
    }
}

/// The tests are not copied, but Cargo.toml names them.
#[test]
fn every_target_that_is_not_copied_has_a_stand_in() {
    let manifest = std::fs::read_to_string(repository("Cargo.toml")).expect("Cargo.toml");
    let paths = manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    let paths: Vec<&str> = paths.collect();
    assert!(paths.len() >= 2, "{paths:?}");
    let recipe = dockerfile();
    for run in all(&recipe, "RUN") {
        for path in paths.iter().filter(|path| !path.starts_with("src/")) {
            assert!(run.split_whitespace().any(|word| word == *path), "{path} is not made by {run}");
        }
    }
}

/// BuildKit reads this one before the first stage only.
#[test]
fn the_list_of_what_is_in_it_names_the_crates() {
    let recipe = dockerfile();
    let mut before = recipe.iter().take_while(|(word, _)| word != "FROM");
    assert!(before.any(|(word, rest)| word == "ARG" && rest == "BUILDKIT_SBOM_SCAN_CONTEXT=true"));
}

/// The build sees what it copies, and nothing else of the repository reaches it.
#[test]
fn what_is_copied_is_let_through() {
    let ignored = std::fs::read_to_string(repository("deploy/Dockerfile.dockerignore")).expect("a list");
    let mut allowed: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let recipe = dockerfile();
    let from_outside = all(&recipe, "COPY").into_iter().filter(|copy| !copy.starts_with("--from"));
    let mut copied: Vec<&str> =
        from_outside.flat_map(|copy| copy.rsplit_once(' ').expect("source and target").0.split(' ')).collect();
    assert!(ignored.lines().any(|line| line == "*"));
    assert!(copied.iter().all(|path| repository(path).exists()), "{copied:?}");
    allowed.sort_unstable();
    copied.sort_unstable();
    assert_eq!(allowed, copied);
}

/// The final stage and the chart agree on who runs what, and where it listens.
#[test]
fn the_image_is_what_the_chart_runs() {
    let recipe = dockerfile();
    let last = all(&recipe, "FROM").pop().expect("a stage");
    assert!(last.contains("distroless") && last.ends_with(":nonroot"), "{last}");
    let objects = Helm::offline().template(&chart(), "", &[]).expect("rendered");
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").expect("one");
    let pod: &Value = &deployment["spec"]["template"]["spec"];
    let (user, group) = (&pod["securityContext"]["runAsUser"], &pod["securityContext"]["runAsGroup"]);
    assert_eq!(all(&recipe, "USER"), [format!("{user}:{group}")]);
    assert_eq!(all(&recipe, "EXPOSE"), [pod["containers"][0]["ports"][0]["containerPort"].to_string()]);
    let entry: Value = serde_json::from_str(all(&recipe, "ENTRYPOINT")[0]).expect("a list");
    let copied = all(&recipe, "COPY").pop().expect("the program");
    assert_eq!(entry[0].as_str(), copied.rsplit(' ').next());
    assert!(copied.contains(&format!("target/release/{} ", env!("CARGO_PKG_NAME"))), "{copied}");
    // The chart gives arguments, and so must not replace the entry point.
    assert_eq!(pod["containers"][0]["command"], Value::Null);
}
