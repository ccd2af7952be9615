//! Reading.
use super::diagnostic::Diagnostic;
use super::installation::Installation;
use super::source::SourceFile;

pub(super) fn installation(file: &SourceFile) -> Result<Installation, Vec<Diagnostic>> {
    let _ = file;
    Err(Vec::new())
}
