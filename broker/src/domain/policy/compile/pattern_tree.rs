//! Which workload patterns cover or meet another one, without comparing each with each.

use std::collections::HashMap;

use crate::domain::policy::pattern::{Segment, WorkloadPattern};

/// Nodes that one question may visit: what is not found by then is not told.
const MOST_VISITED: usize = 4096;
/// Values under the same pattern that are looked at.
const MOST_ALIKE: usize = 16;

/// Values under workload patterns, in a tree of path segments. The trust domain is the first.
pub(super) struct PatternTree<'a, T> {
    root: Node<'a, T>,
}

struct Node<'a, T> {
    literal: HashMap<&'a str, Node<'a, T>>,
    any: Option<Box<Node<'a, T>>>,
    /// Under patterns that end here.
    here: Vec<T>,
    /// Under patterns that take everything below.
    rest: Vec<T>,
}

impl<'a, T: Copy> PatternTree<'a, T> {
    pub(super) fn new() -> Self {
        Self { root: Node::new() }
    }

    pub(super) fn insert(&mut self, pattern: &'a WorkloadPattern, value: T) {
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

    /// Values whose pattern takes every workload that this one takes.
    pub(super) fn covering(&self, pattern: &WorkloadPattern) -> Vec<T> {
        self.search(pattern, Relation::Covers)
    }

    /// Values whose pattern takes some workload that this one takes too.
    pub(super) fn meeting(&self, pattern: &WorkloadPattern) -> Vec<T> {
        self.search(pattern, Relation::Meets)
    }

    /// The same, unless there are more than are looked at.
    pub(super) fn all_meeting(&self, pattern: &WorkloadPattern) -> Option<Vec<T>> {
        let search = self.searched(pattern, Relation::Meets);
        (!search.is_cut).then_some(search.found)
    }

    /// What is written at the first place where a pattern leaves the tree, and what could stand there.
    pub(super) fn leaves<'p>(
        &self,
        pattern: &'p WorkloadPattern,
    ) -> Option<(&'p str, Vec<&'a str>)> {
        let mut node = &self.root;
        let first = Segment::Literal(pattern.trust_domain());
        for segment in std::iter::once(first).chain(pattern.segments()) {
            let Segment::Literal(text) = segment else {
                return None;
            };
            node = match node.literal.get(text) {
                Some(below) => below,
                None => return Some((text, node.literal.keys().copied().collect())),
            };
        }
        None
    }

    fn search(&self, pattern: &WorkloadPattern, relation: Relation) -> Vec<T> {
        self.searched(pattern, relation).found
    }

    fn searched(&self, pattern: &WorkloadPattern, relation: Relation) -> Search<T> {
        let segments: Vec<_> = pattern.segments().collect();
        let mut search = Search {
            relation,
            found: Vec::new(),
            left: MOST_VISITED,
            is_cut: false,
        };
        if let Some(domain) = self.root.literal.get(pattern.trust_domain()) {
            search.visit(domain, &segments);
        }
        search
    }
}

impl<'a, T> Node<'a, T> {
    fn new() -> Self {
        Self {
            literal: HashMap::new(),
            any: None,
            here: Vec::new(),
            rest: Vec::new(),
        }
    }

    fn literal(&mut self, segment: &'a str) -> &mut Self {
        self.literal.entry(segment).or_insert_with(Self::new)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Covers,
    Meets,
}

struct Search<T> {
    relation: Relation,
    found: Vec<T>,
    left: usize,
    /// Whether there was more than was looked at.
    is_cut: bool,
}

impl<T: Copy> Search<T> {
    // As deep as a pattern has segments, and those are bounded.
    fn visit(&mut self, node: &Node<'_, T>, segments: &[Segment<'_>]) {
        let Some(left) = self.left.checked_sub(1) else {
            self.is_cut = true;
            return;
        };
        self.left = left;
        let Some((first, below)) = segments.split_first() else {
            return self.take(&node.here);
        };
        self.take(&node.rest);
        match (first, self.relation) {
            (Segment::Rest, Relation::Covers) => {}
            (Segment::Rest, Relation::Meets) => {
                for child in children(node) {
                    self.everything(child);
                }
            }
            (Segment::Any, Relation::Meets) => {
                for child in children(node) {
                    self.visit(child, below);
                }
            }
            (Segment::Any, Relation::Covers) => {
                if let Some(any) = &node.any {
                    self.visit(any, below);
                }
            }
            (Segment::Literal(text), _) => {
                if let Some(literal) = node.literal.get(text) {
                    self.visit(literal, below);
                }
                if let Some(any) = &node.any {
                    self.visit(any, below);
                }
            }
        }
    }

