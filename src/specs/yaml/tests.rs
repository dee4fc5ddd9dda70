use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::super::testing::named;
use super::*;

fn read(dir: &Path) -> (Vec<FileSeen>, Vec<(PathBuf, String)>) {
    match read_folder(dir) {
        FolderSeen::Read { files, unread } => (files, unread),
        FolderSeen::Unknown(why) => panic!("{why}"),
    }
}

fn paths(files: &[FileSeen]) -> Vec<&str> {
    files.iter().map(|f| f.path.to_str().unwrap()).collect()
}

/// The one problem of a file, without the folder's name.
fn problem(file: &FileSeen, dir: &Path) -> String {
    let problems = file.spec.as_ref().unwrap_err();
    assert_eq!(problems.len(), 1);
    let root = format!("{}/", dir.canonicalize().unwrap().display());
    let dir = format!("{}/", dir.display());
    problems[0]
        .to_string()
        .replace(&dir, "")
        .replace(&root, "ROOT/")
}

#[test]
fn yaml_files_are_read_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, named("a", "")).unwrap();
    };
    for name in [
        "b.yaml",
        "a.yml",
        "lab/c.yaml",
        "lab/deep/d.YAML",
        "README.md",
        ".hidden.yaml",
        "e.yaml~",
        "#f.yaml#",
        ".#g.yaml",
        ".h.yaml.swp",
        "i.yaml.bak",
        ".git/j.yaml",
        "noextension",
    ] {
        put(name);
    }
    let (files, unread) = read(dir.path());
    assert_eq!(
        paths(&files),
        ["a.yml", "b.yaml", "lab/c.yaml", "lab/deep/d.YAML"]
    );
    assert!(files.iter().all(|f| f.spec.is_ok()));
    assert!(unread.is_empty());
}

#[test]
fn the_hash_follows_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, "abc").unwrap();
    let before = read(dir.path()).0[0].hash.clone();
    assert_eq!(
        before,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    fs::write(&path, "abd").unwrap();
    assert_ne!(read(dir.path()).0[0].hash, before);
}

#[test]
fn a_link_is_followed_within_the_folder_only() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), named("out", "")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // As a mounted ConfigMap looks.
    fs::create_dir(dir.path().join("..2026")).unwrap();
    fs::write(dir.path().join("..2026/a.yaml"), named("a", "")).unwrap();
    symlink("..2026", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    symlink(outside.path(), dir.path().join("b.yaml")).unwrap();
    symlink("nowhere", dir.path().join("c.yaml")).unwrap();
    symlink(".", dir.path().join("d")).unwrap();
    let (files, _) = read(dir.path());
    assert_eq!(paths(&files), ["a.yaml", "b.yaml", "c.yaml", "d"]);
    assert!(files[0].spec.is_ok());
    assert_eq!(
        problem(&files[1], dir.path()),
        format!(
            "b.yaml: a link that leaves its folder, to {}; put the file itself here",
            outside.path().canonicalize().unwrap().display()
        )
    );
    assert!(problem(&files[2], dir.path()).starts_with("c.yaml: a link that leads nowhere"));
    assert_eq!(
        problem(&files[3], dir.path()),
        "d: a link to a folder is not followed; put the folder itself here"
    );
}

#[test]
fn a_pipe_is_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    symlink("a.yaml", dir.path().join("b.yaml")).unwrap();
    let (files, _) = read(dir.path());
    for (file, name) in files.iter().zip(["a.yaml", "b.yaml"]) {
        let expected = format!("{name}: a pipe, not a file; it was not opened");
        assert_eq!(problem(file, dir.path()), expected);
    }
}

#[test]
fn what_cannot_be_read_is_unknown_and_not_absent() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    assert_eq!(
        read_folder(&gone),
        FolderSeen::Unknown("there is no such folder".into())
    );
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(read_folder(&file), FolderSeen::Unknown(_)));
}

#[test]
fn a_folder_too_deep_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("1/2/3/4/5/6/7/8/9");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("a.yaml"), named("a", "")).unwrap();
    let (files, unread) = read(dir.path());
    assert!(files.is_empty());
    assert_eq!(unread.len(), 1);
}

#[test]
fn one_file_is_read_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("any.txt");
    fs::write(&path, named("a", "")).unwrap();
    assert!(read_file(&path).spec.is_ok());
    assert!(read_file(&dir.path().join("none")).spec.is_err());
}

#[test]
fn configuration_files_are_regular_files_of_their_engines_folder() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = dir.path().join("Postgres");
    fs::create_dir(&postgres).unwrap();
    fs::write(postgres.join("a.conf"), "work_mem = 1GB\n").unwrap();
    fs::write(postgres.join("bad.conf"), b"\xff").unwrap();
    fs::write(postgres.join(".hidden"), "").unwrap();
    fs::create_dir(postgres.join("folder")).unwrap();
    symlink("/etc/passwd", postgres.join("away.conf")).unwrap();
    symlink("a.conf", postgres.join("link.conf")).unwrap();
    let files = read_config_files(dir.path());
    let postgres = "Postgres".parse().unwrap();
    let names: Vec<&str> = files.files[&postgres].keys().map(String::as_str).collect();
    assert_eq!(names, ["a.conf", "away.conf", "bad.conf", "link.conf"]);
    assert_eq!(files.find(postgres, "link.conf"), Ok("work_mem = 1GB\n"));
    for (name, word) in [
        ("away.conf", "a link that leaves its folder, to /etc/passwd"),
        ("bad.conf", "not UTF-8"),
        ("folder", "there is no file `folder`"),
        ("../Postgres/a.conf", "is outside"),
    ] {
        let error = files.find(postgres, name).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    let mariadb = "MariaDB".parse().unwrap();
    let error = files.find(mariadb, "a.cnf").unwrap_err();
    assert!(error.ends_with("it has none"), "{error}");
}

