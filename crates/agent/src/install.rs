//! Installs certificates on this machine: checked, written beside the ones in use, swapped in one instant, and back again
//! if the program does not serve them.
//!
//! 1. **check**: what is asked is read into types, and looked at against the policy and what is on the disk. Nothing is
//!    written.
//! 2. **stage**: what is about to happen is remembered; the files are written to a version of their own.
//! 3. **swap**: one rename puts the version in use (`place`).
//! 4. **test**, **reload**: commands of the policy. The test runs after the swap, as programs read the paths that they are
//!    configured with; one that has not been told reads nothing.
//! 5. **verify**: what is served is looked at. Only now it is remembered as installed.
//!
//! Whatever fails from 3 on puts the version before in use again, and tells the program. A process that is killed anywhere
//! leaves one complete set in use, and the next [`Installer::open`] brings to an end what it was doing.

mod apply;
mod check;
mod directory;
mod durable;
mod keys;
mod ledger;
mod place;
mod report;
mod wanted;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portward_core::DeliveryId;
use portward_link::{
    Progress,
    message::{
        Deliver, DeliverReply, DeliverStage, Fault, HealthWarning, InstalledReport, MakeRequest, MakeRequestReply,
        PolicyReport, Withdraw, WithdrawReply,
    },
};

use self::{
    apply::{Apply, Healed},
    check::{Checked, Fresh},
    keys::Keys,
    ledger::{Ledger, LedgerFile},
    place::Place,
    wanted::Target,
};
use crate::{
    Clock,
    policy::{Policy, ground},
};

/// Says where things are.
#[derive(Clone)]
pub struct InstallerOptions {
    /// A directory of the agent's own, for `installed.json` and for keys that are made here (`keys/`).
    pub state: PathBuf,
    /// The policy.
    pub policy: PathBuf,
    /// What time it is.
    pub clock: Clock,
    /// How long a program may take until it serves what it was told to: [`portward_core::Verify::PATIENCE`].
    pub patience: Duration,
    /// Is told of each step that changes something, after it.
    pub at_step: Option<AtStep>,
}

/// Is told the name of a step.
pub type AtStep = Arc<dyn Fn(&str) + Send + Sync>;

/// Installs what servers send, one after the other.
#[derive(Debug)]
pub struct Installer {
    shared: Arc<Shared>,
    /// Whose turn it is.
    turn: tokio::sync::Mutex<()>,
}

/// Says why an installer could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "what is installed here could not be read from {path}; put a backup of it there, or remove it: then everything is installed anew"
)]
pub struct OpenError {
    path: String,
    #[source]
    source: io::Error,
}

struct Shared {
    options: InstallerOptions,
    file: LedgerFile,
    keys: Keys,
    ledger: Mutex<Ledger>,
    /// What an earlier process left and was not kept, by the name of the delivery.
    taken_back: Mutex<BTreeMap<String, HealthWarning>>,
}

impl Installer {
    /// Opens what is installed, and brings to an end what a process that was killed left half done.
    pub async fn open(options: InstallerOptions) -> Result<Self, OpenError> {
        let path = options.state.join(ledger::NAME).display().to_string();
        let (file, ledger) = LedgerFile::open(&options.state).map_err(|source| OpenError { path, source })?;
        let keys = Keys::new(options.state.join("keys"));
        let shared = Shared { options, file, keys, ledger: Mutex::new(ledger), taken_back: Mutex::default() };
        let installer = Self { shared: Arc::new(shared), turn: tokio::sync::Mutex::new(()) };
        let left: Vec<String> = installer.shared.ledger().pending.into_keys().collect();
        for delivery in left {
            let warning = match installer.heal(&delivery, &Progress::to_nobody()).await {
                Ok(Healed::New) => {
                    tracing::info!(delivery, "it had been broken off, and is installed now");
                    continue;
                }
                Ok(Healed::Back(how)) => ("taken-back", format!("the delivery {delivery} had been broken off; {how}")),
                Err(fault) => ("unfinished", format!("the delivery {delivery} had been broken off; {fault}")),
            };
            tracing::warn!(delivery, "{}", warning.1);
            let warning = HealthWarning { code: warning.0.to_owned(), message: warning.1 };
            installer.shared.taken_back().insert(delivery, warning);
        }
        Ok(installer)
    }

    /// Makes a private key that stays here, and signs a request with it.
    pub async fn make_request(&self, call: MakeRequest) -> Result<MakeRequestReply, Fault> {
        let _turn = self.turn.lock().await;
        let shared = Arc::clone(&self.shared);
        let certificate = call.certificate.clone();
        // RSA takes seconds.
        let reply = in_background(move || shared.keys.make_request(&call)).await?;
        tracing::info!(certificate, "the server asked for a signing request; its key stays here");
        Ok(reply)
    }

    /// Installs a certificate.
    pub async fn deliver(&self, call: Deliver, progress: &Progress) -> Result<DeliverReply, Fault> {
        let _turn = self.turn.lock().await;
        if self.shared.ledger().pending.contains_key(&call.delivery) {
            self.heal(&call.delivery, progress).await?;
        }
        progress.tell(DeliverStage::Check.as_str(), "what was sent is looked at");
        let (shared, delivery) = (Arc::clone(&self.shared), call.delivery.clone());
        let Checked { apply, what, made_here } =
            in_background(move || check::check(shared, &call)).await.map_err(|fault| at(fault, DeliverStage::Check))?;
        let reply = match what {
            Fresh::Yes(files) => apply.install(files, progress).await?,
            Fresh::InPlace => apply.again(progress).await?,
        };
        self.shared.taken_back().remove(&delivery);
        if let Some(made_here) = made_here {
            self.shared.keys.forget_before(&made_here);
        }
        Ok(reply)
    }

