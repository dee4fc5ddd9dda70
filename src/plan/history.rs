//! What is to be expected, from what was measured: its own last times, and before there are any those
//! of other databases of its engine on this host. No number is made up.

use crate::model::{Away, Expectations, Expected, Took};

/// What is to be expected of a database with these times of its own and of others.
pub fn expected<'t, O: Iterator<Item = &'t Took>>(
    own: &[Took],
    others: impl Fn() -> O,
) -> Expectations {
    let of = |why| {
        let seconds_of = |took: &mut dyn Iterator<Item = &Took>| -> Vec<u32> {
            let of_kind = took.filter(|took| took.why == why);
            of_kind.map(|took| took.seconds).collect()
        };
        let median = |own: bool, mut seconds: Vec<u32>| {
            seconds.sort_unstable();
            // Of an even number the longer one: nobody minds a shorter absence.
            let middle = *seconds.get(seconds.len() / 2)?;
            Some(Expected {
                seconds: middle,
                times: u32::try_from(seconds.len()).unwrap_or(u32::MAX),
                own,
            })
        };
        // The others are asked only where it has no times of its own.
        median(true, seconds_of(&mut own.iter()))
            .or_else(|| median(false, seconds_of(&mut others())))
    };
    Expectations {
        create: of(Away::Create),
        restart: of(Away::Restart),
        recreate: of(Away::Recreate),
        rest: of(Away::Rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(why: Away, seconds: &[u32]) -> Vec<Took> {
        let of = |seconds: &u32| Took {
            why,
            seconds: *seconds,
        };
        seconds.iter().map(of).collect()
    }

    #[test]
    fn its_own_times_go_before_those_of_others_and_without_any_nothing_is_said() {
        let others = [
            took(Away::Restart, &[40, 50, 60]),
            took(Away::Create, &[9, 20]),
        ]
        .concat();
        let own = took(Away::Restart, &[8, 30, 9]);
        let found = expected(&own, || others.iter());
        let of = |seconds, times, own| {
            Some(Expected {
                seconds,
                times,
                own,
            })
        };
        assert_eq!(found.restart, of(9, 3, true));
        assert_eq!(found.create, of(20, 2, false));
        assert_eq!(found.recreate, None);
        assert_eq!(expected(&[], || [].iter()), Expectations::default());
    }
}
