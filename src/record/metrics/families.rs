//! A gauge with labels whose rows come and go with what they describe.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{IntGaugeVec, Opts, Registry};

/// Values by labels.
pub type Rows = BTreeMap<Vec<String>, i64>;

/// One family. Rows are never all removed at once: a scrape in between would see nothing.
#[derive(Debug)]
pub struct Family {
    gauge: IntGaugeVec,
    shown: BTreeSet<Vec<String>>,
}

impl Family {
    /// A family in a registry.
    pub fn new(
        registry: &Registry,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Self, prometheus::Error> {
        let gauge = register(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)?;
        Ok(Family {
            gauge,
            shown: BTreeSet::new(),
        })
    }

    /// Shows these rows, and no others.
    pub fn show(&mut self, rows: Rows) {
        for (labels, value) in &rows {
            self.gauge.with_label_values(labels).set(*value);
        }
        let now: BTreeSet<Vec<String>> = rows.into_keys().collect();
        for gone in self.shown.difference(&now) {
            // It is there, since it was shown; if not, all the better.
            let _ = self.gauge.remove_label_values(gone);
        }
        self.shown = now;
    }
}

/// Puts a metric into a registry and gives it back.
pub fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Takes away the rows of databases that are not among these names.
pub fn keep<T: MetricVecBuilder>(all: &MetricVec<T>, names: &BTreeSet<&str>) {
    for family in all.collect() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter();
            let labels: HashMap<&str, &str> = labels.map(|l| (l.name(), l.value())).collect();
            if labels.get("name").is_some_and(|name| !names.contains(name)) {
                // Somebody else took it away; all the better.
                let _ = all.remove(&labels);
            }
        }
    }
}
