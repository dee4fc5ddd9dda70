//! The commented settings file that `db4sci init` writes.

use std::path::Path;

use super::Mode;

/// The text of a mode's settings file, ready to be edited. `prod/config.yaml` and
/// `dev/config.yaml` hold the same.
pub fn template(mode: Mode) -> String {
    let (what, host, ip, volume) = match mode {
        Mode::Prod => (
            "production",
            "databases.example.org",
            "0.0.0.0",
            "/srv/db4sci/data",
        ),
        Mode::Dev => ("development", "localhost", "127.0.0.1", "/srv/db4sci/data"),
        Mode::Test => (
            "automatic tests",
            "localhost",
            "127.0.0.1",
            "/var/lib/db4sci-test/data",
        ),
        Mode::Demo => (
            "the demo",
            "localhost",
            "127.0.0.1",
            "/var/lib/db4sci-demo/data",
        ),
    };
    let state = mode.state_dir();
    let socket = mode.socket(Path::new(state));
    TEXT.replace("{what}", what)
        .replace("{host}", host)
        .replace("{ip}", ip)
        .replace("{state}", state)
        .replace("{socket}", &socket.display().to_string())
        .replace("{volume}", volume)
        .replace("{mode}", mode.as_str())
}

const TEXT: &str = r#"# DB4Sci's settings for {what}.
#
# Read once, at start. An unknown key is refused. A single value can be overridden by an environment
# variable: DB4SCI_ and the key in capitals, such as DB4SCI_BASE_PORT=31010. A value with a `#` before
# it is the default.

# The host name that users connect to.
container_host: {host}

# The address that the databases' ports are published on. Databases that are there get another one with
# another container, each in its maintenance window.
container_ip: {ip}

# Databases get ports from here on; mydb_admin, DB4Sci's own database, has the one before it.
base_port: 32010

# Where DB4Sci keeps its journal, keys and secrets. The same path inside and outside a container.
state_dir: {state}

# Where the command line finds the daemon.
# socket: {socket}

# Where health checks and metrics are served, to whoever reaches that address, without a login.
# http: 127.0.0.1:5000

# The folders of specs and of the catalog, below the folder that holds prod/ and dev/.
# desired_state: desired-state
# dbconfig: dbconfig

# Folders for data, each mounted before the daemon starts. A spec names one by its label; the first
# one that its engine and owner may use is the default. `engines` and `users` are ALL or a list;
# the user Admin stands for the admins below.
dataVolumes:
  - label: Standard
    path: {volume}
    engines: ALL
    users: ALL
    encrypted: false

# Where backups go: a folder, the store `local`. Best on another disk than the data. The default is a
# folder below state_dir. With `stores` below, it is no store. The daemon marks the folder with a file,
# .db4sci-store: without it a folder that was used before is taken for a mount point whose disk is away.
# backupVolume: /srv/db4sci/backup

# Or several stores, which specs name; without a word of theirs a backup goes to all. The credentials
# file has the lines `aws_access_key_id = …` and `aws_secret_access_key = …`. Each mode has a bucket of
# its own.
# stores:
#   - name: local
#     path: /srv/db4sci/backup
#   - name: offsite
#     bucket: db4sci-{mode}
#     endpoint: https://s3.example.org
#     region: us-east-1
#     credentials: /etc/db4sci/offsite.credentials

# Backups are encrypted to this instance's own key, and to these: the public key of the institute's
# offline key (age-keygen makes a pair).
# encryption:
#   recipients: [age1…]

# What was accepted goes to every store this often, encrypted as backups are: so much is lost with the
# host. `Never`: only with the backups of mydb_admin, each day and after many changes.
# shipJournal: 10s

# Goes before every container's name, so that two instances can share a host.
# container_prefix: ""

# A YAML file that maps images of the catalog to those of a registry of your own:
#   "postgres:17": "registry.example.org/postgres:17"
# image_mirrors: dbconfig/mirrors.yaml

# Logins and groups that may do everything.
admins: []

# What each owner may have at once: databases that are not retired, and memory of all of these together.
# `default` goes for owners that are not named; what is left out is not limited. A limit refuses a new
# database and more memory, and never touches what there is.
# owners:
#   default: {databases: 10, memory: 32Gi}
#   genomics-lab: {databases: 40, memory: 256Gi}

# Certificates for the databases' servers, as PEM. Without these, an authority of this instance issues
# them; its certificate, for clients: db4sci ca export. The certificate must stand for container_host.
# tls:
#   certificate: /etc/db4sci/databases.crt
#   key: /etc/db4sci/databases.key
#   ca: /etc/db4sci/ca.crt

# For windows and schedules of specs that name no zone.
time_zone: UTC

# A watcher elsewhere that is asked for this URL every minute, while mydb_admin answers and all backups are
# new enough; it tells somebody when that ends (healthchecks.io, say, or another host's own).
# heartbeat: {url: "https://watch.example.org/ping/UUID", every: 60s}

# What is done about a database whose `life` is over, and with whose owner nobody agreed on a longer one.
# `Notify` (the default): owner and admins are told. `Enforce`: after `readOnlyAfter` its users may only
# read, where the engine can hold them to that; after `hibernateAfter` a final backup is taken and proven,
# and it is stopped, its data kept. Both count from the end, or from when that was announced, if that was
# later. `db4sci start NAME` wakes it, for two weeks or as long as `--for` says.
# stewardship: {life: Enforce, readOnlyAfter: 14d, hibernateAfter: 60d}

# How long the data of a retired database is kept, from the day it was retired. Its backups are kept for
# ever, or for as long as `backups` says here, from the day its data was removed.
# retired:
#   data: 14d

# Databases that are worked on at the same time (as many more may get images), and dumps.
# limits:
#   lanes: 4
#   dumps: 2
"#;
