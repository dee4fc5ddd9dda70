//! The daemon's own log, on standard error.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged when nobody says otherwise.
const DEFAULT: &str =
    "info,sqlx=warn,hyper=warn,hyper_util=warn,bollard=warn,neo4rs=warn,tokio_cron_scheduler=warn";

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error(
        "DB4SCI_LOG is `{given}`; write a level or `target=level` pairs, such as `info,db4sci=debug`"
    )]
    Filter {
        /// What was given.
        given: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is one already in this process.
    #[error("the log was set up twice")]
    Twice,
}

/// Sets up the log of this process; `filter` is `DB4SCI_LOG`, if it is set. Colours only when
/// `colours` says that standard error is a terminal that wants them.
pub fn init(filter: Option<&str>, colours: bool) -> Result<(), LogError> {
    let given = filter
        .filter(|text| !text.trim().is_empty())
        .unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(given).map_err(|source| LogError::Filter {
        given: given.to_owned(),
        source,
    })?;
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_target(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|_| LogError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_named() {
        let error = init(Some("db4sci=loud"), false).unwrap_err();
        assert!(error.to_string().contains("`db4sci=loud`"), "{error}");
    }
}
