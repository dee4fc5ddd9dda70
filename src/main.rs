//! The `db4sci` program.

fn main() {}
