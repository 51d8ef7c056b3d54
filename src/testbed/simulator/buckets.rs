//! Token buckets, one for each project (atlas-api.md §4): `RateLimit-*` on answers, 429 when empty. They are refilled
//! by interval, not continuously (§9.11).

use std::{collections::HashMap, fmt, str::FromStr, time::Duration};
use tokio::time::Instant;

/// How many requests a bucket holds, and how many come back after how many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketSize {
    pub capacity: u64,
    pub refill: u64,
    pub seconds: u64,
}

impl Default for BucketSize {
    /// The capacity is the recorded one of the private endpoint operations (atlas-api.md §2, REC); how fast it refills
    /// is not recorded (INF).
    fn default() -> Self {
        Self { capacity: 4000, refill: 4000, seconds: 60 }
    }
}

impl fmt::Display for BucketSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.capacity, self.refill, self.seconds)
    }
}

impl FromStr for BucketSize {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Vec<u64> = text.split('/').map_while(|part| part.parse().ok()).collect();
        match (numbers.as_slice(), text.split('/').count()) {
            (&[capacity, refill, seconds], 3) if seconds > 0 => Ok(Self { capacity, refill, seconds }),
            _ => Err("expected CAPACITY/REFILL/SECONDS"),
        }
    }
}

/// What a request found in its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// There was a token for it.
    Token,
    /// There will be one after so many seconds.
    Empty { retry_after: u64 },
}

/// All buckets.
pub(super) struct Buckets {
    pub(super) size: BucketSize,
    by_project: HashMap<String, Bucket>,
}

struct Bucket {
    tokens: u64,
    /// When the running interval began.
    since: Instant,
}

impl Buckets {
    pub(super) fn new(size: BucketSize) -> Self {
        Self { size, by_project: HashMap::new() }
    }

    /// Changes the size; buckets start afresh.
    pub(super) fn resize(&mut self, size: BucketSize) {
        *self = Self::new(size);
    }

    /// Takes one token of `project`.
    pub(super) fn take(&mut self, project: &str, now: Instant) -> Taken {
        let size = self.size;
        let bucket = self.bucket(project, now);
        if let Some(left) = bucket.tokens.checked_sub(1) {
            bucket.tokens = left;
            return Taken::Token;
        }
        let left = (bucket.since + Duration::from_secs(size.seconds)).saturating_duration_since(now);
        Taken::Empty { retry_after: left.as_secs() + u64::from(left.subsec_nanos() > 0) }
    }

    /// How many tokens `project` has left.
    pub(super) fn remaining(&mut self, project: &str, now: Instant) -> u64 {
        self.bucket(project, now).tokens
    }

    fn bucket(&mut self, project: &str, now: Instant) -> &mut Bucket {
        let size = self.size;
        let bucket =
            self.by_project.entry(project.to_owned()).or_insert_with(|| Bucket { tokens: size.capacity, since: now });
        let intervals = now.saturating_duration_since(bucket.since).as_secs() / size.seconds;
        bucket.tokens = size.capacity.min(bucket.tokens.saturating_add(size.refill.saturating_mul(intervals)));
        bucket.since += Duration::from_secs(size.seconds.saturating_mul(intervals));
        bucket
    }
}
