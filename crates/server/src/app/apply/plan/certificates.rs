//! What of certificates differs.

use std::sync::Arc;

use portward_api::{AppliedAction, CertificateDeclared, DesiredState, ManagedDeclared, acme::CertificateRequestCreate};
use portward_certs::{Bundle, self_signed, self_signed_validity};
use portward_core::{
    Certificate, CertificateId, CertificateVersion, IssuerId, KeyId, Management, Revision, Source, Thumbprint,
    VersionNumber, acme::Managed,
};
use portward_store::{
    change::{Change, NewKey, NewVersion},
    desired::StoredCertificate,
    sealing::Secret,
};

use super::{Plan, Write, declare, distinct, fields};
use crate::app::{AppError, new_key_id, renewals};

/// Is one certificate that is written or taken away.
pub(in crate::app::apply) enum CertificateWrite {
    /// A new one, self-signed until the CA has issued.
    Add { id: CertificateId, name: String, managed: Arc<Managed>, bundle: Box<Bundle>, key: KeyId },
    /// Another name or management.
    Edit { stored: Box<StoredCertificate>, name: String, management: Management },
    /// It goes.
    Remove(Box<StoredCertificate>),
}

impl Plan<'_> {
    /// Compares the certificates.
    pub(in crate::app::apply) fn certificates(&mut self, state: &DesiredState) -> Result<(), AppError> {
        let Some(all) = &state.certificates else { return Ok(()) };
        let ids = distinct("certificate", all.iter().map(|declared| declared.id.as_str()))?;
        let mut missing = Vec::new();
        for declared in all {
            let what = format!("certificate {}", declared.id);
            let id =
                CertificateId::parse(&declared.id).map_err(|error| AppError::invalid("id", &error).within(&what))?;
            let name = declared.name.clone().unwrap_or_else(|| declared.id.clone());
            let managed = declared.managed.as_ref().map(|managed| self.managed(managed)).transpose();
            let managed = managed.map_err(|error| error.within(&what))?.map(Arc::new);
            match (self.before.certificate(&id).cloned(), managed) {
                (Some(stored), managed) => {
                    self.compare(stored, declared, name, managed).map_err(|error| error.within(&what))?;
                }
                (None, Some(managed)) => self.add(id, name, managed).map_err(|error| error.within(&what))?,
                (None, None) => missing.push(declared.id.clone()),
            }
        }
        if let Some(first) = missing.first() {
            let message = format!(
                "not here, and not managed: the certificate {}; import it first, as its private key is in no document: portward certificate import FILE --name {first}",
                missing.join(", ")
            );
            return Err(AppError::refused("certificate-missing", message));
        }
        let is_surplus = |stored: &&StoredCertificate| self.prune && !ids.contains(stored.value.id.as_str());
        let surplus: Vec<StoredCertificate> = self.before.certificates.iter().filter(is_surplus).cloned().collect();
        for stored in surplus {
            let id = stored.value.id.clone();
            self.after.certificates.remove(&id);
            self.step(AppliedAction::Remove, "certificate", id.as_str(), Vec::new());
            self.writes.push(Write::Certificate(CertificateWrite::Remove(Box::new(stored))));
        }
        Ok(())
    }

    fn compare(
        &mut self,
        stored: StoredCertificate,
        declared: &CertificateDeclared,
        name: String,
        managed: Option<Arc<Managed>>,
    ) -> Result<(), AppError> {
        if let Some(managed) = &managed {
            renewals::check_key_on(&stored.value.management, managed)?;
        }
        let before = &stored.value;
        if let (None, Some(wanted), Some(version)) = (&managed, &declared.thumbprint, before.current_version())
            && Thumbprint::parse(wanted).ok() != Some(version.facts.thumbprint)
        {
            self.notes.push(format!(
                "the certificate {} has the thumbprint {}, and {wanted} is declared; it stays, as no document has its private key: portward certificate import FILE --replace {}",
                before.id, version.facts.thumbprint, before.id
            ));
        }
        let management = managed.map_or(Management::Unmanaged, Management::Managed);
        let wanted = Certificate { name: name.as_str().into(), management: management.clone(), ..before.clone() };
        if wanted == *before {
            return Ok(());
        }
        let changes = fields(&declare::certificate(before), &declare::certificate(&wanted));
        self.step(AppliedAction::Edit, "certificate", before.id.as_str(), changes);
        if let Some(other) = self.after.certificates.get(&before.id) {
            let edited = StoredCertificate { value: wanted, ..other.clone() };
            self.after.certificates.insert(edited);
        }
        let write = CertificateWrite::Edit { stored: Box::new(stored), name, management };
        self.writes.push(Write::Certificate(write));
        Ok(())
    }

    fn add(&mut self, id: CertificateId, name: String, managed: Arc<Managed>) -> Result<(), AppError> {
        let validity = self_signed_validity(self.now, renewals::BRIDGE_DAYS);
        let bundle = self_signed(&managed.names, validity).map_err(|error| AppError::invalid("names", &error))?;
        let key = new_key_id()?;
        let version = CertificateVersion {
            number: VersionNumber(1),
            source: Source::SelfSigned,
            added: self.now,
            chain: bundle.chain.clone(),
            key: key.clone(),
            key_on: None,
            facts: Arc::new(bundle.facts.clone()),
        };
        let value = Certificate {
            id: id.clone(),
            name: name.as_str().into(),
            management: Management::Managed(Arc::clone(&managed)),
            current: VersionNumber(1),
            versions: [Arc::new(version)].into(),
        };
        let stored =
            StoredCertificate { value, spec_revision: Revision(0), managed_revision: None, current_revision: None };
        self.after.certificates.insert(stored);
        self.step(AppliedAction::Add, "certificate", id.as_str(), Vec::new());
        let write = CertificateWrite::Add { id, name, managed, bundle: Box::new(bundle), key };
        self.writes.push(Write::Certificate(write));
        Ok(())
    }

    /// Puts one certificate into the change.
    pub(super) fn write_certificate(&self, write: &CertificateWrite, change: &mut Change) {
        match write {
            CertificateWrite::Add { id, name, managed, bundle, key } => {
                let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
                let version = NewVersion {
                    source: Source::SelfSigned,
                    added: self.now,
                    chain: bundle.chain.clone(),
                    facts: Arc::new(bundle.facts.clone()),
                    key: key.clone(),
                    private_key: NewKey::Here(&secret),
                };
                let management = Management::Managed(Arc::clone(managed));
                change.add_certificate(id, name, management, version, &self.sealer);
                self.require_issuers(change, &managed.issuers);
            }
            CertificateWrite::Edit { stored, name, management } => {
                change.edit_certificate(stored, name, management);
                match management.managed() {
                    Some(managed) => self.require_issuers(change, &managed.issuers),
                    None => self.forget_own_name(change, &stored.value.id),
                }
            }
            CertificateWrite::Remove(stored) => {
                change.remove_certificate(stored);
                self.forget_own_name(change, &stored.value.id);
            }
        }
    }

    fn require_issuers(&self, change: &mut Change, issuers: &[IssuerId]) {
        for id in issuers.iter().filter(|id| self.before.issuer(id).is_some()) {
            change.require_issuer(id);
        }
    }

    fn forget_own_name(&self, change: &mut Change, id: &CertificateId) {
        if self.before.settings.letsencrypt.as_ref() == Some(id) {
            change.put_letsencrypt(None);
        }
    }

    fn managed(&self, declared: &ManagedDeclared) -> Result<Managed, AppError> {
        let ManagedDeclared { names, issuers, challenge, profile, dns, key, reuse_key, key_on, renew_days_before } =
            declared;
        let input = CertificateRequestCreate {
            names: names.clone(),
            issuers: issuers.clone(),
            name: None,
            challenge: challenge.clone(),
            profile: profile.clone(),
            dns: dns.clone(),
            key: key.clone(),
            reuse_key: *reuse_key,
            key_on: key_on.clone(),
            renew_days_before: *renew_days_before,
            replace: None,
        };
        renewals::managed(&input, &self.after)
    }
}
