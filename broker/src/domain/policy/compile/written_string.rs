//! Strings of TOML as they were written: quotes and escapes included.

/// Where a byte of a string's value stands in the string as it was written, quotes and escapes included.
pub(super) fn offset_as_written(raw: &str, value: &str, wanted: usize) -> Option<usize> {
    let quotes = ["'''", "\"\"\"", "'", "\""]
        .into_iter()
        .find(|quotes| raw.starts_with(quotes))?;
    let mut at = quotes.len();
    let rest = |at: usize| raw.get(at..).unwrap_or_default();
    if quotes.len() == 3 {
        // The line break after the quotes is no part of the value.
        at += ["\r\n", "\n"]
            .into_iter()
            .find(|ending| rest(at).starts_with(ending))
            .map_or(0, str::len);
    }
    for (offset, character) in value.char_indices() {
        if offset >= wanted {
            return Some(at);
        }
        at += if quotes.starts_with('"') && rest(at).starts_with('\\') {
            match rest(at).as_bytes().get(1)? {
                b'u' => 6,
                b'U' => 10,
                b'x' => 4,
                b'"' | b'\\' | b'n' | b't' | b'r' | b'b' | b'f' | b'e' => 2,
                _ => return None,
            }
        } else {
            let written = rest(at).chars().next()?;
            if written != character && written == '\r' {
                2
            } else {
                written.len_utf8()
            }
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_part_of_a_value_in_the_string_as_it_was_written() {
        let table = [
            (r#"'a == "b"'"#, r#"a == "b""#, 5, 6),
            (r#""a == \"b\"""#, r#"a == "b""#, 6, 8),
            ("'''\na'''", "a", 0, 4),
            ("\"\\u00e4b\"", "äb", 2, 7),
            ("'a'", "a", 1, 2),
        ];
        for (raw, value, wanted, expected) in table {
            assert_eq!(
                offset_as_written(raw, value, wanted),
                Some(expected),
                "{raw}"
            );
        }
        assert_eq!(offset_as_written("\"\"\"a\\\n  b\"\"\"", "ab", 1), Some(4));
        assert_eq!(offset_as_written("bare", "bare", 1), None);
    }
}
