//! What answers say in their headers.

use crate::clock::Clock;
use http::{HeaderMap, header};
use jiff::{Timestamp, fmt::rfc2822};
use std::time::Duration;

/// However long Atlas (or something that answers for it) asks us to wait, we ask again after this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A `Retry-After` in the past, or of no seconds, is still a request to slow down.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The `Date` of an answer.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    timestamp(headers, &header::DATE)
}

/// `Retry-After`, in seconds or as a date, between one second and one hour. A date is compared with the answer's own
/// `Date` where it has one, so that our clock being wrong doesn't matter.
pub(super) fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_or(LONGEST_PAUSE, Duration::from_secs)
    } else {
        let until = timestamp(headers, &header::RETRY_AFTER)?;
        let now = date(headers).unwrap_or_else(|| clock.now());
        until.duration_since(now).try_into().unwrap_or(Duration::ZERO)
    };
    Some(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
}

/// What this answer left of what the project may ask for now (`RateLimit-Remaining`, atlas-api.md §4).
pub(super) fn remaining(headers: &HeaderMap) -> Option<u64> {
    headers.get("ratelimit-remaining")?.to_str().ok()?.trim().parse().ok()
}

fn timestamp(headers: &HeaderMap, name: &http::HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), http::HeaderValue::from_static(v))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_seconds_or_a_date() {
        let clock = Clock::starting_at("2026-11-21T20:00:00Z".parse().unwrap());
        let after = |pairs: &[_]| retry_after(&headers(pairs), &clock).map(|pause| pause.as_secs());
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[("retry-after", "55")]), Some(55));
        assert_eq!(after(&[("retry-after", "0")]), Some(1));
        assert_eq!(after(&[("retry-after", "99999999999999999999999")]), Some(3600));
        assert_eq!(after(&[("retry-after", "86400")]), Some(3600));
        assert_eq!(after(&[("retry-after", "Sat, 21 Nov 2026 20:00:30 GMT")]), Some(30));
        assert_eq!(after(&[("retry-after", "Sat, 21 Nov 2026 19:00:00 GMT")]), Some(1));
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[("retry-after", "-5")]), None);
        // Atlas' own clock is what its date is to be compared with.
        let skewed = [("date", "Sat, 21 Nov 2026 22:00:00 GMT"), ("retry-after", "Sat, 21 Nov 2026 22:00:10 GMT")];
        assert_eq!(after(&skewed), Some(10));
    }
}
