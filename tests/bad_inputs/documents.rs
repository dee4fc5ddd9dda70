//! A spec file as a whole.

use super::{admit, errors, refusal, spec};

#[test]
fn a_good_spec_is_admitted() {
    assert!(admit(&spec(""), None).is_ok());
}

#[test]
fn names() {
    let pattern = "allowed: ^[a-z][a-z0-9_-]{0,39}$";
    for (name, expected) in [
        ("a;id", format!("`a;id` is not allowed; {pattern}")),
        ("../x", format!("`../x` is not allowed; {pattern}")),
        (
            "a",
            "`a` is too short for a container's name; at least 2 characters".to_owned(),
        ),
        ("Upper", format!("`Upper` is not allowed; {pattern}")),
        ("''", format!("a name is needed; {pattern}")),
        (
            &"a".repeat(64),
            "64 characters; at most 40 are allowed".to_owned(),
        ),
        (
            "mydb_admin",
            "`mydb_admin` is reserved for db4sci's own database; choose another name".to_owned(),
        ),
    ] {
        let text = spec("").replace("name: genomics", &format!("name: {name}"));
        assert_eq!(errors(&text), [format!("4:9: metadata.name: {expected}")]);
    }
}

#[test]
fn all_problems_of_a_file_at_once() {
    let text = spec(
        "  imagee: x\n  port: 70000\n  phi: yes\n  resources: {memory: [1], cpus: 64}\n  \
         timeZone: Mars\n",
    );
    let text = text.replace("engine: Postgres", "engine: postgress");
    assert_eq!(
        errors(&text.replace("name: genomics", "name: Genomics")),
        [
            "4:9: metadata.name: `Genomics` is not allowed; allowed: ^[a-z][a-z0-9_-]{0,39}$",
            "6:11: spec.engine: `postgress` is not allowed; did you mean `Postgres`? \
             Allowed: Postgres, MariaDB, MongoDB, Neo4j",
            "9:3: spec.imagee: unknown field; did you mean `image`?",
            "10:9: spec.port: `70000` is not allowed; allowed: 1 to 65535",
            "11:8: spec.phi: `yes` is not true or false",
            "12:23: spec.resources.memory: expected text, found a list",
            "12:34: spec.resources.cpus: `64` is more than this host has; it has 4",
            "13:13: spec.timeZone: `Mars` is not a time zone; write an IANA name such as \
             `America/Los_Angeles`",
        ]
    );
}

#[test]
fn documents_that_are_no_spec() {
    let missing =
        "apiVersion: db4sci/v1\nkind: Database\nmetadata: {name: xy}\nspec: {engine: Postgres}\n";
    for (text, expected) in [
        ("", &["1:1: the document is empty"][..]),
        ("- a\n", &["1:1: expected a mapping, found a list"]),
        ("hello\n", &["1:1: expected a mapping, found text"]),
        (
            "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  na",
            &[
                "1:1: spec: missing; it is required",
                "4:3: metadata: expected a mapping, found text",
            ],
        ),
        (
            missing,
            &[
                "4:1: spec.contact: missing; it is required",
                "4:1: spec.owner: missing; it is required",
            ],
        ),
        (
            &format!("{}---\n{}", spec(""), spec("")),
            &["10:1: a second document begins here; write one a file"],
        ),
        (
            &spec("").replace("db4sci/v1", "v1"),
            &["1:13: apiVersion: `v1` is not allowed; allowed: db4sci/v1"],
        ),
        (
            &spec("").replace("kind: Database", "kind: Databse"),
            &["2:7: kind: `Databse` is not allowed; did you mean `Database`? Allowed: Database"],
        ),
        (
            &spec("").replace("lab@example.org", "nobody"),
            &[
                "8:12: spec.contact: `nobody` is no mail address; write one such as `name@example.org`",
            ],
        ),
        (
            &spec("").replace("owner: genomics-lab", "owner: ''"),
            &["7:10: spec.owner: empty; a value is needed"],
        ),
    ] {
        assert_eq!(errors(text), expected, "{text}");
    }
}

#[test]
fn documents_that_are_too_large() {
    let long = spec(&format!("  description: {}\n", "x".repeat(1 << 20)));
    assert_eq!(
        errors(&long),
        [format!(
            " document too large: {} bytes; at most 1 MiB is read",
            long.len()
        )]
    );
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..10 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    assert_eq!(
        errors(&bomb),
        ["4:20: document too large: its aliases stand for more than 5,000 parts"]
    );
}

#[test]
fn changes_that_data_does_not_survive() {
    let earlier = admit(&spec("  image: PostgreSQL 15\n  volume: Standard\n"), None).unwrap();
    let dump = "make a new database, and move the data with a dump";
    for (text, expected) in [
        (
            spec("  image: PostgreSQL 13\n"),
            format!(
                "9:10: spec.image: Postgres 13 cannot read the data that 15 wrote; set the image \
                 back to `PostgreSQL 15`, {dump}"
            ),
        ),
        (
            spec("  image: PostgreSQL 17\n"),
            "9:10: spec.image: Postgres 17 cannot open the data of 15 without a conversion; \
             set the image back to `PostgreSQL 15`; a copy of a backup may have this one: \
             db4sci restore genomics --from ID --as NEW --image 'PostgreSQL 17'"
                .to_owned(),
        ),
        (
            spec("").replace("engine: Postgres", "engine: MariaDB"),
            "6:11: spec.engine: `genomics` is Postgres and holds data that MariaDB cannot read; \
             set the engine back, or make a new database and move the data there"
                .to_owned(),
        ),
        (
            spec("  volume: Fast\n"),
            "9:11: spec.volume: the data of `genomics` lies on `Standard`, and this version of \
             db4sci does not move it to `Fast`; set the volume back, or make a new database there \
             and move the data with a dump"
                .to_owned(),
        ),
        (
            spec("  database: other\n"),
            "9:13: spec.database: the database inside the server is `genomics` and is not renamed \
             by db4sci; set it back"
                .to_owned(),
        ),
        (
            spec("  account: {user: bob, role: ReadOnly, passwordFile: /etc/x}\n"),
            "9:19: spec.account.user: the account is `genomics` and is not renamed to `bob`; set \
             it back, and make another one with SQL"
                .to_owned(),
        ),
    ] {
        let found = refusal(admit(&text, Some(&earlier)));
        assert_eq!(found.first(), Some(&expected));
    }
}
