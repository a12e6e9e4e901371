//! What is done with a delivery that was checked: staged, swapped, tested, told, verified; or put back.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use portward_certs::Input;
use portward_core::{DeliveryId, DeliveryPath, Thumbprint};
use portward_link::{
    Progress,
    message::{DeliverReply, DeliverStage, Fault},
};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::{Place, Shared, at, directory::Access, in_background, ledger::Pending, wanted::Look};
use crate::{profile::Profile, served::peek};

/// Says how something ended that had been broken off.
pub(super) enum Healed {
    /// The new version is in use.
    New,
    /// What was there before is in use; why and how.
    Back(String),
}

/// Is a delivery on its way.
pub(super) struct Apply {
    pub(super) shared: Arc<Shared>,
    pub(super) id: DeliveryId,
    pub(super) paths: Vec<DeliveryPath>,
    pub(super) place: Place,
    pub(super) pending: Pending,
    pub(super) profile: Option<Profile>,
    pub(super) look: Option<Look>,
    pub(super) access: Access,
    pub(super) thumbprint: Thumbprint,
}

impl Apply {
    /// Installs files, or leaves everything as it was.
    pub(super) async fn install(
        self,
        files: Vec<Zeroizing<Vec<u8>>>,
        progress: &Progress,
    ) -> Result<DeliverReply, Fault> {
        progress.tell(DeliverStage::Stage.as_str(), "the files are written beside those in use");
        let (apply, staged) = self.with_disk(move |apply| apply.stage(&files)).await?;
        if let Err(fault) = staged {
            return Err(apply.go_back(at(fault, DeliverStage::Stage), progress).await);
        }
        progress.tell(DeliverStage::Swap.as_str(), "the files take the place of those in use");
        let (apply, swapped) = apply.with_disk(Self::swap).await?;
        if let Err(fault) = swapped {
            return Err(apply.go_back(fault, progress).await);
        }
        apply.bring_in(progress).await
    }

    /// Everything is in its place; looks whether it is served, and tells the program if it is not.
    pub(super) async fn again(self, progress: &Progress) -> Result<DeliverReply, Fault> {
        let reply = |unchanged: bool, verified: Option<bool>| DeliverReply {
            generation: self.pending.record.generation,
            thumbprint: self.pending.record.thumbprint.clone(),
            verified,
            unchanged,
        };
        if self.look.is_none() {
            return Ok(reply(true, None));
        }
        let is_served = self.verify(self.thumbprint, Duration::ZERO, progress).await.is_ok();
        if !is_served {
            self.test(progress).await?;
            self.reload(progress).await?;
            self.verify(self.thumbprint, self.shared.options.patience, progress).await?;
        }
        Ok(reply(is_served, Some(true)))
    }

    /// Brings to an end what was broken off; says how it ended.
    pub(super) async fn heal(self, progress: &Progress) -> Result<Healed, Fault> {
        let live = self.place.live().map_err(|error| failed(DeliverStage::Check, "unfinished", &error))?;
        if live.as_ref() == Some(&self.pending.version) && !self.pending.going_back {
            let (shared, id) = (Arc::clone(&self.shared), self.id.clone());
            return match self.bring_in(progress).await {
                Ok(_) => Ok(Healed::New),
                // It is only said by words whether going back succeeded; the ledger knows.
                Err(fault) if shared.ledger().pending.contains_key(id.as_str()) => Err(fault),
                Err(fault) => Ok(Healed::Back(fault.message)),
            };
        }
        self.undo(progress).await.map(Healed::Back)
    }

    /// Writes everything that is not in use yet.
    fn stage(&mut self, files: &[Zeroizing<Vec<u8>>]) -> Result<(), Fault> {
        let io = |error: io::Error| failed(DeliverStage::Stage, "write-failed", &error);
        let id = self.id.as_str();
        // Paths that are given up keep what they have, as plain files.
        let before = self.shared.ledger().installed.get(id).map(|record| record.install.to.clone());
        if let Some(before) = before.filter(|before| *before != self.pending.record.install.to) {
            self.shared.place(id, &before)?.release(&|step| self.shared.step(step)).map_err(io)?;
            self.place = Place::find(&self.shared.policy()?, &self.id, &self.paths, &self.shared.guarded())?;
            self.pending.first = true;
            self.pending.version = self.place.name_for(self.pending.record.generation, None);
            self.pending.before = self.place.name_for(0, None);
        }
        let pending = self.pending.clone();
        self.shared.change(|ledger| {
            ledger.pending.insert(id.to_owned(), pending);
        })?;
        self.shared.step("remembered");
        self.place.make().map_err(io)?;
        self.shared.step("made");
        self.place.stage(&self.pending.version, files, self.access).map_err(io)?;
        self.shared.step("staged");
        if self.pending.first {
            self.place.take_over(&self.pending.before, &|step| self.shared.step(step)).map_err(io)?;
        }
        Ok(())
    }

