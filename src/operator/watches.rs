//! The watches of both kinds, and what a change of one object wakes.

use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink},
    controller::{context::Context, kind::Kind, objects::Watched},
    reconcile::{
        endpoint::link::{name_of, named_by},
        link::resolve::{key_of, tells_others},
    },
    server::Health,
};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http::Request;
use kube::{
    Api, Client, ResourceExt,
    client::Body,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The API of one kind and scope, whose every answer, or known lack of one, tells `health` that its watch lives.
fn heard<K: Kind>(client: &Client, namespace: Option<&str>, health: &Health) -> Api<DeserializeGuard<K>> {
    let of = namespace.map_or_else(|| "in all namespaces".to_owned(), |namespace| format!("in namespace {namespace}"));
    let pulse = health.watch(format!("{} {of}", K::plural(&())));
    let (client, default) = (client.clone(), client.default_namespace().to_owned());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, pulse) = (client.clone(), pulse.clone());
        async move {
            let answer: Result<_, kube::Error> = client.send(request).await;
            // A watch that goes well is begun anew every two minutes, whether or not anything happens in it.
            match &answer {
                Ok(answer) => pulse.beat(answer.status()),
                Err(_) => pulse.fails(),
            }
            answer
        }
    });
    let client = Client::new(service, default);
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// How long the API server is asked to keep a watch open, in seconds. Where nothing happens it tells nothing, not even a
/// bookmark; the client gives up one that does not end in time, and that it begins anew is its sign of life.
const LENGTH: u32 = 120;

/// One watch: its events, the store that they fill, and further objects to wake.
pub(super) struct Watch<K: Kind> {
    pub(super) events: BoxStream<'static, watcher::Result<DeserializeGuard<K>>>,
    pub(super) store: Store<DeserializeGuard<K>>,
    pub(super) woken: UnboundedReceiver<Ref<K>>,
}

pub(super) type Ref<K> = ObjectRef<DeserializeGuard<K>>;

/// Where to send what is to be woken in a namespace (`None`: in all of them).
pub(super) struct Waker {
    namespace: Option<String>,
    links: UnboundedSender<Ref<AtlasPrivateLink>>,
    endpoints: UnboundedSender<Ref<AtlasInterfaceEndpoint>>,
}

/// The other ends of a [`Waker`].
pub(super) type Woken = (UnboundedReceiver<Ref<AtlasPrivateLink>>, UnboundedReceiver<Ref<AtlasInterfaceEndpoint>>);

pub(super) fn channels(namespace: Option<&str>) -> (Waker, Woken) {
    let (links, links_woken) = unbounded_channel();
    let (endpoints, endpoints_woken) = unbounded_channel();
    (Waker { namespace: namespace.map(str::to_owned), links, endpoints }, (links_woken, endpoints_woken))
}

/// The wakers of all scopes.
#[derive(Clone)]
pub(super) struct Wakers(Arc<[Waker]>);

impl Wakers {
    pub(super) fn new(wakers: Vec<Waker>) -> Self {
        Self(wakers.into())
    }

    fn of<K: Kind>(&self, object: &Ref<K>) -> Option<&Waker> {
        self.0.iter().find(|waker| waker.namespace.is_none() || waker.namespace == object.namespace)
    }

    // A controller that has ended wakes nobody; then the operator is about to end.
    fn wake_link(&self, link: Ref<AtlasPrivateLink>) {
        let _ = self.of(&link).map(|waker| waker.links.send(link));
    }

    fn wake_endpoint(&self, endpoint: Ref<AtlasInterfaceEndpoint>) {
        let _ = self.of(&endpoint).map(|waker| waker.endpoints.send(endpoint));
    }
}

/// Watches both kinds in one namespace, or in all. A change of one object wakes the others that may wait for it, and
/// always after the store shows the change: a watch of their own could wake them too early, and nobody would again.
pub(super) fn watches(
    ctx: &Arc<Context>,
    namespace: Option<&str>,
    health: &Health,
    (wakers, (links_woken, endpoints_woken)): (&Wakers, Woken),
) -> (Watch<AtlasPrivateLink>, Watch<AtlasInterfaceEndpoint>) {
    let (of, wake, wake_own) = (ctx.clone(), wakers.clone(), wakers.clone());
    let api = heard::<AtlasPrivateLink>(&ctx.client, namespace, health);
    let wake_own = move |link| wake_own.wake_link(link);
    let links = watch(ctx, api, links_woken, wake_own, move |links: &[&AtlasPrivateLink]| {
        endpoints_of(&of, links).into_iter().for_each(|endpoint| wake.wake_endpoint(endpoint));
        let telling: Vec<_> = links.iter().copied().filter(|link| tells_others(&of, link)).collect();
        links_beside(&of, &telling).into_iter().for_each(|other| wake.wake_link(other));
    });
    let (wake, wake_own) = (wakers.clone(), wakers.clone());
    let api = heard::<AtlasInterfaceEndpoint>(&ctx.client, namespace, health);
    let wake_own = move |endpoint| wake_own.wake_endpoint(endpoint);
    let endpoints = watch(ctx, api, endpoints_woken, wake_own, move |endpoints: &[&AtlasInterfaceEndpoint]| {
        links_of(endpoints).into_iter().for_each(|link| wake.wake_link(link));
    });
    (links, endpoints)
}

