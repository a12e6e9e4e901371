//! How long certificates will live, as CAs have announced.

use std::time::Duration;

use super::Issuer;
use crate::Timestamp;

/// Is a lifetime of new certificates, and since when a CA issues them so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncedLifetime {
    /// From when.
    pub from: Timestamp,
    /// From first to last second, both inside.
    pub lifetime: Duration,
}

/// Lists what the CA with that directory has announced for a profile, in the order of time; empty if that is nothing.
///
/// Without a profile it is the CA's default one. What is known is Let's Encrypt's, as of 2026-11.
pub fn announced_lifetimes(directory: &str, profile: Option<&str>) -> Vec<AnnouncedLifetime> {
    let steps: &[(i64, u64)] = match (directory, profile.unwrap_or("classic")) {
        (Issuer::LETS_ENCRYPT, "classic") => {
            &[(ALWAYS, 90 * DAY), (AT_2027_02_10, 64 * DAY), (AT_2028_02_16, 45 * DAY)]
        }
        (Issuer::LETS_ENCRYPT, "tlsserver") => &[(ALWAYS, 90 * DAY), (AT_2026_05_13, 45 * DAY)],
        (Issuer::LETS_ENCRYPT, "shortlived") => &[(ALWAYS, 160 * 3600)],
        _ => &[],
    };
    let step = |(from, lifetime): &(i64, u64)| AnnouncedLifetime {
        from: Timestamp::from_unix(*from).unwrap_or(Timestamp::EPOCH),
        lifetime: Duration::from_secs(*lifetime),
    };
    steps.iter().map(step).collect()
}

/// The lifetime of a certificate that is issued at a time; none if nothing is announced.
pub fn announced_lifetime(announced: &[AnnouncedLifetime], at: Timestamp) -> Option<Duration> {
    announced.iter().rev().find(|step| step.from <= at).map(|step| step.lifetime)
}

const DAY: u64 = 24 * 3600;
const ALWAYS: i64 = 0;
const AT_2026_05_13: i64 = 1_778_630_400;
const AT_2027_02_10: i64 = 1_802_217_600;
const AT_2028_02_16: i64 = 1_834_272_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_lifetime_follows_the_profile_and_the_date() {
        let le = Issuer::LETS_ENCRYPT;
        for (directory, profile, at, expected) in [
            (le, None, "2026-11-20T00:00:00Z", Some(90 * 24)),
            (le, Some("classic"), "2027-02-09T23:59:59Z", Some(90 * 24)),
            (le, Some("classic"), "2027-02-10T00:00:00Z", Some(64 * 24)),
            (le, None, "2028-02-15T23:59:59Z", Some(64 * 24)),
            (le, None, "2028-02-16T00:00:00Z", Some(45 * 24)),
            (le, Some("tlsserver"), "2026-05-12T23:59:59Z", Some(90 * 24)),
            (le, Some("tlsserver"), "2026-05-13T00:00:00Z", Some(45 * 24)),
            (le, Some("shortlived"), "2030-01-01T00:00:00Z", Some(160)),
            (le, Some("unheard-of"), "2027-02-10T00:00:00Z", None),
            (Issuer::LETS_ENCRYPT_STAGING, None, "2027-02-10T00:00:00Z", None),
            ("https://ca.test/directory", Some("classic"), "2027-02-10T00:00:00Z", None),
        ] {
            let lifetime = announced_lifetime(&announced_lifetimes(directory, profile), Timestamp::parse(at).unwrap());
            assert_eq!(
                lifetime,
                expected.map(|hours| Duration::from_secs(hours * 3600)),
                "{directory} {profile:?} {at}"
            );
        }
    }
}
