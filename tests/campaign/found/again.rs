//! Lives of endpoints that are attached again, or again and again.

use super::{MINUTE, PATIENCE, is_gone, over, ready, reason};
use crate::{
    harness::{
        alone::eventually,
        death::{self, Moment, Write},
        hands::{NEW, change_id, is_at},
        life::{delete_both, end, get_ready, with_neighbours},
        looks::is_attached,
        world::*,
    },
    states::{our_service_ids, remove_endpoint},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Fault, Operation, Rule},
};

/// An endpoint that was adopted, was gone and is attached again, of which the operator, which dies then, hears nothing.
async fn attached_again(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let attached = Write { what: format!("Atlas POST endpoint {VPCE}"), nth: 1 };
    let (operator, mut reaper) = death::start(&mut world, Some((attached, Moment::AfterEffect)));
    eventually(&world, PATIENCE, "the link is Ready", |world| world.link_ready("orders")).await;
    for service in our_service_ids(&world) {
        let (project, endpoint) = (PROJECT.to_owned(), VPCE.to_owned());
        world.change(Change::AddEndpoint { project, service, endpoint, ready: false });
    }
    world.pass(5 * MINUTE).await;
    world.apply(endpoint("orders-a", "orders", VPCE));
    get_ready(&world).await;
    remove_endpoint(&world, VPCE);
    reaper.kill(&world, operator).await;
    assert!(is_attached(&world, VPCE), "attached again");
    world
}

pub(super) async fn deleted(dialect: Dialect) -> World {
    let mut world = attached_again(dialect).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    let operator = world.start();
    eventually(&world, PATIENCE, "the endpoint is gone", is_gone(ENDPOINTS, "orders-a")).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn replaced(dialect: Dialect) -> World {
    let mut world = attached_again(dialect).await;
    change_id(&world, NEW);
    let operator = world.start();
    eventually(&world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn changed_too_often(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.atlas.inject(Rule::always(Operation::GetEndpoint, Fault::UnknownWord));
    let id = |nth: u32| format!("vpce-{nth:017x}");
    for nth in 1..=15 {
        change_id(&world, &id(nth));
        eventually(&world, PATIENCE, "attached", |world| is_attached(world, &id(nth))).await;
    }
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "refused", |world| reason(world, ENDPOINTS, "orders-a") == "InvalidRequest").await;
    world.atlas.clear_faults();
    change_id(&world, &id(15));
    eventually(&world, PATIENCE, "the last one is connected", |world| is_at(world, &id(15))).await;
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}
