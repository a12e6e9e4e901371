//! Use cases of managed certificates: asking for one, renewing, revoking, and seeing how it stands.

mod input;
mod standing;

use std::sync::Arc;

use portward_api::{
    CertificateView,
    acme::{
        CertificateRenew, CertificateRequestCreate, CertificateRevoke, ManagedView, RenewalView, Requested, Revoked,
    },
};
use portward_certs::{acme::RevocationReason, self_signed, self_signed_validity};
use portward_core::{
    CertificateId, Host, HostPattern, Management, Source, Thumbprint, VersionNumber,
    acme::{ChallengeKind, Issuer, KeyReuse, Managed, Stage},
};
use portward_store::{
    change::{Change, NewKey, NewVersion},
    desired::{Desired, StoredCertificate},
    sealing::Secret,
    work::{OrderProgress, ReadWorkError, Renewal, RenewalRequest, attempt_ids},
};

use super::{
    Allowed, App, AppError, Apply, Precondition, Revised,
    certificates::{find, new_id, view},
    new_key_id, right,
};
use crate::renewals::outlook;
pub(super) use input::{check_key_on, managed, renew_before};
pub(super) use standing::Remembered;
pub(crate) use standing::RenewalStanding;

impl App {
    /// Asks for a managed certificate; it is self-signed until the CA has issued.
    pub(crate) async fn request_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        input: &CertificateRequestCreate,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Revised<Requested>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let managed = Arc::new(input::managed(input, &desired)?);
        let replaced = input.replace.as_deref().map(|id| find(&desired, id)).transpose()?;
        if let Some(stored) = replaced {
            precondition.check("certificate", stored.value.id.as_str(), stored.revision())?;
            input::check_key_on(&stored.value.management, &managed)?;
        }
        if let Some(agent) = &managed.key_on {
            self.find_agent(agent.as_str())?;
        }
        let mut change;
        let id = match replaced {
            Some(stored) => {
                let id = stored.value.id.clone();
                let name = input.name.clone().unwrap_or_else(|| stored.value.name.to_string());
                change = self.change(by, format!("manage certificate {id} for {}", list(&managed.names)));
                change.edit_certificate(stored, &name, &Management::Managed(Arc::clone(&managed)));
                id
            }
            None => {
                let first = managed.names.first().map(ToString::to_string).unwrap_or_default();
                let name = input.name.clone().unwrap_or_else(|| first.clone());
                let id = new_id(&desired, &name)?;
                change = self.change(by, format!("request certificate {id} for {}", list(&managed.names)));
                self.add_bridge(&mut change, &id, &name, &managed, &desired)?;
                id
            }
        };
        for issuer in &managed.issuers {
            change.require_issuer(issuer);
        }
        if apply == Apply::DryRun {
            let requested = Requested {
                certificate: match replaced {
                    Some(stored) => self.view_of(stored, &desired)?,
                    None => self.bridge_view(&id, &managed, &desired)?,
                },
                renewal: not_begun(&id, &managed),
            };
            return Ok(Revised { view: requested, revision: None });
        }
        let revision = self.commit(change).await?;
        drop(deciding);
        let served = self.in_effect(revision).await?;
        let stored = served.desired.certificate(&id).ok_or_else(|| AppError::not_found("certificate", id.as_str()))?;
        let requested = Requested {
            certificate: self.view_of(stored, &served.desired)?,
            renewal: self.renewal_view(stored, &managed).await?,
        };
        Ok(Revised { view: requested, revision: Some(revision) })
    }

    /// Adds a certificate of our own, which bridges the time until the CA has issued.
    pub(super) fn add_bridge(
        &self,
        change: &mut Change,
        id: &CertificateId,
        name: &str,
        managed: &Arc<Managed>,
        desired: &Desired,
    ) -> Result<(), AppError> {
        let now = self.now();
        let bundle = self_signed(&managed.names, self_signed_validity(now, BRIDGE_DAYS))
            .map_err(|error| AppError::invalid("names", &error))?;
        let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
        let version = NewVersion {
            source: Source::SelfSigned,
            added: now,
            chain: bundle.chain,
            facts: bundle.facts.into(),
            key: new_key_id()?,
            private_key: NewKey::Here(&secret),
        };
        let management = Management::Managed(Arc::clone(managed));
        change.add_certificate(id, name, management, version, &self.sealer(desired)?);
        Ok(())
    }

    fn bridge_view(
        &self,
        id: &CertificateId,
        managed: &Arc<Managed>,
        desired: &Desired,
    ) -> Result<CertificateView, AppError> {
        let now = self.now();
        let bundle = self_signed(&managed.names, self_signed_validity(now, BRIDGE_DAYS))
            .map_err(|error| AppError::invalid("names", &error))?;
        let (name, number) = (list(&managed.names), VersionNumber(1));
        let mut view =
            super::certificates::view_of_bundle(id, &name, number, Source::SelfSigned, &bundle, desired, now);
        view.managed = true;
        Ok(view)
    }

    /// Stops managing a certificate: the version that is served stays, and nobody renews it.
    pub(crate) async fn unmanage_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        id: &str,
        precondition: Precondition,
    ) -> Result<Revised<CertificateView>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        precondition.check("certificate", id, stored.revision())?;
        managed_of(stored)?;
        let mut change = self.change(by, format!("stop managing certificate {id}"));
        change.edit_certificate(stored, &stored.value.name, &Management::Unmanaged);
        if desired.settings.letsencrypt.as_ref() == Some(&stored.value.id) {
            change.put_letsencrypt(None);
        }
        let revision = self.commit(change).await?;
        drop(deciding);
        let served = self.in_effect(revision).await?;
        let stored = find(&served.desired, id)?;
        Ok(Revised { view: self.view_of(stored, &served.desired)?, revision: Some(stored.revision()) })
    }

    /// Has a certificate renewed now, or goes on with what is placed by hand.
    pub(crate) async fn renew_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        id: &str,
        input: &CertificateRenew,
    ) -> Result<RenewalView, AppError> {
        self.refuse_at_the_end()?;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        let managed = managed_of(stored)?;
        let order = OrderProgress::read(&*self.parts.store, &stored.value.id).await.map_err(unreadable)?;
        if input.placed && order.is_none() {
            let message = format!(
                "nothing waits for a challenge by hand of \"{id}\"; portward acme attempts {id} shows what happened"
            );
            return Err(AppError::conflict("nothing-waits", message));
        }
        // What is under way is what was asked for.
        if order.is_none() || input.placed {
            let request =
                RenewalRequest { at: self.now(), renew: order.is_none(), force: input.force, placed: input.placed };
            let what = match (input.placed, input.force) {
                (true, _) => format!("go on with certificate {id}, as its TXT records are placed"),
                (false, true) => format!("renew certificate {id} without waiting"),
                (false, false) => format!("renew certificate {id}"),
            };
            let mut change = self.change_of(by.actor(), what);
            change.put_request(&stored.value.id, &request);
            self.commit(change).await?;
        }
        self.parts.engine.wake(&stored.value.id);
        self.renewal_view(stored, managed).await
    }

    /// Revokes the version that is served, and orders another one.
    pub(crate) async fn revoke_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        id: &str,
        input: &CertificateRevoke,
    ) -> Result<Revoked, AppError> {
        let reason = match input.reason.as_deref() {
            None | Some("unspecified") => RevocationReason::Unspecified,
            Some("key-compromise") => RevocationReason::KeyCompromise,
            Some("superseded") => RevocationReason::Superseded,
            Some("cessation-of-operation") => RevocationReason::CessationOfOperation,
            Some(other) => {
                let message = format!(
                    "reason: \"{other}\" is not unspecified, key-compromise, superseded or cessation-of-operation"
                );
                return Err(AppError::refused("invalid-value", message));
            }
        };
        // What is revoked must be recorded.
        self.refuse_at_the_end()?;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        managed_of(stored)?;
        let renewal = Renewal::read(&*self.parts.store, &stored.value.id).await.map_err(unreadable)?;
        let issued_by = renewal.and_then(|renewal| renewal.issued_by);
        let (Some(version), Some(by_whom)) = (stored.value.current_version(), issued_by) else {
            let message = format!("no CA that Portward asked has issued the version of \"{id}\" that is served");
            return Err(AppError::conflict("not-issued", message));
        };
        let asked = self.asked(&super::issuers::find(&desired, by_whom.as_str())?.value)?;
        let account = self.parts.engine.account_of(&asked).await;
        let account = account.map_err(|text| AppError::refused("no-account", text))?;
        let revoked = asked.ca.revoke(&account, &version.chain.leaf, reason).await;
        revoked.map_err(|error| AppError::refused("refused-by-ca", format!("it is not revoked: {error}")))?;
        let again =
            self.note_revocation(by, &stored.value.id, (version.number, version.facts.thumbprint), reason).await?;
        let message = match again {
            true => format!("It is revoked, and its successor is ordered: portward acme attempts {id}"),
            false => {
                format!("It is revoked, and goes on being served until it is removed: portward certificate remove {id}")
            }
        };
        Ok(Revoked {
            certificate: id.to_owned(),
            version: version.number.0,
            thumbprint: version.facts.thumbprint.to_string(),
            message,
        })
    }

    /// Records that a version is revoked; says whether another one is ordered.
    ///
    /// What the engine remembers of the renewal is left alone: it went on while the CA was asked.
    async fn note_revocation(
        &self,
        by: &Allowed<right::CertificateChange>,
        id: &CertificateId,
        (number, thumbprint): (VersionNumber, Thumbprint),
        reason: RevocationReason,
    ) -> Result<bool, AppError> {
        // The audit record comes after the fact, as the fact is not ours to take back.
        let mut change = self.change_of(by.actor(), format!("revoke certificate {id} version {number}"));
        if reason == RevocationReason::KeyCompromise {
            change.put_compromised(id, thumbprint);
        }
        let again = reason != RevocationReason::CessationOfOperation;
        if again {
            let request = RenewalRequest { at: self.now(), renew: true, force: true, placed: false };
            change.put_request(id, &request);
        }
        self.commit(change).await?;
        self.parts.engine.wake(id);
        Ok(again)
    }

    /// Lists the managed certificates, in the order of their ids.
    pub(crate) fn list_managed(&self, _by: &Allowed<right::View>) -> Vec<CertificateId> {
        let desired = &self.served().desired;
        let managed = desired.certificates.iter().filter(|stored| stored.value.management.managed().is_some());
        managed.map(|stored| stored.value.id.clone()).collect()
    }

    /// Shows how some of the managed certificates stand; each is read for that.
    pub(crate) async fn list_renewals(
        &self,
        _by: &Allowed<right::View>,
        ids: &[CertificateId],
    ) -> Result<Vec<RenewalView>, AppError> {
        let desired = Arc::clone(&self.served().desired);
        let mut views = Vec::with_capacity(ids.len());
        for stored in ids.iter().filter_map(|id| desired.certificate(id)) {
            if let Some(managed) = stored.value.management.managed() {
                views.push(self.renewal_view(stored, managed).await?);
            }
        }
        Ok(views)
    }

    /// Shows how one managed certificate stands.
    pub(crate) async fn show_renewal(&self, _by: &Allowed<right::View>, id: &str) -> Result<RenewalView, AppError> {
        let desired = Arc::clone(&self.served().desired);
        let stored = find(&desired, id)?;
        self.renewal_view(stored, managed_of(stored)?).await
    }

    /// Forgets how a certificate was renewed, so that another one that is given its id has no past. An order under way is
    /// forgotten by the engine, which takes away the answers to its challenges.
    pub(super) async fn forget_renewals(&self, id: &CertificateId, change: &mut Change) -> Result<(), AppError> {
        for attempt in attempt_ids(&*self.parts.store, id).await.map_err(unreadable)? {
            change.remove_attempt(id, &attempt);
        }
        change.remove_renewal(id);
        change.remove_compromised(id);
        change.remove_request(id);
        Ok(())
    }

    pub(super) async fn renewal_view(
        &self,
        stored: &StoredCertificate,
        managed: &Managed,
    ) -> Result<RenewalView, AppError> {
        let (store, id) = (&*self.parts.store, &stored.value.id);
        let renewal = Renewal::read(store, id).await.map_err(unreadable)?.unwrap_or_default();
        let order = OrderProgress::read(store, id).await.map_err(unreadable)?;
        let attempt = self.attempts(Some(id), 1).await?.into_iter().next();
        let now = self.now();
        let standing::Next { at: next, retry_at, held, mut why } =
            self.next(stored, managed, &renewal, order.is_some());
        let version = stored.value.current_version();
        let issued = version.filter(|version| version.source == Source::Acme);
        if let Some(retry_at) = retry_at {
            why = format!("{why}; {} failed, and it is tried again at {retry_at}", counted(renewal.failures));
        }
        if let Some(until) = held {
            why = format!("{why}; no CA is to be asked before {until}, as they are in trouble or said so");
        }
        let to_place = order.iter().filter(|order| order.stage == Stage::Challenged).flat_map(|order| {
            let txts = order.challenges.iter().filter_map(|challenge| challenge.txt.as_ref());
            txts.filter(|txt| txt.by_hand()).map(|txt| format!("TXT record {} with the value {}", txt.name, txt.value))
        });
        Ok(RenewalView {
            certificate: id.to_string(),
            managed: managed_view(managed),
            last_renewed: issued.map(|version| version.added.to_string()),
            expires: version.map(|version| version.facts.validity.not_after.to_string()),
            next_check: Some(renewal.window_due.map_or(next, |window_due| window_due.min(next)).max(now).to_string()),
            next_renewal: Some(next.max(now).to_string()),
            why,
            failures: renewal.failures,
            to_place: to_place.collect(),
            stage: order.map(|order| order.stage.to_string()),
            attempt,
        })
    }

    fn view_of(&self, stored: &StoredCertificate, desired: &Desired) -> Result<CertificateView, AppError> {
        view(stored, desired, self.now()).ok_or_else(|| {
            let id = &stored.value.id;
            let message = format!("no version of the certificate \"{id}\" can be read; portward status says more");
            AppError::conflict("certificate-without-version", message)
        })
    }
}

