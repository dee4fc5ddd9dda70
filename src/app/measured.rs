//! What is measured, as the daemon shows it at each scrape.

use std::collections::BTreeSet;

use super::backend::Daemon;

impl Daemon {
    /// All metrics in Prometheus' text format, as of now.
    pub(super) fn measured(&self) -> String {
        self.metrics.queue_depth(self.queue.depth());
        let book = self.ledger.book();
        self.metrics.journal_entries(book.head().seq);
        self.metrics.log_harms(book.log_harms().len() as u64);
        let mut left = BTreeSet::new();
        for (name, row) in book.rows().filter(|(_, row)| row.end.is_none()) {
            left.insert(name.as_str());
            for store in self.desk.stores_of(&row.database) {
                self.metrics.backup_wanted(name, &store);
            }
        }
        self.metrics.observe(&self.board.watch().borrow());
        // Last: the snapshot may still show what is gone.
        self.metrics.keep(&left);
        self.metrics.render()
    }
}

#[cfg(test)]
mod tests {
    use crate::app::rights::tests::{daemon, parts};

    #[tokio::test]
    async fn what_may_fail_of_backups_is_shown_before_it_does_and_what_is_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = daemon(folder.path()).await;
        let gone = "gone".parse().unwrap();
        daemon.metrics.restarted(&gone);
        daemon.metrics.backup_failed(&gone, "local", "tool");
        let at = daemon.clock.now();
        (daemon.metrics).backup_taken(&gone, "local", chrono::TimeDelta::seconds(1), 1, at);
        daemon.metrics.backup_verified(&gone, "local", at);
        let text = daemon.measured();
        assert!(!text.contains("name=\"gone\""), "{text}");
        for name in ["genomics", "mydb_admin"] {
            let row = format!(
                "db4sci_backup_failures_total{{name=\"{name}\",reason=\"unknown\",store=\"local\"}} 0"
            );
            assert!(text.lines().any(|line| line == row), "{row}\n{text}");
        }
    }

    /// What a row without labels says.
    fn value(text: &str, name: &str) -> f64 {
        let mut rows = text.lines().filter_map(|line| line.split_once(' '));
        let row = rows.find(|(found, _)| *found == name).unwrap();
        row.1.parse().unwrap()
    }

    #[tokio::test]
    async fn a_look_while_docker_does_not_answer_is_no_successful_one() {
        let folder = tempfile::tempdir().unwrap();
        let parts = parts(folder.path()).await;
        let (daemon, triggers) = (parts.backend, parts.triggers);
        daemon.board.docker(Some("connection refused".to_owned()));
        let run = tokio::spawn(triggers.clone().run_queue());
        triggers.add_all();
        let last = || {
            let name = "db4sci_last_successful_pass_timestamp_seconds";
            value(&daemon.measured(), name)
        };
        while value(&daemon.measured(), "db4sci_pass_duration_seconds_count") < 2.0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(last(), 0.0);
        daemon.board.docker(None);
        while last() == 0.0 {
            triggers.add_all();
            tokio::task::yield_now().await;
        }
        run.abort();
    }
}
