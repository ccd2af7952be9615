//! The kinds of workloads that a set of patterns tells apart.
//!
//! Two workloads that match the same patterns are treated the same by every policy that has no others. So what
//! a policy does to all workloads is found out by asking it about one workload of each class.

use std::collections::{BTreeMap, BTreeSet};

use taskpass_identity::SpiffeId;

use crate::domain::policy::pattern::{Segment, WorkloadPattern};

/// Classes that are told apart at most; no policy written by people comes near.
const MAX_CLASSES: usize = 20_000;
/// Steps of the search for them.
const MAX_STEPS: usize = 200_000;

/// The classes of a set of patterns.
#[derive(Debug)]
pub(super) struct Classes<'a> {
    patterns: Vec<&'a WorkloadPattern>,
    /// Positions of those that classes were wanted for.
    wanted: BTreeSet<usize>,
    found: Vec<Class>,
    /// Whether there were too many to tell apart, or some without an example.
    pub(super) is_partial: bool,
}

/// Workloads that match the same patterns.
#[derive(Debug)]
pub(super) struct Class {
    /// One of them.
    pub(super) example: SpiffeId,
    /// The patterns that they match: positions in the set.
    members: BTreeSet<usize>,
}

/// Where each pattern stands that still can match: its position in the set, and how many of its segments are
/// used up.
type State = Vec<(usize, usize)>;

struct Search<'a> {
    segments: Vec<Vec<Segment<'a>>>,
    found: BTreeMap<BTreeSet<usize>, String>,
    steps: usize,
}

impl<'a> Classes<'a> {
    /// Tells workloads apart by these patterns, and keeps those that match one of the patterns that `is_wanted`
    /// says.
    pub(super) fn new(
        patterns: impl IntoIterator<Item = &'a WorkloadPattern>,
        is_wanted: impl Fn(&WorkloadPattern) -> bool,
    ) -> Self {
        let patterns: BTreeMap<&str, &WorkloadPattern> = patterns
            .into_iter()
            .map(|pattern| (pattern.as_str(), pattern))
            .collect();
        let patterns: Vec<_> = patterns.into_values().collect();
        let mut search = Search {
            segments: patterns
                .iter()
                .map(|pattern| pattern.segments().collect())
                .collect(),
            found: BTreeMap::new(),
            steps: 0,
        };
        let mut domains: BTreeMap<&str, State> = BTreeMap::new();
        for (at, pattern) in patterns.iter().enumerate() {
            domains
                .entry(pattern.trust_domain())
                .or_default()
                .push((at, 0));
        }
        let wanted: BTreeSet<usize> = (0..)
            .zip(&patterns)
            .filter(|(_, pattern)| is_wanted(pattern))
            .map(|(at, _)| at)
            .collect();
        for (domain, state) in domains {
            search.look(&format!("spiffe://{domain}"), &state, &wanted);
        }
        let is_over = search.is_over();
        let count = search.found.len();
        let class = |(members, example): (BTreeSet<usize>, String)| {
            Some(Class {
                example: example.parse().ok()?,
                members,
            })
        };
        let found: Vec<Class> = search.found.into_iter().filter_map(class).collect();
        Self {
            patterns,
            wanted,
            // Where no example is short enough for a SPIFFE ID, a shorter one may have been passed over.
            is_partial: is_over || found.len() < count,
            found,
        }
    }

