//! How Atlas is spoken to.

use super::{life::begin_with, world::*};
use atlas_privatelink_operator::atlas::dialect::Dialect;

/// The credential, and the dialect. v1.0 takes no service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    KeyInV2,
    KeyInV1,
    ServiceAccount,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::KeyInV2, Self::KeyInV1, Self::ServiceAccount];

    pub fn dialect(self) -> Dialect {
        match self {
            Self::KeyInV2 | Self::ServiceAccount => Dialect::V2,
            Self::KeyInV1 => Dialect::V1,
        }
    }

    /// The name of the dialect.
    pub fn version(self) -> &'static str {
        match self.dialect() {
            Dialect::V1 => "v1.0",
            Dialect::V2 => "v2",
        }
    }

    /// What the Secret then holds.
    pub fn credential(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::KeyInV2 | Self::KeyInV1 => KEY,
            Self::ServiceAccount => ACCOUNT,
        }
    }

    /// Credentials, a link and an endpoint are there, nobody works on them yet.
    pub fn begin(self) -> World {
        begin_with(self.dialect(), &self.credential())
    }
}
