//! What agents and servers tell each other in confidence is found nowhere else: not in logs, answers, stores or backups.

use std::{fs, path::Path, process::Command, time::Duration};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use portward_link::JoinString;
use portward_testkit::{AgentProgram, Authority, Program, run};

use super::bench::{PASSWORD, becomes_healthy, delivery, within_time};
use crate::{
    imports::{import, now, write},
    secrets::{assert_free_of, needles, search},
};

const MARKER: &str = "delivery-password-marker-2b81";

/// The secret of a join string, in each form in which it could lie about.
fn of_join(line: &str) -> Vec<(&'static str, Vec<u8>)> {
    let string = JoinString::parse(line.trim()).unwrap();
    let secret = string.secret.expose();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("the join string", line.trim().strip_prefix("pwa1_").unwrap().into()),
        ("the secret of the join string", secret.to_vec()),
        ("the secret of the join string in base64", BASE64_STANDARD.encode(secret).trim_end_matches('=').into()),
        ("the secret of the join string in base64url", BASE64_URL_SAFE_NO_PAD.encode(secret).into()),
        ("the secret of the join string in hexadecimal", hex.clone().into_bytes()),
        ("the secret of the join string in hexadecimal", hex.to_uppercase().into_bytes()),
        ("the secret of the join string in Rust's Debug", format!("{secret:?}").trim_matches(['[', ']']).into()),
    ]
}

fn search_all(paths: &[&Path], needles: &[(&str, Vec<u8>)]) {
    for path in paths {
        let mut files = 0;
        search(path, needles, &mut files);
        assert!(files > 0, "{} is empty", path.display());
    }
}

#[test]
fn what_is_told_in_confidence_is_found_nowhere_else() {
    let server = Program::new().with_log("trace").start();
    let agent = AgentProgram::new();
    fs::create_dir(agent.path("tls")).unwrap();
    agent.write_policy(&format!("directories = [{:?}]\n", agent.text("tls")));
    let line = server.portward(&["agent", "add", "web-03"]);
    let running = agent.start_logging(&["--no-listen"], "trace");
    let mut seen = vec![server.api("GET", "/api/v1/agent-joins", &serde_json::Value::Null).to_string()];
    seen.push(agent.portward_agent(&["join", line.trim()]));
    becomes_healthy(&server, "web-03", Duration::from_secs(20));

    let issued = Authority::new().issue(&["shop.test"], now());
    write(&server, "shop.pem", &format!("{}{}", issued.key_pem, issued.chain_pem));
    write(&server, "password", MARKER);
    import(&server, &["shop.pem", "--name", "shop"]);
    let to = agent.text("tls/shop.pfx");
    let words = ["delivery", "add", "--agent", "web-03", "--certificate", "shop", "--format", "pfx", "--id", "shop"];
    seen.push(server.portward(&[&words[..], &["--to", &to, "--password-file", "password"]].concat()));
    let installed = within_time(Duration::from_secs(20), || {
        Some(delivery(&server, "shop")).filter(|delivery| delivery["state"] == "installed")
    });
    assert!(installed.is_some(), "{:#}\n{}", delivery(&server, "shop"), running.log());

    write(&server, "pfx-password", PASSWORD);
    server.portward(&["identity", "export", "--export-pfx", "own.pfx", "--pfx-password-file", "pfx-password"]);
    let open = ["pkcs12", "-in", "own.pfx", "-nodes", "-nocerts", "-passout", "pass:", "-passin", "file:pfx-password"];
    let own = run(Command::new("openssl").args(open).current_dir(server.files()));
    let begin = own.find("-----BEGIN").unwrap();
    for words in [
        &["agent", "show", "web-03", "-o", "json"][..],
        &["agent", "show", "web-03"],
        &["agent", "list", "-o", "json"],
        &["delivery", "show", "shop", "-o", "json"],
        &["identity", "show", "-o", "json"],
        &["audit", "list", "-o", "json"],
        &["store", "backup", "--out", "backup"],
    ] {
        seen.push(server.portward(words));
    }
    for words in [&["status", "-o", "json"][..], &["show-configuration", "-o", "json"], &["show-thumbprint"]] {
        seen.push(agent.portward_agent(words));
    }
    for (id, file) in
        [(server.id(), "cmdline"), (server.id(), "environ"), (running.id(), "cmdline"), (running.id(), "environ")]
    {
        seen.push(String::from_utf8_lossy(&fs::read(format!("/proc/{id}/{file}")).unwrap()).into_owned());
    }

    // What neither keeps in the clear, anywhere.
    let mut secret = of_join(&line);
    secret.push(("the password of a delivery", MARKER.as_bytes().to_vec()));
    secret.push(("the password in base64", BASE64_STANDARD.encode(MARKER).trim_end_matches('=').into()));
    secret.extend(needles(&issued.key_pem).into_iter().skip(2));
    secret.extend(needles(&own[begin..]).into_iter().skip(2));
    // The agent keeps its own key in one file.
    let own_file = agent.data_directory().join("identity.pem");
    let identity = fs::read_to_string(&own_file).unwrap();
    let key = needles(&identity[identity.find("-----BEGIN PRIVATE KEY").unwrap()..]);
    let of_agent: Vec<_> = key.into_iter().skip(2).collect();
    let is_there = |needle: &[u8]| identity.as_bytes().windows(needle.len()).any(|window| window == needle);
    assert!(of_agent.iter().any(|(_, needle)| is_there(needle)), "the key is not looked for as it is written");

    let (data, backup) = (server.data_directory(), server.files().join("backup"));
    let kept = agent.data_directory();
    search_all(&[&data, &backup, &kept], &secret);
    search_all(&[&data, &backup], &of_agent);
    for entry in fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path()).filter(|path| *path != own_file) {
        search(&entry, &of_agent, &mut 0);
    }
    let of_running = running.log();
    assert!(of_running.contains("TRACE"), "the log of the agent is not at TRACE");
    drop(running);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("TRACE"), "the log is not at TRACE");
    for needles in [&secret, &of_agent] {
        seen.iter().for_each(|text| assert_free_of(needles, text.as_bytes(), text));
        assert_free_of(needles, log.as_bytes(), "the log of the server");
        assert_free_of(needles, of_running.as_bytes(), "the log of the agent");
    }
}
