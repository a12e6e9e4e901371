//! Use cases of certificates.

pub(super) mod import;
mod inspect;
mod usage;
mod view;

use std::collections::BTreeSet;

use axum::body::Body;
use bytes::Bytes;
use portward_api::{
    CertificateExport, CertificateOutcome, CertificateRollback, CertificateTaken, CertificateVersionView,
    CertificateView, Changed, ExportFormat, FindingView, FindingWeight, Removed, SelfSignedCreate,
};
use portward_certs::{ExportPfxError, Password, PrivateKey, SELF_SIGNED_DAYS, self_signed, self_signed_validity};
use portward_core::{
    CertificateId, HostPattern, LeafFacts, Management, NewWay, SiteCertificate, Source, VersionNumber,
};
use portward_store::{
    change::{Expected, NewKey, NewVersion},
    desired::{Desired, StoredCertificate, open_private_key},
    sealing::Secret,
    work,
};
use zeroize::Zeroizing;

use super::{
    Allowed, App, AppError, Apply, Draft, Precondition, Revised, impacts, new_key_id, right,
    safely::Safety,
    slug,
    trial::{Demand, trials_of_portal},
    ways_in::portal_certificates,
};
pub(crate) use usage::{Usage, Uses};
pub(super) use view::{of_bundle as view_of_bundle, view, view_used};

/// Is a file with a certificate and its private key.
pub(crate) struct ExportedFile {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// What is in it.
    pub(crate) content: Zeroizing<Vec<u8>>,
}

impl ExportedFile {
    /// The content, as the body of an answer that is wiped once it is sent.
    pub(crate) fn into_body(self) -> Body {
        Body::from(Bytes::from_owner(Wiped(self.content)))
    }
}

