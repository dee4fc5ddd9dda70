//! What every `Runtime` must do, asked of the simulated one and of a real Docker Engine.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bench;
mod docker;
mod sim;
mod suite;
#[path = "../support/mod.rs"]
mod support;

/// One test a backend for each function of the suite.
macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod simulated {
            $(#[tokio::test] async fn $test() { crate::suite::$test(&crate::sim::Sim::new()).await })*
        }
        mod live {
            $(#[tokio::test] async fn $test() { crate::suite::$test(&crate::docker::Live::new()).await })*
        }
    };
}

conformance! {
    the_engine_says_what_it_is,
    what_was_created_is_seen,
    a_name_is_given_once,
    every_verb_may_be_repeated,
    what_is_not_there_is_said_to_be_not_there,
    the_beginning_of_an_id_names_nothing,
    a_missing_source_is_refused_at_creation,
    a_source_that_vanished_is_refused_at_start,
    a_source_that_vanished_under_a_container_is_tried_once_by_the_engine,
    a_taken_port_is_named,
    a_start_that_failed_leaves_the_engine_s_words,
    a_container_gets_another_name,
    limits_change_while_it_runs,
    a_processor_limit_is_not_taken_away_in_place,
    the_policy_can_be_changed,
    a_dead_container_is_started_again_by_its_policy,
    a_stop_is_final_while_it_is_being_restarted,
    a_stubborn_container_is_killed_at_the_deadline,
    an_exit_code_is_seen,
    a_frozen_container_is_unfrozen,
    a_running_container_is_not_removed,
    the_last_lines_of_the_log_are_read,
    events_tell_what_happened,
    an_anonymous_volume_is_seen,
}
