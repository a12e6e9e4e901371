//! Getting back in: what keeps operators out of the portal is put right, with a server or without one.
//!
//! What waits to be confirmed goes back; redirect and HSTS of the portal are off; a site leads to it; an https binding
//! with a certificate is there. Done twice, the second time finds nothing to do. A record that cannot be read is left
//! where it is, and nothing new takes its place.

mod plan;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
};

use portward_api::{Recover, Recovered};
use portward_core::{ActorKind, Binding, Revision, Role, Scheme, SecondFactor, Timestamp, User, UserName};
use portward_proxy::{BindError, Clock, Limits, Proxy, ProxyOptions};
use portward_store::{
    Store,
    access::{self, StoredUser},
    change::{Change, Expected, commit, go_back_entirely},
    cluster::Cluster,
    desired,
    sealing::Sealer,
    work::{self, ReadWorkError, confirmations},
};

use crate::{
    admin::local_actor,
    app::{AppError, Apply, access::hasher::Hasher, said_of_left, users::new_user_id, ways_in},
    server::{master_key, open_store},
    start_error::StartError,
};

/// Says why there is no way back in.
#[derive(Debug, thiserror::Error)]
pub enum RecoverOfflineError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(StartError),
    /// It was opened, and something failed.
    #[error("{0}")]
    Failed(String),
}

/// Is what recovering works with.
pub(crate) struct Recovery<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) sealer: &'a Sealer,
    /// Whether an address could be listened on.
    pub(crate) try_bind: &'a (dyn Fn(Scheme, SocketAddr) -> Result<(), BindError> + Sync),
    /// Whether a binding that is wanted accepts connections, or would.
    pub(crate) works: &'a (dyn Fn(&Binding) -> bool + Sync),
    pub(crate) host_name: &'a str,
    pub(crate) who: String,
    pub(crate) now: Timestamp,
}

impl Recovery<'_> {
    /// Does all of it, or says what it would do; with the revision that is to be served, if there is another one.
    pub(crate) async fn run(&self, input: &Recover, apply: Apply) -> Result<(Recovered, Option<Revision>), AppError> {
        let (mut steps, mut notes) = (Vec::new(), Vec::new());
        let mut revision = self.go_back(apply, &mut steps, &mut notes).await?;
        let desired = desired::read(self.store).await?;
        for bad in &desired.bad {
            notes.push(format!(
                "The record \"{}\" cannot be read and is left out: {}. A backup brings it back: portward store restore FILE",
                bad.key, bad.reason
            ));
        }
        let mut change = self.change("recover the way in to the portal");
        self.plan(&desired, &mut change, &mut steps, &mut notes)?;
        if apply != Apply::DryRun && !change.is_empty() {
            revision = Some(commit(self.store, change).await?);
        }
        if let Some(owner) = &input.owner {
            self.owner(owner, input, apply, &mut steps).await?;
        }
        let after = desired::read(self.store).await?;
        let binding = ways_in::https_binding(&after).map(|stored| &stored.value);
        let host = ways_in::told_host(&after, self.host_name);
        let url = binding.map(|binding| ways_in::url(Scheme::Https, &host, binding.address.port()));
        let has_owner = access::is_owned(self.store).await?;
        Ok((Recovered { steps, notes, has_owner, url }, revision))
    }

    fn change(&self, what: impl Into<String>) -> Change {
        Change::new(self.who.clone(), what, self.now).by(ActorKind::Socket, None)
    }

    /// Goes back from what waits to be confirmed, the newest first.
    async fn go_back(
        &self,
        apply: Apply,
        steps: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Revision>, AppError> {
        let mut revision = None;
        let (waiting, unreadable) = confirmations(self.store).await.map_err(|error| match error {
            ReadWorkError::Store(error) => AppError::from(error),
            error => AppError::internal("what waits to be confirmed cannot be read", error),
        })?;
        notes.extend(unreadable.iter().map(|error| format!("A change that waits cannot be read: {error}")));
        for one in waiting.iter().rev() {
            let said = format!("Went back to before revision {} ({})", one.revision, one.what);
            if apply == Apply::DryRun {
                steps.push(said);
                continue;
            }
            let mut change =
                self.change(format!("go back to before revision {} ({}): recover", one.revision, one.what));
            change.settle_confirmation(one);
            match go_back_entirely(self.store, change, &one.before, one.revision).await {
                Ok(back) => {
                    revision = Some(back.revision);
                    steps.push(said + &said_of_left(&back.left));
                    for id in &back.gone {
                        // It is gone all the same.
                        if let Err(error) = work::forget_certificate(self.store, id).await {
                            notes.push(format!("How the certificate {id} was renewed could not be forgotten: {error}"));
                        }
                    }
                }
                Err(error) => notes.push(format!("Revision {} ({}) stays: {error}", one.revision, one.what)),
            }
        }
        Ok(revision)
    }

    /// Gives an owner a new password; makes them if there is nobody of that name.
    async fn owner(&self, name: &str, input: &Recover, apply: Apply, steps: &mut Vec<String>) -> Result<(), AppError> {
        let name = UserName::parse(name).map_err(|error| AppError::invalid("owner", &error))?;
        let password = input.password.as_ref().ok_or_else(|| {
            AppError::refused("password-needed", "password: the owner needs a new one; give it with --password-stdin")
        })?;
        let hash = Hasher::default().hash_new(&name, password, SecondFactor::None).await?;
        let before = access::read_user(self.store, &name).await?;
        let (user, expected) = match before {
            Some(stored) => {
                let mut user = stored.value;
                (user.user.role, user.user.is_disabled) = (Role::Owner, false);
                // From now on they sign in here.
                (user.password, user.identity) = (Some(hash), None);
                user.second_factor = None;
                user.epoch += 1;
                steps.push(format!(
                    "Gave the owner {name} a new password, turned the second factor off, and ended all sessions"
                ));
                (user, Expected::At(stored.revision))
            }
            None => {
                let user =
                    User { name: name.clone(), role: Role::Owner, email: None, is_disabled: false, created: self.now };
                steps.push(format!("Made the owner {name}"));
                let id = new_user_id()?;
                let user = StoredUser { user, id, epoch: 1, password: Some(hash), identity: None, second_factor: None };
                (user, Expected::Absent)
            }
        };
        if apply == Apply::DryRun {
            return Ok(());
        }
        let mut change = self.change(format!("recover the owner {name}"));
        change.put_user(&user, expected);
        change.forget_sign_ins(&name);
        if !access::is_owned(self.store).await? {
            change.put_owned(self.now);
            change.remove_setup(Expected::Any);
        }
        commit(self.store, change).await?;
        Ok(())
    }
}

