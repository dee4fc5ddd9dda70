//! What is measured, as the daemon shows it at each scrape.

use super::backend::Daemon;

impl Daemon {
    /// All metrics in Prometheus' text format, as of now.
    pub(super) fn measured(&self) -> String {
        self.metrics.queue_depth(self.queue.depth());
        let book = self.ledger.book();
        self.metrics.journal_entries(book.head().seq);
        self.metrics.log_harms(book.log_harms().len() as u64);
        for (name, row) in book.rows().filter(|(_, row)| row.end.is_none()) {
            for store in self.desk.stores_of(&row.database) {
                self.metrics.backup_wanted(name, &store);
            }
        }
        self.metrics.observe(&self.board.watch().borrow());
        self.metrics.render()
    }
}

#[cfg(test)]
mod tests {
    use crate::app::rights::tests::daemon;

    #[tokio::test]
    async fn what_may_fail_of_backups_is_shown_before_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let text = daemon(folder.path()).await.measured();
        for name in ["genomics", "mydb_admin"] {
            let row = format!(
                "db4sci_backup_failures_total{{name=\"{name}\",reason=\"tool\",store=\"local\"}} 0"
            );
            assert!(text.lines().any(|line| line == row), "{row}\n{text}");
        }
    }
}
