//! The command line of the real binary: what it refuses, with which words, and what it prints.

use atlas_privatelink_operator::{api::crds, cli::Cli};
use clap::CommandFactory;
use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

const BINARY: &str = env!("CARGO_BIN_EXE_atlas-privatelink-operator");

/// Runs the binary to its end, in an environment without any variable of its own and without a cluster.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let own = std::env::vars_os().map(|(name, _)| name);
    let mut command = Command::new(BINARY);
    for name in own.filter(|name| name.to_string_lossy().starts_with("ATLAS_PRIVATELINK_")) {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("KUBECONFIG", "/no/such/kubeconfig")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env_remove("POD_NAMESPACE")
        .envs(variables.iter().copied())
        .output()
        .expect("ran")
}

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments, &[]);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// It ends, not well, and says why in these words, in one or a few lines that are no panic.
fn refused(arguments: &[&str], variables: &[(&str, &str)], words: &[&str]) {
    let output = run(arguments, variables);
    let said = String::from_utf8(output.stderr).expect("text");
    let what = format!("{arguments:?} {variables:?} said:\n{said}");
    assert!(!output.status.success(), "taken: {what}");
    assert!(words.iter().all(|word| said.contains(word)), "not {words:?}: {what}");
    let bad = ["panicked", "hunter2"].into_iter().find(|bad| said.contains(bad));
    assert!(bad.is_none() && said.lines().count() < 20, "{what}");
}

/// As `run --flag value`, and as the variable of that flag.
fn refused_both_ways(flag: &str, value: &str, words: &[&str]) {
    refused(&["run", &format!("--{flag}={value}")], &[], words);
    let variable = format!("ATLAS_PRIVATELINK_{}", flag.to_uppercase().replace('-', "_"));
    refused(&["run"], &[(&variable, value)], words);
}

const HOW: &str = "write it as 200ms, 10s, 15m, 2h or 1m30s";

#[test]
fn durations_that_are_none_are_refused_with_how_to_write_them() {
    for flag in ["poll-interval", "resync-interval"] {
        for (value, word) in [
            ("10", HOW),
            ("", HOW),
            ("ten seconds", HOW),
            ("-5s", HOW),
            ("1.5h", "is no unit; use d, h, m, s or ms"),
            ("1w", "is no unit; use d, h, m, s or ms"),
            ("30s1m", "from the longest to the shortest"),
            ("99999999999999999999s", "too long"),
        ] {
            refused_both_ways(flag, value, &[flag, word]);
        }
    }
    refused_both_ways("poll-interval", "99ms", &["--poll-interval must be at least 100ms"]);
    refused_both_ways("resync-interval", "9s", &["--resync-interval must be at least 10s"]);
}

#[test]
fn values_that_are_none_are_refused_by_flag_and_by_variable() {
    for (flag, value, words) in [
        ("atlas-base-url", "cloud.mongodb.com", ["--atlas-base-url", "https://cloud.mongodb.com"]),
        ("atlas-base-url", "https://cloud.mongodb.com/api", ["--atlas-base-url", "leave out the path"]),
        ("atlas-base-url", "https://a:hunter2@b", ["--atlas-base-url", "they belong in a Secret"]),
        ("atlas-api-version", "v3", ["--atlas-api-version", "v1.0"]),
        ("default-deletion-policy", "Delete", ["--default-deletion-policy", "Retain"]),
        ("concurrency", "0", ["--concurrency", "1..=1024"]),
        ("http-listen", "8080", ["--http-listen", "invalid socket address"]),
        ("log-format", "xml", ["--log-format", "xml"]),
        ("log-level", "info,a=loud", ["--log-level", "level"]),
        ("ca-file", "/no/such/file", ["--ca-file /no/such/file", "No such file"]),
        ("ca-file", "/dev/null", ["CA file", "no usable PEM certificate"]),
        ("https-proxy", "http://a:hunter2@:x", ["HTTPS proxy", "http://proxy.example:3128"]),
        ("allow-http", "perhaps", ["--allow-http", "perhaps"]),
    ] {
        refused_both_ways(flag, value, &words);
    }
}

/// A help shows what the variables hold, but not the password of a proxy.
#[test]
fn the_help_shows_no_password() {
    let variables = [
        ("ATLAS_PRIVATELINK_HTTPS_PROXY", "http://operator:hunter2@proxy:3128"),
        ("ATLAS_PRIVATELINK_NO_PROXY", "shown"),
    ];
    let said = String::from_utf8(run(&["run", "--help"], &variables).stdout).expect("text");
    assert!(said.contains("--https-proxy") && said.contains("shown") && !said.contains("hunter2"), "{said}");
}

/// Keys do not go over the network unprotected, unless somebody says that they shall.
#[test]
fn http_is_for_this_machine_or_for_those_who_ask_for_it() {
    // What comes after the URL is refused too, which tells how far it came.
    let after = ["--ca-file", "/no/such/file"];
    let with = |url: &str, words: &[&str], variables: &[(&str, &str)], more: &[&str]| {
        refused(&[&["run", "--atlas-base-url", url], &after[..], more].concat(), variables, words);
    };
    for url in ["http://192.0.2.1", "http://atlas.example:8080", "http://127.0.0.1.example"] {
        with(url, &["must use https", "--allow-http"], &[], &[]);
        with(url, &["--ca-file"], &[], &["--allow-http"]);
        with(url, &["--ca-file"], &[("ATLAS_PRIVATELINK_ALLOW_HTTP", "true")], &[]);
        with(url, &["must use https"], &[("ATLAS_PRIVATELINK_ALLOW_HTTP", "false")], &[]);
    }
    for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://192.0.2.1"] {
        with(url, &["--ca-file"], &[], &[]);
    }
}

