//! What servers accept as parameters, from tables that were read from the servers themselves.
//!
//! A line has five columns, with tabs between them: name; what a change takes (`reload` or
//! `restart`); kind (`number`, `truth`, `word`, `text`); what is allowed (`min..max`, or words); the
//! series that have it.

use std::cmp::Ordering;

/// The parameters of an engine, ordered by name, byte by byte, and what may stand behind its numbers.
pub(super) struct Table(pub(super) &'static str, pub(super) Units);

/// Units, each with its bytes; those of time have none.
pub(super) type Units = &'static [(&'static str, f64)];

/// `memory_unit_conversion_table` and `time_unit_conversion_table` of PostgreSQL's source.
pub(super) const POSTGRES_UNITS: Units = &[
    ("B", 1.0),
    ("kB", 1024.0),
    ("MB", MIB),
    ("GB", MIB * 1024.0),
    ("TB", MIB * MIB),
    ("us", 0.0),
    ("ms", 0.0),
    ("s", 0.0),
    ("min", 0.0),
    ("h", 0.0),
    ("d", 0.0),
];

/// `eval_num_suffix` of MariaDB's source.
pub(super) const MARIADB_UNITS: Units = &[
    ("K", 1024.0),
    ("k", 1024.0),
    ("M", MIB),
    ("m", MIB),
    ("G", MIB * 1024.0),
    ("g", MIB * 1024.0),
    ("T", MIB * MIB),
    ("t", MIB * MIB),
    ("P", MIB * MIB * 1024.0),
    ("p", MIB * MIB * 1024.0),
    ("E", MIB * MIB * MIB),
    ("e", MIB * MIB * MIB),
];

const MIB: f64 = 1_048_576.0;

/// One of them.
#[derive(Clone, Copy)]
struct Row<'a> {
    name: &'a str,
    restart: bool,
    kind: &'a str,
    allowed: &'a str,
    series: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut columns = line.split('\t');
        let mut next = || columns.next();
        Some(Row {
            name: next().filter(|name| !name.starts_with('#'))?,
            restart: next()? == "restart",
            kind: next()?,
            allowed: next()?,
            series: next()?,
        })
    }
}

