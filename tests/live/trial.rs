//! A value that a server accepts in its files and does not start with.

use db4sci::model::Reason;

use crate::host::{Host, LONG, MariaDB, Postgres, Server, eventually};

/// Name, engine, setting, refused value, the value that is in force then, a good other one, how to ask for it.
const BOTH: [(&str, Server, &str, &str, &str, &str, &str); 2] = [
    (
        "genomics",
        Postgres,
        "wal_level",
        "minimal",
        "replica",
        "logical",
        "show wal_level",
    ),
    (
        "proteomics",
        MariaDB,
        "innodb_page_size",
        "8192",
        "16384",
        "16384",
        "select @@innodb_page_size",
    ),
];

/// Each of them is up with this value.
#[track_caller]
fn all_have(host: &Host, value: impl Fn(usize) -> &'static str) {
    for (n, (name, .., question)) in BOTH.iter().enumerate() {
        eventually(LONG, &format!("{name}: {question}: {}", value(n)), || {
            let said = host.try_sql(name, question)?;
            (said == value(n)).then_some(()).ok_or(said)
        });
    }
}

#[test]
fn a_value_that_a_server_does_not_start_with_is_taken_back_and_stays_back() {
    let mut host = Host::new();
    let any = "maintenanceWindow: Any";
    let names = BOTH.map(|(name, ..)| name);
    for (name, server, ..) in BOTH {
        host.spec(name, server, &[any]);
    }
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    names.iter().for_each(|name| host.write(name, 1));

    let told = |host: &Host| {
        for (name, _, setting, refused, ..) in BOTH {
            host.ready(&[name]);
            let said = host.told(name, Reason::NeedsSpecChange, LONG);
            let begins = format!("its server did not start with {setting} {refused}");
            assert!(said.starts_with(&begins), "{said}");
            let words = said.split("it said: ").nth(1).unwrap();
            assert!(
                words.contains(setting) || words.contains("page size"),
                "{said}"
            );
            assert!(said.contains(&format!("db4sci retry {name}")), "{said}");
        }
    };
    for (name, server, setting, refused, ..) in BOTH {
        let parameter = format!("parameters: {{{setting}: \"{refused}\"}}");
        host.spec(name, server, &[any, &parameter]);
    }
    told(&host);
    all_have(&host, |n| BOTH[n].4);

    // Whoever starts it, and whatever writes its files: a crash, a person's wish, a new container, and a
    // daemon that remembers nothing.
    for name in names {
        host.docker(&["kill", &host.name(name)]);
    }
    told(&host);
    for name in names {
        host.ok(&["restart", name, "--reason", "INC-812"]);
    }
    told(&host);
    host.stop();
    for name in names {
        host.docker(&["rm", "-f", &host.name(name)]);
    }
    host.start();
    told(&host);
    all_have(&host, |n| BOTH[n].4);
    for name in names {
        assert_eq!(host.rows(name), [1]);
        let events = host.told_events(name);
        let once = events.matches("; that is taken back").count();
        assert_eq!(once, 1, "{events}");
    }

    // A person wants it to be tried once more; it is, and comes back as before.
    host.ok(&["retry", "genomics", "--reason", "INC-813"]);
    eventually(LONG, "tried again", || {
        let events = host.told_events("genomics");
        let tries = events.matches("; that is taken back").count();
        (tries == 2).then_some(()).ok_or(events)
    });
    told(&host);

    for (name, server, setting, .., good, _) in BOTH {
        let parameter = format!("parameters: {{{setting}: \"{good}\"}}");
        host.spec(name, server, &[any, &parameter]);
    }
    all_have(&host, |n| BOTH[n].5);
    for name in names {
        host.shows(name, LONG, "all in force", |view| {
            view.ready && view.held.is_empty() && view.lane.is_none()
        });
        assert_eq!(host.rows(name), [1]);
    }
}
