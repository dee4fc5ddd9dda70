//! Amounts of memory and processor time, as Kubernetes writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of memory in bytes, written `512Mi`, `2Gi` (`2GiB` is accepted).
///
/// `512m` and `2g` are refused: Kubernetes reads the first as half a byte, Compose as 512 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory(u64);

impl Memory {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Memory(bytes)
    }

    /// So many mebibytes (2^20 bytes).
    pub const fn mebibytes(n: u64) -> Self {
        Memory(n << 20)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Suffixes and their factors, the longer first so that `Mi` is not read as `M`.
const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let t = text
            .strip_suffix('B')
            .filter(|t| t.ends_with('i'))
            .unwrap_or(text);
        let s = text.escape_debug();
        let split = t
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(t.len());
        let (digits, unit) = t.split_at(split);
        let number: f64 = match digits.parse() {
            Ok(n) => n,
            Err(_) => {
                return Err(format!(
                    "`{s}` is no amount of memory; write it as `512Mi` or `2Gi`"
                ));
            }
        };
        if unit.is_empty() {
            return Err(format!(
                "`{s}` has no unit; write `{digits}Mi` or `{digits}Gi`"
            ));
        }
        if matches!(unit, "m" | "g" | "t") {
            let full = format!("{}i", unit.to_uppercase());
            return Err(format!(
                "`{s}` is read in two ways (Kubernetes: {}, Compose: {digits} {full}B); write `{digits}{full}`",
                match unit {
                    "m" => "thousandths of a byte",
                    _ => "not a unit",
                },
            ));
        }
        let Some((_, factor)) = UNITS.iter().find(|(u, _)| *u == unit) else {
            return Err(format!(
                "`{s}`: `{}` is not a unit; allowed: Ki, Mi, Gi, Ti, k, M, G, T",
                unit.escape_debug()
            ));
        };
        let bytes = number * *factor as f64;
        if !(1.0..=1e18).contains(&bytes) {
            return Err(format!("`{s}` is out of range"));
        }
        // To what can be written: what comes from the ledger must be what was admitted.
        let bytes = bytes as u64;
        let whole = bytes.is_multiple_of(1_000) || bytes.is_multiple_of(1 << 10);
        Ok(Memory(if whole {
            bytes
        } else {
            bytes.next_multiple_of(1 << 10)
        }))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (binary, decimal) = UNITS.split_at(4);
        let text = binary
            .iter()
            .rev()
            .chain(decimal.iter().rev())
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .map_or_else(
                || format!("{}Ki", self.0.div_ceil(1 << 10)),
                |(unit, factor)| format!("{}{unit}", self.0 / factor),
            );
        f.pad(&text)
    }
}

impl TryFrom<String> for Memory {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Memory> for String {
    fn from(m: Memory) -> String {
        m.to_string()
    }
}

/// Processor time in thousandths of a core, written `"1.5"` or `500m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cpus(u32);

impl Cpus {
    /// So many thousandths of a core.
    pub const fn from_milli(milli: u32) -> Self {
        Cpus(milli)
    }

    /// In thousandths of a core.
    pub const fn milli(self) -> u32 {
        self.0
    }

    /// In billionths of a core, Docker's unit.
    pub const fn nano(self) -> i64 {
        self.0 as i64 * 1_000_000
    }
}

impl FromStr for Cpus {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let shown = s.escape_debug();
        let bad =
            || format!("`{shown}` is no number of processors; write it as \"1.5\" or `1500m`");
        let milli = match s.strip_suffix('m') {
            Some(digits) => digits.parse::<u32>().map_err(|_| bad())? as f64,
            None if s.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                s.parse::<f64>().map_err(|_| bad())? * 1000.0
            }
            None => return Err(bad()),
        };
        if !(10.0..=4_096_000.0).contains(&milli) {
            return Err(format!("`{s}` is out of range; at least 10m"));
        }
        Ok(Cpus(milli.round() as u32))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&(f64::from(self.0) / 1000.0).to_string())
    }
}

impl TryFrom<String> for Cpus {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Cpus> for String {
    fn from(c: Cpus) -> String {
        c.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_kubernetes_reads_it() {
        for (text, bytes) in [
            ("512Mi", 512 << 20),
            ("2Gi", 2 << 30),
            ("2GiB", 2 << 30),
            ("1G", 1_000_000_000),
        ] {
            assert_eq!(
                text.parse::<Memory>().map(Memory::bytes),
                Ok(bytes),
                "{text}"
            );
        }
        assert_eq!(
            "1.5Gi".parse::<Memory>().map(|m| m.to_string()),
            Ok("1536Mi".to_owned())
        );
    }

    #[test]
    fn memory_is_written_so_that_it_reads_as_the_same() {
        for text in ["1G", "100M", "1.5G", "1k", "0.3333Gi", "0.0007M", "1000Ki"] {
            let memory: Memory = text.parse().unwrap();
            let written = memory.to_string();
            assert_eq!(written.parse(), Ok(memory), "{text} is written {written}");
        }
    }

    #[test]
    fn an_ambiguous_amount_names_both_readings() {
        let error = "512m".parse::<Memory>().unwrap_err();
        assert!(
            error.contains("Kubernetes") && error.contains("Compose") && error.contains("512Mi"),
            "{error}"
        );
        assert!("2g".parse::<Memory>().unwrap_err().contains("`2Gi`"));
        for bad in ["12", "lots", "", "-1Mi", "1e3Mi", "0Mi", "12MB"] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cpus_in_cores_or_thousandths() {
        assert_eq!("1.5".parse::<Cpus>().map(Cpus::milli), Ok(1500));
        assert_eq!("500m".parse::<Cpus>().map(Cpus::milli), Ok(500));
        for bad in ["", "a", "-1", "0", "1m", "inf"] {
            assert!(bad.parse::<Cpus>().is_err(), "{bad}");
        }
    }
}
