//! The stores of the settings, and whom backups are encrypted to.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::load::Resolve;
use super::raw::{RawEncryption, RawStore};

/// How often the journal goes to the stores unless the settings say otherwise.
const SHIP_JOURNAL: &str = "10s";
/// It does not.
const NEVER: &str = "Never";

/// A store of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRule {
    /// Its name, as specs name it.
    pub name: String,
    /// Where it is.
    pub place: StorePlace,
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// A folder of this host.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Whether it is the embedded default, which the daemon makes. Another one is somebody's
        /// mount: where it is missing, nothing is made in its place.
        own: bool,
    },
    /// A bucket.
    Bucket {
        /// Its name.
        bucket: String,
        /// The server; `None`: Amazon's.
        endpoint: Option<String>,
        /// The region.
        region: String,
        /// What all keys begin with.
        prefix: String,
        /// The file with `aws_access_key_id` and `aws_secret_access_key`.
        credentials: PathBuf,
        /// Whether the server is asked to encrypt, too.
        encrypt: bool,
    },
}

/// Whether what is sent to an endpoint can be read on its way: plain HTTP to another host.
fn in_the_clear(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority
        .strip_prefix('[')
        .and_then(|v6| v6.split_once(']'))
    {
        Some((v6, _)) => v6,
        None => authority.split(':').next().unwrap_or_default(),
    };
    let loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    !loopback && host != "localhost"
}

impl Resolve<'_> {
    pub(super) fn stores(
        &mut self,
        rows: Option<&[RawStore]>,
        backup_volume: Option<PathBuf>,
        state_dir: Option<PathBuf>,
    ) -> Option<Vec<StoreRule>> {
        let Some(rows) = rows else {
            let place = match backup_volume {
                Some(path) => StorePlace::Folder { path, own: false },
                None => StorePlace::Folder {
                    path: state_dir?.join("backups"),
                    own: true,
                },
            };
            let name = "local".to_owned();
            return Some(vec![StoreRule { name, place }]);
        };
        let mut stores: Vec<StoreRule> = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let field = |key: &str| format!("stores[{i}].{key}");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if row.name.is_empty() || row.name.len() > 40 || !row.name.chars().all(plain) {
                let message = format!(
                    "`{}` is no store's name; allowed: ^[a-z0-9-]{{1,40}}$",
                    row.name.escape_debug()
                );
                self.refuse::<()>(&field("name"), message);
            }
            if rows[..i].iter().any(|r| r.name == row.name) {
                let message = format!("`{}` stands twice", row.name);
                self.refuse::<()>(&field("name"), message);
            }
            if let Some(place) = self.place(&field, row) {
                stores.push(StoreRule {
                    name: row.name.clone(),
                    place,
                });
            }
        }
        Some(stores)
    }

    fn place(&mut self, field: &dyn Fn(&str) -> String, row: &RawStore) -> Option<StorePlace> {
        match (&row.path, &row.bucket) {
            (Some(path), None) => {
                let given = [
                    ("endpoint", row.endpoint.is_some()),
                    ("region", row.region.is_some()),
                    ("prefix", row.prefix.is_some()),
                    ("credentials", row.credentials.is_some()),
                    ("encrypt", row.encrypt.is_some()),
                    ("allowInsecure", row.allow_insecure.is_some()),
                ];
                for (key, _) in given.into_iter().filter(|(_, given)| *given) {
                    let message = "goes with `bucket`; a folder has none";
                    self.refuse::<()>(&field(key), message.to_owned());
                }
                let path = self.absolute(&field("path"), path)?;
                Some(StorePlace::Folder { path, own: false })
            }
            (None, Some(bucket)) => {
                let Some(credentials) = &row.credentials else {
                    return self.refuse(
                        &field("credentials"),
                        "missing; name a file with `aws_access_key_id = …` and \
                         `aws_secret_access_key = …`"
                            .to_owned(),
                    );
                };
                let credentials = self.absolute(&field("credentials"), credentials)?;
                if let Some(endpoint) = &row.endpoint {
                    let web = ["http://", "https://"]
                        .iter()
                        .any(|s| endpoint.starts_with(s));
                    // A password in a URL would be shown wherever the endpoint is.
                    if !web || endpoint.contains('@') {
                        let message = "is no address such as `https://s3.example.org` (without user \
                                       or password)";
                        return self.refuse(&field("endpoint"), message.to_owned());
                    }
                    if in_the_clear(endpoint) && row.allow_insecure != Some(true) {
                        let message = format!(
                            "`{}` goes over the network in the clear: backups are encrypted, but their \
                             names and sizes are not, and somebody in between can withhold them; write \
                             https://…, or `allowInsecure: true` beside it",
                            endpoint.escape_debug()
                        );
                        return self.refuse(&field("endpoint"), message);
                    }
                }
                let prefix = row.prefix.clone().unwrap_or_default();
                let prefix = prefix.trim_matches('/');
                Some(StorePlace::Bucket {
                    bucket: bucket.clone(),
                    endpoint: row.endpoint.clone(),
                    region: row.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
                    prefix: if prefix.is_empty() {
                        String::new()
                    } else {
                        format!("{prefix}/")
                    },
                    credentials,
                    encrypt: row.encrypt.unwrap_or(false),
                })
            }
            (Some(_), Some(_)) | (None, None) => self.refuse(
                &field("path"),
                "write either `path` (a folder) or `bucket` (S3)".to_owned(),
            ),
        }
    }

    /// How often the journal goes to the stores.
    pub(super) fn ship_journal(&mut self, raw: Option<&str>) -> Option<Option<Duration>> {
        let text = raw.unwrap_or(SHIP_JOURNAL);
        if text == NEVER {
            return Some(None);
        }
        let unit = |end: char, seconds: u64| {
            let digits = text.strip_suffix(end)?;
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<u64>().ok()?.checked_mul(seconds))?
        };
        let seconds = unit('s', 1).or_else(|| unit('m', 60));
        match seconds.filter(|s| (1..=3600).contains(s)) {
            Some(seconds) => Some(Some(Duration::from_secs(seconds))),
            None => {
                let message = format!(
                    "`{}` is no time from `1s` to `60m`; write such as `10s`, `5m`, or `{NEVER}`",
                    text.escape_debug()
                );
                self.refuse("shipJournal", message)
            }
        }
    }

    pub(super) fn recipients(&mut self, raw: Option<RawEncryption>) -> Option<Vec<String>> {
        let all = raw.map(|raw| raw.recipients).unwrap_or_default();
        for (i, one) in all.iter().enumerate() {
            if !one.starts_with("age1") || one.len() < 50 {
                let message = "is no age recipient; write the public key, which begins with `age1`";
                self.refuse::<()>(&format!("encryption.recipients[{i}]"), message.to_owned());
            }
        }
        Some(all)
    }
}
