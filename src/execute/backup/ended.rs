//! What a job's end says: about what it was given, or about this host.

use super::error::BackupError;
use super::tool;
use crate::engine::backup::{self as recipes, Backups};
use crate::runtime::jobs::JobEnd;

/// Whether a job ended well; its last words otherwise.
pub(super) fn ended_well(end: &JobEnd, what: &str) -> Result<(), BackupError> {
    if end.code == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&end.output);
    let words = recipes::without_statements(&end.words);
    // The last lines say why; the rest is in no log.
    let last = match (words.trim(), said.trim()) {
        ("", "") => "it said nothing".to_owned(),
        ("", said) => last_lines(said),
        (words, _) => last_lines(words),
    };
    let why = format!("exit code {}: {last}", end.code);
    // From 125 on it was not started, or ended by a signal.
    if end.code >= 125 || recipes::of_host(&words) {
        let what = what.to_owned();
        return Err(BackupError::Cut { what, why });
    }
    Err(tool(what, why))
}

/// Whether what a load said that ended well leaves nothing to be desired.
pub(super) fn loaded_well(
    recipe: &dyn Backups,
    part: &str,
    said: &str,
    what: &str,
) -> Result<(), BackupError> {
    recipe.loaded(part, said).map_err(|why| {
        if recipes::of_host(&why) {
            let what = what.to_owned();
            return BackupError::Cut { what, why };
        }
        tool(what, why)
    })
}

fn last_lines(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i64, words: &str) -> Result<(), BackupError> {
        let end = JobEnd {
            code,
            output: Vec::new(),
            words: words.to_owned(),
        };
        ended_well(&end, "load")
    }

    #[test]
    fn only_what_speaks_of_the_data_is_the_tools_own_failure() {
        assert!(ended(0, "NOTICE: x").is_ok());
        for (code, words) in [
            (127, ""),
            (137, ""),
            (
                1,
                "pg_restore: error: could not extend file \"base/5/1\": No space left on device",
            ),
            (
                1,
                "ERROR 2013 (HY000): Lost connection to server during query",
            ),
            (
                1,
                "Failed: lab.runs: error restoring from archive on stdin: connection(127.0.0.1:27017[-4]) socket \
                 was unexpectedly closed: EOF",
            ),
            (1, "MongoNetworkError: connect ECONNREFUSED 127.0.0.1:27017"),
            (1, "java.lang.OutOfMemoryError: Java heap space"),
        ] {
            let cut = ended(code, words).unwrap_err();
            assert!(
                matches!(cut, BackupError::Cut { .. }),
                "{code} {words}: {cut}"
            );
        }
        let own = ended(1, "pg_restore: error: unexpected end of file").unwrap_err();
        assert!(matches!(own, BackupError::Tool { .. }), "{own}");
    }

    #[test]
    fn what_a_failed_statement_holds_is_in_no_log_and_judges_nothing() {
        let words = "--------------\nINSERT INTO `t` VALUES\n(1,'disk full')\n--------------\n\n\
            ERROR 1146 (42S02) at line 9: Table 'lab.t' doesn't exist";
        let own = ended(1, words).unwrap_err();
        assert!(matches!(own, BackupError::Tool { .. }), "{own}");
        assert_eq!(
            own.to_string(),
            "load: exit code 1: ERROR 1146 (42S02) at line 9: Table 'lab.t' doesn't exist"
        );
    }
}
