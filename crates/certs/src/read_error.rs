//! Why files could not be read: one code for programs and one text for people per reason.

use std::fmt;

/// Says which file could not be read, and why.
///
/// `Display` is the whole message for an operator: what, where, why, and what to do.
/// It never quotes the content of a file or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The file it was found in; none if it concerns all files together.
    pub file: Option<String>,
    /// Why.
    pub failure: ReadFailure,
}

/// Lists the reasons for which [`crate::read()`] gives up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFailure {
    /// The file is encrypted and no password was given, nor does the empty one open it.
    #[error("the {what} is protected by a password; give it with --password-file FILE or --password-stdin")]
    PasswordNeeded {
        /// What is protected.
        what: &'static str,
    },
    /// The password does not open the file.
    #[error(
        "the password does not open the {what}; passwords are case-sensitive, and a line end or a space copied along counts. If the password is right, the file was damaged on its way"
    )]
    WrongPassword {
        /// What is protected.
        what: &'static str,
    },
    /// There is no private key in any of the files.
    #[error("there is no private key in what was given ({found}); {remedy}")]
    NoPrivateKey {
        /// What was found instead.
        found: String,
        /// How to get the key.
        remedy: String,
    },
    /// There is no certificate in any of the files.
    #[error(
        "there is no certificate in what was given ({found}); give the file with the certificate too (.pem, .crt, .cer or .p7b)"
    )]
    NoCertificate {
        /// What was found instead.
        found: String,
    },
    /// No private key belongs to the leaf.
    #[error(
        "the private key ({key}) does not fit {certificate}: {explanation}; give the key that the certificate was requested with"
    )]
    KeyDoesNotFit {
        /// Type of the key.
        key: String,
        /// The certificate that was to be served.
        certificate: String,
        /// Which certificate the key belongs to, or that it belongs to none.
        explanation: String,
    },
    /// More than one certificate has its key here.
    #[error("there are several certificates with their keys: {}; give one certificate with its key at a time", .subjects.join("; "))]
    SeveralPairs {
        /// Subject, thumbprint and end of each.
        subjects: Vec<String>,
    },
    /// The key is too short for any client.
    #[error(
        "the private key is RSA with {bits} bits, which clients refuse and no TLS library here can use; request a new certificate with a key of at least {} bits, or ECDSA P-256",
        crate::private_key::MIN_RSA_BITS
    )]
    WeakKey {
        /// Size of the modulus.
        bits: u32,
    },
    /// The algorithm of the key is not one that TLS servers use.
    #[error(
        "the {what} has the algorithm {algorithm}, which is not served; supported are RSA from {} bits, ECDSA P-256, P-384 and P-521, and Ed25519: request a new certificate with one of these",
        crate::private_key::MIN_RSA_BITS
    )]
    UnsupportedKey {
        /// Which key or certificate.
        what: String,
        /// Name or object identifier.
        algorithm: String,
    },
    /// The file is protected in a way that is not read.
    #[error("the {what} uses {algorithm}, which is not read here; convert the file: {command}")]
    UnsupportedEncryption {
        /// What is protected.
        what: &'static str,
        /// Name and object identifier.
        algorithm: String,
        /// A command that makes a readable file of it.
        command: String,
    },
    /// The file is of a known kind that holds nothing to serve, or cannot be read.
    #[error("this is {what}; {remedy}")]
    UnsupportedFormat {
        /// What it is, with its article.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The content is of no kind that is known.
    #[error("the content is neither PEM, PFX (PKCS #12), PKCS #7 nor a certificate or key in DER; {hint}")]
    Unrecognised {
        /// What it looks like.
        hint: String,
    },
    /// The content is of a known kind and does not keep to its format.
    #[error("the {what} is damaged: {reason}; export or copy it again")]
    Broken {
        /// What is damaged.
        what: &'static str,
        /// Where it breaks off.
        reason: String,
    },
    /// A limit of size or number is exceeded.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit with its unit.
        limit: String,
    },
    /// Reading it would take too much computing.
    #[error(
        "the {what} asks for {iterations} rounds of key derivation, above the limit of {limit}; convert the file: {command}"
    )]
    TooCostly {
        /// What asks for it.
        what: &'static str,
        /// Rounds that it asks for.
        iterations: u64,
        /// The limit.
        limit: u64,
        /// A command that makes a readable file of it.
        command: String,
    },
}

impl ReadError {
    /// The stable word for programs, in kebab case.
    pub fn code(&self) -> &'static str {
        self.failure.code()
    }
}

impl ReadFailure {
    /// The stable word for programs, in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PasswordNeeded { .. } => "password-needed",
            Self::WrongPassword { .. } => "wrong-password",
            Self::NoPrivateKey { .. } => "no-private-key",
            Self::NoCertificate { .. } => "no-certificate",
            Self::KeyDoesNotFit { .. } => "key-does-not-fit",
            Self::SeveralPairs { .. } => "several-pairs",
            Self::WeakKey { .. } => "weak-key",
            Self::UnsupportedKey { .. } => "unsupported-key",
            Self::UnsupportedEncryption { .. } => "unsupported-encryption",
            Self::UnsupportedFormat { .. } => "unsupported-format",
            Self::Unrecognised { .. } => "unrecognised-format",
            Self::Broken { .. } => "broken-file",
            Self::TooLarge { .. } => "too-large",
            Self::TooCostly { .. } => "too-costly",
        }
    }

    /// Names the file.
    pub(crate) fn in_file(self, file: &str) -> ReadError {
        ReadError { file: Some(file.to_owned()), failure: self }
    }

    /// Concerns all files together.
    pub(crate) fn in_all(self) -> ReadError {
        ReadError { file: None, failure: self }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}: {}", self.failure),
            None => self.failure.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}
