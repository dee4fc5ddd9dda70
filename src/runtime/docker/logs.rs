//! The end of a container's log, in bounded memory.

use bollard::container::LogOutput;
use futures_util::{Stream, StreamExt};

/// At most so much of a log is kept, its end: evidence for a person, no archive.
const LIMIT: usize = 64 * 1024;

/// Collects the last lines of both streams.
pub(super) async fn collect(
    output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>>,
) -> Result<String, bollard::errors::Error> {
    let mut tail = Tail::default();
    let mut output = std::pin::pin!(output);
    while let Some(piece) = output.next().await {
        tail.push(piece?.as_ref());
    }
    Ok(tail.into_text())
}

/// The end of what was pushed.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        // Cut seldom, so that a long log is not moved with every line.
        if self.bytes.len() > 2 * LIMIT {
            self.cut_to_limit();
        }
    }

    fn cut_to_limit(&mut self) {
        if let Some(excess) = self.bytes.len().checked_sub(LIMIT).filter(|n| *n > 0) {
            self.bytes.drain(..excess);
            self.cut = true;
        }
    }

    /// Whole lines only: what stands before the first line break of a cut log is left out.
    fn into_text(mut self) -> String {
        self.cut_to_limit();
        let mut rest = self.bytes.as_slice();
        if self.cut
            && let Some(end) = rest.iter().position(|b| *b == b'\n')
        {
            rest = &rest[end + 1..];
        }
        String::from_utf8_lossy(rest).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_log_is_kept_whole() {
        let mut tail = Tail::default();
        tail.push(b"one\n");
        tail.push(b"two\n");
        assert_eq!(tail.into_text(), "one\ntwo\n");
    }

    #[test]
    fn a_long_log_keeps_its_last_whole_lines() {
        let mut tail = Tail::default();
        for n in 0..100_000 {
            tail.push(format!("line {n}\n").as_bytes());
            assert!(tail.bytes.len() <= 3 * LIMIT);
        }
        let text = tail.into_text();
        assert!(text.len() <= LIMIT);
        assert!(text.starts_with("line "), "{}", &text[..20]);
        assert!(text.ends_with("line 99999\n"));
    }
}
