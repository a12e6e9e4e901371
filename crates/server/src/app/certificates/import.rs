//! Importing a certificate: read, judge, and only then store.

use std::sync::Arc;

use portward_api::{CertificateImport, CertificateOutcome, CertificateTaken, Changed, FindingView};
use portward_certs::{Allow, Bundle, Input, Password, ReadError, check, read};
use portward_core::{CertificateId, HostPattern, Management, NewWay, Source, VersionNumber};
use portward_store::{
    change::{NewKey, NewVersion},
    desired::{Desired, StoredCertificate},
    sealing::Secret,
};

use super::{find, fixed_sites, lost_names, name_lost, new_id, view, warning};
use crate::app::{
    Allowed, App, AppError, Apply, Draft, Precondition, Revised,
    error::finding_view,
    new_key_id, right,
    safely::Safety,
    trial::{Demand, trials_of_portal},
    ways_in::{portal_certificates, takes_over},
};

/// Is where an imported certificate goes.
enum Target<'a> {
    /// A certificate of its own.
    New(CertificateId, String),
    /// The next version of that one.
    Version(&'a StoredCertificate),
    /// Nowhere: that one has it already.
    Present(&'a StoredCertificate),
}

impl App {
    /// Takes a certificate with its key and chain, as a new one or as a new version.
    ///
    /// Whatever is wrong is said before anything is stored.
    pub(crate) async fn import_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        input: CertificateImport,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Revised<CertificateTaken>>, AppError> {
        let (bundle, input) = read_files(input).await?;
        let now = self.now();
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let replaced = input.replace.as_deref().map(|id| find(&desired, id)).transpose()?;
        if let Some(stored) = replaced {
            precondition.check("certificate", stored.value.id.as_str(), stored.revision())?;
        }
        let wanted: Vec<HostPattern> = replaced
            .iter()
            .flat_map(|stored| fixed_sites(&desired, &stored.value.id))
            .flat_map(|site| site.names.iter().filter(|name| **name != HostPattern::Any).cloned())
            .collect();
        let allow = Allow { expired: input.allow_expired, ..Allow::default() };
        let found = check(&bundle, now, &wanted, allow);
        let mut findings: Vec<FindingView> = found.iter().map(finding_view).collect();
        if let Some(first) = found.iter().find(|finding| finding.refuses()) {
            let refusals: Vec<String> =
                found.iter().filter(|finding| finding.refuses()).map(ToString::to_string).collect();
            let message = format!("{}. Nothing was imported.", refusals.join("; "));
            return Err(AppError::refused(first.code(), message).with_findings(findings));
        }
        let left_over = bundle.left_over.iter().map(|left_over| warning("left-over", left_over.to_string()));
        findings.extend(left_over);

        let target = target(&desired, &bundle, replaced, input.name.as_deref())?;
        let (id, name, number, outcome) = match &target {
            Target::New(id, name) => (id.clone(), name.clone(), VersionNumber(1), CertificateOutcome::Created),
            Target::Version(stored) => {
                let lost = lost_names(&desired, &stored.value.id, Some(&bundle.facts));
                findings.extend(lost.iter().map(name_lost));
                let certificate = &stored.value;
                let name = input.name.clone().unwrap_or_else(|| certificate.name.to_string());
                (certificate.id.clone(), name, certificate.next_number(), CertificateOutcome::NewVersion)
            }
            Target::Present(stored) => {
                let id = &stored.value.id;
                findings.push(warning(
                    "already-there",
                    format!(
                        "it is already there, as version {} of \"{id}\"; nothing was changed",
                        stored.value.current
                    ),
                ));
                let Revised { view: certificate, revision } = self.revised(stored, &desired)?;
                let taken = CertificateTaken { certificate, outcome: CertificateOutcome::Unchanged, findings };
                return Ok(Revised { view: taken, revision }.into());
            }
        };
        let certificate = view::of_bundle(&id, &name, number, Source::Imported, &bundle, &desired, now);
        let taken = CertificateTaken { certificate, outcome, findings };
        if apply == Apply::DryRun {
            return Ok(Revised { view: taken, revision: None }.into());
        }

        let what = format!("import certificate {id} version {number}, thumbprint {}", bundle.facts.thumbprint);
        let mut change = self.change(by, what);
        let takes_over = takes_over(&desired, &bundle.facts, now);
        let before = match &target {
            Target::Version(stored) => Some(*stored),
            Target::New(..) | Target::Present(_) => None,
        };
        self.put_imported(&mut change, before, &id, &name, bundle, &desired)?;
        let presented = match before {
            Some(_) => portal_certificates(&desired, now).contains(&id),
            None => takes_over,
        };
        let apply = apply.of_portal(presented);
        let safety = Safety::by(if presented { NewWay::Https } else { NewWay::Any });
        let made = self
            .make_safely(change, deciding, apply, safety, |served| {
                Ok(if presented {
                    trials_of_portal(served, Some(&id), Demand::of_certificate(&served.desired))
                } else {
                    Vec::new()
                })
            })
            .await?;
        let revised = Revised { view: taken, revision: Some(made.revision) };
        Ok(Changed { result: revised, impacts: Vec::new(), confirmation: made.confirmation })
    }

    /// Writes what was read as a certificate of its own, or as a version of one that is there.
    pub(in crate::app) fn put_imported(
        &self,
        change: &mut Draft,
        before: Option<&StoredCertificate>,
        id: &CertificateId,
        name: &str,
        bundle: Bundle,
        desired: &Desired,
    ) -> Result<(), AppError> {
        let sealer = self.sealer(desired)?;
        let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
        let version = NewVersion {
            source: Source::Imported,
            added: self.now(),
            chain: bundle.chain,
            facts: Arc::new(bundle.facts),
            key: new_key_id()?,
            private_key: NewKey::Here(&secret),
        };
        match before {
            Some(stored) => {
                change.add_version(stored, version, &sealer);
                if *name != *stored.value.name {
                    change.edit_certificate(stored, name, &stored.value.management);
                }
            }
            None => {
                change.add_certificate(id, name, Management::Unmanaged, version, &sealer);
            }
        }
        Ok(())
    }
}

/// Reads the files where blocking is allowed: key derivation can take a second.
pub(in crate::app) async fn read_files(input: CertificateImport) -> Result<(Bundle, CertificateImport), AppError> {
    if input.files.is_empty() {
        return Err(AppError::refused("invalid-value", "files: give at least one file"));
    }
    let reading = tokio::task::spawn_blocking(move || -> (Result<Bundle, ReadError>, CertificateImport) {
        let files: Vec<Input<'_>> =
            input.files.iter().map(|file| Input { name: &file.name, bytes: file.data.expose() }).collect();
        let password = input.password.as_ref().map(|password| Password::new(password.expose().to_owned()));
        let bundle = read(&files, password.as_ref());
        drop(files);
        (bundle, input)
    });
    let (bundle, input) =
        reading.await.map_err(|error| AppError::internal("the files could not be read: reading them failed", error))?;
    let bundle = bundle.map_err(|error| AppError::refused(error.code(), format!("{error}. Nothing was imported.")))?;
    Ok((bundle, input))
}

/// Decides where a certificate goes, and refuses one that is there under another id.
fn target<'a>(
    desired: &'a Desired,
    bundle: &Bundle,
    replaced: Option<&'a StoredCertificate>,
    name: Option<&str>,
) -> Result<Target<'a>, AppError> {
    if let Some(stored) = replaced {
        let current = stored.value.current_version();
        let is_same = current.is_some_and(|version| version.chain == bundle.chain)
            && name.is_none_or(|name| *name == *stored.value.name);
        return Ok(if is_same { Target::Present(stored) } else { Target::Version(stored) });
    }
    // Where the leaf is, its names are.
    let names = desired.names();
    let with_it: Vec<&StoredCertificate> = match bundle.facts.names.first() {
        Some(name) => names.certificates(name).filter_map(|id| desired.certificate(id)).collect(),
        None => desired.certificates.iter().collect(),
    };
    for stored in with_it {
        let mut versions = stored.value.versions.iter();
        let Some(version) = versions.find(|version| version.facts.thumbprint == bundle.facts.thumbprint) else {
            continue;
        };
        let id = &stored.value.id;
        if version.number == stored.value.current && version.chain == bundle.chain {
            return Ok(Target::Present(stored));
        }
        return Err(AppError::conflict(
            "already-there",
            format!(
                "it is already there, as version {} of \"{id}\", which serves version {} of it; to make it the newest version: --replace {id}",
                version.number, stored.value.current
            ),
        ));
    }
    let name = match name {
        Some(name) if name.trim().is_empty() => {
            return Err(AppError::refused("invalid-value", "name: it is empty"));
        }
        Some(name) => name.to_owned(),
        None => {
            let first = bundle.facts.names.first().map(ToString::to_string);
            first.unwrap_or_else(|| bundle.facts.subject.to_string())
        }
    };
    Ok(Target::New(new_id(desired, &name)?, name))
}
