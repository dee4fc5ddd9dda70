//! MongoDB comes back: documents, indexes, accounts, today's passwords.

use crate::host::{Host, MongoDB};
use crate::{nothing_is_left, take, verify};

/// Names and values that break tools that quote badly. Of indexes the stand-in knows only those that it
/// makes by itself: it refuses how `mongorestore` makes them.
const NASTY: &str = r#"
db.getCollection('a b-Ünï').insertMany([{_id: 1, v: 'x\ny'}, {_id: 2, b: BinData(0, '/wD+')}]);
db.createCollection('empty');
db.big.insertMany([...Array(5000).keys()].map((i) => ({_id: i, t: 'x'.repeat(200)})));
db.getSiblingDB('other').kept.insertOne({_id: NumberLong('9007199254740993')});
db.createUser({user: 'reader', pwd: 'reader-password', roles: [{role: 'read', db: db.getName()}]});
void 0
"#;

#[test]
fn mongodb_comes_back_whole_and_in_place() {
    let mut host = Host::new();
    host.spec("shop", MongoDB, &[]);
    host.start();
    host.ready(&["shop"]);
    host.sql("shop", NASTY);
    host.write("shop", 1);
    let backup = take(&host, "shop");
    verify(&host, &backup).unwrap();

    host.sql(
        "shop",
        "void (db.big.drop(), db.later.insertOne({}), db.dropUser('reader'))",
    );
    host.ok(&["rotate", "shop"]);
    let id = backup.id.to_string();
    host.ok(&["restore", "shop", "--from", &id, "--yes"]);
    host.ready(&["shop"]);
    // With the password of today.
    assert_eq!(host.rows("shop"), [1]);
    assert_eq!(host.sql("shop", "print(db.big.countDocuments({}))"), "5000");
    let odd = "print(db.getCollection('a b-Ünï').findOne({_id: 2}).b.toString('base64'))";
    assert_eq!(host.sql("shop", odd), "/wD+");
    let names = "print(db.getCollectionNames().sort().join())";
    let names = host.sql("shop", names);
    assert!(
        names.contains("empty") && !names.contains("later"),
        "{names}"
    );
    let other = "print(db.getSiblingDB('other').kept.findOne()._id.toString())";
    assert_eq!(host.sql("shop", other), "9007199254740993");
    assert_eq!(
        host.sql("shop", "print(db.getUser('reader').user)"),
        "reader"
    );

    host.ok(&["restore", "shop", "--from", &id, "--as", "copy"]);
    host.holds("copy", MongoDB);
    assert_eq!(host.rows("copy"), [1]);
    nothing_is_left(&host);
}