/// Is wiped once it is sent.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl App {
    /// The ids of the certificates that can be shown, in their order.
    pub(crate) fn certificate_ids(&self, _by: &Allowed<right::View>) -> Vec<CertificateId> {
        let desired = &self.served().desired;
        let shown = desired.certificates.iter().filter(|stored| stored.value.current_version().is_some());
        shown.map(|stored| stored.value.id.clone()).collect()
    }

    /// Shows some certificates, those that are there. It costs nothing that there are others.
    pub(crate) fn show_certificates(&self, _by: &Allowed<right::View>, ids: &[CertificateId]) -> Vec<CertificateView> {
        let desired = &self.served().desired;
        let usage = Usage::of_these(desired, ids, self.now());
        let shown = |stored| view_used(stored, desired, &usage, self.now());
        ids.iter().filter_map(|id| desired.certificate(id)).filter_map(shown).collect()
    }

    /// Shows all certificates.
    #[cfg(test)]
    pub(crate) fn list_certificates(&self, by: &Allowed<right::View>) -> Vec<CertificateView> {
        self.show_certificates(by, &self.certificate_ids(by))
    }

    /// Shows one certificate.
    pub(crate) fn show_certificate(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
    ) -> Result<Revised<CertificateView>, AppError> {
        let desired = &self.served().desired;
        self.revised(find(desired, id)?, desired)
    }

    /// Lists the versions of a certificate, oldest first.
    pub(crate) fn list_certificate_versions(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
    ) -> Result<Vec<CertificateVersionView>, AppError> {
        let desired = &self.served().desired;
        Ok(view::versions(find(desired, id)?, desired, self.now()))
    }

    /// Makes a certificate that is signed by its own key.
    pub(crate) async fn make_self_signed(
        &self,
        by: &Allowed<right::CertificateChange>,
        input: &SelfSignedCreate,
        apply: Apply,
    ) -> Result<Revised<CertificateTaken>, AppError> {
        let mut names = Vec::with_capacity(input.names.len());
        for text in &input.names {
            let name = HostPattern::parse(text).map_err(|error| AppError::invalid("names", &error))?;
            if name == HostPattern::Any {
                let message = "names: * is no name that a certificate can have; give host names or *.NAME";
                return Err(AppError::refused("invalid-value", message));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let days = input.days.unwrap_or(SELF_SIGNED_DAYS);
        if !(1..=MAX_SELF_SIGNED_DAYS).contains(&days) {
            let message = format!("days: {days} is not between 1 and {MAX_SELF_SIGNED_DAYS}");
            return Err(AppError::refused("invalid-value", message));
        }
        let now = self.now();
        let bundle =
            self_signed(&names, self_signed_validity(now, days)).map_err(|error| AppError::invalid("names", &error))?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let name = names.first().map(ToString::to_string).unwrap_or_default();
        let id = new_id(&desired, &name)?;
        let certificate = view::of_bundle(&id, &name, VersionNumber(1), Source::SelfSigned, &bundle, &desired, now);
        let preview = CertificateTaken { certificate, outcome: CertificateOutcome::Created, findings: Vec::new() };
        if apply == Apply::DryRun {
            return Ok(Revised { view: preview, revision: None });
        }
        let mut change = self.change(by, format!("make self-signed certificate {id} for {name}"));
        let sealer = self.sealer(&desired)?;
        let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
        let version = NewVersion {
            source: Source::SelfSigned,
            added: now,
            chain: bundle.chain,
            facts: bundle.facts.into(),
            key: new_key_id()?,
            private_key: NewKey::Here(&secret),
        };
        change.add_certificate(&id, &name, Management::Unmanaged, version, &sealer);
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(Revised { view: preview, revision: Some(revision) })
    }

    /// Goes back to the version before the one that is served.
    pub(crate) async fn roll_back_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        id: &str,
        input: &CertificateRollback,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Revised<CertificateTaken>>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        precondition.check("certificate", id, stored.revision())?;
        let certificate = &stored.value;
        let older = certificate.versions.iter().filter(|version| version.number < certificate.current);
        let target = older.max_by_key(|version| version.number).ok_or_else(|| {
            AppError::conflict(
                "no-older-version",
                format!(
                    "version {} of \"{id}\" is served, and there is none before it to go back to",
                    certificate.current
                ),
            )
        })?;
        let status = target.facts.validity.status(self.now(), desired.settings.warning);
        if !status.is_in_force() && !input.allow_expired {
            return Err(AppError::refused(
                status.as_str(),
                format!(
                    "version {} of \"{id}\" is {status} (valid from {} to {}), so clients would refuse it; go back to it nevertheless with --allow-expired",
                    target.number, target.facts.validity.not_before, target.facts.validity.not_after
                ),
            ));
        }
        let mut after = stored.clone();
        after.value.current = target.number;
        let lost = lost_names(&desired, &certificate.id, Some(&target.facts));
        let taken = CertificateTaken {
            certificate: self.revised(&after, &desired)?.view,
            outcome: CertificateOutcome::NewVersion,
            findings: lost.iter().map(name_lost).collect(),
        };
        if apply == Apply::DryRun {
            return Ok(Revised { view: taken, revision: None }.into());
        }
        let mut change = self.change(
            by,
            format!("roll certificate {id} back from version {} to {}", certificate.current, target.number),
        );
        change.set_current(stored, target.number);
        let id = &certificate.id;
        let presented = portal_certificates(&desired, self.now()).contains(id);
        let safety = Safety::by(if presented { NewWay::Https } else { NewWay::Any });
        let apply = apply.of_portal(presented);
        let made = self
            .make_safely(change, deciding, apply, safety, |served| {
                let demand = Demand::of_certificate(&served.desired);
                Ok(if presented { trials_of_portal(served, Some(id), demand) } else { Vec::new() })
            })
            .await?;
        let revised = Revised { view: taken, revision: Some(made.revision) };
        Ok(Changed { result: revised, impacts: Vec::new(), confirmation: made.confirmation })
    }

    /// Gives out a certificate with its private key, and records who took it.
    pub(crate) async fn export_certificate(
        &self,
        by: &Allowed<right::CertificateExportPrivateKey>,
        id: &str,
        input: &CertificateExport,
    ) -> Result<ExportedFile, AppError> {
        let desired = self.desired().await?;
        let certificate = &find(&desired, id)?.value;
        let unusable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            AppError::internal(format!("the private key of \"{id}\" cannot be read; portward status says more"), cause)
        };
        let version = certificate.current_version().ok_or_else(|| unusable("no version".into()))?;
        if let Some(agent) = certificate.key_on() {
            let message = format!(
                "the private key of \"{id}\" is on the machine of agent \"{agent}\" and never leaves it; have it installed there: portward delivery add --agent {agent} --certificate {id} --format pem --to CERTIFICATE --to KEY"
            );
            return Err(AppError::conflict("key-elsewhere", message));
        }
        let sealed = desired.private_key(&version.key).ok_or_else(|| unusable("no key".into()))?;
        let secret =
            open_private_key(&self.sealer(&desired)?, &version.key, sealed).map_err(|error| unusable(error.into()))?;
        let key = PrivateKey::from_pkcs8_der(secret.expose()).map_err(|error| unusable(error.into()))?;
        let file = match input.format {
            ExportFormat::Pem => ExportedFile {
                media_type: "application/x-pem-file",
                content: Zeroizing::new(portward_certs::export_pem(&version.chain, &key).as_bytes().to_vec()),
            },
            ExportFormat::Pfx => {
                let password = input.password.as_ref().map_or("", |password| password.expose());
                let password = Password::new(password.to_owned());
                let (chain, name) = (version.chain.clone(), certificate.name.clone());
                // The key derivation takes a noticeable part of a second.
                let made =
                    tokio::task::spawn_blocking(move || portward_certs::export_pfx(&chain, &key, &password, &name));
                let made = made.await.map_err(|error| AppError::internal("the PFX could not be written", error))?;
                let content = made.map_err(|error| match error {
                    ExportPfxError::EmptyPassword => AppError::refused("password-needed", error.to_string()),
                    error => AppError::internal("the PFX could not be written", error),
                })?;
                ExportedFile { media_type: "application/x-pkcs12", content }
            }
        };
        // Recorded before it leaves, so that no key leaves without a record.
        let what = format!("export certificate {id} version {} with its private key", version.number);
        self.commit(self.change(by, what)).await?;
        Ok(file)
    }

    /// Removes a certificate: one that no site and no binding names, or whatever it breaks if that is forced.
    ///
    /// What would break is told of in a dry run as well.
    pub(crate) async fn remove_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        id: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Removed>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        precondition.check("certificate", id, stored.revision())?;
        let impacts = impacts::of_certificate(&desired, &stored.value.id, self.now());
        if apply != Apply::DryRun && !apply.is_forced() {
            impacts::refuse_certificate(&desired, &stored.value.id, &impacts)?;
        }
        let warnings = lost_names(&desired, &stored.value.id, None);
        let warnings: Vec<String> = warnings
            .iter()
            .map(|name| {
                format!("no other certificate is valid for {name}, which a site has: clients will refuse it over https")
            })
            .collect();
        let removed = Removed { id: id.to_owned(), warnings };
        if apply == Apply::DryRun {
            return Ok(Changed { result: removed, impacts, confirmation: None });
        }
        let presented = portal_certificates(&desired, self.now()).contains(&stored.value.id);
        let mut change = self.change(by, format!("remove certificate {id}"));
        self.release(&mut change, &desired, &stored.value.id);
        change.remove_certificate(stored);
        self.forget_renewals(&stored.value.id, &mut change).await?;
        let safety = Safety::by(if presented { NewWay::Https } else { NewWay::Any });
        // What is forced is not tried: that something breaks is known.
        let made = self.make_safely(change, deciding, apply, safety, |_| Ok(Vec::new())).await?;
        if made.confirmation.is_none()
            && let Err(error) = work::forget_notices(&*self.parts.store, &stored.value.id).await
        {
            // It is removed all the same.
            let error = super::chain_text(&error);
            tracing::warn!(certificate.id = id, error, "what was told of a certificate could not be forgotten");
        }
        Ok(Changed { result: removed, impacts, confirmation: made.confirmation })
    }

    /// Has nobody name a certificate that goes although it is used.
    fn release(&self, change: &mut Draft, desired: &Desired, id: &CertificateId) {
        for stored in desired.names().sites_fixed_to(id).filter_map(|site| desired.site(site)) {
            let site = portward_core::Site { certificate: SiteCertificate::Auto, ..stored.value.clone() };
            change.put_site(&site, Expected::At(stored.revision));
        }
        for stored in desired.bindings.iter().filter(|stored| stored.value.default_certificate.as_ref() == Some(id)) {
            let binding = portward_core::Binding { default_certificate: None, ..stored.value.clone() };
            change.put_binding(&binding, Expected::At(stored.revision));
        }
    }

    fn revised(&self, stored: &StoredCertificate, desired: &Desired) -> Result<Revised<CertificateView>, AppError> {
        let view = view(stored, desired, self.now()).ok_or_else(|| {
            AppError::conflict(
                "certificate-without-version",
                format!(
                    "no version of the certificate \"{}\" can be read; import it again with --replace {}",
                    stored.value.id, stored.value.id
                ),
            )
        })?;
        Ok(Revised { view, revision: Some(stored.revision()) })
    }
}

