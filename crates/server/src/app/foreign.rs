//! Moving in: certificates and accounts of certbot, acme.sh, Caddy and Traefik are taken over and renewed from here on.

mod issuers;
mod plan;

use std::ops::Range;

use portward_api::{ForeignImport, ForeignImported};
use portward_certs::{Foreign, ForeignFile, ForeignKind, read_foreign};
use portward_core::{Management, Revision, Source, Timestamp};
use portward_store::{
    change::{Change, NewKey, NewVersion},
    desired::Desired,
    sealing::{Sealer, Secret},
    work::Renewal,
};
use zeroize::Zeroizing;

use super::{Allowed, App, AppError, Apply, chain_text, new_key_id, right};
use issuers::{Moving, moving};
use plan::{Planned, Target, plan};

impl App {
    /// Takes over what another program keeps. What is wrong with one certificate does not stop the others.
    ///
    /// Issuers and accounts that are not here yet need the right to change issuers too.
    pub(crate) async fn import_foreign(
        &self,
        by: &Allowed<right::CertificateChange>,
        input: ForeignImport,
        apply: Apply,
    ) -> Result<ForeignImported, AppError> {
        let kind = ForeignKind::parse(&input.kind).ok_or_else(|| {
            let known = ForeignKind::ALL.map(ForeignKind::as_str).join(", ");
            let message = format!("kind: \"{}\" is none of {known}", input.kind);
            AppError::refused("invalid-value", message)
        })?;
        let now = self.now();
        let Foreign { certificates, accounts, notes } = read_files(kind, input, now).await?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let sealer = self.sealer(&desired)?;
        let mut moving = moving(&*self.parts.store, &sealer, &desired, &certificates, accounts).await?;
        if moving.weight() > 0 {
            by.actor().may::<right::IssuerChange>()?;
        }
        let (mut planned, notes) = plan(&desired, certificates, &notes, &moving, now);
        if apply == Apply::Now {
            let revision = self.take_over(by, kind, &desired, &moving, &mut planned, &sealer).await?;
            drop(deciding);
            if let Some(revision) = revision {
                self.in_effect(revision).await?;
            }
        }
        Ok(ForeignImported {
            certificates: planned.into_iter().map(|planned| planned.view).collect(),
            accounts: std::mem::take(&mut moving.accounts),
            notes,
        })
    }

    /// Makes one change, or as many as are needed; gives the last revision.
    async fn take_over(
        &self,
        by: &Allowed<right::CertificateChange>,
        kind: ForeignKind,
        desired: &Desired,
        moving: &Moving,
        planned: &mut [Planned],
        sealer: &Sealer,
    ) -> Result<Option<Revision>, AppError> {
        let mut newest = None;
        for (number, batch) in batches(planned, moving.weight()).into_iter().enumerate() {
            let begin = || self.change(by, format!("import from {kind}"));
            let mut change = begin();
            if number == 0 {
                moving.put(&mut change, sealer);
            }
            let mut put = Ok(());
            for planned in &planned[batch.clone()] {
                put = put.and(self.put(&mut change, planned, desired, sealer).await);
            }
            if change.is_empty() {
                continue;
            }
            let together = match put {
                Ok(()) => self.commit(change).await,
                Err(error) => Err(error),
            };
            if let Ok(revision) = together {
                newest = Some(revision);
                continue;
            }
            // One of them spoils it for the others: each has a change of its own then. Without the issuers, all would.
            if number == 0 && moving.weight() > 0 {
                let mut change = begin();
                moving.put(&mut change, sealer);
                newest = Some(self.commit(change).await?);
            }
            for planned in &mut planned[batch] {
                let mut change = begin();
                let alone = match self.put(&mut change, planned, desired, sealer).await {
                    Ok(()) if change.is_empty() => continue,
                    Ok(()) => self.commit(change).await,
                    Err(error) => Err(error),
                };
                match alone {
                    Ok(revision) => newest = Some(revision),
                    Err(error) => planned.leave_out(&chain_text(&error)),
                }
            }
        }
        Ok(newest)
    }

    /// Adds what becomes of one certificate to a change.
    async fn put(
        &self,
        change: &mut Change,
        planned: &Planned,
        desired: &Desired,
        sealer: &Sealer,
    ) -> Result<(), AppError> {
        let Planned { id, name, target, management, bundle, issued_by, .. } = planned;
        let version = |secret| {
            Ok::<_, AppError>(NewVersion {
                source: Source::Imported,
                added: self.now(),
                chain: bundle.chain.clone(),
                facts: bundle.facts.clone().into(),
                key: new_key_id()?,
                private_key: NewKey::Here(secret),
            })
        };
        let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
        match target {
            Target::New => {
                change.add_certificate(id, name, management.clone(), version(&secret)?, sealer);
            }
            Target::Version => {
                let Some(stored) = desired.certificate(id) else { return Ok(()) };
                change.add_version(stored, version(&secret)?, sealer);
                if *management != stored.value.management {
                    change.edit_certificate(stored, name, management);
                }
            }
            Target::Nowhere => return Ok(()),
        }
        let Management::Managed(managed) = management else { return Ok(()) };
        for issuer in &managed.issuers {
            change.require_issuer(issuer);
        }
        let remembered = Renewal::read(&*self.parts.store, id).await.map_err(|error| {
            AppError::internal(format!("what is remembered of the renewal of \"{id}\" cannot be read"), error)
        })?;
        // What the CA suggested was about the version before.
        let remembered = remembered.unwrap_or_default();
        let issued_by = issued_by.clone().or_else(|| remembered.issued_by.clone());
        let renewal = Renewal {
            issued_by,
            ordered: Vec::new(),
            window: None,
            window_due: None,
            irreplaceable: None,
            ..remembered
        };
        change.put_renewal(id, &renewal);
        Ok(())
    }
}

/// Reads the files where blocking is allowed: there may be thousands.
async fn read_files(kind: ForeignKind, input: ForeignImport, now: Timestamp) -> Result<Foreign, AppError> {
    let reading = tokio::task::spawn_blocking(move || {
        let files = input.files.into_iter();
        let files =
            files.map(|file| ForeignFile { path: file.path, data: Zeroizing::new(file.data.expose().to_vec()) });
        read_foreign(kind, files.collect(), now)
    });
    let read = reading.await.map_err(|error| AppError::internal("the files could not be read", error))?;
    read.map_err(|error| AppError::refused("nothing-to-import", format!("{error}. Nothing was imported.")))
}

/// Which certificates go into one change each; `before` is what goes into the first one besides.
fn batches(planned: &[Planned], before: usize) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut begin, mut weight) = (0, before);
    for (index, planned) in planned.iter().enumerate() {
        let more = match planned.target {
            Target::New => WEIGHT_OF_NEW,
            Target::Version => WEIGHT_OF_VERSION,
            Target::Nowhere => 0,
        };
        if weight + more > MOST_WEIGHT && weight > 0 {
            batches.push(begin..index);
            (begin, weight) = (index, 0);
        }
        weight += more;
    }
    batches.push(begin..planned.len());
    batches
}

/// Less than a transaction takes, as its audit record is in it.
const MOST_WEIGHT: usize = 96;
/// Records of a new certificate: its name, how it is managed, key, issuers, version, pointer, renewal; and its issuer, which
/// must be there.
const WEIGHT_OF_NEW: usize = 8;
/// The same, and the versions that are not kept any more with their keys.
const WEIGHT_OF_VERSION: usize = 14;

#[cfg(test)]
mod tests;
