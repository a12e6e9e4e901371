//! Those beside Portward: HAProxy before a binding, nginx with TLS of its own behind a passage.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
};

use portward_testkit::{Child, Program, StartedProgram, Upstream, free_port, run};

use crate::bodies::wait_for;

/// The id of the binding of a scheme that a first start has made.
fn binding(server: &StartedProgram, scheme: &str) -> String {
    let list: serde_json::Value = serde_json::from_str(&server.portward(&["binding", "list", "-o", "json"])).unwrap();
    let found = list
        .as_array()
        .unwrap()
        .iter()
        .find(|binding| binding["url"].as_str().unwrap().starts_with(&format!("{scheme}://")));
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

/// Has HAProxy pass connections on to both bindings, with headers of that kind; gives its ports.
fn haproxy(server: &StartedProgram, sends: &str) -> (Child, u16, u16) {
    let (http, https) = (free_port(), free_port());
    let text = format!(
        "defaults\n mode tcp\n timeout connect 10s\n timeout client 20s\n timeout server 20s\n\
         listen plain\n bind 127.0.0.1:{http}\n server portward {} {sends}\n\
         listen secure\n bind 127.0.0.1:{https}\n server portward {} {sends}\n",
        server.http, server.https
    );
    let file = server.files().join(format!("haproxy-{sends}.cfg"));
    std::fs::write(&file, text).unwrap();
    let haproxy = Child::start(Command::new("/usr/sbin/haproxy").arg("-db").arg("-f").arg(&file));
    wait_for(http);
    wait_for(https);
    (haproxy, http, https)
}

/// What comes back from there, for `shop.test`, to a client at `127.0.0.9`.
fn curl(scheme: &str, port: u16) -> std::process::Output {
    Command::new("curl")
        .args(["-sS", "--insecure", "--max-time", "20", "--interface", "127.0.0.9"])
        .args(["--resolve", &format!("shop.test:{port}:127.0.0.1"), &format!("{scheme}://shop.test:{port}/")])
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy_the_client_is_who_it_says_and_nobody_comes_in_without_saying() {
    let server = Program::new().with_log("info,portward_proxy=debug").start();
    let app = Upstream::start("app").await;
    server.portward(&["site", "add", "shop.test", "--upstream", &app.url()]);
    for scheme in ["http", "https"] {
        let id = binding(&server, scheme);
        let edited = server.portward(&["binding", "edit", &id, "--accept-proxy-from", "127.0.0.0/8"]);
        assert!(edited.contains("127.0.0.0/8"), "{edited}");
    }
    for sends in ["send-proxy", "send-proxy-v2"] {
        let (_haproxy, http, https) = haproxy(&server, sends);
        for (scheme, port) in [("http", http), ("https", https)] {
            let answer = curl(scheme, port);
            let head = String::from_utf8_lossy(&answer.stdout).into_owned();
            assert!(head.contains("X-Forwarded-For: 127.0.0.9\r\n"), "{sends} {scheme}: {answer:?}");
            assert!(head.contains(&format!("X-Forwarded-Proto: {scheme}\r\n")), "{sends} {scheme}: {head}");
        }
    }
    for (scheme, port) in [("http", server.http.port()), ("https", server.https.port())] {
        let answer = curl(scheme, port);
        assert!(!answer.status.success() && answer.stdout.is_empty(), "{scheme}: {answer:?}");
    }
    // Who is not among them is a client like any other, and its header is none.
    for scheme in ["http", "https"] {
        server.portward(&["binding", "edit", &binding(&server, scheme), "--accept-proxy-from", "192.0.2.0/24"]);
    }
    let (_haproxy, http, https) = haproxy(&server, "send-proxy");
    let refused = curl("http", http);
    assert!(!String::from_utf8_lossy(&refused.stdout).contains("X-Forwarded-For"), "{refused:?}");
    assert!(!curl("https", https).status.success());
    let direct = curl("http", server.http.port());
    assert!(String::from_utf8_lossy(&direct.stdout).contains("X-Forwarded-For: 127.0.0.9\r\n"), "{direct:?}");
    let (_, log) = server.stop();
    assert!(log.contains("a proxy does not say who its client is: its connection is cut"), "{log}");
    assert!(log.contains("client.proxy=127.0.0.1:"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_trusts_a_proxy_that_speaks_http_believes_its_headers() {
    let server = Program::new().start();
    let app = Upstream::start("app").await;
    server.portward(&["site", "add", "shop.test", "--upstream", &app.url(), "--force-https", "all"]);
    let ask = || {
        let url = format!("http://shop.test:{}/", server.http.port());
        run(Command::new("curl").args(["-sS", "--max-time", "20", "-H", "X-Forwarded-For: 203.0.113.9"]).args([
            "-H",
            "X-Forwarded-Proto: https",
            "--resolve",
            &format!("shop.test:{}:127.0.0.1", server.http.port()),
            "--write-out",
            "%{http_code}",
            &url,
        ]))
    };
    assert!(ask().ends_with("308"), "a stranger is sent to https whatever it says");
    let shown = server.portward(&["settings", "edit", "--trusted-proxy", "127.0.0.1"]);
    assert!(shown.contains("trusted proxies") && shown.contains("127.0.0.1/32"), "{shown}");
    let answer = ask();
    assert!(answer.contains("X-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n"), "{answer}");
    assert!(answer.contains("X-Forwarded-Proto: https\r\n") && answer.ends_with("200"), "{answer}");
    server.portward(&["settings", "edit", "--trusted-proxy", "none"]);
    assert!(ask().ends_with("308"));
}

/// nginx with a certificate of its own for a name; gives its port and the file of the certificate.
fn nginx(server: &StartedProgram, name: &str) -> (Child, u16, PathBuf) {
    let (root, port) = (server.files(), free_port());
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-keyout", "own.key", "-out", "own.pem"])
        .current_dir(root));
    let text = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n\
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate own.pem; ssl_certificate_key own.key; return 200 'its own'; }} }}"
    );
    std::fs::write(root.join("nginx.conf"), text).unwrap();
    let nginx =
        Child::start(Command::new("/usr/sbin/nginx").arg("-p").arg(root).args(["-c", "nginx.conf", "-e", "stderr"]));
    wait_for(port);
    (nginx, port, root.join("own.pem"))
}