impl Table {
    fn rows(&self) -> impl Iterator<Item = Row<'static>> {
        self.0.lines().filter_map(Row::read)
    }

    /// Asked at every look at a database whose parameters changed: halves the table until only the line that
    /// it is about is left. Comments come before all names.
    fn find(&self, name: &str) -> Option<Row<'static>> {
        let bytes = self.0.as_bytes();
        let ends = |byte: &u8| *byte == b'\n';
        let (mut from, mut until) = (0, bytes.len());
        while from < until {
            let middle = from + (until - from) / 2;
            let before = bytes[from..middle].iter().rposition(ends);
            let begin = before.map_or(from, |n| from + n + 1);
            let after = bytes[middle..until].iter().position(ends);
            let end = after.map_or(until, |n| middle + n);
            let line = &self.0[begin..end];
            let its_name = line.split('\t').next().unwrap_or_default();
            match its_name.cmp(name) {
                Ordering::Less => from = end + 1,
                Ordering::Greater => until = begin,
                Ordering::Equal => return Row::read(line),
            }
        }
        None
    }

    /// Whether a change of a parameter needs no restart; what is not known needs one.
    pub(super) fn reloads(&self, name: &str) -> bool {
        self.find(name).is_some_and(|row| !row.restart)
    }

    /// The kind of a parameter.
    pub(super) fn kind(&self, name: &str) -> Option<&'static str> {
        self.find(name).map(|row| row.kind)
    }

    /// Refuses what a server of this series would not accept, as far as that is known.
    pub(super) fn check(&self, series: &str, name: &str, value: &str) -> Result<(), String> {
        let Some(row) = self.find(name) else {
            // A newer server may know more than these tables.
            return if number(series) > self.newest() {
                Ok(())
            } else {
                Err(self.unknown(series, name))
            };
        };
        if !self.has(row, series) {
            return Err(format!(
                "`{name}` is a parameter of {}, and unknown to {series}; remove it",
                row.series.replace(',', ", ")
            ));
        }
        let allowed = match row.kind {
            "number" => number_allowed(row.allowed, value, self.1),
            "truth" => ["on", "off", "true", "false", "yes", "no", "1", "0"]
                .contains(&value.to_ascii_lowercase().as_str())
                .then_some(())
                .ok_or_else(|| "on, off".to_owned()),
            "word" => {
                let mut words = row.allowed.split(',');
                let known = words.any(|word| word.eq_ignore_ascii_case(value));
                // Some words have a number, too.
                let coded = value.parse::<u32>().is_ok();
                (known || coded || is_truth(row.allowed, value))
                    .then_some(())
                    .ok_or_else(|| row.allowed.replace(',', ", "))
            }
            _ => Ok(()),
        };
        allowed.map_err(|allowed| {
            format!(
                "`{}` is no value of `{name}`; allowed: {allowed}",
                value.escape_debug()
            )
        })
    }

    fn unknown(&self, series: &str, name: &str) -> String {
        let near = self
            .rows()
            .filter(|row| self.has(*row, series))
            .map(|row| (distance(name, row.name), row.name))
            .min();
        let hint = match near {
            Some((apart, near)) if apart <= 1 + name.len() / 6 => {
                format!("; did you mean `{near}`?")
            }
            Some(_) | None => "; see the server's manual".to_owned(),
        };
        format!("`{name}` is no parameter of {series}{hint}")
    }

    /// Whether servers of a series have a parameter. Between two series that were read, what either
    /// of them has may be there.
    fn has(&self, row: Row<'_>, series: &str) -> bool {
        let wanted = number(series);
        let read = self.read();
        if read.contains(&wanted) {
            return row.series.split(',').any(|s| number(s) == wanted);
        }
        let below = read.iter().rev().find(|s| **s < wanted);
        let above = read.iter().find(|s| **s > wanted);
        row.series
            .split(',')
            .map(number)
            .any(|s| Some(&s) == below || Some(&s) == above)
    }

    /// The series that were read, oldest first.
    fn read(&self) -> Vec<(u32, u32)> {
        // Hundreds of lines, and a few lists among them.
        let mut lists: Vec<&str> = Vec::new();
        for row in self.rows() {
            if !lists.contains(&row.series) {
                lists.push(row.series);
            }
        }
        let each = lists.iter().flat_map(|list| list.split(','));
        let mut all: Vec<(u32, u32)> = each.map(number).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn newest(&self) -> (u32, u32) {
        self.read().last().copied().unwrap_or_default()
    }
}