/// How a certificate is managed; an error if the operator renews it.
pub(super) fn managed_of(stored: &StoredCertificate) -> Result<&Arc<Managed>, AppError> {
    stored.value.management.managed().ok_or_else(|| {
        let id = &stored.value.id;
        let message = format!(
            "the certificate \"{id}\" is not managed; to have it managed: portward certificate request NAME... --replace {id} --issuer I"
        );
        AppError::conflict("not-managed", message)
    })
}

/// The profile that a certificate of addresses needs with Let's Encrypt, which issues none for them otherwise.
pub(super) fn usual_profile(names: &[HostPattern], issuer: &Issuer) -> Option<String> {
    let is_address = |name: &HostPattern| matches!(name, HostPattern::Exact(Host::Ip(_)));
    let is_theirs = [Issuer::LETS_ENCRYPT, Issuer::LETS_ENCRYPT_STAGING].contains(&issuer.directory.as_str());
    (is_theirs && issuer.profile.is_none() && names.iter().any(is_address)).then(|| "shortlived".to_owned())
}

fn not_begun(id: &CertificateId, managed: &Managed) -> RenewalView {
    RenewalView {
        certificate: id.to_string(),
        managed: managed_view(managed),
        last_renewed: None,
        expires: None,
        next_check: None,
        next_renewal: None,
        why: "nothing was changed".to_owned(),
        failures: 0,
        stage: None,
        to_place: Vec::new(),
        attempt: None,
    }
}

