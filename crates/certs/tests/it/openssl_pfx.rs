//! PFX as openssl writes them, old and new.

use portward_certs::{ExportPfxError, Password, check, export_pem, export_pfx};

use crate::workbench::{P256, RSA, Workbench, now};

/// Every way in which `openssl pkcs12 -export` protects a file, and the password.
const WAYS: &[(&str, &str)] = &[
    ("default", "-passout pass:geheim"),
    ("legacy", "-legacy -passout pass:geheim"),
    ("rc2-40 and 3des", "-legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES -passout pass:geheim"),
    ("rc2-128", "-legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-RC2-128 -passout pass:geheim"),
    ("2-key 3des", "-legacy -certpbe PBE-SHA1-2DES -keypbe PBE-SHA1-2DES -passout pass:geheim"),
    ("3des", "-certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1 -passout pass:geheim"),
    ("aes-128", "-certpbe AES-128-CBC -keypbe AES-128-CBC -passout pass:geheim"),
    ("aes-192", "-certpbe AES-192-CBC -keypbe AES-192-CBC -passout pass:geheim"),
    ("pbes2 with 3des", "-certpbe DES-EDE3-CBC -keypbe DES-EDE3-CBC -passout pass:geheim"),
    ("pbes2 with rc2", "-legacy -certpbe RC2-CBC -keypbe RC2-CBC -passout pass:geheim"),
    ("mac sha1", "-macalg sha1 -passout pass:geheim"),
    ("mac sha224", "-macalg sha224 -passout pass:geheim"),
    ("mac sha384", "-macalg sha384 -passout pass:geheim"),
    ("mac sha512", "-macalg sha512 -passout pass:geheim"),
    ("no mac", "-nomac -passout pass:geheim"),
    ("no mac, legacy", "-legacy -nomac -passout pass:geheim"),
    ("plain certificates", "-certpbe NONE -passout pass:geheim"),
    ("plain safes", "-certpbe NONE -keypbe NONE -passout pass:geheim"),
    ("one round", "-iter 1 -nomaciter -passout pass:geheim"),
    ("many rounds", "-iter 600000 -passout pass:geheim"),
    ("name and csp", "-name Laden -CSP Microsoft -LMK -caname Mitte -caname Wurzel -passout pass:geheim"),
];

#[test]
fn every_pfx_that_openssl_writes_is_read_with_its_whole_chain() {
    let bench = Workbench::with_chain(RSA);
    for (name, way) in WAYS {
        bench.run(&format!("openssl pkcs12 -export -in chain.pem -inkey leaf.key -out it.pfx {way}"));
        let bundle = bench.read(&["it.pfx"], Some("geheim")).unwrap_or_else(|error| panic!("{name}: {error}"));
        bench.expect_chain(&bundle);
        assert_eq!(check(&bundle, now(), &bundle.facts.names, Default::default()), [], "{name}");
    }
}

#[test]
fn a_wrong_or_missing_password_is_told_apart_from_a_damaged_file() {
    let bench = Workbench::with_chain(P256);
    for (name, way) in WAYS.iter().filter(|(name, _)| !["plain safes", "many rounds"].contains(name)) {
        bench.run(&format!("openssl pkcs12 -export -in chain.pem -inkey leaf.key -out it.pfx {way}"));
        for (password, code) in
            [(Some("Geheim"), "wrong-password"), (Some(""), "wrong-password"), (None, "password-needed")]
        {
            let error = bench.read(&["it.pfx"], password).unwrap_err();
            assert_eq!(error.code(), code, "{name} with {password:?}");
            assert_eq!(error.file.as_deref(), Some("it.pfx"));
        }
    }
}

#[test]
fn an_empty_password_and_none_open_the_same_files() {
    let bench = Workbench::with_chain(P256);
    for way in ["", "-legacy", "-nomac", "-legacy -nomac", "-macalg sha512", "-certpbe NONE -keypbe NONE -nomac"] {
        bench.run(&format!("openssl pkcs12 -export -in chain.pem -inkey leaf.key -out it.pfx -passout pass: {way}"));
        for password in [None, Some("")] {
            let bundle = bench.read(&["it.pfx"], password).unwrap_or_else(|error| panic!("{way}: {error}"));
            bench.expect_chain(&bundle);
        }
    }
}

