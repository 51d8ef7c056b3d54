//! Makes the ids, names and nonces of the simulated Atlas, repeatably from a seed.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

/// Where every random-looking word comes from.
pub(super) struct Mint {
    random: StdRng,
}

impl Mint {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed) }
    }

    /// An ObjectId: its first four bytes are the second of creation (atlas-api.md §9.12, REC).
    pub(super) fn object_id(&mut self, created: Timestamp) -> String {
        let second = u32::try_from(created.as_second()).unwrap_or_default();
        format!("{second:08x}{}", self.hex(16))
    }

    /// Lower-case hexadecimal digits.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.random.random_range(0..16), 16).unwrap_or('0')).collect()
    }

    /// A UUID's shape.
    pub(super) fn uuid(&mut self) -> String {
        let digits = self.hex(32);
        format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
    }

    /// 24 random bytes in base64, the nonce of the recorded challenge (atlas-api.md §3, REC).
    pub(super) fn nonce(&mut self) -> String {
        let mut bytes = [0; 24];
        self.random.fill_bytes(&mut bytes);
        STANDARD.encode(bytes)
    }
}

/// Whether `text` is an ObjectId: `^[a-f0-9]{24}$` (atlas-api.md §2, SPEC).
pub(super) fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
