//! Moving out: the operator goes, and its resources stay, or are deleted when nobody is left to do it.

use super::{looks::*, oracle, world::*};
use serde_json::{Value, json};

const README: &str = include_str!("../../README.md");
const BOTH: [(&str, &str); 2] = [(ENDPOINTS, "orders-a"), (LINKS, "orders")];

/// The merge patch in the README's command that releases a finalizer.
fn documented_release() -> Value {
    let mut patches = README.lines().filter_map(|line| {
        let (_, patch) = line.trim_start_matches("$ ").strip_prefix("kubectl ")?.split_once("--type=merge -p '")?;
        patch.split_once('\'').map(|(patch, _)| patch).filter(|patch| patch.contains("finalizers"))
    });
    let patch = patches.next().expect("the README has the command");
    assert_eq!(patches.next(), None, "the command stands once");
    serde_json::from_str(patch).expect("JSON")
}

/// Both were Ready, the operator is gone, and both are to be deleted since an hour.
async fn abandoned() -> World {
    let (world, operator) = ready_pair(Nature::default()).await;
    operator.stop().await;
    for (plural, name) in BOTH {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.pass(HOUR).await;
    for (plural, name) in BOTH {
        let metadata = object(&world, plural, NAMESPACE, name)["metadata"].clone();
        assert!(metadata["deletionTimestamp"].is_string(), "{name} went by itself");
        assert_eq!(metadata["finalizers"], json!(["atlas.privatelink.dev/finalizer"]));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn the_documented_command_releases_what_was_abandoned_and_leaves_atlas_alone() {
    let mut world = abandoned().await;
    let service = only_service(&world);
    for (plural, name) in BOTH {
        world.kube.patch(plural, NAMESPACE, name, documented_release()).unwrap();
    }
    assert!(world.is_empty(), "{}", world.picture());
    assert_eq!(deletes(&world), Vec::<String>::new());
    // What stays behind is taken up again by the same manifests, as something that was there already.
    let _operator = world.start();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    assert!(BOTH.iter().all(|(plural, name)| ready_as(&world, plural, NAMESPACE, name, "Adopted")));
    assert_eq!(only_service(&world), service);
    oracle::created(&world, 1, 1);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_installed_again_finishes_what_was_abandoned() {
    let mut world = abandoned().await;
    let _operator = world.start();
    gone_without_trace(&world).await;
    for (_, name) in BOTH {
        assert_eq!(told(&world, name), ["Created", "Ready", "Deleted"]);
    }
}

/// What an uninstall leaves: the resources, and what they stand for.
#[tokio::test(start_paused = true)]
async fn without_an_operator_everything_stays_and_the_next_one_goes_on_where_it_was() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    let service = only_service(&world);
    // The link shows what is attached at its next resync.
    world.pass(20 * MINUTE).await;
    operator.stop().await;
    let before = BOTH.map(|(plural, name)| object(&world, plural, NAMESPACE, name));
    let writes = writes_to_atlas(&world);
    world.pass(7 * 24 * HOUR).await;
    let _operator = world.start();
    world.pass(20 * MINUTE).await;
    assert_eq!(BOTH.map(|(plural, name)| object(&world, plural, NAMESPACE, name)), before);
    assert_eq!((only_service(&world), writes_to_atlas(&world)), (service, writes));
    oracle::quiet_hour(&world).await;
    oracle::always(&world);
}

/// `Retain` first, then the resources, then the operator: nothing is left in the cluster, everything in Atlas.
#[tokio::test(start_paused = true)]
async fn what_is_to_be_retained_is_let_go_in_any_order() {
    for reversed in [false, true] {
        let (world, operator) = ready_pair(Nature::default()).await;
        let service = only_service(&world);
        let mut order = BOTH;
        if reversed {
            order.reverse();
        }
        for (plural, name) in order {
            world.kube.patch(plural, NAMESPACE, name, json!({"spec": {"deletionPolicy": "Retain"}})).unwrap();
        }
        for (plural, name) in order {
            world.kube.delete(plural, NAMESPACE, name).unwrap();
        }
        world.until(MINUTE, "both gone", World::is_empty).await;
        operator.stop().await;
        assert_eq!((only_service(&world), deletes(&world)), (service, Vec::<String>::new()));
        let services = world.services();
        assert_eq!(services[0]["endpoints"][0]["id"], VPCE);
    }
}
