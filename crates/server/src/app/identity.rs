//! Use cases of the identity by which agents know the server.

use std::{net::SocketAddr, sync::Arc};

use portward_api::{
    IdentityChanged, IdentityExport, IdentityExported, IdentityImport, IdentityRotate, IdentityStateView,
    IdentityUpdate, IdentityView, LaggardView, RotationView, SecretBytes,
};
use portward_certs::{Input, Password, PrivateKey, export_pfx, read};
use portward_core::{Chain, IdentityState, Scheme};
use portward_link::Identity;
use portward_store::{
    change::{Expected, NewIdentity},
    desired::{Desired, StoredTrust},
    sealing::Secret,
};

use super::{Actor, Allowed, App, AppError, Apply, Draft, right};
use crate::{
    agents::{Identities, SUBJECT, put_follower, put_newer_trust},
    tasks::publish::bind_code,
};

impl App {
    /// Shows the identity; it is made when it is first asked for by somebody who may change it.
    pub(crate) async fn show_identity(&self, by: &Allowed<right::View>) -> Result<IdentityView, AppError> {
        let may_make = by.actor().may::<right::IdentityChange>().is_ok();
        if !may_make && self.agents().identities().is_none() {
            let message = "there is no identity for agents yet; portward agent add NAME makes one";
            return Err(AppError::new(http::StatusCode::NOT_FOUND, "not-found", message));
        }
        self.identity_view(by.actor()).await
    }

    /// Changes where agents find the server.
    pub(crate) async fn edit_identity(
        &self,
        by: &Allowed<right::IdentityChange>,
        input: &IdentityUpdate,
        apply: Apply,
    ) -> Result<IdentityView, AppError> {
        self.identities_for(by.actor()).await?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let before = desired.trust.as_ref().map(|stored| stored.value.clone());
        let before = before.ok_or_else(|| AppError::internal("the identity is not whole", "no record of trust"))?;
        let addresses = match &input.addresses {
            Some(addresses) => super::agents::parse_addresses(addresses)?,
            None => before.addresses.clone(),
        };
        let bindings = match &input.bindings {
            Some(bindings) => self.try_bindings(bindings, &before.bindings)?,
            None => before.bindings.clone(),
        };
        if apply == Apply::DryRun || (addresses == before.addresses && bindings == before.bindings) {
            drop(deciding);
            return self.identity_view(by.actor()).await;
        }
        let list = |texts: Vec<String>| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
        let what = format!(
            "have agents dial {}, and listen for them alone at {}",
            list(addresses.iter().map(ToString::to_string).collect()),
            list(bindings.iter().map(ToString::to_string).collect())
        );
        let mut change = self.change(by, what).for_good();
        let expected = desired.trust.as_ref().map_or(Expected::Absent, |stored| Expected::At(stored.revision));
        change.put_trust(&StoredTrust { bindings, ..before.newer_at(addresses) }, expected);
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        self.identity_view(by.actor()).await
    }

    /// Reads bindings for agents alone; those that are new are tried for real.
    fn try_bindings(&self, texts: &[String], before: &[SocketAddr]) -> Result<Vec<SocketAddr>, AppError> {
        let mut bindings: Vec<SocketAddr> = Vec::new();
        for text in texts {
            let address: SocketAddr = text.trim().parse().map_err(|_| {
                let message = format!("bindings: \"{text}\" is not an address of this machine with a port, as in 0.0.0.0:10943 or [::]:10943");
                AppError::refused("invalid-value", message)
            })?;
            if !before.contains(&address) {
                self.parts
                    .proxy
                    .try_bind(Scheme::Https, address)
                    .map_err(|error| AppError::conflict(bind_code(&error), format!("{error}; nothing was changed")))?;
            }
            if !bindings.contains(&address) {
                bindings.push(address);
            }
        }
        Ok(bindings)
    }

