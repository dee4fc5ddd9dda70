//! A server's certificate: what is known of it, and when another one has to take its place.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// A certificate that is used for two thirds of its life is replaced: the last third is the time
/// that a person has when that fails.
const LAST_PART: i32 = 3;

/// What is known of the certificate that lies among a server's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSeen {
    /// The beginning of its SHA-256.
    pub mark: String,
    /// The instant from which it holds.
    pub from: Timestamp,
    /// The instant until which it holds.
    pub until: Timestamp,
    /// The host names and addresses it stands for.
    pub names: BTreeSet<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a server's certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// This instance's own authority has issued it.
    Issued,
    /// The settings name it, and it is the one that lies there now.
    Given,
    /// Neither: the authority or the settings are others by now.
    Elsewhere,
}

impl CertificateSeen {
    /// Why another one has to take its place, for a person; `None`: it is good. A given one is a
    /// person's to replace, whatever it says.
    pub fn outdated(&self, names: &BTreeSet<String>, now: Timestamp) -> Option<String> {
        match self.origin {
            Origin::Given => None,
            Origin::Elsewhere => Some("its certificate is of another authority".to_owned()),
            Origin::Issued if self.names != *names => {
                Some("its certificate is for other host names".to_owned())
            }
            // Made while the clock was ahead: clients refuse it until then.
            Origin::Issued if now < self.from => {
                Some("its certificate is not valid yet".to_owned())
            }
            Origin::Issued if self.renewed_at() <= now => Some(format!(
                "its certificate ends {}",
                self.until.format("%F %T UTC")
            )),
            Origin::Issued => None,
        }
    }

    /// When another one is issued in its place.
    pub fn renewed_at(&self) -> Timestamp {
        let life = self.until - self.from;
        self.until - life.max(TimeDelta::zero()) / LAST_PART
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::days(n)
    }

    fn seen(origin: Origin) -> CertificateSeen {
        CertificateSeen {
            mark: "3f9c2a1b".to_owned(),
            from: day(0),
            until: day(90),
            names: ["localhost".to_owned()].into(),
            origin,
        }
    }

    #[test]
    fn a_certificate_is_renewed_when_less_than_a_third_of_its_life_is_left() {
        let names = ["localhost".to_owned()].into();
        let issued = seen(Origin::Issued);
        assert_eq!(issued.outdated(&names, day(59)), None);
        assert!(
            issued
                .outdated(&names, day(60))
                .unwrap()
                .contains("1970-04-01")
        );
        assert!(issued.outdated(&names, day(400)).is_some());
        assert_eq!(issued.outdated(&names, day(0)), None);
        // Issued while the clock was ahead.
        assert!(issued.outdated(&names, day(-5)).unwrap().contains("yet"));
    }

    #[test]
    fn other_names_and_another_authority_need_another_one() {
        let names = ["localhost".to_owned(), "db.example.org".to_owned()].into();
        let why = seen(Origin::Issued).outdated(&names, day(1)).unwrap();
        assert!(why.contains("host names"), "{why}");
        let same = ["localhost".to_owned()].into();
        let why = seen(Origin::Elsewhere).outdated(&same, day(1)).unwrap();
        assert!(why.contains("authority"), "{why}");
    }

    #[test]
    fn a_given_one_is_never_replaced_by_db4sci() {
        let names = ["db.example.org".to_owned()].into();
        assert_eq!(seen(Origin::Given).outdated(&names, day(400)), None);
    }
}
