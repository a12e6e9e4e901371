//! The client against a server of a few lines, on real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::{Seek, Write},
    path::Path,
    sync::Mutex,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
};

use super::*;
use crate::{BACKUP_MEDIA_TYPE, CertificateFile, CertificateOutcome, ExportFormat, PROBLEM_JSON};

/// Is a request as the server saw it.
#[derive(Clone)]
struct Seen {
    asked: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Answers every request with the same, or with one after another, and remembers the requests.
struct OneAnswer {
    status: u16,
    bodies: Vec<Bytes>,
    seen: Mutex<Vec<Seen>>,
}

impl OneAnswer {
    fn new(status: u16, body: impl Into<Bytes>) -> Arc<Self> {
        Arc::new(Self { status, bodies: vec![body.into()], seen: Mutex::default() })
    }

    fn in_turn(bodies: &[Value]) -> Arc<Self> {
        let bodies = bodies.iter().map(|body| body.to_string().into()).collect();
        Arc::new(Self { status: 200, bodies, seen: Mutex::default() })
    }

    /// Listens in a data directory; the listener goes away with the runtime of the test.
    fn listen(self: &Arc<Self>, data_dir: &Path) -> Client {
        let listener = UnixListener::bind(data_dir.join("admin.sock")).unwrap();
        let server = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&server).serve(stream));
            }
        });
        Client::local(data_dir)
    }

    async fn serve(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|request: Request<Incoming>| async {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let asked = format!("{} {}", head.method, head.uri);
            let turn = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(Seen { asked, headers: head.headers, body });
                (seen.len() - 1).min(self.bodies.len() - 1)
            };
            let mut response = Response::new(Full::new(self.bodies[turn].clone()));
            *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
            Ok::<_, std::convert::Infallible>(response)
        });
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

fn certificate() -> Value {
    json!({
        "id": "c1", "name": "shop", "source": "imported", "managed": false, "names": ["shop.test"],
        "thumbprint": "00", "sha1": "00", "serial": "01", "issuer": "CN=CA", "subject": "CN=shop.test",
        "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z", "key_type": "RSA 2048",
        "chain": [], "version": 1, "status": "valid",
    })
}

fn taken() -> Value {
    json!({ "certificate": certificate(), "outcome": "created", "findings": [] })
}

fn site() -> Value {
    json!({
        "id": "s1", "names": ["shop.test"], "upstreams": ["http://127.0.0.1:3000"],
        "force_https": "off", "hsts": "off", "certificate": "auto",
    })
}

/// What a server answers: a list comes as its only page.
fn answered(answer: &Value) -> Value {
    if answer.is_array() { json!({ "items": answer, "next_cursor": null }) } else { answer.clone() }
}

/// Runs one operation against a server with that answer, and gives what the server was asked.
macro_rules! asked {
    ($answer:expr, |$client:ident| $operation:expr) => {{
        let directory = tempfile::tempdir().unwrap();
        let server = OneAnswer::new(200, answered(&$answer).to_string());
        let $client = server.listen(directory.path());
        $operation.await.unwrap();
        server.last().asked
    }};
}

mod acme;

