use super::*;

#[test]
fn what_a_program_wrote_is_shown_without_keys() {
    let line = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2";
    let key = format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}\n-----END PRIVATE KEY-----");
    for (wrote, expected) in [
        ("nginx: [emerg] unknown directive \"x\" in /etc/nginx/sites-enabled/a.conf:3\n".to_owned(), None),
        ("cannot load /etc/nginx/tls/SomeVeryLongNameOfACustomer1/certificates2026/site: no".to_owned(), None),
        (format!("before\n{key}\nafter"), Some("before\n[removed]\nafter")),
        (format!("before\n{}\nafter", key.replace("PRIVATE", "ENCRYPTED PRIVATE")), Some("before\n[removed]\nafter")),
        // Without its beginning, without its end, and alone.
        (key[35..].to_owned(), Some("[removed]")),
        (format!("so\n{}", &key[..90]), Some("so\n[removed]")),
        (format!("key: {line}, or"), Some("key: [removed], or")),
        (format!("{{\"key\":\"{line}\\n{line}\"}}"), Some("{\"key\":\"[removed]\\[removed]\"}")),
        ("    30:82:01:22:30:0d:06:09:2a:86:48:86:f7:0d:01:".to_owned(), Some("[removed]:")),
        ("a\x1b[31mred\x07\tb\r\n".to_owned(), Some("a[31mred b")),
        ("\u{fffd}é".to_owned(), None),
    ] {
        let shown = shown(wrote.as_bytes());
        assert_eq!(shown, expected.unwrap_or_else(|| wrote.trim()), "{wrote}");
        assert!(!shown.contains("MIGHAg"), "{shown}");
    }
}

#[test]
fn only_the_end_of_what_a_program_wrote_is_shown() {
    let wrote = format!("{}é the end", "many words ".repeat(2000));
    let shown = shown(wrote.as_bytes());
    assert!(shown.len() <= SHOWN && shown.len() > SHOWN - 16, "{}", shown.len());
    assert!(shown.ends_with("é the end"));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let profile = Profile {
        name: ProfileName::parse("x").unwrap(),
        test: None,
        reload: vec!["/nowhere/at/all".to_owned()],
        user: None,
        timeout: Duration::from_secs(5),
    };
    let failed = profile.run(&profile.reload).await.unwrap_err();
    assert!(failed.why.starts_with("cannot be started: No such file"), "{}", failed.why);
}

/// Root can run it as somebody else; a user as itself.
#[tokio::test]
async fn a_command_runs_as_whom_the_policy_says() {
    let own = rustix::process::geteuid();
    let user = if own.is_root() { 65_534 } else { own.as_raw() };
    let group = if own.is_root() { 65_534 } else { rustix::process::getegid().as_raw() };
    let profile = Profile {
        name: ProfileName::parse("x").unwrap(),
        test: None,
        reload: ["/bin/sh", "-c", "id -u; id -g; exit 1"].map(str::to_owned).to_vec(),
        user: Some(RunAs { user, group }),
        timeout: Duration::from_secs(5),
    };
    let failed = profile.run(&profile.reload).await.unwrap_err();
    assert_eq!(failed.output, format!("{user}\n{group}"));
}
