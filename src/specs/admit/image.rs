//! The image, and with it how the container is laid out.

use crate::engine::backup as recipes;
use crate::model::database::{Image, Layout};
use crate::model::{BackupKind, EngineKind};

use super::super::catalog::Offer;
use super::{Check, hint};

impl<'a> Check<'a> {
    /// The image and its layout. Data that exists keeps its layout whatever the catalog says: a
    /// mount at another path would show the server an empty folder.
    pub(super) fn image(&mut self, engine: EngineKind) -> Option<(Image, Layout)> {
        let given = self.spec.image.as_deref();
        let Some(earlier) = self.before.0 else {
            let offer = self.offer(engine, given)?;
            return Some((self.image_of(offer), offer.layout.clone()));
        };
        let same = |wanted: &str| {
            wanted == earlier.image.display || self.before.wrote("/image") == Some(wanted)
        };
        let Some(wanted) = given.filter(|wanted| !same(wanted)) else {
            return Some((earlier.image.clone(), earlier.layout.clone()));
        };
        let offer = self.offer(engine, Some(wanted))?;
        if offer.series != earlier.image.series {
            let (from, to) = (&earlier.image.series, &offer.series);
            let direction = if recipes::not_older(from, to) {
                format!("{to} cannot open the data of {from} without a conversion")
            } else {
                format!("{to} cannot read the data that {from} wrote")
            };
            let back = &earlier.image.display;
            let way = if recipes::backups(engine, BackupKind::Scheduled).loads_into(from, to) {
                format!(
                    "set the image back to `{back}`; a copy of a backup may have this one: db4sci restore {} \
                     --from ID --as NEW --image '{}'",
                    earlier.name, offer.display
                )
            } else {
                format!(
                    "set the image back to `{back}`, make a new database, and move the data with a dump"
                )
            };
            self.refuse("spec.image", format!("{engine} {direction}; {way}"));
            return None;
        }
        if offer.layout.data != earlier.layout.data {
            self.refuse(
                "spec.image",
                format!(
                    "`{}` keeps its data at another path than `{}`: mounted there, the data of \
                     `{}` would not be seen; set the image back, make a new database, and move the \
                     data with a dump",
                    offer.display, earlier.image.display, earlier.name
                ),
            );
            return None;
        }
        Some((self.image_of(offer), earlier.layout.clone()))
    }

    fn image_of(&self, offer: &Offer) -> Image {
        Image {
            display: offer.display.clone(),
            reference: self.rules.pulled(offer).clone(),
            pinned: None,
            series: offer.series.clone(),
        }
    }

    /// The catalog's row; the first one where none is named.
    fn offer(&mut self, engine: EngineKind, wanted: Option<&str>) -> Option<&'a Offer> {
        let rules = self.rules;
        let offers = rules.catalog.offers(engine);
        let rows: Vec<&str> = offers.iter().map(|o| o.display.as_str()).collect();
        let found = match wanted {
            Some(wanted) => rules.catalog.find(engine, wanted),
            None => offers.first(),
        };
        if found.is_none() {
            let list = rows.join(", ");
            let message = match wanted {
                _ if offers.is_empty() => {
                    format!("the catalog has no images of {engine}; add a section to it")
                }
                Some(wanted) if wanted.ends_with(":latest") => {
                    format!("`{wanted}`: the tag `latest` moves; pin a version: {list}")
                }
                Some(wanted) => format!(
                    "`{}` is not in the catalog{}: {list}",
                    wanted.escape_debug(),
                    hint(wanted, rows.iter().copied())
                ),
                None => "no image".to_owned(),
            };
            self.refuse("spec.image", message);
        }
        found
    }
}
