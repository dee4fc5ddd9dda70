//! Figures, as they are told.

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Median, lowest and highest of some figures.
pub fn told(what: &str, unit: &str, mut figures: Vec<f64>) {
    figures.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (figures.first(), figures.last()) else {
        return;
    };
    let median = figures[figures.len() / 2];
    println!(
        "{what:<52} median {median:>7.1} {unit}, lowest {first:.1}, highest {last:.1} ({} rounds)",
        figures.len()
    );
}
