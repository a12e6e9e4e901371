//! How an agent is, for people and programs on its machine.

use serde::{Deserialize, Serialize};

use crate::{DataDirectory, Draft, TrustedServer, shared::Shared};

/// Describes an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusView {
    /// Whether it runs.
    pub running: bool,
    /// Its version.
    pub version: String,
    /// Where it keeps what counts.
    pub data_dir: String,
    /// SHA-256 of what it shows; none before the first start.
    pub thumbprint: Option<String>,
    /// For look-up in old tools.
    pub sha1: Option<String>,
    /// SHA-256 of what it will show.
    pub next: Option<String>,
    /// Where it is dialled.
    pub listen: ListenView,
    /// Whom it trusts.
    pub servers: Vec<ServerView>,
}

/// Says where an agent listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListenView {
    /// Whether it is to listen.
    pub on: bool,
    /// Where it does.
    pub address: Option<String>,
    /// Why it does not.
    pub problem: Option<String>,
}

/// Describes a server that is trusted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerView {
    /// The thumbprints that it may show; the expected one first.
    pub pins: Vec<String>,
    /// The state of trust that it announced last.
    pub trust: TrustMarkView,
    /// Since when it is trusted.
    pub since: String,
    /// Where it is dialled; nowhere if it dials.
    pub addresses: Vec<String>,
    /// The links that are up.
    pub links: Vec<LinkView>,
    /// Why there is none.
    pub problem: Option<String>,
}

/// Counts what a server has announced.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TrustMarkView {
    /// Rises when the store of the server is restored.
    pub generation: u64,
    /// Rises with each change.
    pub seq: u64,
}

/// Describes a link that is up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkView {
    /// SHA-256 of what the server showed.
    pub pin: String,
    /// SHA-256 of what the agent showed.
    pub identity: String,
    /// Where it was dialled; none if the server did.
    pub dialled: Option<String>,
    /// Where the server is.
    pub peer: String,
    /// Since when.
    pub since: String,
}

impl StatusView {
    /// Describes what is in a directory on which no agent runs.
    pub fn of_files(directory: &DataDirectory, draft: &Draft) -> Self {
        let listen = ListenView { on: draft.configuration.listens(), address: None, problem: None };
        let identity = draft.identity.as_ref().map(|held| &held.identity);
        Self {
            running: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data_dir: directory.path().display().to_string(),
            thumbprint: identity.map(|identity| identity.thumbprint().to_string()),
            sha1: identity.map(|identity| identity.sha1().to_string()),
            next: draft.next.as_ref().map(|held| held.identity.thumbprint().to_string()),
            listen,
            servers: draft.configuration.trusted.iter().map(ServerView::of).collect(),
        }
    }

    pub(crate) fn of_running(shared: &Shared) -> Self {
        let state = shared.state();
        let draft = Draft {
            configuration: state.configuration.clone(),
            identity: Some(state.identity.clone()),
            next: state.next.clone(),
        };
        let listening = shared.listening();
        let is_listening = listening.address.is_some() || listening.problem.is_some();
        let with_links = |server: &TrustedServer| {
            let links = shared.links.of(&server.id);
            let links: Vec<LinkView> = links
                .into_iter()
                .map(|link| LinkView {
                    pin: link.pin.to_string(),
                    identity: link.identity.to_string(),
                    dialled: link.dialled.map(|address| address.to_string()),
                    peer: link.peer,
                    since: link.since.to_string(),
                })
                .collect();
            ServerView { links, problem: shared.links.problem(&server.id), ..ServerView::of(server) }
        };
        Self {
            running: true,
            listen: ListenView {
                on: is_listening,
                address: listening.address.map(|address| address.to_string()),
                problem: listening.problem,
            },
            servers: state.configuration.trusted.iter().map(with_links).collect(),
            ..Self::of_files(&shared.directory, &draft)
        }
    }

    /// What is not as it should be, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.running {
            problems.push("it does not run".to_owned());
        }
        problems.extend(self.listen.problem.clone());
        for server in self.servers.iter().filter(|server| self.running && server.links.is_empty()) {
            match &server.problem {
                Some(problem) => problems.push(problem.clone()),
                None if server.addresses.is_empty() => {}
                None => problems.push(format!("the server at {} is not linked yet", server.addresses.join(", "))),
            }
        }
        problems
    }
}

impl ServerView {
    fn of(server: &TrustedServer) -> Self {
        Self {
            pins: server.pins.iter().map(ToString::to_string).collect(),
            trust: TrustMarkView { generation: server.mark.generation, seq: server.mark.seq },
            since: server.since.to_string(),
            addresses: server.addresses.iter().map(ToString::to_string).collect(),
            links: Vec::new(),
            problem: None,
        }
    }
}
