//! Whether a delivery may be installed. Nothing is written here.

use std::{cmp::Ordering, sync::Arc};

use portward_core::DeliveryId;
use portward_link::message::{Deliver, Fault};
use zeroize::Zeroizing;

use super::{
    Apply, Place, Shared, Target,
    directory::Content,
    keys::MadeHere,
    ledger::{Ledger, Pending, Record},
    place::Found,
    refused,
    wanted::{Wanted, sha256},
};
use crate::{policy::Policy, profile::Profile};

/// Is a delivery that may be installed.
pub(super) struct Checked {
    pub(super) apply: Apply,
    pub(super) what: Fresh,
    /// Its key, if that was made here.
    pub(super) made_here: Option<MadeHere>,
}

/// Says whether there is anything to write.
pub(super) enum Fresh {
    /// These files.
    Yes(Vec<Zeroizing<Vec<u8>>>),
    /// Everything is in its place; whether it is served is to be seen.
    InPlace,
}

/// Checks a delivery.
pub(super) fn check(shared: Arc<Shared>, call: &Deliver) -> Result<Checked, Fault> {
    let wanted = Wanted::parse(call, &shared.keys)?;
    let ledger = shared.ledger();
    let id = wanted.delivery.as_str();
    if ledger.pending.contains_key(id) {
        return Err(refused("unfinished", format!("the delivery {id} is still being brought to an end")));
    }
    let is_same = is_same_generation(&ledger, &wanted)?;
    for path in &wanted.target.paths {
        if let Some(other) = owner_of(&ledger, id, path.as_str()) {
            return Err(refused("path-taken", format!("{path} is a path of the delivery {other}; give another one")));
        }
    }
    let policy = shared.policy()?;
    let profile = profile(&policy, &wanted.target)?;
    let access = wanted.target.access()?;
    let place = Place::find(&policy, &wanted.delivery, &wanted.target.paths, &shared.guarded())?;
    let found = place.found()?;
    let unreadable = |error: std::io::Error| refused("path-refused", error.to_string());
    let live = place.live().map_err(unreadable)?;
    let in_place = is_same && found.iter().all(|found| *found == Found::Ours) && {
        let expected = ledger.installed.get(id).map(|record| record.files.clone()).unwrap_or_default();
        let is_right = |(content, expected): (Option<Content>, &String)| {
            content.is_some_and(|content| {
                let has = content.access;
                let is_right = |wanted: Option<u32>, has: Option<u32>| wanted.is_none() || wanted == has;
                sha256(&content.bytes) == *expected
                    && has.mode == access.mode
                    && is_right(access.user, has.user)
                    && is_right(access.group, has.group)
            })
        };
        place.contents().map_err(unreadable)?.into_iter().zip(&expected).all(is_right)
    };
    let (files, what) = if in_place {
        (ledger.installed.get(id).map(|record| record.files.clone()).unwrap_or_default(), Fresh::InPlace)
    } else {
        wanted.check_dates((shared.options.clock)())?;
        let files = wanted.files()?;
        place.check_room(files.iter().map(|file| file.len()).sum())?;
        (files.iter().map(|file| sha256(file)).collect(), Fresh::Yes(files))
    };
    let first = live.is_none() || found.iter().any(|found| *found != Found::Ours);
    let version = place.name_for(wanted.generation, live.as_deref());
    let before = match &live {
        Some(live) if !first => live.clone(),
        _ => place.name_for(0, live.as_deref()),
    };
    let record = Record {
        generation: wanted.generation,
        digest: wanted.digest.clone(),
        thumbprint: wanted.facts.thumbprint.to_string(),
        not_after: wanted.facts.validity.not_after.unix(),
        install: wanted.install.clone(),
        files,
        verified: None,
    };
    let pending = Pending { record, version, before, first, told: false, going_back: false };
    let look = wanted.target.verify.clone();
    let apply = Apply {
        shared,
        id: wanted.delivery,
        paths: wanted.target.paths,
        place,
        pending,
        profile,
        look,
        access,
        thumbprint: wanted.facts.thumbprint,
    };
    Ok(Checked { apply, what, made_here: wanted.made_here })
}

/// Takes up again what was broken off.
pub(super) fn resume(shared: Arc<Shared>, id: &str, pending: Pending) -> Result<Apply, Fault> {
    let delivery = DeliveryId::parse(id).map_err(|error| refused("unreadable", error.to_string()))?;
    let policy = shared.policy()?;
    let target = Target::parse(&pending.record.install)?;
    let place = Place::find(&policy, &delivery, &target.paths, &shared.guarded())?;
    let thumbprint = portward_core::Thumbprint::parse(&pending.record.thumbprint);
    Ok(Apply {
        id: delivery,
        place,
        // A profile that is gone meanwhile cannot tell the program.
        profile: profile(&policy, &target).unwrap_or_default(),
        look: target.verify.clone(),
        access: target.access()?,
        paths: target.paths,
        thumbprint: thumbprint.map_err(|error| refused("unreadable", error.to_string()))?,
        pending,
        shared,
    })
}

/// Whether exactly this was installed already; refuses what is older.
fn is_same_generation(ledger: &Ledger, wanted: &Wanted) -> Result<bool, Fault> {
    let (id, generation) = (wanted.delivery.as_str(), wanted.generation);
    let refuse = |last: u64, what: String| Err(refused("old-generation", what).after(last));
    if let Some(record) = ledger.installed.get(id) {
        return match generation.cmp(&record.generation) {
            Ordering::Greater => Ok(false),
            Ordering::Equal if wanted.digest == record.digest => Ok(true),
            Ordering::Equal => refuse(
                generation,
                format!(
                    "the generation {generation} of the delivery {id} is installed here, and is another one than what was sent; what changes has a higher generation"
                ),
            ),
            Ordering::Less => refuse(
                record.generation,
                format!(
                    "the generation {} of the delivery {id} is installed here, and {generation} is older",
                    record.generation
                ),
            ),
        };
    }
    match ledger.withdrawn.get(id) {
        Some(last) if generation <= *last => refuse(
            *last,
            format!("the delivery {id} was withdrawn here at generation {last}, and {generation} is not newer"),
        ),
        _ => Ok(false),
    }
}

/// The other delivery that has a path.
fn owner_of<'a>(ledger: &'a Ledger, id: &str, path: &str) -> Option<&'a str> {
    let installed = ledger.installed.iter().map(|(other, record)| (other, &record.install));
    let pending = ledger.pending.iter().map(|(other, pending)| (other, &pending.record.install));
    let has = |to: &[String]| to.iter().any(|other| other == path);
    installed.chain(pending).find(|(other, install)| *other != id && has(&install.to)).map(|(other, _)| other.as_str())
}

fn profile(policy: &Policy, target: &Target) -> Result<Option<Profile>, Fault> {
    let Some(name) = &target.reload else { return Ok(None) };
    let Some(profile) = policy.profiles.get(name) else {
        let list: Vec<&str> = policy.profiles.keys().map(|name| name.as_str()).collect();
        let list = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
        let what = format!("the profile {name} is not in {}; it has {list}", policy.path.display());
        return Err(refused("profile-unknown", what));
    };
    Ok(Some(profile.clone()))
}
