//! The curl lines of TeamCity's and Octopus's documentation, verbatim but for host and token.

use std::{net::SocketAddr, path::Path, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_api::{
    BindingCreate, Effect,
    acme::{IssuerCreate, LetsEncryptConfigure},
};
use portward_core::{BindingId, Scheme, Thumbprint, Timestamp};
use portward_testkit::{FaultCa, FaultCaServer, TestServer, eventually, free_port, handshake, run};
use serde_json::Value;

/// As TeamCity's page "Configuring HTTPS" shows it, the stray quote at its end left out.
const TEAMCITY: &str = "curl '<TeamCity_URL>/app/https/settings/uploadCertificate' -X POST -H 'Accept: application/json' -H 'Authorization: Bearer TOKEN' -F certificate=@PATH_CERT -F key=@PATH_KEY -F port=XXXX";

/// The body that scripts for Octopus send, as they write it.
const OCTOPUS: &str = r#"{"Id":null,"State":"Queued","Name":"ConfigureLetsEncrypt","Description":"Configure Let's Encrypt SSL Certificate","Arguments":{"DnsName":"front.test","RegistrationEmailAddress":"ops@front.test","AcceptLetsEncryptTermsOfService":true,"HttpsPort":HTTPS_PORT,"IPAddress":"0.0.0.0","Path":"/"},"Links":null}"#;

/// A server that somebody owns, beside files for curl.
struct House {
    server: TestServer,
    /// Its only https binding.
    https: SocketAddr,
    directory: tempfile::TempDir,
}

impl House {
    async fn start(server: TestServer) -> Self {
        server.own().await;
        // What openssl makes is valid from now on.
        let now: i64 = run(Command::new("date").arg("+%s")).trim().parse().unwrap();
        server.set_now(Timestamp::from_unix(now + 60).unwrap());
        // A port that is in the settings too, and not only where the system put it.
        let https = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let before = server.client.list_bindings().await.unwrap();
        let create = BindingCreate { url: format!("https://{https}"), ..BindingCreate::default() };
        server.client.add_binding(&create).await.unwrap();
        for binding in before.iter().filter(|binding| binding.url.starts_with("https://")) {
            server.client.remove_binding(&BindingId::parse(&binding.id).unwrap()).await.unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let leaf = BASE64_STANDARD.encode(handshake(https, "localhost").await);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----\n");
        std::fs::write(directory.path().join("authorities.pem"), pem).unwrap();
        Self { server, https, directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Runs a line in a shell; curl trusts the certificate of the first start.
    fn shell(&self, line: &str) -> String {
        run(Command::new("sh")
            .args(["-c", line])
            .current_dir(self.directory.path())
            .env("CURL_CA_BUNDLE", self.path("authorities.pem"))
            .env("NO_PROXY", "*"))
    }

    /// The answer of the TeamCity line, with its status.
    fn upload(&self, token: &str, certificate: &str, key: &str, port: &str) -> (u16, Value) {
        let line = TEAMCITY
            .replace("<TeamCity_URL>", &format!("https://localhost:{}", self.https.port()))
            .replace("TOKEN", token)
            .replace("PATH_CERT", certificate)
            .replace("PATH_KEY", key)
            .replace("XXXX", port);
        answer(&self.shell(&format!("{line} --silent --write-out '\n%{{http_code}}'")))
    }

    /// Asks at one of Octopus's doors.
    fn octopus(&self, token: &str, path: &str, more: &str) -> (u16, Value) {
        let url = format!("https://localhost:{}{path}", self.https.port());
        answer(&self.shell(&format!(
            "curl --silent --write-out '\n%{{http_code}}' -H 'X-Octopus-ApiKey: {token}' {more} '{url}'"
        )))
    }

    /// What must not change when something is refused.
    async fn state(&self) -> (u64, Vec<u8>, Vec<String>) {
        let status = self.server.client.status().await.unwrap();
        let bindings = status.bindings.iter().map(|binding| format!("{} {:?}", binding.url, binding.address));
        (status.revision, handshake(self.https, "localhost").await, bindings.collect())
    }
}

fn answer(text: &str) -> (u16, Value) {
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {body}")))
}

/// Makes a certificate of an authority that curl trusts, and its key, as openssl writes them.
fn certificate(directory: &Path, name: &str, key: &str) {
    let make = |line: &str| run(Command::new("sh").args(["-c", line]).current_dir(directory));
    if !directory.join("ca.pem").exists() {
        make("openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=ca 2>/dev/null");
        make("cat ca.pem >> authorities.pem");
    }
    make(&format!(
        "openssl req -x509 -CA ca.pem -CAkey ca.key -newkey {key} -nodes -keyout {name}.key -out {name}.pem -days 20 -subj /CN=front.test -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:front.test,DNS:localhost 2>/dev/null && cat ca.pem >> {name}.pem"
    ));
}

fn thumbprint(pem: &str) -> Thumbprint {
    let text: String = pem.lines().skip(1).take_while(|line| !line.starts_with("-----")).collect();
    Thumbprint::of(&BASE64_STANDARD.decode(text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_line_of_teamcity_replaces_certificate_and_port_of_the_portal() {
    let house = House::start(TestServer::start().await).await;
    let token = house.server.token(&["https-settings:change", "view"]).await;
    let directory = house.directory.path();
    certificate(directory, "rsa", "rsa:2048");
    run(Command::new("openssl")
        .args(["rsa", "-traditional", "-in", "rsa.key", "-out", "pkcs1.key"])
        .current_dir(directory));
    certificate(directory, "ec", "ec -pkeyopt ec_paramgen_curve:prime256v1");

    // The port that there is: the certificate is another one on the next handshake. PKCS #8, PKCS #1, and ECDSA.
    let port = house.https.port().to_string();
    for (name, key) in [("rsa", "rsa.key"), ("ec", "ec.key"), ("rsa", "pkcs1.key")] {
        let (status, answer) = house.upload(&token, &format!("./{name}.pem"), &format!("./{key}"), &port);
        assert_eq!(status, 200, "{key}: {answer}");
        let expected = thumbprint(&std::fs::read_to_string(directory.join(format!("{name}.pem"))).unwrap());
        assert_eq!(Thumbprint::of(&handshake(house.https, "front.test").await), expected, "{key}");
        assert_eq!(
            (answer["sha256"].as_str(), answer["port"].as_u64()),
            (Some(expected.to_string().as_str()), port.parse().ok())
        );
    }

    // Another port: it serves, and the one before goes.
    let other = free_port();
    let (status, answer) = house.upload(&token, "./ec.pem", "./ec.key", &other.to_string());
    assert_eq!((status, answer["port"].as_u64()), (200, Some(u64::from(other))), "{answer}");
    let at = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let expected = thumbprint(&std::fs::read_to_string(directory.join("ec.pem")).unwrap());
    assert_eq!(Thumbprint::of(&handshake(at(other), "front.test").await), expected);
    eventually("the port before is closed", async || std::net::TcpStream::connect(house.https).is_err().then_some(()))
        .await;
    let bindings = house.server.client.list_bindings().await.unwrap();
    assert_eq!(bindings.iter().filter(|binding| binding.url.starts_with(Scheme::Https.as_str())).count(), 1);
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_teamcity_would_refuse_changes_nothing() {
    let house = House::start(TestServer::start().await).await;
    let token = house.server.token(&["https-settings:change"]).await;
    let viewer = house.server.token(&["view", "certificate:change", "binding:change"]).await;
    let directory = house.directory.path();
    certificate(directory, "good", "rsa:2048");
    certificate(directory, "other", "rsa:2048");
    run(Command::new("openssl")
        .args(["pkcs8", "-topk8", "-in", "good.key", "-out", "locked.key", "-passout", "pass:secret"])
        .current_dir(directory));
    std::fs::write(directory.join("empty"), "").unwrap();
    std::fs::write(directory.join("text"), "no certificate").unwrap();
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let http = house.server.http.port().to_string();
    let port = house.https.port().to_string();
    let before = house.state().await;
    for (token, certificate, key, port, status, part) in [
        (&token, "good.pem", "other.key", port.as_str(), 422, "key"),
        (&token, "good.pem", "locked.key", &port, 422, "password"),
        (&token, "good.pem", "good.pem", &port, 422, "key"),
        (&token, "text", "good.key", &port, 422, ""),
        (&token, "empty", "good.key", &port, 422, "empty"),
        (&token, "good.pem", "good.key", "0", 422, "\"0\" is no port"),
        (&token, "good.pem", "good.key", "70000", 422, "\"70000\" is no port"),
        (&token, "good.pem", "good.key", "https", 422, "\"https\" is no port"),
        (&token, "good.pem", "good.key", "", 422, "is no port"),
        (&token, "good.pem", "good.key", &taken, 422, "taken"),
        (&token, "good.pem", "good.key", &http, 422, ""),
        (&viewer, "good.pem", "good.key", &port, 403, "https-settings:change"),
        (&"ptw_nobody".to_owned(), "good.pem", "good.key", &port, 401, "token"),
    ] {
        let (answered, answer) = house.upload(token, certificate, key, port);
        assert_eq!(answered, status, "{certificate} {key} {port}: {answer}");
        let message = answer["errorMessage"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(message.contains(part), "{certificate} {key} {port}: {message}");
        assert_eq!(house.state().await, before, "{certificate} {key} {port}: {message}");
    }
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_octopus_configure_lets_encrypt_and_disable_it() {
    let server = TestServer::start_ticking().await;
    let ca = FaultCa::new(server.clock());
    let web = FaultCaServer::start(ca.clone()).await;
    let issuer = IssuerCreate {
        resolvers: vec!["127.0.0.1:1".to_owned()],
        id: Some("ca".to_owned()),
        directory: web.directory_url(),
        directory_ca: Some(web.root_pem()),
        accept_terms: true,
        http_port: Some(server.http.port()),
        tls_port: Some(server.https.port()),
        ..IssuerCreate::default()
    };
    server.client.add_issuer(&issuer, Effect::Apply).await.unwrap();
    // The CA that was configured before is gone on with; without one it would be Let's Encrypt itself.
    let configure = LetsEncryptConfigure {
        dns_name: "before.test".to_owned(),
        directory: Some(web.directory_url()),
        accept_terms: true,
        ..LetsEncryptConfigure::default()
    };
    server.client.configure_lets_encrypt(&configure, Effect::Apply).await.unwrap();

    let house = House::start(server).await;
    let token = house.server.token(&["view", "certificate:change"]).await;
    let viewer = house.server.token(&["view"]).await;
    let body = OCTOPUS.replace("HTTPS_PORT", &house.https.port().to_string());
    std::fs::write(house.directory.path().join("task.json"), &body).unwrap();
    let post = "-X POST --data @task.json";
    // Revisions come and go, as the order of before.test fails meanwhile.
    let (_, leaf, bindings) = house.state().await;
    assert_eq!(house.octopus(&viewer, "/api/tasks", post).0, 403);
    assert_eq!(house.octopus("API-NOBODY", "/api/tasks", post).0, 401);
    let (_, leaf_after, bindings_after) = house.state().await;
    assert_eq!((leaf_after, bindings_after), (leaf, bindings));

    // As PowerShell sends it, the body is called a form.
    let (status, task) = house.octopus(&token, "/api/tasks", post);
    assert_eq!((status, task["State"].as_str()), (201, Some("Queued")), "{task}");
    let path = format!("/api/tasks/{}", task["Id"].as_str().unwrap());
    let details = eventually("the task ends", async || {
        let (_, details) = house.octopus(&viewer, &format!("{path}/details"), "");
        details["Task"]["IsCompleted"].as_bool().unwrap().then_some(details)
    })
    .await;
    assert_eq!(details["Task"]["State"], "Success", "{details}");
    assert_eq!(details["Task"]["FinishedSuccessfully"], true);
    assert!(!details["ActivityLogs"][0]["LogElements"].as_array().unwrap().is_empty(), "{details}");
    assert_eq!(house.octopus(&viewer, &path, "").1["State"], "Success");

    let (status, configuration) = house.octopus(&viewer, "/api/letsencryptconfiguration", "");
    assert_eq!(status, 200);
    assert_eq!(
        (configuration["Enabled"].as_bool(), configuration["DnsName"].as_str()),
        (Some(true), Some("front.test"))
    );
    assert_eq!(configuration["HttpsPort"].as_u64(), Some(u64::from(house.https.port())));
    let leaf = handshake(house.https, "front.test").await;
    let certificates = house.server.client.list_certificates().await.unwrap();
    let served = certificates.iter().find(|view| view.thumbprint == Thumbprint::of(&leaf).to_string()).unwrap();
    assert_eq!(configuration["CertificateThumbprint"].as_str().unwrap(), served.sha1);

    let disable = "-X PUT -H 'Content-Type: application/json' --data '{\"Enabled\": false}'";
    assert_eq!(house.octopus(&viewer, "/api/letsencryptconfiguration", disable).0, 403);
    let (status, configuration) = house.octopus(&token, "/api/letsencryptconfiguration", disable);
    assert_eq!((status, configuration["Enabled"].as_bool()), (200, Some(false)), "{configuration}");
    assert_eq!(handshake(house.https, "front.test").await, leaf, "what is served stays until it expires");
    house.server.stop().await;
}
