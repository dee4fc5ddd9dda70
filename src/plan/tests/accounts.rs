//! Accounts besides a database's own.

use std::collections::BTreeSet;

use super::*;
use crate::model::account::{AccountState, FurtherAccount, FurtherAccounts, Rights};
use crate::model::view::Phase;
use crate::model::{Class, FailedAttempt};

fn account(state: AccountState, returned: bool) -> FurtherAccounts {
    let account = FurtherAccount {
        rights: Rights::ReadOnly,
        state,
        since: noon(),
        returned,
        shown: None,
    };
    [("reader".to_owned(), account)].into()
}

/// What is done about one account, and why, and what is shown, by a server that has these.
fn asked(case: &Case, accounts: &FurtherAccounts) -> (Vec<&'static str>, String, Phase) {
    let wanted = Wanted {
        accounts,
        ..case.wanted()
    };
    let verdict = plan(&wanted, &case.seen, &case.site, case.now);
    let (phase, ..) = crate::plan::phase::phase(&wanted, &case.seen, &verdict, case.now);
    let lane = verdict.lane;
    let why = lane.as_ref().map(|lane| lane.why.join(", "));
    let steps = lane.map(|lane| lane.actions.iter().map(Action::kind).collect());
    (steps.unwrap_or_default(), why.unwrap_or_default(), phase)
}

fn has(case: &mut Case, users: &[&str]) {
    let all: BTreeSet<String> = users.iter().map(|user| (*user).to_owned()).collect();
    if let Probe::Answering { further, .. } = &mut case.seen.probe {
        *further = all;
    }
}

#[test]
fn a_server_is_brought_to_the_accounts_of_the_ledger() {
    use AccountState::{Gone, Leaving, There, Wanted};
    for (state, returned, there, steps, why, phase) in [
        (
            Wanted,
            false,
            false,
            "make_account",
            "is made",
            Phase::Ready,
        ),
        (There, false, true, "", "", Phase::Ready),
        (
            There,
            false,
            false,
            "make_account",
            "made again",
            Phase::Ready,
        ),
        (
            Leaving,
            false,
            true,
            "drop_account",
            "is removed",
            Phase::Ready,
        ),
        (Gone, false, false, "", "", Phase::Ready),
        // Nobody is told Ready before a restore has ended with what is true today.
        (
            Wanted,
            true,
            true,
            "make_account",
            "of today",
            Phase::Degraded,
        ),
        (
            Leaving,
            true,
            true,
            "drop_account",
            "not wanted here",
            Phase::Degraded,
        ),
    ] {
        let mut case = Case::ready();
        has(&mut case, if there { &["reader"] } else { &[] });
        let (did, because, shown) = asked(&case, &account(state, returned));
        assert_eq!(did.join(" "), steps, "{state:?}");
        assert!(because.contains(why), "{state:?}: {because}");
        assert_eq!(shown, phase, "{state:?} {returned}");
    }
}

#[test]
fn accounts_wait_for_a_server_that_answers() {
    let mut case = Case::ready();
    case.seen.probe = silent(noon() - seconds(5), true);
    let (did, ..) = asked(&case, &account(AccountState::Wanted, false));
    assert!(did.is_empty(), "{did:?}");
    case.overridden(OverrideState::Maintenance, None);
    case.seen.probe = answering();
    let (did, ..) = asked(&case, &account(AccountState::Leaving, false));
    assert!(did.is_empty(), "{did:?}");
}

#[test]
fn one_that_cannot_be_made_keeps_nothing_else_from_being_done() {
    let mut case = Case::ready();
    case.restart_asked = Some(noon());
    case.seen.attempts.fail(FailedAttempt {
        count: 1,
        at: case.now,
        class: Class::Transient,
        reason: Reason::Backoff,
        step: "make_account".to_owned(),
        message: "make_account: no".to_owned(),
        generation: case.db.generation,
    });
    let (did, ..) = asked(&case, &account(AccountState::Wanted, false));
    assert!(did.contains(&"start"), "{did:?}");
}
