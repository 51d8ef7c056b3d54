//! Reads the OpenMetrics text format, strictly: whatever the specification forbids is an error.

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

/// One metric family.
#[derive(Debug, Clone, Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub unit: Option<String>,
    pub samples: Vec<Sample>,
}

/// A whole page.
#[derive(Debug, Clone, Default)]
pub struct Page(pub BTreeMap<String, Family>);

impl Page {
    /// The samples of that name whose labels include these.
    pub fn samples<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        let has = |sample: &Sample, (key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|v| v == value);
        let all = self.0.values().flat_map(|family| &family.samples);
        all.filter(move |sample| sample.name == name && labels.iter().all(|label| has(sample, label)))
    }

    /// Their sum; nothing, if there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.samples(name, labels).map(|sample| sample.value).reduce(|a, b| a + b)
    }

    /// All values of a label.
    pub fn label_values(&self, label: &str) -> BTreeSet<&str> {
        let all = self.0.values().flat_map(|family| &family.samples);
        all.filter_map(|sample| sample.labels.get(label)).map(String::as_str).collect()
    }
}

/// Reads a page.
pub fn parse(text: &str) -> Result<Page, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with # EOF")?;
    let (mut page, mut current) = (Page::default(), String::new());
    for line in body.lines() {
        let told = match line.strip_prefix("# ") {
            Some(comment) => describe(&mut page, &mut current, comment),
            None => sample(line).and_then(|sample| add(&mut page, &current, sample)),
        };
        told.map_err(|why| format!("{why}: {line}"))?;
    }
    for (name, family) in &page.0 {
        check(name, family).map_err(|why| format!("{why}: {name}"))?;
    }
    Ok(page)
}

fn describe(page: &mut Page, current: &mut String, comment: &str) -> Result<(), String> {
    let mut words = comment.splitn(3, ' ');
    let (Some(what), Some(name), Some(text)) = (words.next(), words.next(), words.next()) else {
        return Err("no metadata".to_owned());
    };
    if name != current {
        if page.0.contains_key(name) {
            return Err("a family in two places".to_owned());
        }
        name.clone_into(current);
    }
    let family = page.0.entry(name.to_owned()).or_default();
    if !family.samples.is_empty() {
        return Err("metadata after samples".to_owned());
    }
    match what {
        "HELP" if family.help.is_empty() => text.clone_into(&mut family.help),
        "TYPE" if family.kind.is_empty() => text.clone_into(&mut family.kind),
        "UNIT" if family.unit.is_none() => family.unit = Some(text.to_owned()),
        _ => return Err("unknown or repeated metadata".to_owned()),
    }
    Ok(())
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value = value.parse().map_err(|_| "no number (timestamps and exemplars are not expected)")?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// The labels after an opening brace, and what follows the closing one.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (key, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || !key.chars().all(is_name) || key.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("{key:?} is no label"));
        }
        let (value, after) = quoted(after)?;
        if labels.insert(key.to_owned(), value).is_some() {
            return Err(format!("{key} twice"));
        }
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// A value up to its closing quote, and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                _ => return Err("an unknown escape".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("no closing quote".to_owned())
}

fn add(page: &mut Page, current: &str, sample: Sample) -> Result<(), String> {
    let family = page.0.get_mut(current).ok_or("a sample before its family")?;
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_count", "_sum"],
        other => return Err(format!("the type {other:?} is not expected")),
    };
    if !suffixes.iter().any(|suffix| sample.name.strip_suffix(suffix) == Some(current)) {
        return Err(format!("not of {current}"));
    }
    if family.samples.iter().any(|other| (&other.name, &other.labels) == (&sample.name, &sample.labels)) {
        return Err("a series twice".to_owned());
    }
    if family.kind != "gauge" && (sample.value < 0.0 || sample.value.is_nan()) {
        return Err("a count below zero".to_owned());
    }
    family.samples.push(sample);
    Ok(())
}

fn check(name: &str, family: &Family) -> Result<(), String> {
    if family.help.is_empty() || family.kind.is_empty() {
        return Err("no HELP or no TYPE".to_owned());
    }
    if family.unit.as_ref().is_some_and(|unit| !name.ends_with(&format!("_{unit}"))) {
        return Err("it does not end with its unit".to_owned());
    }
    if family.kind == "histogram" { check_histogram(name, family) } else { Ok(()) }
}

/// The buckets of each series grow, and the last is the count.
fn check_histogram(name: &str, family: &Family) -> Result<(), String> {
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for bucket in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = bucket.labels.clone();
        let bound = labels.remove("le").and_then(|le| le.parse().ok()).ok_or("a bucket without a bound")?;
        series.entry(labels).or_default().push((bound, bucket.value));
    }
    for (labels, buckets) in series {
        let count = family.samples.iter().find(|s| s.name == format!("{name}_count") && s.labels == labels);
        let last = (f64::INFINITY, count.ok_or("no count")?.value);
        let grows = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        if !grows || buckets.last() != Some(&last) {
            return Err(format!("buckets of {labels:?} do not add up"));
        }
    }
    Ok(())
}

#[test]
fn what_is_not_openmetrics_is_refused() {
    let good = "# HELP a A.\n# TYPE a counter\na_total{b=\"c\\\"\\n\"} 1\n# EOF\n";
    let page = parse(good).expect("it is good");
    assert_eq!(page.value("a_total", &[("b", "c\"\n")]), Some(1.0));
    for (from, to) in [
        ("# EOF\n", ""),
        ("a_total{", "a{"),
        ("counter", "gauge"),
        ("# HELP a A.\n", ""),
        ("} 1", "} -1"),
        ("} 1", "} one"),
        ("\\n\"", "\\x\""),
        ("c\\\"\\n\"", "c"),
        ("a_total{", "a_total{b=\"\","),
        ("# EOF", "a_total{b=\"c\\\"\\n\"} 1\n# EOF"),
        ("# EOF", "# HELP b B.\n# TYPE b gauge\nb 1\n# HELP a A.\n# EOF"),
        ("# TYPE a counter\n", "# TYPE a counter\n# UNIT a seconds\n"),
        (
            "# EOF",
            "# HELP h H.\n# TYPE h histogram\nh_sum 1\nh_count 2\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\n# EOF",
        ),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(parse(&bad).is_err(), "taken:\n{bad}");
    }
}
