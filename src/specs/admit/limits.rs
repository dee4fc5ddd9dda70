//! Memory, processors, shared memory, and the settings that follow from them.

use std::collections::BTreeMap;

use crate::engine::Recipe;
use crate::model::database::Resources;
use crate::model::{Cpus, Memory};

use super::{Check, Engine};

/// Shared memory where a spec names none: parallel queries of PostgreSQL need more than Docker's
/// 64 MiB.
const SHM: Memory = Memory::mebibytes(256);
/// The least of it.
const MIN_SHM: Memory = Memory::mebibytes(1);

impl Check<'_> {
    pub(super) fn resources(&mut self, engine: Option<Engine>) -> Option<Resources> {
        let given = self.spec.resources.as_ref();
        let memory = match given.and_then(|r| r.memory.as_deref()) {
            Some(text) => self.memory(engine, text),
            None => {
                let kept = self.before.kept("/resources/memory");
                let default = engine.map(|engine| engine.recipe.defaults().memory);
                kept.map(|db| db.resources.memory).or(default)
            }
        };
        let cpus = match given.and_then(|r| r.cpus.as_ref()) {
            Some(text) => self.cpus(&text.0).map(Some),
            None => {
                let kept = self.before.kept("/resources/cpus");
                Some(kept.and_then(|db| db.resources.cpus))
            }
        };
        let memory = memory?;
        let shm = match given.and_then(|r| r.shm.as_deref()) {
            Some(text) => self.shm(text, memory)?,
            None => {
                let kept = self
                    .before
                    .kept("/resources/shm")
                    .map(|db| db.resources.shm);
                let quarter = Memory::from_bytes((memory.bytes() / 4).max(MIN_SHM.bytes()));
                kept.filter(|shm| *shm <= memory)
                    .unwrap_or(SHM.min(quarter))
            }
        };
        Some(Resources {
            memory,
            cpus: cpus?,
            shm,
        })
    }

    fn memory(&mut self, engine: Option<Engine>, text: &str) -> Option<Memory> {
        let field = "spec.resources.memory";
        let memory: Memory = self.take(field, text.parse())?;
        if self
            .before
            .0
            .is_some_and(|db| db.resources.memory == memory)
        {
            return Some(memory);
        }
        if let Some(Engine { kind, recipe }) = engine {
            let least = recipe.defaults().min_memory;
            if memory < least {
                self.refuse(
                    field,
                    format!("`{text}` is too little for {kind}; at least {least}"),
                );
                return None;
            }
        }
        if let Some(host) = self.rules.host.filter(|host| memory > host.memory) {
            self.refuse(
                field,
                format!(
                    "`{text}` is more than this host has; it has {}",
                    host.memory
                ),
            );
            return None;
        }
        Some(memory)
    }

    fn cpus(&mut self, text: &str) -> Option<Cpus> {
        let field = "spec.resources.cpus";
        let cpus: Cpus = self.take(field, text.parse())?;
        if self
            .before
            .0
            .is_some_and(|db| db.resources.cpus == Some(cpus))
        {
            return Some(cpus);
        }
        if let Some(host) = self.rules.host.filter(|host| cpus > host.cpus) {
            self.refuse(
                field,
                format!("`{text}` is more than this host has; it has {}", host.cpus),
            );
            return None;
        }
        Some(cpus)
    }

    fn shm(&mut self, text: &str, memory: Memory) -> Option<Memory> {
        let field = "spec.resources.shm";
        let shm: Memory = self.take(field, text.parse())?;
        if shm > memory || shm < MIN_SHM {
            self.refuse(
                field,
                format!(
                    "`{text}` is not allowed; shared memory counts as memory: {MIN_SHM} to {memory}"
                ),
            );
            return None;
        }
        Some(shm)
    }

    /// The server's settings: those that follow from the memory, then `parameters`. While the
    /// memory stays, what followed from it stays, too: a newer program's better advice is not a
    /// reason to restart a server.
    pub(super) fn settings(
        &mut self,
        recipe: &dyn Recipe,
        series: Option<&str>,
        memory: Option<Memory>,
    ) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        for (name, value) in self.spec.parameters.iter().flatten() {
            let field = format!("spec.parameters.{name}");
            let allowed = recipe.check_parameter(name, &value.0);
            let allowed = allowed.and_then(|()| match series {
                Some(series) => recipe.accepts(series, name, &value.0),
                None => Ok(()),
            });
            if self.take(&field, allowed).is_some() {
                parameters.insert(name.clone(), value.0.clone());
            }
        }
        let memory = memory?;
        let mut settings = recipe.settings(memory);
        if let Some(earlier) = self.before.0.filter(|db| db.resources.memory == memory) {
            let wrote = |name: &str| {
                let parameters = earlier.given.get("parameters");
                parameters.is_some_and(|p| p.get(name).is_some())
            };
            settings.retain(|name, _| wrote(name));
            settings.extend(
                earlier
                    .settings
                    .iter()
                    .filter(|(name, _)| !wrote(name))
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        settings.extend(parameters);
        Some(settings)
    }
}