#[tokio::test]
async fn every_operation_asks_at_its_route() {
    let (binding, site_id) = (BindingId::parse("b1").unwrap(), SiteId::parse("s1").unwrap());
    let id = CertificateId::parse("c1").unwrap();
    let (update, create) = (SiteUpdate::default(), SiteCreate::default());
    let self_signed = SelfSignedCreate { names: vec!["a.test".to_owned()], days: None };
    let rollback = CertificateRollback::default();
    let import =
        CertificateImport { files: Vec::new(), password: None, name: None, replace: None, allow_expired: false };
    let new_binding = BindingCreate { url: "http://127.0.0.1:80".to_owned(), ..BindingCreate::default() };
    let status = json!({
        "revision": 1, "version": "0", "ok": true, "bindings": [], "sites": 0, "certificates": [], "problems": [],
    });
    let bound = json!({ "id": "b1", "url": "http://127.0.0.1:80", "bound": true, "problem": null });
    let removed = json!({ "id": "b1", "warnings": [] });
    let settings = json!({ "force_https": "off", "warning_days": 30, "agent_identity_days": 365, "server_identity_days": 0, "agent_check_minutes": 10 });

    let routes = [
        (asked!(status, |client| client.status()), "GET /api/v1/status"),
        (asked!(json!([bound]), |client| client.list_bindings()), "GET /api/v1/bindings?limit=1000"),
        (asked!(bound, |client| client.show_binding(&binding)), "GET /api/v1/bindings/b1"),
        (asked!(bound, |client| client.add_binding(&new_binding)), "POST /api/v1/bindings"),
        (asked!(removed, |client| client.remove_binding(&binding)), "DELETE /api/v1/bindings/b1"),
        (asked!(json!([site()]), |client| client.list_sites()), "GET /api/v1/sites?limit=1000"),
        (asked!(site(), |client| client.show_site(&site_id)), "GET /api/v1/sites/s1"),
        (asked!(json!([]), |client| client.list_presets()), "GET /api/v1/presets?limit=1000"),
        (asked!(site(), |client| client.add_site(&create)), "POST /api/v1/sites"),
        (asked!(site(), |client| client.edit_site(&site_id, &update)), "PATCH /api/v1/sites/s1"),
        (asked!(removed, |client| client.remove_site(&site_id)), "DELETE /api/v1/sites/s1"),
        (asked!(json!([certificate()]), |client| client.list_certificates()), "GET /api/v1/certificates?limit=1000"),
        (asked!(certificate(), |client| client.show_certificate(&id)), "GET /api/v1/certificates/c1"),
        (
            asked!(json!([]), |client| client.list_certificate_versions(&id)),
            "GET /api/v1/certificates/c1/versions?limit=1000",
        ),
        (asked!(taken(), |client| client.import_certificate(&import, Effect::Apply)), "POST /api/v1/certificates"),
        (
            asked!(taken(), |client| client.import_certificate(&import, Effect::DryRun)),
            "POST /api/v1/certificates?dry_run=true",
        ),
        (
            asked!(taken(), |client| client.new_self_signed_certificate(&self_signed)),
            "POST /api/v1/certificates/self-signed",
        ),
        (
            asked!(taken(), |client| client.rollback_certificate(&id, &rollback)),
            "POST /api/v1/certificates/c1/rollback",
        ),
        (asked!(removed, |client| client.remove_certificate(&id)), "DELETE /api/v1/certificates/c1"),
        (asked!(settings, |client| client.show_settings()), "GET /api/v1/settings"),
        (asked!(settings, |client| client.edit_settings(&SettingsUpdate::default())), "PATCH /api/v1/settings"),
    ];
    for (asked, expected) in routes {
        assert_eq!(asked, expected);
    }
}

#[tokio::test]
async fn a_long_list_is_asked_for_page_by_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = [
        json!({ "items": [site()], "next_cursor": "shop one" }),
        json!({ "items": [site(), site()], "next_cursor": null }),
    ];
    let server = OneAnswer::in_turn(&pages);
    let sites = server.listen(directory.path()).list_sites().await.unwrap();
    assert_eq!(sites.len(), 3);
    let asked: Vec<String> = server.seen.lock().unwrap().iter().map(|seen| seen.asked.clone()).collect();
    assert_eq!(asked, ["GET /api/v1/sites?limit=1000", "GET /api/v1/sites?limit=1000&cursor=shop%20one"]);
}

#[tokio::test]
async fn what_is_sent_says_that_it_is_json_and_comes_whole() {
    let directory = tempfile::tempdir().unwrap();
    let server = OneAnswer::new(200, taken().to_string());
    let client = server.listen(directory.path());
    let import = CertificateImport {
        files: vec![CertificateFile { name: "shop.pfx".to_owned(), data: SecretBytes::new(b"bytes".to_vec()) }],
        password: Some(SecretText::new("secret".to_owned())),
        name: None,
        replace: Some("c1".to_owned()),
        allow_expired: true,
    };
    let taken = client.import_certificate(&import, Effect::Apply).await.unwrap();
    assert_eq!(taken.outcome, CertificateOutcome::Created);
    let seen = server.last();
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["host"], "localhost");
    assert!(!seen.headers.contains_key("authorization"));
    assert_eq!(
        serde_json::from_slice::<Value>(&seen.body).unwrap(),
        json!({
            "files": [{ "name": "shop.pfx", "data": "Ynl0ZXM=" }],
            "password": "secret", "replace": "c1", "allow_expired": true,
        })
    );
}