    /// Every class.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Class> {
        self.found.iter()
    }

    /// Says in patterns which workloads some of the classes hold: patterns that hold nothing else where there
    /// are such, then what is left, with its exceptions.
    pub(super) fn describe(&self, chosen: &[&Class]) -> Vec<String> {
        let is_chosen = |class: &Class| chosen.iter().any(|one| one.members == class.members);
        let mut left: Vec<&Class> = chosen.to_vec();
        let mut described = Vec::new();
        // The widest pattern first: it may make others superfluous.
        let mut covering: Vec<(usize, usize)> = self
            .wanted
            .iter()
            .map(|at| (self.with(*at).count(), *at))
            .filter(|(count, at)| *count > 0 && self.with(*at).all(is_chosen))
            .collect();
        covering.sort_by_key(|(count, at)| (std::cmp::Reverse(*count), *at));
        for (_, at) in covering {
            if left.iter().any(|class| class.members.contains(&at)) {
                left.retain(|class| !class.members.contains(&at));
                described.extend(self.text(at).map(str::to_owned));
            }
        }
        for class in left {
            described.push(self.describe_one(class, &is_chosen));
        }
        described.sort();
        described.dedup();
        described
    }

    fn describe_one(&self, class: &Class, is_chosen: &impl Fn(&Class) -> bool) -> String {
        let narrowest = class
            .members
            .intersection(&self.wanted)
            .copied()
            .min_by_key(|at| (self.with(*at).count(), *at));
        let mut both: BTreeSet<usize> = narrowest.into_iter().collect();
        let mut except: BTreeSet<usize> = BTreeSet::new();
        for other in self.found.iter().filter(|other| !is_chosen(other)) {
            if !both.is_subset(&other.members) || !except.is_disjoint(&other.members) {
                continue;
            }
            if let Some(at) = other.members.difference(&class.members).next() {
                except.insert(*at);
            } else {
                both.extend(class.members.difference(&other.members));
            }
        }
        let names = |positions: &BTreeSet<usize>| -> Vec<&str> {
            positions.iter().filter_map(|at| self.text(*at)).collect()
        };
        let mut text = names(&both).join(" and also ");
        if !except.is_empty() {
            text.push_str(" except ");
            text.push_str(&names(&except).join(", "));
        }
        text
    }

    fn with(&self, at: usize) -> impl Iterator<Item = &Class> {
        self.found
            .iter()
            .filter(move |class| class.members.contains(&at))
    }

    fn text(&self, at: usize) -> Option<&'a str> {
        self.patterns.get(at).map(|pattern| pattern.as_str())
    }
}

impl<'a> Search<'a> {
    fn is_over(&self) -> bool {
        self.steps >= MAX_STEPS || self.found.len() >= MAX_CLASSES
    }

    /// Looks at every next segment that makes a difference.
    fn look(&mut self, path: &str, state: &State, wanted: &BTreeSet<usize>) {
        self.steps += 1;
        if self.is_over() || !state.iter().any(|(at, _)| wanted.contains(at)) {
            return;
        }
        let next = |(at, used): &(usize, usize)| self.segments.get(*at)?.get(*used).copied();
        let literals: BTreeSet<&'a str> = state
            .iter()
            .filter_map(next)
            .filter_map(|segment| match segment {
                Segment::Literal(text) => Some(text),
                Segment::Any | Segment::Rest => None,
            })
            .collect();
        // Short ones first: an ID has an end.
        let short = ('a'..='z').rev().map(String::from);
        let other = short
            .chain((0..=literals.len()).map(|n| format!("x{n}")))
            .find(|text| !literals.contains(text.as_str()))
            .unwrap_or_default();
        for segment in literals.into_iter().chain([other.as_str()]) {
            let (after, members) = self.step(state, segment);
            if members.is_empty() && after.is_empty() {
                continue;
            }
            let path = format!("{path}/{segment}");
            if !members.is_disjoint(wanted) {
                let example = self.found.entry(members).or_insert_with(|| path.clone());
                if path.len() < example.len() {
                    example.clone_from(&path);
                }
            }
            // Where nothing but `**` is left, a longer path makes no difference.
            if after != *state || after.iter().any(|place| !self.is_rest(*place)) {
                self.look(&path, &after, wanted);
            }
        }
    }

    /// Where patterns stand behind one more segment, and which of them match when the path ends there.
    fn step(&self, state: &State, given: &str) -> (State, BTreeSet<usize>) {
        let mut after = State::new();
        let mut members = BTreeSet::new();
        for (at, used) in state {
            let segments = self.segments.get(*at).map_or(&[][..], Vec::as_slice);
            match segments.get(*used) {
                Some(Segment::Rest) => {
                    after.push((*at, *used));
                    members.insert(*at);
                }
                Some(Segment::Literal(text)) if *text != given => {}
                Some(Segment::Literal(_) | Segment::Any) if used + 1 == segments.len() => {
                    members.insert(*at);
                }
                Some(Segment::Literal(_) | Segment::Any) => after.push((*at, used + 1)),
                None => {}
            }
        }
        (after, members)
    }

