//! The actions of Argo CD: what is offered, and what becomes of an object on a real API server when the patch is sent that
//! Argo CD makes of an action's result.

use super::program::{Action, act};
use crate::cluster::*;
use serde_json::{Value, json};

const REQUEST: &str = "atlas.privatelink.dev/reconcile-requested-at";

/// An object and its operator, as a person at Argo CD sees them.
struct Page<'a> {
    world: &'a World,
    plural: &'static str,
    name: &'static str,
}

impl Page<'_> {
    async fn object(&self) -> Value {
        self.world.get(self.plural, self.name).await.expect("it is there")
    }

    /// The object once it is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.world.until(SOON, what, async |_: &World| is_so(&self.object().await)).await;
        self.object().await
    }

    /// Picks an action; gives the patch that was sent, and the object as the API server has taken it.
    async fn pick(&self, action: &str) -> (Value, Value) {
        let object = self.object().await;
        let offer = act(&object, action);
        let offered = offer.actions.iter().find(|offered| offered.name == action).expect("it is offered");
        assert!(!offered.disabled, "{action} is disabled: {object:#}");
        let strict = format!("{}?fieldValidation=Strict", self.name);
        let taken = self.world.merge(self.plural, &strict, &offer.patch).await.expect("the API server takes it");
        (offer.patch, taken)
    }

    async fn offers(&self) -> Vec<Action> {
        act(&self.object().await, "reconcile").actions
    }
}

/// The three actions, and which of them can be picked.
fn actions(reconcile: bool, resume: bool, suspend: bool) -> Vec<Action> {
    let action = |name: &str, enabled: bool| Action { name: name.to_owned(), disabled: !enabled };
    vec![action("reconcile", reconcile), action("resume", resume), action("suspend", suspend)]
}

fn follows(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

async fn each_action_does_what_it_says(page: Page<'_>) {
    assert_eq!(page.offers().await, actions(true, false, true));
    // Twice: the second request must be a new one.
    for _ in 0..2 {
        let (patch, taken) = page.pick("reconcile").await;
        let asked = patch["metadata"]["annotations"][REQUEST].as_str().expect("a request").to_owned();
        assert_eq!(patch, json!({"metadata": {"annotations": {REQUEST: asked}}}), "nothing else is changed");
        assert_eq!(taken["metadata"]["annotations"][REQUEST], asked);
        page.until("answered", |object| object["status"]["lastHandledReconcileAt"] == asked).await;
    }
    let (patch, _) = page.pick("suspend").await;
    assert_eq!(patch, json!({"spec": {"suspend": true}}));
    page.until("suspended", |object| object["spec"]["suspend"] == true && follows(object)).await;
    assert_eq!(page.offers().await, actions(false, true, false));
    let (patch, taken) = page.pick("resume").await;
    assert_eq!(patch, json!({"spec": {"suspend": null}}), "the field goes: self-heal would see a false");
    assert!(taken["spec"].get("suspend").is_none(), "{taken:#}");
    page.until("resumed", |object| is_ready(object) && follows(object)).await;
    assert_eq!(page.offers().await, actions(true, false, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_actions_are_taken_by_the_api_server_and_do_what_they_say() {
    let world = World::new(Nature::default()).await;
    let _operator = world.start();
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        world.until_ready(plural, name).await;
        each_action_does_what_it_says(Page { world: &world, plural, name }).await;
    }
    // A suspended object writes nothing to Atlas, and a resumed one goes on.
    let page = Page { world: &world, plural: ENDPOINTS, name: "orders-a" };
    page.pick("suspend").await;
    page.until("suspended", follows).await;
    world.delete(ENDPOINTS, "orders-a").await;
    let waits = |object: &Value| object["status"]["conditions"][0]["reason"] == "Suspended";
    page.until("its deletion waits", waits).await;
    assert!(world.ledger().endpoint_adds().len() == 1 && !world.services().is_empty());
    page.pick("resume").await;
    world.until_gone(ENDPOINTS, "orders-a").await;
    world.always().await;
}
