//! What specs are measured against here.

use std::collections::BTreeMap;
use std::path::Path;

use db4sci::model::{Cpus, EngineKind, Memory};
use db4sci::specs::{Catalog, ConfigFiles, HostSize, Rules, VolumeRule};

/// A host of 8 GiB and 4 processors with two volumes, a store, and a configuration file an engine.
pub fn rules() -> Rules {
    let volume = |label: &str, engines: Option<Vec<EngineKind>>| VolumeRule {
        label: label.to_owned(),
        path: Path::new("/srv").join(label),
        engines,
        users: None,
        encrypted: label == "Fast",
    };
    let file = |engine: EngineKind| {
        let text = Ok("work_mem = 1GB\n".to_owned());
        (engine, BTreeMap::from([("tuned.conf".to_owned(), text)]))
    };
    Rules {
        catalog: Catalog::builtin().unwrap(),
        mirrors: BTreeMap::new(),
        volumes: vec![
            volume("Standard", None),
            volume("Fast", Some(EngineKind::ALL[..2].to_vec())),
        ],
        admins: vec!["root".to_owned()],
        owners: Default::default(),
        shares: BTreeMap::new(),
        host: Some(HostSize {
            memory: Memory::mebibytes(8192),
            cpus: Cpus::from_milli(4000),
        }),
        base_port: 32010,
        reserved: [(5000, "health checks".to_owned())].into(),
        taken: [(32009, "mydb_admin".parse().unwrap())].into(),
        stores: ["local".to_owned()].into(),
        time_zone: "UTC".parse().unwrap(),
        config_files: ConfigFiles {
            folder: "dbconfig".into(),
            files: EngineKind::ALL.map(file).into(),
            unread: BTreeMap::new(),
        },
    }
}
