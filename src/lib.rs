//! DB4Sci: a reconciler for research databases in Docker containers.
//!
//! A daemon compares what should run (YAML specs and the `state` table of its own database,
//! `mydb_admin`) with what Docker really runs, and acts until the two agree. The path of one
//! database goes through the modules in this order: `specs` (what should be), `observe` (what is),
//! `plan` (what to do, purely), `execute` (doing it), `record` (telling it).

pub mod admin;
pub mod app;
pub mod cli;
pub mod control;
pub mod engine;
pub mod execute;
pub mod http;
pub mod model;
pub mod observe;
pub mod plan;
pub mod record;
pub mod runtime;
pub mod settings;
pub mod specs;
pub mod store;
