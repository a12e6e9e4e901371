//! Keys, certificates and chains in every format that openssl writes.

use portward_certs::check;
use portward_core::KeyType;

use crate::workbench::{P256, RSA, Workbench, now};

#[test]
fn every_type_of_key_is_read_in_every_format() {
    for (genpkey, key_type) in [
        (RSA, KeyType::Rsa(2048)),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:3072", KeyType::Rsa(3072)),
        (P256, KeyType::P256),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", KeyType::P384),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", KeyType::P521),
        ("-algorithm ED25519", KeyType::Ed25519),
    ] {
        let bench = Workbench::with_chain(genpkey);
        let mut formats = vec![
            "openssl pkey -in leaf.key -out it.key",
            "openssl pkey -in leaf.key -outform DER -out it.key",
            "openssl pkcs8 -in leaf.key -topk8 -nocrypt -outform DER -out it.key",
            "openssl pkcs12 -export -in leaf.pem -inkey leaf.key -passout pass: -out it.key",
        ];
        match key_type {
            KeyType::Rsa(_) => formats.extend([
                "openssl rsa -in leaf.key -traditional -out it.key",
                "openssl rsa -in leaf.key -traditional -outform DER -out it.key",
            ]),
            KeyType::Ed25519 => {}
            _ => formats.extend([
                "openssl ec -in leaf.key -out it.key",
                "openssl ec -in leaf.key -outform DER -out it.key",
                "openssl ec -in leaf.key -conv_form compressed -out it.key",
                "openssl ec -in leaf.key -no_public -out it.key",
            ]),
        }
        for format in formats {
            bench.run(format);
            let bundle = bench.read(&["chain.pem", "it.key"], None).unwrap_or_else(|error| panic!("{format}: {error}"));
            bench.expect_chain(&bundle);
            assert_eq!((bundle.key.key_type(), bundle.facts.key_type), (key_type, key_type));
            assert_eq!(check(&bundle, now(), &bundle.facts.names, Default::default()), [], "{format}");
        }
    }
}

#[test]
fn a_sec1_key_behind_its_parameters_is_read() {
    let bench = Workbench::with_chain(P256);
    bench.run("openssl ecparam -name prime256v1 -genkey -out it.key");
    assert!(crate::workbench::text(&bench.bytes("it.key")).starts_with("-----BEGIN EC PARAMETERS-----"));
    bench.run("openssl req -x509 -key it.key -subj /CN=x -days 9 -out it.pem");
    assert_eq!(&*bench.read(&["it.key", "it.pem"], None).unwrap().facts.subject, "CN=x");
}

#[test]
fn a_certificate_with_a_compressed_point_is_matched_with_its_key() {
    let bench = Workbench::new();
    bench.run(&format!("openssl genpkey {P256} -pkeyopt ec_param_enc:named_curve -out it.key"));
    bench.run("openssl ec -in it.key -conv_form compressed -out compressed.key");
    bench.run("openssl req -x509 -key compressed.key -subj /CN=x -days 9 -out it.pem");
    bench.read(&["it.key", "it.pem"], None).unwrap();
}

#[test]
fn every_encryption_of_a_key_is_read_and_a_wrong_password_refused() {
    let bench = Workbench::with_chain(RSA);
    let pkcs8 = "openssl pkcs8 -topk8 -in leaf.key -out it.key -passout pass:geheim";
    let legacy = "-provider legacy -provider default";
    let traditional = "openssl rsa -in leaf.key -traditional -out it.key -passout pass:geheim";
    let mut ways = vec![];
    for cipher in ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"] {
        ways.push(format!("{pkcs8} -v2 {cipher}"));
    }
    for prf in ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"] {
        ways.push(format!("{pkcs8} -v2prf hmacWith{prf}"));
    }
    ways.push(format!("{pkcs8} -outform DER"));
    ways.push(format!("{pkcs8} -iter 100000"));
    for scheme in [
        "PBE-MD5-DES",
        "PBE-SHA1-DES",
        "PBE-MD5-RC2-64",
        "PBE-SHA1-RC2-64",
        "PBE-SHA1-RC2-40",
        "PBE-SHA1-RC2-128",
        "PBE-SHA1-3DES",
        "PBE-SHA1-2DES",
    ] {
        ways.push(format!("{pkcs8} -v1 {scheme} {legacy}"));
    }
    for cipher in ["aes128", "aes192", "aes256", "des3"] {
        ways.push(format!("{traditional} -{cipher}"));
    }
    ways.push(format!("{traditional} -des {legacy}"));
    for way in ways {
        bench.run(&way);
        let files = ["chain.pem", "it.key"];
        let bundle = bench.read(&files, Some("geheim")).unwrap_or_else(|error| panic!("{way}: {error}"));
        bench.expect_chain(&bundle);
        for (password, code) in [(Some("falsch"), "wrong-password"), (None, "password-needed")] {
            assert_eq!(bench.read(&files, password).unwrap_err().code(), code, "{way}");
        }
    }
}

