//! Where what is allowed ends, and what is said of it.

use super::*;

fn refused(text: &str, rules: &Rules) -> Vec<String> {
    let problems = admit_text(text, None, rules).unwrap_err();
    let told = problems
        .iter()
        .map(|p| format!("{}: {}", p.field, p.message));
    told.collect()
}

/// What is said when an image of this row of the catalog is to follow on `postgres:17.5` or `neo4j:5.26`.
fn follows(engine: &str, row: &str) -> Option<String> {
    let mut rules = rules();
    let (path, first) = match engine {
        "Neo4j" => ("/data", "neo4j:5.26"),
        _ => ("/var/lib/postgresql/data", "postgres:17.5"),
    };
    let text = format!(
        "{engine}:\n  pub_ports: [5432]\n  volumes: [[DBVOL, /, {path}]]\n  images:\n    \
         - [First, \"{first}\"]\n    - {{display: Next, {row}}}\n"
    );
    rules.catalog = Catalog::parse(&text, Path::new("catalog.yaml")).unwrap();
    let of = |image: &str| {
        let spec = spec(&format!("  image: {image}\n"));
        spec.replace("engine: Postgres", &format!("engine: {engine}"))
    };
    let before = admit_text(&of("First"), None, &rules).unwrap();
    match admit_text(&of("Next"), Some(&before), &rules) {
        Ok(after) => {
            assert_eq!(after.layout, before.layout);
            None
        }
        Err(found) => Some(found[0].to_string()),
    }
}

#[test]
fn an_image_whose_server_would_not_be_let_into_the_data_is_refused() {
    let same = "image: \"postgres:17.6\", uid: 999, sentinel: PG_VERSION";
    assert_eq!(follows("Postgres", same), None);
    for (row, words) in [
        ("uid: 70", "as another user (uid 70, and not 999)"),
        ("sentinel: base/1", "(`base/1`, and not `PG_VERSION`)"),
    ] {
        let row = format!("image: \"postgres:17.6-alpine\", {row}");
        let said = follows("Postgres", &row).unwrap();
        assert!(said.contains(words), "{said}");
        assert!(said.contains("set the image back to `First`"), "{said}");
        let way = "db4sci restore genomics --from ID --as NEW --image 'Next'";
        assert!(said.contains(way), "{said}");
    }
}

#[test]
fn neo4j_does_not_go_back_to_an_older_minor_version_on_its_data() {
    for (tag, follow) in [
        ("5.26.1", true),
        ("5.26-enterprise", true),
        ("5.27", true),
        ("5.100", true),
        ("5", true),
        ("5.20", false),
        ("5.9.0", false),
    ] {
        let said = follows("Neo4j", &format!("image: \"neo4j:{tag}\""));
        assert_eq!(said.is_none(), follow, "{tag}: {said:?}");
        if let Some(said) = said {
            assert!(said.contains("`Next` is older than `First`"), "{said}");
            assert!(said.contains("set the image back to `First`"), "{said}");
            assert!(!said.contains("--as NEW"), "{said}");
        }
    }
    assert_eq!(follows("Postgres", "image: \"postgres:17.2\""), None);
}

#[test]
fn the_alarm_comes_a_little_after_the_longest_time_between_two_backups() {
    for (backup, minutes) in [
        ("schedule: Daily", 26 * 60),
        ("schedule: Weekly", 8 * 1440),
        ("schedule: \"0 */6 * * *\"", 8 * 60),
        ("schedule: \"0 2 * * 1\"", 8 * 1440),
        // The longest gap is of two days exactly.
        ("schedule: \"0 2 * * 1,3,5,0\"", 50 * 60),
        ("schedule: Daily, rpo: 24h", 24 * 60),
        ("schedule: Daily, rpo: 1500m", 1500),
        ("schedule: Weekly, rpo: 9d", 9 * 1440),
        ("schedule: Weekly, rpo: 999999h", 999_999 * 60),
    ] {
        let db = first(&format!("  backup: {{{backup}}}\n"));
        assert_eq!(db.backup.rpo_minutes, minutes, "{backup}");
    }
    for rpo in ["h", "0h", "0d", "+1d", "24", "24H", "1.5d", "1000000h"] {
        let found = refused(&spec(&format!("  backup: {{rpo: \"{rpo}\"}}\n")), &rules());
        let start = format!("spec.backup.rpo: `{rpo}` is no time");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&start), "{found:?}");
    }
    let short = refused(&spec("  backup: {rpo: 23h}\n"), &rules());
    assert!(
        short[0].contains("write at least 24h, or schedule more often"),
        "{short:?}"
    );
}

