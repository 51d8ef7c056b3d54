//! What is Healthy stays Healthy, whatever goes on around it, as long as nobody edits it and Atlas still has it.

use super::{scenarios::*, table::State};
use crate::simulated::{looks::both_ready, world::*};
use atlas_privatelink_operator::testbed::simulator::{Change, Fault, Operation, Rule};
use serde_json::json;

const REQUEST: &str = "atlas.privatelink.dev/reconcile-requested-at";

fn faults() -> Vec<Rule> {
    let everywhere = [
        Fault::ThrottledSilent,
        Fault::ThrottledSeconds { seconds: 30 },
        Fault::HungBefore,
        Fault::BadGateway,
        Fault::HtmlOk,
        Fault::TruncatedJson,
        Fault::NotFoundHtml,
    ];
    let everywhere = everywhere.into_iter().map(Rule::everywhere);
    everywhere.chain([Rule::always(Operation::GetEndpoint, Fault::UnexpectedError)]).collect()
}

/// A pair that has just become Ready, followed from its creation on.
async fn pair(world: &World) -> [Followed; 2] {
    world.credentials();
    let mut pair = [Followed::link(world, json!({})), Followed::endpoint(world, json!({}))];
    both_ready(world).await;
    pair.iter_mut().for_each(|followed| followed.now(world, State::Usable));
    pair
}

#[tokio::test(start_paused = true)]
async fn a_day_of_blips_restarts_and_requests_is_healthy_throughout() {
    let mut world = World::new(Nature::default());
    let mut operator = world.start();
    let mut pair = pair(&world).await;
    for (round, rule) in faults().into_iter().enumerate() {
        world.atlas.inject(rule);
        world.pass(RESYNC + 10 * MINUTE).await;
        operator.kill().await;
        operator = world.start();
        for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
            let metadata = json!({"annotations": {REQUEST: round.to_string()}, "labels": {"round": round.to_string()}});
            world.kube.patch(plural, NAMESPACE, name, json!({"metadata": metadata})).unwrap();
        }
        world.pass(RESYNC + 10 * MINUTE).await;
        world.atlas.clear_faults();
        world.change(Change::ForgetNonces);
        world.pass(2 * HOUR).await;
        pair.iter_mut().for_each(|followed| followed.now(&world, State::Blip));
    }
    for followed in pair {
        let shown = followed.check(&world);
        assert_eq!(shown.into_iter().collect::<Vec<_>>(), [State::Created, State::Usable, State::Blip]);
    }
    operator.stop().await;
}

/// New names are applied, then the old ones are deleted: what is new gets Healthy and stays so.
#[tokio::test(start_paused = true)]
async fn a_rename_is_healthy_throughout() {
    let mut world = World::new(Nature::default());
    let _operator = world.start();
    let mut old = pair(&world).await;
    world.apply(link("orders-new"));
    let mut new = vec![Followed::created(&world, LINKS, "orders-new")];
    world.apply(endpoint("orders-b", "orders-new", VPCE));
    new.push(Followed::created(&world, ENDPOINTS, "orders-b"));
    for followed in &mut new {
        followed.until(&world, 10 * MINUTE, State::Usable).await;
    }
    old.iter_mut().for_each(|followed| followed.mark_deleted(&world));
    for followed in &mut old {
        followed.until_gone(&world).await;
    }
    world.pass(2 * HOUR).await;
    new.iter_mut().for_each(|followed| followed.now(&world, State::Usable));
    for followed in old.iter().chain(&new) {
        followed.check(&world);
    }
}
