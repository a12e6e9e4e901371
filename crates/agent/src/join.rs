//! Joining: a line from the server, and the agent is known there.

use std::path::{Path, PathBuf};

use portward_core::{AgentName, DialAddress, Thumbprint};
use portward_link::{EnrolAnswer, Enrolled, HttpProxy, Identity, JoinString, LinkError, dial, enrol, opening::Refusal};

use crate::{Clock, DataDirectory, DirectoryError, TrustedServer};

/// Says what came of joining.
#[derive(Clone, Debug)]
pub struct Joined {
    /// What the server calls this agent.
    pub name: String,
    /// Who this agent is.
    pub thumbprint: Thumbprint,
    /// Whom it trusts from now on; the one to expect is the first.
    pub pins: Vec<Thumbprint>,
    /// Where it dials.
    pub addresses: Vec<DialAddress>,
}

/// Says why an agent has not joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The server does not want it.
    #[error(
        "the server refuses: {}. This agent has the thumbprint {}; {}",
        .0.message.trim_end_matches('.'),
        .0.your_thumbprint,
        .0.remedy
    )]
    Refused(Box<Refusal>),
    /// No address was reached.
    #[error("the server was not reached: {}", .0.join("; "))]
    Unreached(Vec<String>),
    /// What the server said cannot be stored.
    #[error("the server answered something that makes no sense: {0}; update the older of the two programs")]
    Answer(String),
}

/// Shows a server the secret of a join string, and trusts it from then on.
///
/// What is stored counts at once for an agent that runs on the directory, when it is told.
pub async fn join(
    data_dir: &Path,
    join_string: &JoinString,
    name: Option<&AgentName>,
    host_name: &str,
    clock: &Clock,
) -> Result<Joined, JoinError> {
    let now = clock();
    let (path, host): (PathBuf, String) = (data_dir.to_owned(), host_name.to_owned());
    let prepared = blocking(move || {
        let directory = DataDirectory::open(&path)?;
        let (_, draft) = directory.edit(|draft| draft.identity_or_new(&host, now))?;
        Ok::<_, JoinError>((directory, draft))
    });
    let (directory, draft) = prepared.await?;
    let Some(identity) = draft.identity.map(|held| held.identity) else {
        return Err(JoinError::Answer("there is no identity".to_owned()));
    };
    // What the machine is called is a proposal; the join string counts more.
    let proposed = name.cloned().or_else(|| AgentName::parse(host_name).ok()).map(|name| name.to_string());
    let enrolled = ask(join_string, &identity, proposed, draft.configuration.proxy.as_ref()).await?;
    let server = understand(&enrolled, join_string, now)?;
    let joined = Joined {
        name: enrolled.name,
        thumbprint: identity.thumbprint(),
        pins: server.pins.clone(),
        addresses: server.addresses.clone(),
    };
    let stored = blocking(move || {
        let stored = directory.edit(|draft| {
            // Whoever joins again begins anew with that server.
            let is_same = |known: &TrustedServer| known.pins.iter().any(|pin| server.pins.contains(pin));
            draft.configuration.trusted.retain(|known| !is_same(known));
            draft.configuration.trusted.push(server);
            Ok::<_, JoinError>(())
        });
        stored.map(drop)
    });
    stored.await?;
    Ok(joined)
}

/// Asks at each address, expecting each pin, until somebody answers.
async fn ask(
    join_string: &JoinString,
    identity: &Identity,
    name: Option<String>,
    proxy: Option<&HttpProxy>,
) -> Result<Enrolled, JoinError> {
    let mut failures = Vec::new();
    for address in &join_string.addresses {
        for pin in &join_string.pins {
            let asked = async {
                let tcp = dial(address, proxy).await?;
                let (name, token) = (name.clone(), join_string.token.clone());
                enrol(tcp, identity, &[*pin], &join_string.secret, name, token).await
            };
            match asked.await {
                Ok(EnrolAnswer::Enrolled(enrolled)) => return Ok(enrolled),
                Ok(EnrolAnswer::Refused(refusal)) => return Err(JoinError::Refused(refusal)),
                Err(error @ LinkError::Mismatch(_)) => failures.push(format!("{address}: {error}")),
                Err(error) => {
                    failures.push(format!("{address}: {error}"));
                    break;
                }
            }
        }
    }
    Err(JoinError::Unreached(failures))
}

fn understand(
    enrolled: &Enrolled,
    join_string: &JoinString,
    now: portward_core::Timestamp,
) -> Result<TrustedServer, JoinError> {
    let answer = |error: &dyn std::fmt::Display| JoinError::Answer(error.to_string());
    let pins: Result<Vec<_>, _> = enrolled.pins.iter().map(|pin| Thumbprint::parse(pin)).collect();
    let addresses: Result<Vec<_>, _> = enrolled.addresses.iter().map(|text| DialAddress::parse(text, None)).collect();
    let pins = pins.map_err(|error| answer(&error))?;
    let addresses = addresses.map_err(|error| answer(&error))?;
    let Some(first) = pins.first() else {
        return Err(JoinError::Answer("it names no thumbprint".to_owned()));
    };
    let mut server = TrustedServer::new(*first, now);
    server.pins = pins;
    server.mark = enrolled.trust;
    server.addresses = if addresses.is_empty() { join_string.addresses.clone() } else { addresses };
    Ok(server)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JoinError> + Send + 'static,
) -> Result<T, JoinError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(JoinError::Answer(error.to_string())),
    }
}
