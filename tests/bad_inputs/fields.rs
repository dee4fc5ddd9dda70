//! Single fields of a spec.

use super::{admit, errors, spec};

#[test]
fn images_and_engines() {
    for (lines, expected) in [
        (
            "  image: PostgresQL 17.1\n",
            &[
                "9:10: spec.image: `PostgresQL 17.1` is not in the catalog; did you mean `PostgreSQL 17`? Allowed: PostgreSQL 17, PostgreSQL 16, PostgreSQL 15, PostgreSQL 14, PostgreSQL 13, PostgreSQL 18",
            ][..],
        ),
        (
            "  image: postgres:latest\n",
            &[
                "9:10: spec.image: `postgres:latest`: the tag `latest` moves; pin a version: PostgreSQL 17, PostgreSQL 16, PostgreSQL 15, PostgreSQL 14, PostgreSQL 13, PostgreSQL 18",
            ][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn ports() {
    for (lines, expected) in [
        (
            "  port: 0\n",
            &["9:9: spec.port: `0` is not allowed; allowed: 1 to 65535"][..],
        ),
        (
            "  port: \"32012\"\n",
            &[
                "9:9: spec.port: `32012` is text; write a number without quotes, allowed: 1 to 65535",
            ][..],
        ),
        (
            "  port: 32011\n",
            &[
                "9:9: spec.port: 32011 belongs to `proteomics` and cannot be `genomics`'s, too; choose another, or leave `port` out",
            ][..],
        ),
        (
            "  port: 32009\n",
            &[
                "9:9: spec.port: 32009 belongs to `mydb_admin` and cannot be `genomics`'s, too; choose another, or leave `port` out",
            ][..],
        ),
        (
            "  port: 5000\n",
            &[
                "9:9: spec.port: 5000 belongs to db4sci's own health checks and metrics (`http`) and cannot be `genomics`'s, too; choose another, or leave `port` out",
            ][..],
        ),
        (
            "  port: 1.5\n",
            &["9:9: spec.port: `1.5` is not allowed; allowed: 1 to 65535"][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn resources() {
    for (lines, expected) in [
        (
            "  resources: {memory: 12}\n",
            &["9:23: spec.resources.memory: `12` has no unit; write `12Mi` or `12Gi`"][..],
        ),
        (
            "  resources: {memory: lots}\n",
            &[
                "9:23: spec.resources.memory: `lots` is no amount of memory; write it as `512Mi` or `2Gi`",
            ][..],
        ),
        (
            "  resources: {memory: 512m}\n",
            &[
                "9:23: spec.resources.memory: `512m` is read in two ways (Kubernetes: thousandths of a byte, Compose: 512 MiB); write `512Mi`",
            ][..],
        ),
        (
            "  resources: {memory: 2g}\n",
            &[
                "9:23: spec.resources.memory: `2g` is read in two ways (Kubernetes: not a unit, Compose: 2 GiB); write `2Gi`",
            ][..],
        ),
        (
            "  resources: {memory: 64Mi}\n",
            &["9:23: spec.resources.memory: `64Mi` is too little for Postgres; at least 128Mi"][..],
        ),
        (
            "  resources: {memory: 64Gi}\n",
            &["9:23: spec.resources.memory: `64Gi` is more than this host has; it has 8Gi"][..],
        ),
        (
            "  resources: {cpus: 64}\n",
            &["9:21: spec.resources.cpus: `64` is more than this host has; it has 4"][..],
        ),
        (
            "  resources: {cpus: many}\n",
            &[
                "9:21: spec.resources.cpus: `many` is no number of processors; write it as \"1.5\" or `1500m`",
            ][..],
        ),
        (
            "  resources: {memory: 1Gi, shm: 2Gi}\n",
            &[
                "9:33: spec.resources.shm: `2Gi` is not allowed; shared memory counts as memory: 1Mi to 1Gi",
            ][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn volumes_and_configuration_files() {
    for (lines, expected) in [
        (
            "  volume: Standart\n",
            &[
                "9:11: spec.volume: `Standart` is no data volume; did you mean `Standard`? Allowed: Standard",
            ][..],
        ),
        (
            "  volume: Fast\n",
            &["9:11: spec.volume: `Fast` is not for Postgres of `genomics-lab`; allowed: Standard"]
                [..],
        ),
        (
            "  volume: Private\n",
            &[
                "9:11: spec.volume: `Private` is not for Postgres of `genomics-lab`; allowed: Standard",
            ][..],
        ),
        (
            "  config: none.conf\n",
            &[
                "9:11: spec.config: there is no file `none.conf` in dbconfig/Postgres; there are: away.conf, tuned.conf",
            ][..],
        ),
        (
            "  config: ../MariaDB/x.cnf\n",
            &[
                "9:11: spec.config: `../MariaDB/x.cnf` is outside dbconfig/Postgres; name a file that lies directly in it",
            ][..],
        ),
        (
            "  config: away.conf\n",
            &[
                "9:11: spec.config: dbconfig/Postgres/away.conf: a link that leaves its folder, to /etc/passwd; put the file itself here",
            ][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn schedules_and_zones() {
    for (lines, expected) in [
        (
            "  backup: {schedule: \"61 * * * *\"}\n",
            &[
                "9:22: spec.backup.schedule: minute `61` is not allowed; allowed: 0 to 59, `*`, lists, ranges and steps",
            ][..],
        ),
        (
            "  backup: {schedule: \"0 0 2 * * *\"}\n",
            &[
                "9:22: spec.backup.schedule: `0 0 2 * * *` has 6 fields; a cron expression has five (minute, hour, day of the month, month, day of the week), no seconds",
            ][..],
        ),
        (
            "  backup: {schedule: \"0 2 30 2 *\"}\n",
            &["9:22: spec.backup.schedule: `0 2 30 2 *` never fires: there is no such day"][..],
        ),
        (
            "  backup: {schedule: \"0 2 * * *\", window: Any}\n",
            &[
                "9:43: spec.backup.window: a cron expression says the time itself; remove the window, or write Daily or Weekly",
            ][..],
        ),
        (
            "  backup: {schedule: Dayly}\n",
            &[
                "9:22: spec.backup.schedule: `Dayly` is no schedule; did you mean `Daily`? Allowed: Daily, Weekly, Never, or a cron expression such as `30 2 * * *`",
            ][..],
        ),
        (
            "  timeZone: America/Los_Angles\n",
            &[
                "9:13: spec.timeZone: `America/Los_Angles` is not a time zone; write an IANA name such as `America/Los_Angeles`",
            ][..],
        ),
        (
            "  maintenanceWindow: Sat 25:00-26:00\n",
            &[
                "9:22: spec.maintenanceWindow: `Sat 25:00-26:00` is no window; allowed: Any, OfficeHours, AfterHours, or a day and a span such as `Sat 00:00-04:00`",
            ][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn backups() {
    for (lines, expected) in [
        (
            "  backup: {retention: {last: 0, daily: -1}}\n",
            &[
                "9:30: spec.backup.retention.last: `0` is not allowed; allowed: 1 to 4294967295",
                "9:40: spec.backup.retention.daily: `-1` is not allowed; allowed: 1 to 4294967295",
            ][..],
        ),
        (
            "  backup: {rpo: 12h}\n",
            &[
                "9:17: spec.backup.rpo: `12h` can never hold: with `schedule: Daily` up to 24h lie between two backups; write at least 24h, or schedule more often",
            ][..],
        ),
        (
            "  backup: {schedule: Weekly, rpo: 26h}\n",
            &[
                "9:35: spec.backup.rpo: `26h` can never hold: with `schedule: Weekly` up to 168h lie between two backups; write at least 168h, or schedule more often",
            ][..],
        ),
        (
            "  backup: {schedule: Never, rpo: 26h}\n",
            &[
                "9:34: spec.backup.rpo: `26h` can never hold: with `schedule: Never` nothing is backed up; remove it",
            ][..],
        ),
        (
            "  backup: {schedule: \"0 2 * * 1-5\", rpo: 26h}\n",
            &[
                "9:42: spec.backup.rpo: `26h` can never hold: with `schedule: 0 2 * * 1-5` up to 72h lie between two backups; write at least 72h, or schedule more often",
            ][..],
        ),
        (
            "  backup: {rpo: soon}\n",
            &[
                "9:17: spec.backup.rpo: `soon` is no time; write minutes, hours or days: `90m`, `26h`, `8d`",
            ][..],
        ),
        (
            "  backup: {stores: [lokal]}\n",
            &[
                "9:21: spec.backup.stores[0]: `lokal` is no store of the settings; did you mean `local`? Allowed: local",
            ][..],
        ),
        (
            "  backup: {stores: []}\n",
            &["9:20: spec.backup.stores: has 0 entries; expected at least one entry"][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn protections() {
    assert_eq!(
        errors(&spec("  phi: true\n")),
        [
            "9:8: spec.phi: protected health information needs what this database does not have: TLS \
             that is demanded (`tls: Required`), an encrypted data volume; keep it elsewhere for now"
        ]
    );
    assert_eq!(
        errors(&spec("  phi: true\n  tls: Required\n")),
        [
            "9:8: spec.phi: protected health information needs what this database does not have: \
             an encrypted data volume; keep it elsewhere for now"
        ]
    );
    let mariadb = spec("  phi: true\n  tls: Required\n").replace("Postgres", "MariaDB");
    assert_eq!(
        errors(&mariadb),
        [
            "9:8: spec.phi: protected health information needs what this database does not have: \
             an encrypted data volume, or `encryption: Engine`; keep it elsewhere for now"
        ]
    );
    let encrypted = format!("{mariadb}  encryption: Engine\n");
    admit(&encrypted, None).unwrap();
    assert_eq!(
        errors(&spec("  encryption: Engine\n")),
        [
            "9:15: spec.encryption: Postgres has no encryption of its own (MariaDB has); remove \
             this, and take a data volume that is encrypted"
        ]
    );
    assert_eq!(
        errors(&spec("  tls: Demanded\n")),
        ["9:8: spec.tls: `Demanded` is not allowed; allowed: Preferred, Required"]
    );
    assert_eq!(
        errors(&spec("  state: Deleted\n")),
        [
            "9:10: spec.state: `Deleted` is not allowed; allowed: Running, Stopped, Maintenance, \
             Retired"
        ]
    );
}

#[test]
fn accounts_and_parameters() {
    for (lines, expected) in [
        (
            "  account: {user: postgres}\n",
            &["9:19: spec.account.user: `postgres` is reserved; choose another login name"][..],
        ),
        (
            "  account: {user: \"x; drop\"}\n",
            &[
                "9:19: spec.account.user: `x; drop` cannot be a login name; allowed: ^[a-z_][a-z0-9_]{0,62}$",
            ][..],
        ),
        (
            "  account: {passwordFile: secret}\n",
            &[
                "9:27: spec.account.passwordFile: `secret` is no absolute path; write one, without `..`",
            ][..],
        ),
        (
            "  parameters: {fsync: off, work_mem: 64MB}\n",
            &[
                "9:23: spec.parameters.fsync: `fsync` is set by db4sci and cannot be changed; remove it",
            ][..],
        ),
        (
            "  database: template1\n",
            &[
                "9:13: spec.database: `template1` belongs to the server; set `database:` to another name",
            ][..],
        ),
        (
            "  access:\n    - {who: 'group:', role: Usr}\n    - bob\n",
            &[
                "10:29: spec.access[0].role: `Usr` is not allowed; did you mean `User`? Allowed: Viewer, User, Owner",
                "11:7: spec.access[1]: expected a mapping, found text",
            ][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn yaml() {
    for (lines, expected) in [
        (
            "  port: 32012\n  port: 32013\n",
            &["10:3: spec.port: repeated: first on line 9, again on line 10"][..],
        ),
        (
            "  access: [\n",
            &["9:11: not readable as YAML: unclosed bracket '['"][..],
        ),
        (
            "\taccess: 1\n",
            &["8:12: not readable as YAML: while scanning a plain scalar, found a tab"][..],
        ),
        (
            "  image:\n",
            &["9:8: spec.image: has no value; give it one, or remove the key"][..],
        ),
        (
            "  description: \"a\\0b\"\n",
            &["9:16: spec.description: has the control character '\\0'"][..],
        ),
        (
            "  description: *x\n",
            &["9:16: no anchor of this name stands above"][..],
        ),
        (
            "  <<: {a: b}\n",
            &["9:3: merge keys (`<<`) are not read; write the fields out"][..],
        ),
        (
            "  description: !env X\n",
            &["9:21: the tag `!env` is not read; remove it"][..],
        ),
    ] {
        assert_eq!(errors(&spec(lines)), expected, "{lines}");
    }
}

#[test]
fn unknown_keys() {
    assert_eq!(
        errors(&spec("  imagee: x\n  bananas: 3\n")),
        [
            "9:3: spec.imagee: unknown field; did you mean `image`?",
            "10:3: spec.bananas: unknown field; allowed: access, account, application, backup, config, contact, database, description, encryption, engine, image, life, maintenanceWindow, onLost, owner, parameters, phi, port, resources, state, support, timeZone, tls, volume",
        ]
    );
}