fn watch<K: Kind>(
    ctx: &Arc<Context>,
    api: Api<DeserializeGuard<K>>,
    woken: UnboundedReceiver<Ref<K>>,
    wake_own: impl Fn(Ref<K>) + Send + 'static,
    wake_others: impl Fn(&[&K]) + Send + Sync + 'static,
) -> Watch<K> {
    let (store, writer) = reflector::store();
    let (of, shown, mut is_first) = (ctx.clone(), store.clone(), true);
    let wake_others = Arc::new(wake_others);
    let wake_others_of_all = wake_others.clone();
    let events = watcher(api, watcher::Config::default().timeout(LENGTH))
        .default_backoff()
        // Nothing here asks who owns which field, and they are half of an object's size.
        .modify(|guard: &mut DeserializeGuard<K>| {
            if let Ok(object) = &mut guard.0 {
                object.managed_fields_mut().clear()
            }
        })
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::Apply(guard) | watcher::Event::InitApply(guard) => {
                // One that cannot be decoded is decided on by nobody.
                if let Ok(object) = &guard.0 {
                    of.reached(object);
                }
                // The others do without it; and who lists has missed what was told meanwhile.
                if guard.0.is_err() || matches!(event, watcher::Event::InitApply(_)) {
                    of.memories.with_known(&guard.uid().unwrap_or_default(), |memory| memory.told_others = None);
                }
            }
            watcher::Event::Delete(object) => of.memories.forget(&object.uid().unwrap_or_default()),
            watcher::Event::InitDone => {
                of.forget_the_gone();
                if std::mem::take(&mut is_first) {
                    of.filled.send_modify(|filled| *filled += 1);
                }
                let all = shown.state();
                all.iter().for_each(|guard| wake_own(ObjectRef::from_obj(&**guard)));
                wake_others_of_all(&all.iter().filter_map(|guard| guard.0.as_ref().ok()).collect::<Vec<_>>());
            }
            watcher::Event::Init => {}
        })
        .try_filter_map(|event| std::future::ready(Ok(changed(event))))
        .inspect_ok(move |guard| guard.0.iter().for_each(|object| wake_others(&[object])));
    Watch { events: events.boxed(), store, woken }
}

/// The object of a change. What a list shows is in the store, and woken, once the list is complete.
fn changed<K>(event: watcher::Event<K>) -> Option<K> {
    match event {
        watcher::Event::Apply(object) | watcher::Event::Delete(object) => Some(object),
        watcher::Event::Init | watcher::Event::InitApply(_) | watcher::Event::InitDone => None,
    }
}

/// A change of a link wakes its endpoints, which may wait for it to be Ready.
fn endpoints_of(ctx: &Context, links: &[&AtlasPrivateLink]) -> Vec<Ref<AtlasInterfaceEndpoint>> {
    let of: HashSet<_> = links.iter().map(|link| name_of(link)).collect();
    let all = ctx.endpoints.cached();
    let of_one = |endpoint: &&AtlasInterfaceEndpoint| of.contains(&named_by(endpoint));
    all.iter().filter_map(Watched::get).filter(of_one).map(reference_to).collect()
}

/// A link that has something new to tell wakes the others of its key.
fn links_beside(ctx: &Context, links: &[&AtlasPrivateLink]) -> Vec<Ref<AtlasPrivateLink>> {
    if links.is_empty() {
        return Vec::new();
    }
    let keys: HashSet<_> = links.iter().filter_map(|link| key_of(link)).collect();
    let projects: HashSet<_> = links.iter().map(|link| &link.spec.project_id).collect();
    let own: HashSet<_> = links.iter().map(|link| &link.metadata.uid).collect();
    let all = ctx.links.cached();
    let beside = |other: &&AtlasPrivateLink| {
        projects.contains(&other.spec.project_id)
            && !own.contains(&other.metadata.uid)
            && key_of(other).is_some_and(|key| keys.contains(&key))
    };
    all.iter().filter_map(Watched::get).filter(beside).map(reference_to).collect()
}

/// A change of an endpoint wakes its link, which may wait for it to go.
fn links_of(endpoints: &[&AtlasInterfaceEndpoint]) -> HashSet<Ref<AtlasPrivateLink>> {
    let link = |endpoint: &&AtlasInterfaceEndpoint| {
        ObjectRef::new(&endpoint.spec.private_link_ref.name).within(&endpoint.namespace().unwrap_or_default())
    };
    endpoints.iter().map(link).collect()
}

fn reference_to<K: Kind>(object: &K) -> Ref<K> {
    ObjectRef::new(&object.name_any()).within(&object.namespace().unwrap_or_default())
}