#[test]
fn passwords_of_any_characters_open_their_files() {
    let bench = Workbench::with_chain(P256);
    for password in ["Zürich", "пароль", "密码", "\u{1F511} key", "a'b\"c\\d $x", &"long ".repeat(40)] {
        let pass = format!("pass:{password}");
        for way in [&[][..], &["-legacy"], &["-nomac"]] {
            let mut words =
                vec!["openssl", "pkcs12", "-export", "-in", "chain.pem", "-inkey", "leaf.key", "-out", "it.pfx"];
            words.extend(["-passout", &pass]);
            words.extend(way);
            bench.run_words(&words);
            let bundle = bench.read(&["it.pfx"], Some(password)).unwrap_or_else(|error| panic!("{password}: {error}"));
            bench.expect_chain(&bundle);
        }
    }
}

#[test]
fn every_prefix_of_a_pfx_is_refused() {
    let bench = Workbench::with_chain(P256);
    bench.run("openssl pkcs12 -export -in chain.pem -inkey leaf.key -out it.pfx -iter 1 -passout pass:geheim");
    let whole = bench.bytes("it.pfx");
    let password = Password::new("geheim".to_owned());
    for length in 0..whole.len() {
        let input = portward_certs::Input { name: "it.pfx", bytes: &whole[..length] };
        assert!(portward_certs::read(&[input], Some(&password)).is_err(), "the first {length} bytes were read");
    }
}

#[test]
fn what_we_export_openssl_reads() {
    let bench = Workbench::with_chain(RSA);
    let bundle = bench.read(&["chain.pem", "leaf.key"], None).unwrap();
    let password = "Grüße \u{1F511}";
    let pfx = export_pfx(&bundle.chain, &bundle.key, &Password::new(password.to_owned()), "Läden").unwrap();
    bench.write("our.pfx", &pfx);
    let pass = format!("pass:{password}");
    let listed =
        bench.run_words(&["openssl", "pkcs12", "-in", "our.pfx", "-nodes", "-passin", &pass, "-out", "back.pem"]);
    assert_eq!(listed, "");
    let again = bench.read(&["back.pem"], None).unwrap();
    bench.expect_chain(&again);
    let info = bench.output_of(&["openssl", "pkcs12", "-in", "our.pfx", "-noout", "-info", "-passin", &pass]);
    let info = crate::workbench::text(&info.stderr);
    for part in ["MAC: sha256, Iteration 250000", "PBES2, PBKDF2, AES-256-CBC, Iteration 250000, PRF hmacWithSHA256"] {
        assert!(info.contains(part), "{info}");
    }
    bench.expect_chain(&bench.read(&["our.pfx"], Some(password)).unwrap());

    bench.write("our.pem", export_pem(&bundle.chain, &bundle.key).as_bytes());
    bench.run("openssl x509 -in our.pem -noout");
    bench.run("openssl pkey -in our.pem -noout -check");
    let again = bench.read(&["our.pem"], None).unwrap();
    assert_eq!(again.chain.leaf, bundle.chain.leaf);
    assert_eq!(again.chain.intermediates, bundle.chain.intermediates);
}

#[test]
fn no_pfx_is_exported_without_protection() {
    let bench = Workbench::with_chain(P256);
    let bundle = bench.read(&["chain.pem", "leaf.key"], None).unwrap();
    let error = export_pfx(&bundle.chain, &bundle.key, &Password::new(String::new()), "").unwrap_err();
    assert_eq!(error, ExportPfxError::EmptyPassword);
    let pfx = export_pfx(&bundle.chain, &bundle.key, &Password::new("x".to_owned()), "").unwrap();
    bench.write("our.pfx", &pfx);
    bench.expect_chain(&bench.read(&["our.pfx"], Some("x")).unwrap());
}
