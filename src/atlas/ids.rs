//! Identifiers that are safe to put in a request path once they exist.
//!
//! A string that came from a resource, a Secret or an Atlas answer is never formatted into a path. It is parsed into
//! one of these types first: `..` as an endpoint id would turn "delete the endpoint" into "delete the service".

use std::{fmt, str::FromStr};

/// Why a string is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {wanted}")]
pub struct InvalidId {
    /// The offending text, cut to a printable length.
    value: String,
    wanted: &'static str,
}

impl InvalidId {
    fn new(value: &str, wanted: &'static str) -> Self {
        Self { value: value.chars().take(64).collect(), wanted }
    }
}

/// An ObjectId: twelve bytes, of which the first four are the second of creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ObjectId([u8; 12]);

impl ObjectId {
    fn parse(text: &str, wanted: &'static str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, wanted);
        let digits: &[u8; 24] = text.as_bytes().try_into().map_err(|_| invalid())?;
        let mut bytes = [0; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(invalid()),
                };
                *byte = *byte << 4 | value;
            }
        }
        Ok(Self(bytes))
    }

    fn created(&self) -> jiff::Timestamp {
        let [a, b, c, d, ..] = self.0;
        jiff::Timestamp::from_second(u32::from_be_bytes([a, b, c, d]).into()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ObjectId);

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                ObjectId::parse(text, $wanted).map(Self)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        text_id!($name);
    };
}

object_id!(
    /// The id of an Atlas project ("group" in paths): `^[a-f0-9]{24}$`.
    ProjectId,
    "a project id (24 hexadecimal digits, lower case)"
);
object_id!(
    /// The id of a private endpoint connection (v1.0) or endpoint service (v2): `^[a-f0-9]{24}$`.
    ServiceId,
    "an endpoint service id (24 hexadecimal digits, lower case)"
);

impl ServiceId {
    /// The second in which Atlas made this id, by Atlas' clock (atlas-api.md §9.12: ids are ObjectIds).
    pub fn created(&self) -> jiff::Timestamp {
        self.0.created()
    }
}

/// The id of an AWS interface VPC endpoint: `^vpce-[0-9a-f]{8,17}$` (17 digits today, 8 in old accounts).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(String);

impl EndpointId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EndpointId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix("vpce-").unwrap_or_default();
        let valid = (8..=17).contains(&digits.len()) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::new(text, "an interface endpoint id (vpce- and 8 to 17 hexadecimal digits)"))
        }
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_id!(EndpointId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_ids_round_trip_and_tell_their_second() {
        let id: ServiceId = "6a793f68c0eb9e7a17715835".parse().unwrap();
        assert_eq!(id.to_string(), "6a793f68c0eb9e7a17715835");
        assert_eq!(id.created().to_string(), "2026-08-10T03:03:04Z");
    }

    #[test]
    fn nothing_that_could_change_a_path_is_an_id() {
        for text in [
            "",
            ".",
            "..",
            "%2e%2e",
            "../../x",
            "a?b#c",
            "5DF264B8F10FAB7D2CAD2F0D",
            "5df264b8f10fab7d2cad2f0",
            "5df264b8f10fab7d2cad2f0dd",
            "5df264b8f10fab7d2cad2f0\n",
        ] {
            assert!(text.parse::<ProjectId>().is_err(), "{text:?}");
            assert!(text.parse::<ServiceId>().is_err(), "{text:?}");
            assert!(text.parse::<EndpointId>().is_err(), "{text:?}");
            assert!(format!("vpce-{text}").parse::<EndpointId>().is_err(), "vpce-{text:?}");
        }
    }

    #[test]
    fn both_lengths_of_endpoint_ids_are_known() {
        for text in ["vpce-0b9c5701325cb15dd", "vpce-11111111"] {
            assert_eq!(text.parse::<EndpointId>().unwrap().as_str(), text);
        }
        for text in ["vpce-1111111", "vpce-0b9c5701325cb15ddd", "vpce-0B9C5701325CB15DD", "pe-0b9c5701325cb15dd"] {
            assert!(text.parse::<EndpointId>().is_err(), "{text}");
        }
    }
}
