//! The object identifiers that matter in certificate files, as dotted numbers, and their names for people.

macro_rules! identifiers {
    ($($constant:ident = $dotted:literal, $name:literal;)*) => {
        $(pub(crate) const $constant: &str = $dotted;)*
        const USED: &[(&str, &str)] = &[$(($dotted, $name)),*];
    };
}

identifiers! {
    // PKCS #7 (RFC 2315)
    DATA = "1.2.840.113549.1.7.1", "data";
    SIGNED_DATA = "1.2.840.113549.1.7.2", "signed data";
    ENCRYPTED_DATA = "1.2.840.113549.1.7.6", "encrypted data";
    // PKCS #12 (RFC 7292)
    KEY_BAG = "1.2.840.113549.1.12.10.1.1", "key bag";
    SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.2", "shrouded key bag";
    CERT_BAG = "1.2.840.113549.1.12.10.1.3", "certificate bag";
    CRL_BAG = "1.2.840.113549.1.12.10.1.4", "CRL bag";
    SECRET_BAG = "1.2.840.113549.1.12.10.1.5", "secret bag";
    SAFE_CONTENTS_BAG = "1.2.840.113549.1.12.10.1.6", "safe contents bag";
    X509_CERTIFICATE = "1.2.840.113549.1.9.22.1", "X.509 certificate";
    FRIENDLY_NAME = "1.2.840.113549.1.9.20", "friendlyName";
    LOCAL_KEY_ID = "1.2.840.113549.1.9.21", "localKeyId";
    JAVA_TRUSTED_USAGE = "2.16.840.1.113894.746875.1.1", "Java trustedKeyUsage";
    PBE_SHA1_3DES = "1.2.840.113549.1.12.1.3", "pbeWithSHA1And3-KeyTripleDES-CBC";
    PBE_SHA1_2DES = "1.2.840.113549.1.12.1.4", "pbeWithSHA1And2-KeyTripleDES-CBC";
    PBE_SHA1_RC2_128 = "1.2.840.113549.1.12.1.5", "pbeWithSHA1And128BitRC2-CBC";
    PBE_SHA1_RC2_40 = "1.2.840.113549.1.12.1.6", "pbeWithSHA1And40BitRC2-CBC";
    // PKCS #5 (RFC 8018)
    PBE_MD5_DES = "1.2.840.113549.1.5.3", "pbeWithMD5AndDES-CBC";
    PBE_MD5_RC2 = "1.2.840.113549.1.5.6", "pbeWithMD5AndRC2-CBC";
    PBE_SHA1_DES = "1.2.840.113549.1.5.10", "pbeWithSHA1AndDES-CBC";
    PBE_SHA1_RC2 = "1.2.840.113549.1.5.11", "pbeWithSHA1AndRC2-CBC";
    PBKDF2 = "1.2.840.113549.1.5.12", "PBKDF2";
    PBES2 = "1.2.840.113549.1.5.13", "PBES2";
    PBMAC1 = "1.2.840.113549.1.5.14", "PBMAC1";
    HMAC_SHA1 = "1.2.840.113549.2.7", "HMAC-SHA1";
    HMAC_SHA224 = "1.2.840.113549.2.8", "HMAC-SHA224";
    HMAC_SHA256 = "1.2.840.113549.2.9", "HMAC-SHA256";
    HMAC_SHA384 = "1.2.840.113549.2.10", "HMAC-SHA384";
    HMAC_SHA512 = "1.2.840.113549.2.11", "HMAC-SHA512";
    // Ciphers
    DES_CBC = "1.3.14.3.2.7", "DES-CBC";
    DES_EDE3_CBC = "1.2.840.113549.3.7", "3DES-CBC";
    RC2_CBC = "1.2.840.113549.3.2", "RC2-CBC";
    AES_128_CBC = "2.16.840.1.101.3.4.1.2", "AES-128-CBC";
    AES_192_CBC = "2.16.840.1.101.3.4.1.22", "AES-192-CBC";
    AES_256_CBC = "2.16.840.1.101.3.4.1.42", "AES-256-CBC";
    // Hashes
    SHA1 = "1.3.14.3.2.26", "SHA-1";
    SHA224 = "2.16.840.1.101.3.4.2.4", "SHA-224";
    SHA256 = "2.16.840.1.101.3.4.2.1", "SHA-256";
    SHA384 = "2.16.840.1.101.3.4.2.2", "SHA-384";
    SHA512 = "2.16.840.1.101.3.4.2.3", "SHA-512";
    // Keys
    RSA = "1.2.840.113549.1.1.1", "RSA";
    RSA_PSS = "1.2.840.113549.1.1.10", "RSA-PSS";
    EC = "1.2.840.10045.2.1", "elliptic curve";
    ED25519 = "1.3.101.112", "Ed25519";
    P256 = "1.2.840.10045.3.1.7", "P-256";
    P384 = "1.3.132.0.34", "P-384";
    P521 = "1.3.132.0.35", "P-521";
    // Signatures
    MD2_RSA = "1.2.840.113549.1.1.2", "RSA with MD2";
    MD5_RSA = "1.2.840.113549.1.1.4", "RSA with MD5";
    SHA1_RSA = "1.2.840.113549.1.1.5", "RSA with SHA-1";
    SHA1_RSA_OIW = "1.3.14.3.2.29", "RSA with SHA-1";
    SHA256_RSA = "1.2.840.113549.1.1.11", "RSA with SHA-256";
    SHA384_RSA = "1.2.840.113549.1.1.12", "RSA with SHA-384";
    SHA512_RSA = "1.2.840.113549.1.1.13", "RSA with SHA-512";
    SHA1_DSA = "1.2.840.10040.4.3", "DSA with SHA-1";
    SHA1_ECDSA = "1.2.840.10045.4.1", "ECDSA with SHA-1";
    SHA256_ECDSA = "1.2.840.10045.4.3.2", "ECDSA with SHA-256";
    SHA384_ECDSA = "1.2.840.10045.4.3.3", "ECDSA with SHA-384";
    SHA512_ECDSA = "1.2.840.10045.4.3.4", "ECDSA with SHA-512";
}

