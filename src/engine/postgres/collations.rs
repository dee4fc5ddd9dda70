//! Whether text is sorted as it was when it was indexed. An image of the same name may bring another
//! library, which sorts otherwise: indexes on text then miss rows, and nothing else tells.

/// A column of the probe's question: the databases whose text the server's library sorts otherwise than
/// the one they were made with, as an array of JSON. Databases know their library's version from
/// PostgreSQL 15 on. No word of it stands in quotes: those are names.
pub(super) fn resorted(series: &str) -> &'static str {
    if series.parse::<u32>().is_ok_and(|series| series >= 15) {
        "(select json_agg(datname)::text from pg_database where datallowconn and datconnlimit <> -2 \
         and datcollversion is not null \
         and datcollversion is distinct from pg_database_collation_actual_version(oid))"
    } else {
        "null::text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_know_are_asked() {
        for (series, asked) in [("15", true), ("18", true), ("14", false), ("9.6", false)] {
            assert_eq!(
                resorted(series).contains("datcollversion"),
                asked,
                "{series}"
            );
        }
    }
}
