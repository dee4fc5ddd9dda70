//! Pages that are harmed on the disk of a real server, in ways of which no statement tells.

use db4sci::admin::tables::check_indexes;
use db4sci::admin::{TablesError, TablesHarm};
use db4sci::model::{Change, Who};

use crate::support_admin::{Server, apply, docker, entry, ledger, one, run};

/// A program in the server's container.
fn inside(server: &Server, script: &str) -> String {
    docker(&["exec", server.container(), "sh", "-c", script])
}

#[tokio::test]
async fn a_row_that_vanishes_with_bytes_of_its_page_is_found() {
    let server = Server::start("postgres:17").await;
    let ledger = ledger().await;
    for _ in 0..5 {
        let new = entry(Who::Daemon, "genomics", Change::Noted);
        ledger.append(new).await.unwrap();
    }
    let mut tables = server.tables().await;
    apply(&mut tables, &ledger).await;
    tables.close().await;
    let checked = check_indexes(&server.access).await.unwrap();
    assert!(checked.is_some_and(|checked| checked > 20), "{checked:?}");
    let mut root = server.session("postgres").await;
    run(&mut root, "checkpoint").await.unwrap();
    let place =
        "select current_setting('data_directory') || '/' || pg_relation_filepath('log') as file";
    let file = one(&mut root, place).await["file"].clone();
    let file = file.as_str().unwrap();
    drop(root);

    // Where its first row begins stands in the low 15 bits at byte 24 of a page; a row begins with the
    // transaction that wrote it. Of one that never was, nobody sees a row. The checksum agrees, as it
    // does where a server's memory was harmed: this one keeps none.
    let at = inside(&server, &format!("od -An -t u2 -j 24 -N 2 {file}"));
    let at: u32 = at.trim().parse().unwrap();
    let at = at & 0x7fff;
    inside(
        &server,
        &format!("printf '\\377\\377\\377\\177' | dd of={file} bs=1 seek={at} conv=notrunc"),
    );
    server.docker("kill");
    server.docker("start");
    server.wait().await;
    let mut root = server.session("postgres").await;
    let rows = one(&mut root, "select count(*) as n from log").await;
    assert_eq!(rows["n"], 4, "no statement tells of it");
    let found = check_indexes(&server.access).await;
    let Err(TablesError::Harm(TablesHarm::Damaged(what))) = &found else {
        panic!("{found:?}");
    };
    assert!(what.starts_with("table log, page 0: xmin"), "{what}");
}