#[test]
fn people_and_words_are_taken_as_they_are() {
    let db = first("  description: calls\n");
    assert_eq!(
        (&*db.owner, &*db.contact, &*db.description),
        ("lab", "lab@example.org", "calls")
    );
}

#[test]
fn names_are_as_long_as_what_carries_them_allows() {
    let rules = rules();
    assert!(admit_text(&named("ab", ""), None, &rules).is_ok());
    let found = refused(&named("a", ""), &rules);
    assert!(
        found[0].contains("too short for a container's name"),
        "{found:?}"
    );
    let inside = |length: usize| spec(&format!("  database: {}\n", "a".repeat(length)));
    assert_eq!(
        admit_text(&inside(63), None, &rules)
            .unwrap()
            .database
            .len(),
        63
    );
    let found = refused(&inside(64), &rules);
    assert!(found[0].starts_with("spec.database: `aaa"), "{found:?}");
    let label = |length: usize| {
        let key = "l".repeat(length);
        spec("").replace(
            "  name: genomics",
            &format!("  name: genomics\n  labels: {{{key}: x}}"),
        )
    };
    assert!(admit_text(&label(63), None, &rules).is_ok());
    let found = refused(&label(64), &rules);
    assert!(found[0].contains("cannot be a label's name"), "{found:?}");
}

#[test]
fn a_host_may_be_taken_whole_and_not_more_of_it() {
    let lines = |resources: &str| spec(&format!("  resources: {{{resources}}}\n"));
    let whole = "memory: 65536Mi, cpus: 16, shm: 65536Mi";
    let db = admit_text(&lines(whole), None, &rules()).unwrap();
    assert_eq!(db.resources.cpus, Some(Cpus::from_milli(16_000)));
    assert_eq!(db.resources.shm, db.resources.memory);
    for (resources, field) in [
        ("memory: 65537Mi", "spec.resources.memory"),
        ("cpus: 16.001", "spec.resources.cpus"),
        ("memory: 1Gi, shm: 1025Mi", "spec.resources.shm"),
        ("memory: 1Gi, shm: 1Ki", "spec.resources.shm"),
    ] {
        let found = refused(&lines(resources), &rules());
        assert_eq!(found.len(), 1, "{resources}: {found:?}");
        assert!(found[0].starts_with(field), "{resources}: {found:?}");
    }
    assert!(admit_text(&lines("memory: 1Gi, shm: 1Mi"), None, &rules()).is_ok());
    let least = engine::recipe("Postgres".parse().unwrap())
        .defaults()
        .min_memory;
    let least = least.bytes() >> 20;
    let of = |mebibytes: u64| lines(&format!("memory: {mebibytes}Mi"));
    assert!(admit_text(&of(least), None, &rules()).is_ok());
    let found = refused(&of(least - 1), &rules());
    assert!(found[0].contains("is too little for Postgres"), "{found:?}");
}

