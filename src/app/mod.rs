//! The whole program put together: the only place that names concrete backends.

mod admin;
mod backend;
