//! Metrics tell what is and what happened: a life with faults, compared with what Atlas and the API server saw of it.

use super::{
    life::{RESYNC, both_are_ready, delete_both, get_ready},
    looks::somebody_has_detached,
    world::*,
};
use crate::monitoring::{
    documented,
    openmetrics::{Page, parse},
};
use atlas_privatelink_operator::{
    api::{RECONCILE_ANNOTATION, Standing},
    atlas::transport::{Transport, TransportError},
    testbed::simulator::{Change, Entry, Fault, Operation, Rule},
};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
const LINK: &str = "AtlasPrivateLink";
const ENDPOINT: &str = "AtlasInterfaceEndpoint";

fn page(operator: &Running) -> Page {
    let text = operator.metrics.text().unwrap();
    parse(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

fn metric(page: &Page, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    page.value(&format!("atlas_privatelink_{name}"), labels)
}

/// What the last answer told of the budget, as it went by.
struct Overheard {
    inner: Arc<dyn Transport>,
    left: Arc<Mutex<Option<String>>>,
}

impl Transport for Overheard {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let (sent, left) = (self.inner.send(request), self.left.clone());
        async move {
            let answer = sent.await?;
            if let Some(told) = answer.headers().get("ratelimit-remaining").filter(|_| answer.status() != 401) {
                *left.lock().unwrap() = Some(told.to_str().unwrap().to_owned());
            }
            Ok(answer)
        }
        .boxed()
    }
}

/// A life that is measured as it goes.
struct Life {
    world: World,
    operator: Running,
    left: Arc<Mutex<Option<String>>>,
    /// The labels that each family was ever seen with, and its type.
    seen: BTreeMap<String, (String, BTreeSet<String>)>,
}

impl Life {
    fn begin() -> Self {
        let mut world = World::new(Nature::default());
        let left = Arc::default();
        let transport = Overheard { inner: world.atlas.transport(), left: Arc::clone(&left) };
        let operator = world.start_over(Arc::new(transport));
        Self { world, operator, left, seen: BTreeMap::new() }
    }

    /// The page now; always right about what the API server and Atlas can tell.
    fn page(&mut self) -> Page {
        let page = page(&self.operator);
        for (name, family) in &page.0 {
            let (kind, labels) = self.seen.entry(name.clone()).or_default();
            kind.clone_from(&family.kind);
            let all = family.samples.iter().flat_map(|sample| sample.labels.keys());
            labels.extend(all.filter(|label| *label != "le").cloned());
        }
        self.agrees_with_the_cluster(&page);
        self.agrees_with_atlas(&page);
        page
    }

    fn agrees_with_the_cluster(&self, page: &Page) {
        let mut conditions = BTreeSet::new();
        for object in [LINKS, ENDPOINTS].iter().flat_map(|plural| self.world.kube.list(plural)) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
            let of = [("kind", kind.as_str()), ("namespace", NAMESPACE), ("name", name.as_str())];
            let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
            assert_eq!(metric(page, "resource_ready", &of), Some(u8::from(ready).into()), "{of:?}");
            let suspended = object["spec"]["suspend"] == true;
            assert_eq!(metric(page, "resource_suspended", &of), Some(u8::from(suspended).into()), "{of:?}");
            let deletion = object["metadata"]["deletionTimestamp"].as_str();
            let deletion = deletion.map(|at| at.parse::<jiff::Timestamp>().unwrap().as_second() as f64);
            assert_eq!(metric(page, "resource_deletion_timestamp_seconds", &of), deletion, "{of:?}");
            for one in all {
                conditions.insert([
                    kind.clone(),
                    name.clone(),
                    text(&one["type"]),
                    text(&one["status"]),
                    text(&one["reason"]),
                ]);
            }
        }
        let told = page.samples("atlas_privatelink_resource_condition", &[]).map(|sample| {
            assert_eq!(sample.value, 1.0);
            ["kind", "name", "type", "status", "reason"].map(|label| sample.labels[label].clone())
        });
        assert_eq!(told.collect::<BTreeSet<_>>(), conditions);
    }

    fn agrees_with_atlas(&self, page: &Page) {
        let ledger = self.world.ledger();
        let requests = ledger.iter().filter_map(Entry::request).count() as f64;
        let total = |name| metric(page, name, &[]).unwrap_or_default();
        assert_eq!(total("atlas_call_duration_seconds_count") + total("atlas_digest_challenges_total"), requests);
        for (word, operation) in [
            ("list_services", Operation::ListServices),
            ("create_service", Operation::CreateService),
            ("delete_service", Operation::DeleteService),
            ("get_endpoint", Operation::GetEndpoint),
            ("add_endpoint", Operation::AddEndpoint),
            ("remove_endpoint", Operation::DeleteEndpoint),
        ] {
            let done = |request: &&atlas_privatelink_operator::testbed::simulator::Request| {
                request.operation == Some(operation) && request.status.is_some_and(|status| status < 300)
            };
            let expected = ledger.requests().filter(done).count() as f64;
            let told = metric(page, "atlas_calls_total", &[("operation", word), ("class", "ok"), ("dialect", "v2")]);
            assert_eq!(told.unwrap_or_default(), expected, "{word}");
        }
        let calls = |operation| metric(page, "atlas_calls_total", &[("operation", operation)]);
        for (view, operation) in [("services", "list_services"), ("endpoint", "get_endpoint")] {
            let misses = metric(page, "inventory_reads_total", &[("view", view), ("result", "miss")]);
            assert_eq!(misses, calls(operation), "{view}");
        }
        let left = self.left.lock().unwrap().as_ref().map(|left| left.parse::<f64>().unwrap());
        let told = metric(page, "atlas_rate_limit_remaining", &[("project", PROJECT)]);
        assert_eq!(told, left.filter(|_| !self.world.kube.list(LINKS).is_empty()));
    }

    async fn until(&mut self, what: &str, mut condition: impl FnMut(&Page) -> bool) -> Page {
        for _ in 0..2 * 3600 {
            let page = page(&self.operator);
            if condition(&page) {
                return page;
            }
            self.world.pass(Duration::from_secs(1)).await;
        }
        panic!("never: {what}\n{}", self.operator.metrics.text().unwrap());
    }

    /// Lets nothing be under way, so that no answer is between Atlas and the page.
    async fn settle(&mut self) -> Page {
        self.world.pass(Duration::from_secs(3)).await;
        self.page()
    }

    fn request_reconcile(&self, what: &str) {
        let patch = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: what}}});
        self.world.kube.patch(LINKS, NAMESPACE, "orders", patch.clone()).unwrap();
        self.world.kube.patch(ENDPOINTS, NAMESPACE, "orders-a", patch).unwrap();
    }

    fn suspend(&self, suspend: Value) {
        self.world.kube.patch(LINKS, NAMESPACE, "orders", json!({"spec": {"suspend": suspend}})).unwrap();
    }

    async fn is_born(&mut self) {
        let page = self.settle().await;
        assert_eq!(metric(&page, "leader", &[]), Some(1.0));
        assert_eq!(metric(&page, "crds_missing", &[]), Some(0.0));
        assert_eq!(metric(&page, "build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
        assert_eq!(page.label_values("name"), BTreeSet::new());
        self.world.credentials();
        self.world.apply(link("orders"));
        self.world.apply(endpoint("orders-a", "orders", VPCE));
        let born = self.world.clock.now();
        let (mut link, mut endpoint) = (None, None);
        while link.is_none() || endpoint.is_none() {
            self.world.pass(Duration::from_secs(1)).await;
            let age = self.world.clock.now().duration_since(born).as_secs_f64();
            link = link.or(self.world.link_ready("orders").then_some(age));
            endpoint = endpoint.or(self.world.endpoint_ready("orders-a").then_some(age));
        }
        let page = self.settle().await;
        for (kind, took) in [(LINK, link.unwrap()), (ENDPOINT, endpoint.unwrap())] {
            assert_eq!(metric(&page, "resource_time_to_ready_seconds_count", &[("kind", kind)]), Some(1.0));
            let sum = metric(&page, "resource_time_to_ready_seconds_sum", &[("kind", kind)]).unwrap();
            assert!((sum - took).abs() <= 2.0, "{kind}: {sum}, and it took {took}");
            assert!(metric(&page, "reconcile_duration_seconds_count", &[("kind", kind)]).unwrap() > 2.0);
        }
        assert!(metric(&page, "inventory_reads_total", &[("result", "hit")]).unwrap() > 0.0);
        for never in ["reconcile_errors_total", "atlas_calls_held_back_total", "atlas_credentials_refused_total"] {
            assert_eq!(metric(&page, never, &[]).unwrap_or_default(), 0.0, "{never}");
        }
        assert_eq!(metric(&page, "resource_drift_repaired_total", &[]), Some(0.0));
        assert_eq!(metric(&page, "resources_in_backoff", &[]), Some(0.0));
    }

    async fn grows_older(&mut self) {
        let age = |page: &Page| metric(page, "inventory_age_seconds", &[("project", PROJECT), ("provider", "AWS")]);
        self.world.pass(RESYNC).await;
        self.until("a fresh list", |page| age(page).unwrap() < 5.0).await;
        let young = age(&self.page()).unwrap();
        self.world.pass(5 * MINUTE).await;
        let old = age(&self.page()).unwrap();
        assert!((old - young - 300.0).abs() < 1.0, "{young} and then {old}");
    }

    async fn loses_its_endpoint(&mut self) {
        let services = self.world.services();
        somebody_has_detached(&self.world, services[0]["id"].as_str().unwrap(), VPCE);
        self.until("noticed", |page| metric(page, "resource_ready", &[("name", "orders-a")]) == Some(0.0)).await;
        let (lost, before) = (self.world.clock.now(), self.settle().await);
        assert_eq!(metric(&before, "resource_drift_repaired_total", &[]), Some(0.0), "it is not there again yet");
        self.world.until(RESYNC, "both Ready", both_are_ready).await;
        let took = self.world.clock.now().duration_since(lost).as_secs_f64();
        let page = self.settle().await;
        assert_eq!(
            metric(&page, "resource_drift_repaired_total", &[("kind", ENDPOINT), ("name", "orders-a")]),
            Some(1.0)
        );
        assert_eq!(metric(&page, "resource_drift_repaired_total", &[("kind", LINK)]), Some(0.0));
        assert_eq!(metric(&page, "resource_time_to_ready_seconds_count", &[("kind", ENDPOINT)]), Some(2.0));
        let sum = |page: &Page| metric(page, "resource_time_to_ready_seconds_sum", &[("kind", ENDPOINT)]).unwrap();
        let measured = sum(&page) - sum(&before);
        assert!((measured - took).abs() <= 3.0, "from when it was Ready last: {measured}, and it took {took}");
    }

    async fn is_suspended_for_a_while(&mut self) {
        self.suspend(json!(true));
        let page = self.settle().await;
        assert_eq!(metric(&page, "resource_suspended", &[]), Some(1.0));
        self.suspend(Value::Null);
        self.settle().await;
    }

    async fn is_refused(&mut self) {
        let name = PUBLIC.to_owned();
        self.world.change(Change::Enable { name: name.clone(), enabled: false });
        self.request_reconcile("refused");
        let refused = |world: &World| world.link_is("orders", Standing::Stalled, "CredentialsRefused");
        self.world.until(RESYNC, "refused", refused).await;
        let page = self.settle().await;
        let calls = metric(&page, "atlas_calls_total", &[("class", "denied_credentials")]);
        assert!(calls.is_some_and(|calls| calls > 0.0));
        assert_eq!(metric(&page, "atlas_credentials_refused_total", &[]), calls);
        assert!(metric(&page, "reconcile_errors_total", &[("class", "denied_credentials")]).unwrap() > 0.0);
        self.suspend(json!(true));
        assert_eq!(metric(&self.settle().await, "resource_suspended", &[]), Some(1.0));
        self.suspend(Value::Null);
        self.world.change(Change::Enable { name, enabled: true });
        get_ready(&self.world).await;
        self.settle().await;
    }

    async fn is_throttled(&mut self) {
        self.world.atlas.inject(Rule::everywhere(Fault::ThrottledSeconds { seconds: 600 }));
        self.request_reconcile("throttled");
        self.until("throttled", |page| metric(page, "atlas_calls_total", &[("class", "throttled")]).is_some()).await;
        // Another provider is another list, of the same project.
        let beside = json!({"spec": {"provider": "AZURE", "region": "eastus2"}});
        self.world.apply(with(link("beside"), beside));
        self.until("held back", |page| metric(page, "atlas_calls_held_back_total", &[]).unwrap() > 0.0).await;
        let page = self.settle().await;
        let asked = self.world.ledger().requests().filter(|request| request.status == Some(429)).count() as f64;
        let throttled = metric(&page, "atlas_calls_total", &[("class", "throttled")]).unwrap();
        assert_eq!(throttled, asked + metric(&page, "atlas_calls_held_back_total", &[]).unwrap());
        assert!(metric(&page, "reconcile_errors_total", &[("class", "throttled")]).unwrap() > 0.0);
        self.world.atlas.clear_faults();
        self.world.until(RESYNC, "all Ready", |world| both_are_ready(world) && world.link_ready("beside")).await;
        assert_eq!(self.settle().await.label_values("provider"), BTreeSet::from(["AWS", "AZURE"]));
        self.world.kube.delete(LINKS, NAMESPACE, "beside").unwrap();
        self.world.until(RESYNC, "gone", |world| world.find_link(NAMESPACE, "beside").is_none()).await;
        assert_eq!(self.settle().await.label_values("provider"), BTreeSet::from(["AWS"]));
    }

    async fn is_not_answered(&mut self) {
        let waiting =
            |page: &Page| [LINK, ENDPOINT].map(|kind| metric(page, "resources_in_backoff", &[("kind", kind)]));
        self.world.atlas.inject(Rule::everywhere(Fault::BadGateway));
        self.until("in backoff", |page| waiting(page) == [Some(1.0); 2]).await;
        self.world.atlas.clear_faults();
        self.until("answered", |page| waiting(page) == [Some(0.0); 2]).await;
    }

    async fn goes(&mut self) {
        self.world.atlas.inject(Rule::always(Operation::DeleteEndpoint, Fault::ConflictUnknown));
        let count = |page: &Page, kind| metric(page, "resource_time_to_delete_seconds_count", &[("kind", kind)]);
        let sum =
            |page: &Page| metric(page, "resource_time_to_delete_seconds_sum", &[("kind", LINK)]).unwrap_or_default();
        let before = self.settle().await;
        delete_both(&self.world);
        let asked = self.world.clock.now();
        self.until("in backoff", |page| metric(page, "resources_in_backoff", &[("kind", ENDPOINT)]) == Some(1.0)).await;
        let page = self.settle().await;
        assert_eq!(metric(&page, "resources_in_backoff", &[("kind", LINK)]), Some(0.0));
        assert!(metric(&page, "reconcile_errors_total", &[("class", "not_yet")]).unwrap() > 0.0);
        self.world.atlas.clear_faults();
        self.world.until(3 * RESYNC, "gone", World::is_empty).await;
        let took = self.world.clock.now().duration_since(asked).as_secs_f64();
        let page = self.settle().await;
        for kind in [LINK, ENDPOINT] {
            assert_eq!(count(&page, kind), Some(count(&before, kind).unwrap_or_default() + 1.0));
        }
        let measured = sum(&page) - sum(&before);
        assert!((measured - took).abs() <= 2.0, "{measured}, and it took {took}");
        for label in ["namespace", "name", "project"] {
            assert_eq!(page.label_values(label), BTreeSet::new(), "nothing is left of the {label}");
        }
    }
}

/// Both kinds from their making to their end; the README's table is compared with everything that was ever exposed.
#[tokio::test(start_paused = true)]
async fn a_life_is_measured_and_every_metric_documented() {
    let mut life = Life::begin();
    life.is_born().await;
    life.grows_older().await;
    life.loses_its_endpoint().await;
    life.is_suspended_for_a_while().await;
    life.is_refused().await;
    life.is_throttled().await;
    life.is_not_answered().await;
    life.goes().await;
    let exposed = life.seen.iter().map(|(name, (kind, labels))| documented::Metric::of(name, kind, labels.clone()));
    assert_eq!(exposed.collect::<BTreeSet<_>>(), documented::metrics());
}

/// A service that somebody deletes in Atlas counts as mended when there is another, and each time anew.
#[tokio::test(start_paused = true)]
async fn services_that_are_made_again_are_counted() {
    let mut world = World::new(Nature::default());
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    world.until(RESYNC, "Ready", |world| world.link_ready("orders")).await;
    for times in 1..=3 {
        let service = world.services()[0]["id"].as_str().unwrap().to_owned();
        world.change(Change::DeleteService { project: PROJECT.to_owned(), service });
        world.until(RESYNC, "noticed", |world| !world.link_ready("orders")).await;
        world.until(RESYNC, "made again", |world| world.link_ready("orders")).await;
        let repaired = metric(&page(&operator), "resource_drift_repaired_total", &[("kind", LINK), ("name", "orders")]);
        assert_eq!(repaired, Some(times.into()));
    }
    assert_eq!(world.calls(Operation::CreateService), 4);
}

/// What ends leaves no object behind on its page, and what stands by never has any.
#[tokio::test(start_paused = true)]
async fn only_a_working_operator_shows_objects() {
    let mut life = Life::begin();
    life.is_born().await;
    assert_eq!(life.page().label_values("name"), BTreeSet::from(["orders", "orders-a"]));
    let metrics = life.operator.metrics.clone();
    life.operator.stop().await;
    let after = parse(&metrics.text().unwrap()).unwrap();
    assert_eq!(after.label_values("name"), BTreeSet::new());
    assert_eq!(metric(&after, "resource_time_to_ready_seconds_count", &[("kind", LINK)]), Some(1.0));
}

/// A hundred links cost a few hundred kilobytes at most, whoever reads them.
#[tokio::test(start_paused = true)]
async fn a_hundred_links_fit_on_a_small_page() {
    let mut world = World::new(Nature::default());
    world.credentials();
    for number in 0..100 {
        let project = format!("5df264b8f10fab7d2cad{number:04x}");
        world.apply(with(link(&format!("orders-{number}")), json!({"spec": {"projectId": project}})));
    }
    let operator = world.start();
    world.until(RESYNC, "all Ready", |world| (0..100).all(|n| world.link_ready(&format!("orders-{n}")))).await;
    assert_eq!(page(&operator).label_values("project").len(), 100);
    let size = operator.metrics.text().unwrap().len();
    assert!(size < 200_000, "{size} bytes");
}

/// Makes and deletes objects at random; `plan` says which, and whether they are there to be made or to go.
async fn comes_and_goes(plan: Vec<(usize, bool)>) {
    let mut world = World::new(Nature::default());
    world.credentials();
    let operator = world.start();
    for (number, makes) in plan {
        let (plural, name) = (if number % 2 == 0 { LINKS } else { ENDPOINTS }, format!("object-{number}"));
        match (makes, number % 2) {
            (true, 0) => world.apply(link(&name)),
            (true, _) => world.apply(endpoint(&name, "object-0", &format!("vpce-0b9c5701325cb{number:04x}"))),
            (false, _) => drop(world.kube.delete(plural, NAMESPACE, &name)),
        }
        world.pass(7 * MINUTE).await;
        let there = [LINKS, ENDPOINTS].iter().flat_map(|plural| world.kube.list(plural));
        let there: BTreeSet<_> = there.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        let page = page(&operator);
        let named: BTreeSet<_> = page.label_values("name").into_iter().map(str::to_owned).collect();
        assert_eq!(named, there);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn series_name_exactly_the_objects_that_there_are(plan in prop::collection::vec((0..6_usize, any::<bool>()), 1..14)) {
        if let Err(why) = super::alone::alone(|| comes_and_goes(plan)) {
            panic!("{why}");
        }
    }
}
