//! Moving in: service and endpoint are there, and another tool has made them. It lets go of them, or it does not.

use super::{
    hands::{NEW, make_behind_the_back},
    looks::*,
    oracle,
    world::*,
};
use atlas_privatelink_operator::{
    api::Standing,
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Operation},
};
use serde_json::{Value, json};
use std::time::Duration;

const BOTH: [(&str, &str); 2] = [(ENDPOINTS, "orders-a"), (LINKS, "orders")];

/// An operator, credentials, and what another tool has made.
async fn furnished(dialect: Dialect) -> (World, Running) {
    let mut world = World::new(Nature::of(dialect));
    make_behind_the_back(&world).await;
    world.credentials();
    let operator = world.start();
    (world, operator)
}

/// Applies manifests without any policy, and sees that they use what is there, and that nothing is written to Atlas.
async fn moves_in(world: &World) {
    let service = only_service(world);
    let writes = writes_to_atlas(world);
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(world).await;
    assert!(BOTH.iter().all(|(plural, name)| ready_as(world, plural, NAMESPACE, name, "Adopted")));
    assert_eq!(status(world, LINKS, "orders")["privateLinkId"], service);
    assert_eq!(writes_to_atlas(world), writes, "an adoption writes to Atlas");
}

async fn moves_out(world: &World) {
    for (plural, name) in BOTH {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.until(10 * MINUTE, "both gone", World::is_empty).await;
}

/// Atlas' side of the endpoint: its ids.
/// From Terraform, which forgets what it has made (`terraform state rm`) and writes nothing more.
#[tokio::test(start_paused = true)]
async fn what_terraform_has_made_is_adopted_kept_and_deleted_only_when_the_manifests_say_so() {
    for dialect in [Dialect::V2, Dialect::V1] {
        let (world, _operator) = furnished(dialect).await;
        let service = only_service(&world);
        moves_in(&world).await;
        oracle::quiet_hour(&world).await;
        moves_out(&world).await;
        assert_eq!((only_service(&world), attached(&world)), (service.clone(), vec![VPCE.to_owned()]));
        assert_eq!(deletes(&world), Vec::<String>::new());
        oracle::always(&world);

        moves_in(&world).await;
        assert_eq!(only_service(&world), service);
        for (plural, name) in BOTH {
            world.kube.patch(plural, NAMESPACE, name, json!({"spec": {"deletionPolicy": "Delete"}})).unwrap();
        }
        world.pass(MINUTE).await;
        oracle::quiet_hour(&world).await;
        moves_out(&world).await;
        assert_eq!(world.services(), Vec::<Value>::new(), "{dialect}");
        oracle::told_to_delete(&world);
    }
}

/// The operator that was there before, as it treats one of its resources: it takes what it finds in the region, attaches
/// what its resource lists, detaches everything else, and deletes with its resource, unless it is told to keep.
struct Incumbent {
    lists: Vec<&'static str>,
    keep: bool,
}

impl Incumbent {
    fn reconciles(&self, world: &World) {
        let service = only_service(world);
        let attached = attached(world);
        for endpoint in attached.iter().filter(|endpoint| !self.lists.contains(&endpoint.as_str())) {
            somebody_has_detached(world, &service, endpoint);
        }
        for endpoint in self.lists.iter().filter(|endpoint| !attached.contains(&(**endpoint).to_owned())) {
            let (project, service, endpoint) = (PROJECT.to_owned(), service.clone(), (*endpoint).to_owned());
            world.change(Change::AddEndpoint { project, service, endpoint, ready: true });
        }
    }

    /// Its resource is deleted, and it with it.
    fn leaves(self, world: &World) {
        if self.keep {
            return;
        }
        let service = only_service(world);
        for endpoint in attached(world) {
            somebody_has_detached(world, &service, &endpoint);
        }
        world.change(Change::DeleteService { project: PROJECT.to_owned(), service });
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_incumbent_keeps_is_adopted() {
    for dialect in [Dialect::V2, Dialect::V1] {
        let (world, _operator) = furnished(dialect).await;
        let incumbent = Incumbent { lists: vec![VPCE], keep: true };
        incumbent.reconciles(&world);
        let service = only_service(&world);
        incumbent.leaves(&world);
        assert_eq!((only_service(&world), attached(&world)), (service, vec![VPCE.to_owned()]));
        moves_in(&world).await;
        oracle::quiet_hour(&world).await;
        oracle::always(&world);
    }
}

/// The wrong order: it is deleted, and not told to keep, while the manifests already use what it has made.
#[tokio::test(start_paused = true)]
async fn what_the_incumbent_takes_with_it_is_told_and_made_anew() {
    for dialect in [Dialect::V2, Dialect::V1] {
        let (world, _operator) = furnished(dialect).await;
        let incumbent = Incumbent { lists: vec![VPCE], keep: false };
        moves_in(&world).await;
        let (old, old_name) = (only_service(&world), service_name(&world));
        incumbent.leaves(&world);
        let noticed = |world: &World| world.link_is("orders", Standing::Reconciling, "Creating");
        world.until(17 * MINUTE, "noticed", noticed).await;
        world.until(10 * MINUTE, "made anew", |world| world.link_ready("orders")).await;
        assert_ne!(only_service(&world), old);
        let useless = |world: &World| world.endpoint_is("orders-a", Standing::Stalled, "ServiceReplaced");
        world.until(MINUTE, "told", useless).await;
        let said = message(&world, ENDPOINTS, NAMESPACE, "orders-a");
        assert!(said.contains(&service_name(&world)), "{said}");
        // What is told comes after what is shown.
        world.pass(Duration::from_secs(1)).await;
        assert_eq!(
            told(&world, "orders"),
            ["Adopted", "Ready", "ServiceGone", "Created", "ServiceNameChanged", "Ready"]
        );
        assert!(note(&world, "orders", "ServiceNameChanged").contains(&old_name));
        assert_eq!(told(&world, "orders-a"), ["Adopted", "Ready", "EndpointGone", "ServiceReplaced"]);
        assert_eq!(world.calls(Operation::CreateService), 1);
        // From now on it is this resource's own, and another VPC endpoint mends it.
        world.kube.patch(ENDPOINTS, NAMESPACE, "orders-a", json!({"spec": {"interfaceEndpointId": NEW}})).unwrap();
        both_ready(&world).await;
        assert!(BOTH.iter().all(|(plural, name)| ready_as(&world, plural, NAMESPACE, name, "Created")));
    }
}

/// A link that adopts only makes no service in the place of one that is gone.
#[tokio::test(start_paused = true)]
async fn what_was_only_to_be_adopted_is_not_made_anew() {
    let (world, _operator) = furnished(Dialect::V2).await;
    world.apply(with(link("orders"), json!({"spec": {"adoptionPolicy": "AdoptOnly"}})));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    Incumbent { lists: vec![VPCE], keep: false }.leaves(&world);
    let waits = |world: &World| world.link_is("orders", Standing::Reconciling, "WaitingForService");
    world.until(17 * MINUTE, "noticed", waits).await;
    world.pass(HOUR).await;
    assert!(waits(&world) && !world.endpoint_ready("orders-a"), "{}", world.picture());
    assert_eq!((world.services(), writes_to_atlas(&world)), (Vec::<Value>::new(), 0));
}

fn service_name(world: &World) -> String {
    status(world, LINKS, "orders")["endpointServiceName"].as_str().unwrap().to_owned()
}

/// Both at once: whatever its resource does not list, the incumbent detaches, again and again.
#[tokio::test(start_paused = true)]
async fn beside_the_incumbent_an_endpoint_of_ours_is_detached_and_attached_without_end() {
    let (world, operator) = furnished(Dialect::V2).await;
    let incumbent = Incumbent { lists: vec![VPCE], keep: true };
    world.apply(link("orders"));
    world.apply(endpoint("orders-b", "orders", NEW));
    for round in 1..=3 {
        world.until(30 * MINUTE, "attached", |world| world.endpoint_ready("orders-b")).await;
        incumbent.reconciles(&world);
        world.until(17 * MINUTE, "missed", |world| !world.endpoint_ready("orders-b")).await;
        world.pass(Duration::from_secs(1)).await;
        let gone = told(&world, "orders-b").iter().filter(|reason| *reason == "EndpointGone").count();
        assert_eq!(gone, round, "{:?}", told(&world, "orders-b"));
    }
    world.until(30 * MINUTE, "attached", |world| world.endpoint_ready("orders-b")).await;
    let page = operator.metrics.text().unwrap();
    let drift = page.lines().find(|line| line.contains("drift_repaired_total") && line.contains("orders-b"));
    assert!(
        drift.is_some_and(|line| line.ends_with(" 3")),
        "the alert on a drift loop has nothing to go by: {drift:?}"
    );
}
