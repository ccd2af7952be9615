//! A difference as a comment on a pull request.

use taskpass_broker::domain::policy::tools::diff::{Change, Difference, Direction, Kind};

use super::{PARTIAL, summary};
use crate::output::printable;

/// Rows at most, unless more than that widen.
const MAX_ROWS: usize = 100;
/// Bytes at most; a comment on GitHub ends at 65,536 characters.
const MAX_BYTES: usize = 60_000;

const SECTIONS: [(Direction, &str); 3] = [
    (Direction::Widened, "⚠️ Lets more through"),
    (Direction::Changed, "⚠️ Changes; look whether it widens"),
    (Direction::Narrowed, "Lets less through"),
];

/// The whole comment.
pub(super) fn text(difference: &Difference) -> String {
    if difference.is_none() {
        return "### Policy\n\nNothing changes in effect.\n".to_owned();
    }
    let mut text = format!("### Policy: {}\n", summary(difference));
    for what in &difference.partial {
        text.extend(["\n⚠️ ", &code(what), ": ", PARTIAL, ".\n"]);
    }
    let mut rows = 0;
    for (direction, title) in SECTIONS {
        let changes: Vec<&Change> = difference
            .changes
            .iter()
            .filter(|change| change.direction == direction)
            .collect();
        if changes.is_empty() {
            continue;
        }
        let most = match direction {
            Direction::Widened => usize::MAX,
            Direction::Changed | Direction::Narrowed => MAX_ROWS.saturating_sub(rows),
        };
        text.extend(["\n#### ", title, "\n\n"]);
        rows += section(&mut text, changes, most);
    }
    text
}

/// Writes the rows of one section, as many as there is room for, and says how many they are.
fn section(text: &mut String, mut changes: Vec<&Change>, most: usize) -> usize {
    let all: Vec<String> = changes.iter().map(|change| row(change)).collect();
    let bytes: usize = all.iter().map(String::len).sum();
    let written = if all.len() <= most && text.len() + bytes <= MAX_BYTES {
        all
    } else {
        // Where some have to be left out, it is not by the names of tasks.
        changes.sort_by_key(|change| (rank(change), change.task.clone()));
        let mut room = MAX_BYTES.saturating_sub(text.len());
        let rows = changes.iter().map(|change| row(change)).take(most);
        rows.filter(|row| {
            // One row that is too long does not stand for those behind it.
            let fits = row.len() <= room;
            room -= if fits { row.len() } else { 0 };
            fits
        })
        .collect()
    };
    if !written.is_empty() {
        text.push_str("| Task | Effect | Workloads |\n| --- | --- | --- |\n");
        text.extend(written.iter().map(String::as_str));
    }
    if let more @ 1.. = changes.len() - written.len() {
        let more = more.to_string();
        text.extend([
            "\n**… and ",
            &more,
            " more**, which `taskpass policy diff` lists.\n",
        ]);
    }
    written.len()
}

/// What concerns everybody first, then what gives more than a number.
fn rank(change: &Change) -> (bool, Kind) {
    (change.task.is_some(), change.kind)
}

fn row(change: &Change) -> String {
    let task = match &change.task {
        Some(task) => code(task),
        None => "(every task)".to_owned(),
    };
    let workloads: Vec<String> = change.workloads.iter().map(|one| code(one)).collect();
    let workloads = match workloads.join("<br>") {
        none if none.is_empty() => "all".to_owned(),
        workloads => workloads,
    };
    format!("| {task} | {} | {workloads} |\n", effect(change))
}

/// The sentence of a change, whatever others wrote in code.
fn effect(change: &Change) -> String {
    let (before, after) = change.what();
    let name = change.name.as_deref();
    let name = name.map_or_else(String::new, |name| format!(" {}", code(name)));
    let what = format!("{before}{name}{after}");
    match (&change.old, &change.new) {
        (None, None) => what,
        (None, Some(new)) => format!("{what}: gains {}", code(new)),
        (Some(old), None) => format!("{what}: loses {}", code(old)),
        (Some(old), Some(new)) => format!("{what}: {} → {}", code(old), code(new)),
    }
}

/// Text of others as code: neither markup nor a link nor a mention, and with nothing in it that cannot be seen.
///
/// GitHub Flavored Markdown: a code span ends at as many backticks as it begins with (6.1), and in a table
/// `\|` stands for `|`, in code too (4.10).
fn code(text: &str) -> String {
    let text = printable(text);
    let longest = text.split(|c| c != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or_default() + 1);
    let is_padded = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let pad = if is_padded { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(direction: Direction, task: Option<&str>, kind: Kind) -> Change {
        Change {
            direction,
            task: task.map(Into::into),
            kind,
            name: None,
            old: None,
            new: Some("x".repeat(400)),
            workloads: Vec::new(),
        }
    }

    #[test]
    fn text_of_others_stays_text_and_is_all_there() {
        let table = [
            ("plain", "`plain`"),
            (
                "a|b [x](y) @everyone <img>",
                "`a\\|b [x](y) @everyone <img>`",
            ),
            (r"refs/v\d+\.x|main", r"`refs/v\d+\.x\|main`"),
            ("a`b``c", "```a`b``c```"),
            ("`a`", "`` `a` ``"),
            ("a\nb", "`a\\nb`"),
            ("a\u{202e}b\u{200b}c", "`a\\u{202e}b\\u{200b}c`"),
        ];
        for (text, expected) in table {
            assert_eq!(code(text), expected);
        }
    }

    #[test]
    fn what_is_partial_is_never_nothing() {
        let difference = Difference {
            changes: Vec::new(),
            partial: vec!["task build".to_owned()],
        };
        let text = text(&difference);
        assert!(text.contains("not everything could be looked at"), "{text}");
        assert!(text.contains("⚠️ `task build`:"), "{text}");
    }

    #[test]
    fn what_widens_goes_first_and_is_cut_last() {
        let of = |direction, count: usize| {
            (0..count).map(move |n| change(direction, Some(&format!("t{n}")), Kind::LiveJobs))
        };
        let mut changes: Vec<Change> = of(Direction::Widened, 90).collect();
        changes.extend(of(Direction::Narrowed, 90));
        let said = text(&Difference {
            changes,
            partial: Vec::new(),
        });
        assert!(said.len() < 65_536);
        assert!(said.contains("| `t89` |"), "every one that widens");
        assert!(said.contains("**… and 80 more**"), "{said}");
        // Too many for any comment: what concerns everybody, and whole tasks, before numbers.
        let mut changes: Vec<Change> = of(Direction::Widened, 300).collect();
        changes.push(change(Direction::Widened, Some("zzz"), Kind::Task));
        changes.push(change(Direction::Widened, None, Kind::Guardrail));
        let said = text(&Difference {
            changes,
            partial: Vec::new(),
        });
        assert!(said.len() < 65_536);
        assert!(said.contains("| (every task) | guardrail"));
        assert!(said.contains("| `zzz` |"));
        assert!(said.contains(" more**"));
        let mut long = change(Direction::Widened, Some("long"), Kind::Task);
        long.workloads = vec!["x".repeat(70_000)];
        let short = change(Direction::Widened, Some("short"), Kind::Task);
        let said = text(&Difference {
            changes: vec![long, short],
            partial: Vec::new(),
        });
        assert!(said.contains("| `short` |") && said.contains("and 1 more"));
    }
}
