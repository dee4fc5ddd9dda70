//! Reading the file, the environment over it, and the mode's defaults under it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::model::database::ZoneName;
use crate::model::{Enforce, KeepRetired, Problem, span};
use crate::specs::document::{self, Guide, Places};
use crate::specs::yaml;

use super::raw::{RawHeartbeat, RawRetired, RawSettings, RawStewards, RawStewardship};
use super::{Heartbeat, Limits, Mode, Settings, TlsFiles, env};

static GUIDE: LazyLock<Guide> = LazyLock::new(Guide::of::<RawSettings>);

/// Bytes that a unix socket's path may have (`sun_path` less its end).
const SOCKET_PATH: usize = 107;

pub(super) fn load(
    home: &Path,
    mode: Mode,
    env: &BTreeMap<String, String>,
) -> Result<Settings, Vec<Problem>> {
    let file = match env.get("DB4SCI_CONFIG") {
        Some(path) => Some(home.join(path)),
        None => mode.file().map(|path| home.join(path)),
    };
    let (raw, places) = match &file {
        Some(file) => read_file(file)?,
        None => (RawSettings::default(), Places::default()),
    };
    let mut problems = Vec::new();
    let mut values = match serde_json::to_value(raw) {
        Ok(Value::Object(values)) => values,
        Ok(_) | Err(_) => Map::new(),
    };
    env::apply(env, &GUIDE, &mut values, &mut problems);
    let raw: RawSettings = match serde_json::from_value(Value::Object(values)) {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(Problem::new("", error.to_string()));
            return Err(problems);
        }
    };
    let mut resolve = Resolve {
        home,
        mode,
        env,
        places,
        problems,
    };
    let settings = resolve.settings(raw, file);
    match settings {
        Some(settings) if resolve.problems.is_empty() => Ok(settings),
        Some(_) | None => {
            resolve.problems.sort();
            Err(resolve.problems)
        }
    }
}

fn read_file(file: &Path) -> Result<(RawSettings, Places), Vec<Problem>> {
    let text = read_text(file, "run `db4sci init` to write one")?;
    let node = document::parse_whole(&text, file)?;
    GUIDE.read(&node, file)
}

pub(super) fn read_text(file: &Path, missing: &str) -> Result<String, Vec<Problem>> {
    let problem = |message: String| vec![Problem::new("", message).at(document::whole(file))];
    let bytes = yaml::read_plain(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => problem(format!("there is no such file; {missing}")),
        _ => problem(format!("cannot be read: {error}")),
    })?;
    let text = document::text(&bytes, file).map_err(|problem| vec![problem])?;
    Ok(text.to_owned())
}

pub(super) struct Resolve<'a> {
    home: &'a Path,
    pub(super) mode: Mode,
    pub(super) env: &'a BTreeMap<String, String>,
    places: Places,
    pub(super) problems: Vec<Problem>,
}

