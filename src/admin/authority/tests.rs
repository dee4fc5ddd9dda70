use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, KeyPair};

use super::*;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn names() -> BTreeSet<String> {
    [
        "localhost",
        "127.0.0.1",
        "::1",
        "db.example.org",
        "mydb_admin",
    ]
    .map(str::to_owned)
    .into()
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn keys(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    fn open(&self) -> Result<(Authority, bool), AuthorityError> {
        Authority::open(&self.keys(), "i1", now())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What this authority issues for a host, as files that settings name.
    fn given(&self, authority: &Authority, names: &[&str]) -> GivenFiles {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        let issued = authority.issue("databases", &names, now()).unwrap();
        GivenFiles {
            certificate: self.put("given.crt", &issued.chain),
            key: self.put("given.key", issued.key.expose()),
            authority: self.put("given-ca.crt", &authority.certificate().unwrap()),
            host: "db.example.org".to_owned(),
        }
    }
}

#[test]
fn the_authority_is_made_once_for_the_daemon_alone() {
    let place = Place::new();
    let (first, made) = place.open().unwrap();
    assert!(made);
    let path = place.keys().join(KEY_FILE);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&place.keys())), (0o600, 0o700));
    let (second, made) = place.open().unwrap();
    assert!(!made);
    assert_eq!(first.certificate(), second.certificate());
    let shown = first.certificate().unwrap();
    assert!(shown.contains("BEGIN CERTIFICATE") && !shown.contains("KEY"));
    // Others could read it: put right.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    place.open().unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn what_is_no_authority_is_told_and_kept() {
    let place = Place::new();
    place.open().unwrap();
    let path = place.keys().join(KEY_FILE);
    let whole = fs::read_to_string(&path).unwrap();
    let other = Place::new();
    other.open().unwrap();
    let foreign = fs::read_to_string(other.keys().join(KEY_FILE)).unwrap();
    let key = |text: &str| text[text.find("-----BEGIN PRIVATE").unwrap()..].to_owned();
    let swapped = whole.replace(&key(&whole), &key(&foreign));
    for (text, word) in [
        (String::new(), "one certificate"),
        (whole.replace(&key(&whole), ""), "private key"),
        (swapped, "not that of its certificate"),
    ] {
        fs::write(&path, &text).unwrap();
        let error = place.open().err().unwrap().to_string();
        assert!(error.contains(word) && error.contains("ca.key"), "{error}");
        assert!(!error.contains("BEGIN"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_certificate_says_who_it_is_for_and_until_when() {
    let place = Place::new();
    let (authority, _) = place.open().unwrap();
    let issued = authority.issue("genomics", &names(), now()).unwrap();
    let seen = authority.look(&issued.chain).unwrap();
    assert_eq!(seen.names, names());
    assert_eq!(seen.origin, Origin::Issued);
    assert_eq!(seen.until, now() + LIFE);
    assert!(seen.from < now());
    assert_eq!(seen.outdated(&names(), now()), None);
    let again = authority.issue("genomics", &names(), now()).unwrap();
    assert_ne!(authority.look(&again.chain).unwrap().mark, seen.mark);
    // The same with its key behind it, and with nothing in it.
    let both = format!("{}{}", issued.chain, issued.key.expose());
    assert_eq!(authority.look(&both), Some(seen));
    assert_eq!(authority.look("nothing"), None);
    // Another authority's, of the same name.
    let (other, _) = Place::new().open().unwrap();
    assert_eq!(other.look(&issued.chain).unwrap().origin, Origin::Elsewhere);
    assert!(!format!("{issued:?}").contains("PRIVATE"));
}

#[test]
fn a_certificate_is_known_again_among_others_and_nothing_passes_for_it() {
    let place = Place::new();
    let (authority, _) = place.open().unwrap();
    let issue = |_| authority.issue("genomics", &names(), now()).unwrap();
    let all: Vec<Issued> = (0..5).map(issue).collect();
    let mark = |text: &str| authority.look(text).map(|seen| (seen.mark, seen.origin));
    let first: Vec<_> = all.iter().map(|one| mark(&one.chain).unwrap()).collect();
    for (one, first) in all.iter().zip(&first) {
        assert_eq!(first.1, Origin::Issued);
        let key = one.key.expose();
        for text in [
            one.chain.clone(),
            format!("{}{key}", one.chain),
            // Not at the beginning of its text, and with other ends of lines.
            format!("{key}{}", one.chain),
            one.chain.replace('\n', "\r\n"),
            format!("{}{}", one.chain, all[0].chain),
        ] {
            assert_eq!(mark(&text).as_ref(), Some(first));
        }
        let cut = &one.chain[..one.chain.len() - 2];
        assert_eq!(mark(&cut[..cut.len() / 2]), None);
        let other = one.chain.replacen('M', "N", 1);
        assert_ne!(mark(&other).as_ref(), Some(first));
    }
}

#[test]
fn nothing_holds_longer_than_the_authority() {
    let place = Place::new();
    let (authority, _) = place.open().unwrap();
    let end = authority.until().unwrap();
    let late = end - TimeDelta::days(10);
    let issued = authority.issue("genomics", &names(), late).unwrap();
    assert_eq!(authority.look(&issued.chain).unwrap().until, end);
    let error = authority.issue("genomics", &names(), end).unwrap_err();
    assert!(error.to_string().contains("ca.key"), "{error}");
}

#[test]
fn given_certificates_are_taken_when_they_fit() {
    let place = Place::new();
    let (authority, _) = place.open().unwrap();
    let files = place.given(&authority, &["db.example.org"]);
    let given = Authority::given(files.clone(), now()).unwrap();
    let issued = given.issue("genomics", &names(), now()).unwrap();
    assert_eq!(
        issued.chain,
        fs::read_to_string(&files.certificate).unwrap()
    );
    assert_eq!(given.look(&issued.chain).unwrap().origin, Origin::Given);
    assert_eq!(given.certificate(), authority.certificate());
    // A renewal beside us: what lies among a server's files is not the given one any more.
    place.given(&authority, &["db.example.org"]);
    let seen = given.look(&issued.chain).unwrap();
    assert_eq!(seen.origin, Origin::Elsewhere);
    // A file that is away is no reason to replace what works.
    fs::remove_file(&files.certificate).unwrap();
    assert_eq!(given.look(&issued.chain).unwrap().origin, Origin::Given);
}

/// What is made of a good set of files, and what is said of it.
type Wrong = (&'static str, fn(&Place, &mut GivenFiles));

#[test]
fn given_certificates_that_do_not_fit_are_told_which_and_why() {
    let cases: [Wrong; 8] = [
        ("No such file", |_, files| files.key = "/nowhere/key".into()),
        ("no certificate", |place, files| {
            files.certificate = place.put("x", "not PEM");
        }),
        ("no certificate", |place, files| {
            files.authority = place.put("x", "not PEM");
        }),
        ("private key, too", |place, files| {
            let key = fs::read_to_string(&files.key).unwrap();
            let chain = fs::read_to_string(&files.certificate).unwrap();
            files.certificate = place.put("x", &format!("{chain}{key}"));
        }),
        ("PKCS#8", |place, files| {
            files.key = place.put("x", "-----BEGIN RSA PRIVATE KEY-----\n");
        }),
        ("not the key of", |place, files| {
            let key = KeyPair::generate().unwrap().serialize_pem();
            files.key = place.put("x", &key);
        }),
        ("container_host `other.example.org`", |_, files| {
            files.host = "other.example.org".to_owned();
        }),
        ("lead to the authority", |place, files| {
            let (other, _) = Place::new().open().unwrap();
            files.authority = place.put("x", &other.certificate().unwrap());
        }),
    ];
    for (word, spoil) in cases {
        let place = Place::new();
        let (authority, _) = place.open().unwrap();
        let mut files = place.given(&authority, &["db.example.org"]);
        spoil(&place, &mut files);
        let error = Authority::given(files, now()).err().unwrap().to_string();
        assert!(error.contains(word), "{word}: {error}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
    let place = Place::new();
    let (authority, _) = place.open().unwrap();
    let files = place.given(&authority, &["db.example.org"]);
    for (day, word) in [(-9000, "not valid yet"), (366, "time is over")] {
        let error = Authority::given(files.clone(), now() + TimeDelta::days(day));
        let error = error.err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_certificate_that_signs_itself_is_not_ours() {
    let (authority, _) = Place::new().open().unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let own = own.self_signed(&key).unwrap().pem();
    assert_eq!(authority.look(&own).unwrap().origin, Origin::Elsewhere);
}
