//! Convergence, of what waits: what time alone lets go says when. Otherwise it would go on only where
//! something happened, or where somebody looks at all of them for no reason.

use chrono::TimeDelta;

use db4sci::model::Lane;
use db4sci::plan::plan;

use crate::ignorance::{Draw, noon, site};
use crate::rng::Rng;
use crate::seeds::{Run, hold};

/// Situations a seed.
const SITUATIONS: u32 = 40;
/// Seconds after the first question.
const LATER: [i64; 10] = [1, 3, 10, 20, 40, 70, 150, 310, 900, 3500];

fn law(run: Run) -> Result<(), String> {
    let mut draw = Draw(Rng::new(run.seed));
    for _ in 0..SITUATIONS {
        let situation = draw.situation();
        let wanted = situation.wanted();
        let asked = |seconds| {
            let at = noon() + TimeDelta::seconds(seconds);
            (at, plan(&wanted, &situation.seen, &site(), at))
        };
        let (_, first) = asked(0);
        if first.lane.is_some() {
            continue;
        }
        for seconds in LATER {
            let (at, later) = asked(seconds);
            if first.wake_at.is_some_and(|wake| wake <= at) {
                break;
            }
            // Nobody waits for being given up.
            let gives_up = |lane: &Lane| lane.actions.iter().any(|a| a.kind() == "quarantine");
            if let Some(lane) = later.lane.filter(|lane| !gives_up(lane)) {
                return Err(format!(
                    "{seconds} s later it is to {:?}, and was to be looked at {:?}\n{situation:#?}\n\
                     {first:#?}",
                    lane.why, first.wake_at
                ));
            }
        }
    }
    Ok(())
}

#[test]
fn what_time_alone_lets_go_says_when() {
    hold(&[], law);
}
