//! How answers look: tables, colours, times in words, and the next command for what is wrong.

pub mod documents;
pub mod next;
pub mod paint;
pub mod sizes;
pub mod table;
pub mod times;
