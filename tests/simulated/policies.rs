//! What is deleted and what is kept: the manifest's `deletionPolicy`, the operator's `--default-deletion-policy`, and who
//! made the thing, for both kinds.

use super::{hands::make_behind_the_back, looks::*, oracle, world::*};
use atlas_privatelink_operator::{api::Standing, atlas::dialect::Dialect, reconcile::policy::DefaultDeletionPolicy};
use serde_json::{Value, json};

const POLICIES: [Option<&str>; 3] = [None, Some("Retain"), Some("Delete")];

fn nature(default_deletion_policy: DefaultDeletionPolicy) -> Nature {
    let nature = Nature::default();
    Nature {
        settings: atlas_privatelink_operator::controller::settings::Settings {
            default_deletion_policy,
            ..nature.settings.clone()
        },
        ..nature
    }
}

fn policy(policy: Option<&str>) -> Value {
    policy.map_or(json!({}), |policy| json!({"spec": {"deletionPolicy": policy}}))
}

/// Link and endpoint with this policy, Ready; `adopted`: both were there already.
async fn pair(default: DefaultDeletionPolicy, adopted: bool, of: Option<&str>) -> (World, Running) {
    let mut world = World::new(nature(default));
    world.credentials();
    if adopted {
        make_behind_the_back(&world).await;
    }
    let operator = world.start();
    world.apply(with(link("orders"), policy(of)));
    world.apply(with(endpoint("orders-a", "orders", VPCE), policy(of)));
    both_ready(&world).await;
    (world, operator)
}

#[tokio::test(start_paused = true)]
async fn the_manifest_goes_before_the_operators_default_and_that_before_who_made_it() {
    for default in [DefaultDeletionPolicy::Created, DefaultDeletionPolicy::Retain] {
        for adopted in [false, true] {
            for of in POLICIES {
                let (world, _operator) = pair(default, adopted, of).await;
                let scene = format!("default {default:?}, adopted {adopted}, policy {of:?}");
                world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
                world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
                world.until(10 * MINUTE, &scene, World::is_empty).await;
                let deleted = match (of, default) {
                    (Some("Delete"), _) => true,
                    (None, DefaultDeletionPolicy::Created) => !adopted,
                    (Some(_), _) | (None, DefaultDeletionPolicy::Retain) => false,
                };
                assert_eq!(world.services().is_empty(), deleted, "{scene}");
                assert_eq!(deletes(&world).is_empty(), !deleted, "{scene}: {:?}", deletes(&world));
                for name in ["orders", "orders-a"] {
                    let last = told(&world, name).last().cloned();
                    assert_eq!(last.as_deref(), Some(if deleted { "Deleted" } else { "Kept" }), "{scene}: {name}");
                }
                if deleted {
                    oracle::told_to_delete(&world);
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_default_of_retain_each_kind_is_deleted_only_where_its_own_manifest_says_so() {
    let default = DefaultDeletionPolicy::Retain;
    // The endpoint goes, its service stays.
    let (world, _operator) = pair(default, false, None).await;
    let service = only_service(&world);
    world.kube.patch(ENDPOINTS, NAMESPACE, "orders-a", policy(Some("Delete"))).unwrap();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(10 * MINUTE, "gone", |world| world.kube.list(LINKS).is_empty()).await;
    assert_eq!(world.ledger().endpoint_deletes(), [VPCE]);
    assert_eq!(only_service(&world), service);
    // The service is to go and cannot: the endpoint was let go, and is still attached.
    let (world, _operator) = pair(default, false, None).await;
    world.kube.patch(LINKS, NAMESPACE, "orders", policy(Some("Delete"))).unwrap();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let held = |world: &World| world.link_is("orders", Standing::Reconciling, "DeletionBlocked");
    world.until(5 * MINUTE, "held back", held).await;
    assert!(message(&world, LINKS, NAMESPACE, "orders").contains(VPCE));
    oracle::quiet_wait(&world).await;
    world.kube.patch(LINKS, NAMESPACE, "orders", json!({"spec": {"deletionPolicy": null}})).unwrap();
    world.until(MINUTE, "let go, for the default keeps it", |world| world.kube.list(LINKS).is_empty()).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}

/// An operator that is started with an older version of Atlas' API over what a newer one has made.
#[tokio::test(start_paused = true)]
async fn what_the_older_api_does_not_know_is_deleted_where_it_can_be_and_let_go_where_it_is_to_be_kept() {
    for (provider, region, listed) in [("AWS", "eu-south-2", true), ("AZURE", "eastus2", false)] {
        let mut world = World::new(Nature::default());
        world.credentials();
        world.apply(with(link("orders"), json!({"spec": {"provider": provider, "region": region}})));
        let operator = world.start();
        world.until(20 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
        operator.stop().await;
        world.nature.dialect = Dialect::V1;
        let operator = world.start();
        world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
        if !listed {
            world
                .until(5 * MINUTE, "stalled", |world| world.link_is("orders", Standing::Stalled, "InvalidRequest"))
                .await;
            let message = status(&world, LINKS, "orders")["conditions"][0]["message"].to_string();
            assert!(message.contains("--atlas-api-version v2") && message.contains("Retain"), "{message}");
            world.kube.patch(LINKS, NAMESPACE, "orders", json!({"spec": {"deletionPolicy": "Retain"}})).unwrap();
        }
        world.until(10 * MINUTE, "gone", World::is_empty).await;
        assert_eq!(world.services().is_empty(), listed, "{provider}");
        oracle::always(&world);
        operator.stop().await;
    }
}
