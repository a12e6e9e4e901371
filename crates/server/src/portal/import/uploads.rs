//! What somebody gave to look at, kept in memory for a while: private keys never go back into a page.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_api::{CertificateFile, SecretText};
use portward_core::Timestamp;

use crate::app::{Actor, AppError, random_hex};

/// Keeps uploads, each for the actor who gave it.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    kept: Mutex<BTreeMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    actor: String,
    since: Timestamp,
    upload: Upload,
}

/// Is what was given: files, and the password that opens them.
#[derive(Clone, Debug, Default)]
pub(in crate::portal) struct Upload {
    pub(in crate::portal) files: Vec<CertificateFile>,
    pub(in crate::portal) password: Option<SecretText>,
}

impl Uploads {
    /// Keeps one, and names it; one that has a name of that actor's keeps it.
    pub(in crate::portal) fn keep(
        &self,
        actor: &Actor,
        name: Option<&str>,
        upload: Upload,
        now: Timestamp,
    ) -> Result<String, AppError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| is_fresh(kept, now));
        let own = name.filter(|name| kept.get(*name).is_some_and(|kept| kept.actor == actor.to_string()));
        let id = match own {
            Some(own) => own.to_owned(),
            None => random_hex::<16>()?,
        };
        while kept.len() >= MOST_KEPT && !kept.contains_key(&id) {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.since).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            kept.remove(&oldest);
        }
        kept.insert(id.clone(), Kept { actor: actor.to_string(), since: now, upload });
        Ok(id)
    }

    /// The one of that name, if that actor gave it and it is not too long ago.
    pub(in crate::portal) fn get(&self, actor: &Actor, id: &str, now: Timestamp) -> Option<Upload> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| is_fresh(kept, now));
        let found = kept.get(id).filter(|kept| kept.actor == actor.to_string())?;
        Some(found.upload.clone())
    }

    /// Forgets it, as it was taken.
    pub(in crate::portal) fn forget(&self, actor: &Actor, id: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.get(id).is_some_and(|kept| kept.actor == actor.to_string()) {
            kept.remove(id);
        }
    }
}

fn is_fresh(kept: &Kept, now: Timestamp) -> bool {
    // A clock that was set back makes nothing live longer.
    kept.since <= now && now.since(kept.since) < KEPT_FOR
}

/// Long enough to look for the file that is missing.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Of the largest size, they take 128 MiB.
const MOST_KEPT: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::fixture::now;

    #[test]
    fn an_upload_is_there_for_whoever_gave_it_and_not_for_long() {
        let uploads = Uploads::default();
        let (ada, bob) = (Actor::portward("ada"), Actor::portward("bob"));
        let id = uploads.keep(&ada, None, Upload::default(), now()).unwrap();
        assert_eq!(uploads.keep(&ada, Some(&id), Upload::default(), now()).unwrap(), id);
        assert_ne!(uploads.keep(&bob, Some(&id), Upload::default(), now()).unwrap(), id);
        assert!(uploads.get(&ada, &id, now()).is_some());
        assert!(uploads.get(&bob, &id, now()).is_none());
        uploads.forget(&bob, &id);
        assert!(uploads.get(&ada, &id, now().plus(KEPT_FOR - Duration::from_secs(1))).is_some());
        assert!(uploads.get(&ada, &id, now().plus(KEPT_FOR)).is_none());
        let first = uploads.keep(&ada, None, Upload::default(), now()).unwrap();
        let later = now().plus(Duration::from_secs(1));
        for _ in 0..MOST_KEPT {
            uploads.keep(&ada, None, Upload::default(), later).unwrap();
        }
        assert!(uploads.get(&ada, &first, later).is_none());
        assert_eq!(uploads.kept.lock().unwrap().len(), MOST_KEPT);
    }
}