    fn swap(&mut self) -> Result<(), Fault> {
        self.place.switch(&self.pending.version).map_err(|error| failed(DeliverStage::Swap, "write-failed", &error))?;
        self.shared.step("swapped");
        Ok(())
    }

    /// The files are in use from here on: tests, tells, verifies, and remembers; or goes back.
    async fn bring_in(mut self, progress: &Progress) -> Result<DeliverReply, Fault> {
        let verified = match self.tell(progress).await {
            Ok(verified) => verified,
            Err(fault) => return Err(self.go_back(fault, progress).await),
        };
        let (apply, settled) = self.with_disk(move |apply| apply.settle(verified)).await?;
        settled.map_err(|fault| at(fault, DeliverStage::Verify))?;
        Ok(DeliverReply {
            generation: apply.pending.record.generation,
            thumbprint: apply.pending.record.thumbprint,
            verified,
            unchanged: false,
        })
    }

    async fn tell(&mut self, progress: &Progress) -> Result<Option<bool>, Fault> {
        self.test(progress).await?;
        if self.profile.is_some() {
            self.pending.told = true;
            self.remember().await?;
            self.shared.step("told");
        }
        self.reload(progress).await?;
        self.shared.step("reloaded");
        let verified = self.verify(self.thumbprint, self.shared.options.patience, progress).await?;
        self.shared.step("verified");
        Ok(verified)
    }

    async fn test(&self, progress: &Progress) -> Result<(), Fault> {
        if let (Some(name), None) = (&self.pending.record.install.reload, &self.profile) {
            let what = format!("the profile {name} is not in the policy any more");
            return Err(Fault::new("profile-unknown", what).at(DeliverStage::Test.as_str()));
        }
        let Some((profile, test)) = self.profile.as_ref().and_then(|profile| Some((profile, profile.test.as_ref()?)))
        else {
            return Ok(());
        };
        progress.tell(DeliverStage::Test.as_str(), format!("the test of the profile {profile} runs"));
        let ran = profile.run(test).await;
        self.shared.step("tested");
        ran.map_err(|failed| {
            let what = format!("{}, the test of the profile {profile}, {}", test[0], failed.why);
            Fault::new("test-failed", what).at(DeliverStage::Test.as_str()).with_output(failed.output)
        })
    }

    async fn reload(&self, progress: &Progress) -> Result<(), Fault> {
        let Some(profile) = &self.profile else { return Ok(()) };
        progress.tell(DeliverStage::Reload.as_str(), format!("the reload of the profile {profile} runs"));
        profile.run(&profile.reload).await.map_err(|failed| {
            let what = format!("{}, the reload of the profile {profile}, {}", profile.reload[0], failed.why);
            Fault::new("reload-failed", what).at(DeliverStage::Reload.as_str()).with_output(failed.output)
        })
    }

