//! The daemon's lives: how one ends, and what the next one must still know.

use chrono::TimeDelta;

use crate::daemon::Daemon;
use crate::host::Host;

impl Host {
    /// A kill of the daemon, somewhere, and its next life. What it had acknowledged is still known.
    pub async fn crash(&mut self) -> Result<(), String> {
        for db in &self.dbs {
            self.daemon.add(&db.name);
        }
        let how = self.rng.below(3);
        match how {
            0 => {}
            1 => {
                let polls = usize::try_from(self.rng.below(160)).unwrap_or(0);
                let cut = self.daemon.step_cut_off(polls).await?;
                self.tell(format!("  cut off after {polls} polls: {cut}"));
            }
            _ => {
                let (call, after) = (self.rng.below(60), self.rng.percent(50));
                self.world.hang_at(self.world.calls() + call, after);
                let ended = self.daemon.step_until_hung().await?;
                self.tell(format!(
                    "  killed at call {call}, effect {after}: {}",
                    !ended
                ));
                self.world.revive();
            }
        }
        self.next_life().await
    }

    /// A kill at a call of what is under way, before its effect or `after` it, and the next life. Where
    /// there are fewer calls within so long a time, a kill at its end. Whether there was that call.
    pub async fn killed_at(
        &mut self,
        call: u64,
        after: bool,
        within: TimeDelta,
    ) -> Result<bool, String> {
        let until = self.now() + within;
        self.world.hang_at(self.world.calls() + call, after);
        let mut alive = true;
        while alive && self.now() < until {
            alive = self.daemon.step_until_hung().await?;
            if alive {
                self.after_step().await?;
                self.world.advance(TimeDelta::milliseconds(500));
            }
        }
        self.tell(format!("killed at call {call}, effect {after}: {}", !alive));
        self.world.revive();
        self.next_life().await?;
        Ok(!alive)
    }

    /// The daemon is gone, and starts again on what it left behind.
    async fn next_life(&mut self) -> Result<(), String> {
        let head = self.daemon.ledger.book().head();
        let kept = usize::try_from(self.rng.below(400)).unwrap_or(0);
        self.storage.set_full(false);
        self.storage = self.storage.crash(kept);
        let (storage, past) = (self.storage.clone(), self.daemon.past.clone());
        let grudge = self.daemon.grudge.clone();
        self.daemon = Daemon::start(&self.world, storage, Some(past), &self.site, grudge).await?;
        self.daemon.deaf = self.rng.percent(20);
        if let Some(books) = &self.books {
            self.daemon.open_desk(&books.shelf, &self.site);
        }
        if head.seq > 0 {
            let found = self.daemon.ledger.records(head.seq - 1, 1).await;
            let found = found.map_err(|e| e.to_string())?;
            // Records are chained: the same checksum means the same entries before it.
            if found.first().map(|r| r.head()) != Some(head) {
                return Err(format!("entry {} was acknowledged and is gone", head.seq));
            }
        }
        self.after_step().await
    }
}
