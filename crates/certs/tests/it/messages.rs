//! Every message for operators, as a snapshot: a change of words is a change that somebody sees.

use portward_certs::{Defect, ReadFailure};
use portward_core::Timestamp;

#[test]
fn every_failure_says_what_and_what_to_do() {
    let pfx = "PFX";
    let subject = || "CN=shop.test".to_owned();
    let failures = [
        ReadFailure::PasswordNeeded { what: pfx },
        ReadFailure::WrongPassword { what: pfx },
        ReadFailure::NoPrivateKey {
            found: "one certificate".to_owned(),
            remedy: "give the file with the key too".to_owned(),
        },
        ReadFailure::NoCertificate { found: "one private key".to_owned() },
        ReadFailure::KeyDoesNotFit {
            key: "RSA 2048".to_owned(),
            certificate: "the certificate CN=shop.test (until 2027-02-18, thumbprint 0123456789abcdef...)".to_owned(),
            explanation: "it belongs to none of the 3 certificates given".to_owned(),
        },
        ReadFailure::SeveralPairs { subjects: vec![subject(), "CN=blog.test".to_owned()] },
        ReadFailure::WeakKey { bits: 1024 },
        ReadFailure::UnsupportedKey { what: "private key".to_owned(), algorithm: "DSA".to_owned() },
        ReadFailure::UnsupportedEncryption {
            what: "private key",
            algorithm: "scrypt (1.3.6.1.4.1.11591.4.11)".to_owned(),
            command: "openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out FILE.new".to_owned(),
        },
        ReadFailure::UnsupportedFormat {
            what: "a ZIP archive".to_owned(),
            remedy: "unpack it and give the files in it".to_owned(),
        },
        ReadFailure::Unrecognised { hint: "the file is empty".to_owned() },
        ReadFailure::Broken { what: pfx, reason: "it is cut off, or a length in it is wrong".to_owned() },
        ReadFailure::TooLarge { what: "the PEM file".to_owned(), limit: "256 KiB".to_owned() },
        ReadFailure::TooCostly {
            what: pfx,
            iterations: 9_000_000,
            limit: 1_000_000,
            command: "openssl ...".to_owned(),
        },
    ];
    let text: Vec<String> = failures.iter().map(|failure| format!("{}\n    {failure}", failure.code())).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn every_defect_says_what_and_what_to_do() {
    let time = Timestamp::parse("2026-11-20T14:32:07Z").unwrap();
    let subject = "CN=shop.test".to_owned();
    let issuer = "CN=Middle, O=Test".to_owned();
    let url = Some("http://ca.test/middle.cer".to_owned());
    let defects = [
        Defect::Expired { subject: subject.clone(), since: time, days: 12 },
        Defect::NotYetValid { subject: subject.clone(), from: time },
        Defect::IssuerExpired { subject: issuer.clone(), since: time },
        Defect::WeakSignature { subject: subject.clone(), algorithm: "RSA with SHA-1".to_owned() },
        Defect::WeakIssuerKey { subject: issuer.clone(), bits: 1024 },
        Defect::IncompleteChain { issuer: issuer.clone(), url },
        Defect::IncompleteChain { issuer, url: None },
        Defect::NoNames { subject: subject.clone() },
        Defect::NameNotCovered {
            name: "blog.test".to_owned(),
            has: vec!["shop.test".to_owned(), "*.shop.test".to_owned()],
        },
        Defect::NameNotCovered { name: "blog.test".to_owned(), has: vec![] },
        Defect::CaAsLeaf { subject: subject.clone() },
        Defect::NotForServers { subject, usages: "clientAuth".to_owned() },
    ];
    let text: Vec<String> = defects.iter().map(|defect| format!("{}\n    {defect}", defect.code())).collect();
    insta::assert_snapshot!(text.join("\n"));
}