#[test]
fn a_catalog_that_is_not_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read_catalog(dir.path()), Ok(None));
    fs::write(dir.path().join("catalog.yaml"), "Postgres: 1\n").unwrap();
    let problems = read_catalog(dir.path()).unwrap_err();
    assert!(
        problems[0]
            .to_string()
            .ends_with("expected a mapping, found a number")
    );
}

#[test]
fn what_is_no_folder_on_the_way_is_told_and_nothing_looks_absent() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let FolderSeen::Unknown(why) = read_folder(&file.join("below")) else {
        panic!("a folder below a file");
    };
    assert!(why.starts_with("cannot be read: "), "{why}");
    let problems = read_catalog(&file).unwrap_err();
    let told = problems[0].to_string();
    assert!(told.contains("catalog.yaml: cannot be read: "), "{told}");
    let files = read_config_files(&file);
    let why = &files.unread[&"Postgres".parse().unwrap()];
    assert!(why.starts_with("cannot be read: "), "{why}");
}

#[test]
fn a_file_is_read_again_only_while_it_has_the_bytes_that_were_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    let text = named("a", "");
    fs::write(&path, &text).unwrap();
    let seen = &read(dir.path()).0[0];
    assert_eq!(read_again(dir.path(), seen), Some(text.into_bytes()));
    fs::write(&path, named("b", "")).unwrap();
    assert_eq!(read_again(dir.path(), seen), None);
    fs::remove_file(&path).unwrap();
    assert_eq!(read_again(dir.path(), seen), None);
    fs::create_dir(&path).unwrap();
    assert_eq!(read_again(dir.path(), seen), None);
}

#[test]
fn a_folder_as_deep_as_is_looked_into_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("1/2/3/4/5/6/7/8");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("a.yaml"), named("a", "")).unwrap();
    let (files, unread) = read(dir.path());
    assert_eq!(paths(&files), ["1/2/3/4/5/6/7/8/a.yaml"]);
    assert!(unread.is_empty());
}

#[test]
fn what_editors_leave_is_passed_over_also_where_any_name_counts() {
    for (name, passed) in [
        ("a.conf", false),
        ("a.conf~", true),
        (".a.conf", true),
        ("#a.conf#", true),
        ("#a.conf", false),
        ("a.conf#", false),
    ] {
        assert_eq!(passed_over(name), passed, "{name}");
    }
}

#[test]
fn a_configuration_file_lies_directly_in_its_engines_folder() {
    let files = read_config_files(Path::new("/nowhere"));
    for name in [".", "..", "a/b", "/etc/passwd"] {
        let error = files.find("Postgres".parse().unwrap(), name).unwrap_err();
        assert!(
            error.contains("is outside /nowhere/Postgres"),
            "{name}: {error}"
        );
    }
}

#[test]
fn of_a_file_that_is_too_large_one_byte_more_than_is_allowed_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    let most = document::MAX_BYTES;
    for (length, read_of_it) in [(most, most), (most + 1, most + 1), (most + 9, most + 1)] {
        fs::write(&path, "#".repeat(length)).unwrap();
        assert_eq!(read_plain(&path).unwrap().len(), read_of_it);
        let told = problem(&read(dir.path()).0[0], dir.path());
        let large = told.contains(&format!("document too large: {read_of_it} bytes"));
        assert_eq!(large, length > most, "{told}");
    }
}

#[test]
fn what_an_administrator_names_is_a_plain_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "abc").unwrap();
    symlink("file", dir.path().join("link")).unwrap();
    for name in ["file", "link"] {
        assert_eq!(read_plain(&dir.path().join(name)).unwrap(), b"abc");
    }
    let error = read_plain(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = read_plain(&dir.path().join("none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_socket_is_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("a.yaml")).unwrap();
    let told = problem(&read(dir.path()).0[0], dir.path());
    assert_eq!(told, "a.yaml: a socket, not a file; it was not opened");
    // Nor is a device, which may have no end.
    let told = read_file(Path::new("/dev/null")).spec.unwrap_err()[0].to_string();
    assert!(
        told.ends_with("a device, not a file; it was not opened"),
        "{told}"
    );
}

#[test]
fn git_s_lock_is_found_from_a_folder_inside_the_repository_and_the_age_of_a_file_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let specs = dir.path().join("site/desired-state");
    fs::create_dir_all(&specs).unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    assert_eq!(git_since(&specs), None);
    let lock = dir.path().join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let written = Timestamp::from(fs::metadata(&lock).unwrap().modified().unwrap());
    assert_eq!(git_since(&specs), Some(written));
    fs::write(specs.join("a.yaml"), named("a", "")).unwrap();
    let old = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let file = fs::File::options().append(true).open(specs.join("a.yaml"));
    file.unwrap().set_modified(old.into()).unwrap();
    assert_eq!(read(&specs).0[0].changed, Some(old));
}
