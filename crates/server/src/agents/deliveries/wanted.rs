//! What is wanted of a delivery, whether it is there, and whether it is time to send it.

use std::{collections::HashSet, time::Duration};

use portward_core::{CertificateId, CertificateVersion, Delivery, Source, Thumbprint, Timestamp};
use portward_store::{
    agents::StoredDelivery,
    desired::Desired,
    work::{DeliveryState, DeliveryWork},
};

use super::Entry;

/// Is what is wanted of one delivery, by the newest desired state.
pub(super) struct Wanted<'a> {
    pub(super) version: &'a CertificateVersion,
    /// Tells one wish from another.
    pub(super) digest: String,
}

/// What is wanted of a delivery; none while there is nothing to deliver.
pub(super) fn wanted<'a>(stored: &StoredDelivery, desired: &'a Desired) -> Option<Wanted<'a>> {
    let certificate = desired.certificate(&stored.delivery.certificate)?;
    let version = certificate.value.current_version()?;
    // What bridges the time until the CA has issued is for handshakes of Portward itself.
    if certificate.value.management.managed().is_some() && version.source == Source::SelfSigned {
        return None;
    }
    let Delivery { id, agent, certificate, format, to, owner, mode, reload, verify } = &stored.delivery;
    let mut parts: Vec<String> = vec![
        id.to_string(),
        agent.to_string(),
        certificate.to_string(),
        format.to_string(),
        owner.to_string(),
        mode.to_string(),
        reload.as_ref().map(ToString::to_string).unwrap_or_default(),
        verify.as_ref().map(ToString::to_string).unwrap_or_default(),
        // The password is sealed for it.
        stored.generation.to_string(),
        version.facts.thumbprint.to_string(),
    ];
    parts.extend(to.iter().map(ToString::to_string));
    // None of them has a line end.
    Some(Wanted { version, digest: Thumbprint::of(parts.join("\n").as_bytes()).to_string() })
}

/// Certificates whose newest version did not work on some machine that was told of it, also while it is tried there again.
pub(super) fn stopped(all: &[Entry], desired: &Desired) -> HashSet<CertificateId> {
    let did_not_work = |entry: &&Entry| {
        let did_not_work = match entry.work.state {
            DeliveryState::Failed => matches!(entry.work.stage.as_deref(), Some("test" | "reload" | "verify")),
            // It is tried again, and nobody knows yet whether it works.
            DeliveryState::Running | DeliveryState::Pending => entry.work.tries > 0,
            DeliveryState::Installed => false,
        };
        did_not_work && wanted(&entry.stored.value, desired).is_some_and(|wanted| wanted.digest == entry.work.wanted)
    };
    all.iter().filter(did_not_work).map(|entry| entry.stored.value.delivery.certificate.clone()).collect()
}

/// Whether it is time to have it installed.
pub(super) fn is_due(work: &DeliveryWork, wanted: &Wanted<'_>, now: Timestamp) -> bool {
    let is_current = work.wanted == wanted.digest;
    // The clock was set back since: nobody waits until it has caught up.
    let is_before = work.at.is_some_and(|at| now < at);
    let may_be_tried = is_before || work.next_try.is_none_or(|at| at <= now);
    match work.state {
        DeliveryState::Running => false,
        DeliveryState::Installed if is_current => {
            has_drifted(work, wanted.version.facts.thumbprint)
                && (is_before || work.at.is_none_or(|at| now.since(at) >= MENDING))
        }
        DeliveryState::Pending | DeliveryState::Failed if is_current => may_be_tried,
        _ => true,
    }
}

/// Whether just this was sent and did not work, so that it is tried there again.
pub(super) fn is_retried(work: &DeliveryWork, wanted: &Wanted<'_>) -> bool {
    work.tries > 0 && work.wanted == wanted.digest
}

/// Whether just this was sent, and what came of it is not known: its agent says it with its next report.
pub(super) fn is_in_doubt(work: &DeliveryWork, wanted: &Wanted<'_>) -> bool {
    work.state == DeliveryState::Pending && work.wanted == wanted.digest
}

/// Whether something else is in the files, or is served, than was installed.
pub(super) fn has_drifted(work: &DeliveryWork, wanted: Thumbprint) -> bool {
    let wanted = wanted.to_string();
    [&work.stored, &work.served].into_iter().flatten().any(|seen| *seen != wanted)
}

/// What differs right after an installation is mended after a moment: a program may still have the old one.
pub(super) const MENDING: Duration = Duration::from_secs(20);
