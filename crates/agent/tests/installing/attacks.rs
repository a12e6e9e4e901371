//! What a server, or somebody on the machine, tries: nothing gets through, and nothing is written.

use std::{
    os::unix::fs::symlink,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_link::message::{Deliver, VerifyAt};

use crate::machine::{Machine, deliver, now};

/// Is a machine with something worth attacking.
fn machine() -> Machine {
    let machine = Machine::with("[profile.nginx]\nreload = [\"/bin/true\"]\n");
    std::fs::write(machine.path("outside/shadow"), "root:secret").unwrap();
    std::fs::create_dir(machine.path("tls/site")).unwrap();
    machine
}

/// Delivers what somebody made of a good call: it is refused with this code, and nothing is changed.
async fn refused(what: &str, code: &str, machine: &Machine, call: Deliver) {
    let before = machine.everything();
    let installer = machine.installer().await;
    let fault = match deliver(&installer, call).await {
        Ok(reply) => panic!("{what} got through: {reply:?}"),
        Err(fault) => fault,
    };
    assert_eq!(fault.code, code, "{what}: {}", fault.message);
    assert_eq!(fault.stage.as_deref(), Some("check"), "{what}");
    assert!(!fault.message.chars().any(char::is_control), "{what}: {:?}", fault.message);
    assert_eq!(machine.everything(), before, "{what}");
    assert!(installer.report(false).await.1.is_empty(), "{what}");
}

/// What a shell, a path, or a name could be made of.
const NASTY: [&str; 12] = [
    ";reboot",
    "$(id)",
    "`id`",
    "../../etc/passwd",
    "a\nb",
    "a\0b",
    "-x",
    "a b",
    "| id",
    "&& id",
    "..",
    "/../../outside/x",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_nasty_gets_through_in_any_field() {
    let machine = machine();
    let good = || machine.deliver(1, &machine.issue(), machine.pem());
    for nasty in NASTY {
        let mut call = good();
        call.delivery = nasty.to_owned();
        // An id that begins with a dash is but an id.
        if nasty != "-x" {
            refused("delivery", "unreadable", &machine, call).await;
        }
        let mut call = good();
        call.install.format = nasty.to_owned();
        refused("format", "unreadable", &machine, call).await;
        let mut call = good();
        call.install.to[0] = nasty.to_owned();
        refused("path", "unreadable", &machine, call).await;
        let mut call = good();
        call.install.owner = nasty.to_owned();
        // Dots may be in names of users; nobody is called so.
        let code = if nasty == ".." { "owner-unknown" } else { "unreadable" };
        refused("owner", code, &machine, call).await;
        let mut call = good();
        call.install.owner = format!("root:{nasty}");
        refused("group", code, &machine, call).await;
        let mut call = good();
        call.install.mode = nasty.to_owned();
        refused("mode", "unreadable", &machine, call).await;
        for profile in [nasty.to_owned(), format!("nginx {nasty}"), format!("nginx{nasty}")] {
            let mut call = good();
            // This one is a name, but of no profile.
            let code = if profile == "nginx-x" { "profile-unknown" } else { "unreadable" };
            call.install.reload = Some(profile);
            refused("profile", code, &machine, call).await;
        }
        for (address, name) in [
            (nasty.to_owned(), "shop.test".to_owned()),
            (format!("127.0.0.1:443{nasty}"), "shop.test".to_owned()),
            (format!("{nasty}:443"), "shop.test".to_owned()),
            ("127.0.0.1:443".to_owned(), nasty.to_owned()),
        ] {
            let mut call = good();
            call.install.verify = Some(VerifyAt { address: address.clone(), name: name.clone() });
            // What is a host name and nothing else is no attack; a delivery to nowhere fails elsewhere.
            if portward_core::DialAddress::parse(&address, None).is_err() || portward_core::Host::parse(&name).is_err()
            {
                refused("verify", "unreadable", &machine, call).await;
            } else {
                panic!("{address} {name} can be read");
            }
        }
    }
    for nasty in ["a\nb", "a\0b", "\x1b[31m"] {
        let mut call = good();
        call.install.friendly_name = nasty.to_owned();
        refused("friendly name", "unreadable", &machine, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_name_is_a_name_and_no_command() {
    let machine = machine();
    let installer = machine.installer().await;
    let issued = machine.issue();
    // Names may have all this; nobody reads it.
    let install = machine.install("pem", &["tls/$(touch x);`id` | '\"", "tls/-rf *"]);
    deliver(&installer, machine.deliver(1, &issued, install)).await.unwrap();
    assert_eq!(machine.set(&["tls/$(touch x);`id` | '\"", "tls/-rf *"]), Some(issued.thumbprint()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_policy_has_is_done() {
    let machine = machine();
    let good = || machine.deliver(1, &machine.issue(), machine.pem());
    let to = |paths: [&str; 2]| {
        let mut call = good();
        call.install.to = paths.map(str::to_owned).to_vec();
        call
    };
    let key = machine.text("tls/site.key");
    for outside in [machine.text("outside/a"), machine.text("tls2/a"), "/etc/passwd".into()] {
        refused(&outside, "directory-not-allowed", &machine, to([&outside, &key])).await;
        refused(&outside, "directory-not-allowed", &machine, to([&key, &outside])).await;
    }
    let other = machine.text("tls/other");
    let directory = machine.text("tls");
    refused("two in one", "path-refused", &machine, to([&directory, &key])).await;
    let mut call = machine.deliver(1, &machine.issue(), machine.install("pem-combined", &["tls"]));
    refused("the allowed directory itself", "directory-not-allowed", &machine, call.clone()).await;
    call.install.to = vec![other.clone(), other];
    call.install.format = "der".to_owned();
    refused("one path twice", "unreadable", &machine, call).await;
    for own in ["tls/.portward/d-2/live/x", "tls/.portward", "tls/.portward-new", "tls/a/.portward/b"] {
        refused(own, "path-refused", &machine, to([&machine.text(own), &key])).await;
    }
    refused("one below the other", "path-refused", &machine, to([&format!("{key}/a"), &key])).await;
    let mut call = good();
    call.install.reload = Some("apache".to_owned());
    refused("a profile that is not there", "profile-unknown", &machine, call).await;
    for owner in ["nobody-has-this-name", "root:nobody-has-this-name", ":nobody-has-this-name", "4294967295"] {
        let mut call = good();
        call.install.owner = owner.to_owned();
        refused(owner, "owner-unknown", &machine, call).await;
    }
    for mode in ["644", "4600", "777", "0"] {
        let mut call = good();
        call.install.mode = mode.to_owned();
        refused(mode, "unreadable", &machine, call).await;
    }
    let mut call = good();
    call.install.to.truncate(1);
    refused("a file too few", "unreadable", &machine, call).await;
    for format in ["pfx", "pkcs12-java"] {
        let mut call = machine.deliver(1, &machine.issue(), machine.install(format, &["tls/a"]));
        call.password = None;
        refused("no password", "password-missing", &machine, call).await;
    }
    // The agent's own files, also where the policy allows all around them.
    machine.installer().await;
    machine.write_whole_policy(&format!("directories = [{:?}]", machine.root()));
    for own in ["etc/policy.toml", "state/installed.json", "etc/new/a"] {
        refused(own, "path-refused", &machine, to([&machine.text(own), &key])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_count_allows_nothing() {
    let machine = machine();
    let good = || machine.deliver(1, &machine.issue(), machine.pem());
    let mode = |mode| {
        std::fs::set_permissions(machine.path("etc/policy.toml"), std::os::unix::fs::PermissionsExt::from_mode(mode))
    };
    mode(0o666).unwrap();
    refused("a policy that everybody can write", "policy", &machine, good()).await;
    mode(0o644).unwrap();
    machine.write_whole_policy("directories = [\"/\"]");
    refused("everything allowed", "policy", &machine, good()).await;
    machine.write_whole_policy("directory = [\"/tmp\"]");
    refused("a word that is unknown", "policy", &machine, good()).await;
    machine.write_whole_policy("");
    refused("an empty policy", "directory-not-allowed", &machine, good()).await;
    std::fs::remove_file(machine.path("etc/policy.toml")).unwrap();
    refused("no policy", "policy", &machine, good()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_with_its_key_is_installed() {
    let machine = machine();
    let issued = machine.issue();
    let good = || machine.deliver(1, &issued, machine.pem());
    let mut call = good();
    call.key = Some(portward_link::SecretBytes::new(machine.issue().key));
    refused("another key", "key-does-not-fit", &machine, call).await;
    let mut call = good();
    call.key = Some(portward_link::SecretBytes::new(b"directories = [\"/etc\"]".to_vec()));
    refused("no key", "certificate-refused", &machine, call).await;
    let mut call = good();
    call.chain.insert(1, BASE64_STANDARD.encode(&machine.issue().chain[0]));
    refused("a stranger in the chain", "chain-order", &machine, call).await;
    for (chain, what) in [
        (vec![], "no certificate"),
        (vec!["?".to_owned()], "no base64"),
        (vec![BASE64_STANDARD.encode(b"* * * * * root id")], "no certificate in it"),
        (vec![good().chain[0].clone(); 21], "too many"),
    ] {
        let call = Deliver { chain, ..good() };
        refused(what, "certificate-refused", &machine, call).await;
    }
    let expired = machine.issue_until(now().minus(std::time::Duration::from_secs(60)));
    refused("an expired one", "expired", &machine, machine.deliver(1, &expired, machine.pem())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_special_files_are_not_written_through() {
    let machine = machine();
    let shadow = machine.path("outside/shadow");
    let site = machine.path("tls/site.pem");
    let good = || machine.deliver(1, &machine.issue(), machine.pem());
    let gone = || std::fs::remove_file(&site).unwrap();

    symlink(&shadow, &site).unwrap();
    refused("a symbolic link to a file outside", "path-refused", &machine, good()).await;
    gone();
    symlink(machine.path("outside/new"), &site).unwrap();
    refused("a symbolic link to nothing outside", "path-refused", &machine, good()).await;
    gone();
    // As those of another delivery.
    symlink(".portward/d-9/live/site.pem", &site).unwrap();
    refused("a symbolic link of another delivery", "path-refused", &machine, good()).await;
    gone();
    symlink(".portward/d-1/live/../../../../outside/shadow", &site).unwrap();
    refused("a symbolic link that only begins as ours", "path-refused", &machine, good()).await;
    gone();
    std::fs::hard_link(&shadow, &site).unwrap();
    refused("a hard link", "path-refused", &machine, good()).await;
    gone();
    assert!(Command::new("mkfifo").arg(&site).status().unwrap().success());
    refused("a fifo", "path-refused", &machine, good()).await;
    gone();
    let _socket = std::os::unix::net::UnixListener::bind(&site).unwrap();
    refused("a socket", "path-refused", &machine, good()).await;
    gone();
    std::fs::create_dir(&site).unwrap();
    refused("a directory", "path-refused", &machine, good()).await;
    std::fs::remove_dir(&site).unwrap();
    if crate::machine::is_root() {
        assert!(Command::new("mknod").arg(&site).args(["c", "1", "3"]).status().unwrap().success());
        refused("a device", "path-refused", &machine, good()).await;
        gone();
    }

    // On the way to it.
    symlink(machine.path("outside"), machine.path("tls/way")).unwrap();
    let install = machine.install("pem", &["tls/way/site.pem", "tls/way/site.key"]);
    refused("a link as a directory", "path-refused", &machine, machine.deliver(1, &machine.issue(), install)).await;
    let install = machine.install("pem", &["tls/site.pem", "tls/way/deeper/site.key"]);
    refused("a link deep down", "path-refused", &machine, machine.deliver(1, &machine.issue(), install)).await;

    // In the place of what the agent keeps for itself.
    symlink(machine.path("outside"), machine.path("tls/.portward")).unwrap();
    refused("a link for what is kept", "path-refused", &machine, good()).await;
    std::fs::remove_file(machine.path("tls/.portward")).unwrap();
    std::fs::create_dir(machine.path("tls/.portward")).unwrap();
    symlink(machine.path("outside"), machine.path("tls/.portward/d-1")).unwrap();
    refused("a link for what is kept of it", "path-refused", &machine, good()).await;
    std::fs::remove_file(machine.path("tls/.portward/d-1")).unwrap();
    std::fs::create_dir_all(machine.path("tls/.portward/d-1/v")).unwrap();
    symlink("../../../outside", machine.path("tls/.portward/d-1/live")).unwrap();
    refused("a version outside", "path-refused", &machine, good()).await;
    std::fs::remove_file(machine.path("tls/.portward/d-1/live")).unwrap();
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(machine.path("tls/.portward/d-1"), writable).unwrap();
    refused("what is kept can be written by everybody", "path-refused", &machine, good()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_one_delivery_is_none_of_another_one() {
    let machine = machine();
    let installer = machine.installer().await;
    let issued = machine.issue();
    deliver(&installer, machine.deliver(1, &issued, machine.pem())).await.unwrap();
    let before = machine.everything();
    for (id, to) in [("d-2", ["tls/site.pem", "tls/other.key"]), ("d-2", ["tls/other.pem", "tls/site.key"])] {
        let call = machine.deliver(9, &machine.issue(), machine.install("pem", &to));
        let fault = deliver(&installer, Deliver { delivery: id.to_owned(), ..call }).await.unwrap_err();
        assert_eq!(fault.code, "path-taken");
    }
    // By another name of the directory, too.
    symlink("tls", machine.path("alias")).unwrap();
    machine.write_whole_policy(&format!("directories = [{:?}, {:?}]", machine.text("tls"), machine.text("alias")));
    let call = machine.deliver(9, &machine.issue(), machine.install("pem", &["alias/site.pem", "alias/site.key"]));
    let fault = deliver(&installer, Deliver { delivery: "d-2".to_owned(), ..call }).await.unwrap_err();
    assert_eq!(fault.code, "path-refused");
    std::fs::remove_file(machine.path("alias")).unwrap();
    machine.write_policy("[profile.nginx]\nreload = [\"/bin/true\"]\n");
    assert_eq!(machine.everything(), before);
}

/// Somebody owns a directory on the way, and changes it between the check and each of the steps after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_exchanged_for_a_link_leads_nowhere() {
    let steps = ["remembered", "made", "staged", "kept", "live-before", "linked-0", "linked-1", "swapped", "recorded"];
    for exchanged in steps {
        for way in ["tls/site", "tls/site/missing"] {
            let mut machine = machine();
            let (from, to, outside) = (machine.path(way), machine.path("tls/aside"), machine.path("outside"));
            let done = Arc::new(AtomicBool::new(false));
            let (step_done, at) = (Arc::clone(&done), exchanged.to_owned());
            machine.at_step = Some(Arc::new(move |step| {
                if step == at && !step_done.swap(true, Ordering::Relaxed) {
                    let _ = std::fs::rename(&from, &to);
                    symlink(&outside, &from).unwrap();
                }
            }));
            let before: Vec<_> = list(&machine, "outside");
            let install = machine.install("pem", &[&format!("{way}/site.pem"), &format!("{way}/site.key")]);
            let outcome = deliver(&machine.installer().await, machine.deliver(1, &machine.issue(), install)).await;
            assert!(done.load(Ordering::Relaxed), "{exchanged} is no step");
            assert_eq!(list(&machine, "outside"), before, "{exchanged} {way}: {outcome:?}");
            // The next one finds the link.
            machine.at_step = None;
            let install = machine.install("pem", &[&format!("{way}/site.pem"), &format!("{way}/site.key")]);
            let call = machine.deliver(2, &machine.issue(), install);
            let fault = deliver(&machine.installer().await, call).await.unwrap_err();
            assert!(["path-refused", "unfinished"].contains(&fault.code.as_str()), "{exchanged} {way}: {fault:?}");
            assert_eq!(list(&machine, "outside"), before, "{exchanged} {way}");
        }
    }
}

/// Somebody puts a link in the place of the file after the check: it is replaced, not followed.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_exchanged_for_a_link_is_not_followed() {
    for exchanged in ["remembered", "staged", "kept", "live-before", "linked-0", "swapped"] {
        let mut machine = machine();
        let (key, shadow) = (machine.path("tls/site.key"), machine.path("outside/shadow"));
        let at = exchanged.to_owned();
        machine.at_step = Some(Arc::new(move |step| {
            if step == at {
                let _ = std::fs::remove_file(&key);
                symlink(&shadow, &key).unwrap();
            }
        }));
        let before = list(&machine, "outside");
        let _ = deliver(&machine.installer().await, machine.deliver(1, &machine.issue(), machine.pem())).await;
        assert_eq!(list(&machine, "outside"), before, "{exchanged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_without_room_is_noticed_before_anything_is_written() {
    let machine = machine();
    // /proc has no room at all, and no inodes; nothing could be written there anyway.
    machine.write_whole_policy("directories = [\"/proc/sys\"]");
    let mut call = machine.deliver(1, &machine.issue(), machine.pem());
    call.install.to = vec!["/proc/sys/site.pem".to_owned(), "/proc/sys/site.key".to_owned()];
    refused("no room", "no-room", &machine, call).await;
}

fn list(machine: &Machine, below: &str) -> Vec<String> {
    let everything = machine.everything();
    let inside = everything.into_iter().filter(|(path, _)| path.starts_with(machine.path(below)));
    inside.map(|(path, shown)| format!("{} {shown}", path.display())).collect()
}
