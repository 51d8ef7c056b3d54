//! What is fed to everything that reads: the files of `tests/corpus/<target>`, every one every time, and what comes of
//! them by cutting, doubling, flipping and putting in words that mean something to some reader.

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::Config};
use std::{fmt, path::Path};

/// As many cases as usual, or as `PROPTEST_CASES` says. What was found goes into the corpus, by hand.
pub fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

/// The files of a target, by name.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("readable")))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    seeds
}

/// Checks every file of a target.
pub fn every_seed(target: &str, check: impl Fn(&[u8]) -> Result<(), TestCaseError>) {
    for (name, bytes) in seeds(target) {
        check(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

const WORDS: &[&str] = &[
    "\"",
    "\\",
    ",",
    "=",
    ";",
    ":",
    "/",
    "..",
    "%2e",
    "\0",
    "\n",
    "\r\n",
    "\t",
    "é",
    "\u{202e}",
    "\u{1F600}",
    "\u{1b}[31m",
    "{",
    "}",
    "[",
    "]",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "\"\\ud800\"",
    "Digest ",
    "nonce=",
    "qop=\"auth\"",
    "qop=\"auth-int\"",
    "algorithm=SHA-256",
    "algorithm=MD5-sess",
    "realm=\"\"",
    "stale=true",
    "userhash=true",
    "charset=UTF-8",
    "\"id\":",
    "\"status\":",
    "\"errorCode\":",
    "\"detail\":",
    "\"metadata\":",
    "\"spec\":",
    "hunter2",
    "GMT",
    "9999-12-31T23:59:60Z",
    "canary-of-the-body",
];

#[derive(Debug, Clone)]
enum Edit {
    Cut(Index, usize),
    Double(Index, usize),
    Flip(Index, u8),
    Put(Index, Vec<u8>),
    /// Goes on as another seed does.
    Splice(Index, Vec<u8>),
}

impl Edit {
    fn apply(self, bytes: &mut Vec<u8>) {
        let place = |index: Index| index.index(bytes.len() + 1);
        match self {
            Self::Cut(index, length) => {
                let start = place(index);
                bytes.drain(start..bytes.len().min(start + length));
            }
            Self::Double(index, length) => {
                let start = place(index);
                let part = bytes[start..bytes.len().min(start + length)].to_vec();
                bytes.splice(start..start, part);
            }
            Self::Flip(index, mask) => {
                let at = place(index);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
            Self::Put(index, word) => {
                let start = place(index);
                bytes.splice(start..start, word);
            }
            Self::Splice(index, other) => {
                let start = place(index);
                bytes.truncate(start);
                bytes.extend(other.get(start..).unwrap_or_default());
            }
        }
    }
}

/// Bytes that are shown as they would be typed.
#[derive(Clone)]
pub struct Input(pub Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// A seed with some edits, or any bytes.
pub fn input(target: &str) -> impl Strategy<Value = Input> + use<> {
    let seeds: Vec<Vec<u8>> = seeds(target).into_iter().map(|(_, bytes)| bytes).collect();
    let seed = proptest::sample::select(seeds);
    let word = proptest::sample::select(WORDS.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let edit = prop_oneof![
        2 => (any::<Index>(), 1..24usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        1 => (any::<Index>(), 1..64usize).prop_map(|(at, length)| Edit::Double(at, length)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, mask)| Edit::Flip(at, mask)),
        3 => (any::<Index>(), word).prop_map(|(at, word)| Edit::Put(at, word)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Edit::Put(at, bytes)),
        1 => (any::<Index>(), seed.clone()).prop_map(|(at, other)| Edit::Splice(at, other)),
    ];
    let edited = (seed, vec(edit, 0..8)).prop_map(|(mut bytes, edits)| {
        edits.into_iter().for_each(|edit| edit.apply(&mut bytes));
        bytes
    });
    prop_oneof![9 => edited, 1 => vec(any::<u8>(), 0..200)].prop_map(Input)
}
