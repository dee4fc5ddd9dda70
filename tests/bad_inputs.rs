//! Bad inputs and the error each gets: whole messages, as a person reads them.

use std::collections::BTreeMap;
use std::path::Path;

use db4sci::model::database::Source;
use db4sci::model::{Cpus, DbName, EngineKind, Memory, Problem, Uid};
use db4sci::settings::{Mode, Settings};
use db4sci::specs::{self, Catalog, ConfigFiles, HostSize, Request, Rules, VolumeRule};

const FILE: &str = "desired-state/genomics.yaml";

/// A spec with some lines below `spec:`.
fn spec(lines: &str) -> String {
    format!(
        "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  name: genomics\nspec:\n  \
         engine: Postgres\n  owner: genomics-lab\n  contact: lab@example.org\n{lines}"
    )
}

fn rules() -> Rules {
    let settings = Settings::load(Path::new("/nowhere"), Mode::Test, &BTreeMap::new());
    let host = HostSize {
        memory: Memory::mebibytes(8192),
        cpus: Cpus::from_milli(4000),
    };
    let mut files = ConfigFiles {
        folder: "dbconfig".into(),
        ..ConfigFiles::default()
    };
    files
        .files
        .entry(EngineKind::Postgres)
        .or_default()
        .extend([
            ("tuned.conf".to_owned(), Ok("work_mem = 1GB\n".to_owned())),
            (
                "away.conf".to_owned(),
                Err(
                    "a link that leaves its folder, to /etc/passwd; put the file itself here"
                        .to_owned(),
                ),
            ),
        ]);
    let mut rules = settings
        .unwrap()
        .rules(Catalog::builtin().unwrap(), files, Some(host));
    rules.volumes = vec![
        VolumeRule {
            label: "Standard".into(),
            path: "/srv/standard".into(),
            engines: None,
            users: None,
            encrypted: false,
        },
        VolumeRule {
            label: "Fast".into(),
            path: "/srv/fast".into(),
            engines: Some(vec![EngineKind::MariaDB]),
            users: None,
            encrypted: false,
        },
        VolumeRule {
            label: "Private".into(),
            path: "/srv/private".into(),
            engines: None,
            users: Some(vec!["chem-lab".into()]),
            encrypted: true,
        },
    ];
    rules
        .taken
        .insert(32011, "proteomics".parse::<DbName>().unwrap());
    rules
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// What a spec file's text gets, without the file's name.
fn errors(text: &str) -> Vec<String> {
    let found = specs::parse(text, Path::new(FILE)).and_then(|parsed| {
        let request = Request {
            parsed: &parsed,
            source: Source::File("genomics.yaml".into()),
        };
        specs::admit(&request, None, &rules(), Uid(uuid::Uuid::nil()))
    });
    let problems = found.expect_err("this should have been refused");
    shown(&problems)
        .iter()
        .map(|line| line.replace("desired-state/genomics.yaml", "FILE"))
        .collect()
}

#[test]
fn probe() {
    let named = |n: &str| spec("").replace("name: genomics", &format!("name: {n}"));
    let forty = "a".repeat(64);
    let cases: Vec<(&str, String)> = vec![
        ("name1", named("a;id")), ("name2", named("../x")), ("name3", named("Upper")), ("name4", named("''")), ("name5", named(&forty)), ("admin", named("mydb_admin")),
        ("unknown", spec("  imagee: x\n  bananas: 3\n")),
        ("three", spec("  imagee: x\n  port: 70000\n  phi: yes\n  resources: {memory: [1]}\n").replace("engine: Postgres", "engine: postgress")),
        ("dup", spec("  port: 32012\n  port: 32013\n")),
        ("broken", spec("  access: [\n")), ("tab", spec("\taccess: 1\n")), ("empty", String::new()), ("half", "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  na".into()), ("half2", "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  name: genomics\nspec:\n".into()),
        ("two", format!("{}---\n{}", spec(""), spec(""))), ("list", "- a\n".into()), ("scalar", "hello\n".into()),
        ("engine", spec("").replace("engine: Postgres", "engine: Neo4j")),
        ("image", spec("  image: PostgresQL 17.1\n")), ("latest", spec("  image: postgres:latest\n")),
        ("port0", spec("  port: 0\n")), ("portword", spec("  port: \"32011\"\n")), ("port taken", spec("  port: 32011\n")), ("port admin", spec("  port: 32009\n")), ("port http", spec("  port: 5000\n")), ("float", spec("  port: 1.5\n")),
        ("mem1", spec("  resources: {memory: 12}\n")), ("mem2", spec("  resources: {memory: lots}\n")), ("mem3", spec("  resources: {memory: 512m}\n")), ("mem4", spec("  resources: {memory: 2g}\n")), ("mem5", spec("  resources: {memory: 64Mi}\n")), ("mem6", spec("  resources: {memory: 64Gi}\n")), ("cpus", spec("  resources: {cpus: 64}\n")), ("cpus2", spec("  resources: {cpus: many}\n")), ("shm", spec("  resources: {memory: 1Gi, shm: 2Gi}\n")),
        ("vol1", spec("  volume: Standart\n")), ("vol2", spec("  volume: Fast\n")), ("vol3", spec("  volume: Private\n")),
        ("conf1", spec("  config: none.conf\n")), ("conf2", spec("  config: ../MariaDB/x.cnf\n")), ("conf3", spec("  config: away.conf\n")),
        ("cron1", spec("  backup: {schedule: \"61 * * * *\"}\n")), ("cron2", spec("  backup: {schedule: \"0 0 2 * * *\"}\n")), ("cron3", spec("  backup: {schedule: \"0 2 30 2 *\"}\n")), ("cron4", spec("  backup: {schedule: \"0 2 * * *\", window: Any}\n")), ("cron5", spec("  backup: {schedule: Dayly}\n")),
        ("zone", spec("  timeZone: America/Los_Angles\n")),
        ("ret", spec("  backup: {retention: {last: 0, daily: -1}}\n")), ("rpo", spec("  backup: {rpo: 12h}\n")), ("rpo2", spec("  backup: {schedule: Weekly, rpo: 26h}\n")), ("rpo3", spec("  backup: {schedule: Never, rpo: 26h}\n")), ("rpo4", spec("  backup: {schedule: \"0 2 * * 1-5\", rpo: 26h}\n")), ("rpo5", spec("  backup: {rpo: soon}\n")), ("stores", spec("  backup: {stores: [lokal]}\n")), ("nostores", spec("  backup: {stores: []}\n")),
        ("phi", spec("  phi: true\n  tls: Required\n")), ("phi2", spec("  phi: true\n  volume: Private\n").replace("genomics-lab", "chem-lab")),
        ("user", spec("  account: {user: postgres}\n")), ("user2", spec("  account: {user: \"x; drop\"}\n")), ("pw", spec("  account: {passwordFile: secret}\n")), ("param", spec("  parameters: {fsync: off, work_mem: 64MB}\n")),
        ("contact", spec("").replace("lab@example.org", "nobody")), ("owner", spec("").replace("owner: genomics-lab", "owner: ''")), ("nulls", spec("  image:\n")),
        ("window", spec("  maintenanceWindow: Sat 25:00-26:00\n")), ("database", spec("  database: template1\n")), ("nul", spec("  description: \"a\\0b\"\n")), ("alias", spec("  description: *x\n")), ("merge", spec("  <<: {a: b}\n")), ("tag", spec("  description: !!binary aGk=\n")), ("tag2", spec("  description: !env X\n")), ("version", spec("").replace("db4sci/v1", "v1")), ("kind", spec("").replace("kind: Database", "kind: Databse")), ("missing", "apiVersion: db4sci/v1\nkind: Database\nmetadata: {name: x}\nspec: {engine: Postgres}\n".into()), ("access", spec("  access:\n    - {who: 'group:', role: Usr}\n    - bob\n")), ("labels", spec("").replace("  name: genomics", "  name: genomics\n  labels: {\"a b\": c, d: [1]}")),
    ];
    for (n, t) in cases {
        println!("== {n}");
        for l in errors(&t) {
            println!("   {l}");
        }
    }
}
