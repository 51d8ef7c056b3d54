//! Plans in which the API server is killed and started again while a write is on its way. They share a control plane
//! and one restart: each waits at its point until all have come to theirs.

use super::{
    gate::Fate,
    life,
    plan::Plan,
    strike::{gate, held, meanwhile, start},
};
use crate::cluster::world::*;
use atlas_privatelink_operator::testbed::control_plane::ControlPlane;
use std::time::Instant;
use tokio::sync::watch;

/// Where plans wait for one another.
pub struct Meeting {
    awaited: watch::Sender<usize>,
    restarted: watch::Sender<bool>,
}

/// A plan that is on its way to its point; it is waited for until this is dropped.
struct Coming<'a>(&'a Meeting);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.awaited.send_modify(|awaited| *awaited -= 1);
    }
}

impl Meeting {
    pub fn of(plans: usize) -> Self {
        Self { awaited: watch::Sender::new(plans), restarted: watch::Sender::new(false) }
    }

    /// Kills the API server when all have come, and starts it again.
    pub async fn restart(&self, control_plane: &mut ControlPlane) {
        self.awaited.subscribe().wait_for(|awaited| *awaited == 0).await.expect("the sender lives");
        control_plane.restart_api_server().await.expect("restarted");
        self.restarted.send_replace(true);
    }

    async fn restarted(&self) {
        self.restarted.subscribe().wait_for(|restarted| *restarted).await.expect("the sender lives");
    }
}

pub async fn run(plane: Plane, plan: Plan, meeting: &Meeting) {
    let coming = Coming(meeting);
    let world = life::begin(plane, plan.way).await;
    let mut gate = gate(&world, &plan).await;
    let mut operator = start(&world, &gate, &[]);
    let held = held(&world, &mut gate, &plan).await;
    meanwhile(&world, &plan).await;
    drop(coming);
    meeting.restarted().await;
    held.meets(Fate::Cut);
    life::goes_on(&world, &plan, Instant::now()).await;
    assert!(!operator.has_ended(), "it ended");
}
