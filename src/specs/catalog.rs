//! The catalog: which engines, images and folders this institute offers.
//!
//! `dbconfig/catalog.yaml` is the original DB4SCI's `info` table as YAML. It is looked into when a
//! database is admitted, and never again for that database: an edited catalog changes nothing that
//! runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use crate::engine;
use crate::model::database::Layout;
use crate::model::{EngineKind, ImageRef, Problem};

use super::document::{self, Guide, Places};

mod raw;
/// Whether a series comes before another one. What is no number is not compared.
fn older(series: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u32>> {
        let parts = text.split('.').map(|part| part.parse().ok());
        parts.collect()
    };
    match (numbers(series), numbers(than)) {
        (Some(series), Some(than)) => series < than,
        (None, _) | (_, None) => false,
    }
}

#[cfg(test)]
mod tests;

use raw::{RawCatalog, RawEngine, RawImage, RawVolume};

/// Where data of a volume row lies: on a data volume of the settings.
const DATA: &str = "DBVOL";
/// A volume row for backups. Kept, and unused until there are backups.
const BACKUP: &str = "BACKUPVOL";

static GUIDE: LazyLock<Guide> = LazyLock::new(Guide::of::<RawCatalog>);

/// What is offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    engines: BTreeMap<EngineKind, Vec<Offer>>,
}

/// An image that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name on the form and in specs.
    pub display: String,
    /// What to pull.
    pub image: ImageRef,
    /// The series within which data needs no conversion.
    pub series: String,
    /// How it wants to be run.
    pub layout: Layout,
}

impl Catalog {
    /// The text of the catalog that this program brings along.
    pub const BUILTIN: &'static str = include_str!("../../dbconfig/catalog.yaml");

    /// The catalog that this program brings along, for the demo and for tests.
    pub fn builtin() -> Result<Self, Vec<Problem>> {
        Catalog::parse(Catalog::BUILTIN, Path::new("catalog.yaml (built in)"))
    }

    /// Reads a catalog's text.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Vec<Problem>> {
        let node = document::parse_whole(text, file)?;
        let (raw, places) = GUIDE.read::<RawCatalog>(&node, file)?;
        let mut reader = Reader {
            places,
            problems: Vec::new(),
        };
        let engines = raw
            .0
            .iter()
            .filter_map(|(key, rows)| reader.engine(key, rows))
            .collect();
        if reader.problems.is_empty() {
            Ok(Catalog { engines })
        } else {
            Err(reader.problems)
        }
    }

    /// The images of an engine; the first is the default.
    pub fn offers(&self, engine: EngineKind) -> &[Offer] {
        self.engines.get(&engine).map_or(&[], Vec::as_slice)
    }

    /// Every image that is offered.
    pub fn all(&self) -> impl Iterator<Item = &Offer> {
        self.engines.values().flatten()
    }

    /// The image that a spec names, by its display name or its reference.
    pub fn find(&self, engine: EngineKind, name: &str) -> Option<&Offer> {
        self.offers(engine)
            .iter()
            .find(|o| o.display == name || o.image.as_str() == name)
    }
}

struct Reader {
    places: Places,
    problems: Vec<Problem>,
}

impl Reader {
    fn engine(&mut self, key: &str, rows: &RawEngine) -> Option<(EngineKind, Vec<Offer>)> {
        let kind: EngineKind = match key.parse() {
            Ok(kind) => kind,
            Err(message) => {
                let all = EngineKind::ALL.map(EngineKind::as_str);
                let hint = document::nearest(key, all)
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                self.refuse(key, format!("{message}{hint} Allowed: {}", all.join(", ")));
                return None;
            }
        };
        if let Some(named) = rows.dbengine.as_deref().filter(|d| *d != key) {
            let message = format!("`{named}` does not agree with the section's name `{key}`");
            self.refuse(&format!("{key}.dbengine"), message);
        }
        let recipe = engine::recipe(kind);
        let data = self.volumes(&format!("{key}.volumes"), &rows.volumes);
        let defaults = recipe.defaults();
        let mut offers: Vec<Offer> = Vec::new();
        for (i, row) in rows.images.iter().enumerate() {
            let field = format!("{key}.images[{i}]");
            let Some((image, series)) = self.image(recipe, &field, row) else {
                continue;
            };
            if offers.iter().any(|o| o.display == row.display()) {
                self.refuse(&field, format!("`{}` stands twice", row.display()));
                continue;
            }
            let own = row
                .volumes()
                .map(|v| self.volumes(&format!("{field}.volumes"), v));
            offers.push(Offer {
                display: row.display().to_owned(),
                image,
                series,
                layout: Layout {
                    ports: rows.pub_ports.clone(),
                    data: own.unwrap_or_else(|| data.clone()),
                    command: rows.command.words(),
                    sentinel: row.sentinel().unwrap_or(defaults.sentinel).to_owned(),
                    uid: row.uid().unwrap_or(defaults.uid),
                },
            });
        }
        Some((kind, offers))
    }

