//! An engine that keeps containers in memory, and answers otherwise where a fault says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::answers::{Answer, frame, give, no};

/// The API versions that it speaks.
#[derive(Debug, Clone)]
pub struct Versions {
    pub newest: String,
    pub oldest: String,
}

pub struct State {
    pub versions: Versions,
    /// Containers as an inspect shows them, by id.
    pub containers: BTreeMap<String, Value>,
    /// What comes instead, for paths that begin so.
    pub faults: Vec<(String, Answer)>,
    /// What a job writes, and its exit code.
    pub job: (Vec<u8>, i64),
}

/// The engine; gone when this is dropped.
pub struct Engine {
    folder: TempDir,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Engine {
    /// An engine of Docker 20.10's version, without containers.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let state = Arc::new(Mutex::new(State {
            versions: Versions {
                newest: "1.41".to_owned(),
                oldest: "1.12".to_owned(),
            },
            containers: BTreeMap::new(),
            faults: Vec::new(),
            job: (frame(1, b"done\n"), 0),
        }));
        let shared = state.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Engine {
            folder,
            state,
            serving,
        }
    }

    pub fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on this comes for paths that begin so (without the version).
    pub fn fault(&self, path: &str, answer: Answer) {
        self.state().faults.push((path.to_owned(), answer));
    }

    /// All is well again.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// Puts a container there.
    pub fn put(&self, name: &str, status: &str) {
        let made = container(name, name, status, &json!({}));
        self.state().containers.insert(name.to_owned(), made);
    }
}

/// What an inspect shows.
fn container(id: &str, name: &str, status: &str, body: &Value) -> Value {
    let host = &body["HostConfig"];
    json!({
        "Id": id, "Name": format!("/{name}"), "Image": "sha256:ab", "RestartCount": 0,
        "State": {"Status": status, "ExitCode": 0, "Pid": if status == "running" { 4711 } else { 0 }},
        "HostConfig": {
            "Memory": host["Memory"], "NanoCpus": host["NanoCpus"], "ShmSize": host["ShmSize"],
            "RestartPolicy": host["RestartPolicy"],
        },
        "Config": {"Labels": body["Labels"], "StopSignal": "SIGINT"},
        "Mounts": [],
    })
}

/// One request a connection.
async fn serve(stream: UnixStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    if stream.read_line(&mut first).await.is_err() {
        return;
    }
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => {}
        }
        let line = line.to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = state.lock().unwrap().answer(method, target, &body);
    // An attach has its output after the start of its job, and this engine's jobs say all at once.
    give(&answer, stream.get_mut()).await;
}