    fn everything(&mut self, node: &Node<'_, T>) {
        let Some(left) = self.left.checked_sub(1) else {
            self.is_cut = true;
            return;
        };
        self.left = left;
        self.take(&node.here);
        self.take(&node.rest);
        for child in children(node) {
            self.everything(child);
        }
    }

    fn take(&mut self, values: &[T]) {
        self.is_cut |= values.len() > MOST_ALIKE;
        self.found.extend(values.iter().take(MOST_ALIKE));
    }
}

fn children<'n, 'a, T>(node: &'n Node<'a, T>) -> impl Iterator<Item = &'n Node<'a, T>> {
    node.literal.values().chain(node.any.as_deref())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every workload of up to four segments `a` and `b`.
    fn workloads() -> Vec<taskpass_identity::SpiffeId> {
        let mut paths = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..4 {
            paths = paths
                .iter()
                .flat_map(|path| ["a", "b"].map(|s| format!("{path}/{s}")))
                .collect();
            all.extend(
                paths
                    .iter()
                    .map(|path| format!("spiffe://d{path}").parse().unwrap()),
            );
        }
        all
    }

    proptest! {
        #[test]
        fn covers_and_meets_as_the_workloads_say(
            patterns in proptest::collection::vec(r"spiffe://d(/[ab*]){0,2}/(a|b|\*|\*\*)", 1..8),
            asked in r"spiffe://d(/[ab*]){0,2}/(a|b|\*|\*\*)",
        ) {
            let patterns: Vec<WorkloadPattern> = patterns.iter().map(|p| p.parse().unwrap()).collect();
            let asked: WorkloadPattern = asked.parse().unwrap();
            let mut tree = PatternTree::new();
            for (number, pattern) in patterns.iter().enumerate() {
                tree.insert(pattern, number);
            }
            let all = workloads();
            let sorted = |mut found: Vec<usize>| { found.sort_unstable(); found };
            let meets = |n: &usize| all.iter().any(|id| asked.matches(id) && patterns[*n].matches(id));
            prop_assert_eq!(sorted(tree.meeting(&asked)), (0..patterns.len()).filter(meets).collect::<Vec<_>>());
            // A third letter stands for all the segments that no pattern names.
            let other = |id: &taskpass_identity::SpiffeId| -> taskpass_identity::SpiffeId {
                id.as_str().replace("/b", "/c").parse().unwrap()
            };
            let covers = |n: &usize| all.iter().flat_map(|id| [id.clone(), other(id)])
                .all(|id| !asked.matches(&id) || patterns[*n].matches(&id));
            for found in tree.covering(&asked) {
                prop_assert!(covers(&found));
            }
            let equal = |n: &usize| patterns[*n] == asked;
            let covering = tree.covering(&asked);
            prop_assert!((0..patterns.len()).filter(equal).all(|n| covering.contains(&n)));
        }
    }

    #[test]
    fn what_is_wider_covers() {
        let patterns = [
            "spiffe://d/a/**",
            "spiffe://d/*/b",
            "spiffe://d/a/b",
            "spiffe://d/*/*",
        ]
        .map(|text| text.parse::<WorkloadPattern>().unwrap());
        let mut tree = PatternTree::new();
        for (number, pattern) in patterns.iter().enumerate() {
            tree.insert(pattern, number);
        }
        let covering = |text: &str| {
            let mut found = tree.covering(&text.parse().unwrap());
            found.sort_unstable();
            found
        };
        assert_eq!(covering("spiffe://d/a/b"), [0, 1, 2, 3]);
        assert_eq!(covering("spiffe://d/a/*"), [0, 3]);
        assert_eq!(covering("spiffe://d/a/b/**"), [0]);
        assert_eq!(covering("spiffe://d/**"), [0; 0]);
        assert_eq!(covering("spiffe://d/c/b"), [1, 3]);
    }
}
