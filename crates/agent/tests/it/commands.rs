//! Each command, and what it prints.

use portward_core::Thumbprint;

use crate::program::{Home, eventually, write};

fn pin(name: &str) -> String {
    Thumbprint::of(name.as_bytes()).to_string()
}

#[test]
fn the_thumbprint_is_bare_or_json_or_in_a_file() {
    let home = Home::new();
    let first = home.run(&["show-thumbprint"]);
    assert_eq!(first.code, 0);
    assert_eq!(first.stderr, "A new certificate has been generated and installed as none were yet available.\n");
    let again = home.run(&["show-thumbprint", "--format", "text"]);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), (first.stdout.as_str(), ""));
    let thumbprint = first.stdout.trim_end();
    assert!(Thumbprint::parse(thumbprint).unwrap().to_string() == thumbprint, "{thumbprint}");
    let json: serde_json::Value = serde_json::from_str(&home.done(&["show-thumbprint", "--format", "json"])).unwrap();
    assert_eq!(json["Thumbprint"], thumbprint);
    assert_eq!(json["Sha1Thumbprint"].as_str().unwrap().len(), 40);
    let file = home.file("thumbprint.txt");
    let told = home.done(&["show-thumbprint", "--export-file", file.to_str().unwrap()]);
    assert_eq!(told, format!("The thumbprint has been written to {}.\n", file.display()));
    assert_eq!(std::fs::read_to_string(file).unwrap(), thumbprint);
}

#[test]
fn a_new_certificate_takes_its_place_where_nobody_is_trusted() {
    let home = Home::new();
    let made = home.done(&["new-certificate", "--if-blank"]);
    let first = home.thumbprint();
    assert_eq!(made, format!("A new certificate has been generated and installed. Thumbprint:\n{first}\n"));
    let kept = home.done(&["new-certificate", "-b"]);
    assert_eq!(kept, "A certificate already exists, no changes will be applied.\n");
    assert_eq!(home.thumbprint(), first);
    home.done(&["new-certificate"]);
    assert_ne!(home.thumbprint(), first);
    assert!(!home.path().join("next-identity.pem").exists());
}

#[test]
fn a_new_certificate_is_offered_where_somebody_is_trusted() {
    let home = Home::new();
    let old = home.thumbprint();
    home.done(&["configure", "--trust", &pin("server")]);
    let offered = home.run(&["new-certificate"]);
    let next = home.status().next.unwrap();
    assert_eq!(
        offered.stdout,
        format!("A new certificate has been generated, and is offered to the servers. Thumbprint:\n{next}\n")
    );
    assert!(offered.stderr.contains(&format!("It takes the place of {old} when")), "{}", offered.stderr);
    assert_eq!(home.thumbprint(), old);
    let now = home.run(&["new-certificate", "--now"]);
    assert!(now.stderr.contains("portward agent trust NAME --thumbprint="), "{}", now.stderr);
    assert_ne!(home.thumbprint(), old);
    assert!(home.status().next.is_none());
    // Nobody is left to whom it would have to be offered.
    home.done(&["new-certificate"]);
    let next = home.status().next.unwrap();
    home.done(&["configure", "--reset-trust"]);
    assert_eq!(home.thumbprint().to_string(), next);
}

