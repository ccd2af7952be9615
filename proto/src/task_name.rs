//! Names of tasks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::MAX_TASK_NAME_BYTES;

/// A task's name: `[a-z0-9-]+(/[a-z0-9-]+)*`, at most 128 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName(Arc<str>);

/// The text is not a task's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a task's name is segments of `a-z`, `0-9` and `-` joined by `/`, at most {MAX_TASK_NAME_BYTES} bytes"
)]
pub struct InvalidTaskName;

impl TaskName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskName {
    type Err = InvalidTaskName;

    fn from_str(text: &str) -> Result<Self, InvalidTaskName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let valid = text.len() <= MAX_TASK_NAME_BYTES
            && text
                .split('/')
                .all(|segment| !segment.is_empty() && segment.bytes().all(allowed));
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidTaskName)
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_lower_case_segments_only() {
        for good in ["deploy-docs", "ci/build/7", "a", "-"] {
            assert_eq!(good.parse::<TaskName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(129);
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a_b", "a b", "ä", "a.b", &long,
        ] {
            assert!(bad.parse::<TaskName>().is_err(), "{bad}");
        }
    }
}