    async fn identity_view(&self, actor: &Actor) -> Result<IdentityView, AppError> {
        let identities = self.identities_for(actor).await?;
        let desired = Arc::clone(&self.served().desired);
        let state =
            |stored: &portward_store::desired::Stored<portward_store::desired::StoredIdentity>| IdentityStateView {
                thumbprint: stored.value.thumbprint.to_string(),
                state: stored.value.state.to_string(),
                created: stored.value.created.to_string(),
            };
        let in_use = desired.identities.iter().find(|stored| stored.value.state == IdentityState::Current);
        Ok(IdentityView {
            thumbprint: identities.current.thumbprint().to_string(),
            sha1: identities.current.sha1().to_string(),
            subject: identities.current.subject(),
            since: in_use.map(|stored| stored.value.created.to_string()).unwrap_or_default(),
            addresses: self.agents().addresses().iter().map(ToString::to_string).collect(),
            bindings: desired.trust.iter().flat_map(|stored| &stored.value.bindings).map(ToString::to_string).collect(),
            identities: desired.identities.iter().map(state).collect(),
            rotation: self.rotation_view(),
        })
    }

    /// Has a new identity follow the one in use, with overlap; or at once if that one's key is in other hands.
    pub(crate) async fn rotate_identity(
        &self,
        by: &Allowed<right::IdentityChange>,
        input: &IdentityRotate,
    ) -> Result<IdentityChanged, AppError> {
        let made = self.new_identity()?;
        let state = if input.compromised { IdentityState::Compromised } else { IdentityState::Old };
        let is_announced = !input.compromised && self.agents().roster().len() > 0;
        self.follow_identity_by(by, &made, state, is_announced).await
    }

    /// Takes an identity of the operator's in place of the one in use; agents follow by themselves.
    pub(crate) async fn import_identity(
        &self,
        by: &Allowed<right::IdentityChange>,
        input: &IdentityImport,
    ) -> Result<IdentityChanged, AppError> {
        let identity = read_identity(input)?;
        self.follow_identity_by(by, &identity, IdentityState::Old, false).await
    }

    /// Gives an identity out with its key: the one in use, or a new one that is not taken into use.
    pub(crate) async fn export_identity(
        &self,
        by: &Allowed<right::IdentityChange>,
        input: &IdentityExport,
    ) -> Result<IdentityExported, AppError> {
        let identity = match input.new {
            true => self.new_identity()?,
            false => self.identities_for(by.actor()).await?.current.clone(),
        };
        let chain = Chain::of_leaf(identity.certificate().into());
        let key = PrivateKey::from_pkcs8_der(identity.expose_key())
            .map_err(|error| AppError::internal("the key of the identity cannot be written", error))?;
        let password = Password::new(input.password.expose().to_owned());
        let pfx = export_pfx(&chain, &key, &password, "Portward")
            .map_err(|error| AppError::refused("invalid-value", format!("password: {error}")))?;
        let thumbprint = identity.thumbprint();
        if !input.new {
            let what = format!("take the identity {thumbprint} out with its private key");
            self.commit(self.change(by, what).for_good()).await?;
        }
        Ok(IdentityExported { pfx: SecretBytes::new(pfx.to_vec()), thumbprint: thumbprint.to_string() })
    }

    /// The identities; makes the first one if there is none yet.
    pub(super) async fn identities_for(&self, actor: &Actor) -> Result<Arc<Identities>, AppError> {
        if let Some(identities) = self.agents().identities() {
            return Ok(identities);
        }
        let made = self.new_identity()?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        // Right after a start there may be one that nobody has looked at yet; somebody else may have made it a moment ago.
        let known = desired.identities.iter().map(|stored| stored.revision).max();
        let revision = if let Some(revision) = known {
            revision
        } else {
            let what = format!("make the identity {} for agents", made.thumbprint());
            let mut change = self.change_of(actor, what);
            let key = Secret::copy_of(made.expose_key());
            let new = NewIdentity {
                seq: 1,
                certificate: made.certificate().into(),
                key: &key,
                state: IdentityState::Current,
                created: self.now(),
            };
            change.add_identity(new, &self.sealer(&desired)?);
            change.put_trust(&StoredTrust::FIRST, Expected::Absent);
            portward_store::change::commit(&*self.parts.store, change).await?
        };
        drop(deciding);
        self.in_effect(revision).await?;
        self.agents().follow_identities();
        self.agents().identities().ok_or_else(|| {
            AppError::internal("the identity for agents cannot be used; the log says why", "it does not open")
        })
    }

