//! How a replay is shown.

use serde::Serialize;
use taskpass_broker::domain::policy::Policy;
use taskpass_broker::domain::policy::tools::replay::{Group, Report, Summary};

use crate::output::page::{FAINT, GOOD, LABEL, WARNING};
use crate::output::{Page, View};

/// Groups that people are shown; programs get all.
const MAX_SHOWN: usize = 100;

/// What came of a replay.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    policy: String,
    #[serde(flatten)]
    report: Report,
}

impl Replayed {
    pub(super) fn new(policy: &Policy, report: Report) -> Self {
        Self {
            policy: policy.hash().to_string(),
            report,
        }
    }

    pub(super) fn is_different(&self) -> bool {
        self.report.summary.different > 0
    }
}

impl View for Replayed {
    fn text(&self, page: &mut Page) {
        let mut heading = None;
        for group in self.report.groups.iter().take(MAX_SHOWN) {
            let place = (&group.task, &group.workloads);
            if heading != Some(place) {
                page.gap();
                page.styled(LABEL, &format!("task {}, {}", group.task, group.workloads));
                heading = Some(place);
            }
            line(page, group);
        }
        page.gap();
        let hidden = self.report.groups.len().saturating_sub(MAX_SHOWN) as u64;
        let hidden = hidden + self.report.summary.unlisted;
        if hidden > 0 {
            page.line(&format!(
                "{hidden} more are not shown; `--output json` has more"
            ));
        }
        summary(page, &self.report.summary);
    }
}

fn line(page: &mut Page, group: &Group) {
    let difference = &group.difference;
    let (words, about) = (difference.kind.words(), &difference.about);
    let text = format!("  {:>6} × {words} {about}", group.count);
    if difference.kind.is_wider() {
        page.styled(WARNING, &text);
    } else {
        page.line(&text);
    }
    let examples = group.examples.iter();
    let examples: Vec<_> = examples
        .map(|example| format!("record {} ({})", example.number, example.workload))
        .collect();
    page.styled(FAINT, &format!("           {}", examples.join(", ")));
}

fn summary(page: &mut Page, summary: &Summary) {
    let Summary {
        decided,
        repeated,
        different,
        ..
    } = summary;
    let repeated = match repeated {
        0 => String::new(),
        repeated => format!(" and {repeated} repetitions"),
    };
    let text =
        format!("{decided} decisions{repeated} replayed, {different} would come out differently");
    if *different == 0 {
        page.styled(GOOD, &text);
    } else {
        page.line(&text);
    }
    for (count, why) in [
        (summary.erased, "their details were erased"),
        (
            summary.without_input,
            "the record does not say what they were decided on",
        ),
    ] {
        if count > 0 {
            page.styled(WARNING, &format!("{count} could not be replayed: {why}"));
        }
    }
}
