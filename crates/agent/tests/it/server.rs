//! A server of agents, made of what the link has.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use portward_core::{DialAddress, Thumbprint};
use portward_link::{
    Caller, EnrolAnswer, Enrolled, Guest, Identity, Instance, JoinSecret, JoinString, Peer, Session, Wire,
    message::{Health, HealthReport, Trust, method},
    opening::{Hello, RefusalCode, TrustMark},
    tls::{Dialled, Purpose},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};

/// Is dialled by agents.
pub(crate) struct Server {
    pub(crate) address: DialAddress,
    desk: Arc<Desk>,
    links: mpsc::UnboundedReceiver<Linked>,
    accepting: JoinHandle<()>,
}

/// Is what a server goes by.
struct Desk {
    address: SocketAddr,
    shown: Mutex<(Identity, Vec<Identity>)>,
    trusted: Mutex<Vec<Thumbprint>>,
    /// Counts once.
    secret: Mutex<Option<JoinSecret>>,
    retry_after: Mutex<Option<u64>>,
    refused: Mutex<Vec<Instant>>,
    instance: Instance,
}

/// Is a link with an agent.
pub(crate) struct Linked {
    pub(crate) caller: Caller,
    pub(crate) run: JoinHandle<String>,
}

impl Server {
    pub(crate) async fn start(identity: &Identity) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, links) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            address,
            shown: Mutex::new((identity.clone(), Vec::new())),
            trusted: Mutex::default(),
            secret: Mutex::default(),
            retry_after: Mutex::default(),
            refused: Mutex::default(),
            instance: Instance::new(),
        });
        let accepting = {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    tokio::spawn(receive(Arc::clone(&desk), tcp, sender.clone()));
                }
            })
        };
        let address = DialAddress::parse(&address.to_string(), None).unwrap();
        Self { address, desk, links, accepting }
    }

    /// Shows `identity`, or one of `others` to who expects it.
    pub(crate) fn show(&self, identity: &Identity, others: &[Identity]) {
        *self.desk.shown.lock().unwrap() = (identity.clone(), others.to_vec());
    }

    pub(crate) fn trust(&self, pins: &[Thumbprint]) {
        *self.desk.trusted.lock().unwrap() = pins.to_vec();
    }

    pub(crate) fn retry_after(&self, seconds: u64) {
        *self.desk.retry_after.lock().unwrap() = Some(seconds);
    }

    pub(crate) fn refused(&self) -> Vec<Instant> {
        self.desk.refused.lock().unwrap().clone()
    }

    /// Makes a line with which one agent can join.
    pub(crate) fn join_string(&self) -> String {
        let secret = JoinSecret::new().unwrap();
        *self.desk.secret.lock().unwrap() = Some(secret.clone());
        let pins = vec![self.desk.shown.lock().unwrap().0.thumbprint()];
        let join_string = JoinString { addresses: vec![self.address.clone()], pins, token: "0a1b".to_owned(), secret };
        join_string.expose().to_string()
    }

    /// The next link that an agent makes.
    pub(crate) async fn next(&mut self) -> Linked {
        timeout(PATIENCE, self.links.recv()).await.expect("no agent came").unwrap()
    }

    /// Whether no agent makes another link for a while.
    pub(crate) async fn is_left_alone(&mut self, span: Duration) -> bool {
        timeout(span, self.links.recv()).await.is_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn receive(desk: Arc<Desk>, tcp: TcpStream, links: mpsc::UnboundedSender<Linked>) {
    let (identity, others) = desk.shown.lock().unwrap().clone();
    let dialled = Dialled::new(&identity, &others, &[Purpose::Link, Purpose::Enrol]).unwrap();
    let Ok(mut guest) = Guest::welcome(Wire::new(tcp), &dialled).await else { return };
    let pin = guest.shown().thumbprint;
    if guest.purpose() == Purpose::Enrol {
        let (enrol, proof) = guest.read_enrol().await.unwrap();
        let secret = desk.secret.lock().unwrap().take_if(|secret| proof.is(&enrol.proof, secret));
        if secret.is_none() {
            let refusal = guest.refusal(
                RefusalCode::JoinString,
                "the join string was used already".to_owned(),
                "make another one: portward agent add NAME".to_owned(),
            );
            return guest.refuse(refusal).await;
        }
        desk.trusted.lock().unwrap().push(pin);
        let answer = EnrolAnswer::Enrolled(Enrolled {
            name: enrol.name.unwrap_or_else(|| "nameless".to_owned()),
            addresses: vec![desk.address.to_string()],
            pins: vec![identity.thumbprint().to_string()],
            trust: TrustMark { generation: 1, seq: 1 },
        });
        return guest.answer_enrol(&answer).await.unwrap();
    }
    if !desk.trusted.lock().unwrap().contains(&pin) {
        desk.refused.lock().unwrap().push(Instant::now());
        let mut refusal = guest.refusal(
            RefusalCode::UnknownPin,
            "this agent is not known".to_owned(),
            format!("on the server: portward agent trust NAME --thumbprint={pin}"),
        );
        refusal.retry_after = *desk.retry_after.lock().unwrap();
        return guest.refuse(refusal).await;
    }
    if let Ok(session) = guest.open(Hello::new(&desk.instance), None).await {
        let _ = links.send(Linked::begin(session).await);
    }
}

impl Linked {
    async fn begin(session: Session) -> Self {
        let (caller, run) = Caller::begin(session).await.unwrap();
        Self { caller, run: tokio::spawn(run) }
    }

    /// Dials an agent that listens.
    pub(crate) async fn dial(
        address: &str,
        identity: &Identity,
        agent: Thumbprint,
    ) -> Result<Self, portward_link::LinkError> {
        let address = DialAddress::parse(address, None).unwrap();
        let tcp = portward_link::dial(&address, None).await?;
        let session = Session::dial(tcp, identity, &[agent], Hello::new(&Instance::new()), None).await?;
        Ok(Self::begin(session).await)
    }

    pub(crate) fn peer(&self) -> &Peer {
        self.caller.peer()
    }

    pub(crate) async fn health(&self) -> HealthReport {
        self.caller.call::<method::Health>(&Health::default(), PATIENCE).await.unwrap()
    }

    /// Announces whom to trust; gives the code of the fault if it is refused.
    pub(crate) async fn announce(&self, seq: u64, pins: &[Thumbprint]) -> Result<TrustMark, String> {
        self.announce_at(seq, pins, &[]).await
    }

    pub(crate) async fn announce_at(
        &self,
        seq: u64,
        pins: &[Thumbprint],
        addresses: &[&DialAddress],
    ) -> Result<TrustMark, String> {
        let trust = Trust {
            mark: TrustMark { generation: 1, seq },
            pins: pins.iter().map(ToString::to_string).collect(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        };
        match self.caller.call::<method::Trust>(&trust, PATIENCE).await {
            Ok(reply) => Ok(reply.mark),
            Err(portward_link::CallError::Fault(fault)) => Err(fault.code),
            Err(other) => panic!("{other}"),
        }
    }

    /// Waits until the link has ended.
    pub(crate) async fn ended(self, within: Duration) -> String {
        timeout(within, self.run).await.expect("the link is still up").unwrap()
    }

    /// Waits until the agent has ended the link; what was on its way to it may find it gone.
    pub(crate) async fn closed_by_agent(self) {
        let reason = self.ended(PATIENCE).await;
        assert!(reason == "the agent closed it" || reason.starts_with("the connection was cut"), "{reason}");
    }

    pub(crate) fn is_up(&self) -> bool {
        !self.run.is_finished()
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
