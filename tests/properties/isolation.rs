//! One database's trouble leaves what is done to every other one the same, at the same instants.

use crate::hands::{Damage, HANDS_ON_ONE, another};
use crate::host::{Host, Line, block_on};
use crate::laws::wishes;
use crate::rng::Rng;
use crate::seeds::{Run, hold};

/// The one with the trouble.
const TROUBLED: usize = 0;

/// What was done to the others, and what they were shown to be, with the first one in trouble or
/// not.
async fn others(run: Run, trouble: bool) -> Result<(Vec<Line>, Vec<String>), String> {
    let mut host = Host::new(run.clone()).await?;
    for wish in wishes() {
        host.add(wish).await?;
    }
    let mut damage = Damage::default();
    let mut shown = Vec::new();
    let steps = 3 + host.rng.below(12);
    for step in 0..steps {
        if !host.begins(step) {
            continue;
        }
        // What happens to the others is the same in both worlds, whatever is drawn for the first.
        let mut script = Rng::new(host.rng.next());
        if trouble {
            let what = host.rng.below(HANDS_ON_ONE + 3);
            if what < HANDS_ON_ONE {
                host.hand(TROUBLED, what, &mut damage);
            } else if let Some(db) = host.database(TROUBLED) {
                host.tell(format!("the data of {} is spoilt", db.name));
                match what - HANDS_ON_ONE {
                    0 => host.world.corrupt_data(&db),
                    1 => host.world.delete_marker(&db),
                    _ => host.world.put_strange_files(&db),
                }
            }
            // Some of what is done about it fails, for a while.
            host.grudge(TROUBLED);
            let wish = another(&host.dbs[TROUBLED].wish, &mut host.rng);
            host.wish_quietly(TROUBLED, wish).await?;
        }
        if script.percent(50) {
            let other = if script.percent(50) { 1 } else { 2 };
            let name = host.dbs[other].name.to_string();
            match script.below(4) {
                0 => host.world.kill(&name),
                1 => host.world.remove_by_hand(&name),
                2 => host.world.stop_by_hand(&name),
                _ => host.world.pause_by_hand(&name),
            }
            host.tell(format!("{name} has its own trouble"));
        }
        let half_seconds = u32::try_from(1 + script.below(80)).unwrap_or(1);
        host.pass_in_step(half_seconds).await?;
        for db in &host.dbs[TROUBLED + 1..] {
            let view = host.daemon.board.view(&db.name);
            let view = view.ok_or_else(|| format!("{} was not looked at", db.name))?;
            let lane = view.lane.as_ref().map(|lane| &lane.why);
            shown.push(format!(
                "{} {} {:?} {:?}",
                db.name, view.phase, view.reason, lane
            ));
        }
    }
    let of_others = |line: &Line| {
        let of = line.text.split(' ').nth(1).unwrap_or_default();
        host.dbs[TROUBLED + 1..]
            .iter()
            .any(|db| db.name.as_str() == of || db.uid.to_string() == of)
    };
    let mut lines: Vec<Line> = host
        .journal
        .iter()
        .filter(|l| of_others(l))
        .cloned()
        .collect();
    // Lanes run side by side: within one instant they have no order among each other.
    lines.sort_by(|a, b| {
        let name = |l: &Line| l.text.split(' ').nth(1).map(str::to_owned);
        (a.at, name(a)).cmp(&(b.at, name(b)))
    });
    Ok((lines, shown))
}

#[test]
fn one_database_s_trouble_leaves_every_other_lane_the_same() {
    // 31: what was made good of a change that cannot be ended ended its wait, and both went on in turns.
    hold(&[31], |run| {
        let (calm, calm_shown) = block_on(others(run.clone(), false))?;
        let (lines, shown) = block_on(others(run, true))?;
        let first = calm.iter().zip(&lines).find(|(a, b)| a != b);
        if let Some((calm, troubled)) = first {
            return Err(format!("calm: {calm:?}; beside the trouble: {troubled:?}"));
        }
        if calm.len() != lines.len() {
            return Err(format!("{} lines, and {}", calm.len(), lines.len()));
        }
        let first = calm_shown.iter().zip(&shown).find(|(a, b)| a != b);
        match first {
            Some((calm, troubled)) => Err(format!("calm: {calm}; beside the trouble: {troubled}")),
            None => Ok(()),
        }
    });
}
