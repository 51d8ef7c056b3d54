//! The file system of the image, put together without Docker: the program, built as the image's recipe builds it, and of
//! this machine what the base image has. The operator runs in it as in the Pod: read-only, as nobody in particular, with
//! no right that root has.

use super::helm::repository;
use crate::{cluster::*, left_out::left_out};
use atlas_privatelink_operator::testbed::control_plane::Places;
use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};
use tempfile::TempDir;

const PROGRAM: &str = "usr/local/bin/atlas-privatelink-operator";
const MEBIBYTE: u64 = 1024 * 1024;
/// What a release may weigh, and all that the recipe copies into the image.
const LARGEST_PROGRAM: u64 = 12 * MEBIBYTE;
const LARGEST_CONTENT: u64 = 20 * MEBIBYTE;

/// The shared libraries of `distroless/cc-debian12` that a program in Rust may need.
const LIBRARIES: [&str; 7] = [
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
];

/// Mounts the first argument over itself, read-only, and runs the rest in it as the image's user. Of the rights in the
/// bounding set a process that is not root, and may not become it, has none.
const ENTER: &str = r#"
root=$1; shift
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid \
    chroot --userspec=65532:65532 --groups= "$root" "$@"
"#;

/// Set for the test as root: the program that has been built already.
const BUILT: &str = "RELEASE_THAT_IS_BUILT";

/// The program as the image has it.
static RELEASE: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(program) = std::env::var_os(BUILT) {
        return program.into();
    }
    // The build says on the terminal what it does, for it takes a minute or two.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--release", "--no-default-features", "--target-dir"])
        .arg(repository("target"))
        .current_dir(repository(""))
        .status();
    assert!(built.expect("cargo runs").success(), "the release is not built");
    repository("target/release").join(env!("CARGO_PKG_NAME"))
});

/// The libraries that the program is linked with.
fn linked(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    text.lines().filter_map(path).collect()
}

/// The image's file system.
fn assemble(program: &Path) -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    let copy = |from: &Path, to: &str| {
        let target = root.path().join(to);
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("made");
        std::fs::copy(from, &target).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    copy(program, PROGRAM);
    for library in linked(program) {
        let name = library.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(LIBRARIES.contains(&name), "the base image has no {name}");
        copy(&library, library.to_str().expect("text").trim_start_matches('/'));
    }
    let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if certificates.exists() {
        copy(certificates, "etc/ssl/certs/ca-certificates.crt");
    }
    root
}

/// All files, with their sizes and times.
fn contents(folder: &Path) -> BTreeSet<(PathBuf, u64, i64)> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let meta = path.symlink_metadata().expect("known");
        if meta.is_dir() {
            all.extend(contents(&path));
        }
        all.insert((path, meta.len(), meta.mtime()));
    }
    all
}

/// A line of the process' status, as Linux tells it.
fn told(process: &str, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).expect(name);
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

/// Runs a test of this file as root, if sudo asks for no password. What there is to build is built before, so that root
/// leaves no file behind.
fn again_as_root(test: &str) {
    let sudo = || {
        let mut sudo = Command::new("sudo");
        sudo.arg("-n");
        sudo
    };
    if !sudo().arg("true").output().is_ok_and(|output| output.status.success()) {
        return left_out("the operator in the image's file system, which needs root, or sudo without a password");
    }
    Places::of_this_machine().ensure(false).expect("the control plane's programs");
    let kept = ["PATH", "HOME", "KUBEBUILDER_ASSETS", "CI"];
    let kept = kept.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    let output = sudo()
        .arg("env")
        .args(kept)
        .arg(format!("{BUILT}={}", RELEASE.display()))
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test])
        .output()
        .expect("sudo runs");
    assert!(output.status.success(), "as root: {}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "there is no test {test}");
}

#[test]
fn the_program_is_small() {
    let size = RELEASE.metadata().expect("it is there").len();
    assert!(size <= LARGEST_PROGRAM, "{size} bytes");
    println!("{size} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_works_in_the_images_file_system() {
    let root = assemble(&RELEASE);
    let ours = root.path().join(PROGRAM).metadata().expect("it is there").len();
    assert!(ours <= LARGEST_CONTENT, "{ours} bytes are ours");
    if !is_root() {
        // Only root may mount and become somebody else.
        return again_as_root("packaging::root::the_operator_works_in_the_images_file_system");
    }
    if !Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success()) {
        return left_out("the operator in the image's file system: this root may not mount, as in a container");
    }
    let world = World::new(Nature::default()).await;
    let kubeconfig = root.path().join("etc/kubeconfig");
    std::fs::copy(&world.nature.plane.kubeconfig, &kubeconfig).expect("copied");
    std::os::unix::fs::chown(&kubeconfig, Some(65532), Some(65532)).expect("given");
    std::os::unix::fs::chown(root.path(), Some(65532), Some(65532)).expect("given");
    let before = contents(root.path());
    let place = root.path().to_str().expect("text").to_owned();
    let command = ["unshare", "--mount", "sh", "-ec", ENTER, "enter", &place, &format!("/{PROGRAM}")];
    let arguments = world.arguments(&[&world.namespace]);
    let operator = world.launch_by(&command, &arguments, &[("KUBECONFIG", "/etc/kubeconfig")]);
    until(SOON, "it is ready", async || operator.page("/readyz").await.0 == 200).await;

    let process = operator.id();
    assert_eq!(told(&process, "Uid"), "65532 65532 65532 65532");
    assert_eq!(told(&process, "Gid"), "65532 65532 65532 65532");
    assert_eq!((told(&process, "Groups").as_str(), told(&process, "NoNewPrivs").as_str()), ("", "1"));
    for rights in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(told(&process, rights), "0000000000000000", "{rights}");
    }
    // It owns the folder, and cannot write there all the same.
    let mounts = std::fs::read_to_string(format!("/proc/{process}/mounts")).expect("its mounts");
    let options = mounts.lines().filter_map(|line| line.split(' ').nth(3)).next_back();
    assert!(options.is_some_and(|options| options.split(',').any(|option| option == "ro")), "{mounts}");

    world.apply(&secret(&[("publicKey", PUBLIC), ("privateKey", PRIVATE)])).await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    world.until_ready(LINKS, "orders").await;
    world.until_ready(ENDPOINTS, "orders-a").await;
    world.delete(ENDPOINTS, "orders-a").await;
    world.delete(LINKS, "orders").await;
    world.until_gone(LINKS, "orders").await;
    world.nothing_is_left();
    assert!(operator.terminate().await.success());
    assert_eq!(contents(root.path()), before, "something was written");
}
