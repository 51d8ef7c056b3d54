//! Strict HTTP digest authentication, as recorded and, where not, as Jetty does it (atlas-api.md §3). Written against
//! RFC 7616 with MD5 alone, independently of the libraries that the client uses.

use super::{access::Access, ids::Mint};
use md5::{Digest, Md5};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::Instant;

const REALM: &str = "MMS Public API";
/// Counts from here on are refused as stale (Jetty's `_maxNC`).
const COUNT_LIMIT: u32 = 1024;

/// What became of an `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The public key has proved itself.
    Accepted(String),
    /// Try again with the new challenge; `stale` says that the nonce alone was at fault.
    Refused { stale: bool },
}

/// The nonces that were given out.
pub(super) struct Nonces {
    lifetime: Duration,
    uses: u32,
    known: HashMap<String, Nonce>,
    replays: u32,
}

struct Nonce {
    issued: Instant,
    used: Vec<u32>,
}

/// Whether a nonce may be used with a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Fresh,
    Stale,
    Replayed,
}

impl Nonces {
    pub(super) fn new(lifetime: Duration, uses: u32) -> Self {
        Self { lifetime, uses, known: HashMap::new(), replays: 0 }
    }

    /// How often a count of a nonce came again: whoever keeps a nonce to itself never sends one.
    pub(super) fn replays(&self) -> u32 {
        self.replays
    }

    /// As if another app server answered, or this one had been restarted.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The `WWW-Authenticate` of a 401 with a new nonce, byte for byte in the recorded shape (REC).
    pub(super) fn challenge(&mut self, stale: bool, mint: &mut Mint, now: Instant) -> String {
        let lifetime = self.lifetime;
        self.known.retain(|_, nonce| now.saturating_duration_since(nonce.issued) <= lifetime);
        let nonce = mint.nonce();
        let header = format!(
            "Digest realm=\"{REALM}\", domain=\"\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\", stale={stale}"
        );
        self.known.insert(nonce, Nonce { issued: now, used: Vec::new() });
        header
    }

    /// Checks an `Authorization: Digest` header against the method and the request-target as they came.
    pub(super) fn verify(
        &mut self,
        header: &str,
        method: &str,
        target: &str,
        access: &Access,
        now: Instant,
    ) -> Verdict {
        let Some((public, response)) = Response::parse(header) else { return Verdict::Refused { stale: false } };
        // As Jetty does, the nonce first: whoever holds a stale one is told so, whatever else is wrong.
        match self.spend(&response.nonce, response.count, now) {
            Use::Stale => return Verdict::Refused { stale: true },
            Use::Replayed => {
                self.replays = self.replays.saturating_add(1);
                return Verdict::Refused { stale: false };
            }
            Use::Fresh => {}
        }
        let private = access.keys.get(&public).and_then(|key| key.usable_secret());
        match private {
            Some(private) if response.uri == target && response.proves(&public, private, method) => {
                Verdict::Accepted(public)
            }
            Some(_) | None => Verdict::Refused { stale: false },
        }
    }

    fn spend(&mut self, nonce: &str, count: u32, now: Instant) -> Use {
        let (lifetime, uses) = (self.lifetime, self.uses);
        match self.known.get_mut(nonce) {
            Some(nonce) if now.saturating_duration_since(nonce.issued) <= lifetime => {
                // Counting starts at 1 (net-http-digest_auth PR #17 was a fix for Atlas).
                if count == 0 || nonce.used.contains(&count) {
                    Use::Replayed
                } else if count >= COUNT_LIMIT || u32::try_from(nonce.used.len()).is_ok_and(|used| used >= uses) {
                    Use::Stale
                } else {
                    nonce.used.push(count);
                    Use::Fresh
                }
            }
            Some(_) | None => Use::Stale,
        }
    }
}

/// The fields of an `Authorization: Digest` header.
struct Response {
    nonce: String,
    uri: String,
    response: String,
    cnonce: String,
    nc: String,
    count: u32,
}

impl Response {
    /// The public key and the rest; `None` when a field is missing or not what was asked for.
    fn parse(header: &str) -> Option<(String, Self)> {
        let (scheme, list) = header.split_once(' ')?;
        let mut fields = scheme.eq_ignore_ascii_case("digest").then(|| parameters(list))??;
        let mut take = |name: &str| fields.remove(name);
        let algorithm = take("algorithm");
        let wanted = take("realm")? == REALM && take("qop")? == "auth" && algorithm.is_none_or(|a| a == "MD5");
        let nc = take("nc").filter(|nc| wanted && nc.len() == 8)?;
        let count = u32::from_str_radix(&nc, 16).ok()?;
        let public = take("username")?;
        let (nonce, uri) = (take("nonce")?, take("uri")?);
        let (response, cnonce) = (take("response")?, take("cnonce")?);
        Some((public, Self { nonce, uri, response, cnonce, nc, count }))
    }

    fn proves(&self, public: &str, private: &str, method: &str) -> bool {
        let who = hash(&format!("{public}:{REALM}:{private}"));
        let what = hash(&format!("{method}:{}", self.uri));
        hash(&format!("{who}:{}:{}:{}:auth:{what}", self.nonce, self.nc, self.cnonce)) == self.response
    }
}

fn hash(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `name=value, name="value"`; `None` when it is malformed or a name comes twice.
fn parameters(list: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after.get(..end)?.trim().to_owned(), after.get(end..)?)
            }
        };
        if found.insert(name.trim().to_ascii_lowercase(), value).is_some() {
            return None;
        }
        let after = after.trim_start();
        rest = if after.is_empty() { after } else { after.strip_prefix(',')?.trim_start() };
    }
    Some(found)
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}
