//! Dialling the agents that listen: one task for each keeps a link to it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portward_core::{AgentName, DialAddress, Dialling, Thumbprint};
use portward_link::{
    Backoff, LinkError, Session, dial,
    opening::{Hello, Refusal, RefusalCode},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{Agents, Standing, health::sentence};
use crate::tasks::Shutdown;

/// Is who dials which agent.
#[derive(Debug, Default)]
pub(super) struct Diallers {
    running: Mutex<HashMap<AgentName, (DialAddress, JoinHandle<()>)>>,
    /// To whom a link is made in place of the one that is there.
    anew: Mutex<HashSet<AgentName>>,
}

/// Says why somebody is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// There is no link.
    Link,
    /// The link that is there is of old identities, and stays until there is another one.
    Another,
}

impl Diallers {
    /// Has a link made to an agent that listens in place of the one that is there.
    pub(super) fn dial_anew(&self, name: &AgentName) {
        if self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name) {
            self.anew.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        }
    }

    fn takes_anew(&self, name: &AgentName) -> bool {
        self.anew.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }
}

impl Agents {
    /// Begins to dial agents that listen, and ends to dial those that do not any more.
    pub(super) fn look_after_dialling(self: &Arc<Self>, shutdown: &Shutdown) {
        let wanted: HashMap<AgentName, DialAddress> = self.roster.listening().into_iter().collect();
        let mut running = self.diallers.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|name, (address, task)| {
            let stays = wanted.get(name) == Some(address) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for (name, address) in wanted {
            running.entry(name.clone()).or_insert_with(|| {
                let (agents, shutdown) = (Arc::clone(self), shutdown.clone());
                let dialled = address.clone();
                let task = tokio::spawn(async move {
                    tokio::select! {
                        () = agents.keep_linked(name, dialled) => {}
                        () = shutdown.pulled() => {}
                    }
                });
                (address, task)
            });
        }
    }

    /// Dials an agent whenever there is no link to it, or one that another identity has begun.
    async fn keep_linked(self: Arc<Self>, name: AgentName, address: DialAddress) {
        let mut backoff = Backoff::new();
        let mut said: Option<String> = None;
        loop {
            let begun = Instant::now();
            match self.dial_agent(&name, &address).await {
                Ok(session) => {
                    said = None;
                    self.take(name.clone(), session).await;
                    let need = self.until_needed(&name).await;
                    backoff.lived(begun.elapsed());
                    if need == Need::Another {
                        continue;
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    // Once for each reason: it is tried every minute.
                    if said.as_ref() != Some(&text) {
                        tracing::warn!(agent.name = %name, address = %address, error = text, "an agent cannot be reached");
                        said = Some(text.clone());
                    }
                    if self.link(&name).is_none() {
                        let standing = Standing::unavailable(sentence(&text), self.now());
                        self.remember.found(&name, standing);
                    }
                }
            }
            sleep(backoff.next()).await;
        }
    }

    /// Waits until there is no link to an agent, or one that was begun with another identity than the one in use, or with
    /// one of the agent that has been followed by another.
    async fn until_needed(&self, name: &AgentName) -> Need {
        loop {
            let is_anew = self.diallers.takes_anew(name);
            let Some(live) = self.link(name) else { return Need::Link };
            if is_anew {
                return Need::Another;
            }
            let current = self.identities().map(|identities| identities.current.thumbprint());
            if current.is_some_and(|current| current != live.ours()) && self.knows_identity(name) {
                return Need::Link;
            }
            sleep(LOOK).await;
        }
    }

    /// Whether an agent has been told of the identity in use, so that it can be dialled with it.
    fn knows_identity(&self, name: &AgentName) -> bool {
        self.identities().is_some_and(|identities| self.remember.trust(name).0 >= identities.mark)
    }

    /// Dials an agent: as the identity in use, and if the agent does not know that one, as those before.
    pub(super) async fn dial_agent(&self, name: &AgentName, address: &DialAddress) -> Result<Session, LinkError> {
        let identities = self.identities().ok_or(LinkError::NoCertificate)?;
        let agent = self.roster.agent(name).ok_or(LinkError::NoCertificate)?;
        let pins: Vec<Thumbprint> = agent.value.pins.trusted(self.now()).collect();
        let mut first = None;
        for identity in identities.in_turn() {
            let tcp = dial(address, None).await?;
            match Session::dial(tcp, identity, &pins, Hello::new(&self.instance), None).await {
                Err(LinkError::Refused(refusal)) if refusal.code == RefusalCode::UnknownPin => {
                    first.get_or_insert(LinkError::Refused(refusal));
                }
                Ok(session) => {
                    let shown = &session.peer.shown;
                    let went_back = self.went_back(name, session.peer.hello.protocols.1).await;
                    return match went_back {
                        Some((message, remedy)) => Err(LinkError::Refused(Box::new(Refusal {
                            code: RefusalCode::Version,
                            message,
                            your_thumbprint: shown.thumbprint.to_string(),
                            your_sha1: shown.sha1.to_string(),
                            my_thumbprint: identity.thumbprint().to_string(),
                            remedy,
                            retry_after: None,
                        }))),
                        None => Ok(session),
                    };
                }
                Err(error) => return Err(error),
            }
        }
        Err(first.unwrap_or(LinkError::NoCertificate))
    }
}

impl super::Roster {
    /// The agents that listen, and where.
    fn listening(&self) -> Vec<(AgentName, DialAddress)> {
        let all = self.all();
        let address = |dialling: &Dialling| match dialling {
            Dialling::Listening(address) => Some(address.clone()),
            Dialling::Polling => None,
        };
        all.iter().filter_map(|stored| Some((stored.value.name.clone(), address(&stored.value.dialling)?))).collect()
    }
}

/// How soon a lost link is noticed; nothing is asked for it.
const LOOK: Duration = Duration::from_millis(500);
