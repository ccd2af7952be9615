//! What a parser says of a Cedar text, with what to write instead.

use std::ops::Range;

use miette::Diagnostic;

use super::limits::{Token, Tokens};
use super::mistake::{Mistake, span_of};
use super::schema::{TASK, WORKLOAD};
use crate::domain::policy::suggest::suggest;

/// What is part of the context, and often written without it.
const PARTS: [&str; 14] = [
    "params",
    "time",
    "job",
    "identity",
    "environment",
    "environments",
    "subject",
    "task",
    "path",
    "name",
    "segments",
    "trust_domain",
    "risk",
    "reported",
];
const METHODS: [&str; 5] = ["contains", "containsAll", "containsAny", "isEmpty", "has"];

/// What a parser says, in places of the text.
pub(in crate::domain::policy) fn syntax<'a, E: Diagnostic + 'a>(
    errors: impl Iterator<Item = &'a E>,
    text: &str,
) -> Vec<Mistake> {
    errors
        .map(|error| {
            let said = Said {
                text,
                span: span_of(error, 0, text),
                message: error.to_string(),
            };
            if let Some(mistake) = said.remedy() {
                return mistake;
            }
            let mistake = Mistake::error(said.span, said.message);
            match error.help() {
                Some(help) => mistake.help(help.to_string()),
                None => mistake.help(general(text)),
            }
        })
        .collect()
}

fn general(text: &str) -> &'static str {
    if text.contains("forbid") {
        "a guardrail is `forbid(principal, action, resource) when { … };`, with `;` at its end"
    } else if text.trim_start().starts_with('[') {
        "tables belong into a `*.toml` file; a guardrail file holds `forbid(principal, action, resource) when { … };`"
    } else {
        "write a Cedar expression, for instance `context.params.ref == \"refs/heads/main\"`"
    }
}

/// One error of the parser.
struct Said<'a> {
    text: &'a str,
    span: Range<usize>,
    message: String,
}

