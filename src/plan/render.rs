//! A plan as people and programs read it, before anything happens.

#[cfg(test)]
pub(crate) mod sample;
