//! Carries out what [`Election`] decides: the requests, their deadlines, and the log.

use super::{
    Leadership, Settings,
    claim::{Claim, Record},
    election::{Election, Loss, Next},
    leadership::Moment,
};
use crate::{
    clock::Clock,
    controller::{context::Jitter, write::manager},
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a leader that ends tries to release the Lease; whoever waits can wait for its expiry.
const RELEASE: Duration = Duration::from_secs(5);

/// Who stands, and with what.
pub struct Candidate {
    pub client: Client,
    /// Another one for each run of the program.
    pub identity: String,
    pub clock: Clock,
    pub seed: u64,
}

/// Why a request told nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Kubernetes(#[from] kube::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    NoAnswer(Duration),
}

/// How a write of the Lease ended.
enum Written {
    Taken(Record),
    Conflict,
    /// There is no Lease to be changed.
    Gone,
}

/// Stands for election, and keeps what it won.
pub struct Elector {
    leases: Api<Lease>,
    settings: Settings,
    identity: String,
    election: Election,
    leadership: Leadership,
    clock: Clock,
    jitter: Jitter,
    /// Since when every request failed, and why the last one did.
    failing: Option<(Instant, String)>,
}

/// What a candidate waits for that doesn't lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The end of the leader, the one named here if any is known.
    ForLeader(Option<String>),
    /// For the length of a Lease it could not be read or written: why not.
    InVain(String),
}

impl Elector {
    /// A candidate whose term is told to `leadership`.
    pub fn new(candidate: Candidate, settings: Settings, leadership: Leadership) -> Self {
        let Candidate { client, identity, clock, seed } = candidate;
        let election = Election::new(identity.clone(), settings.timing, Instant::now());
        let leases = Api::namespaced(client, &settings.namespace);
        let jitter = Jitter::new(seed);
        Self { leases, settings, identity, election, leadership, clock, jitter, failing: None }
    }

    /// Returns when this process leads; `standing_by` hears what is waited for, whenever that changes.
    pub async fn win(&mut self, standing_by: impl Fn(&Waiting)) {
        let mut told = None;
        while !self.election.is_leading() {
            // There is no term yet that could be lost.
            let _ = self.turn().await;
            let waiting = self.waiting();
            if !self.election.is_leading() && told.as_ref() != Some(&waiting) {
                standing_by(&waiting);
                told = Some(waiting);
            }
        }
    }

    fn waiting(&self) -> Waiting {
        match &self.failing {
            Some((since, why)) if since.elapsed() >= self.settings.timing.duration() => Waiting::InVain(why.clone()),
            Some(_) | None => {
                let leader = self.election.holder().filter(|holder| *holder != self.identity);
                Waiting::ForLeader(leader.map(str::to_owned))
            }
        }
    }

    /// Renews until that fails.
    pub async fn keep(&mut self) -> Loss {
        loop {
            if let Err(loss) = self.turn().await {
                self.leadership.end();
                return loss;
            }
        }
    }

    /// Gives up the Lease, so that nobody has to wait for its expiry. Only after the last write of this process.
    pub async fn release(self) {
        self.leadership.end();
        if !self.election.may_hold() {
            return;
        }
        match timeout(RELEASE, self.empty()).await {
            Ok(Ok(())) => tracing::info!("the Lease is released"),
            Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be released; it expires"),
            Err(_elapsed) => tracing::warn!("the Lease could not be released in time; it expires"),
        }
    }

    async fn empty(&self) -> Result<(), kube::Error> {
        while let Some(record) = self.read().await?.filter(|record| record.is_held_by(&self.identity)) {
            let claim = Claim { holder: None, renewed: Some(self.clock.now()), ..record.claim };
            if let Written::Taken(_) = self.write(Some(&record.version), &claim).await? {
                break;
            }
        }
        Ok(())
    }

    async fn turn(&mut self) -> Result<(), Loss> {
        match self.election.next(Instant::now()) {
            Next::Sleep(until) => sleep_until(until).await,
            Next::Look => self.look().await,
            Next::Write => self.claim().await,
            Next::Lost(loss) => return Err(loss),
        }
        Ok(())
    }

    async fn look(&mut self) {
        let found = self.in_time(self.read()).await;
        match found {
            Ok(found) => {
                self.recovered();
                self.election.saw(found, Instant::now(), self.jitter.fraction());
            }
            Err(trouble) => self.troubled(&trouble),
        }
    }

    async fn claim(&mut self) {
        let (version, claim) = self.election.claim(self.clock.now());
        let version = version.map(str::to_owned);
        self.election.sends();
        let sent = Moment::now();
        let written = self.in_time(self.write(version.as_deref(), &claim)).await;
        let now = Instant::now();
        match written {
            Ok(Written::Taken(record)) => {
                self.recovered();
                self.leadership.grant(sent, self.settings.timing.renew_deadline());
                self.election.wrote(record, sent.monotonic, now);
            }
            Ok(Written::Conflict) => self.election.conflicted(now),
            Ok(Written::Gone) => self.election.vanished(now),
            Err(trouble) => self.troubled(&trouble),
        }
    }

    /// Waits for an answer no longer than another try, or the term, leaves time for.
    async fn in_time<T>(&self, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Trouble> {
        let left = self.election.ends().map(|ends| ends.saturating_duration_since(Instant::now()));
        let patience = self.settings.timing.patience();
        let patience = left.map_or(patience, |left| patience.min(left));
        match timeout(patience, request).await {
            Ok(answer) => Ok(answer?),
            Err(_elapsed) => Err(Trouble::NoAnswer(patience)),
        }
    }

    async fn read(&self) -> Result<Option<Record>, kube::Error> {
        Ok(self.leases.get_opt(&self.settings.name).await?.map(Record::from))
    }

    async fn write(&self, version: Option<&str>, claim: &Claim) -> Result<Written, kube::Error> {
        let name = &self.settings.name;
        let written = match version {
            Some(version) => {
                let patch = json!({"metadata": {"resourceVersion": version}, "spec": claim.spec()});
                let params = PatchParams { field_manager: manager(), ..PatchParams::default() };
                self.leases.patch(name, &params, &Patch::Merge(patch)).await
            }
            None => self.create(claim).await,
        };
        match written {
            Ok(lease) => Ok(Written::Taken(lease.into())),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(Written::Conflict)
            }
            Err(kube::Error::Api(status)) if status.is_not_found() && version.is_some() => Ok(Written::Gone),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, claim: &Claim) -> Result<Lease, kube::Error> {
        let lease = json!({"metadata": {"name": self.settings.name}, "spec": claim.spec()});
        let lease = serde_json::from_value(lease).map_err(kube::Error::SerdeError)?;
        let params = PostParams { field_manager: manager(), ..PostParams::default() };
        self.leases.create(&params, &lease).await
    }

    fn recovered(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!("the Lease can be reached again");
        }
    }

    fn troubled(&mut self, trouble: &Trouble) {
        self.election.failed(Instant::now());
        let Settings { namespace, name, .. } = &self.settings;
        let why = format!("the Lease {namespace}/{name} cannot be read or written: {trouble}");
        let since = self.failing.as_ref().map(|(since, _)| *since);
        if since.is_none() {
            tracing::warn!(error = %trouble, "the Lease {namespace}/{name} cannot be read or written, and is tried again");
        }
        self.failing = Some((since.unwrap_or_else(Instant::now), why));
    }
}
