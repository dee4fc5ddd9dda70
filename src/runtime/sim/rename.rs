//! Folders that go with their database's name, on the simulated host.

use std::path::PathBuf;

use super::dirs::{Answer, refused};
use super::places::Places;
use super::released::not_released;
use super::state::State;
use crate::model::{Database, Site};
use crate::runtime::NamedFolder;

impl State {
    /// As the real one does: what is there already stays.
    pub(super) fn rename(
        &mut self,
        site: &Site,
        from: &Database,
        to: &Database,
        which: NamedFolder,
    ) -> Answer<()> {
        self.writable(from)?;
        let markers = [from, to].map(|db| self.known(db).map(|s| s.and_then(|s| s.marker)));
        let mut ours = false;
        for (db, marker) in [from, to].into_iter().zip(markers) {
            match marker? {
                Some(marker) if marker.uid != from.uid => {
                    return refused("marked as the place of another database".to_owned());
                }
                Some(marker) => {
                    not_released(&marker)?;
                    ours = true;
                    self.unlocked(db)?;
                }
                None => {}
            }
        }
        if !ours {
            return refused("no marker says whose it is".to_owned());
        }
        let disk = &mut self.disk;
        let done = match which {
            NamedFolder::Data => shift(&mut disk.dirs, from.data_dir(), to.data_dir()),
            NamedFolder::Marker => shift(&mut disk.markers, from.marker_dir(), to.marker_dir()),
            NamedFolder::Secrets => {
                let (old, new) = (site.secrets_dir(&from.name), site.secrets_dir(&to.name));
                disk.plain.shift(&old, &new);
                shift(&mut disk.secrets, old, new)
            }
            NamedFolder::Config => {
                let (old, new) = (site.config_dir(&from.name), site.config_dir(&to.name));
                disk.plain.shift(&old, &new);
                shift(&mut disk.applied, old, new)
            }
            // Nobody asks the simulated host for these.
            NamedFolder::Aside | NamedFolder::Evidence => Ok(()),
        };
        self.journal
            .push(format!("rename {} of {}", which.as_str(), from.name));
        done
    }
}

fn shift<T>(of: &mut Places<T>, from: PathBuf, to: PathBuf) -> Answer<()> {
    if of.has(&from) && of.has(&to) {
        return refused(format!("{} is in the way", to.display()));
    }
    if let Some(moved) = of.remove(&from) {
        of.insert(to, moved);
    }
    Ok(())
}
