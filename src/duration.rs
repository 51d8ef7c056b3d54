//! Durations as people write them: `200ms`, `10s`, `15m`, `2h`, `1m30s`.

use std::{fmt, str::FromStr, time::Duration};

/// The units, longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration of an argument: parsed from, and shown as, whole numbers with units, from days down to milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    #[error("write it as 200ms, 10s, 15m, 2h or 1m30s")]
    Form,
    #[error("{0:?} is no unit; use d, h, m, s or ms")]
    Unit(String),
    #[error("the units must go from the longest to the shortest, each once")]
    Order,
    #[error("it is too long")]
    TooLong,
}

impl HumanDuration {
    /// As the standard library has it.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

impl From<Duration> for HumanDuration {
    /// What is shorter than a millisecond is cut off.
    fn from(duration: Duration) -> Self {
        Self(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl FromStr for HumanDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let text = text.trim();
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (number, unit, after) = next_part(rest)?;
            if !UNITS.iter().any(|(name, _)| *name == unit) {
                return Err(InvalidDuration::Unit(unit.chars().take(16).collect()));
            }
            let (_, scale) = units.find(|(name, _)| *name == unit).ok_or(InvalidDuration::Order)?;
            total =
                number.checked_mul(*scale).and_then(|part| total.checked_add(part)).ok_or(InvalidDuration::TooLong)?;
            rest = after;
        }
        if text.is_empty() { Err(InvalidDuration::Form) } else { Ok(Self(Duration::from_millis(total))) }
    }
}

/// The first number, its unit, and what follows them.
fn next_part(text: &str) -> Result<(u64, &str, &str), InvalidDuration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidDuration::Form)?;
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err(InvalidDuration::Form);
    }
    let number = number.parse().map_err(|_| InvalidDuration::TooLong)?;
    let (unit, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
    Ok((number, unit, after))
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, scale) in UNITS {
            if rest >= scale {
                write!(f, "{}{name}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(text: &str) -> Result<u128, InvalidDuration> {
        text.parse::<HumanDuration>().map(|duration| duration.get().as_millis())
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, expected) in [
            ("200ms", 200),
            ("10s", 10_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("1m30s", 90_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("90m", 5_400_000),
            ("0", 0),
            ("0s", 0),
            (" 5m ", 300_000),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn all_else_is_refused_with_a_reason() {
        use InvalidDuration::{Form, Order, TooLong, Unit};
        for (text, expected) in [
            ("", Form),
            ("10", Form),
            ("s", Form),
            ("-1s", Form),
            ("1m30", Form),
            ("1.5h", Unit(".".into())),
            ("1 h", Unit(" h".into())),
            ("1w", Unit("w".into())),
            ("30s1m", Order),
            ("1m1m", Order),
            ("99999999999999999999s", TooLong),
            ("18446744073709551615h", TooLong),
        ] {
            assert_eq!(millis(text), Err(expected), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis: u64) {
            let duration = HumanDuration::from(Duration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn nothing_panics(text: String) {
            let _ = text.parse::<HumanDuration>();
        }
    }
}
