//! What a Lease says, and the patch that says it.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use serde_json::{Value, json};
use std::time::Duration;

/// What a Lease says of its holder. Where two looks find the same, there was no sign of life between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Nobody: it was released.
    pub holder: Option<String>,
    /// How long the holder asks to be waited for.
    pub duration: Option<Duration>,
    pub acquired: Option<Timestamp>,
    pub renewed: Option<Timestamp>,
    pub transitions: i32,
}

/// A Lease as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its resourceVersion: what is written on it is refused if somebody else wrote since.
    pub version: String,
    pub claim: Claim,
}

impl Record {
    pub fn is_held_by(&self, identity: &str) -> bool {
        self.claim.holder.as_deref() == Some(identity)
    }
}

impl From<Lease> for Record {
    fn from(lease: Lease) -> Self {
        let version = lease.resource_version().unwrap_or_default();
        let spec = lease.spec.unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let claim = Claim {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or_default(),
        };
        Self { version, claim }
    }
}

impl Claim {
    /// The fields of a Lease that an election owns.
    pub fn spec(&self) -> Value {
        let seconds = self.duration.unwrap_or_default().as_secs().clamp(1, i32::MAX.unsigned_abs().into());
        let time = |time: Option<Timestamp>| time.map(|time| format!("{time:.6}"));
        json!({
            "holderIdentity": self.holder.as_deref().unwrap_or_default(),
            "leaseDurationSeconds": seconds,
            "acquireTime": time(self.acquired),
            "renewTime": time(self.renewed),
            "leaseTransitions": self.transitions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(spec: Value) -> Claim {
        let lease = json!({"metadata": {"name": "lease", "resourceVersion": "7"}, "spec": spec});
        let record = Record::from(serde_json::from_value::<Lease>(lease).unwrap());
        assert_eq!(record.version, "7");
        record.claim
    }

    #[test]
    fn an_emptied_lease_and_one_that_says_nothing_are_nobodys() {
        for spec in [json!({}), json!({"holderIdentity": ""}), json!({"holderIdentity": "", "leaseDurationSeconds": 0})]
        {
            assert_eq!(read(spec.clone()), Claim::default(), "{spec}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(holder in "[a-z]{1,9}", seconds in 1_u32..1_000_000, micros in 0_i64..i64::pow(10, 15), transitions in 0..i32::MAX) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            let duration = Some(Duration::from_secs(seconds.into()));
            let claim = Claim { holder: Some(holder), duration, acquired: Some(at), renewed: Some(at), transitions };
            prop_assert_eq!(read(claim.spec()), claim);
        }
    }
}
