//! Text of others, made safe for a terminal.

use std::borrow::Cow;

/// The text with every control character and every character that changes the direction of writing
/// spelled out, so that a name or a note cannot move the cursor, add lines, or hide a part of itself.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn is_unsafe(character: char) -> bool {
    // Bidirectional controls: Unicode TR9, section 2. What has no width, and would make two names look like one:
    // Unicode 5.21 (Default_Ignorable_Code_Point), as far as it is not part of writing words.
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{00ad}' | '\u{034f}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spells_out_what_would_act_on_the_terminal() {
        let table = [
            ("plain text, ünïcödé", "plain text, ünïcödé"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\x1b[31mred", "\\u{1b}[31mred"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ];
        for (text, safe) in table {
            assert_eq!(printable(text), safe);
        }
    }

    proptest! {
        #[test]
        fn leaves_no_control_character(text in "\\PC*|.*") {
            prop_assert!(!printable(&text).chars().any(is_unsafe));
        }
    }
}
