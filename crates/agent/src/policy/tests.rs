#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

fn said(text: &str) -> String {
    match parse(text) {
        Ok((directories, profiles)) => format!("{directories:?} {profiles:?}"),
        Err(Mistake { at, what }) => {
            format!("line {:?}: {what}", at.map(|at| text[..at].matches('\n').count() + 1).unwrap_or_default())
        }
    }
}

#[test]
fn a_policy_has_directories_and_profiles() {
    let text = "directories = [\"/etc/nginx/tls\", \"/nowhere/at/all\"]\n[profile.nginx]\ntest = [\"/usr/sbin/nginx\", \"-t\"]\n\
                reload = [\"/usr/sbin/nginx\", \"-s\", \"reload\"]\ntimeout = \"2m\"\n[profile.plain-1]\nreload = [\"/bin/true\"]\n";
    let (directories, profiles) = parse(text).ok().unwrap();
    assert_eq!(directories.len(), 2);
    assert_eq!(directories[1].directory.as_ref().unwrap_err(), "/nowhere does not exist");
    let nginx = &profiles[&ProfileName::parse("nginx").unwrap()];
    assert_eq!(nginx.reload, ["/usr/sbin/nginx", "-s", "reload"]);
    assert_eq!((nginx.timeout, nginx.user), (Duration::from_secs(120), None));
    assert_eq!(profiles[&ProfileName::parse("plain-1").unwrap()].timeout, DEFAULT_TIMEOUT);
    assert!(parse("").is_ok());
}

#[test]
fn every_mistake_is_one_sentence_with_its_line() {
    for (text, expected) in [
        ("directories = [\"/\"]", "line 1: \"/\" is no directory below which certificates can be written"),
        ("directories = [\n\"/a\",\n\"/a/../b\"]", "line 3: \"/a/../b\" is no directory"),
        ("directories = [\"a\"]", "line 1: \"a\" is no directory"),
        ("directories = \"/a\"", "line 1: invalid type: string"),
        ("directory = [\"/a\"]", "line 1: unknown field `directory`"),
        ("\n\n[profile.x]\nrelaod = [\"/bin/true\"]", "line 4: unknown field `relaod`"),
        ("[profile.x]\ntest = [\"/bin/true\"]", "line 1: the profile x has no reload"),
        ("[profile.x]\nreload = []", "line 2: reload of the profile x is empty"),
        ("[profile.x]\nreload = \"/bin/true\"", "line 2: invalid type: string"),
        (
            "[profile.x]\nreload = [\"nginx\"]",
            "line 2: reload of the profile x begins with \"nginx\"; it begins with the abs",
        ),
        ("[profile.x]\nreload = [\"/a\"]\ntest = [\"sh\", \"-c\"]", "line 3: test of the profile x begins with \"sh\""),
        ("[profile.x]\nreload = [\"/a\", \"\\u0000\"]", "line 2: reload of the profile x has a part with a zero"),
        ("[profile.X]\nreload = [\"/a\"]", "line 1: \"X\" is not the name of a profile"),
        ("[profile.\"a b\"]\nreload = [\"/a\"]", "line 1: \"a b\" is not the name of a profile"),
        (
            "[profile.x]\nreload = [\"/a\"]\ntimeout = \"0s\"",
            "line 3: the profile x has the timeout \"0s\"; it is from 1s to 10m",
        ),
        ("[profile.x]\nreload = [\"/a\"]\ntimeout = \"11m\"", "line 3: the profile x has the timeout"),
        ("[profile.x]\nreload = [\"/a\"]\ntimeout = \"fast\"", "line 3: the profile x has the timeout"),
        ("[profile.x]\nreload = [\"/a\"]\ntimeout = 30", "line 3: invalid type: integer"),
        (
            "[profile.x]\nreload = [\"/a\"]\nuser = \"no one at all\"",
            "line 3: the profile x has the user \"no one at all\", who does not exist",
        ),
        ("[profile.x]\nreload = [\"/a\"]\n[profile.x]\nreload = [\"/b\"]", "line 3: duplicate key"),
        ("[profile.x\nreload = [\"/a\"]", "line 1: "),
    ] {
        let said = said(text);
        assert!(said.starts_with(expected), "{text:?}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn a_path_is_below_the_longest_directory_that_it_begins_with() {
    let (directories, profiles) = parse("directories = [\"/a\", \"/a/b\", \"/c\"]").ok().unwrap();
    let policy = Policy { path: PathBuf::new(), sha256: String::new(), directories, profiles };
    let allows = |path: &str| {
        let path = DeliveryPath::parse(path).unwrap();
        policy.allows(&path).map(|(allowed, steps)| format!("{} {}", allowed.path, steps.join(" ")))
    };
    for (path, expected) in [
        ("/a/x", Some("/a x")),
        ("/a/b/x", Some("/a/b x")),
        ("/a/b", Some("/a b")),
        ("/a/bc/x", Some("/a bc x")),
        ("/c/d/e", Some("/c d e")),
        ("/a", None),
        ("/c", None),
        ("/cd/x", None),
        ("/x/a/b", None),
    ] {
        assert_eq!(allows(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn only_root_has_commands_run_as_somebody_else() {
    let text = "[profile.x]\nreload = [\"/bin/true\"]\nuser = \"nobody\"\n";
    if geteuid().is_root() {
        let (_, profiles) = parse(text).ok().unwrap();
        let user = profiles[&ProfileName::parse("x").unwrap()].user;
        assert_eq!(user, Some(RunAs { user: 65_534, group: 65_534 }));
    } else if geteuid().as_raw() != 65_534 {
        assert!(said(text).starts_with("line 3: the profile x runs as nobody, which only root can have done"));
    } else {
        assert!(said(&text.replace("nobody", "daemon")).contains("which only root can have done"));
    }
}

/// A server waits for as long as the policy lets commands run: see [`Delivery::LONGEST`].
#[test]
fn no_command_runs_longer_than_a_server_waits() {
    assert_eq!(duration("10m"), Some(Delivery::LONGEST_COMMAND));
    assert_eq!((duration("601s"), duration("11m")), (None, None));
}
