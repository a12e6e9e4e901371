//! Makes certificates that are signed by their own key.

use std::time::Duration;

use aws_lc_rs::rand;
use portward_core::{Host, HostPattern, Timestamp, Validity};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{Bundle, FactsError, PrivateKey, PrivateKeyError, facts};

/// Says why a self-signed certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SelfSignedError {
    /// There is nothing that it could be valid for.
    #[error("a self-signed certificate needs at least one DNS name or IP address")]
    NoNames,
    /// `*` is among the names.
    #[error("a certificate cannot be valid for every host (*); name the hosts, or *.NAME for those below a name")]
    AnyHost,
    /// Its end is not after its beginning.
    #[error("a certificate must be valid for at least one day")]
    NoTime,
    /// The signing failed.
    #[error("the self-signed certificate could not be made")]
    Sign(#[from] rcgen::Error),
    /// The key that was made is not usable.
    #[error("the key of the self-signed certificate could not be made")]
    Key(#[from] PrivateKeyError),
    /// The certificate that was made cannot be read.
    #[error("the self-signed certificate could not be read back")]
    Facts(#[from] FactsError),
    /// The system gave no random bytes.
    #[error("no random bytes could be had from the system")]
    Random,
}

/// Lifetime of a self-signed certificate where none is asked for.
///
/// macOS and iOS refuse server certificates that live longer than 825 days, also those that the user trusts;
/// the 398 days of public authorities do not apply to these.
pub const SELF_SIGNED_DAYS: u32 = 825;

/// The validity of that many days, begun an hour before `now` for clients whose clocks are slow.
pub fn self_signed_validity(now: Timestamp, days: u32) -> Validity {
    let not_before = now.minus(Duration::from_secs(3600));
    // Both ends are inside, and the last second counts (RFC 5280 section 4.1.2.5).
    let seconds = (u64::from(days) * 24 * 3600).saturating_sub(1);
    Validity { not_before, not_after: not_before.plus(Duration::from_secs(seconds)) }
}

/// Makes an ECDSA P-256 key, and a certificate for the names that is signed by it.
///
/// It is a server certificate and no authority (CA:FALSE): whoever trusts it trusts this one server and nothing that
/// its key might sign, and TLS libraries that refuse an authority as a server accept it.
/// The first name is also the common name. The serial number has 126 random bits.
pub fn self_signed(names: &[HostPattern], validity: Validity) -> Result<Bundle, SelfSignedError> {
    let first = names.first().ok_or(SelfSignedError::NoNames)?;
    if validity.not_after <= validity.not_before {
        return Err(SelfSignedError::NoTime);
    }
    let mut params = CertificateParams::default();
    for (position, name) in names.iter().enumerate() {
        if !names[..position].contains(name) {
            params.subject_alt_names.push(alt_name(name)?);
        }
    }
    params.distinguished_name = DistinguishedName::new();
    let common_name = first.to_string();
    if common_name.len() <= MAX_COMMON_NAME {
        params.distinguished_name.push(DnType::CommonName, common_name);
    } else {
        params.distinguished_name.push(DnType::CommonName, "self-signed");
    }
    params.not_before = date_time(validity.not_before);
    params.not_after = date_time(validity.not_after);
    params.serial_number = Some(serial_number()?);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&pair)?;
    let key = PrivateKey::from_pkcs8_der(&Zeroizing::new(pair.serialize_der()))?;
    let leaf: std::sync::Arc<[u8]> = certificate.der().as_ref().into();
    let facts = facts(&leaf)?;
    Ok(Bundle { chain: portward_core::Chain::of_leaf(leaf), key, facts, left_over: Vec::new() })
}

fn alt_name(name: &HostPattern) -> Result<SanType, SelfSignedError> {
    match name {
        HostPattern::Any => Err(SelfSignedError::AnyHost),
        HostPattern::Exact(Host::Ip(address)) => Ok(SanType::IpAddress(*address)),
        name => Ok(SanType::DnsName(name.to_string().try_into()?)),
    }
}

fn date_time(time: Timestamp) -> OffsetDateTime {
    // A timestamp is always inside the years that this type has.
    OffsetDateTime::from_unix_timestamp(time.unix()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Sixteen octets, positive and without leading zeros, so that the number is as long in every tool.
fn serial_number() -> Result<SerialNumber, SelfSignedError> {
    let mut octets = [0; 16];
    rand::fill(&mut octets).map_err(|_| SelfSignedError::Random)?;
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

/// RFC 5280 appendix A.1, `ub-common-name`.
const MAX_COMMON_NAME: usize = 64;
