//! Use cases of the identity by which agents know the server.

use std::{net::IpAddr, sync::Arc};

use portward_api::{
    IdentityChanged, IdentityExport, IdentityExported, IdentityImport, IdentityRotate, IdentityStateView, IdentityView,
    LaggardView, RotationView, SecretBytes,
};
use portward_certs::{Input, Password, PrivateKey, export_pfx, read};
use portward_core::{Chain, DialAddress, Host, IdentityState, Scheme};
use portward_link::Identity;
use portward_store::{
    change::{Expected, NewIdentity},
    desired::{Desired, StoredTrust},
    sealing::Secret,
};

use super::{Actor, Allowed, App, AppError, Draft, right, ways_in};
use crate::agents::{Identities, put_newer_trust, put_state};

impl App {
    /// Shows the identity; it is made when it is first asked for by somebody who may change it.
    pub(crate) async fn show_identity(&self, by: &Allowed<right::View>) -> Result<IdentityView, AppError> {
        let identities = self.identities_for(by.actor()).await?;
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
            addresses: self.agent_addresses().iter().map(ToString::to_string).collect(),
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
        if desired.identities.is_empty() {
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
            change.put_trust(&StoredTrust { seq: 2, addresses: Vec::new() }, Expected::Absent);
            let revision = portward_store::change::commit(&*self.parts.store, change).await?;
            drop(deciding);
            self.in_effect(revision).await?;
        }
        self.agents().follow_identities();
        self.agents().identities().ok_or_else(|| {
            AppError::internal("the identity for agents cannot be used; the log says why", "it does not open")
        })
    }

    /// Where polling agents can dial: where https bindings are, by the names that lead to them.
    pub(crate) fn agent_addresses(&self) -> Vec<DialAddress> {
        let served = self.served();
        if let Some(trust) = &served.desired.trust
            && !trust.value.addresses.is_empty()
        {
            return trust.value.addresses.clone();
        }
        let mut addresses: Vec<DialAddress> = Vec::new();
        let mut push = |host: Host, port: u16| {
            let address = DialAddress { host, port };
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        };
        let https = served.desired.bindings.iter().filter(|stored| stored.value.scheme == Scheme::Https);
        for stored in https {
            let Some(Ok(bound)) = served.binding(&stored.value.id).map(|report| &report.result) else { continue };
            match bound.ip() {
                ip if !ip.is_unspecified() => push(Host::Ip(ip), bound.port()),
                _ => {
                    let portal = ways_in::portal_host(&served.desired);
                    let own = Host::parse(&self.parts.host_name).ok();
                    let is_name = |host: &Host| !is_of_this_machine_alone(host);
                    for host in [Some(portal), own].into_iter().flatten().filter(is_name) {
                        push(host, bound.port());
                    }
                }
            }
        }
        addresses
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
        let revision = self.commit(change).await?;
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
        for stored in &desired.identities {
            match stored.value.state {
                // It was announced to some: it is one that they know, and nobody needs it any more.
                IdentityState::Next => change.remove_identity(stored.value.seq, Expected::At(stored.revision)),
                IdentityState::Current if !is_announced => put_state(change, stored, old_becomes),
                _ => {}
            }
        }
        let seq = desired.identities.iter().map(|stored| stored.value.seq).max().unwrap_or(0) + 1;
        let state = if is_announced { IdentityState::Next } else { IdentityState::Current };
        let key = Secret::copy_of(new.expose_key());
        let new = NewIdentity { seq, certificate: new.certificate().into(), key: &key, state, created: self.now() };
        change.add_identity(new, &self.sealer(desired)?);
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

/// Whether a host leads to the machine that asks, wherever it asks.
fn is_of_this_machine_alone(host: &Host) -> bool {
    match host {
        Host::Name(name) => name.as_str() == "localhost" || name.as_str().ends_with(".localhost"),
        Host::Ip(ip) => match ip {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        },
    }
}

/// What people find in the certificate.
const SUBJECT: &str = "Portward";
const LAGGARDS: usize = 100;
