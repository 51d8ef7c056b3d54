//! The controllers: one for each kind and scope, over its watch.

use super::{
    Error, Parts,
    watches::{Wakers, Watch, channels, watches},
};
use crate::{
    atlas::{Atlas, inventory::Inventory},
    controller::{
        context::{Context, Jitter},
        driver::reconcile,
        events::Events,
        housekeeping,
        kind::Kind,
        memory::Memories,
        objects::Objects,
    },
    credentials::Credentials,
    metrics::{ErrorClass, state::Source},
    reconcile::attempt::Holder,
    server::{Health, Phase},
};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, select_all},
    stream,
};
use kube::{
    core::DeserializeGuard,
    runtime::{
        Config, Controller,
        controller::{self, Action},
        reflector::Store,
    },
};
use std::{convert::Infallible, sync::Arc, task::Poll};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Runs the controllers until `stop`, or until one ends on its own; `phase` is what they run in.
pub(super) async fn control(parts: Parts, phase: Phase, health: &Health, stop: CancellationToken) -> Result<(), Error> {
    let ctx = Arc::new(context(parts));
    let source: Arc<dyn Source> = ctx.clone();
    ctx.metrics.read_from(Arc::downgrade(&source));
    drop(source);
    let scopes: Vec<Option<String>> = match ctx.settings.namespaces.as_slice() {
        [] => vec![None],
        namespaces => namespaces.iter().cloned().map(Some).collect(),
    };
    let (wakers, woken): (Vec<_>, Vec<_>) = scopes.iter().map(|scope| channels(scope.as_deref())).unzip();
    let wakers = Wakers::new(wakers);
    let watches: Vec<_> = scopes
        .iter()
        .zip(woken)
        .map(|(scope, woken)| watches(&ctx, scope.as_deref(), health, (&wakers, woken)))
        .collect();
    ctx.links.fill_from(watches.iter().map(|(links, _)| links.store.clone()).collect());
    ctx.endpoints.fill_from(watches.iter().map(|(_, endpoints)| endpoints.store.clone()).collect());
    let _housekeeping = AbortOnDropHandle::new(tokio::spawn(housekeeping::run(ctx.clone())));
    let mut running = Vec::new();
    for (links, endpoints) in watches {
        running.push(drive(links, ctx.clone(), stop.clone()).boxed());
        running.push(drive(endpoints, ctx.clone(), stop.clone()).boxed());
    }
    health.set(phase);
    ctx.metrics.leader(true);
    oversee(running, health, &stop).await
}

/// Waits for the controllers, which end after `stop`. One that ends before leaves objects without anybody to look after
/// them, and what is left of the operator tells that and ends.
async fn oversee(mut running: Vec<BoxFuture<'_, ()>>, health: &Health, stop: &CancellationToken) -> Result<(), Error> {
    while !running.is_empty() {
        let ((), _, rest) = select_all(running).await;
        if !stop.is_cancelled() {
            health.set(Phase::Broken("a controller has ended".to_owned()));
            return Err(Error::ControllerEnded);
        }
        running = rest;
    }
    Ok(())
}

fn context(parts: Parts) -> Context {
    let Parts { client, transport, atlas, settings, clock, metrics, holder, seed, election: _ } = parts;
    let namespaces = settings.namespaces.clone();
    Context {
        inventory: Inventory::new(Atlas::new(atlas, transport), clock),
        credentials: Credentials::new(client.clone()),
        clock,
        memories: Memories::default(),
        metrics,
        jitter: Jitter::new(seed),
        events: Events::new(client.clone(), holder.clone(), clock),
        holder: Holder::new(holder),
        links: Objects::new(client.clone(), namespaces.clone()),
        endpoints: Objects::new(client.clone(), namespaces),
        filled: tokio::sync::watch::Sender::new(0),
        started: tokio::sync::OnceCell::new(),
        settings,
        client,
    }
}

async fn drive<K: Kind>(watch: Watch<K>, ctx: Arc<Context>, stop: CancellationToken) {
    let reconciled = |object: Arc<DeserializeGuard<K>>, ctx: Arc<Context>| async move {
        ctx.started().await;
        Ok::<Action, Infallible>(reconcile(object, ctx).await)
    };
    let never = |_: Arc<DeserializeGuard<K>>, error: &Infallible, _: Arc<Context>| match *error {};
    let config = Config::default().concurrency(ctx.settings.concurrency);
    let store = watch.store.clone();
    // What is woken would keep a controller going that sees no change any more.
    let watch_ended = CancellationToken::new();
    let events = watch.events.chain(stream::poll_fn({
        let watch_ended = watch_ended.clone();
        move |_| {
            watch_ended.cancel();
            Poll::Ready(None)
        }
    }));
    let controller = Controller::for_stream(events, watch.store)
        .with_config(config)
        .reconcile_on(UnboundedReceiverStream::new(watch.woken));
    let metrics = ctx.metrics.clone();
    let nothing_began = stopped_before_it_began(store, stop.clone());
    let results = controller.graceful_shutdown_on(stop.cancelled_owned()).run(reconciled, never, ctx);
    let driven = results.for_each(|result| {
        match result {
            // Gone between a deletion and its event; nothing is to be done.
            Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
            Err(controller::Error::QueueError(error)) => {
                tracing::warn!(%error, kind = %K::kind(&()), "a watch of the Kubernetes API failed and is tried again");
                metrics.reconcile_failed(ErrorClass::Watch);
            }
            Err(controller::Error::ReconcilerFailed(error, _)) => match error {},
            Err(error @ controller::Error::RunnerError(_)) => {
                tracing::error!(%error, "the controller's queue failed");
                metrics.reconcile_failed(ErrorClass::Queue);
            }
        }
        std::future::ready(())
    });
    tokio::select! {
        () = driven => {}
        () = nothing_began => {}
        () = watch_ended.cancelled() => {}
    }
}

