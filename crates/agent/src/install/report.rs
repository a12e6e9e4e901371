//! What is told of what is installed.

use std::time::Duration;

use portward_certs::Input;
use portward_core::Timestamp;
use portward_link::message::{HealthWarning, InstalledReport, PolicyReport, ServedReport};
use tokio::task::JoinSet;

use super::{
    Shared, Target,
    directory::Content,
    ledger::{Ledger, Record},
    wanted::sha256,
};
use crate::{policy::Policy, served::peek};

/// What the policy says, and what is on the disk.
pub(super) fn stored(shared: &Shared, is_idle: bool) -> (PolicyReport, Vec<InstalledReport>, Vec<HealthWarning>) {
    let ledger = shared.ledger();
    let policy = Policy::read(&shared.options.policy);
    let report = Policy::report(&shared.options.policy, &policy);
    let known = shared.taken_back().clone();
    let mut warnings: Vec<HealthWarning> = known.values().cloned().collect();
    // Without a policy an agent is as it is meant to be, as long as nothing is installed.
    if let Err(error) = &policy
        && (!error.sha256.is_empty() || !ledger.installed.is_empty() || shared.options.policy.exists())
    {
        warnings.push(warning("policy", error.sentence.clone()));
    }
    for (allowed, why) in policy
        .iter()
        .flat_map(|policy| &policy.directories)
        .filter_map(|allowed| allowed.directory.as_ref().err().map(|why| (&allowed.path, why)))
    {
        warnings.push(warning("directory-unusable", format!("nothing can be installed below {allowed}: {why}")));
    }
    let now = (shared.options.clock)();
    let installed = ledger.installed.iter().map(|(delivery, record)| {
        warnings.extend(expiry(delivery, record, now));
        let looked = policy.as_ref().map_err(ToString::to_string).and_then(|_| {
            let place = shared.place(delivery, &record.install.to).map_err(|fault| fault.message)?;
            place.contents().map_err(|error| error.to_string())
        });
        let (stored, problem) = match looked {
            Ok(contents) => judge(record, &contents),
            Err(why) => (None, Some(format!("the files cannot be looked at: {why}"))),
        };
        InstalledReport {
            delivery: delivery.clone(),
            generation: record.generation,
            thumbprint: record.thumbprint.clone(),
            stored,
            problem,
            served: None,
        }
    });
    let installed = installed.collect();
    for (delivery, pending) in ledger.pending.iter().filter(|(delivery, _)| is_idle && !known.contains_key(*delivery)) {
        let to = pending.record.install.to.join(", ");
        let what = format!("the delivery {delivery} ({to}) was broken off, and could not be brought to an end");
        warnings.push(warning("unfinished", what));
    }
    (report, installed, warnings)
}

/// Looks what is served of each delivery that has a place to look, all at the same time.
pub(super) async fn look(ledger: &Ledger, installed: &mut [InstalledReport]) {
    let mut looks = JoinSet::new();
    for (position, report) in installed.iter().enumerate() {
        let target = ledger.installed.get(&report.delivery).and_then(|record| Target::parse(&record.install).ok());
        let Some(look) = target.and_then(|target| target.verify) else { continue };
        looks.spawn(async move {
            let served = match peek(&look.address, &look.name).await {
                Ok(seen) => ServedReport::Thumbprint(seen.thumbprint.to_string()),
                Err(why) => ServedReport::Unseen(why),
            };
            (position, served)
        });
    }
    while let Some(looked) = looks.join_next().await {
        if let Ok((position, served)) = looked {
            installed[position].served = Some(served);
        }
    }
}

/// Which leaf is in the files, and what is wrong with them.
fn judge(record: &Record, contents: &[Option<Content>]) -> (Option<String>, Option<String>) {
    let mut wrong = Vec::new();
    for ((path, expected), content) in record.install.to.iter().zip(&record.files).zip(contents) {
        match content {
            None => wrong.push(format!("{path} is not there")),
            Some(content) if sha256(&content.bytes) != *expected => {
                wrong.push(format!("{path} was changed by somebody"))
            }
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        return (Some(record.thumbprint.clone()), None);
    }
    let files: Vec<Input<'_>> =
        contents.iter().flatten().map(|content| Input { name: "", bytes: &content.bytes }).collect();
    let stored = portward_certs::read(&files, None).ok().map(|bundle| bundle.facts.thumbprint.to_string());
    (stored, Some(wrong.join("; ")))
}

fn expiry(delivery: &str, record: &Record, now: Timestamp) -> Option<HealthWarning> {
    let until = Timestamp::from_unix(record.not_after).ok()?;
    let to = record.install.to.join(", ");
    if now > until {
        return Some(warning("expired", format!("what the delivery {delivery} installed ({to}) expired at {until}")));
    }
    let soon = until.since(now) < SOON;
    soon.then(|| {
        let what = format!("what the delivery {delivery} installed ({to}) expires at {until}, and nothing newer came");
        warning("expires-soon", what)
    })
}

fn warning(code: &str, message: String) -> HealthWarning {
    HealthWarning { code: code.to_owned(), message }
}

/// The shortest lifetimes that CAs give are six days.
const SOON: Duration = Duration::from_secs(2 * 24 * 3600);
