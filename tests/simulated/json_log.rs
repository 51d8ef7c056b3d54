//! The log as JSON: no key of a line stands twice, and every line about a resource names it and the reconcile that wrote
//! it.

use super::{capture::Capture, life, world::*};
use atlas_privatelink_operator::{atlas::dialect::Dialect, telemetry};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tracing_subscriber::layer::Layer;

/// A JSON object whose keys stand once each; serde's own maps keep the last of several.
#[derive(Debug)]
struct Object(BTreeMap<String, Part>);

#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Part {
    Object(Object),
    Text(String),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Object;

            fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
                text.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut parts = BTreeMap::new();
                while let Some((key, part)) = map.next_entry::<String, Part>()? {
                    assert!(!parts.contains_key(&key), "{key} stands twice");
                    parts.insert(key, part);
                }
                Ok(Object(parts))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

impl Object {
    fn text(&self, key: &str) -> &str {
        match self.0.get(key) {
            Some(Part::Text(text)) => text,
            other => panic!("{key} is {other:?} in {self:?}"),
        }
    }

    fn object(&self, key: &str) -> Option<&Self> {
        match self.0.get(key)? {
            Part::Object(object) => Some(object),
            Part::Text(_) | Part::Other(_) => None,
        }
    }
}

/// What was written so far.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn lines(&self) -> Vec<Object> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn every_line_names_its_object_and_its_reconcile() {
    let mut world = life::begin(Dialect::V2);
    let paper = Paper::default();
    let writer = paper.clone();
    let layer = telemetry::json(move || writer.clone()).with_filter(telemetry::filter("debug").unwrap());
    let _capture = Capture::beside(layer);
    let operator = world.start();
    life::get_ready(&world).await;
    life::delete_both(&world);
    life::end(&world).await;
    operator.stop().await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in &paper.lines() {
        assert!(line.text("timestamp").parse::<Timestamp>().is_ok(), "{line:?}");
        assert!(["INFO", "DEBUG"].contains(&line.text("level")) && !line.text("target").is_empty(), "{line:?}");
        // Without an election nothing is said of the operator as a whole.
        let span = line.object("span").unwrap_or_else(|| panic!("of which resource? {line:?}"));
        let object = (span.text("kind"), span.text("namespace"), span.text("object"));
        let known = [("AtlasPrivateLink", "orders"), ("AtlasInterfaceEndpoint", "orders-a")];
        assert!(known.map(|(kind, name)| (kind, NAMESPACE, name)).contains(&object), "{line:?}");
        let id = span.text("reconcile");
        assert!(id.len() == 16 && u64::from_str_radix(id, 16).is_ok(), "{line:?}");
        *counts.entry(id.to_owned()).or_default() += 1;
    }
    // One that takes a step says so, and how it ended; one that finds nothing new is silent.
    assert!(counts.len() > 5, "{counts:?}");
    assert!(counts.values().any(|lines| *lines >= 2), "{counts:?}");
}
