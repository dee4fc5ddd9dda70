//! A newer program, an edited catalog and edited defaults change nothing that runs.

use chrono::TimeDelta;

use db4sci::model::database::Window;
use db4sci::model::{Change, Database, Memory};
use db4sci::specs::Rules;

use crate::hands::another;
use crate::host::{Host, block_on};
use crate::laws::{settles, wishes};
use crate::rng::Rng;
use crate::seeds::hold;
use crate::specs::{CATALOG, rules_of};

/// The catalog as a colleague might edit it: other defaults, ports, volumes and commands, and rows
/// that are gone.
const EDITED: [&str; 3] = [
    r#"
Postgres:
  dbengine: Postgres
  pub_ports: [6432, 6433]
  volumes:
    - [DBVOL, /data, /data]
    - [DBVOL, /wal, /wal]
  command: postgres -c jit=off
  images:
    - [PostgreSQL 18, "postgres:18"]
    - [PostgreSQL 17, "postgres:17.9"]
MariaDB:
  dbengine: MariaDB
  pub_ports: [3307]
  volumes:
    - [DBVOL, /, /data]
  command: mariadbd --skip-name-resolve
  images:
    - [MariaDB 12.0, "mariadb:12.0"]
"#,
    r#"
Postgres:
  dbengine: Postgres
  pub_ports: [5432]
  volumes:
    - [DBVOL, /, /var/lib/postgresql/data]
  command: postgres
  images:
    - [PostgreSQL 17.6, "postgres:17.6"]
    - [PostgreSQL 17, "postgres:17.9"]
"#,
    CATALOG,
];

/// The rules of another day.
fn edited(rng: &mut Rng) -> Rules {
    let mut rules = rules_of(rng.pick::<&str>(&EDITED));
    if rng.percent(50) {
        rules.volumes.reverse();
    }
    if rng.percent(50) {
        rules.volumes[0].users = Some(vec!["somebody".to_owned()]);
        rules.volumes[1].path = "/moved".into();
    }
    rules.base_port = 40_000;
    rules.reserved.insert(32_010, "the print server".to_owned());
    rules.time_zone = "Asia/Tokyo".parse().unwrap();
    rules.stores = ["offsite".to_owned()].into();
    rules.mirrors.insert(
        "postgres:17".to_owned(),
        "mirror/postgres:17".parse().unwrap(),
    );
    rules
}

/// As an older program might have resolved the same spec: with other defaults.
fn older(database: &mut Database, rng: &mut Rng) {
    if database.given.pointer("/resources/memory").is_none() {
        database.resources.memory = Memory::mebibytes(1536);
    }
    if database.given.pointer("/resources/shm").is_none() {
        database.resources.shm = Memory::mebibytes(100);
    }
    for (name, value) in [("jit", "off"), ("wal_level", "logical")] {
        database.settings.insert(name.to_owned(), value.to_owned());
    }
    database.settings.remove("wal_compression");
    if rng.percent(50) {
        database.layout.command.push("--old".to_owned());
    }
    database.facts.insert("OLD".to_owned(), "fact".to_owned());
    if database.given.pointer("/maintenanceWindow").is_none() {
        database.maintenance_window = Window::OfficeHours;
    }
}

#[test]
fn a_newer_program_and_edited_rules_change_nothing_that_runs() {
    hold(&[], |run| {
        block_on(async {
            let mut host = Host::new(run).await?;
            for wish in wishes() {
                host.add(wish).await?;
            }
            for n in 0..host.dbs.len() {
                for _ in 0..host.rng.below(4) {
                    let mut wish = another(&host.dbs[n].wish, &mut host.rng);
                    wish.state = "Running";
                    wish.window = "Any";
                    host.wish(n, wish).await?;
                }
                // The ledger holds what an older program made of it.
                let mut database = host.database(n).ok_or("not admitted")?;
                older(&mut database, &mut host.rng);
                database.generation += 1;
                let change = Change::Admitted {
                    database: Box::new(database),
                };
                host.append(n, change).await?;
            }
            settles(&mut host).await?;

            let rules = edited(&mut host.rng);
            for n in 0..host.dbs.len() {
                let earlier = host.database(n).ok_or("not admitted")?;
                let mut wish = host.dbs[n].wish.clone();
                let again = wish.admit(Some(&earlier), &rules, earlier.uid);
                let again = again.map_err(|p| format!("refused: {}", p[0]))?;
                if again != earlier {
                    return Err(format!("{earlier:?}\nbecame\n{again:?}"));
                }
                // An edit of something else brings none of the new defaults along.
                wish.description = Some("three");
                let described = wish.admit(Some(&earlier), &rules, earlier.uid);
                let described = described.map_err(|p| format!("refused: {}", p[0]))?;
                let change = Change::Admitted {
                    database: Box::new(described),
                };
                host.append(n, change).await?;
            }
            host.journal.clear();
            host.pass(TimeDelta::minutes(2)).await?;
            host.all_as_wanted()?;
            match host.journal.first() {
                None => Ok(()),
                Some(line) => Err(format!("nothing was wanted, and: {}", line.text)),
            }
        })
    });
}