pub(super) fn find<'a>(desired: &'a Desired, id: &str) -> Result<&'a StoredCertificate, AppError> {
    let parsed = CertificateId::parse(id).map_err(|_| AppError::not_found("certificate", id))?;
    desired.certificate(&parsed).ok_or_else(|| AppError::not_found("certificate", id))
}

/// The certificate of that id, which is to be presented to clients here.
pub(super) fn find_presentable<'a>(desired: &'a Desired, id: &str) -> Result<&'a StoredCertificate, AppError> {
    let found = find(desired, id)?;
    match found.value.key_on() {
        None => Ok(found),
        Some(agent) => Err(AppError::conflict(
            "key-elsewhere",
            format!(
                "the private key of \"{id}\" is on the machine of agent \"{agent}\" and never leaves it, so that Portward cannot present it; give another certificate, or request one here: portward certificate request NAME"
            ),
        )),
    }
}

/// An id for a new certificate, out of its name.
pub(super) fn new_id(desired: &Desired, name: &str) -> Result<CertificateId, AppError> {
    let is_taken = |id: &str| CertificateId::parse(id).is_ok_and(|id| desired.certificate(&id).is_some());
    CertificateId::parse(&slug(name, "certificate", is_taken)).map_err(|error| AppError::invalid("name", &error))
}