#[tokio::test]
async fn an_export_is_the_bytes_of_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let server = OneAnswer::new(200, &b"\x30\x82 not JSON"[..]);
    let client = server.listen(directory.path());
    let export = CertificateExport { format: ExportFormat::Pfx, password: Some(SecretText::new("secret".to_owned())) };
    let file = client.export_certificate(&CertificateId::parse("c1").unwrap(), &export).await.unwrap();
    assert_eq!(file.expose(), b"\x30\x82 not JSON");
    assert_eq!(server.last().asked, "POST /api/v1/certificates/c1/export");
}

#[tokio::test]
async fn a_backup_goes_out_and_comes_back_as_it_is() {
    let backup: Vec<u8> = (0..300_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    let directory = tempfile::tempdir().unwrap();
    let server = OneAnswer::new(200, backup.clone());
    let client = server.listen(directory.path());
    let mut kept = Vec::new();
    let keep = &mut |piece: &[u8]| {
        kept.extend_from_slice(piece);
        Ok(())
    };
    client.backup_store(keep).await.unwrap();
    assert!(kept == backup, "{} bytes came of {}", kept.len(), backup.len());
    assert_eq!(server.last().asked, "POST /api/v1/store/backup");

    let directory = tempfile::tempdir().unwrap();
    let server = OneAnswer::new(200, json!({ "revision": 7, "records": 3 }).to_string());
    let client = server.listen(directory.path());
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&backup).unwrap();
    file.rewind().unwrap();
    let restored = client.restore_store(file).await.unwrap();
    assert_eq!((restored.revision, restored.records), (7, 3));
    let seen = server.last();
    assert_eq!(seen.asked, "POST /api/v1/store/restore");
    assert_eq!(seen.headers["content-type"], BACKUP_MEDIA_TYPE);
    assert!(seen.body == backup, "{} bytes came of {}", seen.body.len(), backup.len());
}

