//! Values found by workload, whatever their number.

use std::collections::HashMap;

use taskpass_identity::SpiffeId;

use super::pattern::{Segment, WorkloadPattern};

const SCHEME: &str = "spiffe://";

/// Values under workload patterns, in a tree of path segments: a look-up costs what the ID's path and the
/// wildcards along it cost, not what the number of patterns would.
#[derive(Debug, Clone)]
pub struct WorkloadIndex<T> {
    root: Node<T>,
}

/// What is below one segment. The trust domain is the first.
#[derive(Debug, Clone)]
struct Node<T> {
    literal: HashMap<Box<str>, Node<T>>,
    any: Option<Box<Node<T>>>,
    /// Under patterns that end here.
    here: Vec<T>,
    /// Under patterns that take everything below with `**`.
    rest: Vec<T>,
}

/// The values that match an ID.
struct Matches<'i, 'p, T> {
    current: std::slice::Iter<'i, T>,
    stack: Vec<Step<'i, 'p, T>>,
}

enum Step<'i, 'p, T> {
    /// Look below a node for what is left of the path; none when it is used up.
    Visit(&'i Node<T>, Option<&'p str>),
    Yield(&'i [T]),
}

impl<T> WorkloadIndex<T> {
    /// An index of nothing.
    pub fn new() -> Self {
        Self { root: Node::new() }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.root.literal.is_empty()
    }

    /// Adds a value under a pattern.
    pub fn insert(&mut self, pattern: &WorkloadPattern, value: T) {
        let mut node = self.root.literal(pattern.trust_domain());
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literal(text),
                Segment::Any => node.any.get_or_insert_with(|| Box::new(Node::new())),
                Segment::Rest => return node.rest.push(value),
            };
        }
        node.here.push(value);
    }

    /// Every pattern that there is a value under, once each.
    pub(super) fn patterns(&self) -> Vec<WorkloadPattern> {
        self.entries().map(|(pattern, _)| pattern).collect()
    }

    /// Every pattern that there is a value under, once each, with its values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (WorkloadPattern, &[T])> {
        let mut found = Vec::new();
        for (domain, node) in &self.root.literal {
            node.collect(&format!("{SCHEME}{domain}"), &mut found);
        }
        let entry = |(text, values): (String, _)| Some((text.parse().ok()?, values));
        found.into_iter().filter_map(entry)
    }

    /// Every value whose pattern matches, the most specific pattern first: from left to right, a literal
    /// segment goes before `*`, and `*` before `**`.
    pub fn matches<'i, 'p>(
        &'i self,
        id: &'p SpiffeId,
    ) -> impl Iterator<Item = &'i T> + use<'i, 'p, T> {
        Matches {
            current: [].iter(),
            stack: vec![Step::Visit(&self.root, id.as_str().strip_prefix(SCHEME))],
        }
    }
}

impl<T> Default for WorkloadIndex<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Node<T> {
    fn new() -> Self {
        Self {
            literal: HashMap::new(),
            any: None,
            here: Vec::new(),
            rest: Vec::new(),
        }
    }

    fn literal(&mut self, segment: &str) -> &mut Self {
        self.literal.entry(segment.into()).or_insert_with(Self::new)
    }

    fn collect<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a [T])>) {
        if !self.here.is_empty() {
            found.push((path.to_owned(), &self.here));
        }
        if !self.rest.is_empty() {
            found.push((format!("{path}/**"), &self.rest));
        }
        if let Some(any) = &self.any {
            any.collect(&format!("{path}/*"), found);
        }
        for (segment, node) in &self.literal {
            node.collect(&format!("{path}/{segment}"), found);
        }
    }
}

impl<'i, T> Iterator for Matches<'i, '_, T> {
    type Item = &'i T;

    fn next(&mut self) -> Option<&'i T> {
        loop {
            if let Some(value) = self.current.next() {
                return Some(value);
            }
            match self.stack.pop()? {
                Step::Yield(values) => self.current = values.iter(),
                Step::Visit(node, None) => self.current = node.here.iter(),
                Step::Visit(node, Some(path)) => {
                    let (segment, below) = match path.split_once('/') {
                        Some((segment, below)) => (segment, Some(below)),
                        None => (path, None),
                    };
                    // What is pushed last comes first.
                    self.stack.push(Step::Yield(&node.rest));
                    if let Some(any) = &node.any {
                        self.stack.push(Step::Visit(any, below));
                    }
                    if let Some(literal) = node.literal.get(segment) {
                        self.stack.push(Step::Visit(literal, below));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(patterns: &[&'static str]) -> WorkloadIndex<&'static str> {
        let mut index = WorkloadIndex::new();
        for pattern in patterns {
            index.insert(&pattern.parse().unwrap(), *pattern);
        }
        index
    }

    #[test]
    fn gives_the_most_specific_first() {
        let index = index(&[
            "spiffe://d/**",
            "spiffe://d/a/**",
            "spiffe://d/*/b",
            "spiffe://d/a/*",
            "spiffe://d/a/b",
            "spiffe://d/a/b/**",
            "spiffe://d/a/c",
            "spiffe://other/a/b",
        ]);
        let id = "spiffe://d/a/b".parse().unwrap();
        assert_eq!(
            index.matches(&id).copied().collect::<Vec<_>>(),
            [
                "spiffe://d/a/b",
                "spiffe://d/a/*",
                "spiffe://d/a/**",
                "spiffe://d/*/b",
                "spiffe://d/**"
            ]
        );
    }

    #[test]
    fn the_rest_is_at_least_one_segment() {
        let index = index(&["spiffe://d/a/**"]);
        let matches = |id: &str| index.matches(&id.parse().unwrap()).count();
        assert_eq!(matches("spiffe://d/a"), 0);
        assert_eq!(matches("spiffe://d/a/b"), 1);
        assert_eq!(matches("spiffe://d/a/b/c"), 1);
        assert_eq!(matches("spiffe://d/ab"), 0);
    }

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            patterns in proptest::collection::vec(r"spiffe://[de](/[ab*]){0,3}/(a|b|\*|\*\*)", 0..12),
            id in "spiffe://[de](/[ab]){1,5}",
        ) {
            let id: SpiffeId = id.parse().unwrap();
            let patterns: Vec<WorkloadPattern> = patterns.iter().map(|p| p.parse().unwrap()).collect();
            let mut index = WorkloadIndex::new();
            for (number, pattern) in patterns.iter().enumerate() {
                index.insert(pattern, number);
            }
            let mut found: Vec<_> = index.matches(&id).copied().collect();
            found.sort_unstable();
            let scanned: Vec<_> = (0..patterns.len()).filter(|n| patterns[*n].matches(&id)).collect();
            prop_assert_eq!(found, scanned);
            let mut listed: Vec<_> = index.patterns().iter().map(ToString::to_string).collect();
            listed.sort_unstable();
            let mut inserted: Vec<_> = patterns.iter().map(ToString::to_string).collect();
            inserted.sort_unstable();
            inserted.dedup();
            prop_assert_eq!(listed, inserted);
        }
    }
}