/// Gets back in where no server runs; what it does is served at the next start.
pub async fn recover_offline(
    data_dir: &Path,
    host_name: &str,
    input: &Recover,
    dry_run: bool,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
) -> Result<Recovered, RecoverOfflineError> {
    let store = open_store(data_dir, Arc::clone(&clock), None).await.map_err(RecoverOfflineError::Open)?;
    let master = master_key(&store, data_dir).await.map_err(RecoverOfflineError::Open)?;
    let opened = Cluster::open(&store, master).await;
    let opened = opened.map_err(|error| RecoverOfflineError::Open(StartError::OpenCluster(error)))?;
    let told = Arc::clone(&clock);
    let options = ProxyOptions {
        workers: NonZeroUsize::MIN,
        limits: Limits::default(),
        clock: Clock::new(move || told()),
        access_log: None,
        given: Vec::new(),
    };
    let proxy = Proxy::spawn(options).map_err(|error| RecoverOfflineError::Open(StartError::Workers(error)))?;
    let try_bind = |scheme, address| proxy.try_bind(scheme, address);
    let recovery = Recovery {
        store: &store,
        sealer: &opened.sealer,
        try_bind: &try_bind,
        works: &|binding| proxy.try_bind(binding.protocol, binding.address).is_ok(),
        host_name,
        who: local_actor(rustix::process::geteuid().as_raw()).to_string(),
        now: clock(),
    };
    let apply = if dry_run { Apply::DryRun } else { Apply::Now };
    let done = recovery.run(input, apply).await;
    done.map(|(recovered, _)| recovered).map_err(|error| RecoverOfflineError::Failed(error.to_string()))
}

/// Where every address of this machine is listened on.
fn everywhere(port: u16) -> SocketAddr {
    let ip = if portward_proxy::has_ipv6() {
        IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
    };
    SocketAddr::new(ip, port)
}

#[cfg(test)]
mod tests;
