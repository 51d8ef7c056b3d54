//! Texts that others wrote, made fit for a condition or a log line.

use super::credential::Hidden;
use bytes::Bytes;
use serde_json::Value;

/// The longest text of Atlas' that is passed on, in bytes.
pub(super) const LIMIT: usize = 512;

/// The longest code: they are words, such as `PRIVATE_ENDPOINT_SERVICE_NOT_FOUND`.
pub(super) const LONGEST_CODE: usize = 100;

/// `text` on one line, without control characters or direction marks (they could forge terminal output), at most
/// `limit` bytes.
pub(super) fn tidy(text: &str, limit: usize) -> String {
    let mut tidy = String::with_capacity(text.len().min(limit));
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !tidy.is_empty() {
            tidy.push(' ');
        }
        tidy.extend(word.chars().filter(|c| !is_direction_mark(*c)));
        if tidy.len() > limit {
            break;
        }
    }
    cut(tidy, limit)
}

/// `text` as [`tidy`] makes it, without what is hidden. It is looked for where the text is tidy already, for a mark in its
/// middle would hide it, and still whole, for half of it is too much.
pub(super) fn discreet(text: &str, hidden: Hidden<'_>, limit: usize) -> String {
    cut(hidden.scrub(&tidy(text, usize::MAX)), limit)
}

/// A body of JSON without what is hidden, in whichever of its texts that is, and however it is written there: what is read from
/// it is shown in a status. Of one that is odd where nobody would look, but could be read in part, nothing is read.
pub(super) fn discreet_body(body: &Bytes, hidden: Hidden<'_>) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let plain = text.is_ascii() && !text.contains('\\');
    if plain && hidden.scrub(&text) == text {
        return body.clone();
    }
    let Ok(told) = serde_json::from_str::<Value>(&text) else { return Bytes::from_static(b"null") };
    let mut discreet = told.clone();
    scrub(&mut discreet, hidden);
    if discreet == told { body.clone() } else { discreet.to_string().into() }
}

fn scrub(value: &mut Value, hidden: Hidden<'_>) {
    match value {
        Value::String(text) => {
            let tidy = tidy(text, usize::MAX);
            let discreet = hidden.scrub(&tidy);
            if discreet != tidy {
                *text = discreet;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| scrub(one, hidden)),
        Value::Object(all) => all.values_mut().for_each(|one| scrub(one, hidden)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What Atlas says, without what is hidden, and what to do about it; together at most [`LIMIT`] bytes.
pub(super) fn compose(text: &str, hint: Option<&str>, hidden: Hidden<'_>) -> String {
    match hint {
        None => discreet(text, hidden, LIMIT),
        Some(hint) => {
            let text = discreet(text, hidden, LIMIT.saturating_sub(hint.len() + 2));
            let stop = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
            format!("{text}{stop} {hint}")
        }
    }
}

fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let longest = limit.saturating_sub('…'.len_utf8());
        text.truncate((0..=longest).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0));
        text.push('…');
    }
    text
}

/// The bidirectional controls and zero-width characters.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_and_direction_marks_go() {
        assert_eq!(tidy(" a\n\tb\u{1b}[31mc\u{202e}d\0 ", 100), "a b [31mcd");
    }

    #[test]
    fn secrets_are_scrubbed() {
        let sent = http::HeaderValue::from_static("Bearer abcdef");
        let secret = &"hunter2".to_owned().into();
        let hidden = Hidden { secret, sent: Some(&sent) };
        assert_eq!(compose("key hunter2 refused", None, hidden), "key … refused");
        assert_eq!(compose("key hun\u{200b}ter2 refused", None, hidden), "key … refused");
        assert_eq!(compose("authorization: bearer abcdef", None, hidden), "authorization: bearer …");
        // A limit within it leaves no half of it.
        assert_eq!(discreet("abc hunter2", hidden, 8), "abc …");
    }

    #[test]
    fn secrets_are_scrubbed_in_whatever_text_of_a_body_they_are() {
        let sent = http::HeaderValue::from_static("Bearer abcdef");
        let secret = &"hunter2".to_owned().into();
        let told = |body: &str| discreet_body(&Bytes::from(body.to_owned()), Hidden { secret, sent: Some(&sent) });
        for body in [
            r#"{"a":[1,{"b":"x hunter2AVAILABLE"}]}"#,
            r#"{"a":[1,{"b":"x \u0068unter2AVAILABLE"}]}"#,
            "{\"a\":[1,{\"b\":\"x hun\u{200b}ter2AVAILABLE\"}]}",
        ] {
            assert_eq!(told(body), r#"{"a":[1,{"b":"x …AVAILABLE"}]}"#);
        }
        assert_eq!(told(r#"["abcdef"]"#), r#"["…"]"#);
        for untouched in [r#"{ "a": "it\u2019s\tAVAILABLE" }"#, "<html>no JSON</html>", "", "[\"é\"]"] {
            assert_eq!(told(untouched), untouched);
        }
        // In what nobody reads, numbers and half characters may be as they like.
        for odd in
            ["hunter2, and no JSON", r#"{"a": "hunter2", "b": 1e999}"#, r#"{"a": "hunter\u0032", "b": "\ud800"}"#]
        {
            assert_eq!(told(odd), "null");
        }
    }

    #[test]
    fn what_is_left_out_is_seen_and_nothing_else_is() {
        assert_eq!(tidy("abcd", 4), "abcd");
        assert_eq!(tidy("abcd ef", 4), "a…");
        assert_eq!(tidy("abcd ef", 7), "abcd ef");
        let hint = "h".repeat(100);
        let text = compose(&"x".repeat(600), Some(&hint), Hidden { secret: &"hunter2".to_owned().into(), sent: None });
        assert_eq!((text.len(), text.ends_with(&format!("… {hint}"))), (LIMIT - 1, true));
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit(text in "\\PC{0,700}", hint in prop::option::of("[a-z ]{1,200}")) {
            let hidden = Hidden { secret: &"hunter2".to_owned().into(), sent: None };
            prop_assert!(compose(&text, hint.as_deref(), hidden).len() <= LIMIT);
        }
    }
}
