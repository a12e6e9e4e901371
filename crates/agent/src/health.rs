//! How the agent is.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use portward_core::Timestamp;
use portward_link::{
    boot_id,
    message::{Disk, HealthReport, HealthWarning, IdentityReport, PolicyReport, TrustReport},
};

use crate::{HeldIdentity, TrustedServer, shared::Shared};

/// Looks at the agent and its machine.
pub(crate) async fn report(shared: &Arc<Shared>, look_at_served: bool) -> HealthReport {
    let (policy, installed, mut warnings) = match shared.installer().await {
        Ok(installer) => installer.report(look_at_served).await,
        Err(error) => {
            let warning = HealthWarning { code: "files".to_owned(), message: error.to_string() };
            (PolicyReport::default(), Vec::new(), vec![warning])
        }
    };
    let state = shared.state();
    let now = shared.now();
    let mut paths = BTreeSet::from([shared.directory.path().to_owned()]);
    paths.extend(policy.directories.iter().map(PathBuf::from));
    // A network file system that hangs holds up no link.
    let disks = tokio::task::spawn_blocking(move || paths.into_iter().filter_map(disk).collect::<Vec<_>>());
    let disks = disks.await.unwrap_or_default();
    warnings.extend(disks.iter().filter_map(lack_of_room));
    warnings.extend(age(&state.identity, now));
    if let Some(problem) = shared.listening().problem {
        warnings.push(HealthWarning { code: "listening".to_owned(), message: problem });
    }
    HealthReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        host_name: shared.host_name.clone(),
        now: now.unix(),
        started: shared.started.unix(),
        boot_id: boot_id(),
        instance: shared.instance.clone(),
        user_id: rustix::process::geteuid().as_raw(),
        identity: identity(&state.identity),
        trusts: state.configuration.trusted.iter().map(trust).collect(),
        disks,
        policy,
        installed,
        warnings,
    }
}

fn identity(held: &HeldIdentity) -> IdentityReport {
    let validity = held.identity.validity();
    IdentityReport {
        thumbprint: held.identity.thumbprint().to_string(),
        sha1: held.identity.sha1().to_string(),
        not_before: validity.map_or(0, |validity| validity.not_before.unix()),
        not_after: validity.map_or(0, |validity| validity.not_after.unix()),
        since: held.since.unix(),
    }
}

fn trust(server: &TrustedServer) -> TrustReport {
    TrustReport {
        pins: server.pins.iter().map(ToString::to_string).collect(),
        mark: server.mark,
        since: server.since.unix(),
        addresses: server.addresses.iter().map(ToString::to_string).collect(),
    }
}

fn disk(path: PathBuf) -> Option<Disk> {
    let room = rustix::fs::statvfs(&path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    Some(Disk { path: path.display().to_string(), free: bytes(room.f_bavail), total: bytes(room.f_blocks) })
}

fn lack_of_room(disk: &Disk) -> Option<HealthWarning> {
    // A twentieth of a large disk is room for every certificate there is.
    let is_small_rest = disk.free < AMPLE && disk.free / 5 < disk.total / 100;
    let is_short = disk.free < LEAST_FREE || is_small_rest;
    is_short.then(|| HealthWarning {
        code: "disk".to_owned(),
        message: format!(
            "{} has {} MiB of {} MiB free; certificates may find no room: make some",
            disk.path,
            disk.free / MIB,
            disk.total / MIB
        ),
    })
}

fn age(held: &HeldIdentity, now: Timestamp) -> Option<HealthWarning> {
    let age = now.since(held.since);
    (age > YEAR).then(|| HealthWarning {
        code: "identity-age".to_owned(),
        message: format!(
            "the agent has its identity for {} days; have it make a new one, from Portward or with: portward-agent new-certificate",
            age.as_secs() / DAY
        ),
    })
}

const MIB: u64 = 1024 * 1024;
const LEAST_FREE: u64 = 200 * MIB;
/// More than this is enough, however large the disk.
const AMPLE: u64 = 2048 * MIB;
const DAY: u64 = 24 * 3600;
const YEAR: Duration = Duration::from_secs(365 * DAY);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_link::Identity;

    use super::*;

    #[test]
    fn little_room_is_warned_of() {
        let gib = 1024 * MIB;
        for (free, total, is_short) in [
            (100 * MIB, gib, true),
            (201 * MIB, gib, false),
            (gib, 100 * gib, true),
            (4 * gib, 100 * gib, false),
            (6 * gib, 100 * gib, false),
            (0, 0, true),
        ] {
            let disk = Disk { path: "/".to_owned(), free, total };
            assert_eq!(lack_of_room(&disk).is_some(), is_short, "{free} of {total}");
        }
    }

    #[test]
    fn an_identity_of_more_than_a_year_is_warned_of() {
        let since = Timestamp::parse("2026-11-26T12:00:00Z").unwrap();
        let held = HeldIdentity { identity: Identity::new("web-03", since).unwrap(), since };
        assert!(age(&held, since.plus(YEAR)).is_none());
        assert!(age(&held, since.plus(YEAR + Duration::from_secs(DAY))).unwrap().message.contains("366 days"));
        assert!(age(&held, Timestamp::EPOCH).is_none(), "a clock that is behind says nothing");
    }
}
