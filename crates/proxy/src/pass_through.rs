//! Passing connections through: to the target of the name that a client asks for, as they are.
//!
//! Nothing is decrypted, and nothing of ours is said, unless nobody has the name: then the client gets the alert that says
//! so (`unrecognized_name`, RFC 6066 section 3), and no target hears of it.

use std::{io, time::Duration};

use portward_core::{BindingId, DialAddress, Host, HostName, HostPattern};
use rustls::AlertDescription;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    access_log::Logged,
    answer::Chain,
    client_hello::{FirstWords, look},
    count::HandshakeFailure,
    forward::Deadline,
    served::Client,
    snapshot::ServedBinding,
    stream::{Stream, buffer, read},
    upgrade::tunnel,
    upstream::dial_target,
};

/// Is a connection whose target is known, with what was read of it already.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) tcp: TcpStream,
    pub(crate) input: Vec<u8>,
    /// The name that the client asked for, if it is one.
    pub(crate) sni: Option<Host>,
    pub(crate) target: DialAddress,
}

/// Says why a connection is not passed through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    /// Nobody has the name; the client is to be told.
    #[error(
        "{} is passed through to nobody at the binding {binding}; say where to: portward binding edit {binding} --to HOST=ADDRESS:PORT",
        asked(.sni)
    )]
    NoTarget {
        /// The connection.
        tcp: TcpStream,
        /// The name that was asked for.
        sni: Option<Host>,
        /// The binding.
        binding: BindingId,
    },
    /// What came is no TLS, and only names are passed through.
    #[error("the client does not speak TLS, and the binding {0} passes nothing else through")]
    NoTls(BindingId),
    /// The client did not finish its first words.
    #[error("the client did not say in time which name it asks for")]
    TimedOut,
    /// The client is gone.
    #[error("the client closed the connection before it said which name it asks for")]
    Closed,
    /// The connection failed.
    #[error("the connection failed before it was known which name is asked for")]
    Io(#[source] io::Error),
}

impl PassError {
    /// As it is counted.
    pub(crate) fn failure(&self) -> HandshakeFailure {
        match self {
            Self::NoTarget { .. } => HandshakeFailure::NoTarget,
            Self::NoTls(_) => HandshakeFailure::Plain,
            Self::TimedOut => HandshakeFailure::TimedOut,
            Self::Closed | Self::Io(_) => HandshakeFailure::Closed,
        }
    }
}

fn asked(sni: &Option<Host>) -> String {
    sni.as_ref().map_or_else(|| "what asks for no name".to_owned(), ToString::to_string)
}

/// Finds the target of a connection at a binding that passes everything through, within `limit`.
pub(crate) async fn find_target(
    mut tcp: TcpStream,
    binding: &ServedBinding,
    limit: Duration,
) -> Result<Passed, PassError> {
    // Where one target has everything, it may be the one who speaks first.
    if let Some(target) = binding.passages.only_any() {
        return Ok(Passed { tcp, input: Vec::new(), sni: None, target: target.clone() });
    }
    let mut input = Vec::new();
    let end = Instant::now() + limit;
    let words = loop {
        let left = end.saturating_duration_since(Instant::now());
        let failed = match timeout(left, read(&mut tcp, &mut input)).await {
            Err(_) => PassError::TimedOut,
            Ok(Ok(0)) if input.is_empty() => PassError::Closed,
            // Half a hello and no more to come: for who has everything it is as good as any other bytes.
            Ok(Ok(0)) => break FirstWords::Other,
            Ok(Ok(_)) => match look(&input) {
                FirstWords::Partial => continue,
                words => break words,
            },
            Ok(Err(error)) => PassError::Io(error),
        };
        buffer::give(input);
        return Err(failed);
    };
    let asked = match &words {
        FirstWords::Hello { server_name } => Some(server_name.as_deref().and_then(host)),
        FirstWords::Partial | FirstWords::Other => None,
    };
    let target = match asked.as_ref().and_then(Option::as_ref) {
        Some(host) => binding.passages.find(host),
        None => binding.passages.at(&HostPattern::Any),
    };
    match (target, asked) {
        (Some(target), asked) => Ok(Passed { tcp, input, sni: asked.flatten(), target: target.clone() }),
        (None, asked) => {
            buffer::give(input);
            let binding = binding.id.clone();
            Err(match asked {
                Some(sni) => PassError::NoTarget { tcp, sni, binding },
                None => PassError::NoTls(binding),
            })
        }
    }
}

/// The target of a client of an https binding, if its name is passed through there.
pub(crate) fn target_of(input: &[u8], binding: &ServedBinding) -> Option<(Host, DialAddress)> {
    let FirstWords::Hello { server_name } = look(input) else { return None };
    let host = host(&server_name?)?;
    let target = binding.passages.find(&host)?.clone();
    Some((host, target))
}

fn host(name: &str) -> Option<Host> {
    HostName::parse(name).ok().map(Host::Name)
}

/// Connects to the target, and moves bytes both ways until both sides have ended.
pub(crate) async fn pass(passed: Passed, client: Client) {
    let Passed { tcp, input, sni, target } = passed;
    let limits = &client.served.limits;
    let name = sni.as_ref().map(tracing::field::display);
    let upstream = match dial_target(&target, limits.upstream_connect).await {
        Ok(upstream) => upstream,
        Err(error) => {
            buffer::give(input);
            client.worker.counts().passages_failed.up();
            tracing::warn!(
                client.peer = %client.peer,
                binding.id = %client.binding.id,
                sni = name,
                target.address = %target,
                cause = %Chain(&error),
                "a connection cannot be passed through"
            );
            return;
        }
    };
    client.worker.counts().passed.up();
    tracing::debug!(
        client.peer = %client.peer,
        binding.id = %client.binding.id,
        sni = name,
        target.address = %target,
        "a connection is passed through"
    );
    let mut deadline = Deadline::after(limits.body_idle);
    let mut downstream = Stream::plain(tcp);
    let (early, idle, log) = (Vec::new(), limits.body_idle, Logged::default());
    tunnel(&mut downstream, input, Stream::plain(upstream), early, idle, &mut deadline, log).await;
}

/// A record with the fatal alert for a name that nobody has (RFC 8446 sections 5.1 and 6), in the clear.
pub(crate) fn unrecognized_name() -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, u8::from(AlertDescription::UnrecognisedName)]
}
