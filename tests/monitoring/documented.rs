//! What the README says of metrics and alerts.

use std::collections::BTreeSet;

pub const README: &str = include_str!("../../README.md");

/// A metric as people query it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
}

impl Metric {
    pub fn of(family: &str, kind: &str, labels: BTreeSet<String>) -> Self {
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        Self { name: format!("{family}{suffix}"), kind: kind.to_owned(), labels }
    }

    /// The names under which it is queried.
    pub fn series(&self) -> Vec<String> {
        let suffixes: &[&str] = if self.kind == "histogram" { &["_bucket", "_count", "_sum"] } else { &[""] };
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.name)).collect()
    }
}

/// The rows of the README's table of metrics.
pub fn metrics() -> BTreeSet<Metric> {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `atlas_privatelink_"));
    let rows = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let labels = cells[2].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        Metric { name: format!("atlas_privatelink_{}", cells[0]), kind: cells[1].to_owned(), labels }
    });
    rows.collect()
}

/// The events in the README's table, with whether they warn.
pub fn events() -> BTreeSet<(String, bool)> {
    let section = README.split("\n### Events\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| row.split_once("` | ").map(|(event, rest)| (event.to_owned(), rest.starts_with("Warning |")));
    rows.filter_map(row).collect()
}

/// The anchors of the README's headings, as GitHub makes them.
pub fn anchors() -> BTreeSet<String> {
    let headings = README.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        words.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-').collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}