impl Said<'_> {
    /// What people write who know another language better.
    fn remedy(&self) -> Option<Mistake> {
        let remedies = [
            Self::statement,
            Self::head,
            Self::comparison,
            Self::operator,
            Self::word,
            Self::quotes,
            Self::variable,
            Self::method,
            Self::end,
        ];
        remedies.iter().find_map(|remedy| remedy(self))
    }

    fn here(&self) -> &str {
        self.text.get(self.span.clone()).unwrap_or_default()
    }

    fn rest(&self) -> &str {
        self.text.get(self.span.start..).unwrap_or_default()
    }

    fn before(&self) -> &str {
        self.text.get(..self.span.start).unwrap_or_default()
    }

    #[allow(
        clippy::unnecessary_wraps,
        reason = "a remedy is one of several, or none"
    )]
    fn told(&self, help: &str) -> Option<Mistake> {
        Some(Mistake::error(self.span.clone(), self.message.clone()).help(help))
    }

    #[allow(
        clippy::unnecessary_wraps,
        reason = "a remedy is one of several, or none"
    )]
    fn fixed(&self, help: &str, span: Range<usize>, replacement: &str) -> Option<Mistake> {
        Some(Mistake {
            fix: Some((span, replacement.to_owned())),
            ..self.told(help)?
        })
    }

    /// With another text in place of what begins here.
    fn replaced(&self, help: &str, wrong: &str, right: &str) -> Option<Mistake> {
        self.fixed(help, self.span.start..self.span.start + wrong.len(), right)
    }

    /// Whole statements: their effect, their end, comments, and where they do not belong.
    fn statement(&self) -> Option<Mistake> {
        let begin = self.text.trim_start();
        if begin.starts_with('#') {
            let at = self.text.len() - begin.len();
            return self.fixed("comments begin with `//`", at..at + 1, "//");
        }
        if self.message.starts_with("invalid policy effect") {
            let word = self
                .here()
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default();
            if word == "permit" || word == "allow" {
                let help = "a guardrail only forbids: permit by a grant, or forbid whatever is otherwise, as in `forbid(…) unless { … };`";
                return self.told(help);
            }
            return self.replaced("write `forbid`: a guardrail only forbids", word, "forbid");
        }
        let is_statement = self.text.contains("forbid") || self.text.contains("permit");
        let before = self.before().trim_end();
        if is_statement
            && (before.ends_with("forbid") || before.ends_with("permit"))
            && before.len() > 6
        {
            let end = before
                .get(..before.len() - 6)
                .unwrap_or_default()
                .trim_end()
                .len();
            let span = end.saturating_sub(1)..end;
            let mistake = Mistake::error(span, "the statement is not ended");
            return Some(Mistake {
                fix: Some((end..end, ";".to_owned())),
                ..mistake.help("end each statement with `;`")
            });
        }
        if is_statement && self.message.contains("unexpected end of input") {
            let end = self.text.trim_end().len();
            return match open_bracket(self.text) {
                Some(close) => self.fixed(
                    &format!("close the bracket with `{close}`"),
                    end..end,
                    close,
                ),
                None => self.fixed("end the statement with `;`", end..end, ";"),
            };
        }
        if is_statement
            && (before.ends_with("when") || before.ends_with("unless"))
            && !self.rest().starts_with('{')
        {
            return self.told(
                "put the condition between `{` and `}`, as in `when { context.risk.exposed };`",
            );
        }
        let first = begin
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default();
        if !is_statement && ["when", "unless"].contains(&first) {
            return self.told(
                "write only what stands between the braces: the key says `when` or `unless`",
            );
        }
        None
    }

    /// What is compared in a statement's head, and its annotations.
    fn head(&self) -> Option<Mistake> {
        let before = self.before().trim_end();
        if before.ends_with("@id(") || before.ends_with("@description(") {
            let value = self.rest().split(')').next()?.trim_end();
            return self.replaced("text stands between `\"`", value, &format!("\"{value}\""));
        }
        let is_list = self.message.starts_with("expected single entity uid");
        if !is_list && !self.message.starts_with("expected an entity uid") {
            return None;
        }
        let literal = self.here();
        if is_list {
            return self.told("ask in a condition: `when { [\"deploy-docs\", \"build\"].contains(context.task) }`");
        }
        let kind = if before.contains("resource") {
            TASK
        } else if before.contains("action") {
            return self.told("there is one action: write `action`, and nothing behind it");
        } else {
            WORKLOAD
        };
        if literal.starts_with('"') {
            let right = format!("{kind}::{literal}");
            return self.fixed(&format!("write `{right}`"), self.span.clone(), &right);
        }
        let (_, name) = literal.split_once("::")?;
        let right = format!("{kind}::\"{name}\"");
        self.fixed(&format!("write `{right}`"), self.span.clone(), &right)
    }

    fn comparison(&self) -> Option<Mistake> {
        let help = "two are compared with `==`";
        if self.message.contains("'=' is not a valid operator") {
            let at = single_equals(self.text)?;
            return self.fixed(help, at..at + 1, "==");
        }
        let rest = self.rest();
        if rest.starts_with('>') && self.before().ends_with('=') {
            return self.fixed("write `>=`", self.span.start - 1..self.span.start + 1, ">=");
        }
        if rest.starts_with('<') && self.before().ends_with('=') {
            return self.fixed("write `<=`", self.span.start - 1..self.span.start + 1, "<=");
        }
        if rest.starts_with("===") {
            return self.replaced(help, "===", "==");
        }
        if rest.starts_with('=') && self.before().ends_with("==") {
            return self.replaced(help, "=", "");
        }
        if rest.starts_with('=') && !rest.starts_with("==") {
            return self.replaced(help, "=", "==");
        }
        None
    }

    fn operator(&self) -> Option<Mistake> {
        let rest = self.rest();
        for (one, two) in [("&", "&&"), ("|", "||")] {
            if rest.starts_with(one) && !rest.starts_with(two) && !self.before().ends_with(one) {
                return self.replaced(&format!("write `{two}`"), one, two);
            }
        }
        if rest.starts_with(')')
            && self.message.starts_with("unexpected token")
            && open_bracket(self.before()).is_none()
        {
            return self.replaced("there is no `(` for it: remove it", ")", "");
        }
        if rest.starts_with(';') && self.message.starts_with("unexpected token") {
            return match open_bracket(self.before()) {
                Some(close) => self.fixed(
                    &format!("close the bracket with `{close}`"),
                    self.span.start..self.span.start,
                    close,
                ),
                None if !self.text.contains("forbid") => {
                    self.replaced("a condition ends without `;`: remove it", ";", "")
                }
                None => None,
            };
        }
        None
    }

    fn word(&self) -> Option<Mistake> {
        let rest = self.rest();
        let word = rest
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
            .unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "and" => return self.replaced("write `&&`", word, "&&"),
            "or" => return self.replaced("write `||`", word, "||"),
            "between" => return self.told(
                "write it as two, for instance `context.time.hour >= 8 && context.time.hour < 18`",
            ),
            "matches" | "startswith" | "endswith" | "contains" if !self.before().ends_with('.') => {
                return self.told(
                    "compare with `like`, where `*` is any text: `context.path like \"/prod/*\"`",
                );
            }
            _ => {}
        }
        let before = self.before();
        if rest.starts_with("like") && before.trim_end().ends_with("not")
            || word == "not"
                && rest
                    .trim_start_matches("not")
                    .trim_start()
                    .starts_with("like")
        {
            return self.told("put `!(` and `)` around it: `!(context.path like \"/prod/*\")`");
        }
        let at = before.len().checked_sub("not ".len());
        if let Some(at) = at.filter(|_| before.ends_with("not ")) {
            return self.fixed("write `!`", at..before.len(), "!");
        }
        if word == "not" {
            return self.replaced("write `!`", "not ", "!");
        }
        if self.message.starts_with("invalid RHS of a `has`") {
            let name = self.here().rsplit(" has ").next().unwrap_or_default();
            return self.told(&format!(
                "put a name with `-` in it between `\"`: `has \"{name}\"`"
            ));
        }
        if self.message.contains("reserved") && word == "has" {
            return self.told("write `has` between the two, for instance `context.params has ref`");
        }
        None
    }

    fn quotes(&self) -> Option<Mistake> {
        let open = self.text.find('\'')?;
        let help = "text stands between `\"`, not between `'`";
        let rest = self.text.get(open + 1..)?;
        match rest.find('\'') {
            Some(len) => {
                let inner = rest.get(..len)?;
                self.fixed(help, open..open + len + 2, &format!("\"{inner}\""))
            }
            None => self.told(help),
        }
    }

    fn variable(&self) -> Option<Mistake> {
        let here = self.here();
        let first = here.split(['.', '[', ' ']).next().unwrap_or_default();
        if PARTS.contains(&first) {
            let start = self.span.start..self.span.start;
            return self.fixed(&format!("write `context.{here}`"), start, "context.");
        }
        let is_word = !here.is_empty() && here.chars().all(|c| c.is_alphanumeric() || c == '_');
        if self.message.starts_with("invalid variable") && is_word {
            if let Some(meant) = suggest(here, PARTS.into_iter()) {
                let right = format!("context.{meant}");
                return self.fixed(
                    &format!("did you mean `{right}`?"),
                    self.span.clone(),
                    &right,
                );
            }
            let word = here.to_ascii_lowercase();
            if ["true", "false"].contains(&&*word) {
                return self.fixed(&format!("write `{word}`"), self.span.clone(), &word);
            }
            if ["null", "none", "nil", "undefined"].contains(&&*word) {
                return self.told("there is no such value: ask whether it is there, as in `context.params has ref`");
            }
            // `context.params.git-ref` is a difference.
            if let Some(whole) = hyphenated(self.before(), here) {
                return self.told(&format!("write `context.params[\"{whole}\"]`"));
            }
            let right = format!("\"{here}\"");
            return self.fixed(
                &format!("if it is a text, write `{right}`"),
                self.span.clone(),
                &right,
            );
        }
        None
    }

    fn method(&self) -> Option<Mistake> {
        let (_, rest) = self.message.split_once('`')?;
        let (name, rest) = rest.split_once('`')?;
        if !rest.contains("not a valid method") {
            return None;
        }
        if ["startsWith", "endsWith", "matches", "includes"].contains(&name) {
            return self.told(
                "compare with `like`, where `*` is any text: `context.path like \"/prod/*\"`",
            );
        }
        let Some(meant) = suggest(name, METHODS.into_iter()) else {
            return self.told("sets have `contains`, `containsAll`, `containsAny` and `isEmpty`");
        };
        let at = self.text.find(&format!(".{name}("))? + 1;
        self.fixed(
            &format!("did you mean `{meant}`?"),
            at..at + name.len(),
            meant,
        )
    }

    fn end(&self) -> Option<Mistake> {
        if !self.message.contains("unexpected end of input") {
            return None;
        }
        let end = self.text.trim_end().len();
        let text = self.text.trim_end();
        if let Some(operator) = ["&&", "||", "==", "!=", ">=", "<=", ">", "<"]
            .into_iter()
            .find(|end| text.ends_with(end))
        {
            return self.told(&format!(
                "write what is missing behind `{operator}`, or remove it"
            ));
        }
        if text.contains("then") && !text.contains("else") {
            return self.told("an `if` has both, `then` and `else`");
        }
        let close = open_bracket(text)?;
        self.fixed(
            &format!("close the bracket with `{close}`"),
            end..end,
            close,
        )
    }
}

/// The whole name of a parameter with `-` in it, of which `last` is the part behind the last one.
fn hyphenated(before: &str, last: &str) -> Option<String> {
    let (_, name) = before.rsplit_once("context.params.")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    (name.ends_with('-') && name.chars().all(is_name)).then(|| format!("{name}{last}"))
}

/// What closes the innermost bracket that is open at the end.
fn open_bracket(text: &str) -> Option<&'static str> {
    let mut open = Vec::new();
    for (at, token) in Tokens::new(text) {
        match token {
            Token::Open => open.push(at),
            Token::Close => {
                open.pop();
            }
            Token::Operator | Token::End | Token::Other => {}
        }
    }
    match text.as_bytes().get(*open.last()?)? {
        b'(' => Some(")"),
        b'[' => Some("]"),
        _ => Some("}"),
    }
}

/// The first `=` that is no part of another operator.
fn single_equals(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_operator = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(|byte| b"=!<>".contains(byte))
    };
    Tokens::new(text)
        .filter(|(_, token)| *token == Token::Operator)
        .map(|(at, _)| at)
        .find(|at| {
            bytes.get(*at) == Some(&b'=')
                && !is_operator(at.checked_sub(1))
                && bytes.get(at + 1) != Some(&b'=')
        })
}
