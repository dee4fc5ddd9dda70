//! The image, and with it how the container is laid out.

use crate::engine::{self, backup as recipes};
use crate::model::database::{Image, Layout};
use crate::model::{BackupKind, Database, EngineKind};

use super::super::catalog::{Offer, tag};
use super::{Check, hint};

impl<'a> Check<'a> {
    /// The image and its layout. Data that exists keeps its layout whatever the catalog says: a
    /// mount at another path would show the server an empty folder.
    pub(super) fn image(&mut self, kind: EngineKind) -> Option<(Image, Layout)> {
        let given = self.spec.image.as_deref();
        let Some(earlier) = self.before.0 else {
            let offer = self.offer(kind, given)?;
            return Some((self.image_of(offer), offer.layout.clone()));
        };
        let same = |wanted: &str| {
            wanted == earlier.image.display || self.before.wrote("/image") == Some(wanted)
        };
        let Some(wanted) = given.filter(|wanted| !same(wanted)) else {
            return Some((earlier.image.clone(), earlier.layout.clone()));
        };
        let offer = self.offer(kind, Some(wanted))?;
        if offer.series != earlier.image.series {
            let (from, to) = (&earlier.image.series, &offer.series);
            let direction = if recipes::not_older(from, to) {
                format!("{to} cannot open the data of {from} without a conversion")
            } else {
                format!("{to} cannot read the data that {from} wrote")
            };
            let way = set_back(kind, earlier, offer, true);
            self.refuse("spec.image", format!("{kind} {direction}; {way}"));
            return None;
        }
        let tags = tag(&earlier.image.reference).zip(tag(&offer.image));
        if tags.is_some_and(|(from, to)| !engine::recipe(kind).reads_back(from, to)) {
            // What is dumped is such data, too.
            let way = set_back(kind, earlier, offer, false);
            let message = format!(
                "`{}` is older than `{}`, and may not read what that wrote; {way}",
                offer.display, earlier.image.display
            );
            self.refuse("spec.image", message);
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
        if let Some(differs) = differs(&earlier.layout, &offer.layout) {
            let way = set_back(kind, earlier, offer, true);
            let message = format!(
                "`{}` {differs} than `{}`: it would not take the data of `{}` for its own; {way}",
                offer.display, earlier.image.display, earlier.name
            );
            self.refuse("spec.image", message);
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

/// What to do where an image cannot follow on the data that is there. `loads`: whether it takes what is
/// dumped from the image before it.
fn set_back(engine: EngineKind, earlier: &Database, offer: &Offer, loads: bool) -> String {
    let back = &earlier.image.display;
    let recipe = recipes::backups(engine, BackupKind::Scheduled);
    if loads && recipe.loads_into(&earlier.image.series, &offer.series) {
        format!(
            "set the image back to `{back}`; a copy of a backup may have this one: db4sci restore {} \
             --from ID --as NEW --image '{}'",
            earlier.name, offer.display
        )
    } else {
        format!(
            "set the image back to `{back}`, make a new database, and move the data with a dump"
        )
    }
}

/// In what two images of a series differ so that one does not go on where the other was: their servers would
/// not be let into the data, or not known to have begun it.
fn differs(earlier: &Layout, offered: &Layout) -> Option<String> {
    if offered.uid != earlier.uid {
        let (to, from) = (offered.uid, earlier.uid);
        Some(format!(
            "runs its server as another user (uid {to}, and not {from})"
        ))
    } else if offered.sentinel != earlier.sentinel {
        let (to, from) = (&offered.sentinel, &earlier.sentinel);
        Some(format!(
            "begins its data with another file (`{to}`, and not `{from}`)"
        ))
    } else {
        None
    }
}