    /// Has an identity follow the one in use.
    async fn follow_identity_by(
        &self,
        by: &Allowed<right::IdentityChange>,
        new: &Identity,
        old_becomes: IdentityState,
        is_announced: bool,
    ) -> Result<IdentityChanged, AppError> {
        let old = self.identities_for(by.actor()).await?.current.clone();
        if old.thumbprint() == new.thumbprint() {
            let message = format!("the identity {} is in use already; nothing was changed", new.thumbprint());
            return Err(AppError::conflict("already-there", message));
        }
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let (thumbprint, before) = (new.thumbprint(), old.thumbprint());
        let what = match (is_announced, old_becomes) {
            (true, _) => format!("have the identity {before} followed by {thumbprint}"),
            (false, IdentityState::Compromised) => {
                format!("replace the compromised identity {before} by {thumbprint} at once")
            }
            (false, _) => format!("replace the identity {before} by {thumbprint}"),
        };
        let mut change = self.change(by, what).for_good();
        self.put_identity(&mut change, &desired, new, old_becomes, is_announced)?;
        put_newer_trust(&mut change, &desired);
        let revision = self.commit_trust(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        self.agents().follow_identities();
        Ok(IdentityChanged {
            subject: new.subject(),
            old_thumbprint: before.to_string(),
            new_thumbprint: thumbprint.to_string(),
            rotation: self.rotation_view(),
        })
    }

    fn put_identity(
        &self,
        change: &mut Draft,
        desired: &Desired,
        new: &Identity,
        old_becomes: IdentityState,
        is_announced: bool,
    ) -> Result<(), AppError> {
        if desired.identities.iter().any(|stored| stored.value.thumbprint == new.thumbprint()) {
            let message = format!("the identity {} is among those that count already", new.thumbprint());
            return Err(AppError::conflict("already-there", message));
        }
        let old_becomes = (!is_announced).then_some(old_becomes);
        put_follower(change, &self.sealer(desired)?, desired, new, old_becomes, self.now());
        Ok(())
    }

    fn new_identity(&self) -> Result<Identity, AppError> {
        Identity::new(SUBJECT, self.now())
            .map_err(|error| AppError::internal("no identity could be made for agents", error))
    }

    fn rotation_view(&self) -> Option<RotationView> {
        let rotation = self.agents().rotation()?;
        let laggard = |name: &portward_core::AgentName| LaggardView {
            name: name.to_string(),
            last_heard: self.agents().standing(name).last_heard.map(|at| at.to_string()),
        };
        Some(RotationView {
            phase: rotation.phase.as_str().to_owned(),
            since: rotation.since.to_string(),
            agents: rotation.agents,
            acknowledged: rotation.agents - rotation.laggards.len(),
            laggards: rotation.laggards.iter().take(LAGGARDS).map(laggard).collect(),
        })
    }
}

fn read_identity(input: &IdentityImport) -> Result<Identity, AppError> {
    let name = if input.file_name.is_empty() { "the file" } else { &input.file_name };
    let password = input.password.as_ref().map(|password| Password::new(password.expose().to_owned()));
    let files = [Input { name, bytes: input.file.expose() }];
    let bundle = read(&files, password.as_ref()).map_err(AppError::from)?;
    let leaf = bundle.chain.leaf.to_vec();
    Identity::from_der(leaf, bundle.key.as_pkcs8_der().to_vec().into())
        .map_err(|error| AppError::refused("invalid-identity", format!("{name}: {error}")))
}

const LAGGARDS: usize = 100;