/// Who names a certificate.
pub(super) fn users(desired: &Desired, id: &CertificateId) -> Vec<String> {
    let mut users = Vec::new();
    for site in fixed_sites(desired, id) {
        users.push(format!("site \"{}\"", site.id));
    }
    let bindings = desired.bindings.iter().map(|stored| &stored.value);
    users.extend(
        bindings
            .filter(|binding| binding.default_certificate.as_ref() == Some(id))
            .map(|binding| format!("binding \"{}\"", binding.id)),
    );
    users
}

/// The sites that name a certificate.
pub(super) fn fixed_sites<'a>(
    desired: &'a Desired,
    id: &CertificateId,
) -> impl Iterator<Item = &'a portward_core::Site> + use<'a> {
    let sites: Vec<_> = desired.names().sites_fixed_to(id).filter_map(|site| desired.site(site)).collect();
    sites.into_iter().map(|stored| &stored.value)
}

/// The names of sites that had a certificate, and have none if one is replaced by another or removed.
pub(super) fn lost_names(desired: &Desired, id: &CertificateId, successor: Option<&LeafFacts>) -> Vec<HostPattern> {
    let covers = |facts: &LeafFacts, name: &HostPattern| facts.names.iter().any(|has| has.covers(name));
    let current = |id: &CertificateId| desired.certificate(id)?.value.current_version().map(|version| &*version.facts);
    let Some(before) = current(id) else { return Vec::new() };
    let names = desired.names();
    let may_be_lost = |site: &portward_core::Site| site.certificate == SiteCertificate::Auto;
    let lost = |name: &&HostPattern| {
        **name != HostPattern::Any
            && covers(before, name)
            && !successor.is_some_and(|facts| covers(facts, name))
            && !names.covering(name).filter(|other| *other != id).filter_map(current).any(|facts| covers(facts, name))
    };
    let is_of_one = |name: &HostPattern| matches!(name, HostPattern::Exact(_));
    if before.names.iter().all(is_of_one) {
        let sites: BTreeSet<_> = before.names.iter().flat_map(|name| names.sites(name)).collect();
        let sites = sites.into_iter().filter_map(|id| desired.site(id)).map(|stored| &stored.value);
        return sites.filter(|site| may_be_lost(site)).flat_map(|site| &site.names).filter(lost).cloned().collect();
    }
    let sites = desired.sites.iter().map(|stored| &stored.value);
    sites.filter(|site| may_be_lost(site)).flat_map(|site| &site.names).filter(lost).cloned().collect()
}

fn name_lost(name: &HostPattern) -> FindingView {
    let message = format!(
        "the version that was served is valid for {name}, which a site has; this one is not, nor is any other certificate"
    );
    warning("name-lost", message)
}

fn warning(code: &str, message: String) -> FindingView {
    FindingView { code: code.to_owned(), weight: FindingWeight::Warns, message }
}

/// A hundred years; the limit keeps the end inside of what dates can say.
const MAX_SELF_SIGNED_DAYS: u32 = 36_500;

#[cfg(test)]
mod tests;
