//! "Did you mean …?"

/// The candidate that a name was likely meant to be.
pub(super) fn suggest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = if name.len() < 4 { 1 } else { 2 };
    candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .map(|candidate| (distance(name.as_bytes(), candidate.as_bytes()), candidate))
        // Nothing is left of a name when every character of it was replaced.
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many bytes have to be added, removed, replaced, or exchanged with their neighbour.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous_byte = None;
    for (row, byte) in from.iter().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row + 1);
        let mut previous_other = None;
        for (column, other) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column) + usize::from(byte != other);
            let removed = at(&last, column + 1) + 1;
            let added = at(&current, column) + 1;
            let mut best = replaced.min(removed).min(added);
            if previous_byte == Some(other) && previous_other == Some(byte) {
                // Both have a predecessor, so the row before the last exists.
                best = best.min(column.checked_sub(1).map_or(best, |c| at(&before, c) + 1));
            }
            current.push(best);
            previous_other = Some(other);
        }
        previous_byte = Some(byte);
        before = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = ["owner", "purpose", "params", "max_duration", "grant", "ttl"];
        let table = [
            ("ownr", Some("owner")),
            ("onwer", Some("owner")),
            ("grants", Some("grant")),
            ("max-duration", Some("max_duration")),
            ("param", Some("params")),
            ("tll", Some("ttl")),
            ("xyz", None),
            ("t", None),
            ("", None),
            ("credentials", None),
        ];
        for (name, expected) in table {
            assert_eq!(suggest(name, names.into_iter()), expected, "{name}");
        }
    }

    #[test]
    fn measures_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abcd", "badc", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
