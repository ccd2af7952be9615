//! One canonical form of the files: spaces, blank lines, quotes and line breaks. Order, names and comments stay.
//!
//! - [`format()`]: text in, text out
//! - `tokens`: TOML in pieces, blanks left out
//! - `value`, `value_layout`: values, and how they are broken into lines
//! - `lines`: the lines of a file, and the blank ones between them

mod lines;
#[cfg(test)]
mod tests;
mod tokens;
mod value;
mod value_layout;

use toml::de::DeTable;

use self::tokens::Tokens;

/// Why a file is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFormatted {
    /// It is not TOML.
    #[error("line {line}: {message}")]
    Malformed {
        /// The line of the first mistake, from 1.
        line: usize,
        /// What it is.
        message: String,
    },
    /// The form would say something else than the file. This is a bug, and the file is safe.
    #[error(
        "the file cannot be brought into form without changing what it says; report it as a bug"
    )]
    Unfaithful,
}

/// Brings TOML into its canonical form.
///
/// The form says the same, with the same comments in the same order: both are looked at again before it is
/// returned.
pub fn format(text: &str) -> Result<String, NotFormatted> {
    let content = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = parse(content)?;
    let formatted = lines::lines(&mut Tokens::new(content))
        .map(|lines| lines::laid_out(&lines))
        .ok_or(NotFormatted::Unfaithful)?;
    let is_faithful = parse(&formatted).is_ok_and(|again| again == value)
        && Tokens::new(content).comments() == Tokens::new(&formatted).comments();
    if is_faithful {
        Ok(formatted)
    } else {
        Err(NotFormatted::Unfaithful)
    }
}

fn parse(text: &str) -> Result<toml::Table, NotFormatted> {
    let (_, errors) = DeTable::parse_recoverable(text);
    let malformed = |error: &toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        NotFormatted::Malformed {
            line: before.unwrap_or_default().matches('\n').count() + 1,
            message: error.message().to_owned(),
        }
    };
    match errors.first() {
        Some(error) => Err(malformed(error)),
        None => toml::from_str(text).map_err(|error| malformed(&error)),
    }
}