/// A series as a number to compare: `10.11` comes before `11.8`.
fn number(series: &str) -> (u32, u32) {
    let (major, minor) = series.split_once('.').unwrap_or((series, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

/// A number with a unit of size or time, or without one; only one without is held to its bounds.
fn number_allowed(allowed: &str, value: &str, units: Units) -> Result<(), String> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &value[digits.len()..];
    let digits = digits.trim();
    let said = if allowed.is_empty() {
        "a number, with a unit where the manual has one".to_owned()
    } else {
        allowed.replacen("..", " to ", 1)
    };
    let parsed: f64 = digits.parse().map_err(|_| said.clone())?;
    if !unit.is_empty() {
        let known = units.iter().find(|(name, _)| *name == unit);
        let (_, bytes) = known.ok_or_else(|| {
            let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            format!("a number with one of these units: {}", names.join(", "))
        })?;
        // No server counts further than that.
        let counted = parsed * bytes < u64::MAX as f64;
        return counted.then_some(()).ok_or(said);
    }
    let bounds = allowed.split_once("..");
    let inside = bounds.is_none_or(|(low, high)| {
        let within = |bound: &str, less: bool| {
            bound.parse::<f64>().is_ok_and(|bound| {
                if less {
                    parsed >= bound
                } else {
                    parsed <= bound
                }
            })
        };
        within(low, true) && within(high, false)
    });
    if inside { Ok(()) } else { Err(said) }
}

/// Words that are a truth value, too, may be written as one.
fn is_truth(allowed: &str, value: &str) -> bool {
    let truth = |word: &str| ["on", "off"].contains(&word.to_ascii_lowercase().as_str());
    let synonyms = ["true", "false", "yes", "no"];
    allowed.split(',').any(truth) && synonyms.contains(&value.to_ascii_lowercase().as_str())
}

/// How many letters differ.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut left = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let up = row[j + 1];
            let cost = left + usize::from(x != *y);
            left = up;
            row[j + 1] = cost.min(up + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table(
        "# comment\njit\treload\ttruth\t\t15,17\nnew_one\treload\ttext\t\t17\n\
         port\trestart\tnumber\t1..65535\t13,15,17\nwal_level\trestart\tword\tminimal,replica\t13,15,17\n\
         work_mem\treload\tnumber\t\t13,15,17\n",
        POSTGRES_UNITS,
    );

    #[test]
    fn what_a_server_would_refuse_is_refused() {
        for (series, name, value) in [
            ("17", "work_mem", "64MB"),
            ("17", "work_mem", "64"),
            ("17", "work_mem", "64 MB"),
            ("17", "work_mem", "99999999999ms"),
            ("17", "port", "5432"),
            ("17", "jit", "OFF"),
            ("17", "wal_level", "replica"),
            ("16", "new_one", "x"),
            ("18", "not_known_yet", "x"),
        ] {
            assert_eq!(TABLE.check(series, name, value), Ok(()), "{name}");
        }
        for (series, name, value, words) in [
            ("17", "work_men", "64MB", "did you mean `work_mem`"),
            ("17", "colour", "blue", "no parameter of 17"),
            ("17", "work_mem", "much", "a number"),
            (
                "17",
                "work_mem",
                "64megs",
                "one of these units: B, kB, MB, GB, TB, us",
            ),
            ("17", "work_mem", "64mb", "one of these units"),
            ("17", "work_mem", "99999999TB", "a number"),
            ("17", "port", "70000", "1 to 65535"),
            ("17", "jit", "maybe", "on, off"),
            ("17", "wal_level", "none", "minimal, replica"),
            ("13", "jit", "on", "unknown to 13"),
            ("14", "new_one", "x", "unknown to 14"),
        ] {
            let error = TABLE.check(series, name, value).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn each_parameter_of_the_tables_is_found_and_no_other() {
        for table in [
            TABLE,
            Table(include_str!("postgres/parameters.tsv"), &[]),
            Table(include_str!("mariadb/parameters.tsv"), &[]),
        ] {
            for row in table.rows() {
                let found = table.find(row.name).map(|found| found.name);
                assert_eq!(found, Some(row.name), "the table is out of order");
                for near in [&row.name[1..], &format!("{}_", row.name)] {
                    let there = table.rows().any(|row| row.name == near);
                    assert_eq!(table.find(near).is_some(), there, "{near}");
                }
            }
            assert!(table.find("").is_none() && table.find("zzz").is_none());
        }
    }

    #[test]
    fn a_number_has_a_unit_of_its_engine_and_no_more_than_a_server_counts() {
        for (units, good, wrong) in [
            (
                POSTGRES_UNITS,
                ["64", "64kB", "1.5 GB", "16TB", "-1", "5min"],
                ["64megs", "64M", "64mb", "64KB", "1m", "99999999TB"],
            ),
            (
                MARIADB_UNITS,
                ["64", "64K", "64m", "1G", "2T", "15E"],
                ["64MB", "64kB", "5min", "1x", "16E", "M"],
            ),
        ] {
            for value in good {
                assert_eq!(number_allowed("", value, units), Ok(()), "{value}");
            }
            for value in wrong {
                assert!(number_allowed("", value, units).is_err(), "{value}");
            }
        }
    }

    #[test]
    fn what_is_not_known_needs_a_restart() {
        assert!(TABLE.reloads("work_mem") && !TABLE.reloads("port") && !TABLE.reloads("colour"));
    }
}
