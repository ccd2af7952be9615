//! Whether one value can answer several questions as they have to be answered.

use std::collections::BTreeSet;

use super::domain::Domain;
use super::formula::Asks;

/// Numbers that are tried one by one; in a wider range one is left whatever is excluded.
const MAX_TRIED: i64 = 4096;

/// A question with the answer that it has to get.
pub(super) type Answer<'a> = (&'a Asks, bool);

/// Whether there is, as far as can be said, a value in the domain that gives these answers.
pub(super) fn exists(answers: &[Answer<'_>], domain: &Domain<'_>) -> bool {
    let contradicts = |(asks, expected): &Answer<'_>| answers.contains(&(*asks, !expected));
    if answers.iter().any(contradicts) {
        return false;
    }
    let is_number = |(asks, _): &Answer<'_>| matches!(asks, Asks::IsNumber(_) | Asks::IsAtMost(_));
    let is_text = |(asks, _): &Answer<'_>| matches!(asks, Asks::IsText(_) | Asks::IsLike(_));
    if answers.iter().all(is_number) {
        number_exists(answers, domain)
    } else if answers.iter().all(is_text) {
        text_exists(answers, domain)
    } else {
        true
    }
}

fn number_exists(answers: &[Answer<'_>], domain: &Domain<'_>) -> bool {
    let (mut least, mut most) = domain.numbers;
    let mut only: Option<BTreeSet<i64>> = None;
    for answer in answers {
        match answer {
            (Asks::IsAtMost(limit), true) => most = most.min(*limit),
            (Asks::IsAtMost(limit), false) => match limit.checked_add(1) {
                Some(above) => least = least.max(above),
                None => return false,
            },
            (Asks::IsNumber(numbers), true) => {
                only = Some(match only {
                    Some(only) => only.intersection(numbers).copied().collect(),
                    None => numbers.clone(),
                });
            }
            (_, _) => {}
        }
    }
    let is_taken = |number: &i64| {
        answers.iter().all(|answer| match answer {
            (Asks::IsNumber(numbers), false) => !numbers.contains(number),
            (_, _) => true,
        })
    };
    match only {
        Some(only) => only
            .iter()
            .any(|number| (least..=most).contains(number) && is_taken(number)),
        None if most
            .checked_sub(least)
            .is_none_or(|width| width >= MAX_TRIED) =>
        {
            least <= most
        }
        None => (least..=most).any(|number| is_taken(&number)),
    }
}

fn text_exists(answers: &[Answer<'_>], domain: &Domain<'_>) -> bool {
    let is_taken = |text: &str| {
        let as_expected = |(asks, expected): &Answer<'_>| answer(asks, text) == *expected;
        let is_listed = domain
            .texts
            .as_ref()
            .is_none_or(|texts| texts.iter().any(|one| one == text));
        is_listed && (domain.takes)(text) && answers.iter().all(as_expected)
    };
    let only = answers.iter().find_map(|answer| match answer {
        (Asks::IsText(texts), true) => Some(texts),
        (_, _) => None,
    });
    if let Some(only) = only {
        return only.iter().any(|text| is_taken(text));
    }
    if let Some(values) = &domain.texts {
        return values.iter().any(|text| is_taken(text));
    }
    let likes = |wanted: bool| {
        answers.iter().filter_map(move |answer| match answer {
            (Asks::IsLike(pieces), expected) if *expected == wanted => Some(pieces),
            (_, _) => None,
        })
    };
    let begins = |prefix: &str| {
        let mut prefixes = likes(true).map(|pieces| first(pieces)).collect::<Vec<_>>();
        prefixes.push(prefix);
        let fit = |a: &&str, b: &&str| a.starts_with(*b) || b.starts_with(*a);
        let all_fit = prefixes.iter().all(|a| prefixes.iter().all(|b| fit(a, b)));
        // `/a/*` excludes whatever begins with `/a/`.
        let longest = prefixes.iter().max_by_key(|prefix| prefix.len());
        let is_excluded = longest.is_some_and(|longest| {
            likes(false).any(|pieces| {
                matches!(pieces.as_slice(), [start, end] if end.is_empty() && longest.starts_with(&**start))
            })
        });
        all_fit && !is_excluded
    };
    let can_be = |pieces: &Vec<String>| {
        let slashes: usize = pieces.iter().map(|piece| piece.matches('/').count()).sum();
        (domain.begins)(first(pieces))
            && slashes <= domain.slashes
            && pieces.iter().all(|piece| (domain.contains)(piece))
    };
    let ends: Vec<_> = likes(true).map(|pieces| last(pieces)).collect();
    let fit = |a: &&str, b: &&str| a.ends_with(*b) || b.ends_with(*a);
    domain.prefixes.iter().any(|prefix| begins(prefix))
        && likes(true).all(can_be)
        && ends.iter().all(|a| ends.iter().all(|b| fit(a, b)))
}

fn answer(asks: &Asks, text: &str) -> bool {
    match asks {
        Asks::IsText(texts) => texts.contains(text),
        Asks::IsLike(pieces) => is_like(text, pieces),
        Asks::IsNumber(_) | Asks::IsAtMost(_) | Asks::Anything => true,
    }
}

/// Whether a text is the pieces in their order, with anything between them.
fn is_like(text: &str, pieces: &[String]) -> bool {
    let [start, middle @ .., end] = pieces else {
        return pieces.first().is_some_and(|whole| whole == text);
    };
    let Some(rest) = text.strip_prefix(&**start) else {
        return false;
    };
    let Some(mut rest) = rest.strip_suffix(&**end) else {
        return false;
    };
    for piece in middle {
        match rest.split_once(&**piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    true
}

fn first(pieces: &[String]) -> &str {
    pieces.first().map_or("", String::as_str)
}

fn last(pieces: &[String]) -> &str {
    pieces.last().map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likens_as_cedar_does() {
        let table = [
            ("a", vec!["a"], true),
            ("ab", vec!["a"], false),
            ("ab", vec!["a", ""], true),
            ("ba", vec!["", "a"], true),
            ("a", vec!["a", "a"], false),
            ("axbxc", vec!["a", "b", "c"], true),
            ("axxc", vec!["a", "b", "c"], false),
            ("abcbc", vec!["a", "bc", "bc"], true),
            ("abc", vec!["a", "bc", "bc"], false),
            ("", vec!["", ""], true),
            ("x", vec!["", "", ""], true),
        ];
        for (text, pieces, expected) in table {
            let owned: Vec<_> = pieces.iter().map(|&piece| piece.to_owned()).collect();
            assert_eq!(is_like(text, &owned), expected, "{text} {pieces:?}");
        }
    }
}
