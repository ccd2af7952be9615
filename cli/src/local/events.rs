//! The stream of a job's changes: JSON, one document a line (NDJSON).

use http_body_util::BodyExt;

use crate::local::client::{Answer, without_content};
use crate::local::error::LocalError;
use crate::local::wire::Event;

/// One event holds at most 32 credentials.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A stream of events; the connection ends when it is dropped.
pub(crate) struct Events {
    answer: Answer,
    lines: Lines,
}

impl Events {
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            lines: Lines::default(),
        }
    }

    /// The next event, or `None` at the stream's end. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, LocalError> {
        loop {
            if let Some(line) = self.lines.take()? {
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| LocalError::Answer(without_content(&error)));
            }
            match self.answer.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(LocalError::Broken(error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.lines.feed(&data);
                    }
                }
            }
        }
    }
}

/// Bytes, cut into lines.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next complete line that is not blank.
    fn take(&mut self) -> Result<Option<Vec<u8>>, LocalError> {
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let line = std::mem::replace(&mut self.pending, rest);
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
        if self.pending.len() > MAX_LINE_BYTES {
            return Err(LocalError::Answer("an event that does not end".to_owned()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in pieces {
            lines.feed(piece);
            while let Some(line) = lines.take().unwrap() {
                found.push(line);
            }
        }
        found
    }

    #[test]
    fn lines_are_found_wherever_the_pieces_are_cut() {
        assert_eq!(
            lines_of(&[b"{\"a\"", b":1}\n{}\n\n", b"\r\n[", b"]\nrest"]),
            [b"{\"a\":1}\n".to_vec(), b"{}\n".to_vec(), b"[]\n".to_vec()]
        );
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        lines.feed(&vec![b'x'; MAX_LINE_BYTES + 1]);
        assert!(lines.take().is_err());
    }

    proptest! {
        #[test]
        fn cutting_changes_nothing(text in proptest::collection::vec(any::<u8>(), 0..64), cut in 0_usize..64) {
            let (head, tail) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(lines_of(&[head, tail]), lines_of(&[&text]));
        }
    }
}