#[test]
fn a_pfx_goes_out_and_comes_in_with_its_password_alone() {
    let home = Home::new();
    let (pfx, pfx_name) = (home.file("agent.pfx"), "agent.pfx");
    let bare = home.run(&["new-certificate", "--export-pfx", pfx_name]);
    assert_eq!(bare.code, 2, "{bare:?}");
    assert!(bare.stderr.contains("--pfx-password-file FILE or --pfx-password"), "{bare:?}");
    let both = home.run(&["new-certificate", "--if-blank", "--export-pfx", pfx_name]);
    assert_eq!(
        both.stderr,
        "portward-agent: Invalid command: --if-blank and --export-pfx cannot be specified together\n"
    );
    let out = home.done(&["new-certificate", "--export-pfx", pfx_name, "--pfx-password", "correct horse"]);
    let thumbprint = out
        .strip_prefix("A new certificate has been generated and written to agent.pfx. Thumbprint:\n")
        .unwrap_or_else(|| panic!("{out}"))
        .trim_end();
    assert!(!home.path().join("identity.pem").exists(), "it is written and not installed");
    let again = home.run(&["new-certificate", "--export-pfx", pfx_name, "--pfx-password", "x"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("is there already, and is not written over"), "{again:?}");

    for (words, code, reason) in [
        (&["import-certificate"][..], 2, "portward-agent: Please specify the certificate to import.\n"),
        (&["import-certificate", "--from-file=no.pfx"], 1, "portward-agent: Certificate 'no.pfx' was not found.\n"),
        (&["import-certificate", "-f", pfx_name], 1, "give it with --pfx-password-file FILE or --pfx-password"),
        (&["import-certificate", "-f", pfx_name, "--pw", "wrong"], 1, "the password does not open the PFX"),
    ] {
        let ran = home.run(words);
        assert_eq!(ran.code, code, "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(reason), "{words:?}: {ran:?}");
        assert!(!home.path().join("identity.pem").exists(), "{words:?}");
    }
    let came = home.run_with(&["import-certificate", "-f", pfx_name, "--pfx-password-file", "-"], "correct horse\n");
    assert_eq!(came.stdout, format!("Certificate with thumbprint {thumbprint} imported successfully.\n"), "{came:?}");
    assert_eq!(home.thumbprint().to_string(), thumbprint);
    // The seed's spelling, and the one that is there already.
    let path = format!("--from-file={}", pfx.display());
    let again = home.run(&["import-certificate", &path, "--pfx-password=correct horse"]);
    assert_eq!(again.code, 0);
    assert_eq!(again.stderr, "It is the certificate that the agent has already.\n");
}

#[test]
fn of_a_pem_file_the_leaf_is_taken_and_without_its_key_nothing() {
    use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
    let home = Home::new();
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec!["ca.test".to_owned()]).unwrap();
    ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["web-03.test".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    write(&home.file("bare.pem"), leaf.pem().as_bytes());
    let bare = home.run(&["import-certificate", "-f", "bare.pem"]);
    assert!(bare.stderr.contains("The PFX file (bare.pem) does not include the private key"), "{bare:?}");
    write(&home.file("key.pem"), key.serialize_pem().as_bytes());
    let lone = home.run(&["import-certificate", "-f", "key.pem"]);
    assert!(lone.stderr.contains("The PFX file (key.pem) does not contain any certificates."), "{lone:?}");
    write(&home.file("all.pem"), format!("{}{}{}", ca_certificate.pem(), leaf.pem(), key.serialize_pem()).as_bytes());
    let all = home.run(&["import-certificate", "-f", "all.pem"]);
    let thumbprint = Thumbprint::of(leaf.der());
    assert_eq!(all.stdout, format!("Certificate with thumbprint {thumbprint} imported successfully.\n"), "{all:?}");
    assert!(all.stderr.contains("contains multiple certificates"), "{all:?}");
}

#[test]
fn trust_is_reset_then_removed_then_added_in_any_usual_form() {
    let home = Home::new();
    let (a, b, c) = (pin("a"), pin("b"), pin("c"));
    let spaced: Vec<String> = (0..32).map(|at| a[2 * at..2 * at + 2].to_uppercase()).collect();
    let pasted = format!("\u{200e}{}", spaced.join(":"));
    let told = home.done(&["configure", "--trust", &pasted, "--trust", &b]);
    assert_eq!(told, "Adding 2 trusted Portward servers\n");
    let told =
        home.done(&["configure", "--trust", &c, "--remove-trust", &a, "--port=0", "--listenIpAddress", "127.0.0.1"]);
    assert_eq!(
        told,
        "Removing 1 trusted Portward servers\nAdding 1 trusted Portward servers\nServices listen port: 0\nListen on IP address: 127.0.0.1\n"
    );
    let pins = |home: &Home| home.status().servers.into_iter().flat_map(|server| server.pins).collect::<Vec<_>>();
    assert_eq!(pins(&home), [b, c.clone()]);
    let told = home.done(&["configure", "--trust", &a, "--reset-trust", "--noListen", "true"]);
    assert_eq!(
        told,
        "Removing all trusted Portward servers...\nAdding 1 trusted Portward servers\nThe agent will not listen on a port\n"
    );
    assert_eq!(pins(&home), std::slice::from_ref(&a));
    assert_eq!(
        home.done(&["configure", "--remove-trust", &c]),
        format!("Removing 1 trusted Portward servers\nThe thumbprint {c} was not trusted\n")
    );
    assert_eq!(home.done(&["configure", "--no-listen=false"]), "The agent will listen on port 0\n");
    let shown: serde_json::Value = serde_json::from_str(&home.done(&["show-configuration", "-o", "json"])).unwrap();
    assert_eq!(shown["listen"], serde_json::json!({ "on": true, "address": "127.0.0.1", "port": 0 }));
    assert_eq!(shown["trusted"][0]["pins"][0], a);
}

#[test]
fn a_thumbprint_that_is_none_is_refused_and_changes_nothing() {
    let home = Home::new();
    let sha1 = "A".repeat(40);
    for (words, reason) in [
        (
            vec!["configure", "--trust", &sha1],
            "--trust: this is a SHA-1 thumbprint (40 digits), which is too weak to trust",
        ),
        (vec!["configure", "--trust", ""], "--trust: the thumbprint is empty"),
        (vec!["configure", "--remove-trust", "abcd"], "--remove-trust: the thumbprint has 4 hexadecimal digits"),
        (vec!["configure"], "nothing to configure"),
        (vec!["configure", "--listen-address", "here", "--trust", &sha1], "SHA-1"),
        (vec!["configure", "--listen-address", "here"], "\"here\" is no IP address"),
        (
            vec!["update-trust", "--old-thumbprint=zz", "--new-thumbprint=zz"],
            "--old-thumbprint: the thumbprint has the character",
        ),
    ] {
        let ran = home.run(&words);
        assert_eq!(ran.code, 2, "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(reason), "{words:?}: {ran:?}");
    }
    assert!(home.status().servers.is_empty());
    let json = home.done(&["show-thumbprint", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let own = home.run(&["configure", "--trust", json["Sha1Thumbprint"].as_str().unwrap()]);
    assert!(own.stderr.contains("the thumbprint of this agent itself"), "{own:?}");
}

#[test]
fn one_trusted_thumbprint_takes_the_place_of_another() {
    let home = Home::new();
    let (a, b) = (pin("a"), pin("b"));
    let none = home.run(&["update-trust", "--oldThumbprint", &a, "--newThumbprint", &b]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains(&format!("no server with the thumbprint {a} is trusted")), "{none:?}");
    home.done(&["configure", "--trust", &a]);
    home.done(&["poll-server", "portward.test:443"]);
    let told = home.done(&["update-trust", "--old-thumbprint", &a, "--new-thumbprint", &b]);
    assert_eq!(
        told,
        format!(
            "Updating Portward servers thumbprint from {a} to {b}\n\
             Updating polling agent URL portward.test:443 - changing to trust {b}\n"
        )
    );
    assert_eq!(home.status().servers[0].pins, [b]);
}

#[test]
fn a_server_is_trusted_before_it_is_polled() {
    let home = Home::new();
    let a = pin("a");
    assert!(home.run(&["poll-server", "portward.test:443"]).stderr.contains("no Portward server is trusted yet"));
    let unknown = home.run(&["poll-server", "portward.test:443", "--thumbprint", &a]);
    assert_eq!(unknown.code, 1);
    assert!(
        unknown
            .stderr
            .starts_with(&format!("portward-agent: The Portward server with the thumbprint '{a}' is not yet trusted."))
            && unknown.stderr.ends_with(&format!("run: portward-agent configure --trust={a}\n")),
        "{unknown:?}"
    );
    home.done(&["configure", "--trust", &a]);
    assert_eq!(home.run(&["poll-server"]).code, 2);
    assert_eq!(home.run(&["poll-server", "portward.test"]).code, 2);
    assert_eq!(home.done(&["poll-server", "portward.test:443"]), "Polling endpoint configured\n");
    home.done(&[
        "poll-server",
        "--server-comms-address=https://other.test",
        "--server-comms-port=10943",
        "--thumbprint",
        &a,
    ]);
    assert_eq!(home.status().servers[0].addresses, ["portward.test:443", "other.test:10943"]);
    home.done(&["configure", "--trust", &pin("b")]);
    let which = home.run(&["poll-server", "portward.test:443"]);
    assert!(which.stderr.contains("more than one Portward server is trusted"), "{which:?}");
}

#[test]
fn a_damaged_file_is_named_and_nothing_begins() {
    let home = Home::new();
    home.done(&["show-thumbprint"]);
    for (file, content) in [("agent.json", "{"), ("identity.pem", "nothing")] {
        let path = home.path().join(file);
        let before = std::fs::read(&path).unwrap_or_default();
        write(&path, content.as_bytes());
        for words in [&["run", "--no-listen"][..], &["status"], &["configure", "--trust", &pin("a")]] {
            let ran = home.run(words);
            assert_eq!(ran.code, 64, "{words:?}: {ran:?}");
            let name = path.canonicalize().unwrap();
            assert!(ran.stderr.contains(&format!("{} is damaged: ", name.display())), "{ran:?}");
            assert_eq!(ran.stdout, "");
        }
        assert_eq!(std::fs::read(&path).unwrap(), content.as_bytes());
        if before.is_empty() { std::fs::remove_file(&path).unwrap() } else { write(&path, &before) }
    }
    write(&home.path().join("agent.json"), b"{\"version\": 2}");
    let newer = home.run(&["run", "--no-listen"]);
    assert_eq!(newer.code, 64);
    assert!(
        newer.stderr.contains("agent.json: it is of version 2") && newer.stderr.contains("update portward-agent"),
        "{newer:?}"
    );
}

#[test]
fn one_agent_runs_on_a_directory() {
    let home = Home::new();
    let running = home.start();
    let second = home.run(&["run", "--no-listen"]);
    assert_eq!((second.code, second.stdout.as_str()), (1, ""));
    assert!(second.stderr.contains(&format!("already (process {})", running.pid())), "{second:?}");
    drop(running);
    // What was killed leaves nothing that would be in the way.
    drop(home.start());
}

#[test]
fn a_directory_with_a_long_path_is_one_like_others() {
    let home = Home::new();
    let long = home.file(&"long/".repeat(30));
    let (long, words) = (long.to_str().unwrap(), ["run", "--no-listen", "--data-dir"]);
    let _running = home.start_with(&[&words[..], &[long]].concat());
    let status = home.run(&["status", "--data-dir", long]);
    assert_eq!(status.code, 0, "{status:?}");
    home.done(&["configure", "--trust", &pin("a"), "--data-dir", long]);
    assert!(home.run(&["status", "--data-dir", long]).stdout.contains(&pin("a")));
}

#[test]
fn what_was_being_written_is_removed() {
    let home = Home::new();
    home.done(&["show-thumbprint"]);
    write(&home.path().join(".new-abc"), b"a key");
    drop(home.start());
    assert!(!home.path().join(".new-abc").exists());
}

#[test]
fn a_port_that_is_taken_is_said_to_be() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = home.run(&["run", "--listen-address=127.0.0.1", "--port", &port]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains(&format!("cannot listen on port {port} of 127.0.0.1: Address already in use")),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("portward-agent configure --port=PORT"), "{ran:?}");
}

#[tokio::test]
async fn a_sign_of_life_is_fresh_while_the_agent_runs() {
    let home = Home::new();
    let none = home.run(&["livez"]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("is not there: no agent has run"), "{none:?}");
    assert!(!home.path().exists(), "who looks makes nothing");
    let running = home.start();
    assert_eq!(home.done(&["livez", "--max-age", "60s"]), "");
    drop(running);
    write(&home.path().join("heartbeat"), b"1000000000\n");
    let stale = home.run(&["livez", "--max-age=60"]);
    assert_eq!(stale.code, 1);
    assert!(
        stale.stderr.contains("is stale: last written ") && stale.stderr.ends_with("s ago (threshold 60s).\n"),
        "{stale:?}"
    );
    assert_eq!(home.run(&["livez", "--max-age", "soon"]).code, 2);
    let _running = home.start();
    eventually("a fresh sign of life", || (home.run(&["livez"]).code == 0).then_some(())).await;
}

#[test]
fn where_it_is_and_whom_it_trusts_is_logged_at_the_start() {
    let home = Home::new();
    let running = home.start();
    let status = home.status();
    let address = status.listen.address.unwrap();
    let log = running.log();
    assert!(log.contains("The agent is not configured to trust any Portward servers."), "{log}");
    assert!(log.contains(&format!("Agent listening on: {address}")), "{log}");
    assert!(log.contains(&format!("installed as none were yet available. Thumbprint: {}", home.thumbprint())), "{log}");
    drop(running);
    home.done(&["configure", "--trust", &pin("a")]);
    home.done(&["poll-server", "127.0.0.1:1"]);
    let log = home.start_with(&["run"]).log();
    assert!(log.contains(&format!("Agent will trust Portward servers with the thumbprint: {}", pin("a"))), "{log}");
    assert!(log.contains("Agent will not listen on any TCP ports"), "{log}");
    let polls = format!("Agent will poll Portward server at 127.0.0.1:1 expecting thumbprint {}", pin("a"));
    assert!(log.contains(&polls), "{log}");
}

#[test]
fn the_status_of_an_agent_that_does_not_run_is_that_of_its_files() {
    let home = Home::new();
    let ran = home.run(&["status"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.starts_with("Agent           does not run, version ") && ran.stdout.contains("nobody yet"),
        "{ran:?}"
    );
    assert!(!home.status().running);
    let running = home.start();
    let ran = home.run(&["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("Listens         on 127.0.0.1:"), "{ran:?}");
    drop(running);
}

#[test]
fn the_unit_of_systemd_runs_this_program_on_this_directory() {
    let home = Home::new();
    let unit = home.done(&["service", "install", "--print"]);
    assert!(unit.starts_with("[Unit]\n"), "{unit}");
    let program = env!("CARGO_BIN_EXE_portward-agent");
    let expected = format!("ExecStart=\"{program}\" run --data-dir \"{}\"\n", home.path().display());
    assert!(unit.contains(&expected), "{unit}");
    assert!(unit.contains("\nRestart=always\n") && unit.contains("\nCapabilityBoundingSet="), "{unit}");
}

#[test]
fn a_proxy_is_kept_and_its_password_is_not_shown() {
    let home = Home::new();
    write(&home.file("pw"), b"hunter2\n");
    let told = home.done(&["configure", "--proxy=http://web@proxy.test:3128", "--proxy-password-file", "pw"]);
    assert_eq!(told, "Servers are dialled through the HTTP proxy proxy.test:3128\n");
    let shown = home.done(&["show-configuration"]);
    assert!(
        shown.contains("proxy.address = proxy.test:3128\nproxy.user = web\n") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(std::fs::read_to_string(home.path().join("agent.json")).unwrap().contains("hunter2"));
    assert_eq!(home.done(&["configure", "--proxy=none"]), "Servers are dialled without a proxy\n");
    assert!(!home.done(&["show-configuration"]).contains("proxy"));
}
