//! The real daemon on a real Docker Engine, with real servers: each test does what a fault of
//! `docs/` does, and looks at what must follow.
//!
//! `cargo test --test live` needs root, a Docker Engine and the images of `dev/setup`, and fails
//! without them. Every test has an instance of its own (state, data, ports, names, labels) and
//! touches nothing else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod host;
#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod approvals;
mod commands;
mod config;
mod control;
mod crashes;
mod data;
mod dockerd;
mod eject;
mod encryption;
mod engines;
mod hands;
mod images;
mod rename;
mod secrets;
mod servers;
mod specs;
mod tables;
mod tls;
mod trial;
