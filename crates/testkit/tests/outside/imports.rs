//! Certificates made by the programs that people make them with, imported and looked at in a handshake.

use std::process::Command;

use portward_core::Timestamp;
use portward_testkit::{Authority, Issued, Program, StartedProgram, handshake, run};

const PASSWORD: &str = "zw\u{f6}lf \u{1f511} keys";

#[tokio::test]
async fn a_pfx_of_openssl_is_served_at_once_whatever_its_age() {
    let server = Program::new().start();
    let authority = Authority::new();
    let ways: &[(&str, &[&str])] = &[
        ("default", &[]),
        ("legacy", &["-legacy"]),
        ("rc2-128", &["-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-128"]),
        ("3des", &["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"]),
        ("aes128", &["-certpbe", "AES-128-CBC", "-keypbe", "AES-128-CBC"]),
        ("sha384", &["-macalg", "sha384"]),
        ("sha512", &["-macalg", "sha512"]),
        ("nomac", &["-nomac"]),
        ("plain-certificates", &["-certpbe", "NONE"]),
        (
            "windows",
            &[
                "-certpbe",
                "PBE-SHA1-3DES",
                "-keypbe",
                "PBE-SHA1-3DES",
                "-macalg",
                "sha1",
                "-LMK",
                "-CSP",
                "Microsoft Software Key Storage Provider",
            ],
        ),
    ];
    for (way, arguments) in ways {
        let name = format!("{way}.test");
        let issued = authority.issue(&[&name], now());
        pfx(&server, way, &issued, PASSWORD, arguments);
        import(&server, &[&format!("{way}.pfx"), "--password-file", &password_file(&server, PASSWORD)]);
        assert_eq!(handshake(server.https, &name).await, issued.leaf, "{way}");
    }
}

#[tokio::test]
async fn a_pfx_with_an_empty_password_needs_none() {
    let server = Program::new().start();
    let issued = Authority::new().issue(&["empty.test"], now());
    pfx(&server, "empty", &issued, "", &[]);
    import(&server, &["empty.pfx"]);
    assert_eq!(handshake(server.https, "empty.test").await, issued.leaf);
}

#[tokio::test]
async fn a_keystore_of_java_is_served() {
    let server = Program::new().start();
    for algorithm in ["RSA", "EC", "Ed25519"] {
        let name = format!("{}.java.test", algorithm.to_lowercase());
        let file = format!("{name}.p12");
        run(in_files(&server, "keytool").args(["-genkeypair", "-alias", "x", "-storetype", "PKCS12"]).args([
            "-keyalg",
            algorithm,
            "-dname",
            &format!("CN={name}"),
            "-ext",
            &format!("san=dns:{name}"),
            "-validity",
            "90",
            "-keystore",
            &file,
            "-storepass",
            "changeit",
        ]));
        let leaf = run_for_bytes(in_files(&server, "keytool").args(["-exportcert", "-alias", "x"]).args([
            "-keystore",
            &file,
            "-storepass",
            "changeit",
        ]));
        import(&server, &[&file, "--password-file", &password_file(&server, "changeit")]);
        assert_eq!(handshake(server.https, &name).await, leaf, "{algorithm}");
    }
}

#[tokio::test]
async fn a_pfx_of_nss_is_served() {
    let server = Program::new().start();
    std::fs::create_dir(server.files().join("nss")).unwrap();
    std::fs::write(server.files().join("noise"), [7; 64]).unwrap();
    password_file(&server, "nss password");
    run(in_files(&server, "certutil").args(["-N", "-d", "nss", "--empty-password"]));
    run(in_files(&server, "certutil")
        .args(["-S", "-x", "-n", "shop", "-s", "CN=nss.test", "-t", ",,", "-8", "nss.test"])
        .args(["-k", "rsa", "-g", "2048", "-z", "noise", "-d", "nss", "-Z", "SHA256"]));
    run(in_files(&server, "pk12util").args(["-o", "nss.p12", "-n", "shop", "-d", "nss", "-w", "password"]));
    let leaf = run_for_bytes(in_files(&server, "certutil").args(["-L", "-n", "shop", "-d", "nss", "-r"]));
    import(&server, &["nss.p12", "--password-file", "password"]);
    assert_eq!(handshake(server.https, "nss.test").await, leaf);
}

