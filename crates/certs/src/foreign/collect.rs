//! Gathers what was found, and what there is to say about it.

use std::{collections::BTreeMap, time::Duration};

use portward_core::{HostPattern, KeyType, Timestamp, acme::ChallengeKind};

use super::{
    Foreign, ForeignAccount, ForeignCertificate, Note, NoteWeight, directory,
    directory::{directory_url, https_url},
    settings::shown,
};
use crate::{AccountKeyRefusal, Allow, Defect, Input, acme::AccountKey, check, read};

/// Gathers certificates, accounts and notes.
pub(super) struct Collector {
    foreign: Foreign,
    /// Certificates that can be read, each with what there is to say of it if it is taken.
    readable: Vec<(ForeignCertificate, Vec<Note>)>,
    now: Timestamp,
}

/// Says where a certificate came from, and how.
#[derive(Default)]
pub(super) struct Origin {
    pub(super) directory: Option<String>,
    pub(super) challenge: Option<ChallengeKind>,
    pub(super) how: Option<String>,
    pub(super) renewal: Option<Renewal>,
}

/// Says when a certificate was renewed.
pub(super) enum Renewal {
    /// That long before its end.
    Before(Duration),
    /// That long after its beginning.
    After(Duration),
}

impl Collector {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { foreign: Foreign::default(), readable: Vec::new(), now }
    }

    pub(super) fn left_out(&mut self, path: &str, message: String) {
        self.note(path, NoteWeight::LeftOut, message);
    }

    pub(super) fn look_at(&mut self, path: &str, message: String) {
        self.note(path, NoteWeight::LookAt, message);
    }

    fn note(&mut self, path: &str, weight: NoteWeight, message: String) {
        self.foreign.notes.push(Note { path: path.to_owned(), weight, message });
    }

    /// Reads a certificate with its key out of some files.
    pub(super) fn certificate(&mut self, path: &str, files: &[Input<'_>], origin: Origin) {
        let bundle = match read(files, None) {
            Ok(bundle) => bundle,
            Err(error) => return self.left_out(path, format!("the certificate cannot be read: {error}")),
        };
        let names = bundle.facts.names.clone();
        if names.is_empty() {
            let message = "its certificate has no DNS names and no IP addresses, so that it is valid for nothing";
            return self.left_out(path, message.to_owned());
        }
        let mut notes = Vec::new();
        let mut note = |path: &str, message: String| {
            notes.push(Note { path: path.to_owned(), weight: NoteWeight::LookAt, message });
        };
        for left_over in &bundle.left_over {
            note(&left_over.file, format!("not needed: {}", left_over.what));
        }
        for finding in check(&bundle, self.now, &[], Allow::default()) {
            let message = match finding.defect {
                Defect::Expired { since, days, .. } => {
                    format!("it expired on {since} ({days} days ago); it is taken all the same, to be renewed")
                }
                defect => defect.to_string(),
            };
            note(path, message);
        }
        if origin.directory.as_deref().is_some_and(directory::is_staging) {
            let message = "it comes from a test environment, whose certificates no browser trusts";
            note(path, message.to_owned());
        }
        let validity = bundle.facts.validity;
        let renew_before = match origin.renewal {
            None => None,
            Some(Renewal::Before(span)) => Some(span),
            Some(Renewal::After(span)) => Some(validity.not_after.since(validity.not_before.plus(span))),
        };
        let lifetime = validity.not_after.since(validity.not_before);
        let renew_before = renew_before.filter(|span| !span.is_zero());
        if renew_before.is_some_and(|span| span >= lifetime) {
            let message = "it was to be renewed longer before its end than it is valid; that setting is not taken";
            note(path, message.to_owned());
        }
        let has_wildcard = names.iter().any(|name| matches!(name, HostPattern::Wildcard(_)));
        let certificate = ForeignCertificate {
            path: path.to_owned(),
            names: names.into_vec(),
            directory: origin.directory,
            // No CA issues for wildcards in another way.
            challenge: if has_wildcard { Some(ChallengeKind::Dns01) } else { origin.challenge },
            how: origin.how,
            renew_before: renew_before.filter(|span| *span < lifetime),
            bundle,
        };
        self.readable.push((certificate, notes));
    }

    /// Takes an account; the URLs are checked here.
    pub(super) fn account(
        &mut self,
        path: &str,
        directory: &str,
        url: Option<&str>,
        contacts: Vec<String>,
        key: Result<AccountKey, AccountKeyRefusal>,
    ) {
        let url = url.and_then(https_url);
        let Some(directory) = directory_url(directory) else {
            let message = format!("the directory {} of the account is no https URL", shown(directory));
            return self.left_out(path, message);
        };
        let same = |other: &&ForeignAccount| other.directory == directory && url.is_some() && other.url == url;
        if let Some(other) = self.foreign.accounts.iter().find(same) {
            let message = format!("it is the account that is in {} too", other.path);
            return self.left_out(path, message);
        }
        let (usual, odd): (Vec<_>, Vec<_>) = contacts.into_iter().partition(|contact| is_contact(contact));
        if !odd.is_empty() {
            self.look_at(path, "a contact of the account is no mailto: URL, and was not taken".to_owned());
        }
        self.foreign.accounts.push(ForeignAccount { path: path.to_owned(), directory, url, contacts: usual, key });
    }

    /// Chooses between certificates for the same names, and ends.
    pub(super) fn finish(mut self) -> Foreign {
        let mut taken: Vec<(ForeignCertificate, Vec<Note>)> = Vec::new();
        let mut by_names = BTreeMap::<(Vec<HostPattern>, bool), usize>::new();
        for candidate in std::mem::take(&mut self.readable) {
            let mut names = candidate.0.names.clone();
            names.sort();
            names.dedup();
            let is_rsa = matches!(candidate.0.bundle.facts.key_type, KeyType::Rsa(_));
            if let Some(position) = by_names.get(&(names.clone(), is_rsa)).copied() {
                let (better, other) = if worth(&candidate.0) > worth(&taken[position].0) {
                    (candidate.0.path.clone(), std::mem::replace(&mut taken[position], candidate).0)
                } else {
                    (taken[position].0.path.clone(), candidate.0)
                };
                let end = other.bundle.facts.validity.not_after;
                let message = format!("it is valid until {end}, and {better} with the same names is the better one");
                self.left_out(&other.path, message);
                continue;
            }
            by_names.insert((names, is_rsa), taken.len());
            taken.push(candidate);
        }
        for ((names, is_rsa), position) in &by_names {
            if *is_rsa && let Some(other) = by_names.get(&(names.clone(), false)) {
                let message = format!(
                    "{} has the same names and a key that is not RSA; both are taken, and a site serves one of them",
                    taken[*other].0.path
                );
                let path = taken[*position].0.path.clone();
                self.look_at(&path, message);
            }
        }
        for (certificate, notes) in taken {
            self.foreign.certificates.push(certificate);
            self.foreign.notes.extend(notes);
        }
        self.foreign.notes.sort_by(|a, b| a.path.cmp(&b.path));
        self.foreign.notes.dedup();
        self.foreign
    }
}

/// What makes one certificate better than another for the same names.
fn worth(certificate: &ForeignCertificate) -> (bool, Timestamp) {
    let is_staging = certificate.directory.as_deref().is_some_and(directory::is_staging);
    (!is_staging, certificate.bundle.facts.validity.not_after)
}

fn is_contact(contact: &str) -> bool {
    let Some(address) = contact.strip_prefix("mailto:") else {
        return false;
    };
    address.contains('@') && address.len() <= MAX_ADDRESS && address.chars().all(|c| !c.is_control() && c != ' ')
}

/// Longest mail address (RFC 5321 section 4.5.3.1).
const MAX_ADDRESS: usize = 320;