    /// Looks after a delivery no longer: its files become plain ones, with what they have.
    pub async fn withdraw(&self, call: Withdraw) -> Result<WithdrawReply, Fault> {
        let _turn = self.turn.lock().await;
        let Withdraw { delivery } = call;
        let ledger = self.shared.ledger();
        if ledger.pending.contains_key(&delivery)
            && let Err(fault) = self.heal(&delivery, &Progress::to_nobody()).await
        {
            tracing::warn!(delivery, "what was broken off is left as it is: {fault}");
        }
        let ledger = self.shared.ledger();
        let (installed, pending) = (ledger.installed.get(&delivery), ledger.pending.get(&delivery));
        let Some(record) = installed.or_else(|| pending.map(|pending| &pending.record)).cloned() else {
            return Ok(WithdrawReply { was_there: false });
        };
        let shared = Arc::clone(&self.shared);
        shared.taken_back().remove(&delivery);
        in_background(move || {
            let released = shared.place(&delivery, &record.install.to).and_then(|place| {
                place.release(&|step| shared.step(step)).map_err(|error| Fault::new("write-failed", error.to_string()))
            });
            if let Err(fault) = released {
                tracing::warn!(delivery, "its files stay symbolic links: {fault}");
            }
            // Last, so that who is killed before is asked again.
            shared.change(|ledger| {
                ledger.installed.remove(&delivery);
                ledger.pending.remove(&delivery);
                ledger.withdrawn.insert(delivery.clone(), record.generation);
            })?;
            shared.step("withdrawn");
            Ok(())
        })
        .await?;
        Ok(WithdrawReply { was_there: true })
    }

    /// What the policy says, what is installed, and what will be wrong if nobody looks after it.
    pub async fn report(&self, look_at_served: bool) -> (PolicyReport, Vec<InstalledReport>, Vec<HealthWarning>) {
        let shared = Arc::clone(&self.shared);
        // What is under way is nothing to warn of.
        let is_idle = self.turn.try_lock().is_ok();
        let stored = tokio::task::spawn_blocking(move || report::stored(&shared, is_idle)).await;
        let (policy, mut installed, warnings) = stored.unwrap_or_default();
        if look_at_served {
            report::look(&self.shared.ledger(), &mut installed).await;
        }
        (policy, installed, warnings)
    }

    /// Brings to an end what was broken off, in one way or the other; says which.
    async fn heal(&self, delivery: &str, progress: &Progress) -> Result<Healed, Fault> {
        let Some(pending) = self.shared.ledger().pending.remove(delivery) else {
            return Ok(Healed::New);
        };
        let (shared, id) = (Arc::clone(&self.shared), delivery.to_owned());
        let apply = in_background(move || check::resume(shared, &id, pending)).await.map_err(|fault| {
            let message = format!("it cannot be brought to an end: {}", fault.message);
            Fault { code: "unfinished".to_owned(), message, ..fault }
        })?;
        let healed = apply.heal(progress).await?;
        self.shared.taken_back().remove(delivery);
        Ok(healed)
    }
}

impl Shared {
    /// What is remembered.
    fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn taken_back(&self) -> MutexGuard<'_, BTreeMap<String, HealthWarning>> {
        self.taken_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it, on the disk first.
    fn change(&self, change: impl FnOnce(&mut Ledger)) -> Result<(), Fault> {
        let mut held = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = held.clone();
        change(&mut changed);
        self.file.save(&changed).map_err(|error| {
            let path = self.options.state.join(ledger::NAME);
            Fault::new("write-failed", format!("{} cannot be written: {error}", path.display()))
        })?;
        *held = changed;
        Ok(())
    }

    /// Tells that something was changed.
    fn step(&self, name: &str) {
        if let Some(at_step) = &self.options.at_step {
            at_step(name);
        }
    }

    fn policy(&self) -> Result<Policy, Fault> {
        Policy::read(&self.options.policy).map_err(|error| refused("policy", error.sentence))
    }

    /// The directories in which nothing is installed.
    fn guarded(&self) -> Vec<(u64, u64)> {
        [Some(self.options.state.as_path()), self.options.policy.parent()]
            .into_iter()
            .flatten()
            .filter_map(ground::identity_of)
            .collect()
    }

    /// The place of a delivery that is installed.
    fn place(&self, delivery: &str, to: &[String]) -> Result<Place, Fault> {
        let id = DeliveryId::parse(delivery).map_err(|error| refused("unreadable", error.to_string()))?;
        let paths: Result<Vec<_>, _> = to.iter().map(|path| portward_core::DeliveryPath::parse(path)).collect();
        let paths = paths.map_err(|error| refused("unreadable", error.to_string()))?;
        Place::find(&self.policy()?, &id, &paths, &self.guarded())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({})", self.options.state.display())
    }
}

impl fmt::Debug for InstallerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstallerOptions({}, {})", self.state.display(), self.policy.display())
    }
}

/// Runs what waits for the disk where that is allowed.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Fault::new("panicked", "the agent failed inside; see its log")))
}

/// A delivery that is refused before anything was written. What a server sent is shown without control characters.
fn refused(code: &str, message: impl Into<String>) -> Fault {
    let message: String = message.into();
    let shown = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    Fault::new(code, message.chars().map(shown).collect::<String>()).at(DeliverStage::Check.as_str())
}

fn at(fault: Fault, stage: DeliverStage) -> Fault {
    if fault.stage.is_some() { fault } else { fault.at(stage.as_str()) }
}
