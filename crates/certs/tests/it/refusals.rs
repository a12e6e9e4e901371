//! Each wrong file gives an error of its own, which names what is wrong.

use portward_certs::{Allow, MAX_CERTIFICATES, MAX_PEM_BYTES, MAX_PFX_BYTES, check};
use portward_core::{HostPattern, Timestamp};

use crate::workbench::{P256, RSA, Workbench, now};

/// Expects reading to fail with the code, and a message that has all the parts.
fn refused(bench: &Workbench, files: &[&str], password: Option<&str>, code: &str, parts: &[&str]) {
    let error = bench.read(files, password).expect_err(code);
    assert_eq!(error.code(), code, "{error}");
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn a_missing_part_is_named() {
    let bench = Workbench::with_chain(P256);
    refused(&bench, &["chain.pem"], None, "no-private-key", &["3 certificates", "privkey.pem"]);
    refused(&bench, &["leaf.key"], None, "no-certificate", &["one private key"]);
    refused(&bench, &["leaf.csr", "leaf.key"], None, "unsupported-format", &["leaf.csr: ", "certificate request"]);
    refused(&bench, &[], None, "no-private-key", &["neither certificates nor keys"]);
    bench.run("openssl pkey -in leaf.key -pubout -out public.pem");
    bench.run("openssl pkey -in leaf.key -pubout -outform DER -out public.der");
    for file in ["public.pem", "public.der"] {
        refused(&bench, &["chain.pem", file], None, "unsupported-format", &[file, "a public key"]);
    }
    bench.run("openssl req -in leaf.csr -outform DER -out leaf.csr.der");
    refused(&bench, &["leaf.csr.der", "leaf.key"], None, "unsupported-format", &["certificate request"]);
    // What is not missing does not stand in for what is.
    refused(&bench, &["chain.pem", "leaf.csr"], None, "no-private-key", &["certificate request"]);
    bench.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.key");
    refused(&bench, &["chain.pem", "middle.key", "leaf.csr"], None, "key-does-not-fit", &[]);
    refused(&bench, &["chain.pem", "middle.key", "short.key"], None, "weak-key", &["short.key"]);
    bench.run("openssl pkcs12 -export -nokeys -in chain.pem -passout pass: -out it.pfx");
    refused(&bench, &["it.pfx"], None, "no-private-key", &["3 certificates"]);
    bench.run("openssl pkcs12 -export -nocerts -inkey leaf.key -passout pass: -out it.pfx");
    refused(&bench, &["it.pfx"], None, "no-certificate", &["one private key"]);
    bench.write("openssh", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAQID\n-----END OPENSSH PRIVATE KEY-----\n");
    refused(&bench, &["chain.pem", "openssh"], None, "unsupported-format", &["OpenSSH", "ssh-keygen -p -m PKCS8"]);
}

#[test]
fn a_key_that_does_not_fit_is_told_whose_it_is() {
    let bench = Workbench::with_chain(P256);
    bench.run(&format!("openssl genpkey {P256} -out other.key"));
    refused(
        &bench,
        &["leaf.pem", "other.key"],
        None,
        "key-does-not-fit",
        &["ECDSA P-256", "CN=shop.test, O=Test", "their public keys differ"],
    );
    refused(
        &bench,
        &["chain.pem", "other.key"],
        None,
        "key-does-not-fit",
        &["CN=shop.test, O=Test", "none of the 3 certificates"],
    );
    refused(
        &bench,
        &["chain.pem", "middle.key"],
        None,
        "key-does-not-fit",
        &["CN=shop.test, O=Test", "it belongs to CN=Middle, O=Test"],
    );
}

#[test]
fn of_several_pairs_none_is_guessed() {
    let bench = Workbench::with_chain(P256);
    bench.run(&format!("openssl genpkey {P256} -out blog.key"));
    bench.issue("blog", "/O=Test/CN=blog.test", "middle", "leaf.ext", 9);
    refused(
        &bench,
        &["chain.pem", "leaf.key", "blog.pem", "blog.key"],
        None,
        "several-pairs",
        &["CN=shop.test, O=Test", "CN=blog.test, O=Test"],
    );
    // The key of an authority beside it is no rival.
    let bundle = bench.read(&["middle.key", "chain.pem", "leaf.key"], None).unwrap();
    assert_eq!(&*bundle.facts.subject, "CN=shop.test, O=Test");
    assert_eq!(
        bundle.left_over[0].to_string(),
        "middle.key: a private key (ECDSA P-256) that is not the key of the certificate"
    );
}

#[test]
fn algorithms_that_are_not_served_are_refused_by_name() {
    let bench = Workbench::new();
    bench.run("openssl dsaparam -out dsa.param 2048");
    for (genpkey, code, name) in [
        ("-paramfile dsa.param", "unsupported-key", "DSA"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "unsupported-key", "ECDSA secp256k1"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1", "unsupported-key", "ECDSA brainpoolP256r1"),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "unsupported-key",
            "explicit",
        ),
        ("-algorithm ED448", "unsupported-key", "Ed448"),
        ("-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "unsupported-key", "RSA-PSS"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "weak-key", "1024 bits"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3", "unsupported-key", "two primes"),
    ] {
        bench.run(&format!("openssl genpkey {genpkey} -out it.key"));
        bench.run("openssl req -x509 -key it.key -subj /CN=x -days 9 -out it.pem");
        refused(&bench, &["it.pem", "it.key"], None, code, &["it.key: ", name]);
        bench.run("openssl pkcs12 -export -in it.pem -inkey it.key -passout pass: -out it.pfx");
        refused(&bench, &["it.pfx"], None, code, &["it.pfx: ", name]);
    }
}

#[test]
fn encryption_that_is_not_read_is_named_with_a_command_that_converts_it() {
    let bench = Workbench::with_chain(RSA);
    for (command, name) in [
        ("openssl pkcs8 -topk8 -in leaf.key -scrypt -out it.key", "scrypt (1.3.6.1.4.1.11591.4.11)"),
        ("openssl pkcs8 -topk8 -in leaf.key -v2 camellia-128-cbc -out it.key", "Camellia-128-CBC"),
        (
            "openssl pkcs8 -topk8 -in leaf.key -v2 aria-256-cbc -out it.key",
            "an unknown algorithm (1.2.410.200046.1.1.12)",
        ),
        ("openssl pkcs8 -topk8 -in leaf.key -v2prf hmacWithSHA512-256 -out it.key", "HMAC-SHA512/256"),
        (
            "openssl pkcs8 -topk8 -in leaf.key -v1 PBE-SHA1-RC4-128 -provider legacy -provider default -out it.key",
            "RC4",
        ),
        ("openssl rsa -in leaf.key -traditional -camellia256 -out it.key", "CAMELLIA-256-CBC"),
    ] {
        bench.run(&format!("{command} -passout pass:geheim"));
        refused(
            &bench,
            &["leaf.pem", "it.key"],
            Some("geheim"),
            "unsupported-encryption",
            &[name, "openssl pkcs8 -topk8"],
        );
        // The command that the message names does what it says.
        bench.run("openssl pkcs8 -topk8 -v2 aes-256-cbc -in it.key -out new.key -passin pass:geheim -passout pass:geheim -provider legacy -provider default");
        bench.read(&["leaf.pem", "new.key"], Some("geheim")).unwrap();
    }
    for (way, name) in [
        ("-legacy -certpbe PBE-SHA1-RC4-128", "pbeWithSHA1And128BitRC4"),
        ("-certpbe CAMELLIA-256-CBC", "Camellia-256-CBC"),
        ("-macalg md5", "MD5 (1.2.840.113549.2.5)"),
        ("-macalg sha512-256", "SHA-512/256"),
    ] {
        bench.run(&format!(
            "openssl pkcs12 -export -in chain.pem -inkey leaf.key -out it.pfx -passout pass:geheim {way}"
        ));
        refused(
            &bench,
            &["it.pfx"],
            Some("geheim"),
            "unsupported-encryption",
            &[name, "openssl pkcs12 -legacy -nodes"],
        );
        bench.run("openssl pkcs12 -legacy -nodes -in it.pfx -out new.pem -passin pass:geheim");
        bench.expect_chain(&bench.read(&["new.pem"], None).unwrap());
    }
}

#[test]
fn limits_hold() {
    let bench = Workbench::with_chain(P256);
    bench.run("openssl pkcs12 -export -in chain.pem -inkey leaf.key -out it.pfx -iter 1000001 -passout pass:geheim");
    refused(&bench, &["it.pfx"], Some("geheim"), "too-costly", &["1000001", "1000000"]);
    bench.write("big.pem", &b"-----BEGIN ".repeat(MAX_PEM_BYTES / 11 + 1));
    refused(&bench, &["big.pem"], None, "too-large", &["256 KiB"]);
    bench.write("big.pfx", &vec![0x30; MAX_PFX_BYTES + 1]);
    refused(&bench, &["big.pfx"], None, "too-large", &["1024 KiB"]);
    let mut many = String::new();
    for number in 0..=MAX_CERTIFICATES {
        let name = HostPattern::parse(&format!("n{number}.test")).unwrap();
        let made = portward_certs::self_signed(&[name], portward_certs::self_signed_validity(now(), 9)).unwrap();
        many.push_str(&portward_certs::export_pem(&made.chain, &made.key));
    }
    bench.write("many.pem", many.as_bytes());
    let keys: String = many
        .split_inclusive("-----END PRIVATE KEY-----")
        .map(|part| part[part.find("-----BEGIN PRIVATE").unwrap_or(part.len())..].to_owned() + "\n")
        .collect();
    bench.write("keys.pem", keys.as_bytes());
    refused(&bench, &["keys.pem"], None, "too-large", &["number of private keys", "50"]);
    bench.write("blocks.pem", "-----BEGIN A-----\nAQID\n-----END A-----\n".repeat(5000).as_bytes());
    let error = bench.read(&["blocks.pem"], None).unwrap_err();
    assert!(error.to_string().len() < 1000, "{error}");
    refused(&bench, &["many.pem"], None, "too-large", &["number of certificates", "50"]);
}

#[test]
fn what_is_no_certificate_file_is_recognised() {
    let bench = Workbench::with_chain(P256);
    let pfx = {
        bench.run("openssl pkcs12 -export -in chain.pem -inkey leaf.key -out it.pfx -passout pass:");
        bench.bytes("it.pfx")
    };
    for (name, bytes, code, part) in [
        ("empty", &b""[..], "unrecognised-format", "the file is empty"),
        ("text", b"hello", "unrecognised-format", "neither PEM"),
        ("html", b"<!doctype html>", "unrecognised-format", "web page"),
        ("zip", b"PK\x03\x04aaaa", "unsupported-format", "ZIP"),
        ("jks", b"\xfe\xed\xfe\xed\0\0\0\x02", "unsupported-format", "keytool -importkeystore"),
        ("ssh", b"ssh-ed25519 AAAA me", "unsupported-format", "SSH key"),
        ("half", &pfx[..pfx.len() / 2], "broken-file", "cut off"),
        ("der", b"\x30\x00", "unrecognised-format", "DER of an unknown kind"),
    ] {
        bench.write(name, bytes);
        refused(&bench, &[name], None, code, &[name, part]);
    }
}

#[test]
fn dates_names_and_strength_are_judged_apart_from_reading() {
    let bench = Workbench::with_chain(P256);
    let bundle = bench.read(&["chain.pem", "leaf.key"], None).unwrap();
    let names = |texts: &[&str]| -> Vec<HostPattern> { texts.iter().map(|t| HostPattern::parse(t).unwrap()).collect() };
    let codes = |now: Timestamp, wanted: &[&str], allow: Allow| -> Vec<(&'static str, bool)> {
        check(&bundle, now, &names(wanted), allow).iter().map(|f| (f.code(), f.refuses())).collect()
    };
    let later = bundle.facts.validity.not_after.plus(std::time::Duration::from_secs(1));
    let earlier = bundle.facts.validity.not_before.minus(std::time::Duration::from_secs(1));
    let allow = Allow { expired: true, ..Allow::default() };
    assert_eq!(codes(now(), &["shop.test", "a.shop.test", "*.shop.test", "10.0.0.1"], Allow::default()), []);
    assert_eq!(codes(bundle.facts.validity.not_after, &[], Allow::default()), []);
    assert_eq!(codes(later, &[], Allow::default()), [("expired", true)]);
    assert_eq!(codes(later, &[], allow), [("expired", false)]);
    assert_eq!(codes(earlier, &[], Allow::default()), [("not-yet-valid", true)]);
    assert_eq!(codes(earlier, &[], allow), [("not-yet-valid", false)]);
    assert_eq!(
        codes(now(), &["shop.test", "b.a.shop.test", "10.0.0.2"], allow),
        [("name-not-covered", true), ("name-not-covered", true)]
    );

    let alone = bench.read(&["leaf.pem", "leaf.key"], None).unwrap();
    let found = check(&alone, now(), &[], Allow::default());
    assert_eq!(found[0].code(), "incomplete-chain");
    assert!(found[0].refuses());
    let message = found[0].to_string();
    assert!(message.contains("CN=Middle, O=Test") && message.contains("http://ca.test/middle.cer"), "{message}");
    let allow = Allow { incomplete_chain: true, ..Allow::default() };
    assert!(!check(&alone, now(), &[], allow)[0].refuses());
    // The root need not be given.
    let bundle = bench.read(&["leaf.pem", "middle.pem", "leaf.key"], None).unwrap();
    assert_eq!(check(&bundle, now(), &[], Allow::default()), []);
}

#[test]
fn certificates_that_clients_refuse_are_found() {
    let bench = Workbench::with_chain(P256);
    let codes = |files: &[&str]| -> Vec<(&'static str, bool)> {
        let bundle = bench.read(files, None).unwrap();
        check(&bundle, now(), &[], Allow::default()).iter().map(|f| (f.code(), f.refuses())).collect()
    };
    bench.run("openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -set_serial 9 -sha1 -extfile leaf.ext -out it.pem");
    assert_eq!(codes(&["it.pem", "middle.pem", "leaf.key"]), [("weak-signature", true)]);
    bench.run("openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -set_serial 9 -out it.pem");
    assert_eq!(codes(&["it.pem", "middle.pem", "leaf.key"]), [("no-names", false)]);
    bench.write("client.ext", b"subjectAltName=DNS:shop.test\nextendedKeyUsage=clientAuth\n");
    bench.issue("leaf", "/CN=c", "middle", "client.ext", 9);
    assert_eq!(codes(&["leaf.pem", "middle.pem", "leaf.key"]), [("not-for-servers", false)]);
    // The default of openssl makes an authority of a self-signed certificate: usual, and only warned of.
    bench.run("openssl req -x509 -key leaf.key -subj /CN=x -addext subjectAltName=DNS:x.test -days 9 -out it.pem");
    assert_eq!(codes(&["it.pem", "leaf.key"]), [("ca-as-leaf", false)]);
    // An issuing authority as a server is a mistake.
    assert_eq!(codes(&["middle.pem", "root.pem", "middle.key"]), [("ca-as-leaf", true), ("no-names", false)]);
    // A weak signature on the root means nothing.
    bench.run("openssl req -x509 -sha1 -new -key root.key -subj /O=Test/CN=Root -days 3650 -out root.pem");
    bench.issue("leaf", "/CN=s", "middle", "leaf.ext", 9);
    assert_eq!(codes(&["leaf.pem", "middle.pem", "root.pem", "leaf.key"]), []);
}

#[test]
fn weak_and_expired_issuers_are_found() {
    let bench = Workbench::with_chain(P256);
    bench.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out middle.key");
    bench.issue("middle", "/O=Test/CN=Middle", "root", "ca.ext", 9);
    bench.issue("leaf", "/CN=s", "middle", "leaf.ext", 90);
    let bundle = bench.read(&["leaf.pem", "middle.pem", "leaf.key"], None).unwrap();
    let codes = |allow: Allow| -> Vec<(&'static str, bool)> {
        let later = now().plus(std::time::Duration::from_secs(20 * 24 * 3600));
        check(&bundle, later, &[], allow).iter().map(|f| (f.code(), f.refuses())).collect()
    };
    assert_eq!(codes(Allow::default()), [("issuer-expired", true), ("weak-issuer-key", true)]);
    let allow = Allow { expired: true, weak: true, ..Allow::default() };
    assert_eq!(codes(allow), [("issuer-expired", false), ("weak-issuer-key", false)]);
}