#[test]
fn chains_are_completed_from_files_of_any_format_in_any_order() {
    let bench = Workbench::with_chain(RSA);
    bench.run("openssl crl2pkcs7 -nocrl -certfile chain.pem -out all.p7b");
    bench.run("openssl crl2pkcs7 -nocrl -certfile chain.pem -outform DER -out all.p7b.der");
    bench.run("openssl crl2pkcs7 -nocrl -certfile middle.pem -certfile root.pem -out issuers.p7b");
    bench.run("openssl x509 -in middle.pem -trustout -addtrust serverAuth -out middle.trusted");
    for name in ["leaf", "middle", "root"] {
        bench.run(&format!("openssl x509 -in {name}.pem -outform DER -out {name}.cer"));
    }
    bench.join(&["root.pem", "leaf.key", "middle.pem", "leaf.pem"], "reversed.pem");
    bench.run("openssl x509 -in leaf.pem -text -out verbose.pem");
    for files in [
        &["reversed.pem"][..],
        &["leaf.key", "all.p7b"],
        &["all.p7b.der", "leaf.key"],
        &["root.cer", "leaf.cer", "leaf.key", "middle.cer"],
        &["verbose.pem", "issuers.p7b", "leaf.key"],
        &["leaf.pem", "middle.trusted", "root.pem", "leaf.key"],
        &["chain.pem", "chain.pem", "leaf.key", "leaf.key"],
    ] {
        let bundle = bench.read(files, None).unwrap_or_else(|error| panic!("{files:?}: {error}"));
        bench.expect_chain(&bundle);
    }
}

#[test]
fn what_is_of_no_use_is_listed() {
    let bench = Workbench::with_chain(P256);
    bench.run(&format!("openssl genpkey {P256} -out other.key"));
    bench.run("openssl req -x509 -key other.key -subj /CN=other -days 9 -out other.pem");
    let bundle = bench.read(&["leaf.csr", "chain.pem", "leaf.key", "other.pem"], None).unwrap();
    let listed: Vec<String> = bundle.left_over.iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        ["leaf.csr: a certificate request", "other.pem: the certificate CN=other is no part of the chain"]
    );
}

#[test]
fn files_of_windows_editors_and_bare_base64_are_read() {
    let bench = Workbench::with_chain(P256);
    let chain = String::from_utf8(bench.bytes("chain.pem")).unwrap();
    let utf16: Vec<u8> = format!("\u{feff}{chain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    bench.write("utf16.pem", &utf16);
    bench.write("bom.pem", format!("\u{feff}{}", chain.replace('\n', "\r\n")).as_bytes());
    bench.run("openssl pkcs12 -export -in chain.pem -inkey leaf.key -passout pass: -out it.pfx");
    bench.run("openssl base64 -in it.pfx -out it.b64");
    let padded = [bench.bytes("it.pfx"), b"\r\n\0\0".to_vec()].concat();
    bench.write("padded.pfx", &padded);
    for files in [&["utf16.pem", "leaf.key"][..], &["bom.pem", "leaf.key"], &["it.b64"], &["padded.pfx"]] {
        bench.expect_chain(&bench.read(files, None).unwrap_or_else(|error| panic!("{files:?}: {error}")));
    }
}

#[test]
fn odd_names_never_stop_the_reading() {
    let bench = Workbench::with_chain(P256);
    bench.write(
        "odd.ext",
        b"subjectAltName=otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user@shop.test,email:a@shop.test,URI:https://shop.test/,\
          DNS:shop.test,dirName:dn,RID:1.2.3.4,DNS:bad name,DNS:10.0.0.9,DNS:a.*.shop.test,DNS:SHOP.test,IP:2001:db8::1\n\
          certificatePolicies=1.2.3.4\n[dn]\nCN=directory\n",
    );
    bench.issue("leaf", "/CN=odd", "middle", "odd.ext", 9);
    let bundle = bench.read(&["leaf.pem", "leaf.key", "middle.pem"], None).unwrap();
    let names: Vec<String> = bundle.facts.names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["shop.test", "2001:db8::1"]);
}

#[test]
fn the_facts_are_those_that_openssl_prints() {
    let bench = Workbench::with_chain(RSA);
    bench.run_words(&[
        "openssl",
        "req",
        "-new",
        "-key",
        "leaf.key",
        "-utf8",
        "-out",
        "leaf.csr",
        "-subj",
        "/C=DE/O=Läden, Söhne \\+ Co \"x\"/OU=a\\/b/CN=shop.test/emailAddress=a@shop.test",
    ]);
    bench.run("openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -set_serial 0x00ff01 -days 9 -extfile leaf.ext -out leaf.pem");
    let facts = bench.read(&["leaf.pem", "leaf.key"], None).unwrap().facts;
    let print = |arguments: &str| bench.run(&format!("openssl x509 -in leaf.pem -noout {arguments}")).trim().to_owned();
    let sha256 = print("-fingerprint -sha256").replace(':', "").to_lowercase();
    assert!(sha256.ends_with(&facts.thumbprint.to_string()), "{sha256}");
    let sha1 = print("-fingerprint -sha1").replace(':', "");
    assert!(sha1.ends_with(&facts.sha1.to_string()), "{sha1}");
    assert_eq!(format!("serial={}", facts.serial.to_uppercase()), print("-serial"));
    assert_eq!(&*facts.serial, "ff01");
    assert_eq!(
        &*facts.subject,
        "emailAddress=a@shop.test, CN=shop.test, OU=a/b, O=Läden\\, Söhne \\+ Co \\\"x\\\", C=DE"
    );
    assert_eq!(&*facts.issuer, "CN=Middle, O=Test");
    assert!(!facts.self_signed);
    let end = print("-enddate -dateopt iso_8601");
    assert_eq!(end.trim_start_matches("notAfter=").replace(' ', "T"), facts.validity.not_after.to_string());
}
