//! What holds a secret shows none of it in `Debug`, of which the texts of logs, errors and panics are made.

use portward_api::{CertificateExport, CertificateFile, CertificateImport, ExportFormat, SecretBytes, SecretText};
use portward_certs::{Input, Password, PrivateKey};
use portward_testkit::{Authority, TestServer};

const MARKER: &str = "secret-marker-51c7";

#[test]
fn what_holds_a_secret_shows_none_of_it() {
    let issued = Authority::new().issue(&["shop.test"], TestServer::begin());
    let files = [("chain.pem", &issued.chain_pem), ("key.pem", &issued.key_pem)];
    let inputs = files.map(|(name, text)| Input { name, bytes: text.as_bytes() });
    let bundle = portward_certs::read(&inputs, None).unwrap();
    let key: &PrivateKey = &bundle.key;
    let der = key.as_pkcs8_der().to_vec();
    let import = CertificateImport {
        files: vec![CertificateFile { name: "key.pem".to_owned(), data: SecretBytes::new(der.clone()) }],
        password: Some(SecretText::new(MARKER.to_owned())),
        name: None,
        replace: None,
        allow_expired: false,
    };
    let export = CertificateExport { format: ExportFormat::Pfx, password: Some(SecretText::new(MARKER.to_owned())) };
    let master = tempfile::tempdir().unwrap();
    let master = portward_store::sealing::MasterKey::open_or_create(&master.path().join("master.key")).unwrap();
    let shown = [
        format!("{import:?}"),
        format!("{import:#?}"),
        format!("{export:?}"),
        format!("{bundle:?}"),
        format!("{key:?}"),
        format!("{:?}", Password::new(MARKER.to_owned())),
        format!("{master:?}"),
    ];
    // The private scalar of a P-256 key in PKCS #8 follows the header of its OCTET STRING.
    let at = der.windows(2).position(|window| window == [0x04, 0x20]).unwrap() + 2;
    let scalar = &der[at..at + 32];
    let key_bytes = format!("{scalar:?}");
    let key_hex: String = scalar.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in shown {
        assert!(!text.contains(MARKER), "{text}");
        assert!(!text.contains(key_bytes.trim_matches(['[', ']'])), "{text}");
        assert!(!text.to_lowercase().contains(&key_hex), "{text}");
    }
}
