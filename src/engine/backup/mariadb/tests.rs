//! What MariaDB's own tools are told, and what is made of their words.

use super::*;
use crate::model::{EngineKind, ImageId, ImageSeen};
use crate::runtime::fixture;

fn server() -> Database {
    let mut db = fixture::database("chem", std::path::Path::new("/srv"));
    db.engine = EngineKind::MariaDB;
    db
}

fn parts(inventory: &Inventory) -> Vec<Part> {
    MariaDb.parts(&server(), inventory, 1)
}

fn args(parts: &[Part], name: &str) -> Vec<String> {
    let part = parts.iter().find(|p| p.name == name).unwrap();
    part.dump.args.clone()
}

fn told(parts: &[Part], name: &str) -> String {
    let part = parts.iter().find(|p| p.name == name).unwrap();
    let text = part.dump.scripts[0].1.clone();
    let mut watch = MariaDb.watch(name);
    watch.take(text.as_bytes());
    assert!(watch.end("").is_ok(), "{text}");
    text
}

#[test]
fn accounts_are_a_part_of_their_own_behind_what_they_name() {
    let names = |inventory: &Inventory| -> Vec<String> {
        parts(inventory).into_iter().map(|p| p.name).collect()
    };
    assert_eq!(names(&Inventory::default()), [ALL, ACCOUNTS]);
    let inventory = Inventory {
        databases: vec!["lab".to_owned()],
        plugins: vec![("ed`x".to_owned(), "auth_ed25519.so".to_owned())],
        ..Inventory::default()
    };
    assert_eq!(names(&inventory), [PLUGINS, ALL, ACCOUNTS]);
    let parts = parts(&inventory);
    // The tool's own statement has these words elsewhere, where no server takes them.
    let install = "INSTALL PLUGIN IF NOT EXISTS `ed``x` SONAME 'auth_ed25519.so';\n-- end\n";
    assert_eq!(told(&parts, PLUGINS), install);
    let (all, accounts) = (args(&parts, ALL), args(&parts, ACCOUNTS));
    assert!(all.ends_with(&["--databases", "--", "lab"].map(str::to_owned)));
    assert!(
        !all.iter()
            .any(|a| a.starts_with("--system") || a == "--insert-ignore")
    );
    assert!(accounts.contains(&"--system=users".to_owned()));
    assert!(!accounts.contains(&"--databases".to_owned()));
}

#[test]
fn a_history_is_dumped_where_the_server_can() {
    let with = |history| Inventory {
        history,
        ..Inventory::default()
    };
    let option = "--dump-history".to_owned();
    for history in [true, false] {
        let inventory = with(history);
        assert_eq!(args(&parts(&inventory), ALL).contains(&option), history);
        let db = server();
        let way = Way {
            from: (&db, &inventory),
            to: &db,
        };
        let one = MariaDb.one(&way, "lab", None).unwrap();
        assert_eq!(one.dump.args.contains(&option), history);
    }
}

#[test]
fn a_view_that_does_not_work_is_passed_over_and_its_text_kept() {
    let view = LeftOut::View {
        database: "l.ab".to_owned(),
        view: "v w".to_owned(),
        text: "CREATE VIEW …".to_owned(),
    };
    let parts = parts(&Inventory {
        left_out: vec![view],
        ..Inventory::default()
    });
    assert!(args(&parts, ALL).contains(&"--ignore-table=l.ab.v w".to_owned()));
    assert_eq!(told(&parts, VIEWS), "CREATE VIEW …;\n-- end\n");
    // Nobody runs it.
    assert_eq!(MariaDb.load(&server(), VIEWS, None).program, "cp");
}

#[test]
fn of_the_accounts_only_grants_on_what_is_gone_may_fail() {
    let said = |error: &str| {
        format!(
            "--------------\nGRANT SELECT ON `lab`.`gone` TO `reader`@`%` IDENTIFIED BY 'secret'\n\
             --------------\n\nERROR {error}"
        )
    };
    let gone =
        said("1146 (42S02) at line 45 in file: '/db4sci/job/in': Table 'lab.gone' doesn't exist");
    assert_eq!(MariaDb.loaded(ACCOUNTS, ""), Ok(()));
    assert_eq!(MariaDb.loaded(ACCOUNTS, &gone), Ok(()));
    for error in [
        "1524 (HY000) at line 12: Plugin 'ed25519' is not loaded",
        "2013 (HY000) at line 12: Lost connection to server during query",
        "at line 12: Unknown command '\\-'",
    ] {
        let words = format!("{gone}\n{}", said(error));
        assert_eq!(
            MariaDb.loaded(ACCOUNTS, &words),
            Err(format!("ERROR {error}"))
        );
    }
    // It goes on after an error, and all others stop there.
    let stops = |part| {
        MariaDb
            .load(&server(), part, None)
            .args
            .contains(&STOP.to_owned())
    };
    assert_eq!([PLUGINS, ALL, ACCOUNTS].map(stops), [true, true, false]);
}

