//! A difference as a comment on a pull request.

use taskpass_broker::domain::policy::tools::diff::{Change, Difference, Direction};

use super::summary;

/// Lines of one section; a comment on GitHub ends at 65,536 characters.
const MAX_LINES: usize = 100;

/// The whole comment.
pub(super) fn text(difference: &Difference) -> String {
    if difference.is_none() {
        return "### Policy\n\nNothing changes in effect.\n".to_owned();
    }
    let mut text = format!("### Policy: {}\n", summary(difference));
    let sections = [
        (Direction::Widened, "⚠️ Lets more through"),
        (Direction::Changed, "⚠️ Changes; look whether it widens"),
        (Direction::Narrowed, "Lets less through"),
    ];
    for (direction, title) in sections {
        let changes: Vec<&Change> = difference
            .changes
            .iter()
            .filter(|change| change.direction == direction)
            .collect();
        if changes.is_empty() {
            continue;
        }
        text.extend(["\n#### ", title, "\n\n"]);
        text.push_str("| Task | Effect | Workloads |\n| --- | --- | --- |\n");
        for change in changes.iter().take(MAX_LINES) {
            text.push_str(&row(change));
        }
        if let Some(more) = changes
            .len()
            .checked_sub(MAX_LINES)
            .filter(|more| *more > 0)
        {
            text.extend(["\n… and ", &more.to_string(), " more.\n"]);
        }
    }
    for what in &difference.partial {
        let why = ": too many overlapping patterns; some changes may be missing.\n";
        text.extend(["\n", &cell(what), why]);
    }
    text
}

fn row(change: &Change) -> String {
    let task = change.task.as_deref().unwrap_or("(every task)");
    let workloads: Vec<String> = change.workloads.iter().map(|one| code(one)).collect();
    let workloads = match workloads.join("<br>") {
        none if none.is_empty() => "all".to_owned(),
        workloads => workloads,
    };
    let (task, effect) = (cell(task), cell(&change.sentence()));
    format!("| {task} | {effect} | {workloads} |\n")
}

/// Text of others in a cell: it can neither end the cell nor become markup, a link or a mention.
fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '~' | '!' | '(' | ')' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '@' => escaped.push_str("@\u{200b}"),
            '&' => escaped.push_str("&amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A pattern in a cell; patterns have neither `|` nor a backtick.
fn code(text: &str) -> String {
    format!("`{}`", text.replace(['|', '`', '\n'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        assert_eq!(
            cell("a|b [x](y) @everyone <img>\n"),
            "a\\|b \\[x\\]\\(y\\) @\u{200b}everyone \\<img\\> "
        );
    }
}