#[tokio::test]
async fn pem_and_der_are_served_with_every_kind_of_key_in_any_order() {
    let server = Program::new().start();
    let keys: &[(&str, &[&str])] = &[
        ("rsa", &["genrsa", "-traditional", "-out", "KEY", "2048"]),
        ("rsa8", &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", "KEY"]),
        ("p256", &["ecparam", "-genkey", "-name", "prime256v1", "-out", "KEY"]),
        ("p384", &["ecparam", "-genkey", "-name", "secp384r1", "-out", "KEY"]),
        ("p521", &["ecparam", "-genkey", "-name", "secp521r1", "-out", "KEY"]),
        ("ed25519", &["genpkey", "-algorithm", "ed25519", "-out", "KEY"]),
    ];
    for (kind, make) in keys {
        let (key, certificate, name) = (format!("{kind}.key"), format!("{kind}.crt"), format!("{kind}.test"));
        run(openssl(&server).args(make.iter().map(|word| if *word == "KEY" { key.as_str() } else { word })));
        self_signed(&server, &key, &certificate, &name);
        let leaf = run_for_bytes(openssl(&server).args(["x509", "-in", &certificate, "-outform", "DER"]));
        import(&server, &[&key, &certificate]);
        assert_eq!(handshake(server.https, &name).await, leaf, "{kind}");
        let served = server.portward(&["certificate", "list", "-o", "json"]);
        assert!(served.contains(&name), "{served}");
    }
}

#[tokio::test]
async fn an_encrypted_pem_key_der_files_and_a_pkcs7_chain_are_read() {
    let server = Program::new().start();
    let authority = Authority::new();

    let issued = authority.issue(&["encrypted.test"], now());
    write(&server, "plain.key", &issued.key_pem);
    write(&server, "encrypted.crt", &issued.chain_pem);
    let password = password_file(&server, PASSWORD);
    run(openssl(&server)
        .args(["pkcs8", "-topk8", "-in", "plain.key", "-out", "encrypted.key"])
        .args(["-passout", &format!("file:{password}")]));
    import(&server, &["encrypted.key", "encrypted.crt", "--password-file", &password]);
    assert_eq!(handshake(server.https, "encrypted.test").await, issued.leaf);

    let issued = authority.issue(&["der.test"], now());
    write(&server, "der.pem.key", &issued.key_pem);
    write(&server, "der.pem.crt", &issued.leaf_pem);
    write(&server, "chain.pem", &authority.intermediate_pem());
    run(openssl(&server).args(["pkey", "-in", "der.pem.key", "-outform", "DER", "-out", "der.key"]));
    run(openssl(&server).args(["x509", "-in", "der.pem.crt", "-outform", "DER", "-out", "der.crt"]));
    run(openssl(&server).args([
        "crl2pkcs7",
        "-nocrl",
        "-certfile",
        "chain.pem",
        "-outform",
        "DER",
        "-out",
        "chain.p7b",
    ]));
    import(&server, &["chain.p7b", "der.key", "der.crt"]);
    assert_eq!(handshake(server.https, "der.test").await, issued.leaf);
}

#[tokio::test]
async fn each_wrong_file_has_an_error_of_its_own_and_changes_nothing() {
    let server = Program::new().start();
    let authority = Authority::new();
    let now = now();
    let day = std::time::Duration::from_secs(24 * 3600);
    let good = authority.issue(&["shop.test"], now);
    let other = authority.issue(&["other.test"], now);
    let expired = authority.issue_between(&["shop.test"], now.minus(90 * day), now.minus(day));
    let early = authority.issue_between(&["shop.test"], now.plus(day), now.plus(90 * day));

    write(&server, "good.crt", &good.chain_pem);
    write(&server, "good.key", &good.key_pem);
    import(&server, &["good.crt", "good.key", "--name", "shop"]);
    let id = certificate_id(&server, "shop");
    server.portward(&["site", "add", "shop.test", "--upstream", "http://127.0.0.1:9", "--certificate", &id]);
    let before = server.portward(&["certificate", "list", "-o", "json"]);

    pfx(&server, "secret", &good, "right", &[]);
    write(&server, "other.key", &other.key_pem);
    write(&server, "other.crt", &other.chain_pem);
    write(&server, "leaf-only.crt", &good.leaf_pem);
    for (name, issued) in [("expired", &expired), ("early", &early)] {
        write(&server, &format!("{name}.crt"), &issued.chain_pem);
        write(&server, &format!("{name}.key"), &issued.key_pem);
    }
    run(openssl(&server).args(["genrsa", "-out", "weak.key", "1024"]));
    self_signed(&server, "weak.key", "weak.crt", "weak.test");
    run(openssl(&server).args(["genrsa", "-out", "sha1.key", "2048"]));
    run(openssl(&server)
        .args(["req", "-x509", "-key", "sha1.key", "-sha1", "-days", "30", "-subj", "/CN=sha1.test"])
        .args(["-addext", "subjectAltName=DNS:sha1.test", "-out", "sha1.crt"]));
    write(&server, "text.txt", "this is a shopping list");
    write(&server, "broken.crt", &good.chain_pem.replace("MII", "MIX"));
    let wrong = password_file(&server, "wrong");

    for (arguments, told) in [
        (&["secret.pfx", "--password-file", wrong.as_str()][..], "password"),
        (&["good.crt"], "private key"),
        (&["good.crt", "other.key"], "fit"),
        (&["expired.crt", "expired.key"], "expired"),
        (&["early.crt", "early.key"], "not valid before"),
        (&["weak.crt", "weak.key"], "1024"),
        (&["sha1.crt", "sha1.key"], "SHA-1"),
        (&["leaf-only.crt", "good.key"], "Test Intermediate"),
        (&["other.crt", "other.key", "--replace", id.as_str()], "shop.test"),
        (&["text.txt"], "text.txt"),
        (&["broken.crt", "good.key"], "broken.crt"),
    ] {
        let (code, said) = server.portward_fails(&[&["certificate", "import"], arguments].concat());
        assert_eq!(code, 1, "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?} does not tell {told:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    assert_eq!(server.portward(&["certificate", "list", "-o", "json"]), before);
    assert_eq!(handshake(server.https, "shop.test").await, good.leaf);
    // Two of the errors are a decision that the operator may take.
    import(&server, &["expired.crt", "expired.key", "--name", "old", "--allow-expired"]);
    let (code, _) = server.portward_fails(&["certificate", "import", "nowhere.pfx"]);
    assert_eq!(code, 1);
}

#[tokio::test]
async fn what_is_exported_is_read_by_openssl_and_java() {
    let server = Program::new().start();
    let issued = Authority::new().issue(&["shop.test"], now());
    write(&server, "shop.crt", &issued.chain_pem);
    write(&server, "shop.key", &issued.key_pem);
    import(&server, &["shop.crt", "shop.key", "--name", "shop"]);
    let id = certificate_id(&server, "shop");
    // Java's keytool reads passwords in the locale's encoding.
    let password = password_file(&server, "twelve keys");

    server.portward(&[
        "certificate",
        "export",
        &id,
        "--format",
        "pfx",
        "--out",
        "out.pfx",
        "--password-file",
        &password,
    ]);
    let shown =
        run(openssl(&server).args(["pkcs12", "-in", "out.pfx", "-nodes", "-passin", &format!("file:{password}")]));
    assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 2, "leaf and intermediate: {shown}");
    assert!(shown.contains("BEGIN PRIVATE KEY"));
    let listed =
        run(in_files(&server, "keytool").args(["-list", "-keystore", "out.pfx", "-storepass:file", &password]));
    assert!(listed.contains("PrivateKeyEntry"), "{listed}");

    server.portward(&["certificate", "export", &id, "--format", "pem", "--out", "out.pem"]);
    let mode = run(Command::new("stat").args(["-c", "%a"]).arg(server.files().join("out.pem")));
    assert_eq!(mode.trim(), "600");
    let key = run(openssl(&server).args(["pkey", "-in", "out.pem", "-pubout"]));
    let leaf = run(openssl(&server).args(["x509", "-in", "out.pem", "-noout", "-pubkey"]));
    assert_eq!(key, leaf);
}

/// The id of the certificate with that name.
pub(crate) fn certificate_id(server: &StartedProgram, name: &str) -> String {
    let list = server.portward(&["certificate", "list", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let found = list.as_array().unwrap().iter().find(|certificate| certificate["name"] == name);
    found.unwrap_or_else(|| panic!("no certificate {name}: {list}"))["id"].as_str().unwrap().to_owned()
}

pub(crate) fn now() -> Timestamp {
    let text = run(Command::new("date").args(["-u", "+%s"]));
    Timestamp::from_unix(text.trim().parse().unwrap()).unwrap()
}

pub(crate) fn write(server: &StartedProgram, name: &str, text: &str) {
    std::fs::write(server.files().join(name), text).unwrap();
}

pub(crate) fn import(server: &StartedProgram, arguments: &[&str]) {
    server.portward(&[&["certificate", "import"], arguments].concat());
}

/// Writes the password to a file, as it must not stand in an argument list, and gives the file's name.
pub(crate) fn password_file(server: &StartedProgram, password: &str) -> String {
    write(server, "password", password);
    "password".to_owned()
}

pub(crate) fn pfx(server: &StartedProgram, name: &str, issued: &Issued, password: &str, arguments: &[&str]) {
    write(server, "pfx.pem", &format!("{}{}", issued.key_pem, issued.chain_pem));
    password_file(server, &format!("{password}\n"));
    run(openssl(server)
        .args(["pkcs12", "-export", "-in", "pfx.pem", "-name", name, "-passout", "file:password"])
        .args(["-out", &format!("{name}.pfx")])
        .args(arguments));
}

fn self_signed(server: &StartedProgram, key: &str, certificate: &str, name: &str) {
    run(openssl(server).args(["req", "-x509", "-key", key, "-days", "30", "-subj", &format!("/CN={name}")]).args([
        "-addext",
        &format!("subjectAltName=DNS:{name}"),
        "-out",
        certificate,
    ]));
}

fn openssl(server: &StartedProgram) -> Command {
    in_files(server, "openssl")
}

fn in_files(server: &StartedProgram, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(server.files());
    command
}

fn run_for_bytes(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
