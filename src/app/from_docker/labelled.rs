//! A database as far as its container alone tells: labels, ports and mounts.

use serde_json::json;

use super::super::rebuild::stub::{Left, stub};
use crate::model::container::LABEL_NAME;
use crate::model::{ContainerSeen, Database, EngineKind, Labels};
use crate::specs::Rules;

/// The engine that a container's labels name.
///
/// # Errors
/// What they say instead; for a person.
pub(super) fn engine_of(labels: &Labels) -> Result<EngineKind, String> {
    let said = labels.get("dbengine").cloned().unwrap_or_default();
    said.parse()
        .map_err(|_| format!("its label dbengine says `{}`", said.escape_debug()))
}

/// The database whose container it is, with an image of the catalog. What labels, ports and mounts do not
/// tell is the default, until a person says its spec.
///
/// # Errors
/// What is missing; for a person.
pub(super) fn of_labels(
    container: &ContainerSeen,
    image: &str,
    rules: &Rules,
) -> Result<Database, String> {
    let label = |key: &str| container.labels.get(key).filter(|text| !text.is_empty());
    let name = container.labelled_name();
    let name = name.ok_or_else(|| format!("its label {LABEL_NAME} is no name"))?;
    let uid = container.uid().ok_or("its labels say no uid")?;
    let engine = engine_of(&container.labels)?;
    // That of its data, by its mounts: a place of this name on a volume of the settings.
    let of_name = |source: &std::path::Path| {
        let volumes = rules.volumes.iter();
        let mut holds = volumes.filter(|v| source.starts_with(v.path.join(name.as_str())));
        holds.next()
    };
    let volume = container.mounts.iter().find_map(|m| of_name(&m.source));
    let volume = volume.ok_or("its data lies on no data volume of the settings")?;
    let mut more = json!({"volume": volume.label});
    for (field, key) in [
        ("owner", "OWNER"),
        ("contact", "CONTACT"),
        ("database", "DB_NAME"),
        ("support", "SUPPORT"),
        ("life", "LIFE"),
    ] {
        if let Some(text) = label(key) {
            more[field] = text.as_str().into();
        }
    }
    if let Some(user) = label("DB_USER") {
        more["account"] = json!({"user": user});
    }
    let port = container.ports.iter().map(|port| port.host).min();
    let left = |more| Left {
        name: &name,
        uid,
        engine,
        image: Some(image),
        port,
        more,
    };
    // Labels are a person's words from another day: where one of them is refused today, none is needed.
    let volume = json!({"volume": volume.label});
    stub(&left(more), rules).or_else(|_| stub(&left(volume), rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::model::{ContainerId, ImageId, ImageSeen};
    use crate::runtime::fixture::site;
    use crate::specs::testing::{admit_text, rules, spec};

    fn container() -> (Database, ContainerSeen) {
        let text = spec("  port: 32044\n  support: Full\n  image: PostgreSQL 15\n");
        let db = admit_text(&text, None, &rules()).unwrap();
        let image = ImageSeen {
            id: ImageId("sha256:4711".to_owned()),
            entrypoint: Vec::new(),
            volumes: Vec::new(),
        };
        let site = site(std::path::Path::new("/state"));
        let spec = engine::recipe(db.engine).container(&db, &site, &image);
        let seen = spec.made(ContainerId("1".to_owned()));
        (db, seen)
    }

    #[test]
    fn what_a_container_was_made_of_is_known_by_it() {
        let (db, seen) = container();
        let found = of_labels(&seen, "PostgreSQL 15", &rules()).unwrap();
        assert_eq!(
            (
                found.name,
                found.uid,
                found.engine,
                found.port,
                found.volume
            ),
            (db.name, db.uid, db.engine, db.port, db.volume)
        );
        assert_eq!((found.owner, found.contact), (db.owner, db.contact));
        assert_eq!((found.image, found.facts), (db.image, db.facts));
        assert_eq!((found.account, found.database), (db.account, db.database));
    }

    #[test]
    fn a_label_that_nobody_would_admit_makes_no_difference() {
        let (db, mut seen) = container();
        let mut labels: std::collections::BTreeMap<String, String> = seen
            .labels
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        labels.insert("CONTACT".to_owned(), "nobody".to_owned());
        seen.labels = labels.clone().into();
        let found = of_labels(&seen, "PostgreSQL 15", &rules()).unwrap();
        assert_eq!((found.uid, found.owner.as_str()), (db.uid, "unknown"));
        // Without what says whose it is, it is nobody's.
        for key in ["db4sci.uid", "db4sci.name", "dbengine"] {
            let mut labels = labels.clone();
            labels.remove(key);
            seen.labels = labels.into();
            assert!(
                of_labels(&seen, "PostgreSQL 15", &rules()).is_err(),
                "{key}"
            );
        }
        let (_, mut seen) = container();
        seen.mounts.clear();
        let why = of_labels(&seen, "PostgreSQL 15", &rules()).unwrap_err();
        assert!(why.contains("no data volume"), "{why}");
    }
}
