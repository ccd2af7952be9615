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
    let renewals = match group.renewals {
        0 => String::new(),
        all if all == group.count => " (renewals)".to_owned(),
        some => format!(" ({some} of them renewals)"),
    };
    let repetitions = match group.repetitions {
        0 => String::new(),
        1 => ", and 1 repetition, whose request is not kept".to_owned(),
        more => format!(", and {more} repetitions, whose requests are not kept"),
    };
    let text = format!(
        "  {:>6} × {words} {about}{renewals}{repetitions}",
        group.count
    );
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
        renewals,
        later,
        repeated,
        different,
        ..
    } = summary;
    let openings = decided.saturating_sub(renewals + later);
    let parts = [
        (openings, "openings"),
        (*renewals, "renewals"),
        (*later, "credentials asked for later"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .collect();
    let parts = match parts.join(", ") {
        none if none.is_empty() => none,
        parts => format!(" ({parts})"),
    };
    let text =
        format!("{decided} decisions replayed{parts}, {different} would come out differently");
    if *different == 0 {
        page.styled(GOOD, &text);
    } else {
        page.line(&text);
    }
    if *repeated > 0 {
        page.line(&format!(
            "denials repeated besides: {repeated}; their requests are not kept, and were not replayed"
        ));
    }
    page.styled(
        FAINT,
        "`max_live_jobs` is not replayed: it depends on the jobs that were open",
    );
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
