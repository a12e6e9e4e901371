//! Many real agents in one process, each with an identity and a data directory of its own.

mod rotation;
mod watch;

use std::{
    collections::BTreeSet,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portward_agent::{Agent, AgentOptions, Clock, DataDirectory, DirectoryError, ListenOptions};
use portward_api::{AgentTrust, Client, ClientError, Effect};
use portward_core::{DialAddress, Thumbprint};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{sync::Semaphore, task::JoinSet};

pub use rotation::Settled;
pub use watch::{Seen, Watch};

/// Is a number of agents that poll one server. Clones are the same fleet; agents end with the last one.
#[derive(Clone)]
pub struct Fleet {
    members: Arc<Mutex<Vec<Member>>>,
    clock: Clock,
}

/// Says where a fleet is.
pub struct FleetOptions<'a> {
    /// Below which directory each agent has its own.
    pub root: &'a Path,
    /// Their names begin with it.
    pub prefix: &'a str,
    /// How many there are.
    pub count: usize,
    /// Tells them the time.
    pub clock: Clock,
}

struct Member {
    name: String,
    data_dir: PathBuf,
    thumbprint: Thumbprint,
    agent: Option<Agent>,
}

impl Fleet {
    /// Makes agents that trust a server, and has the server trust them. None runs yet.
    ///
    /// Trust is made by thumbprint on either side, as an operator would; joining costs another handshake each.
    pub async fn make(server: &Client, options: FleetOptions<'_>) -> Result<Self, ClientError> {
        let FleetOptions { root, prefix, count, clock } = options;
        let identity = server.show_identity().await?;
        let pin = Thumbprint::parse(&identity.thumbprint).unwrap();
        let addresses: Vec<DialAddress> =
            identity.addresses.iter().map(|address| DialAddress::parse(address, None).unwrap()).collect();
        let mut making = JoinSet::new();
        for index in 0..count {
            let name = format!("{prefix}{index:05}");
            let (data_dir, clock, addresses) = (root.join(&name), Arc::clone(&clock), addresses.clone());
            making.spawn_blocking(move || (index, Member::make(name, data_dir, pin, addresses, &clock).unwrap()));
        }
        let mut members = making.join_all().await;
        members.sort_by_key(|(index, _)| *index);
        let members: Vec<Member> = members.into_iter().map(|(_, member)| member).collect();
        let known: BTreeSet<(String, String)> =
            server.list_agents().await?.into_iter().map(|agent| (agent.name, agent.thumbprint)).collect();
        let (mut trusting, at_once) = (JoinSet::new(), Arc::new(Semaphore::new(TRUSTED_AT_ONCE)));
        for member in &members {
            let trust =
                AgentTrust { name: member.name.clone(), thumbprint: member.thumbprint.to_string(), listening: None };
            if known.contains(&(trust.name.clone(), trust.thumbprint.clone())) {
                continue;
            }
            let (server, at_once) = (server.clone(), Arc::clone(&at_once));
            trusting.spawn(async move {
                let _permit = at_once.acquire_owned().await;
                server.trust_agent(&trust, Effect::Apply).await.map(drop)
            });
        }
        trusting.join_all().await.into_iter().collect::<Result<(), _>>()?;
        Ok(Self { members: Arc::new(Mutex::new(members)), clock })
    }

    /// How many agents there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their names.
    pub fn names(&self, which: Range<usize>) -> Vec<String> {
        self.lock()[which].iter().map(|member| member.name.clone()).collect()
    }

    /// Has some of them run, on what their directories say.
    pub async fn start(&self, which: Range<usize>) {
        let mut starting = JoinSet::new();
        let at_once = Arc::new(Semaphore::new(STARTED_AT_ONCE));
        for index in which {
            let (data_dir, name) = match &self.lock()[index] {
                member if member.agent.is_none() => (member.data_dir.clone(), member.name.clone()),
                _ => continue,
            };
            let (clock, at_once) = (Arc::clone(&self.clock), Arc::clone(&at_once));
            starting.spawn(async move {
                let _permit = at_once.acquire_owned().await;
                let listen = ListenOptions { on: Some(false), ..ListenOptions::default() };
                (
                    index,
                    Agent::begin(AgentOptions {
                        data_dir,
                        clock,
                        host_name: name,
                        listen,
                        policy: "/nonexistent".into(),
                    })
                    .await
                    .unwrap(),
                )
            });
        }
        for (index, agent) in starting.join_all().await {
            self.lock()[index].agent = Some(agent);
        }
    }

    /// Ends some of them, as when their machines are switched off.
    pub async fn stop(&self, which: Range<usize>) {
        let agents: Vec<Agent> = self.lock()[which].iter_mut().filter_map(|member| member.agent.take()).collect();
        for agent in agents {
            agent.stop().await;
        }
    }

    /// How many of those that run are linked.
    pub fn linked(&self) -> usize {
        let has_link = |member: &&Member| member.agent.as_ref().is_some_and(|agent| agent.links() > 0);
        self.lock().iter().filter(has_link).count()
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.lock().iter().filter(|member| member.agent.is_some()).count()
    }

    /// By name, the thumbprints that each trusts as its server's, as its files say.
    pub fn pins(&self) -> Vec<(String, Vec<String>)> {
        let members: Vec<(String, PathBuf)> =
            self.lock().iter().map(|member| (member.name.clone(), member.data_dir.clone())).collect();
        let pins = |data_dir: &Path| {
            let draft = DataDirectory::open(data_dir).and_then(|directory| directory.read()).unwrap();
            let servers = draft.configuration.trusted.iter();
            servers.flat_map(|server| &server.pins).map(ToString::to_string).collect::<Vec<_>>()
        };
        members.into_iter().map(|(name, data_dir)| (name, pins(&data_dir))).collect()
    }

    /// Why those that run have no link, the first few of them.
    pub fn problems(&self) -> Vec<String> {
        let members = self.lock();
        let running = members.iter().filter_map(|member| Some((&member.name, member.agent.as_ref()?)));
        let unlinked = running.filter(|(_, agent)| agent.links() == 0);
        let told = unlinked.map(|(name, agent)| format!("{name}: {}", agent.status().problems().join("; ")));
        told.take(TOLD).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn make(
        name: String,
        data_dir: PathBuf,
        pin: Thumbprint,
        addresses: Vec<DialAddress>,
        clock: &Clock,
    ) -> Result<Self, DirectoryError> {
        let now = clock();
        let (_, draft) = DataDirectory::open(&data_dir)?.edit(|draft| {
            draft.identity_or_new(&name, now)?;
            if draft.configuration.trust(pin, now) {
                draft.configuration.trusted[0].addresses = addresses;
            }
            Ok::<_, DirectoryError>(())
        })?;
        let thumbprint = draft.identity.unwrap().identity.thumbprint();
        Ok(Self { name, data_dir, thumbprint, agent: None })
    }
}

/// Raises the number of files that this process may have open as far as it may, and gives that.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum)
}

/// Files that an agent holds open: its connection, its lock, and the socket at which commands reach it.
pub const FILES_OF_AN_AGENT: u64 = 3;
/// The server makes one change after the other.
const TRUSTED_AT_ONCE: usize = 8;
const STARTED_AT_ONCE: usize = 64;
const TOLD: usize = 5;