#[test]
fn passwords_are_set_after_accounts_were_loaded_in_backups_of_any_age() {
    let password = Secret::new("hunter2");
    let passwords = Passwords {
        admin: &password,
        user: None,
        daemon: None,
    };
    let sets = |part| MariaDb.epilogue(&server(), part, passwords).is_some();
    // Older ones have one part.
    assert_eq!(
        [PLUGINS, ALL, ACCOUNTS, VIEWS].map(sets),
        [false, true, true, false]
    );
}

#[test]
fn rows_with_their_history_are_counted_with_it() {
    let counts = ["rows `lab`.`h`", "history `lab`.`h`", "rows `lab`.`t`"];
    let contents = Contents {
        counts: counts.map(|key| (key.to_owned(), 1)).into(),
        ..Contents::default()
    };
    let text = mariadb_counts::counts(&contents, &[]);
    assert!(
        text.contains("count(*)) from `lab`.`h` for system_time all;"),
        "{text}"
    );
    assert!(text.contains("count(*)) from `lab`.`t`;"), "{text}");
    assert!(
        text.contains("table_schema = 'lab' and table_name = 'h'"),
        "{text}"
    );
}

#[test]
fn a_history_that_ends_in_2038_is_not_loaded_where_time_ends_later() {
    let with = |key: &str| Contents {
        counts: [(key.to_owned(), 1)].into(),
        ..Contents::default()
    };
    let (history, rows) = (with("history `lab`.`h`"), with("rows `lab`.`h`"));
    for (from, to, changed) in [
        ("10.11.18-MariaDB-0+deb12u1", "11.8", true),
        ("10.11.18-MariaDB", "10.11", false),
        ("10.11.18-MariaDB", "11.4", false),
        ("11.8.9-MariaDB", "11.8", false),
        ("11.8.9-MariaDB", "12.0", false),
        // It is not known yet.
        ("", "11.8", false),
    ] {
        let said = MariaDb.changed_by(&history, from, to);
        assert_eq!(said.is_some(), changed, "{from} {to}");
        assert_eq!(MariaDb.changed_by(&rows, from, to), None);
    }
}

#[test]
fn rows_as_large_as_a_server_takes_are_loaded_wherever_that_is() {
    let image = ImageSeen {
        id: ImageId("sha256:ab".to_owned()),
        entrypoint: Vec::new(),
        volumes: Vec::new(),
    };
    let site = fixture::site(std::path::Path::new("/var/lib/db4sci"));
    let recipe = crate::engine::recipe(EngineKind::MariaDB);
    let mut spec = recipe.container(&server(), &site, &image);
    MariaDb.calm(&mut spec);
    assert!(spec.command.contains(&PACKET.to_owned()));
    for part in [PLUGINS, ALL, ACCOUNTS] {
        let load = MariaDb.load(&server(), part, None);
        assert!(load.args.contains(&PACKET.to_owned()), "{part}");
    }
    let files = [ALL, ACCOUNTS].map(|part| (format!("{part}.zst.age"), part.to_owned(), None));
    let script = MariaDb.restore_script(&server(), &files);
    assert!(
        script.contains("SET GLOBAL max_allowed_packet = 1073741824"),
        "{script}"
    );
    let db = server();
    let inventory = Inventory::default();
    let way = Way {
        from: (&db, &inventory),
        to: &db,
    };
    let limit = MariaDb.one(&way, "lab", None).unwrap().limit.unwrap();
    assert!(
        limit.lift.scripts[0]
            .1
            .starts_with("select json_array(@@global.max_allowed_packet);")
    );
    assert!(
        limit.set.scripts[0]
            .1
            .contains("set global max_allowed_packet = {was};")
    );
}
