//! What people ask for while Atlas cannot be reached, or answers nonsense: once it is itself again that is done, and
//! nothing else.

use crate::{
    Group,
    blips::{Blip, Where, strike},
    harness::{
        alone::eventually,
        hands::{NEW, change_id, is_at},
        life::{RESYNC, both_are_ready, delete_both, end, first_half, ours},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    states::patch_both,
};
use atlas_privatelink_operator::{atlas::dialect::Dialect, testbed::simulator::Fault};
use serde_json::json;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Both are to be deleted otherwise some day.
    Edited,
    /// Another endpoint is to be attached.
    IdEdited,
    Deleted,
}

#[derive(Clone)]
struct Wished {
    blip: Blip,
    wish: Wish,
    dialect: Dialect,
}

/// How long the fault is there before anybody asks for anything, and after it.
const BEFORE: Duration = Duration::from_secs(5 * 60);
const AFTER: Duration = Duration::from_secs(60 * 60);
/// Within this time all is as it is wished, once Atlas is itself again.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

async fn wished(plan: Wished) -> World {
    let (world, operator) = first_half(plan.dialect).await;
    let before = oracle::outcome(&world);
    strike(&world, &plan.blip);
    world.pass(BEFORE).await;
    match plan.wish {
        Wish::Edited => patch_both(&world, &json!({"spec": {"deletionPolicy": "Delete"}})),
        Wish::IdEdited => change_id(&world, NEW),
        Wish::Deleted => delete_both(&world),
    }
    world.pass(AFTER).await;
    world.atlas.clear_faults();
    match plan.wish {
        Wish::Edited => {
            eventually(&world, PATIENCE, "both Ready again", both_are_ready).await;
            world.pass(RESYNC).await;
            assert_eq!(oracle::outcome(&world), before);
        }
        Wish::IdEdited => {
            let replaced = |world: &World| both_are_ready(world) && is_at(world, NEW);
            eventually(&world, PATIENCE, "replaced", replaced).await;
            let attached = ours(&world)[0]["endpoints"].clone();
            let ids: Vec<_> = attached.as_array().into_iter().flatten().map(|endpoint| &endpoint["id"]).collect();
            assert_eq!(ids, [NEW]);
            world.pass(RESYNC).await;
        }
        Wish::Deleted => eventually(&world, PATIENCE, "both gone", World::is_empty).await,
    }
    if plan.wish != Wish::Deleted {
        oracle::quiet_resync(&world).await;
        delete_both(&world);
    }
    end(&world).await;
    oracle::silence(&world).await;
    oracle::created_at_most(&world, 1, if plan.wish == Wish::IdEdited { 2 } else { 1 });
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    operator.kill().await;
    world
}

fn wishes(place: Where) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (fault, dialect) in
        Fault::all().into_iter().flat_map(|fault| [(fault.clone(), Dialect::V2), (fault, Dialect::V1)])
    {
        for wish in [Wish::Edited, Wish::IdEdited, Wish::Deleted] {
            let data = Data::new(Campaign::Atlas, "wish in a blip", dialect);
            let data = data.at(format!("{place:?}")).fault(fault.name()).meanwhile(format!("{wish:?}"));
            let one = Wished { blip: Blip { place, fault: fault.clone() }, wish, dialect };
            plans.push(Plan::new(data, move || wished(one.clone())));
        }
    }
    plans
}

pub const GROUPS: [Group; 3] = [|| wishes(Where::Everywhere), || wishes(Where::Lists), || wishes(Where::Endpoints)];
