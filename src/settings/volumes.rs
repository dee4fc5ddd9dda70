//! The settings' lists: data volumes, owners, and the file of image mirrors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::model::{EngineKind, ImageRef, OwnerLimits, Owners, Problem};
use crate::specs::VolumeRule;
use crate::specs::document::{self, Guide, nearest};

use super::env;
use super::load::{Resolve, read_text};
use super::raw::{RawOwner, RawVolume};

static MIRRORS: LazyLock<Guide> = LazyLock::new(Guide::of::<BTreeMap<String, String>>);

impl Resolve<'_> {
    pub(super) fn data_volumes(
        &mut self,
        rows: Option<&[RawVolume]>,
        state_dir: Option<&Path>,
    ) -> Option<Vec<VolumeRule>> {
        let standard = |path: PathBuf| {
            Some(vec![VolumeRule {
                label: "Standard".to_owned(),
                path,
                engines: None,
                users: None,
                encrypted: false,
            }])
        };
        if let Some(path) = self.env.get(env::DATA_VOLUME) {
            return self.absolute(env::DATA_VOLUME, path).and_then(standard);
        }
        let Some(rows) = rows else {
            if self.mode.needs_volumes() {
                return self.missing("dataVolumes", "the folders for data");
            }
            return standard(state_dir?.join("data"));
        };
        let mut volumes: Vec<VolumeRule> = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let field = |key: &str| format!("dataVolumes[{i}].{key}");
            let path = self.absolute(&field("path"), &row.path);
            let engines = match row.engines.list() {
                Some(list) => self.engines(&field("engines"), list).map(Some),
                None => Some(None),
            };
            if rows[..i].iter().any(|r| r.label == row.label) {
                let message = format!("`{}` stands twice", row.label);
                self.refuse::<()>(&field("label"), message);
            }
            if let Some(twin) = rows[..i].iter().find(|r| r.path == row.path) {
                let message = format!("`{}` is `{}`'s, too", row.path, twin.label);
                self.refuse::<()>(&field("path"), message);
            }
            if let (Some(path), Some(engines)) = (path, engines) {
                volumes.push(VolumeRule {
                    label: row.label.clone(),
                    path,
                    engines,
                    users: row.users.list().map(<[String]>::to_vec),
                    encrypted: row.encrypted,
                });
            }
        }
        Some(volumes)
    }

    fn engines(&mut self, field: &str, list: &[String]) -> Option<Vec<EngineKind>> {
        let mut engines = Vec::new();
        for (i, word) in list.iter().enumerate() {
            match word.parse() {
                Ok(engine) => engines.push(engine),
                Err(message) => {
                    let all = EngineKind::ALL.map(EngineKind::as_str);
                    let hint = match nearest(word, all) {
                        Some(near) => format!("did you mean `{near}`? Allowed"),
                        None => "allowed".to_owned(),
                    };
                    let message = format!("{message}; {hint}: ALL, {}", all.join(", "));
                    self.refuse::<()>(&format!("{field}[{i}]"), message);
                }
            }
        }
        (engines.len() == list.len()).then_some(engines)
    }

    pub(super) fn owners(&mut self, rows: Option<BTreeMap<String, RawOwner>>) -> Option<Owners> {
        let mut owners = Owners::default();
        for (owner, row) in rows.into_iter().flatten() {
            let memory = match row.memory.as_deref().map(str::parse) {
                Some(Ok(memory)) => Some(memory),
                Some(Err(message)) => {
                    return self.refuse(&format!("owners.{owner}.memory"), message);
                }
                None => None,
            };
            let limits = OwnerLimits {
                databases: row.databases,
                memory,
            };
            if owner == Owners::OTHERS {
                owners.others = limits;
            } else {
                owners.named.insert(owner, limits);
            }
        }
        Some(owners)
    }

    pub(super) fn mirrors(&mut self, file: &Path) -> Option<BTreeMap<String, ImageRef>> {
        let read = read_text(file, "set `image_mirrors` to one, or remove it")
            .and_then(|text| document::parse_whole(&text, file))
            .and_then(|node| MIRRORS.read::<BTreeMap<String, String>>(&node, file));
        let (rows, places) = match read {
            Ok(read) => read,
            Err(problems) => {
                self.problems.extend(problems);
                return None;
            }
        };
        let mut mirrors = BTreeMap::new();
        for (from, to) in rows {
            let wrong = |text: &str| text.parse::<ImageRef>().err();
            for message in [wrong(&from), wrong(&to)].into_iter().flatten() {
                let problem = places.locate(Problem::new(from.as_str(), message));
                self.problems.push(problem);
            }
            if let Ok(to) = to.parse() {
                mirrors.insert(from, to);
            }
        }
        Some(mirrors)
    }
}