impl Resolve<'_> {
    fn settings(&mut self, raw: RawSettings, file: Option<PathBuf>) -> Option<Settings> {
        let mode = self.mode;
        let host = raw.container_host.or_else(|| mode.container_host());
        let host = match host {
            Some(host) => self.host(host),
            None => self.missing("container_host", "the host name that users connect to"),
        };
        let state_dir = raw.state_dir.unwrap_or_else(|| mode.state_dir().to_owned());
        let state_dir = self.absolute("state_dir", &state_dir);
        let socket = match raw.socket {
            Some(path) => self.absolute("socket", &path),
            None => state_dir.as_ref().map(|dir| mode.socket(dir)),
        };
        let data_volumes = self.data_volumes(raw.data_volumes.as_deref(), state_dir.as_deref());
        let backup_volume = match raw.backup_volume {
            Some(path) => Some(self.absolute("backupVolume", &path)?),
            None => None,
        };
        let stores = self.stores(raw.stores.as_deref(), backup_volume, state_dir.clone());
        let recipients = self.recipients(raw.encryption);
        let heartbeat = self.heartbeat(raw.heartbeat);
        let retired = self.retired(raw.retired);
        let enforce = self.stewardship(raw.stewardship);
        let owners = self.owners(raw.owners);
        let ship_journal = self.ship_journal(raw.ship_journal.as_deref());
        let limits = raw.limits;
        let limit = |of: Option<u16>, default: u16| usize::from(of.unwrap_or(default));
        let ip = raw.container_ip.as_deref();
        let ip: Option<IpAddr> = match ip {
            Some(text) => self.parsed("container_ip", text, "an address such as `127.0.0.1`"),
            None => Some(mode.container_ip()),
        };
        let http = raw.http.as_deref().unwrap_or("127.0.0.1:5000");
        let http: Option<SocketAddr> = self.parsed(
            "http",
            http,
            "an address and a port such as `127.0.0.1:5000`",
        );
        let mirrors = match raw.image_mirrors {
            Some(path) => self.mirrors(&self.home.join(path)),
            None => Some(BTreeMap::new()),
        };
        let zone = raw.time_zone.as_deref().unwrap_or("UTC");
        let zone = match zone.parse::<ZoneName>() {
            Ok(zone) => Some(zone),
            Err(message) => self.refuse("time_zone", message),
        };
        let prefix = self.prefix(raw.container_prefix.unwrap_or_default());
        let socket = socket.and_then(|socket| self.short(socket));
        let folder = |given: Option<String>, default: &str| {
            self.home.join(given.unwrap_or_else(|| default.to_owned()))
        };
        Some(Settings {
            mode,
            file,
            base_port: raw.base_port.unwrap_or(32010),
            desired_state: folder(raw.desired_state, "desired-state"),
            dbconfig: folder(raw.dbconfig, "dbconfig"),
            container_host: host?,
            container_ip: ip?,
            state_dir: state_dir?,
            socket: socket?,
            http: http?,
            data_volumes: data_volumes?,
            stores: stores?,
            recipients: recipients?,
            ship_journal: ship_journal?,
            container_prefix: prefix?,
            image_mirrors: mirrors?,
            admins: raw.admins.unwrap_or_default(),
            owners: owners?,
            tls: raw.tls.map(|tls| TlsFiles {
                certificate: self.home.join(tls.certificate),
                key: self.home.join(tls.key),
                authority: self.home.join(tls.ca),
            }),
            time_zone: zone?,
            heartbeat: heartbeat?,
            retired: retired?,
            enforce: enforce?,
            limits: Limits {
                lanes: limit(limits.as_ref().and_then(|l| l.lanes), 4),
                dumps: limit(limits.as_ref().and_then(|l| l.dumps), 2),
            },
        })
    }

    /// `Some(None)`: none is wanted.
    fn heartbeat(&mut self, raw: Option<RawHeartbeat>) -> Option<Option<Heartbeat>> {
        let Some(RawHeartbeat { url, every }) = raw else {
            return Some(None);
        };
        let every = self.span("heartbeat.every", every.as_deref().unwrap_or("60s"));
        let read = url.and_then(|url| url.parse::<hyper::Uri>().ok());
        let read = read.filter(|url| url.host().is_some());
        let Some(url) = read.filter(|u| matches!(u.scheme_str(), Some("http" | "https"))) else {
            // The value is not shown: it is most often a secret.
            let message = "there is no URL; write `https://host/path`".to_owned();
            return self.refuse("heartbeat.url", message);
        };
        let every = every?.to_std().unwrap_or_default();
        Some(Some(Heartbeat { url, every }))
    }

    fn retired(&mut self, raw: Option<RawRetired>) -> Option<KeepRetired> {
        let mut keep = KeepRetired::default();
        let Some(RawRetired { data, backups }) = raw else {
            return Some(keep);
        };
        if let Some(text) = data {
            keep.data = self.span("retired.data", &text)?;
        }
        if let Some(text) = backups {
            keep.backups = Some(self.span("retired.backups", &text)?);
        }
        Some(keep)
    }

    fn stewardship(&mut self, raw: Option<RawStewardship>) -> Option<Option<Enforce>> {
        let Some(raw) = raw else {
            return Some(None);
        };
        let shown = |span: TimeDelta| span::show(span.to_std().unwrap_or_default());
        let mut enforce = Enforce::default();
        if let Some(text) = raw.read_only_after {
            enforce.read_only_after = self.span("stewardship.readOnlyAfter", &text)?;
        }
        if let Some(text) = raw.hibernate_after {
            enforce.hibernate_after = self.span("stewardship.hibernateAfter", &text)?;
        }
        if enforce.hibernate_after < enforce.read_only_after {
            let message = format!(
                "`{}` is sooner than its users are held to reading (`readOnlyAfter: {}`); write at least \
                 that",
                shown(enforce.hibernate_after),
                shown(enforce.read_only_after)
            );
            return self.refuse("stewardship.hibernateAfter", message);
        }
        match raw.life {
            Some(RawStewards::Enforce) => Some(Some(enforce)),
            Some(RawStewards::Notify) => Some(None),
            // A time alone would be silently without effect.
            None => {
                let message =
                    "missing; write `Enforce`, or `Notify` to do nothing but tell".to_owned();
                self.refuse("stewardship.life", message)
            }
        }
    }

    fn span(&mut self, key: &str, text: &str) -> Option<TimeDelta> {
        let read = span::parse(text).and_then(|span| {
            TimeDelta::from_std(span).map_err(|_| format!("`{text}` is too long"))
        });
        match read {
            Ok(span) => Some(span),
            Err(message) => self.refuse(key, message),
        }
    }

    fn host(&mut self, host: String) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        if host.chars().all(plain) {
            return Some(host);
        }
        let message = format!("`{}` is no host name", host.escape_debug());
        self.refuse("container_host", message)
    }

    fn prefix(&mut self, prefix: String) -> Option<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
        let first = prefix.chars().next();
        let starts = first.is_none_or(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts && prefix.len() <= 20 && prefix.chars().all(plain) {
            return Some(prefix);
        }
        let message = format!(
            "`{}` cannot begin a container's name; allowed: ^([a-z0-9][a-z0-9_.-]{{0,19}})?$",
            prefix.escape_debug()
        );
        self.refuse("container_prefix", message)
    }

    fn short(&mut self, socket: PathBuf) -> Option<PathBuf> {
        let long = socket.as_os_str().len();
        if long <= SOCKET_PATH {
            return Some(socket);
        }
        let message = format!(
            "`{}` has {long} bytes; a unix socket's path has at most {SOCKET_PATH}: set a shorter \
             `socket`",
            socket.display()
        );
        self.refuse("socket", message)
    }

    pub(super) fn absolute(&mut self, key: &str, text: &str) -> Option<PathBuf> {
        let path = PathBuf::from(text);
        if path.is_absolute() && !path.components().any(|c| c.as_os_str() == "..") {
            return Some(path);
        }
        let message = format!(
            "`{}` is no absolute path; write one, without `..`",
            text.escape_debug()
        );
        self.refuse(key, message)
    }

    fn parsed<T: FromStr>(&mut self, key: &str, text: &str, wanted: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => {
                let message = format!("`{}` is not {wanted}", text.escape_debug());
                self.refuse(key, message)
            }
        }
    }

    pub(super) fn missing<T>(&mut self, key: &str, what: &str) -> Option<T> {
        let mode = self.mode;
        self.refuse(key, format!("missing; {mode} needs {what}"))
    }

    pub(super) fn refuse<T>(&mut self, key: &str, message: String) -> Option<T> {
        let problem = match env::variable(key, self.env) {
            Some(variable) => Problem::new(variable, message),
            None if key == env::DATA_VOLUME => Problem::new(key, message),
            None => self.places.locate(Problem::new(key, message)),
        };
        self.problems.push(problem);
        None
    }
}
