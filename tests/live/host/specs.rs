//! Files in `desired-state/`.

use std::fs;

use db4sci::model::view::Phase;

use super::{Host, LONG, SOON, eventually};

pub use Server::{MariaDB, MongoDB, Neo4j, Postgres};

/// An engine of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Postgres,
    MariaDB,
    MongoDB,
    Neo4j,
}

impl Server {
    /// Enough for a test, and no more: several run side by side.
    fn memory(self) -> &'static str {
        match self {
            Postgres => "192Mi",
            MariaDB => "256Mi",
            MongoDB => "512Mi",
            Neo4j => "768Mi",
        }
    }
}

impl Host {
    /// Makes a PostgreSQL by a row of `state`, as somebody with SQL does, and waits until it is ready.
    #[track_caller]
    pub fn insert(&self, name: &str) {
        const ADMIN: &str = "mydb_admin";
        eventually(SOON, "the tables are there", || {
            self.try_sql(ADMIN, "select count(*) from state")
        });
        let spec = r#"{"engine":"Postgres","owner":"lab","contact":"lab@example.org","resources":{"memory":"192Mi"}}"#;
        let insert = format!("insert into state (name, spec) values ('{name}', '{spec}')");
        self.sql(ADMIN, &insert);
        self.shows(name, LONG, "ready", |view| view.phase == Phase::Ready);
    }

    /// Says of which engine a database is that gets no file.
    #[allow(dead_code, reason = "for the tests of copies")]
    pub fn also(&mut self, name: &str, server: Server) {
        self.servers.insert(name.to_owned(), server);
    }

    /// Writes a spec, or another one in its place; `more` are further lines below `spec:`, one
    /// level in. Memory is small unless `more` says otherwise.
    #[track_caller]
    pub fn spec(&mut self, name: &str, server: Server, more: &[&str]) {
        self.servers.insert(name.to_owned(), server);
        let mut text = format!(
            "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  name: {name}\nspec:\n  \
             engine: {server:?}\n  owner: {name}-lab\n  contact: {name}@example.org\n"
        );
        if !more.iter().any(|line| line.starts_with("resources:")) {
            text.push_str(&format!("  resources: {{memory: {}}}\n", server.memory()));
        }
        for line in more {
            text.push_str(&format!("  {line}\n"));
        }
        self.spec_text(name, &text);
    }

    /// Says what a database is that no file describes: its client is another one.
    pub fn holds(&mut self, name: &str, server: Server) {
        self.servers.insert(name.to_owned(), server);
    }

    /// Writes a spec's text as it is, in one step, as an editor does.
    #[track_caller]
    pub fn spec_text(&self, file: &str, text: &str) {
        let folder = self.path("desired-state");
        let new = folder.join(format!(".{file}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(&new, folder.join(format!("{file}.yaml"))).unwrap();
    }
}