fn managed_view(managed: &Managed) -> ManagedView {
    ManagedView {
        names: managed.names.iter().map(ToString::to_string).collect(),
        issuers: managed.issuers.iter().map(ToString::to_string).collect(),
        challenge: managed.challenge.map(|kind: ChallengeKind| kind.to_string()),
        profile: managed.profile.clone(),
        dns: managed.dns.as_ref().map(ToString::to_string),
        key: managed.key.to_string(),
        reuse_key: managed.reuse == KeyReuse::Keep,
        key_on: managed.key_on.as_ref().map(ToString::to_string),
        renew_days_before: managed.renew_before.and_then(|span| u32::try_from(span.as_secs() / DAY).ok()),
    }
}

fn unreadable(error: ReadWorkError) -> AppError {
    AppError::internal("what is remembered of the renewal cannot be read; portward status says more", error)
}

fn list(names: &[HostPattern]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn counted(attempts: u32) -> String {
    match attempts {
        1 => "1 attempt".to_owned(),
        attempts => format!("{attempts} attempts in a row"),
    }
}

/// Long enough for a CA that is down, and a reminder that it is no certificate to stay with.
pub(super) const BRIDGE_DAYS: u32 = 90;
const DAY: u64 = 24 * 3600;

#[cfg(test)]
mod tests;
