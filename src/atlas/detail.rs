//! Texts that others wrote, made fit for a condition or a log line.

use super::credential;
use secrecy::SecretString;

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

/// `text` as [`tidy`] makes it, without the secret. It is looked for where the text is tidy already, for a mark in its
/// middle would hide it, and still whole, for half of it is too much.
pub(super) fn discreet(text: &str, secret: &SecretString, limit: usize) -> String {
    cut(credential::scrub(&tidy(text, usize::MAX), secret), limit)
}

/// What Atlas says, without the secret, and what to do about it; together at most [`LIMIT`] bytes.
pub(super) fn compose(text: &str, hint: Option<&str>, secret: &SecretString) -> String {
    match hint {
        None => discreet(text, secret, LIMIT),
        Some(hint) => {
            let text = discreet(text, secret, LIMIT.saturating_sub(hint.len() + 2));
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
        let secret = "hunter2".to_owned().into();
        assert_eq!(compose("key hunter2 refused", None, &secret), "key … refused");
        assert_eq!(compose("key hun\u{200b}ter2 refused", None, &secret), "key … refused");
        // A limit within it leaves no half of it.
        assert_eq!(discreet("abc hunter2", &secret, 8), "abc …");
    }

    #[test]
    fn what_is_left_out_is_seen_and_nothing_else_is() {
        assert_eq!(tidy("abcd", 4), "abcd");
        assert_eq!(tidy("abcd ef", 4), "a…");
        assert_eq!(tidy("abcd ef", 7), "abcd ef");
        let hint = "h".repeat(100);
        let text = compose(&"x".repeat(600), Some(&hint), &"hunter2".to_owned().into());
        assert_eq!((text.len(), text.ends_with(&format!("… {hint}"))), (LIMIT - 1, true));
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit(text in "\\PC{0,700}", hint in prop::option::of("[a-z ]{1,200}")) {
            prop_assert!(compose(&text, hint.as_deref(), &"hunter2".to_owned().into()).len() <= LIMIT);
        }
    }
}
