//! An operator that works only while it leads.

use super::{Error, Parts, controllers::control};
use crate::{
    lease::{
        Leadership, Settings,
        elector::{Candidate, Elector, Waiting},
        guard,
    },
    server::{Health, Phase},
};
use tokio_util::sync::CancellationToken;

/// Stands by until it leads, works until `stop`, and releases the Lease.
pub(super) async fn operate(
    parts: Parts,
    settings: Settings,
    health: &Health,
    stop: CancellationToken,
) -> Result<(), Error> {
    let leadership = Leadership::default();
    let metrics = parts.metrics.clone();
    let mut elector = Elector::new(candidate(&parts), settings, leadership.clone());
    let standing_by = |waiting: &Waiting| {
        let phase = match waiting.clone() {
            Waiting::ForLeader(leader) => {
                tracing::info!(leader, "standing by");
                Phase::Standby(leader)
            }
            Waiting::InVain(why) => {
                tracing::error!("no operator can lead while {why}");
                Phase::CannotLead(why)
            }
        };
        if !stop.is_cancelled() {
            health.set(phase);
        }
    };
    tokio::select! {
        () = elector.win(standing_by) => {}
        () = stop.cancelled() => {
            elector.release().await;
            return Ok(());
        }
    }
    tracing::info!("leading");
    let ended = tokio::select! {
        biased;
        loss = elector.keep() => Err(Error::LeadershipLost(loss)),
        ended = control(guarded(parts, &leadership), Phase::Leading, health, stop) => ended,
    };
    metrics.leader(false);
    if !matches!(ended, Err(Error::LeadershipLost(_))) {
        elector.release().await;
    }
    ended
}

fn candidate(parts: &Parts) -> Candidate {
    let Parts { client, clock, holder, seed, .. } = parts;
    Candidate { client: client.clone(), identity: holder.clone(), clock: *clock, seed: *seed }
}

/// The same parts, with every way out of the process closed when the term is over.
pub(super) fn guarded(parts: Parts, leadership: &Leadership) -> Parts {
    Parts {
        client: guard::client(parts.client, leadership.clone()),
        transport: guard::transport(parts.transport, leadership.clone()),
        ..parts
    }
}
