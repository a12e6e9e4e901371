//! Over HTTPS, by a client that we did not write: instant-acme.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, CertificateIdentifier, ChallengeType,
    Error, ExternalAccountKey, HttpClient, Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy,
    RevocationRequest,
};
use portward_certs::acme::{challenge_certificate, csr, new_private_key};
use portward_core::{Host, HostPattern, Timestamp, acme::KeyAlgorithm};
use portward_testkit::{Config, Endpoint, Fault, FaultCa, FaultCaServer, Validation};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs::sign::any_ecdsa_type,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Speaks HTTPS with the server and trusts its root alone; keeps the `Link` headers of the last answer.
struct Wire {
    address: SocketAddr,
    tls: TlsConnector,
    links: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    fn new(server: &FaultCaServer) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(server.root_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Self { address: server.address(), tls: TlsConnector::from(Arc::new(config)), links: Arc::default() }
    }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (address, tls, links) = (self.address, self.tls.clone(), Arc::clone(&self.links));
        Box::pin(async move {
            let other = |error: Box<dyn std::error::Error + Send + Sync>| Error::Other(error);
            let (mut head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            head.headers.insert("host", head.uri.authority().unwrap().as_str().parse().unwrap());
            head.uri = head.uri.path_and_query().unwrap().as_str().parse().unwrap();
            let stream = TcpStream::connect(address).await.map_err(|error| other(error.into()))?;
            let name = ServerName::try_from("localhost").unwrap();
            let stream = tls.connect(name, stream).await.map_err(|error| other(error.into()))?;
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
            let (mut sender, connection) = handshake.await.map_err(|error| other(error.into()))?;
            let connection = tokio::spawn(connection);
            let answer = sender.send_request(http::Request::from_parts(head, Full::new(body))).await;
            let (parts, body) = answer.map_err(|error| other(error.into()))?.into_parts();
            let body = body.collect().await.map_err(|error| other(error.into()))?.to_bytes();
            connection.abort();
            let given = parts.headers.get_all("link").iter().map(|link| link.to_str().unwrap().to_owned());
            *links.lock().unwrap() = given.collect();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

#[tokio::test]
async fn a_client_of_others_gets_a_certificate_by_challenges_that_are_really_looked_at() {
    let ca = ca();
    let (http, http_port) = listen().await;
    let (tls, tls_port) = listen().await;
    ca.configure(|config| {
        config.validation = Validation::Real { http_port, tls_port };
        config.eab = Some(("kid-1".to_owned(), vec![7; 32]));
        config.alternate_chain = true;
        config.issuance_polls = 2;
        config.poll_after = None;
        config.profiles.insert("short".to_owned(), 6 * DAY);
    });
    ca.fail_always(Endpoint::Authorization, Fault::UnknownChallengeTypes);
    ca.fail(Endpoint::NewOrder, Fault::BadNonce);
    let server = FaultCaServer::start(ca.clone()).await;
    let wire = Wire::new(&server);
    let links = Arc::clone(&wire.links);
    let account = register(&server, wire, Some(7)).await.unwrap().0;

    let identifiers =
        [Identifier::Dns("shop.test".to_owned()), Identifier::Dns("*.shop.test".to_owned()), ip("192.0.2.1")];
    let mut order = account.new_order(&NewOrder::new(&identifiers).profile("short")).await.unwrap();
    let mut serving = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.unwrap();
        let (name, is_wildcard) = {
            let shown = authorization.identifier();
            (shown.identifier.clone(), shown.wildcard)
        };
        let kind = match (&name, is_wildcard) {
            (Identifier::Ip(_), _) => ChallengeType::TlsAlpn01,
            (_, true) => ChallengeType::Dns01,
            _ => ChallengeType::Http01,
        };
        let persist = ChallengeType::Unknown("dns-persist-01".to_owned());
        assert!(authorization.challenges.iter().any(|one| one.r#type == persist));
        let mut challenge = authorization.challenge(kind.clone()).unwrap();
        let answer = challenge.key_authorization();
        match kind {
            ChallengeType::Http01 => serving.push(tokio::spawn(answer_http(http.clone(), answer.as_str().to_owned()))),
            ChallengeType::TlsAlpn01 => {
                let digest = answer.digest().as_ref().try_into().unwrap();
                serving.push(tokio::spawn(answer_tls(tls.clone(), "192.0.2.1", digest)));
            }
            _ => {}
        }
        challenge.set_ready().await.unwrap();
    }
    assert_eq!(order.poll_ready(&quick()).await.unwrap(), OrderStatus::Ready);
    for task in serving {
        task.await.unwrap();
    }
    let names = ["shop.test", "*.shop.test", "192.0.2.1"].map(|name| HostPattern::parse(name).unwrap());
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    order.finalize_csr(&csr(&names, &key).unwrap()).await.unwrap();
    let pem = order.poll_certificate(&quick()).await.unwrap();
    assert!(links.lock().unwrap().iter().any(|link| link.ends_with(";rel=\"alternate\"")), "{links:?}");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
    assert_eq!(chain.len(), 2);
    let facts = portward_certs::facts(&chain[0]).unwrap();
    assert_eq!(facts.validity.not_after, ca.now().plus(6 * DAY));
    assert!(names.iter().all(|name| facts.names.contains(name)), "{:?}", facts.names);

    let id = identifier_of(&chain[0]);
    let (told, wait) = account.renewal_info(&id).await.unwrap();
    assert!(told.suggested_window.start.unix_timestamp() > ca.now().plus(3 * DAY).unix());
    assert!(wait > Duration::from_secs(5 * 3600) && wait <= Duration::from_secs(6 * 3600), "{wait:?}");
    let replacing = NewOrder::new(&identifiers[..1]).replaces(id.clone());
    account.new_order(&replacing).await.unwrap();
    let again = account.new_order(&replacing).await.map(|_| ()).unwrap_err();
    assert!(again.to_string().contains("already has a replacement order"), "{again}");

    account.revoke(&RevocationRequest { certificate: &chain[0], reason: None }).await.unwrap();
    account.revoke(&RevocationRequest { certificate: &chain[0], reason: None }).await.unwrap_err();
    assert_eq!(ca.asked().iter().filter(|asked| asked.endpoint == Endpoint::NewOrder).count(), 4);
    assert_eq!(ca.retry_after_violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_challenge_without_its_answer_is_invalid_and_says_why() {
    let ca = ca();
    let (http, http_port) = listen().await;
    let (tls, tls_port) = listen().await;
    ca.configure(|config| {
        config.validation = Validation::Real { http_port, tls_port };
        config.poll_after = None;
    });
    let server = FaultCaServer::start(ca.clone()).await;
    let account = register(&server, Wire::new(&server), None).await.unwrap().0;
    let identifiers = [Identifier::Dns("shop.test".to_owned())];
    for (kind, word) in [(ChallengeType::Http01, "did not match"), (ChallengeType::TlsAlpn01, "is not the SHA-256")] {
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await.unwrap();
        let mut authorizations = order.authorizations();
        let mut authorization = authorizations.next().await.unwrap().unwrap();
        let serving = match kind {
            ChallengeType::Http01 => tokio::spawn(answer_http(http.clone(), "something.else".to_owned())),
            _ => tokio::spawn(answer_tls(tls.clone(), "shop.test", [0; 32])),
        };
        authorization.challenge(kind.clone()).unwrap().set_ready().await.unwrap();
        assert_eq!(order.poll_ready(&quick()).await.unwrap(), OrderStatus::Invalid);
        serving.await.unwrap();
        let mut authorizations = order.authorizations();
        let mut authorization = authorizations.next().await.unwrap().unwrap();
        let state = authorization.refresh().await.unwrap();
        assert_eq!(state.status, AuthorizationStatus::Invalid);
        let problem = state.challenges[0].error.clone().unwrap();
        assert!(problem.detail.as_deref().unwrap().contains(word), "{problem:?}");
    }
    assert_eq!(ca.failed_validations_in_any_hour("shop.test"), 2);
}

#[tokio::test]
async fn an_account_changes_its_key_and_an_external_binding_is_checked() {
    let ca = ca();
    ca.configure(|config| config.eab = Some(("kid-1".to_owned(), vec![7; 32])));
    let server = FaultCaServer::start(ca.clone()).await;
    for (key, word) in [(None, "externalAccountRequired"), (Some(8), "unauthorized")] {
        let error = register(&server, Wire::new(&server), key).await.map(|_| ()).unwrap_err();
        assert!(format!("{error:?}").contains(word), "{error:?}");
    }
    let (mut account, old) = register(&server, Wire::new(&server), Some(7)).await.unwrap();
    let _stored = account.update_key().await.unwrap();
    let identifiers = [Identifier::Dns("shop.test".to_owned())];
    account.new_order(&NewOrder::new(&identifiers)).await.unwrap();
    let builder = Account::builder_with_http(Box::new(Wire::new(&server)));
    let old = builder.from_credentials(old).await.unwrap();
    old.new_order(&NewOrder::new(&identifiers)).await.map(|_| ()).unwrap_err();
}

async fn register(server: &FaultCaServer, wire: Wire, eab: Option<u8>) -> Result<(Account, AccountCredentials), Error> {
    let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    let eab = eab.map(|byte| ExternalAccountKey::new("kid-1".to_owned(), &[byte; 32]));
    Account::builder_with_http(Box::new(wire)).create(&new, server.directory_url(), eab.as_ref()).await
}

/// Answers one request with the text.
async fn answer_http(listener: Arc<TcpListener>, text: String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("GET /.well-known/acme-challenge/"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nhost: shop.test\r\n"), "{head}");
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Shows one challenge certificate.
async fn answer_tls(listener: Arc<TcpListener>, name: &str, digest: [u8; 32]) {
    let made = challenge_certificate(&Host::parse(name).unwrap(), &digest).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.key_pkcs8.to_vec());
    let key = any_ecdsa_type(&key.into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    // Checking the certificate against the key would refuse its critical extension.
    let chosen = CertifiedKey::new(vec![CertificateDer::from(made.leaf)], key);
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(chosen)));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let (stream, _) = listener.accept().await.unwrap();
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
    let asked = stream.get_ref().1.server_name().unwrap();
    assert_eq!(asked, if name == "192.0.2.1" { "1.2.0.192.in-addr.arpa" } else { name });
}

fn identifier_of(leaf: &CertificateDer<'_>) -> CertificateIdentifier<'static> {
    use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};
    let (_, leaf) = X509Certificate::from_der(leaf).unwrap();
    let authority = leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref().map(|key| key.0.to_vec()),
        _ => None,
    });
    CertificateIdentifier::new(authority.unwrap().as_slice().into(), leaf.raw_serial().into()).into_owned()
}

async fn listen() -> (Arc<TcpListener>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (Arc::new(listener), port)
}

fn ca() -> FaultCa {
    // instant-acme goes by the machine's clock where it reads Retry-After; nothing else here depends on one.
    let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
    let ca = FaultCa::new(move || now);
    ca.configure(|config| *config = Config::default());
    ca
}

fn ip(text: &str) -> Identifier {
    Identifier::Ip(text.parse().unwrap())
}

fn quick() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(5)).timeout(Duration::from_secs(30))
}

const DAY: Duration = Duration::from_secs(24 * 3600);
