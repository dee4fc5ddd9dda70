mod waits;

use std::future::IntoFuture;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::api::act::Accepted;
use super::api::apply::ApplyRequest;
use super::client::{Client, ClientError};
use super::fake::{Fake, Served, serve};
use super::peer::{Admission, Door, Peer};
use super::{Applied, Connection, document};
use crate::model::view::{DatabaseView, Snapshot};
use crate::plan::render::sample;

async fn raw<S>(stream: S, request: Request<Full<Bytes>>) -> Response<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn request(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "test")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn on_socket(served: &Served, request: Request<Full<Bytes>>) -> Response<Bytes> {
    raw(UnixStream::connect(&served.socket).await.unwrap(), request).await
}

async fn on_tcp(served: &Served, path: &str) -> Response<Bytes> {
    let stream = TcpStream::connect(served.address).await.unwrap();
    raw(stream, request(Method::GET, path, "")).await
}

fn problem(response: &Response<Bytes>) -> Value {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["status"], response.status().as_u16());
    problem
}

fn two() -> Vec<DatabaseView> {
    vec![
        sample::ready("genomics", "Postgres", "17.5", 32011),
        sample::ready("mydb_admin", "Postgres", "17.5", 32009),
    ]
}

#[tokio::test]
async fn the_socket_shows_databases_and_takes_orders_under_the_callers_name() {
    let fake = Fake::new(two());
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    let snapshot: Snapshot = client.get("/snapshot").await.unwrap();
    assert_eq!(snapshot.databases, two());
    let one: DatabaseView = client.get("/databases/genomics").await.unwrap();
    assert_eq!(one.port, 32011);
    let accepted: Accepted = client
        .post(
            "/databases/genomics/override",
            &json!({"state": "Stopped", "until": "2026-11-22T22:00:00Z", "reason": "INC-812"}),
        )
        .await
        .unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let me = super::accounts::user_name(uid).await.unwrap();
    assert_eq!(
        accepted.message,
        format!("{me}({uid}) genomics Stopped until 2026-11-22T22:00:00+00:00: INC-812")
    );
    for verb in [
        "resume", "restart", "retry", "release", "to-rows", "delete", "forget", "undelete",
    ] {
        let path = format!("/databases/genomics/{verb}");
        let _: Accepted = client.post(&path, &json!({"reason": "x"})).await.unwrap();
        let last = fake.asked().pop().unwrap();
        assert_eq!(last, format!("{me}({uid}) {verb} genomics: x"));
    }
    let maintenance = json!({"on": true, "reason": "x"});
    let _: Accepted = client.post("/maintenance", &maintenance).await.unwrap();
    let last = fake.asked().pop().unwrap();
    assert_eq!(last, format!("{me}({uid}) hands off true: x"));
    let thaw = "/stores/offsite/thaw";
    let _: Accepted = client.post(thaw, &json!({"reason": "x"})).await.unwrap();
    let last = fake.asked().pop().unwrap();
    assert_eq!(last, format!("{me}({uid}) thaw offsite: x"));
}

