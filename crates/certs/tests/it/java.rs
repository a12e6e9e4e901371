//! Key stores of Java, in both directions.

use portward_certs::{Password, export_pfx};

use crate::workbench::{P256, RSA, Workbench};

const NEW_KEY: &str = "keytool -genkeypair -alias shop -keyalg EC -groupname secp256r1 -dname CN=shop.test \
    -ext SAN=dns:shop.test -validity 90 -storepass geheim -keypass geheim";

#[test]
fn a_pkcs12_key_store_of_keytool_is_read() {
    let bench = Workbench::new();
    bench.run(&format!("{NEW_KEY} -storetype PKCS12 -keystore shop.p12"));
    let bundle = bench.read(&["shop.p12"], Some("geheim")).unwrap();
    assert_eq!(&*bundle.facts.subject, "CN=shop.test");
    assert!(bundle.facts.self_signed);
    for (password, code) in [(Some("falsch"), "wrong-password"), (None, "password-needed")] {
        assert_eq!(bench.read(&["shop.p12"], password).unwrap_err().code(), code);
    }
}

#[test]
fn a_chain_that_keytool_imported_and_wrote_in_its_older_ways_is_read() {
    let bench = Workbench::with_chain(RSA);
    bench.run("openssl pkcs12 -export -in chain.pem -inkey leaf.key -name shop -passout pass:geheim -out from.pfx");
    for legacy in ["", "-J-Dkeystore.pkcs12.legacy"] {
        bench.run("rm -f to.p12");
        bench.run(&format!(
            "keytool -importkeystore {legacy} -srckeystore from.pfx -srcstoretype PKCS12 -srcstorepass geheim \
             -destkeystore to.p12 -deststoretype PKCS12 -deststorepass geheim",
        ));
        bench.expect_chain(&bench.read(&["to.p12"], Some("geheim")).unwrap());
    }
}

#[test]
fn a_trust_store_has_no_private_key() {
    let bench = Workbench::with_chain(P256);
    bench.run("keytool -importcert -noprompt -alias root -file root.pem -storetype PKCS12 -keystore trust.p12 -storepass geheim");
    let error = bench.read(&["trust.p12"], Some("geheim")).unwrap_err();
    assert_eq!(error.code(), "no-private-key");
    assert!(error.to_string().contains("trust store"), "{error}");
}

#[test]
fn an_old_key_store_is_refused_with_the_command_that_converts_it() {
    let bench = Workbench::new();
    bench.run(&format!("{NEW_KEY} -storetype JKS -keystore FILE"));
    let error = bench.read(&["FILE"], Some("geheim")).unwrap_err();
    assert_eq!(error.code(), "unsupported-format");
    let message = error.to_string();
    let command = message.split("convert it: ").nth(1).unwrap().split(", then").next().unwrap();
    bench.run(&format!("{command} -srcstorepass geheim -deststorepass geheim"));
    assert_eq!(&*bench.read(&["FILE.pfx"], Some("geheim")).unwrap().facts.subject, "CN=shop.test");
}

#[test]
fn what_we_export_keytool_reads() {
    let bench = Workbench::with_chain(RSA);
    let bundle = bench.read(&["chain.pem", "leaf.key"], None).unwrap();
    let pfx = export_pfx(&bundle.chain, &bundle.key, &Password::new("geheim".to_owned()), "Laden").unwrap();
    bench.write("our.pfx", &pfx);
    let listed = bench.run("keytool -list -v -keystore our.pfx -storepass geheim");
    for part in ["Alias name: laden", "Entry type: PrivateKeyEntry", "Certificate chain length: 3"] {
        assert!(listed.contains(part), "{listed}");
    }
    bench.run(
        "keytool -importkeystore -srckeystore our.pfx -srcstorepass geheim -destkeystore back.p12 -deststoretype PKCS12 -deststorepass geheim",
    );
    bench.expect_chain(&bench.read(&["back.p12"], Some("geheim")).unwrap());
}
