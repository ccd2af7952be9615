//! What went wrong, for people and for programs: what happened, why, and what to try.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::exit::Exit;
use crate::output::printable;
use crate::remedies;

/// Why a command ends without having done what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure(Box<Told>);

#[derive(Debug, Default)]
struct Told {
    what: String,
    why: Option<String>,
    has_excerpt: bool,
    remedy: Option<String>,
    reason: Option<String>,
    correlation_id: Option<String>,
    retry_after: Option<Duration>,
    exit: Option<Exit>,
}

impl Failure {
    /// Something failed; `what` completes the sentence "error: …".
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Told {
            what: what.into(),
            ..Told::default()
        }))
    }

    /// The command line or an input file is wrong.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(what).exit(Exit::Usage)
    }

    /// A refusal with a stable reason; the remedy comes from the one table of remedies.
    pub(crate) fn refused(what: &str, reason: &str, message: &str) -> Self {
        let mut failure = Self::new(format!("{what}: {reason}")).why(message);
        failure.0.reason = Some(reason.to_owned());
        failure.0.remedy = remedies::remedy_of(reason, message);
        failure
    }

    /// The same with its cause.
    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.0.why = Some(why.to_string()).filter(|why| !why.is_empty());
        self
    }

    /// The same with a cause that shows several lines of a file, which stay lines.
    pub(crate) fn why_with_excerpt(self, why: impl fmt::Display) -> Self {
        let mut failure = self.why(why);
        failure.0.has_excerpt = true;
        failure
    }

    /// The same with what to try.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// The same with one thing more to try.
    pub(crate) fn also_try(mut self, more: &str) -> Self {
        self.0.remedy = Some(match self.0.remedy.take() {
            Some(remedy) => format!("{remedy}; {more}"),
            None => more.to_owned(),
        });
        self
    }

    /// The same with what was done in vain before.
    pub(crate) fn in_vain(mut self, effort: &str) -> Self {
        self.0.why = Some(match self.0.why.take() {
            Some(why) => format!("{why} ({effort})"),
            None => effort.to_owned(),
        });
        self
    }

    /// The same with the id of the audit record that has the whole why.
    pub(crate) fn correlated(mut self, id: Option<String>) -> Self {
        self.0.correlation_id = id.filter(|id| !id.is_empty());
        self
    }

    /// The same with a hint when to try again.
    pub(crate) fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// The same with another exit code.
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.0.exit = Some(exit);
        self
    }

    /// The same as `run` reports it.
    pub(crate) fn for_run(self) -> Self {
        let exit = self.exit_code().for_run();
        self.exit(exit)
    }

    /// The exit code that goes with it.
    pub(crate) fn exit_code(&self) -> Exit {
        self.0.exit.unwrap_or(Exit::Negative)
    }

    /// One line: what happened and why.
    pub(crate) fn summary(&self) -> String {
        match &self.0.why {
            Some(why) => printable(&format!("{}: {why}", self.0.what)).into_owned(),
            None => printable(&self.0.what).into_owned(),
        }
    }

    /// The document that programs read.
    pub(crate) fn document(&self) -> impl Serialize {
        Document {
            error: Body {
                what: &self.0.what,
                why: self.0.why.as_deref(),
                remedy: self.0.remedy.as_deref(),
                reason: self.0.reason.as_deref(),
                correlation_id: self.0.correlation_id.as_deref(),
                retry_after_seconds: self.0.retry_after.map(|wait| wait.as_secs_f64()),
                exit_code: self.exit_code().code(),
            },
        }
    }

    /// What to try, with the command that shows the audit record.
    pub(crate) fn advice(&self) -> Option<String> {
        let wait = self
            .0
            .retry_after
            .map(|wait| format!("wait {} s", wait.as_secs_f64().ceil()));
        let see = self
            .0
            .correlation_id
            .as_ref()
            .map(|id| format!("an operator sees why: `taskpass audit show {id}`"));
        let parts: Vec<String> = [wait, self.0.remedy.clone(), see]
            .into_iter()
            .flatten()
            .collect();
        Some(parts.join("; ")).filter(|advice| !advice.is_empty())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0.what))?;
        if let Some(why) = &self.0.why {
            let why = if self.0.has_excerpt {
                why.lines()
                    .map(printable)
                    .collect::<Vec<_>>()
                    .join("\n       ")
            } else {
                printable(why).into_owned()
            };
            write!(f, "\n  why: {why}")?;
        }
        if let Some(advice) = self.advice() {
            write!(f, "\n  try: {}", printable(&advice))?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new("cannot write the output").why(error)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(rename = "try", skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<f64>,
    exit_code: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_reason_remedy_and_where_the_whole_why_is() {
        let failure = Failure::refused(
            "the job was refused",
            "TASK_NOT_GRANTED",
            "no grant lets this workload do this task",
        )
        .correlated(Some("dec_7".to_owned()));
        insta::assert_snapshot!(failure, @r"
        the job was refused: TASK_NOT_GRANTED
          why: no grant lets this workload do this task
          try: ask the task's owner for a grant, and check the task's name; an operator sees why: `taskpass audit show dec_7`
        ");
        let document = serde_json::to_value(failure.document()).unwrap();
        assert_eq!(document["error"]["reason"], "TASK_NOT_GRANTED");
        assert_eq!(document["error"]["correlation_id"], "dec_7");
        assert_eq!(document["error"]["exit_code"], 1);
    }

    #[test]
    fn text_of_others_cannot_move_the_cursor_or_add_lines() {
        let failure = Failure::new("a").why("b\x1b[2Jc\nd");
        assert_eq!(failure.to_string(), "a\n  why: b\\u{1b}[2Jc\\nd");
    }

    #[test]
    fn an_excerpt_of_a_file_keeps_its_lines() {
        let failure = Failure::usage("bad file").why_with_excerpt("at 1:1\n|\x1b\n| ^");
        assert_eq!(
            failure.to_string(),
            "bad file\n  why: at 1:1\n       |\\u{1b}\n       | ^"
        );
    }

    #[test]
    fn failures_of_run_never_look_like_the_commands_own() {
        let table = [
            (Failure::new("x"), 125),
            (Failure::usage("x"), 2),
            (Failure::new("x").exit(Exit::NotFound), 127),
        ];
        for (failure, code) in table {
            assert_eq!(failure.for_run().exit_code().code(), code);
        }
    }
}
