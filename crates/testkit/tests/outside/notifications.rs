//! Notices reach a real mail server, and what is measured is taken by Prometheus' own tool.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use portward_core::Timestamp;
use portward_testkit::{Authority, Issued, MailSecurity, MailSink, Program, StartedProgram, run};

use crate::imports::{import, now, write};

const MARKER: &str = "mail-password-marker-52c1";

fn add(server: &StartedProgram, id: &str, sink: &MailSink, security: &str, more: &[&str]) {
    let place = format!("server=localhost:{}", sink.port);
    let security = format!("security={security}");
    let words = ["notification", "add", "email", "--id", id, "--set", &place, "--set", &security];
    let addresses = ["--set", "from=Portward <portward@shop.test>", "--set", "to=ops@shop.test, on-call@shop.test"];
    server.portward(&[&words[..], &addresses, more].concat());
}

const LOGIN: [&str; 6] =
    ["--set", "user=portward", "--secret", "password=mail-password", "--secret", "authority=mail-root.pem"];

fn prepare(server: &StartedProgram) -> Issued {
    let authority = Authority::new();
    write(server, "mail-root.pem", &authority.root_pem());
    write(server, "mail-password", &format!("{MARKER}\n"));
    authority.issue(&["localhost"], now())
}

#[tokio::test]
async fn a_mail_server_takes_notices_by_starttls_by_tls_and_on_this_machine() {
    let server = Program::new().with_log("trace").start();
    let issued = prepare(&server);
    let starttls = MailSink::start(MailSecurity::StartTls, &issued, MARKER).await;
    add(&server, "ops", &starttls, "starttls", &LOGIN);
    let told = server.portward(&["notification", "test", "ops", "-o", "json"]);
    assert!(told.contains("250 2.0.0 kept as 1"), "{told}");
    let mail = starttls.mails(1).await.remove(0);
    assert_eq!(
        (mail.from.as_str(), mail.tls, mail.user.as_deref()),
        ("portward@shop.test", true, Some(MailSink::USER))
    );
    assert_eq!(mail.to, ["ops@shop.test", "on-call@shop.test"]);
    for line in
        ["From: Portward <portward@shop.test>", "Auto-Submitted: auto-generated", "This is a test of the channel ops"]
    {
        assert!(mail.data.contains(line), "{line}: {}", mail.data);
    }
    assert!(mail.data.contains("Notifications reach you here"), "{}", mail.data);

    let tls = MailSink::start(MailSecurity::Tls, &issued, MARKER).await;
    add(&server, "tls", &tls, "tls", &[&LOGIN[..], &["--event", "sign-in"]].concat());
    server.portward(&["notification", "test", "tls"]);
    let mail = tls.mails(1).await.remove(0);
    assert_eq!((mail.tls, mail.user.as_deref()), (true, Some(MailSink::USER)));
    let plain = MailSink::start(MailSecurity::None, &issued, MARKER).await;
    add(&server, "plain", &plain, "none", &["--event", "sign-in"]);
    server.portward(&["notification", "test", "plain"]);
    assert!(!plain.mails(1).await[0].tls);

    // Not what was asked for by hand, but what happens.
    let soon = Timestamp::from_unix(now().unix() + 9 * 86_400 + 3_600).unwrap();
    let before = Timestamp::from_unix(now().unix() - 80 * 86_400).unwrap();
    let shop = Authority::new().issue_between(&["shop.test"], before, soon);
    write(&server, "shop.pem", &format!("{}{}", shop.key_pem, shop.chain_pem));
    import(&server, &["shop.pem", "--name", "shop"]);
    let mail = starttls.mails(2).await.remove(1);
    assert!(mail.data.contains("The certificate shop expires in 9 days"), "{}", mail.data);
    // Long lines are broken where quoted-printable breaks them (RFC 2045 section 6.7).
    let text = mail.data.replace("=\r\n", "").replace("=\n", "");
    assert!(text.contains("portward certificate import FILE --replace shop"), "{text}");

    let listed = server.portward(&["notification", "list"]);
    assert!(listed.contains("ops@shop.test, on-call@shop.test by localhost:"), "{listed}");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(MARKER) && !listed.contains(MARKER), "the password is in the log");
}

#[tokio::test]
async fn a_mail_server_that_refuses_is_quoted_and_one_that_is_not_trusted_gets_nothing() {
    let server = Program::new().start();
    let issued = prepare(&server);
    let sink = MailSink::start(MailSecurity::StartTls, &issued, "another password").await;
    add(&server, "ops", &sink, "starttls", &LOGIN);
    let (code, said) = server.portward_fails(&["notification", "test", "ops"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("535") && !said.contains(MARKER), "{said}");
    // On whose word a mail server is believed is another question than before, so the password is given again.
    let (_, said) = server.portward_fails(&["notification", "edit", "ops", "--unset", "authority"]);
    assert!(said.contains("give password again"), "{said}");
    server.portward(&["notification", "edit", "ops", "--unset", "authority", "--secret", "password=mail-password"]);
    let (_, said) = server.portward_fails(&["notification", "test", "ops"]);
    assert!(said.contains("give the certificate of its authority as the setting authority"), "{said}");
    let words = ["notification", "edit", "ops", "--set", "security=none", "--set", "server=mail.shop.test"];
    let (_, said) = server.portward_fails(&words);
    assert!(said.contains("none is for a mail server on this machine"), "{said}");
}

#[tokio::test]
async fn prometheus_reads_the_metrics_and_the_alert_rules() {
    let server = Program::new().start();
    let mut init =
        server.command(&["init", "--owner", "mara", "--password-stdin"]).stdin(Stdio::piped()).spawn().unwrap();
    init.stdin.take().unwrap().write_all(b"four words are better\n").unwrap();
    assert!(init.wait().unwrap().success());
    let token = server.portward(&["token", "create", "prometheus", "--permission", "metrics:view"]);
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let refused = run(Command::new("curl").args(["-sS", &format!("http://{}/metrics", server.admin)]));
    assert!(refused.contains("not-authenticated"), "{refused}");
    for accept in ["text/plain", "application/openmetrics-text;version=1.0.0"] {
        let url = format!("http://{}/metrics", server.admin);
        let text = run(Command::new("curl").args(["-sSf", "-H", &bearer, "-H", &format!("Accept: {accept}"), &url]));
        assert!(text.contains("portward_build_info{version="), "{text}");
        assert_eq!(text.ends_with("# EOF\n"), accept.starts_with("application"), "{text}");
        if accept == "text/plain" {
            let mut promtool =
                Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
            promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            assert!(promtool.wait().unwrap().success(), "{text}");
        }
    }
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring/portward-alerts.yml");
    let checked = run(Command::new("promtool").args(["check", "rules", rules]));
    assert!(checked.contains("SUCCESS"), "{checked}");
}