#[test]
fn without_a_cluster_it_says_what_it_needs() {
    refused(&["run"], &[], &["no way to the Kubernetes API", "KUBECONFIG"]);
}

/// The default port is 8080 of every interface; that it is taken is told, and nobody else's port is used instead.
#[test]
fn the_default_port_is_8080() {
    // Whoever has it: it is taken.
    let _held = TcpListener::bind(("::", 8080)).or_else(|_| TcpListener::bind(("0.0.0.0", 8080)));
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    let text = "{apiVersion: v1, kind: Config, current-context: a, \
                contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {}}], \
                clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]}";
    std::fs::write(&kubeconfig, text).expect("written");
    refused(
        &["run"],
        &[("KUBECONFIG", kubeconfig.to_str().expect("a printable path"))],
        &["cannot listen for probes", "in use"],
    );
}

#[test]
fn the_version_is_told() {
    let expected = format!("atlas-privatelink-operator {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(printed(&["--version"]), expected);
    assert_eq!(printed(&["-V"]), expected);
}

/// What the binary can do, as its own parser has it.
#[test]
fn the_help_tells_of_everything_there_is() {
    let help = printed(&["--help"]);
    let parser = Cli::command();
    let names: Vec<_> = parser.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(names, ["run", "crds", "probe", "demo", "simulator"]);
    for subcommand in names {
        assert!(help.lines().any(|line| line.trim_start().starts_with(subcommand)), "{subcommand}:\n{help}");
        assert!(printed(&[subcommand, "--help"]).contains("Usage: "), "{subcommand}");
    }
    refused(&[], &[], &["Usage: "]);
    refused(&["walk"], &[], &["walk"]);
    refused(&["run", "--wings"], &[], &["--wings"]);
}

/// In the help with what it is for, its variable and its default, and in the README.
#[test]
fn every_flag_of_run_is_told() {
    let help = printed(&["run", "--help"]);
    let parser = Cli::command();
    let run = parser.find_subcommand("run").expect("the subcommand");
    let flags: Vec<_> = run.get_arguments().filter_map(|argument| Some((argument, argument.get_long()?))).collect();
    assert!(flags.len() > 17, "{flags:?}");
    for (argument, flag) in flags {
        let heading = format!("--{flag}");
        // Its part of the help begins with the flag, and ends where the next one's begins.
        let begins = |line: &str| line.trim_start().trim_start_matches("-h, ").split(' ').next() == Some(&heading);
        let mut lines = help.lines().skip_while(|line| !begins(line));
        let mut part = lines.next().unwrap_or_else(|| panic!("--{flag} is missing:\n{help}")).to_owned();
        lines.take_while(|line| !line.trim_start().starts_with('-')).for_each(|line| part.push_str(line));
        let about = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let first = about.split(' ').next().unwrap_or_default();
        assert!(!first.is_empty() && part.contains(first), "what --{flag} is for: {part}");
        let variable = format!("ATLAS_PRIVATELINK_{}", flag.to_uppercase().replace('-', "_"));
        assert!(part.contains(&variable), "{variable}: {part}");
        assert!(include_str!("../../README.md").contains(&heading), "the README lacks --{flag}");
        for default in argument.get_default_values() {
            let default = format!("[default: {}", default.to_str().expect("text"));
            assert!(part.contains(&default), "{default}: {part}");
        }
    }
    for default in ["https://cloud.mongodb.com", "10s", "15m", "32", "[::]:8080", "Created", "text", "15s"] {
        assert!(help.contains(&format!("[default: {default}")), "{default}:\n{help}");
    }
}

/// Who stands for election has to know where the Lease is.
#[test]
fn an_election_without_a_namespace_is_refused_with_how_to_name_one() {
    const UNKNOWN: [&str; 2] = ["--leader-election-namespace", "POD_NAMESPACE"];
    const FOUND: [&str; 2] = ["no way to the Kubernetes API", "KUBECONFIG"];
    let election = ["run", "--leader-election"];
    let in_pod = Path::new("/var/run/secrets/kubernetes.io/serviceaccount/namespace").exists();
    refused(&election, &[], if in_pod { &FOUND } else { &UNKNOWN });
    for nothing in ["", " \n"] {
        refused(&election, &[("POD_NAMESPACE", nothing)], &UNKNOWN);
        let named = [&election[..], &["--leader-election-namespace", nothing]].concat();
        refused(&named, &[("POD_NAMESPACE", "payments")], &UNKNOWN);
    }
    // Each of the ways is enough.
    refused(&election, &[("POD_NAMESPACE", "payments")], &FOUND);
    refused(&election, &[("ATLAS_PRIVATELINK_LEADER_ELECTION_NAMESPACE", "payments")], &FOUND);
    let named = [&election[..], &["--leader-election-namespace", "payments"]].concat();
    refused(&named, &[], &FOUND);
    let short = [&named[..], &["--leader-election-lease-duration", "1s"]].concat();
    refused(&short, &[], &["--leader-election-lease-duration must be at least 2s"]);
}

#[test]
fn the_definitions_are_written_or_printed() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path().join("made/for/it");
    assert_eq!(printed(&["crds", "--output", folder.to_str().expect("a printable path")]), "");
    let mut all = String::new();
    let expected = crds::yaml().expect("YAML");
    for (name, text) in &expected {
        assert_eq!(&std::fs::read_to_string(folder.join(name)).expect("written"), text);
        all.push_str(text);
    }
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), expected.len());
    assert_eq!(printed(&["crds"]), all, "what is printed can be piped into kubectl apply -f -");
    refused(&["crds", "--output", "/dev/null/folder"], &[], &["/dev/null/folder"]);
}
