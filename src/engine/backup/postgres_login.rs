//! The superuser's login of a PostgreSQL, set again at rest: whoever may log in no more cannot say so
//! to a running server, and single-user mode asks nobody who he is.

use super::super::postgres::{HBA, SAMPLE_NOTHING, SUPERUSER, hba, identifier, literal};
use super::{Command, JOB_TARGET, PASSFILE};
use crate::model::Secret;
use crate::model::database::Tls;

/// Runs its arguments but the first with the statements on standard input: this mode takes them from
/// nowhere else. The first is the server's file of who may come in, which is kept beside its successor.
const LINE: &str =
    "mv -f \"$1\" \"$1.before\"; cat {hba} >\"$1\" && shift && exec \"$@\" <{passfile}";

/// Settings of the one session. The statements hold a password, so they must be written to no log,
/// whatever the server's own settings say; and the first that fails ends it.
const SESSION: [&str; 9] = [
    "exit_on_error=on",
    "log_statement=none",
    "log_min_error_statement=panic",
    "log_min_duration_statement=-1",
    "log_duration=off",
    "debug_print_parse=off",
    "logging_collector=off",
    "password_encryption=scram-sha-256",
    "default_transaction_read_only=off",
];

/// The server's first role, whatever it is called by now.
const FIRST_ROLE: u32 = 10;

/// What the job runs as the server's own user, and the text for its standard input.
pub(super) fn let_in(data: &str, admin: &Secret) -> (Command, Secret) {
    let line = LINE
        .replace("{hba}", &format!("{JOB_TARGET}/{HBA}"))
        .replace("{passfile}", PASSFILE);
    // System tables may be written with -O alone.
    let own = format!("{data}/{HBA}");
    let mut args: Vec<String> = [
        "-c", &line, "sh", &own, "postgres", "--single", "-O", "-D", data,
    ]
    .map(str::to_owned)
    .into();
    for setting in SESSION {
        args.extend(["-c".to_owned(), setting.to_owned()]);
    }
    args.push("postgres".to_owned());
    let command = Command {
        program: "sh".to_owned(),
        args,
        scripts: vec![(HBA.to_owned(), hba(Tls::Preferred))],
        ..Command::default()
    };
    (command, statements(admin))
}

/// One statement a line, as single-user mode reads them.
fn statements(admin: &Secret) -> Secret {
    let (role, name) = (identifier(SUPERUSER), literal(SUPERUSER));
    Secret::new(format!(
        "{SAMPLE_NOTHING};\n\
         update pg_authid set rolname = rolname || '_' || oid where rolname = {name} and oid <> {FIRST_ROLE};\n\
         update pg_authid set rolname = {name} where oid = {FIRST_ROLE} and rolname <> {name};\n\
         alter role {role} superuser inherit createdb createrole replication bypassrls login \
         connection limit -1 valid until 'infinity' password {};\n\
         alter role {role} reset all;\n\
         alter system reset hba_file;\n\
         alter system reset ident_file;\n",
        literal(admin.expose())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SECRETS_TARGET;

    #[test]
    fn the_password_goes_by_standard_input_alone() {
        let admin = Secret::new("it's \\ 7".to_owned());
        let (command, text) = let_in("/var/lib/postgresql/data", &admin);
        let shown = format!("{command:?}");
        assert!(
            !shown.contains("it's") && !shown.contains(SECRETS_TARGET),
            "{shown}"
        );
        let lines: Vec<&str> = text.expose().lines().collect();
        assert!(lines.iter().all(|line| line.ends_with(';')), "{lines:?}");
        // Each line is a transaction of its own, and no sample of them is logged.
        assert!(
            lines[0].contains("log_transaction_sample_rate"),
            "{lines:?}"
        );
        assert!(
            lines[3].ends_with(r"password E'it''s \\ 7';"),
            "{}",
            lines[3]
        );
    }
}
