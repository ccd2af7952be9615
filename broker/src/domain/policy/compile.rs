//! From files to a snapshot.

use super::diagnostic::Diagnostic;
use super::installation::Installation;
use super::snapshot::Policy;
use super::source::{SourceFile, SourceText};

pub(super) fn compile(
    files: &[SourceFile],
    _installation: &Installation,
) -> Result<Policy, Vec<Diagnostic>> {
    Err(files.iter().map(not_yet).collect())
}

fn not_yet(file: &SourceFile) -> Diagnostic {
    let text = SourceText::new(file.name.clone(), "");
    let place = text.place(0..0);
    Diagnostic::warning(place.clone(), "")
        .label("")
        .help("")
        .related(place.clone(), "");
    Diagnostic::error(place, "policy files are not compiled yet")
}