/// The name for people; the dotted numbers where none is known.
pub(crate) fn name(dotted: &str) -> String {
    known(dotted).unwrap_or(dotted).to_owned()
}

/// The name with the dotted numbers, so that both can be searched for.
pub(crate) fn describe(dotted: &str) -> String {
    known(dotted).map_or_else(|| format!("an unknown algorithm ({dotted})"), |name| format!("{name} ({dotted})"))
}

fn known(dotted: &str) -> Option<&'static str> {
    USED.iter().chain(REFUSED).find(|(number, _)| *number == dotted).map(|(_, name)| *name)
}

/// What is only shown or refused, by name.
const REFUSED: &[(&str, &str)] = &[
    ("1.2.840.113549.1.7.3", "enveloped data"),
    ("1.2.840.113549.1.12.1.1", "pbeWithSHA1And128BitRC4"),
    ("1.2.840.113549.1.12.1.2", "pbeWithSHA1And40BitRC4"),
    ("1.2.840.113549.1.5.1", "pbeWithMD2AndDES-CBC"),
    ("1.2.840.113549.1.5.4", "pbeWithMD2AndRC2-CBC"),
    ("1.3.6.1.4.1.11591.4.11", "scrypt"),
    ("1.2.840.113549.2.12", "HMAC-SHA512/224"),
    ("1.2.840.113549.2.13", "HMAC-SHA512/256"),
    ("1.2.156.10197.1.401.2", "HMAC-SM3"),
    ("1.2.643.7.1.1.4.1", "HMAC GOST R 34.11-2012 (256 bits)"),
    ("1.2.643.7.1.1.4.2", "HMAC GOST R 34.11-2012 (512 bits)"),
    ("1.2.840.113549.3.4", "RC4"),
    ("2.16.840.1.101.3.4.1.6", "AES-128-GCM"),
    ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
    ("1.2.392.200011.61.1.1.1.2", "Camellia-128-CBC"),
    ("1.2.392.200011.61.1.1.1.3", "Camellia-192-CBC"),
    ("1.2.392.200011.61.1.1.1.4", "Camellia-256-CBC"),
    ("1.2.840.113549.2.5", "MD5"),
    ("2.16.840.1.101.3.4.2.5", "SHA-512/224"),
    ("2.16.840.1.101.3.4.2.6", "SHA-512/256"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    ("1.2.156.10197.1.301", "SM2"),
    ("1.3.6.1.5.5.7.3.2", "clientAuth"),
    ("1.3.6.1.5.5.7.3.3", "codeSigning"),
    ("1.3.6.1.5.5.7.3.4", "emailProtection"),
    ("1.3.6.1.5.5.7.3.8", "timeStamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning"),
    ("1.2.840.113549.1.1.14", "RSA with SHA-224"),
    ("1.2.840.10045.4.3.1", "ECDSA with SHA-224"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::{self, writer};

    #[test]
    fn every_identifier_survives_its_encoding() {
        for (dotted, _) in USED.iter().chain(REFUSED) {
            let encoded = writer::oid(dotted);
            assert_eq!(der::whole(&encoded).and_then(|element| element.oid()).as_deref(), Ok(*dotted));
        }
    }

    #[test]
    fn unknown_identifiers_are_described_by_their_numbers() {
        assert_eq!(describe("1.2.3"), "an unknown algorithm (1.2.3)");
        assert_eq!(describe("1.3.6.1.4.1.11591.4.11"), "scrypt (1.3.6.1.4.1.11591.4.11)");
        assert_eq!(name(P384), "P-384");
    }
}
