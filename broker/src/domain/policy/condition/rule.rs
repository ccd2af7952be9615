//! A rule in the one form that Cedar writes: layout, comments and annotations make no difference.

use cedar_policy::Policy;

/// The one form of a rule, unless it cannot be read.
pub(in crate::domain::policy) fn canonical(text: &str) -> Option<String> {
    let mut json = Policy::parse(None, text).ok()?.to_json().ok()?;
    json.as_object_mut()?.remove("annotations");
    Some(Policy::from_json(None, json).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::condition::Condition;

    #[test]
    fn only_what_a_rule_says_makes_a_difference() {
        let rule = "forbid(principal, action, resource) when { context.time.hour > 22 };";
        let same = [
            "@id(\"a\") forbid (principal,action,resource) when{context.time.hour>22};",
            "// a; forbid\n@description(\"forbid }\")\nforbid(\n  principal, action, resource)\nwhen { context[\"time\"].hour > (22) };",
        ];
        for text in same {
            assert_eq!(canonical(text).as_deref(), Some(rule), "{text}");
        }
        let other =
            canonical("forbid(principal, action, resource) unless { context.time.hour > 22 };");
        assert_ne!(other.as_deref(), Some(rule));
        assert_eq!(canonical("forbid("), None);
    }

    #[test]
    fn a_condition_is_what_stands_between_the_brackets() {
        let table = [
            ("context.time.hour>22 // }", "context.time.hour > 22"),
            ("context.subject == \"{}\"", "context.subject == \"{}\""),
        ];
        for (text, expected) in table {
            assert_eq!(Condition::unchecked(text).canonical(), expected, "{text}");
        }
    }
}