    fn image(
        &mut self,
        recipe: &dyn engine::Recipe,
        field: &str,
        row: &RawImage,
    ) -> Option<(ImageRef, String)> {
        let place = match row {
            RawImage::Pair(_) => format!("{field}[1]"),
            RawImage::Row(_) => format!("{field}.image"),
        };
        let image: ImageRef = match row.image().parse() {
            Ok(image) => image,
            Err(message) => {
                self.refuse(&place, message);
                return None;
            }
        };
        let series = match row.series() {
            Some(series) => Some(series.to_owned()),
            None => tag(&image).and_then(|tag| recipe.series(tag)),
        };
        if series.is_none() {
            let message = format!(
                "the tag of `{image}` names no version that can be compared; write the row as a \
                 mapping with `series:`"
            );
            self.refuse(&place, message);
        }
        let series = series?;
        let oldest = recipe.oldest();
        if older(&series, oldest) {
            let message = format!(
                "`{image}` is of series {series}, and db4sci serves {oldest} and later ones; take \
                 the row out"
            );
            self.refuse(&place, message);
            return None;
        }
        Some((image, series))
    }

    /// The data folders of volume rows, the first of which holds the data.
    fn volumes(&mut self, field: &str, rows: &[RawVolume]) -> Vec<(String, String)> {
        let mut data: Vec<(String, String)> = Vec::new();
        for (i, RawVolume(source, sub, target)) in rows.iter().enumerate() {
            let at = |column: usize| format!("{field}[{i}][{column}]");
            let inside = !sub.split('/').any(|part| part == "." || part == "..");
            if !inside {
                self.refuse(&at(1), format!("`{sub}` leaves the database's folder"));
            }
            let absolute = target.starts_with('/') && target.len() > 1;
            let clean = clean(target);
            if !absolute || clean == "/" || target.split('/').any(|part| part == "..") {
                self.refuse(&at(2), format!("`{target}` is no absolute path"));
            } else if *target != clean {
                // Docker calls it so, and the two would differ for ever.
                self.refuse(&at(2), format!("`{target}`: write `{clean}`"));
            }
            match source.as_str() {
                DATA if data.iter().any(|(_, t)| t == target) => {
                    self.refuse(&at(2), format!("`{target}` stands twice"));
                }
                DATA => data.push((sub.clone(), target.clone())),
                BACKUP => {}
                other => {
                    let message = format!(
                        "`{other}` is not a source; allowed: {DATA} (a data volume of the \
                         settings), {BACKUP}"
                    );
                    self.refuse(&at(0), message);
                }
            }
        }
        if data.is_empty() {
            self.refuse(
                field,
                format!("no {DATA} row: the data would have no place on a volume"),
            );
        }
        data
    }

    fn refuse(&mut self, field: &str, message: String) {
        let problem = self.places.locate(Problem::new(field, message));
        self.problems.push(problem);
    }
}

/// A path without what says nothing: `//`, `/./`, a slash at its end.
fn clean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<&str> = parts.collect();
    format!("/{}", parts.join("/"))
}

/// The tag of a reference, without a digest after it.
pub(super) fn tag(image: &ImageRef) -> Option<&str> {
    let name = image.as_str().split('@').next()?;
    name.rsplit('/').next()?.split_once(':').map(|(_, tag)| tag)
}
