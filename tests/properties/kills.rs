//! Crash, call by call: a kill at a random moment seldom meets the one between two steps of a first
//! start. Here there is one at each call of a life, before its effect or after it.

use chrono::TimeDelta;

use crate::host::{Host, block_on};
use crate::laws::settles;
use crate::seeds::{Run, hold_for};
use crate::specs::Wish;

/// Parts of a life: its first start, another container on the same data, its stop.
const PARTS: u64 = 3;
/// A part has fewer calls until it is over.
const CALLS: u64 = 80;
/// A part is over by then.
const OVER: TimeDelta = TimeDelta::seconds(20);

/// The seed says in which part, at which of its calls, and on which side of that one's effect.
async fn killed(run: Run) -> Result<(), String> {
    let number = run.seed - 1;
    let (part, after, call) = (
        number % PARTS,
        (number / PARTS).is_multiple_of(2),
        number / (PARTS * 2),
    );
    let mut host = Host::new(run).await?;
    // Nothing is looked at before the first call that counts.
    host.hurried = false;
    let first = Wish::new("genomics", "Postgres");
    host.add(first.clone()).await?;
    if part > 0 {
        host.pass(OVER).await?;
        host.all_as_wanted()?;
        host.write(0);
        let (shm, state) = match part {
            1 => (Some("128Mi"), "Running"),
            _ => (None, "Stopped"),
        };
        host.wish(
            0,
            Wish {
                shm,
                state,
                ..first
            },
        )
        .await?;
    }
    if host.killed_at(call, after, OVER).await? && call + 1 >= CALLS {
        return Err(format!("there are more than {CALLS} calls"));
    }
    settles(&mut host).await
}

#[test]
fn a_daemon_killed_at_each_call_of_a_life_goes_on_where_it_was() {
    hold_for(PARTS * 2 * CALLS, &[], |run| block_on(killed(run)));
}