impl State {
    fn answer(&mut self, method: &str, target: &str, body: &Value) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.replace("%3A", ":");
        let (version, path) = match path
            .strip_prefix("/v")
            .and_then(|rest| rest.split_once('/'))
        {
            Some((version, rest)) => (Some(version.to_owned()), format!("/{rest}")),
            None => (None, path),
        };
        let fault = self
            .faults
            .iter()
            .find(|(begin, _)| path.starts_with(begin.as_str()));
        if let Some((_, answer)) = fault {
            return answer.clone();
        }
        if path == "/version" {
            return Answer::Json(
                200,
                json!({"Version": "20.10.0", "ApiVersion": self.versions.newest, "MinAPIVersion": self.versions.oldest}),
            );
        }
        if let Some(answer) = version.and_then(|version| self.refused(&version)) {
            return answer;
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["info"]) => Answer::Json(
                200,
                json!({"ServerVersion": "20.10.0", "NCPU": 2, "MemTotal": 1 << 30}),
            ),
            ("GET", ["containers", "json"]) => Answer::Json(200, self.rows()),
            ("GET", ["images", "none", "json"]) => no(404, "No such image: none"),
            ("GET", ["images", _, "json"]) => Answer::Json(
                200,
                json!({"Id": "sha256:ab", "Config": {"Entrypoint": ["/e"]}}),
            ),
            ("POST", ["images", "create"]) => Answer::Stream(
                "application/json",
                vec![b"{\"status\":\"Pulling\"}\r\n".to_vec()],
            ),
            ("POST", ["containers", "create"]) => self.create(query, body),
            (method, ["containers", id, rest @ ..]) => {
                self.of_container(method, id, rest, query, body)
            }
            _ => no(404, "page not found"),
        }
    }

    /// As moby's `middleware/version.go` says it.
    fn refused(&self, version: &str) -> Option<Answer> {
        let minor = |text: &str| {
            text.split_once('.')
                .and_then(|(_, n)| n.parse::<u32>().ok())
                .unwrap()
        };
        let Versions { newest, oldest } = &self.versions;
        if minor(version) > minor(newest) {
            return Some(no(
                400,
                &format!(
                    "client version {version} is too new. Maximum supported API version is {newest}"
                ),
            ));
        }
        (minor(version) < minor(oldest)).then(|| no(400, &format!(
            "client version {version} is too old. Minimum supported API version is {oldest}, please upgrade your client \
             to a newer version"
        )))
    }

    fn rows(&self) -> Value {
        let row = |seen: &Value| {
            json!({
                "Id": seen["Id"], "Names": [seen["Name"]], "State": seen["State"]["Status"],
                "Labels": seen["Config"]["Labels"], "Ports": [{"PrivatePort": 5432, "PublicPort": 32011, "Type": "tcp"}],
            })
        };
        self.containers.values().map(row).collect()
    }

    fn create(&mut self, query: &str, body: &Value) -> Answer {
        let name = query.split('&').find_map(|part| part.strip_prefix("name="));
        let name = name.unwrap_or("nameless").to_owned();
        let taken = format!("/{name}");
        if self.containers.values().any(|seen| seen["Name"] == *taken) {
            return no(
                409,
                &format!("Conflict. The container name \"{taken}\" is already in use"),
            );
        }
        let id = format!("{:064x}", self.containers.len() + 1);
        let made = container(&id, &name, "created", body);
        self.containers.insert(id.clone(), made);
        Answer::Json(201, json!({"Id": id, "Warnings": []}))
    }

    fn of_container(
        &mut self,
        method: &str,
        id: &str,
        rest: &[&str],
        query: &str,
        body: &Value,
    ) -> Answer {
        let (words, code) = self.job.clone();
        let named = |seen: &Value| seen["Id"] == *id || seen["Name"] == *format!("/{id}");
        let found = self.containers.iter_mut().find(|(_, seen)| named(seen));
        let Some((key, seen)) = found else {
            return no(404, &format!("No such container: {id}"));
        };
        let mut become_ = |status: &str, pid: u32, code: i64| {
            let same = seen["State"]["Status"] == status;
            seen["State"] = json!({"Status": status, "Pid": pid, "ExitCode": code});
            Answer::Status(if same { 304 } else { 204 })
        };
        match (method, rest) {
            ("GET", ["json"]) => Answer::Json(200, seen.clone()),
            ("POST", ["start" | "unpause"]) => become_("running", 4711, 0),
            ("POST", ["stop"]) => become_("exited", 0, code),
            ("POST", ["kill"]) => become_("exited", 0, 137),
            ("POST", ["wait"]) => Answer::Json(200, json!({ "StatusCode": code })),
            ("POST", ["attach"]) => Answer::Upgraded(words),
            ("GET", ["logs"]) => Answer::Body(200, "application/vnd.docker.raw-stream", words),
            ("POST", ["rename"]) => {
                let name = query.trim_start_matches("name=");
                seen["Name"] = json!(format!("/{name}"));
                Answer::Status(204)
            }
            ("POST", ["update"]) => {
                for field in ["RestartPolicy", "Memory"] {
                    if !body[field].is_null() {
                        seen["HostConfig"][field] = body[field].clone();
                    }
                }
                Answer::Json(200, json!({"Warnings": null}))
            }
            ("DELETE", []) => {
                let key = key.clone();
                self.containers.remove(&key);
                Answer::Status(204)
            }
            _ => no(404, "page not found"),
        }
    }
}
