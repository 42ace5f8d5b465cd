//! Text of any origin, made fit for a terminal: what a terminal would obey, and what is invisible, is written as
//! `\u{1b}`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Readers look at the first pages of a message only. A library's error may quote a whole answer.
pub(crate) const LONGEST: usize = 64 << 10;

/// Keeps newlines and tabs. A carriage return before a newline, as HTTP servers write it, goes.
///
/// ```
/// assert_eq!(tfplugin::visible("two\r\nlines, \u{1b}[31mred"), "two\nlines, \\u{1b}[31mred");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    replace(text, |character| character == '\n')
}

/// The same for text that must stay one line: newlines are written as `\u{a}`.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    replace(text, |_| false)
}

/// JSON that means the same and can be shown on a terminal: such characters are written with JSON's own escapes. They
/// stand in strings alone, and none of them is ASCII, which serializers escape by themselves, except for DEL.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_hidden(character) && !matches!(character, '\n' | '\t' | '\r') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// [`visible`], and not longer than a message may be.
pub(crate) fn for_message(text: String) -> String {
    let mut text = match visible(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(visible) => visible,
    };
    if text.len() > LONGEST {
        let end = text.floor_char_boundary(LONGEST);
        let left_out = text.len() - end;
        text.truncate(end);
        let _ = write!(text, "… ({left_out} more bytes)");
    }
    text
}

fn replace(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(|character| is_hidden(character) && !stays(character) && character != '\t') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\t' => shown.push('\t'),
            _ if !is_hidden(character) || stays(character) => shown.push(character),
            // Writing into a string cannot fail.
            _ => _ = write!(shown, "{}", character.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

/// Control characters of both ranges, what turns the direction of text around, and what takes no room: a reader does not
/// see it, and some terminals act on it.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_told_nothing() {
        let cases = [
            ("\u{1b}[31mred\u{1b}[0m", r"\u{1b}[31mred\u{1b}[0m"),
            (
                "\u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{1b}\\",
                r"\u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{1b}\",
            ),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("done\rfailed", r"done\u{d}failed"),
            ("abc\u{8}\u{8}\u{8}xyz", r"abc\u{8}\u{8}\u{8}xyz"),
            ("a\u{202e}b\u{2066}c", r"a\u{202e}b\u{2066}c"),
            ("zero\u{200b}width\u{feff}", r"zero\u{200b}width\u{feff}"),
            ("\0\u{7f}", r"\u{0}\u{7f}"),
            ("tag\u{e0041}", r"tag\u{e0041}"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
            assert_eq!(visible_line(text), shown);
        }
    }

    #[test]
    fn what_people_write_stays() {
        let text = "Größe: 日本語, e\u{301}, “–…” │ ✓ 🦀\n\tindented  \\u{1b} \"'`";
        assert!(matches!(visible(text), Cow::Borrowed(_)));
        assert_eq!(visible("one\r\ntwo\r\n"), "one\ntwo\n");
        assert_eq!(visible_line("one\r\ntwo\tthree"), "one\\u{a}two\tthree");
    }

    #[test]
    fn json_means_what_it_meant() {
        let text = "\u{1b}[1m \u{7f}\u{9b}2J \u{202e} \u{e0041} \r\n\t\"\\ é";
        let json = serde_json::to_string(&[text]).unwrap();
        let shown = visible_json(&json);
        assert!(!shown.contains(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap()[0], text);
        assert!(matches!(visible_json("{\"a\": 1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_message_has_an_end() {
        let long = for_message("é".repeat(LONGEST));
        assert!(long.len() < LONGEST + 40);
        assert!(long.ends_with("… (65536 more bytes)"), "{}", &long[long.len() - 40..]);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn any_text_becomes_visible(text in ".{0,200}") {
                let shown = visible(&text);
                prop_assert!(!shown.contains(|it| is_hidden(it) && it != '\n' && it != '\t'));
                let line = visible_line(&text);
                prop_assert!(!line.contains(|it| is_hidden(it) && it != '\t'));
                // What was shown once is shown the same again.
                prop_assert_eq!(visible(&shown), shown.clone());
                prop_assert_eq!(visible_line(&line), line.clone());
            }

            #[test]
            fn any_json_means_the_same(text in any::<String>()) {
                let json = serde_json::to_string(&text).unwrap();
                let shown = visible_json(&json);
                prop_assert!(!shown.contains(is_hidden));
                prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
            }
        }
    }
}
