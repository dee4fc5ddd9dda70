//! Images without a registry: brought as an archive, and pinned whatever happens to their tags.

use std::fs;

use db4sci::model::Reason;
use db4sci::model::view::{Condition, ConditionStatus};

use crate::host::{Host, LONG, Postgres};
use crate::support;

/// Tags are looked at each minute.
const TAGS: std::time::Duration = std::time::Duration::from_secs(90);

fn current(conditions: &[Condition]) -> &Condition {
    let found = conditions.iter().find(|c| c.kind == "ImageCurrent");
    found.expect("a condition about the image")
}

#[test]
fn images_come_as_an_archive_and_a_moved_tag_is_told_and_not_followed() {
    let reference = support::image("postgres:17");
    let here = Host::new();
    let archive = here.path("images.tar");
    let shown = archive.display().to_string();
    let said = here.db4sci(&["images", "save", &shown, "PostgreSQL 99"]);
    assert!(
        said.code == 1 && said.err.contains("PostgreSQL 17"),
        "{}",
        said.all()
    );
    here.ok(&["images", "save", &shown, "PostgreSQL 17"]);
    let said = here.db4sci(&["images", "save", &shown, "PostgreSQL 17"]);
    assert!(
        said.code == 1 && said.err.contains("exists"),
        "{}",
        said.all()
    );

    // An engine without a single image, where no registry is reached.
    let mut host = Host::with_engine(&[]);
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.told("genomics", Reason::ImagePullFailed, LONG);
    let broken = host.path("broken.tar");
    let broken = broken.to_str().unwrap();
    let bytes = fs::metadata(&archive).unwrap().len();
    fs::copy(&archive, broken).unwrap();
    let file = fs::OpenOptions::new().write(true).open(broken).unwrap();
    file.set_len(bytes / 2).unwrap();
    let said = host.db4sci(&["images", "load", broken]);
    assert_eq!(said.code, 1, "{}", said.all());
    file.set_len(0).unwrap();
    let said = host.db4sci(&["images", "load", broken]);
    assert_eq!(said.code, 1, "{}", said.all());
    let said = host.ok(&["images", "load", &shown]);
    assert!(said.contains(&format!("{reference} is here")), "{said}");
    assert!(said.contains("still not on this host"), "{said}");
    for name in ["mydb_admin", "genomics"] {
        host.db4sci(&["retry", name]);
    }
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let image = host.container("genomics").image();

    // Somebody builds another image under the same tag.
    host.docker(&["commit", &host.name("genomics"), &reference]);
    host.shows("genomics", TAGS, "told", |view| {
        let condition = current(&view.conditions);
        view.ready
            && condition.status == ConditionStatus::False
            && condition.message.contains(&image)
    });
    let listed = host.ok(&["images", "list"]);
    assert!(listed.contains("(its tag has moved)"), "{listed}");
    let doctor = host.db4sci(&["doctor"]).out;
    assert!(
        doctor.contains("these stay with theirs: genomics, mydb_admin"),
        "{doctor}"
    );
    host.docker(&["rm", "-f", &host.name("genomics")]);
    host.ready(&["genomics"]);
    assert_eq!(host.container("genomics").image(), image);
    assert_eq!(host.rows("genomics"), [1]);

    // What runs is in the archive, too: by its id.
    let both = host.path("both.tar");
    let said = host.ok(&["images", "save", both.to_str().unwrap()]);
    assert!(said.contains("2 images"), "{said}");
}
