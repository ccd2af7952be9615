//! Grants that stand without their task.

use super::names::{Names, did_you_mean};
use crate::domain::policy::declared::{DeclaredTask, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::read::in_header;
use crate::domain::policy::report::Report;

/// Reports grants of a task that is declared in another file, under a name like theirs, or nowhere.
pub(super) fn report_grants(
    declared: &[Named<DeclaredTask>],
    tasks: &Names<'_, DeclaredTask>,
    report: &mut Report,
) {
    // Something misspelt elsewhere is the cause.
    let is_told = report.is_partial();
    for task in declared.iter().filter(|task| task.body.is_headless) {
        if !is_told {
            report.push(finding(task, tasks, report));
        }
        // Nobody is to be told that what they grant is granted by no one.
        report.set_partial();
    }
}

fn finding(
    task: &Named<DeclaredTask>,
    tasks: &Names<'_, DeclaredTask>,
    report: &Report,
) -> Diagnostic {
    let (name, place) = (&*task.name.value, task.name.place.clone());
    let header = in_header(name);
    if let Some(declared) = tasks.get(name) {
        let at = declared.name.place.clone();
        let message = format!("the grants of task `{name}` stand in another file than the task");
        return Diagnostic::error(place, message)
            .help(format!(
                "move them to `{}`, below `[task.{header}]`",
                at.file
            ))
            .related(at, "the task is declared here");
    }
    let finding = Diagnostic::error(place.clone(), format!("there is no task `{name}` to grant"));
    match did_you_mean(name, tasks.keys().copied(), report) {
        Some(meant) => finding
            .help(format!("did you mean `{meant}`?"))
            .fix(place, in_header(meant)),
        None => finding.help(format!(
            "declare it above its grants: `[task.{header}]` with `owner` and `purpose`"
        )),
    }
}
