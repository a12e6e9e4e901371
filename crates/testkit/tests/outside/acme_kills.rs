//! `kill -9` at each stage of an order, and in the moments around each request to the CA: there is one order, and the
//! certificate is served in the end.

mod gate;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use gate::{Gate, Moment};
use portward_api::{
    Client, Effect,
    acme::{AttemptView, CertificateRenew, CertificateRequestCreate, OutcomeView, RenewalView},
};
use portward_core::{CertificateId, IssuerId, Timestamp, acme::Stage};
use portward_store::{sqlite::SqliteStore, work::OrderProgress};
use portward_testkit::{Pebble, Program, StartedProgram, eventually, free_port, handshake};
use tokio::runtime::Runtime;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What the log says right before something is stored or asked; beyond these the requests to the CA are the moments.
const LINES: [&str; 7] = [
    "asking pebble for",
    "the CA has the order",
    "control of",
    "the answers are served",
    "the CA is told to look",
    "the CA has seen",
    "issued: version",
];
/// The same after the last request.
const LAST: [&str; 3] = ["a handshake for", "the certificate is served", "a certificate was issued"];

/// How many servers are killed side by side.
const LANES: usize = 4;
/// How many certificates are ordered at once.
const SIDE_BY_SIDE: usize = 12;
/// How many requests to the CA there are in a renewal, and a few more.
const REQUESTS: usize = 12;
/// How often a server is killed in one renewal.
const KILLS: usize = 3;

#[test]
fn however_often_it_is_killed_there_is_one_order_and_the_certificate_is_served() {
    let run = |number| std::thread::spawn(move || Runtime::new().unwrap().block_on(Lane::run(number)));
    let mut killed = Killed::new();
    for lane in (0..LANES).map(run).collect::<Vec<_>>() {
        for (stage, count) in lane.join().unwrap() {
            *killed.entry(stage).or_default() += count;
        }
    }
    let all: usize = killed.values().sum();
    println!("killed {all} times: {killed:?}");
    assert!(all >= 100, "killed {all} times only: {killed:?}");
    for stage in [Stage::Planned, Stage::Ordered, Stage::Challenged, Stage::Ready, Stage::Finalizing, Stage::Issued] {
        assert!(killed.get(&Some(stage)).is_some_and(|count| *count >= 3), "{stage} is missing: {killed:?}");
    }
}

#[test]
fn a_server_that_is_killed_while_its_account_gets_a_new_key_goes_on_with_the_key_that_the_ca_knows() {
    let run = |moment| std::thread::spawn(move || Runtime::new().unwrap().block_on(roll_over_and_die(moment)));
    let killed: usize = Moment::ALL.map(run).into_iter().map(|lane| lane.join().unwrap()).sum();
    assert!(killed >= 3, "killed {killed} times only");
}

#[test]
fn certificates_that_are_ordered_side_by_side_have_one_order_each_whenever_it_is_killed() {
    Runtime::new().unwrap().block_on(async {
        let mut lane = Lane::start(0).await;
        let names = (0..SIDE_BY_SIDE).map(|number| format!("n{number}.test"));
        let ids = names.clone().map(|name| CertificateId::parse(&name.replace('.', "-")).unwrap()).collect::<Vec<_>>();
        let client = |lane: &Lane| Client::local(lane.server().data_directory());
        for name in names {
            client(&lane).request_certificate(&request(&name, "http-01"), Effect::Apply).await.unwrap();
        }
        for round in 1..=2 {
            for kill in 0..10 {
                tokio::time::sleep(Duration::from_millis(40 * kill % 170)).await;
                lane.server().kill();
                lane.server = lane.server.take().map(StartedProgram::start_again);
            }
            for id in &ids {
                let mut told = String::new();
                eventually("it is served, by one attempt each time", async || {
                    let attempts = client(&lane).list_certificate_attempts(id).await.unwrap();
                    assert!(attempts.len() <= round, "{attempts:?}");
                    // The output of a test that fails shows how far it came.
                    let now = format!("round {round}, {id}: {attempts:?}");
                    if now != told {
                        println!("{now}");
                        told = now;
                    }
                    let served = |attempt: &AttemptView| matches!(attempt.outcome, Some(OutcomeView::Served { .. }));
                    (attempts.len() == round && attempts.iter().all(served)).then_some(())
                })
                .await;
            }
            let log = lane.pebble.log();
            assert_eq!(lane.pebble.orders(), round * SIDE_BY_SIDE, "{log}");
            assert_eq!(log.matches("Issued certificate serial ").count(), round * SIDE_BY_SIDE, "{log}");
            if round == 1 {
                let renew = CertificateRenew { force: true, placed: false };
                for id in &ids {
                    client(&lane).renew_certificate(id, &renew).await.unwrap();
                }
            }
        }
    });
}