#[tokio::test]
async fn an_unknown_database_is_404_and_a_bad_name_422() {
    let served = serve(&Fake::new(two())).await;
    let get = |path: &str| on_socket(&served, request(Method::GET, path, ""));
    let missing = get("/api/v1/databases/assays").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    let detail = problem(&missing)["detail"].to_string();
    assert!(
        detail.contains("`assays`") && detail.contains("db4sci get"),
        "{detail}"
    );
    let bad = get("/api/v1/databases/a%3Bid").await;
    assert_eq!(bad.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem(&bad)["detail"].to_string().contains("`a;id`"));
    for path in ["genomics/rename/Gen", "a%3Bid/rename/gen"] {
        let bad = get(&format!("/api/v1/databases/{path}")).await;
        assert_eq!(bad.status(), StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let detail = problem(&bad)["detail"].to_string();
        assert!(detail.contains("nothing was changed"), "{detail}");
    }
    let good = get("/api/v1/databases/genomics/rename/gen").await;
    assert_eq!(good.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_error_of_the_framework_is_problem_details() {
    let served = serve(&Fake::new(two())).await;
    let send = |r| on_socket(&served, r);
    let none = send(request(Method::GET, "/api/v1/nothing", "")).await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    problem(&none);
    let method = send(request(Method::DELETE, "/api/v1/databases/genomics", "")).await;
    assert_eq!(method.status(), StatusCode::METHOD_NOT_ALLOWED);
    problem(&method);
    assert_eq!(method.headers()["allow"], "GET,HEAD");
    let large = send(request(Method::POST, "/api/v1/apply", vec![b'x'; 3 << 20])).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    problem(&large);
    let media = send(request(
        Method::POST,
        "/api/v1/databases/genomics/retry",
        "{}",
    ))
    .await;
    assert_eq!(media.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    problem(&media);
    let query = send(request(Method::GET, "/api/v1/events?limit=many", "")).await;
    assert_eq!(query.status(), StatusCode::BAD_REQUEST);
    assert!(problem(&query)["detail"].to_string().contains("limit"));
}

#[tokio::test]
async fn tcp_has_health_and_metrics_and_nothing_else() {
    let fake = Fake::new(two());
    let served = serve(&fake).await;
    assert_eq!(on_tcp(&served, "/").await.status(), StatusCode::OK);
    assert_eq!(on_tcp(&served, "/healthz").await.status(), StatusCode::OK);
    let metrics = on_tcp(&served, "/metrics").await;
    assert!(
        metrics.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    for path in ["/api/v1/databases", "/api/v1/snapshot", "/x"] {
        let refused = on_tcp(&served, path).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{path}");
        problem(&refused);
    }
}

#[tokio::test]
async fn not_ready_says_what_is_missing() {
    let fake = Fake::new(two());
    let served = serve(&fake).await;
    assert_eq!(on_tcp(&served, "/readyz").await.status(), StatusCode::OK);
    fake.change(|snapshot| {
        snapshot.docker = Some("connection refused".to_owned());
        snapshot.first_pass_done = false;
        snapshot.databases.pop();
    });
    let answer = on_tcp(&served, "/readyz").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(
        body,
        json!({"ready": false, "reasons": [
            "Docker does not answer: connection refused",
            "the first pass over all databases is not done",
            "mydb_admin is not there",
        ]})
    );
}

#[tokio::test]
async fn one_bad_document_is_named_by_its_line_in_the_file_and_holds_up_no_other() {
    let fake = Fake::new(two());
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    let text = "genomics\n---\nassays\nbad\n";
    let documents = document::split("lab.yaml".as_ref(), text);
    let error = client
        .post::<_, Vec<Applied>>(
            "/apply",
            &ApplyRequest {
                documents,
                reason: String::new(),
            },
        )
        .await
        .unwrap_err();
    let ClientError::Problem(refused) = error else {
        panic!("{error}")
    };
    assert_eq!(refused.status, 422);
    assert_eq!(refused.detail, "1 of 2 refused; the others were accepted");
    assert_eq!(
        refused.problems[0].to_string(),
        "lab.yaml:4:3: spec.engine: `bad` is not an engine"
    );
    assert_eq!(refused.results.len(), 2);
    let yaml = on_socket(
        &served,
        request(
            Method::POST,
            "/api/v1/apply?dryRun=true&reason=INC-812",
            text,
        ),
    )
    .await;
    let asked = fake.asked().pop();
    assert!(asked.is_some_and(|asked| asked.contains("\"INC-812\"")));
    assert_eq!(yaml.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let none = on_socket(&served, request(Method::POST, "/api/v1/apply", "---\n")).await;
    assert!(problem(&none)["detail"].to_string().contains("no document"));
}

#[tokio::test]
async fn a_connection_carries_its_passfile_and_may_not_be_kept() {
    let served = serve(&Fake::new(two())).await;
    let path = "/api/v1/databases/genomics/connection?fromJob=true";
    let answer = on_socket(&served, request(Method::GET, path, "")).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let connection: Connection = serde_json::from_slice(answer.body()).unwrap();
    assert!(connection.passfile.expose().starts_with("127.0.0.1:5432:"));
    assert_eq!(
        connection.client_with("/tmp/p", "").env["PASSFILE"],
        "/tmp/p"
    );
    assert!(!format!("{connection:?}").contains(super::fake::PASSWORD));
}

#[tokio::test]
async fn somebody_else_on_this_host_is_refused_by_name() {
    let fake = Fake::new(two());
    let door = Door::new(Admission {
        daemon: 990,
        group: Some(77),
        group_name: "db4sci".to_owned(),
    });
    let peer = Peer {
        uid: Some(3_999_999_999),
        groups: vec![100],
    };
    let router = super::api::router(fake.clone(), door, CancellationToken::new())
        .layer(axum::Extension(axum::extract::ConnectInfo(peer)));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    for (method, path_of) in [
        (Method::GET, "/api/v1/snapshot"),
        (Method::GET, "/metrics"),
        (Method::POST, "/api/v1/databases/genomics/retry"),
        (Method::POST, "/api/v1/approve"),
        (Method::POST, "/api/v1/maintenance"),
        (Method::GET, "/nowhere"),
    ] {
        let stream = UnixStream::connect(&path).await.unwrap();
        let refused = raw(stream, request(method, path_of, "")).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path_of}");
        let detail = problem(&refused)["detail"].to_string();
        assert!(detail.contains("uid 3999999999"), "{detail}");
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn connections_that_ask_nothing_do_not_silence_health() {
    let fake = Fake::new(two());
    let served = serve(&fake).await;
    let mut silent = Vec::new();
    for _ in 0..super::serve::TCP_PLACES {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    // From here on time passes as soon as everybody waits.
    tokio::time::pause();
    let asked = on_tcp(&served, "/healthz");
    let answer = tokio::time::timeout(std::time::Duration::from_secs(60), asked).await;
    assert_eq!(
        answer.expect("no answer within a minute").status(),
        StatusCode::OK
    );
}
