//! `postgresql.conf`, by the grammar of the server's own reader (`guc-file.l`).

use std::collections::BTreeMap;

use super::literal;
use crate::engine::CONFIG_TARGET;
use crate::engine::config::unsure;
use crate::model::Secret;
use crate::model::server::Statement;

/// Fails if the running server would not take these settings, or cannot read a file of its
/// configuration, as it lies there now: it tries each line without effect, and says the same of a value
/// that it does not know and of one that waits for a restart. Of the others, one may wait for a restart
/// since a person's `ALTER SYSTEM`. Without this, a file that cannot be read would be passed over at a
/// reload, and be the end of the server at its next start.
pub(super) fn check<'a>(file: &str, changed: impl Iterator<Item = &'a String>) -> Statement {
    let names: Vec<String> = changed.map(|name| literal(name)).collect();
    Statement {
        purpose: "check the configuration file",
        database: "postgres".to_owned(),
        text: Secret::new(format!(
            "do $$ declare said text; begin \
             select string_agg(format('line %s: %s', sourceline, \
             concat_ws(': ', name, error)), '; ' order by sourceline) into said \
             from pg_file_settings \
             where sourcefile = '{CONFIG_TARGET}/{file}' and error is not null \
             and (name is null or lower(name) in ({})); \
             if said is not null then raise exception '%', said; end if; end $$",
            names.join(", ")
        )),
        done_code: None,
    }
}

/// A value as it stands between quotes, where a backslash begins an escape.
pub(super) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''")
}

/// What a file sets: names in lower case, the last value of each. What a line includes is not
/// known here, so a file with such a line stands for itself as a whole.
pub(super) fn settings(text: &str) -> BTreeMap<String, String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        match setting(line) {
            Ok(found) => lines.extend(found),
            Err(()) => return unsure(&format!("line {}", i + 1), text),
        }
    }
    let includes = |(name, _): &(String, String)| {
        ["include", "include_if_exists", "include_dir"].contains(&name.as_str())
    };
    if lines.iter().any(includes) {
        return unsure("include", &format!("{lines:?}"));
    }
    lines.into_iter().collect()
}

/// `name = value` or `name value`; `None` where there is only a comment. An error is what the
/// server would call a syntax error.
fn setting(line: &str) -> Result<Option<(String, String)>, ()> {
    let line = line.trim_start();
    if is_over(line) {
        return Ok(None);
    }
    let (name, rest) = run(line, in_name);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()) {
        return Err(());
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let (value, rest) = match rest.strip_prefix('\'') {
        Some(rest) => quoted(rest)?,
        None => match run(rest, in_value) {
            ("", _) => return Err(()),
            (value, rest) => (value.to_owned(), rest),
        },
    };
    if is_over(rest.trim_start()) {
        Ok(Some((name.to_ascii_lowercase(), value)))
    } else {
        Err(())
    }
}

/// Whether nothing but a comment follows.
fn is_over(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('#')
}

/// The longest beginning of such letters, and what follows.
fn run(text: &str, of: fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !of(c)).unwrap_or(text.len()))
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_$.".contains(c) || !c.is_ascii()
}

fn in_value(c: char) -> bool {
    in_name(c) || "-+:/".contains(c)
}

/// A value up to its closing quote, and what follows. Two quotes are one; what stands after a
/// backslash is kept as it is written, since values are only compared.
fn quoted(text: &str) -> Result<(String, &str), ()> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(['\'', '\\']).ok_or(())?;
        value.push_str(&rest[..end]);
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix("''") {
            value.push('\'');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('\'') {
            return Ok((value, after));
        } else {
            // A backslash, and the letter that it is for.
            let pair: String = rest.chars().take(2).collect();
            value.push_str(&pair);
            rest = &rest[pair.len()..];
        }
    }
}

/// Refuses a name with a dot that PostgreSQL's reader of configuration files (`QUALIFIED_ID` of `guc-file.l`)
/// does not take: a server does not start on such a file.
pub(super) fn extensions(name: &str) -> Result<(), String> {
    let word = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.chars().all(plain)
            && !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
    };
    let good = name
        .split_once('.')
        .is_some_and(|(extension, own)| word(extension) && word(own));
    good.then_some(()).ok_or_else(|| {
        format!(
            "`{name}` is no name of an extension's parameter; write two words of letters, digits and `_` with              a dot between them, as in `auto_explain.log_timing`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extensions_parameter_has_a_name_of_two_words() {
        for name in ["a.b", "_a._b", "auto_explain.log_timing", "pg_x2.y3"] {
            assert_eq!(extensions(name), Ok(()), "{name}");
        }
        // Each tried on PostgreSQL 15 or 17: a server does not start on it.
        for name in [".c", "a.", "a-b.c", "a.b-c", "1a.b", "a.b.c", "a.b$c", "."] {
            assert!(extensions(name).is_err(), "{name}");
        }
    }

    #[test]
    fn lines_are_read_as_the_server_reads_them() {
        for (line, expected) in [
            ("", None),
            ("  # work_mem = 1MB", None),
            ("work_mem = 64MB", Some(("work_mem", "64MB"))),
            ("work_mem=64MB# at once", Some(("work_mem", "64MB"))),
            ("  Work_Mem '64MB' # ours", Some(("work_mem", "64MB"))),
            ("a = 'b#c, ''d'''", Some(("a", "b#c, 'd'"))),
            ("a = 'b\\'c' # d", Some(("a", "b\\'c"))),
            ("a = -1.5e+3", Some(("a", "-1.5e+3"))),
            ("log_directory = ''", Some(("log_directory", ""))),
            ("x.format = json", Some(("x.format", "json"))),
        ] {
            let found = expected.map(|(n, v): (&str, &str)| (n.to_owned(), v.to_owned()));
            assert_eq!(setting(line), Ok(found), "{line}");
        }
        for line in [
            "work_mem",
            "work_mem =",
            "work_mem = # nothing",
            "= 64MB",
            "work_mem = 64 MB",
            "work_mem = '64MB",
            "work_mem = 'a' 'b'",
            "search_path = a,b",
            "work_mem == 1",
            "[mysqld]",
        ] {
            assert_eq!(setting(line), Err(()), "{line}");
        }
    }

    #[test]
    fn the_last_value_counts_and_a_file_with_more_files_stands_for_itself() {
        let names = |text: &str| settings(text).into_keys().collect::<Vec<_>>();
        assert_eq!(
            settings("work_mem = 1MB\nWORK_MEM = 2MB\n")["work_mem"],
            "2MB"
        );
        let text = "include 'x.conf' # ours\njit = on";
        assert_eq!(names(text), ["(include)"]);
        assert_eq!(settings(text), settings("INCLUDE = 'x.conf'\n\n jit on"));
        assert_ne!(settings(text), settings("jit = on\ninclude 'x.conf'"));
        assert_eq!(names("jit = on\nnonsense"), ["(line 2)"]);
    }
}