/// Rolls over and is killed at each request for it; gives how often it was.
async fn roll_over_and_die(moment: Moment) -> usize {
    let mut lane = Lane::start(0).await;
    lane.server().portward(&["certificate", "request", "shop.test", "--wait"]);
    let mut killed = 0;
    for number in 1..=2 {
        lane.gate.kill_at(number, moment, lane.server().killer());
        let client = Client::local(lane.server().data_directory());
        let _ = client.roll_over_account(&IssuerId::parse("pebble").unwrap()).await;
        if lane.gate.let_pass() {
            eventually("it is killed", async || lane.server().has_ended().then_some(())).await;
            killed += 1;
            lane.server = lane.server.take().map(StartedProgram::start_again);
        }
        let before = lane.shown().await;
        lane.server().portward(&["certificate", "renew", "shop-test", "--force", "--wait"]);
        assert_ne!(lane.shown().await, before, "request {number}, {moment:?}");
    }
    let log = lane.pebble.log();
    assert_eq!(lane.pebble.orders(), 3, "{log}");
    assert!(!log.contains("There are now 2 accounts"), "{log}");
    killed
}

/// Counts kills by the stage of the order that was stored then; none if there was none yet, or none any more.
type Killed = BTreeMap<Option<Stage>, usize>;

/// Is one server beside one Pebble, with one certificate that is renewed and renewed.
struct Lane {
    number: usize,
    pebble: Pebble,
    gate: Gate,
    /// Taken only between a kill and the next start.
    server: Option<StartedProgram>,
    id: CertificateId,
    killed: Killed,
}

/// Says where a lane kills first in a renewal.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Around that request to the CA, from when the renewal is asked for.
    Request(usize, Moment),
    /// When the log has that.
    Line(&'static str),
}

impl Lane {
    async fn run(number: usize) -> Killed {
        let mut lane = Self::start(number).await;
        for (renewal, place) in places(number).into_iter().enumerate() {
            lane.renew(renewal, place).await;
        }
        let log = lane.pebble.log();
        assert!(log.contains("There are now 1 accounts") && !log.contains("There are now 2 accounts"), "{log}");
        assert_eq!(log.matches("Issued certificate serial ").count(), lane.pebble.orders(), "{log}");
        lane.killed
    }

    async fn start(number: usize) -> Self {
        let (http, https) = (free_port(), free_port());
        let pebble = Pebble::options().http_port(http).tls_port(https).always_valid().start().await;
        let gate = Gate::start(pebble.address()).await;
        let server = Program::new_on(http, https).with_log("info,portward_server=debug").start();
        fs::write(server.files().join("ca.pem"), pebble.root_pem()).unwrap();
        let directory = format!("https://localhost:{}/dir", gate.port());
        let (http, https) = (http.to_string(), https.to_string());
        let words =
            ["acme", "issuer", "add", &directory, "--id", "pebble", "--directory-ca", "ca.pem", "--accept-terms"];
        server.portward(&[words.as_slice(), &["--http-port", &http, "--tls-port", &https]].concat());
        let id = CertificateId::parse("shop-test").unwrap();
        Self { number, pebble, gate, server: Some(server), id, killed: Killed::new() }
    }

