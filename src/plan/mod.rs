//! What to do about the difference between what should be and what is.

pub mod render;
