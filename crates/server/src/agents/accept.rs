//! Taking those who dial: agents that poll, and those who want to join.

use std::{pin::pin, sync::Arc, time::Duration};

use portward_core::{AgentName, Thumbprint};
use portward_link::{
    Guest, LinkError, Wire,
    opening::{Hello, RefusalCode},
    tls::Purpose,
};
use portward_proxy::HandedOver;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, task::JoinSet, time::timeout};

use super::{Agents, identities::Identities};
use crate::tasks::Shutdown;

/// Takes agents until shutdown.
pub(crate) async fn run(agents: Arc<Agents>, shutdown: Shutdown) {
    let mut guests = JoinSet::new();
    loop {
        let handed = tokio::select! {
            handed = agents.parts.proxy.accept_agent() => handed,
            // A task that has ended keeps its memory until somebody looks, also when nobody comes any more.
            Some(_) = guests.join_next() => continue,
            () = shutdown.pulled() => break,
        };
        let Some(handed) = handed else { break };
        // As many as wait for a handshake, others are not taken: they wait in the queue, and then in their own.
        let Ok(permit) = Arc::clone(&agents.handshakes).acquire_owned().await else { break };
        let agents = Arc::clone(&agents);
        guests.spawn(async move {
            let peer = handed.peer;
            match agents.welcome_in_turn(handed, permit).await {
                Ok(guest) => agents.receive(guest).await,
                Err(error) => {
                    tracing::debug!(client.peer = %peer, stage = %error.stage(), %error, "somebody who says to be an agent");
                }
            }
        });
    }
}

impl Agents {
    /// Who is slow gives their place to the next one, as they cost no time of ours while they say nothing. When too many are
    /// slow, the others keep theirs.
    async fn welcome_in_turn(
        &self,
        handed: HandedOver,
        place: OwnedSemaphorePermit,
    ) -> Result<(Guest, Arc<Identities>), LinkError> {
        let mut welcoming = pin!(self.welcome(handed));
        if let Ok(welcomed) = timeout(PROMPT, &mut welcoming).await {
            return welcomed;
        }
        let slow = self.slow.try_acquire();
        let _kept = slow.is_err().then_some(place);
        welcoming.await
    }

    async fn welcome(&self, handed: HandedOver) -> Result<(Guest, Arc<Identities>), LinkError> {
        let HandedOver { tcp, unread, .. } = handed;
        let identities = self.identities().ok_or(LinkError::NoCertificate)?;
        let tcp = TcpStream::from_std(tcp).map_err(|error| LinkError::Tls(error.to_string()))?;
        // Calls are small, and each is waited for.
        let _ = tcp.set_nodelay(true);
        let mut guest = Guest::welcome(Wire::with_unread(tcp, unread), &identities.dialled).await?;
        if guest.purpose() == Purpose::Link {
            guest.hear().await?;
        }
        Ok((guest, identities))
    }

    async fn receive(self: &Arc<Self>, (guest, identities): (Guest, Arc<Identities>)) {
        match guest.purpose() {
            Purpose::Enrol => self.enrol(guest, &identities).await,
            Purpose::Link => match self.trusted(guest.shown().thumbprint) {
                Some(name) => self.let_in(name, guest).await,
                None => self.turn_away(guest).await,
            },
        }
    }

    async fn let_in(self: &Arc<Self>, name: AgentName, mut guest: Guest) {
        let (instance, newest) = match guest.hear().await {
            Ok(hello) => (hello.instance.clone(), hello.protocols.1),
            Err(_) => return,
        };
        if let Some((message, remedy)) = self.went_back(&name, newest).await {
            let refusal = guest.refusal(RefusalCode::Version, message, remedy);
            guest.refuse(refusal).await;
            return;
        }
        if let Some(other) = self.other_run(&name, &instance).await {
            let message = format!(
                "another program with this very identity is connected already, from {other}; this one looks like a copy of the machine"
            );
            let remedy = format!(
                "give one of the two an identity of its own: portward-agent new-certificate --now there, then portward agent trust on the server ({})",
                self.parts.host_name
            );
            tracing::warn!(agent.name = %name, "{message}");
            self.remember.copied(&name, guest.address(), self.now());
            let refusal = guest.refusal(RefusalCode::DuplicateIdentity, message, remedy);
            guest.refuse(refusal).await;
            return;
        }
        match guest.open(Hello::new(&self.instance), None).await {
            Ok(session) => self.take(name, session).await,
            Err(error) => tracing::debug!(agent.name = %name, %error, "an agent went away while it was greeted"),
        }
    }

    async fn turn_away(&self, guest: Guest) {
        let shown = guest.shown().clone();
        let former = self.roster.owner(shown.thumbprint).or_else(|| self.strangers.former(shown.thumbprint));
        self.strangers.came(&shown, guest.address(), former.as_ref(), self.now());
        self.changed.notify_one();
        let id = id_of(shown.thumbprint);
        let message = format!(
            "the server ({}) does not trust the thumbprint {} (SHA-1 {}) yet",
            self.parts.host_name, shown.thumbprint, shown.sha1
        );
        let remedy = format!("on the server: portward agent approve {id}");
        let mut refusal = guest.refusal(RefusalCode::UnknownPin, message, remedy);
        refusal.retry_after = Some(RETRY_UNKNOWN);
        guest.refuse(refusal).await;
    }
}

/// By what a stranger is named: the beginning of the thumbprint.
pub(crate) fn id_of(thumbprint: Thumbprint) -> String {
    let mut id = thumbprint.to_string();
    id.truncate(16);
    id
}

/// Longer than handshakes take of our own time, when as many as may be are done at a time.
const PROMPT: Duration = Duration::from_millis(100);
/// Seconds until somebody who is not trusted comes again: soon enough for who has just approved them.
const RETRY_UNKNOWN: u64 = 5;