/// Comes back when the end comes before the first list: kube's controller would wait for that, and no longer watch.
async fn stopped_before_it_began<K: Kind>(store: Store<DeserializeGuard<K>>, stop: CancellationToken) {
    stop.cancelled().await;
    if store.wait_until_ready().now_or_never().is_some() {
        std::future::pending::<()>().await;
    }
}

#[cfg(all(test, feature = "testbed"))]
mod tests {
    use super::*;
    use crate::{
        api::AtlasPrivateLink,
        atlas::{AtlasConfig, dialect::Dialect, url::BaseUrl},
        clock::Clock,
        controller::settings::Settings,
        metrics::Metrics,
        operator::watches::{Waker, Watch, channels},
        reconcile::policy::DefaultDeletionPolicy,
        testbed::{
            kubernetes::ApiServer,
            simulator::{self, Simulator},
        },
    };
    use futures::future;
    use kube::runtime::reflector;
    use std::time::Duration;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_secs(86_400);

    fn parts() -> Parts {
        let clock = Clock::starting_at("2026-11-21T08:00:00Z".parse().unwrap());
        let settings = Settings {
            poll_interval: Duration::from_secs(10),
            resync_interval: Duration::from_secs(900),
            default_deletion_policy: DefaultDeletionPolicy::Created,
            concurrency: 1,
            namespaces: Vec::new(),
        };
        Parts {
            client: ApiServer::new(clock).client(),
            transport: Simulator::new(simulator::Settings::default(), clock).transport(),
            atlas: AtlasConfig::new(BaseUrl::parse("https://cloud.mongodb.com", false).unwrap(), Dialect::V2),
            settings,
            clock,
            metrics: Metrics::default(),
            holder: "operator".to_owned(),
            seed: 0,
            election: None,
        }
    }

    /// A controller over these events, and what wakes its objects.
    fn controller(
        events: stream::BoxStream<'static, kube::runtime::watcher::Result<DeserializeGuard<AtlasPrivateLink>>>,
        stop: &CancellationToken,
    ) -> (BoxFuture<'static, ()>, Waker) {
        let (waker, (woken, _)) = channels(None);
        let (store, _) = reflector::store();
        let watch = Watch { events, store, woken };
        (drive(watch, Arc::new(context(parts())), stop.clone()).boxed(), waker)
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_ends_is_the_end_of_the_operator() {
        let (stop, health) = (CancellationToken::new(), Health::default());
        let (ends, _waker) = controller(stream::empty().boxed(), &stop);
        let (goes_on, _other) = controller(stream::pending().boxed(), &stop);
        let ended = timeout(LONG, oversee(vec![goes_on, ends], &health, &stop)).await;
        assert!(matches!(ended, Ok(Err(Error::ControllerEnded))), "{ended:?}");
        assert_eq!(health.fault().as_deref(), Some("a controller has ended"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_that_ends_is_the_end_of_the_operator() {
        let (stop, health) = (CancellationToken::new(), Health::default());
        let running = vec![future::pending().boxed(), future::ready(()).boxed()];
        let ended = timeout(LONG, oversee(running, &health, &stop)).await;
        assert!(matches!(ended, Ok(Err(Error::ControllerEnded))), "{ended:?}");
        assert_eq!(health.fault().as_deref(), Some("a controller has ended"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_told_to_end_is_no_fault() {
        let (stop, health) = (CancellationToken::new(), Health::default());
        let (first, _waker) = controller(stream::pending().boxed(), &stop);
        let (second, _other) = controller(stream::pending().boxed(), &stop);
        let mut ended = Box::pin(oversee(vec![first, second], &health, &stop));
        assert!(timeout(LONG, &mut ended).await.is_err(), "it ended without being told");
        stop.cancel();
        let ended = timeout(LONG, ended).await;
        assert!(matches!(ended, Ok(Ok(()))), "{ended:?}");
        assert_eq!(health.fault(), None);
    }
}
