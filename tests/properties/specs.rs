//! Specs as people write them, through the real admission.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use db4sci::model::{Database, Problem, Source, Uid};
use db4sci::specs::{self, Catalog, ConfigFiles, Parsed, Request, Rules, VolumeRule};

/// Two images of one series an engine, so that a spec can change from one to the other.
pub const CATALOG: &str = r#"
Postgres:
  dbengine: Postgres
  pub_ports: [5432]
  volumes:
    - [DBVOL, /, /var/lib/postgresql/data]
  command: postgres
  images:
    - [PostgreSQL 17, "postgres:17"]
    - [PostgreSQL 17.6, "postgres:17.6"]
MariaDB:
  dbengine: MariaDB
  pub_ports: [3306]
  volumes:
    - [DBVOL, /, /var/lib/mysql]
  command: mariadbd
  images:
    - [MariaDB 11.8, "mariadb:11.8"]
    - [MariaDB 11.8.2, "mariadb:11.8.2"]
Neo4j:
  dbengine: Neo4j
  pub_ports: [7474, 7687]
  volumes:
    - [DBVOL, data, /data]
    - [DBVOL, logs, /logs]
  command: neo4j
  images:
    - [Neo4j 5, "neo4j:5.26"]
"#;

/// The rules of the simulated host.
pub fn rules() -> Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(|| rules_of(CATALOG));
    RULES.clone()
}

/// The same with another catalog.
pub fn rules_of(catalog: &str) -> Rules {
    let volume = |label: &str, path: &str| VolumeRule {
        label: label.to_owned(),
        path: path.into(),
        engines: None,
        users: None,
        encrypted: false,
    };
    Rules {
        catalog: Catalog::parse(catalog, Path::new("catalog.yaml")).unwrap(),
        mirrors: BTreeMap::new(),
        volumes: vec![volume("Standard", "/volume"), volume("Fast", "/fast")],
        admins: Vec::new(),
        host: None,
        base_port: 32010,
        reserved: BTreeMap::new(),
        taken: BTreeMap::new(),
        owners: Default::default(),
        shares: BTreeMap::new(),
        stores: ["local".to_owned()].into(),
        time_zone: "UTC".parse().unwrap(),
        config_files: ConfigFiles::default(),
    }
}

/// A text as the program reads it. People here say the same again and again, and each text is read once.
fn parsed(text: String) -> Result<Arc<Parsed>, Vec<Problem>> {
    static READ: LazyLock<Mutex<HashMap<String, Arc<Parsed>>>> = LazyLock::new(Mutex::default);
    let read = || READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(parsed) = read().get(&text) {
        return Ok(parsed.clone());
    }
    let parsed = Arc::new(specs::parse(&text, Path::new("spec.yaml"))?);
    read().insert(text, parsed.clone());
    Ok(parsed)
}

/// What a person writes; `None` is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub name: &'static str,
    pub engine: &'static str,
    pub image: Option<&'static str>,
    pub state: &'static str,
    pub memory: Option<&'static str>,
    pub cpus: Option<&'static str>,
    pub shm: Option<&'static str>,
    pub setting: Option<&'static str>,
    pub port: Option<u16>,
    pub window: &'static str,
    pub description: Option<&'static str>,
    pub backup: Option<&'static str>,
}

impl Wish {
    pub fn new(name: &'static str, engine: &'static str) -> Self {
        Wish {
            name,
            engine,
            image: None,
            state: "Running",
            memory: None,
            cpus: None,
            shm: None,
            setting: None,
            port: None,
            window: "Any",
            description: None,
            backup: None,
        }
    }

    /// The images of its engine, as specs name them.
    pub fn images(&self) -> [&'static str; 2] {
        if self.engine == "Postgres" {
            ["PostgreSQL 17", "PostgreSQL 17.6"]
        } else {
            ["MariaDB 11.8", "MariaDB 11.8.2"]
        }
    }

    pub fn text(&self) -> String {
        let mut text = format!(
            "apiVersion: db4sci/v1\nkind: Database\nmetadata: {{name: {}}}\nspec:\n  engine: {}\n  \
             owner: lab\n  contact: lab@example.org\n  state: {}\n  maintenanceWindow: {}\n",
            self.name, self.engine, self.state, self.window
        );
        let mut line = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                writeln!(text, "  {key}: {value}").unwrap();
            }
        };
        line("image", self.image.map(str::to_owned));
        line("backup", self.backup.map(str::to_owned));
        line("port", self.port.map(|p| p.to_string()));
        line("description", self.description.map(str::to_owned));
        line(
            "parameters",
            self.setting.map(|v| format!("{{max_connections: {v}}}")),
        );
        let resources = [
            ("memory", self.memory),
            ("cpus", self.cpus),
            ("shm", self.shm),
        ];
        let resources: Vec<String> = resources
            .iter()
            .filter_map(|(key, value)| Some(format!("{key}: \"{}\"", (*value)?)))
            .collect();
        let given = (!resources.is_empty()).then(|| format!("{{{}}}", resources.join(", ")));
        line("resources", given);
        text
    }

    /// Through the real admission.
    pub fn admit(
        &self,
        earlier: Option<&Database>,
        rules: &Rules,
        fresh: Uid,
    ) -> Result<Database, Vec<Problem>> {
        let parsed = parsed(self.text())?;
        let request = Request {
            parsed: &parsed,
            source: Source::Api,
        };
        specs::admit(&request, earlier, rules, fresh)
    }
}