    /// Renews once, and for the first time that is to have it issued, with a kill at a place and more of them around the first requests after each start.
    async fn renew(&mut self, renewal: usize, place: Place) {
        let context = format!("lane {}, renewal {renewal}, {place:?}", self.number);
        let before = self.shown().await;
        let (orders, attempt) = (self.pebble.orders(), self.newest_attempt().await);
        match place {
            Place::Request(number, moment) => self.gate.kill_at(number, moment, self.server().killer()),
            Place::Line(line) => self.server().kill_at_log(line),
        }
        let client = Client::local(self.server().data_directory());
        // It may be killed while it answers.
        if renewal == 0 {
            let challenge = if self.number.is_multiple_of(2) { "http-01" } else { "tls-alpn-01" };
            let _ = client.request_certificate(&request("shop.test", challenge), Effect::Apply).await;
        } else {
            let renew = CertificateRenew { force: true, placed: false };
            let _ = client.renew_certificate(&self.id, &renew).await;
        }
        let mut kills = 0;
        loop {
            let mut ended = false;
            eventually(&context, async || {
                ended = self.server().has_ended();
                (ended || self.is_done(attempt.as_deref()).await).then_some(())
            })
            .await;
            self.gate.let_pass();
            if !ended {
                break;
            }
            kills += 1;
            *self.killed.entry(self.stored_stage().await).or_default() += 1;
            if kills < KILLS {
                let number = 2 + kills + (self.number + renewal) % 4;
                self.gate.kill_when_told(number, Moment::ALL[(kills + renewal) % 3]);
            }
            self.server = self.server.take().map(StartedProgram::start_again);
            self.gate.tell(self.server().killer());
        }
        assert_eq!(self.pebble.orders(), orders + 1, "{context}: {}", self.pebble.log());
        let leaf = self.shown().await;
        assert_ne!(leaf, before, "{context}");
        assert_eq!(serial(&leaf), self.newest_serial(), "{context}");
        let renewal = Client::local(self.server().data_directory()).show_renewal(&self.id).await.unwrap();
        assert!(matches!(renewal.attempt.unwrap().outcome, Some(OutcomeView::Served { .. })), "{context}");
    }
}

impl Lane {
    fn server(&self) -> &StartedProgram {
        self.server.as_ref().unwrap()
    }

    /// Whether the newest attempt has ended, and is another one than that.
    async fn is_done(&self, before: Option<&str>) -> bool {
        let Ok(renewal) = Client::local(self.server().data_directory()).show_renewal(&self.id).await else {
            return false;
        };
        let RenewalView { attempt: Some(attempt), stage: None, .. } = renewal else { return false };
        attempt.outcome.is_some() && Some(attempt.id.as_str()) != before
    }

    /// The id of the newest attempt; none if there is none.
    async fn newest_attempt(&self) -> Option<String> {
        let renewal = Client::local(self.server().data_directory()).show_renewal(&self.id).await.ok()?;
        Some(renewal.attempt?.id)
    }

    /// The stage of the order in what is stored; none if there is no order. The process has been killed.
    async fn stored_stage(&self) -> Option<Stage> {
        // A copy, so that the next start finds the files as the kill left them.
        let copy = tempfile::tempdir().unwrap();
        for file in ["store.db", "store.db-wal"] {
            let _ = fs::copy(self.server().data_directory().join(file), copy.path().join(file));
        }
        let store = open(copy.path());
        OrderProgress::read(&store, &self.id).await.unwrap().map(|order| order.stage)
    }

    async fn shown(&self) -> Vec<u8> {
        handshake(self.server().https, "shop.test").await
    }

    /// The serial number of what the CA issued last.
    fn newest_serial(&self) -> String {
        let log = self.pebble.log();
        let mut issued = log.lines().filter_map(|line| line.split_once("Issued certificate serial "));
        issued.next_back().unwrap().1.split(' ').next().unwrap().trim_start_matches('0').to_owned()
    }
}

/// Where a lane kills first, one place for each time. All lanes together have each request with each moment.
fn places(lane: usize) -> Vec<Place> {
    let requests = (1..=REQUESTS).flat_map(|number| Moment::ALL.map(|moment| Place::Request(number, moment)));
    let own = requests.chain(LINES.map(Place::Line)).enumerate().filter(|(index, _)| index % LANES == lane);
    // The first time there is an account to be made, which is one of the first requests.
    let first = Place::Request(lane + 2, Moment::ALL[lane % 3]);
    [first].into_iter().chain(own.map(|(_, place)| place)).chain(LAST.map(Place::Line)).collect()
}

fn request(name: &str, challenge: &str) -> CertificateRequestCreate {
    CertificateRequestCreate {
        names: vec![name.to_owned()],
        challenge: Some(challenge.to_owned()),
        ..CertificateRequestCreate::default()
    }
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, Arc::new(|| Timestamp::EPOCH)).unwrap()
}

fn serial(leaf: &[u8]) -> String {
    X509Certificate::from_der(leaf)
        .unwrap()
        .1
        .raw_serial_as_string()
        .replace(':', "")
        .trim_start_matches('0')
        .to_owned()
}
