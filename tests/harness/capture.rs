//! Everything that is logged on this thread, at any level.

use std::{
    collections::BTreeMap,
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};
use tracing::{
    Dispatch, Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// Names and values of the fields.
pub type Fields = BTreeMap<&'static str, String>;

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    pub level: Level,
    pub target: String,
    /// Its own, the message among them.
    pub own: Fields,
    /// Those of the spans around it, of the innermost where several have the same.
    pub around: Fields,
}

impl Line {
    /// Whether this program wrote it, and not a library.
    pub fn is_ours(&self) -> bool {
        self.target.starts_with("atlas_privatelink_operator")
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.own.get(name).or_else(|| self.around.get(name)).map(String::as_str)
    }
}

/// Captures while it lives.
pub struct Capture {
    lines: Arc<Mutex<Vec<Line>>>,
    _guard: DefaultGuard,
    /// With one dispatcher only, tracing asks the thread that comes first whether a place is of interest, and that may
    /// be another test's; with two it asks both.
    _second: Dispatch,
}

impl Capture {
    /// Captures what a layer with this filter lets through.
    pub fn start<F>(filter: F) -> Self
    where
        F: tracing_subscriber::layer::Filter<Registry> + Send + Sync + 'static,
    {
        let lines = Arc::new(Mutex::new(Vec::new()));
        Self::of(Collector(lines.clone()).with_filter(filter), lines)
    }

    /// Lets another layer see what happens on this thread, and captures nothing.
    pub fn beside<L>(layer: L) -> Self
    where
        L: Layer<Registry> + Send + Sync + 'static,
    {
        Self::of(layer, Arc::default())
    }

    fn of<L>(layer: L, lines: Arc<Mutex<Vec<Line>>>) -> Self
    where
        L: Layer<Registry> + Send + Sync + 'static,
    {
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let second = Dispatch::new(tracing_subscriber::registry());
        let capture = Self { lines, _guard: guard, _second: second };
        capture.refresh();
        capture
    }

    /// At every level, of every library.
    pub fn everything() -> Self {
        Self::start(LevelFilter::TRACE)
    }

    /// Has every place of the program asked again; tests beside this one may have had one registered as of no interest
    /// at the very moment when this one began.
    pub fn refresh(&self) {
        tracing::callsite::rebuild_interest_cache();
    }

    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }
}

struct Collector(Arc<Mutex<Vec<Line>>>);

#[derive(Default)]
struct Visitor(Fields);

impl Visit for Visitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").unwrap();
        self.0.insert(field.name(), text);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut visitor = Visitor::default();
        attributes.record(&mut visitor);
        context.span(id).unwrap().extensions_mut().insert(visitor.0);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut visitor = Visitor::default();
        values.record(&mut visitor);
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        if let Some(fields) = extensions.get_mut::<Fields>() {
            fields.extend(visitor.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Visitor::default();
        event.record(&mut own);
        let mut around = Fields::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            around.extend(span.extensions().get::<Fields>().into_iter().flatten().map(|(k, v)| (*k, v.clone())));
        }
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        self.0.lock().unwrap().push(Line { level, target, own: own.0, around });
    }
}
