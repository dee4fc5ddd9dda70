//! How long each kind of harm took to heal.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::harms::Harm;

#[derive(Default)]
pub struct Report(BTreeMap<String, Vec<Duration>>);

impl Report {
    pub fn add(&mut self, harm: Harm, took: Duration) {
        self.0.entry(format!("{harm:?}")).or_default().push(took);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>6} {:>9} {:>9}",
            "harm", "times", "median s", "longest s"
        )?;
        for (harm, took) in &self.0 {
            let mut took = took.clone();
            took.sort();
            let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
            writeln!(
                f,
                "{harm:<24} {:>6} {:>9.1} {:>9.1}",
                took.len(),
                median.as_secs_f64(),
                longest.as_secs_f64()
            )?;
        }
        Ok(())
    }
}
