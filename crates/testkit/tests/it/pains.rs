//! Each pain that people have with ACME, with a whole server: what the API says of the attempt, or how it gets over it.
//!
//! The numbers are those of the list of pains that the diagnosis was written for.

mod calls;
mod challenges;
mod limits;
mod recoveries;
mod replacing;
mod requests;
mod settings;

use std::fmt::Write as _;

use portward_api::{
    Effect,
    acme::{AttemptView, CertificateRenew, CertificateRequestCreate, IssuerCreate, OutcomeView},
};
use portward_core::{CertificateId, Timestamp, acme::AcmeProblem};
use portward_testkit::{FaultCa, FaultCaServer, TestServer, Verdict, eventually, handshake, steady};

/// Is a server beside a CA that does what a test says, by the same clock.
struct House {
    server: TestServer,
    ca: FaultCa,
    web: FaultCaServer,
}

impl House {
    /// Starts both; the CA is the issuer `ca`, and finds every answer good.
    async fn start() -> Self {
        let server = TestServer::start_ticking().await;
        let ca = FaultCa::new(server.clock());
        let web = FaultCaServer::start(ca.clone()).await;
        let house = Self { server, ca, web };
        house.add_issuer(house.issuer("ca")).await;
        house
    }

    /// An issuer that is this CA.
    fn issuer(&self, id: &str) -> IssuerCreate {
        IssuerCreate {
            id: Some(id.to_owned()),
            directory: self.web.directory_url(),
            directory_ca: Some(self.web.root_pem()),
            accept_terms: true,
            http_port: Some(self.server.http.port()),
            tls_port: Some(self.server.https.port()),
            ..IssuerCreate::default()
        }
    }

    async fn add_issuer(&self, create: IssuerCreate) {
        self.server.client.add_issuer(&create, Effect::Apply).await.unwrap();
    }

    /// Asks for a certificate.
    async fn request(&self, create: CertificateRequestCreate) -> CertificateId {
        let requested = self.server.client.request_certificate(&create, Effect::Apply).await.unwrap();
        CertificateId::parse(&requested.certificate.id).unwrap()
    }

    /// The attempts of a certificate that have ended, newest first, once there are that many.
    async fn attempts(&self, id: &CertificateId, count: usize) -> Vec<AttemptView> {
        eventually("the attempts end", async || {
            let mut attempts = self.server.client.list_certificate_attempts(id).await.unwrap();
            attempts.retain(|attempt| attempt.outcome.is_some());
            (attempts.len() >= count).then_some(attempts)
        })
        .await
    }

    /// The page of the first attempt for `shop.test`.
    async fn first(&self) -> String {
        let id = self.request(for_names(&["shop.test"])).await;
        self.page(&self.attempts(&id, 1).await[0])
    }

    /// A certificate for `shop.test` that is served.
    async fn served(&self) -> CertificateId {
        let id = self.request(for_names(&["shop.test"])).await;
        let attempts = self.attempts(&id, 1).await;
        assert!(is_served(&attempts[0]), "{:?}", attempts[0]);
        id
    }

    /// Has a certificate looked at, as an operator does who asks for its renewal.
    async fn renew(&self, id: &CertificateId, force: bool) {
        self.server.client.renew_certificate(id, &CertificateRenew { force, placed: false }).await.unwrap();
    }

    /// Waits until something stands in the timeline of the newest attempt.
    async fn until(&self, id: &CertificateId, what: &str) -> AttemptView {
        eventually(what, async || {
            let attempts = self.server.client.list_certificate_attempts(id).await.unwrap();
            let newest = attempts.into_iter().next()?;
            newest.timeline.iter().any(|event| event.what.contains(what)).then_some(newest)
        })
        .await
    }

    /// What the API says of an attempt, without what changes from run to run.
    fn page(&self, attempt: &AttemptView) -> String {
        let mut page = format!("why: {}\nstage: {}\n", attempt.why, attempt.stage);
        for event in &attempt.timeline {
            writeln!(page, "- {}: {}", event.stage, event.what).unwrap();
        }
        match attempt.outcome.as_ref().unwrap() {
            OutcomeView::Served { .. } => page.push_str("served\n"),
            OutcomeView::Failed { code, cause, remedy, problem, .. } => {
                writeln!(page, "failed: {code}\ncause: {cause}\nremedy: {remedy}").unwrap();
                if let Some(problem) = problem {
                    writeln!(page, "the CA: {:?} {}: {}", problem.status, problem.kind, problem.detail).unwrap();
                    for one in &problem.subproblems {
                        writeln!(page, "the CA of {:?}: {}: {}", one.identifier, one.kind, one.detail).unwrap();
                    }
                }
            }
        }
        let [http, https] = [self.server.http, self.server.https].map(|address| address.port().to_string());
        let ca = self.web.address().port().to_string();
        steady(&page, &[(&http, "HTTP-PORT"), (&https, "HTTPS-PORT"), (&ca, "CA-PORT")])
    }

    /// Whether handshakes show what the CA issued last.
    async fn shows(&self, id: &CertificateId, name: &str) -> bool {
        let certificate = self.server.client.show_certificate(id).await.unwrap();
        let leaf = portward_core::Thumbprint::of(&handshake(self.server.https, name).await);
        leaf.to_string() == certificate.thumbprint
    }

    /// The time that the newest attempt has to wait for.
    async fn next_renewal(&self, id: &CertificateId) -> Timestamp {
        let renewal = self.server.client.show_renewal(id).await.unwrap();
        Timestamp::parse(&renewal.next_renewal.unwrap()).unwrap()
    }
}

fn for_names(names: &[&str]) -> CertificateRequestCreate {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateRequestCreate { names, ..CertificateRequestCreate::default() }
}

fn is_served(attempt: &AttemptView) -> bool {
    matches!(attempt.outcome, Some(OutcomeView::Served { .. }))
}

/// A problem of a CA.
fn problem(word: &str, status: u16, detail: &str) -> AcmeProblem {
    AcmeProblem {
        kind: format!("urn:ietf:params:acme:error:{word}"),
        detail: detail.to_owned(),
        status: Some(status),
        subproblems: Vec::new(),
    }
}

fn invalid(word: &str, status: u16, detail: &str) -> Verdict {
    Verdict::Invalid(problem(word, status, detail))
}