#[test]
fn what_protected_information_needs_is_demanded_one_by_one() {
    let mut house = rules();
    house.volumes[0].encrypted = true;
    let phi = |tls: &str| spec(&format!("  phi: true\n  tls: {tls}\n"));
    assert!(admit_text(&phi("Required"), None, &house).is_ok());
    let missing = |text: &str, rules: &Rules| {
        let found = refused(text, rules);
        assert_eq!(found.len(), 1, "{found:?}");
        let what = found[0].strip_prefix(
            "spec.phi: protected health information needs what this database does not have: ",
        );
        let what = what.and_then(|what| what.strip_suffix("; keep it elsewhere for now"));
        what.unwrap_or_else(|| panic!("{found:?}")).to_owned()
    };
    assert_eq!(
        missing(&phi("Preferred"), &house),
        "TLS that is demanded (`tls: Required`)"
    );
    let mut plain = house.clone();
    plain.volumes[0].encrypted = false;
    assert_eq!(
        missing(&phi("Required"), &plain),
        "an encrypted data volume"
    );
    // Another volume's encryption helps nobody.
    let mut other = plain.volumes[0].clone();
    (other.label, other.encrypted) = ("Other".to_owned(), true);
    plain.volumes.push(other);
    let here = format!("{}  volume: Standard\n", phi("Required"));
    assert_eq!(missing(&here, &plain), "an encrypted data volume");
    let mariadb = here.replace("Postgres", "MariaDB");
    assert_eq!(
        missing(&mariadb, &plain),
        "an encrypted data volume, or `encryption: Engine`"
    );
    let encrypts = format!("{mariadb}  encryption: Engine\n");
    assert!(admit_text(&encrypts, None, &plain).is_ok());
    house.stores.clear();
    assert_eq!(missing(&phi("Required"), &house), "encrypted backups");
    // Nothing is demanded for what is none.
    assert!(admit_text(&spec("  phi: false\n"), None, &plain).is_ok());
}

#[test]
fn only_an_engine_that_encrypts_is_asked_to() {
    let found = refused(&spec("  encryption: Engine\n"), &rules());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("spec.encryption: Postgres has no encryption of its own"),
        "{found:?}"
    );
    assert!(admit_text(&spec("  encryption: None\n"), None, &rules()).is_ok());
}

#[test]
fn what_reading_refused_is_told_once() {
    for (text, field) in [
        (spec("").replace("  owner: lab\n", ""), "spec.owner"),
        (spec("  backup: {schedule: 5, rpo: 1h}\n"), ""),
        (
            spec("  resources: {memory: [2Gi]}\n"),
            "spec.resources.memory",
        ),
    ] {
        let found = refused(&text, &rules());
        let mut fields: Vec<&str> = found
            .iter()
            .filter_map(|l| l.split_once(": "))
            .map(|l| l.0)
            .collect();
        let all = fields.len();
        fields.dedup();
        assert_eq!(fields.len(), all, "{found:?}");
        assert!(field.is_empty() || fields == [field], "{found:?}");
    }
}

#[test]
fn whoever_may_use_it_is_a_login_or_a_group() {
    let access = |who: &str| spec(&format!("  access: [{{who: \"{who}\", role: User}}]\n"));
    for who in ["ada", "group:curators"] {
        assert!(admit_text(&access(who), None, &rules()).is_ok(), "{who}");
    }
    for who in ["group:", "ada lovelace", "a\\tb", "group:a b"] {
        let found = refused(&access(who), &rules());
        assert!(
            found[0].starts_with("spec.access[0].who: ") && found[0].contains("is nobody"),
            "{found:?}"
        );
    }
}

#[test]
fn an_engine_without_a_section_in_the_catalog_has_no_images() {
    let mut rules = rules();
    rules.catalog = Catalog::default();
    for lines in ["", "  image: PostgreSQL 17\n", "  image: postgres:latest\n"] {
        assert_eq!(
            refused(&spec(lines), &rules),
            ["spec.image: the catalog has no images of Postgres; add a section to it"]
        );
    }
}

#[test]
fn an_image_stays_by_whatever_word_it_was_named() {
    for word in ["PostgreSQL 15", "postgres:15"] {
        let db = first(&format!("  image: {word}\n"));
        let lines = format!("  image: {word}\n  description: calls\n");
        assert_eq!(change(&db, &lines, &other_day()).image, db.image, "{word}");
    }
    // Another word is another wish, and there is no such image that day.
    let db = first("  image: postgres:15\n");
    let text = spec("  image: PostgreSQL 16\n");
    assert!(admit_text(&text, Some(&db), &other_day()).is_err());
}
