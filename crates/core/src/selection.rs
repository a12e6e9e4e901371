//! Which of several certificates with the same name is presented.

use crate::{CertificateStatus, LeafFacts, Timestamp};

/// Ranks a certificate for a name that several have: the greatest is presented.
///
/// One that is in force beats one that is not, one that an authority signed beats a self-signed one,
/// and the later end decides among equals.
pub fn preference(facts: &LeafFacts, status: CertificateStatus) -> (bool, bool, Timestamp) {
    (status.is_in_force(), !facts.self_signed, facts.validity.not_after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{HostPatterns, KeyType, Sha1Thumbprint, Thumbprint, Validity};

    fn facts(self_signed: bool, not_after: i64) -> LeafFacts {
        LeafFacts {
            names: HostPatterns::new(),
            thumbprint: Thumbprint::of(b""),
            sha1: Sha1Thumbprint::of(b""),
            serial: "01".into(),
            issuer: "".into(),
            subject: "".into(),
            self_signed,
            validity: Validity { not_before: Timestamp::EPOCH, not_after: Timestamp::from_unix(not_after).unwrap() },
            key_type: KeyType::P256,
        }
    }

    #[test]
    fn force_then_authority_then_the_later_end_decides() {
        use CertificateStatus::{Expired, Valid};
        let ranked = [
            preference(&facts(true, 900), Expired),
            preference(&facts(false, 100), Expired),
            preference(&facts(true, 900), Valid),
            preference(&facts(false, 200), Valid),
            preference(&facts(false, 300), Valid),
        ];
        assert!(ranked.windows(2).all(|pair| pair[0] < pair[1]), "{ranked:?}");
    }
}
