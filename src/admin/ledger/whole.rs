//! Whether the journal lies on the disk as it was written, while it is in use, and writing back what does not.

use tokio::sync::oneshot;

use super::writer::Request;
use super::{Ledger, LedgerError};
use crate::admin::journal::{Gap, Head, Stirred, follow};

impl Ledger {
    /// What somebody else did to the journal's file since this was last asked, as far as that shows without
    /// reading it: cheap. Another file in its place ends the ledger.
    ///
    /// # Errors
    /// When that is so, and when it cannot be looked at.
    pub async fn stirred(&self) -> Result<Stirred, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Stirred { reply }).await?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Reads the whole journal, and gives the stretches that are not as they were written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn gaps(&self) -> Result<Vec<Gap>, LedgerError> {
        super::read::read(self.shown.reader.clone(), |reader| reader.gaps()).await
    }

    /// The records of a gap, put together from what is good of it, what is in memory, and lines from
    /// elsewhere; `None`: something is missing. Where it ended is known: nothing else than what was there is
    /// taken for it.
    pub fn filled(&self, gap: &Gap, others: &[String]) -> Option<Vec<u8>> {
        let good = gap.found.split(|byte| *byte == b'\n');
        let ring: Vec<_> = self.shown.ring().iter().cloned().collect();
        let recent = ring.iter().map(|record| record.line.as_bytes());
        let others = others.iter().map(String::as_bytes);
        fill(gap.from.head, gap.to.head, good.chain(recent).chain(others))
    }

    /// Writes the records of a gap back.
    ///
    /// # Errors
    /// When these are not its records, and as [`Ledger::append`].
    pub async fn put_back(&self, gap: Gap, lines: Vec<u8>) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::PutBack { gap, lines, reply }).await?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    async fn request(&self, request: Request) -> Result<(), LedgerError> {
        let sent = self.requests.send(request).await;
        sent.map_err(|_| LedgerError::Closed)
    }
}

/// The lines from one head to another, of which each follows the one before it.
fn fill<'a>(from: Head, to: Head, lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    let (mut at, mut filled, mut begin) = (from, Vec::new(), 0);
    while at != to {
        // They come in order but for where one source ends and the next one begins.
        let order = (begin..lines.len()).chain(0..begin);
        let mut next = order.filter_map(|i| Some((i, follow(at, lines[i])?)));
        let (i, head) = next.next().filter(|_| at.seq < to.seq)?;
        filled.extend_from_slice(lines[i]);
        filled.push(b'\n');
        (at, begin) = (head, i + 1);
    }
    Some(filled)
}
