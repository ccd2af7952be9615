//! Remedies that name what this policy declares, and not what some other might.

use super::names::Names;
use crate::domain::policy::declared::{DeclaredAudience, DeclaredCredential, Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::installation::Installation;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::{Reference, Report};
use crate::domain::policy::source::{Place, SourceFile};

/// What can be referred to.
pub(super) struct References<'a> {
    pub(super) sources: &'a [SourceFile],
    pub(super) installation: &'a Installation,
    pub(super) credentials: &'a Names<'a, DeclaredCredential>,
    pub(super) audiences: &'a Names<'a, DeclaredAudience>,
    pub(super) environments: &'a Names<'a, Vec<Located<WorkloadPattern>>>,
}

impl References<'_> {
    /// Puts declared names into the remedies that show how to refer to something.
    pub(super) fn settle(&self, report: &mut Report) {
        for (reference, finding) in report.take_references() {
            let by_uri = (reference == Reference::Audience)
                .then(|| self.of_uri(&finding.place))
                .flatten();
            let declared = by_uri.or_else(|| match reference {
                Reference::Credential => nearest(self.credentials, &finding.place),
                Reference::Audience => nearest(self.audiences, &finding.place),
                Reference::Environment => nearest(self.environments, &finding.place),
                Reference::Issuer => {
                    let mut issuers = self.installation.issuers.iter();
                    issuers.next().map(|issuer| issuer.name.to_string())
                }
            });
            report.push(match declared {
                Some(name) => with_name(finding, reference, &name),
                None => finding,
            });
        }
    }
}

impl References<'_> {
    /// The audience whose URI stands at a place.
    fn of_uri(&self, place: &Place) -> Option<String> {
        let source = self.sources.iter().find(|file| file.name == place.file)?;
        let written = std::str::from_utf8(source.bytes.get(place.span.clone())?).ok()?;
        let written = written.trim_matches(['"', '\'', ' ']).trim_end_matches('/');
        let is_it = |named: &&&Named<DeclaredAudience>| {
            let uri = named.body.uri.as_ref();
            uri.is_some_and(|uri| uri.value.trim_end_matches('/') == written)
        };
        let named = self.audiences.values().find(is_it)?;
        Some(named.name.value.to_string())
    }
}

fn with_name(finding: Diagnostic, reference: Reference, name: &str) -> Diagnostic {
    let (example, name) = (
        format!("\"{}\"", reference.example()),
        format!("\"{name}\""),
    );
    let mut finding = finding;
    finding.help = finding.help.map(|help| help.replace(&example, &name));
    if let Some(fix) = &mut finding.fix {
        fix.replacement = fix.replacement.replace(&example, &name);
    }
    finding
}

/// The first name that is declared in the same file, or in any.
fn nearest<T>(names: &Names<'_, T>, place: &Place) -> Option<String> {
    let in_file = |named: &&&Named<T>| named.name.place.file == place.file;
    let found = names
        .values()
        .find(in_file)
        .or_else(|| names.values().next())?;
    Some(found.name.value.to_string())
}