#[tokio::test]
async fn a_piece_that_cannot_be_kept_ends_the_backup() {
    let directory = tempfile::tempdir().unwrap();
    let client = OneAnswer::new(200, "backup").listen(directory.path());
    let error = client.backup_store(&mut |_| Err(std::io::ErrorKind::StorageFull.into())).await.unwrap_err();
    assert!(matches!(error, ClientError::Keep { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_the_problem_that_the_server_wrote() {
    let problem = json!({
        "type": "urn:portward:problem:port-taken", "title": "Port taken", "status": 409,
        "detail": "Port 443 is taken by nginx (process 812). Nothing was saved.", "code": "port-taken",
    });
    let directory = tempfile::tempdir().unwrap();
    let client = OneAnswer::new(409, problem.to_string()).listen(directory.path());
    let error = client.status().await.unwrap_err();
    assert_eq!(error.to_string(), "Port 443 is taken by nginx (process 812). Nothing was saved.");
    let ClientError::Problem(problem) = error else { panic!("{error:?}") };
    assert_eq!((problem.status, problem.code.as_str()), (409, "port-taken"));
    assert_eq!(PROBLEM_JSON, "application/problem+json");
}

#[tokio::test]
async fn an_answer_of_something_else_is_told_as_such() {
    for (status, body) in [(200, "{}"), (200, "<html>"), (502, "<html>"), (404, ""), (302, "")] {
        let directory = tempfile::tempdir().unwrap();
        let client = OneAnswer::new(status, body).listen(directory.path());
        let error = client.status().await.unwrap_err();
        assert!(matches!(error, ClientError::Unknown { status: told, .. } if told == status), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn a_directory_without_a_server_is_told_with_the_command_that_starts_one() {
    let error = Client::local("/no-such-directory").status().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Portward does not run with the data directory /no-such-directory (there is no socket \
         /no-such-directory/admin.sock). Start it: portward serve --data-dir /no-such-directory. \
         Or name another: --data-dir or PORTWARD_DATA_DIR"
    );
}

#[tokio::test]
async fn a_socket_that_a_dead_server_left_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(directory.path().join("admin.sock")).unwrap());
    let error = Client::local(directory.path()).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Stale { .. }), "{error:?}");
}

#[test]
fn a_socket_of_another_user_is_told_with_who_may_use_it() {
    for (owner, remedy) in [("portward", "Run the command as portward or as root"), ("root", "Run the command as root")]
    {
        let error = ClientError::NotPermitted { socket: "/data/admin.sock".into(), owner: owner.to_owned() };
        let told = format!("you may not use /data/admin.sock, which belongs to {owner}. {remedy}");
        assert_eq!(error.to_string(), told);
    }
}

#[tokio::test]
async fn a_socket_below_a_long_path_is_reached() {
    let directory = tempfile::tempdir().unwrap();
    let short = directory.path().join("short");
    fs::create_dir(&short).unwrap();
    let server = OneAnswer::new(200, answered(&json!([])).to_string());
    server.listen(&short);
    let long = directory.path().join("d".repeat(120));
    fs::rename(&short, &long).unwrap();
    assert_eq!(Client::local(&long).list_sites().await.unwrap(), []);
    let error = Client::local(long.join("none")).list_sites().await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error:?}");
}

/// A server that reads the request, writes those bytes and closes, or keeps silent if there are none.
fn scripted(data_dir: &Path, answer: &'static [u8]) -> Client {
    let listener = UnixListener::bind(data_dir.join("admin.sock")).unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
            if answer.is_empty() {
                silent.push(stream);
            }
        }
    });
    Client::local(data_dir)
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_no_result() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[]"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"nonsense\r\n\r\n",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let error = scripted(directory.path(), answer).list_sites().await.unwrap_err();
        assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_silent_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let error = scripted(directory.path(), b"").list_sites().await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { limit: ANSWER_TIMEOUT, .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_goes_in_the_header_and_stays_out_of_debug() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = OneAnswer::new(200, answered(&json!([])).to_string());
    let serving = Arc::clone(&server);
    tokio::spawn(async move { serving.serve(listener.accept().await.unwrap().0).await });
    let client = Client::remote(&format!("http://{address}"), SecretText::new("ptw_marker".to_owned())).unwrap();
    assert_eq!(client.list_sites().await.unwrap(), []);
    assert_eq!(server.last().headers["authorization"], "Bearer ptw_marker");
    assert_eq!(server.last().headers["host"], address.to_string());
    assert!(!format!("{client:?}").contains("marker"));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::remote(&format!("https://{address}"), SecretText::new("ptw".to_owned())).unwrap();
    let error = client.status().await.unwrap_err();
    assert_eq!(error.to_string(), format!("https://{address} cannot be reached"));
}

#[test]
fn urls_are_read_as_people_write_them() {
    let remote =
        |url| Endpoint::remote(url, SecretText::new("ptw".to_owned()), None).map(|endpoint| endpoint.to_string());
    for (url, read) in [
        ("https://portward.test", "https://portward.test:443"),
        ("HTTPS://Portward.Test:8443/", "https://portward.test:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(remote(url).unwrap(), read);
    }
    for (url, refused) in [
        ("portward.test", RemoteUrlError::Scheme("portward.test".to_owned())),
        ("ftp://portward.test", RemoteUrlError::Scheme("ftp://portward.test".to_owned())),
        ("https://portward.test/api", RemoteUrlError::Path("https://portward.test/api".to_owned())),
        ("https://user@portward.test", RemoteUrlError::Path("https://user@portward.test".to_owned())),
        ("http://portward.test", RemoteUrlError::Clear("http://portward.test".to_owned())),
        ("http://10.0.0.1", RemoteUrlError::Clear("http://10.0.0.1".to_owned())),
    ] {
        assert_eq!(remote(url).unwrap_err(), refused);
    }
    assert!(matches!(remote("https://"), Err(RemoteUrlError::Address(_))));
    let with = |token: &str| Endpoint::remote("https://portward.test", SecretText::new(token.to_owned()), None);
    for token in ["", "two words", "line\r\nend", "käse"] {
        assert_eq!(with(token).unwrap_err(), RemoteUrlError::Token, "{token:?}");
    }
}
