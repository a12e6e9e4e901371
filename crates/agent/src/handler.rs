//! Does what a server asks on a link.

use std::sync::Arc;

use portward_core::Thumbprint;
use portward_link::{
    Handler, Identity, Progress,
    message::{Call, Fault, IdentityAcceptedReply, Reply, RotateReply},
};

use crate::{DirectoryError, HeldIdentity, health, install::Installer, shared::Shared, trust};

/// Is called on one link.
pub(crate) struct SessionHandler {
    shared: Arc<Shared>,
    /// Which server it is.
    server: String,
    /// What it showed.
    pin: Thumbprint,
}

/// Is a fault that may come of the files too.
struct Refused(Fault);

impl SessionHandler {
    pub(crate) fn new(shared: Arc<Shared>, server: String, pin: Thumbprint) -> Self {
        Self { shared, server, pin }
    }

    /// A link is cut when its server is not trusted any more; a call that came in between is not answered either.
    fn check(&self) -> Result<(), Fault> {
        match self.shared.state().configuration.by_pin(self.pin) {
            Some(server) if server.id == self.server => Ok(()),
            _ => Err(Fault::new("not-trusted", "this server is not trusted any more")),
        }
    }

    async fn installer(&self) -> Result<&Installer, Fault> {
        self.shared.installer().await.map_err(|error| Fault::new("files", error.to_string()))
    }

    async fn trust(&self, said: portward_link::message::Trust) -> Result<Reply, Fault> {
        let (server, pin) = (self.server.clone(), self.pin);
        let taken = self.shared.edit(move |draft| {
            trust::take(&mut draft.configuration, &server, pin, &said).map_err(Refused).map(|reply| (reply, said))
        });
        let (reply, said) = taken.await.map_err(|Refused(fault)| fault)?;
        tracing::info!(
            server.pins = said.pins.join(", "),
            trust.generation = said.mark.generation,
            trust.seq = said.mark.seq,
            "the server announced whom to trust"
        );
        Ok(Reply::Trust(reply))
    }

    async fn rotate(&self) -> Result<Reply, Fault> {
        let (name, now) = (self.shared.host_name.clone(), self.shared.now());
        let made = self.shared.edit(move |draft| {
            if draft.next.is_none() {
                let identity = Identity::new(&name, now).map_err(DirectoryError::from)?;
                draft.next = Some(HeldIdentity { identity, since: now });
            }
            let next = draft.next.as_ref().map(|next| next.identity.thumbprint());
            Ok::<_, Refused>(next.map(|next| next.to_string()).unwrap_or_default())
        });
        let thumbprint = made.await.map_err(|Refused(fault)| fault)?;
        tracing::info!(agent.next = thumbprint, "the server asked for a new identity; it is offered from now on");
        Ok(Reply::Rotate(RotateReply { thumbprint }))
    }

    async fn accepted(&self, thumbprint: String) -> Result<Reply, Fault> {
        let accepted = Thumbprint::parse(&thumbprint).map_err(|error| Fault::new("unreadable", error.to_string()))?;
        let server = self.server.clone();
        let taken = self.shared.edit(move |draft| {
            let is =
                |held: &Option<HeldIdentity>| held.as_ref().is_some_and(|held| held.identity.thumbprint() == accepted);
            if is(&draft.identity) {
                return Ok(());
            }
            if !is(&draft.next) {
                return Err(Refused(Fault::new(
                    "unknown-identity",
                    format!("this agent has no identity {accepted} that it offers"),
                )));
            }
            let mut servers = draft.configuration.trusted.iter_mut();
            if let Some(known) = servers.find(|known| known.id == server) {
                known.knows = Some(accepted);
            }
            Ok(())
        });
        taken.await.map_err(|Refused(fault)| fault)?;
        tracing::info!(agent.thumbprint = %accepted, "the server knows the new identity, which is shown from now on");
        Ok(Reply::IdentityAccepted(IdentityAcceptedReply {}))
    }
}

impl Handler for SessionHandler {
    async fn handle(&self, call: Call, progress: Progress) -> Result<Reply, Fault> {
        self.check()?;
        match call {
            Call::Health(asked) => Ok(Reply::Health(health::report(&self.shared, asked.look_at_served).await)),
            Call::Trust(said) => self.trust(said).await,
            Call::Rotate(_) => self.rotate().await,
            Call::IdentityAccepted(accepted) => self.accepted(accepted.thumbprint).await,
            Call::Deliver(deliver) => self.installer().await?.deliver(deliver, &progress).await.map(Reply::Deliver),
            Call::MakeRequest(call) => self.installer().await?.make_request(call).await.map(Reply::MakeRequest),
            Call::Withdraw(withdraw) => self.installer().await?.withdraw(withdraw).await.map(Reply::Withdraw),
        }
    }
}

impl From<DirectoryError> for Refused {
    fn from(error: DirectoryError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a server's call was not done");
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(Fault::new("files", message))
    }
}