    fn is_rest(&self, (at, used): (usize, usize)) -> bool {
        let segment = self.segments.get(at).and_then(|all| all.get(used));
        matches!(segment, Some(Segment::Rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns(texts: &[&str]) -> Vec<WorkloadPattern> {
        let parse = |text: &&str| format!("spiffe://d/{text}").parse().unwrap();
        texts.iter().map(parse).collect()
    }

    fn described(texts: &[&str], is_chosen: impl Fn(&SpiffeId) -> bool) -> String {
        let patterns = patterns(texts);
        let classes = Classes::new(&patterns, |_| true);
        let chosen: Vec<_> = classes.iter().filter(|c| is_chosen(&c.example)).collect();
        let described = classes.describe(&chosen).join("; ");
        described.replace("spiffe://d/", "")
    }

    #[test]
    fn workloads_are_described_in_patterns() {
        let has = |what: &'static str| move |id: &SpiffeId| id.as_str().contains(what);
        let lacks = |what: &'static str| move |id: &SpiffeId| !id.as_str().contains(what);
        let ci = &["prod/**", "prod/ci/docs"][..];
        let table = [
            (described(ci, |_| true), "prod/**"),
            (described(ci, has("docs")), "prod/ci/docs"),
            (described(ci, lacks("docs")), "prod/** except prod/ci/docs"),
            (described(&["a/*", "*/b"], has("/a/b")), "*/b and also a/*"),
            (described(&["a/*", "b/*", "c/*"], lacks("/c")), "a/*; b/*"),
            (described(&["a/**", "b"], has("nothing")), ""),
        ];
        for (found, expected) in table {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn only_what_is_wanted_is_told_apart() {
        let patterns = patterns(&["a/**", "b/**", "a/b/c"]);
        let classes = Classes::new(&patterns, |pattern| pattern.as_str().ends_with('c'));
        let examples: Vec<_> = classes.iter().map(|c| c.example.to_string()).collect();
        assert_eq!(examples, ["spiffe://d/a/b/c"]);
    }

    #[test]
    fn too_many_classes_are_said_to_be_so() {
        let texts: Vec<String> = (0..40)
            .map(|n| {
                let mut segments = vec!["*".to_owned(); 40];
                segments[n] = "a".to_owned();
                segments.join("/")
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let patterns = patterns(&texts);
        assert!(Classes::new(&patterns, |_| true).is_partial);
    }

    #[test]
    fn an_example_is_as_short_as_it_can_be_and_a_class_without_one_is_not_passed_over() {
        let length = |rest: &str| 2048 - "spiffe://d/".len() - rest.len();
        let longest = |rest: &str| format!("{}{rest}", "a".repeat(length(rest)));
        let fits = patterns(&[&longest("/z")]);
        let fits = [fits, patterns(&[&longest("/*")])].concat();
        let classes = Classes::new(&fits, |_| true);
        assert_eq!((classes.iter().count(), classes.is_partial), (2, false));
        let taken = ('a'..='z').map(|letter| longest(&format!("/{letter}")));
        let all: Vec<String> = taken.chain([longest("/*")]).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert!(Classes::new(&patterns(&all), |_| true).is_partial);
    }

    proptest! {
        #[test]
        fn every_workload_is_in_a_class(
            texts in proptest::collection::vec(r"([ab*]/){0,2}([ab*]|\*\*)", 1..6),
            id in "spiffe://d(/[abc]){1,5}",
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let patterns = patterns(&texts);
            let classes = Classes::new(&patterns, |_| true);
            let id: SpiffeId = id.parse().unwrap();
            let matched = |id: &SpiffeId| -> BTreeSet<&str> {
                patterns.iter().filter(|p| p.matches(id)).map(WorkloadPattern::as_str).collect()
            };
            let own = matched(&id);
            let is_known = own.is_empty() || classes.iter().any(|class| matched(&class.example) == own);
            prop_assert!(is_known, "{id}: {own:?}");
            for class in classes.iter() {
                let members: BTreeSet<&str> = class.members.iter().filter_map(|at| classes.text(*at)).collect();
                prop_assert_eq!(members, matched(&class.example));
            }
        }
    }
}