    /// Looks what is served until it is the expected leaf; none if there is nowhere to look.
    async fn verify(
        &self,
        expected: Thumbprint,
        patience: Duration,
        progress: &Progress,
    ) -> Result<Option<bool>, Fault> {
        let Some(Look { address, name }) = &self.look else { return Ok(None) };
        progress.tell(DeliverStage::Verify.as_str(), format!("it is looked what {address} shows for {name}"));
        let begun = Instant::now();
        let mut pause = Duration::from_millis(50);
        let mut in_a_row = 0;
        loop {
            let came = match peek(address, name).await {
                Ok(seen) if seen.thumbprint == expected => {
                    in_a_row += 1;
                    if in_a_row == LOOKS {
                        return Ok(Some(true));
                    }
                    sleep(BETWEEN_LOOKS).await;
                    continue;
                }
                Ok(seen) => format!("{address} shows {} ({}) for {name}", seen.thumbprint, seen.subject),
                Err(why) => why,
            };
            in_a_row = 0;
            if begun.elapsed() + pause >= patience {
                let seconds = patience.as_secs();
                let what = format!(
                    "{expected} is not served: after {seconds} seconds, {came}; does the program read these files, and does it listen there?"
                );
                return Err(Fault::new("not-served", what).at(DeliverStage::Verify.as_str()));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn settle(&mut self, verified: Option<bool>) -> Result<(), Fault> {
        self.pending.record.verified = verified;
        let (id, record) = (self.id.as_str(), self.pending.record.clone());
        self.shared.change(|ledger| {
            ledger.pending.remove(id);
            ledger.withdrawn.remove(id);
            ledger.installed.insert(id.to_owned(), record);
        })?;
        self.shared.step("recorded");
        if let Err(error) = self.place.prune(&self.pending.version) {
            tracing::warn!(delivery = id, "old versions could not be removed: {error}");
        }
        self.shared.step("pruned");
        Ok(())
    }

    /// Puts back what was there before, and adds to the reason how that went.
    async fn go_back(mut self, mut fault: Fault, progress: &Progress) -> Fault {
        if !self.shared.ledger().pending.contains_key(self.id.as_str()) {
            return fault;
        }
        self.pending.going_back = true;
        // What could not be remembered is done all the same, and tried again after a crash.
        if let Err(unwritten) = self.remember().await {
            tracing::warn!(delivery = self.id.as_str(), "{unwritten}");
        }
        self.shared.step("going-back");
        match self.undo(progress).await {
            Ok(how) => fault.message = format!("{}; {how}", fault.message),
            Err(why) => {
                fault.message = format!(
                    "{}; and what was there before could not be put back: {why}; it is tried again with the next delivery",
                    fault.message
                );
            }
        }
        fault
    }

    /// Puts what was there before in use again, tells the program if it had been told, and forgets the rest.
    async fn undo(self, progress: &Progress) -> Result<String, Fault> {
        progress.tell(DeliverStage::RollBack.as_str(), "what was there before takes its place again");
        let (apply, back) = self.with_disk(Self::swap_back).await?;
        let previous = back?;
        let mut how = match previous {
            Before::Nothing => "nothing was there before, and the paths are empty again".to_owned(),
            Before::Leaf(_) | Before::Something => "what was there before is in place again".to_owned(),
        };
        if apply.pending.told {
            if let Err(fault) = apply.reload(progress).await {
                let said = fault.output.map(|output| format!(": {output}")).unwrap_or_default();
                how = format!("{how}, but {}{said}", fault.message);
            }
            apply.shared.step("reloaded-back");
            if let Before::Leaf(leaf) = previous {
                let patience = apply.shared.options.patience.min(BACK_PATIENCE);
                match apply.verify(leaf, patience, progress).await {
                    Ok(Some(_)) => how = format!("{how}, and served"),
                    Ok(None) => {}
                    Err(fault) => how = format!("{how}, but {}", fault.message),
                }
            }
        }
        let (_, cleared) = apply.with_disk(Self::clear).await?;
        cleared.map(|()| how)
    }

    fn swap_back(&mut self) -> Result<Before, Fault> {
        let io = |error: io::Error| failed(DeliverStage::RollBack, "write-failed", &error);
        let live = self.place.live().map_err(io)?;
        if live.as_ref() == Some(&self.pending.version) {
            self.place.switch(&self.pending.before).map_err(io)?;
            self.shared.step("swapped-back");
        }
        // Whatever cannot be read is in place all the same.
        let Ok(contents) = self.place.contents() else { return Ok(Before::Something) };
        if contents.iter().all(Option::is_none) {
            return Ok(Before::Nothing);
        }
        if let Some(record) = self.shared.ledger().installed.get(self.id.as_str())
            && contents
                .iter()
                .zip(&record.files)
                .all(|(content, file)| content.as_ref().is_some_and(|has| super::wanted::sha256(&has.bytes) == *file))
            && let Ok(leaf) = Thumbprint::parse(&record.thumbprint)
        {
            return Ok(Before::Leaf(leaf));
        }
        let files: Vec<Input<'_>> =
            contents.iter().flatten().map(|content| Input { name: "", bytes: &content.bytes }).collect();
        Ok(match portward_certs::read(&files, None) {
            Ok(bundle) => Before::Leaf(bundle.facts.thumbprint),
            Err(_) => Before::Something,
        })
    }

    fn clear(&mut self) -> Result<(), Fault> {
        let io = |error: io::Error| failed(DeliverStage::RollBack, "write-failed", &error);
        if self.pending.first {
            self.place.release(&|step| self.shared.step(step)).map_err(io)?;
        } else {
            self.place.forget(&self.pending.version).and_then(|()| self.place.tidy()).map_err(io)?;
        }
        self.shared.step("cleared");
        self.shared.change(|ledger| {
            ledger.pending.remove(self.id.as_str());
        })?;
        self.shared.step("forgotten");
        Ok(())
    }

    /// Writes down how far it has come.
    async fn remember(&self) -> Result<(), Fault> {
        let (shared, id, pending) = (Arc::clone(&self.shared), self.id.to_string(), self.pending.clone());
        in_background(move || {
            shared.change(|ledger| {
                ledger.pending.insert(id, pending);
            })
        })
        .await
    }

    /// Does what waits for the disk where that is allowed.
    async fn with_disk<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut Self) -> T + Send + 'static,
    ) -> Result<(Self, T), Fault> {
        in_background(move || {
            let done = work(&mut self);
            Ok((self, done))
        })
        .await
    }
}

/// Is what was there before.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// A certificate with this thumbprint.
    Leaf(Thumbprint),
    /// Something that cannot be read.
    Something,
}

fn failed(stage: DeliverStage, code: &str, error: &io::Error) -> Fault {
    Fault::new(code, error.to_string()).at(stage.as_str())
}

/// So often in a row it must be seen: while a program changes over, some of its processes serve the old one.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long a program may take until it serves again what it served before.
const BACK_PATIENCE: Duration = Duration::from_secs(10);
