//! Option files of MariaDB, by the rules of its own reader (`my_default.c`).

use std::collections::BTreeMap;

use super::kept::LOOSE;
use crate::engine::config::unsure;

/// The sections that the server reads.
const SERVERS: [&str; 6] = [
    "client-server",
    "galera",
    "mariadb",
    "mariadbd",
    "mysqld",
    "server",
];

/// Written once more after the person's file, so that what it says of them counts for nothing.
const LAST: [&str; 7] = [
    "bind_address",
    "datadir",
    "innodb_doublewrite",
    "innodb_flush_log_at_trx_commit",
    "port",
    "skip_grant_tables",
    "skip_networking",
];

/// What a file sets for the server: names with underscores. What is not certain to be one value of
/// one variable has a name that no variable has: a section of one series, a name that stands twice
/// (some add up), one without a value, one with escapes.
pub(super) fn settings(text: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // The section that db4sci's own settings stand in, before the person's file.
    let mut section = "mariadbd";
    let mut includes = false;
    for (i, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        includes |= line.starts_with('!');
        if let Some(named) = line.strip_prefix('[') {
            let Some((name, _)) = named.split_once(']') else {
                return unsure(&format!("line {}", i + 1), text);
            };
            section = name.trim_end();
            continue;
        }
        if let Some((name, value)) = option(section, without_comment(line)) {
            found.entry(name).or_default().push(value);
        }
    }
    if includes {
        // Its lines without comments: what else differs, differs in effect.
        let lines = text.lines().map(|line| without_comment(line.trim()).trim());
        let lines: Vec<_> = lines
            .filter(|l| !l.is_empty() && !l.starts_with(';'))
            .collect();
        return unsure("include", &lines.join("\n"));
    }
    let settings = found.into_iter().map(|(name, values)| match &values[..] {
        [value] => (name, value.clone()),
        _ => (format!("{name} (more than once)"), values.join("\n")),
    });
    settings.collect()
}

/// What writes so that a commit is on the disk; the numbers are the same words'. Without these there is
/// `nosync` and `littlesync`.
const SYNCED: [&str; 8] = [
    "fsync",
    "O_DSYNC",
    "O_DIRECT",
    "O_DIRECT_NO_FSYNC",
    "0",
    "1",
    "4",
    "5",
];

/// Refuses what would lose a commit, and is not written once more after the file.
pub(super) fn check(text: &str) -> Result<(), String> {
    for (i, line) in text.lines().map(str::trim).enumerate() {
        let Some((name, value)) = without_comment(line).split_once('=') else {
            continue;
        };
        let plain = name.trim().replace('-', "_");
        // A server takes the beginning of a name, too, where no other one begins so.
        let bare = plain.trim_start_matches(LOOSE);
        let is = bare.starts_with("innodb_flush_m") && "innodb_flush_method".starts_with(bare);
        let value = unquoted(value.trim());
        if is && !SYNCED.iter().any(|word| word.eq_ignore_ascii_case(value)) {
            return Err(format!(
                "line {}: `{} = {}` may lose what was committed; allowed: {}",
                i + 1,
                name.trim().escape_debug(),
                value.escape_debug(),
                SYNCED[..4].join(", ")
            ));
        }
    }
    Ok(())
}

/// An option's line, if it is the server's.
fn option(section: &str, line: &str) -> Option<(String, String)> {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value.trim())),
        None => (line, None),
    };
    let name = name.trim_end().replace('-', "_");
    let name = if SERVERS.contains(&section) {
        name
    } else if of_one_series(section) {
        format!("[{section}] {name}")
    } else {
        return None;
    };
    if LAST.contains(&name.as_str()) {
        return None;
    }
    Some(match value {
        None => (format!("{name} (without a value)"), String::new()),
        Some(value) if value.contains('\\') => (format!("{name} (with escapes)"), value.to_owned()),
        Some(value) => (name, unquoted(value).to_owned()),
    })
}

/// `mariadb-11.8`: read by servers of that series only.
fn of_one_series(section: &str) -> bool {
    ["mariadb-", "mariadbd-", "mysqld-"].iter().any(|server| {
        let series = section.strip_prefix(server);
        series.is_some_and(|s| s.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// A line up to its comment: a `#` outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (c, quote) {
            ('\'' | '"', None) if !escaped => quote = Some(c),
            ('\'' | '"', Some(open)) if !escaped && open == c => quote = None,
            ('#', None) => return &line[..at],
            _ => {}
        }
        escaped = quote.is_some() && c == '\\' && !escaped;
    }
    line
}

/// Without the quotes around it, if it begins and ends with the same one.
fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let found = settings(text);
        found.iter().map(|(n, v)| format!("{n}={v}")).collect()
    }

    #[test]
    fn the_servers_sections_are_read_as_it_reads_them() {
        let cases: &[(&str, &[&str])] = &[
            ("# only\n\n ; comments\n[mysqld]\n", &[]),
            ("[mysqld]\nwait-timeout = 60 # s", &["wait_timeout=60"]),
            ("[ server ]\nwait_timeout=60", &[]),
            ("wait_timeout = 60", &["wait_timeout=60"]),
            ("[server]\nsql_mode = \"A,#B\"  # c", &["sql_mode=A,#B"]),
            (
                "[mariadb]\ninit_connect='a = 1; b'",
                &["init_connect=a = 1; b"],
            ),
            ("[client]\nwait_timeout=60\n[mariadb-dump]\nquick", &[]),
            ("[client]\nx=1\n[galera]\ny=2", &["y=2"]),
            ("[mysqld]\ninnodb-flush-log-at-trx-commit = 2", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(all(text), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_certain_is_no_variable() {
        for (text, name) in [
            (
                "[mariadb-11.8]\nwait_timeout = 60",
                "[mariadb-11.8] wait_timeout",
            ),
            ("slow_query_log", "slow_query_log (without a value)"),
            (
                "wait_timeout=1\n[server]\nwait-timeout=2",
                "wait_timeout (more than once)",
            ),
            ("init_connect = a\\sb", "init_connect (with escapes)"),
            ("wait_timeout = 1\n!include /etc/x.cnf", "(include)"),
            ("[mysqld\nwait_timeout = 1", "(line 1)"),
        ] {
            let found = settings(text);
            assert_eq!(found.keys().collect::<Vec<_>>(), [name], "{text}");
        }
        let one = settings("!include /x\n[mysqld] # ours\n a=1");
        assert_eq!(one, settings("# more\n!include /x\n[mysqld]\n\na=1 # said"));
    }
}