/// What openssl says of a handshake for a name, and of the certificate that it saw.
fn s_client(at: SocketAddr, name: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &at.to_string(), "-servername", name])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The first certificate in a text, as PEM.
fn pem(text: &str) -> String {
    let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("no certificate in {text}"));
    let end = text[begin..].find("-----END CERTIFICATE-----").unwrap();
    text[begin..begin + end].to_owned()
}

/// Passes what clients say on byte by byte, each in a segment of its own.
fn stutter(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(to).unwrap();
            server.set_nodelay(true).unwrap();
            let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let mut byte = [0];
                while from.read(&mut byte).is_ok_and(|read| read > 0) && into.write_all(&byte).is_ok() {}
                let _ = into.shutdown(std::net::Shutdown::Write);
            });
            std::thread::spawn(move || {
                let (mut server, mut client) = (server, client);
                let _ = std::io::copy(&mut server, &mut client);
            });
        }
    });
    at
}

#[test]
fn a_name_that_is_passed_through_shows_the_certificate_of_its_own_server() {
    let server = Program::new().start();
    let (_nginx, port, own) = nginx(&server, "polling.test");
    let own = pem(&std::fs::read_to_string(own).unwrap());
    let target = format!("127.0.0.1:{port}");
    let portwards = pem(&s_client(server.https, "polling.test"));
    assert_ne!(portwards, own);

    let https = binding(&server, "https");
    let edited = server.portward(&["binding", "edit", &https, "--to", &format!("polling.test={target}")]);
    assert!(edited.contains(&format!("polling.test={target}")), "{edited}");
    assert_eq!(pem(&s_client(server.https, "polling.test")), own);
    assert_eq!(pem(&s_client(stutter(server.https), "polling.test")), own);
    assert_eq!(pem(&s_client(server.https, "other.test")), portwards);
    let body = run(Command::new("curl")
        .args(["-sS", "--insecure", "--max-time", "20"])
        .args(["--resolve", &format!("polling.test:{}:127.0.0.1", server.https.port())])
        .arg(format!("https://polling.test:{}/", server.https.port())));
    assert_eq!(body, "its own");
    // It is served by nobody else, and nobody else takes it.
    let (code, said) = server.portward_fails(&["site", "add", "polling.test", "--upstream", "http://127.0.0.1:1"]);
    assert!(code != 0 && said.contains("passes polling.test through"), "{said}");
    // Nobody's DNS has the name, which is for explain to say as well.
    let explained = server.command(&["explain", &format!("polling.test:{}", server.https.port())]).output().unwrap();
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.contains(&format!("through to {target}")), "{explained}");

    let to = format!("polling.test={target}");
    let add = ["binding", "add", "tls-passthrough://127.0.0.1:0", "--to", &to, "-o", "json"];
    let added: serde_json::Value = serde_json::from_str(&server.portward(&add)).unwrap();
    assert_eq!(added["bound"], true, "{added}");
    let status: serde_json::Value = serde_json::from_str(&server.portward(&["status", "-o", "json"])).unwrap();
    let bound = status["bindings"].as_array().unwrap().iter().find(|binding| binding["id"] == added["id"]).unwrap();
    let at: SocketAddr = bound["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(pem(&s_client(at, "polling.test")), own);
    let refused = s_client(at, "other.test");
    assert!(refused.contains("unrecognized name") && !refused.contains("BEGIN CERTIFICATE"), "{refused}");

    // What is declared is what is there.
    server.portward(&["export", "--out", "declared"]);
    let again = server.portward(&["apply", "-f", "declared", "--dry-run"]);
    assert!(!again.contains("binding"), "{again}");
    server.portward(&["binding", "edit", &https, "--to", "none"]);
    assert_eq!(pem(&s_client(server.https, "polling.test")), portwards);
    server.portward(&["binding", "remove", added["id"].as_str().unwrap()]);
    assert!(TcpStream::connect(at).is_err());
}
