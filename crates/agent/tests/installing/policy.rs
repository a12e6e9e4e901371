//! Which policy counts.

use std::os::unix::fs::PermissionsExt;

use portward_agent::policy::Policy;

use crate::machine::{Machine, is_root};

fn sentence(machine: &Machine) -> String {
    match Policy::read(&machine.path("etc/policy.toml")) {
        Ok(policy) => format!("counts: {:?}", policy.profiles.keys().map(ToString::to_string).collect::<Vec<_>>()),
        Err(error) => error.sentence.replace(&machine.text(""), ""),
    }
}

#[test]
fn a_policy_counts_if_nobody_else_can_change_it() {
    let machine = Machine::with("[profile.nginx]\nreload = [\"/bin/true\"]\n");
    let set = |name: &str, mode| std::fs::set_permissions(machine.path(name), PermissionsExt::from_mode(mode)).unwrap();
    assert_eq!(sentence(&machine), "counts: [\"nginx\"]");
    for (name, mode, back, expected) in [
        ("etc/policy.toml", 0o666, 0o644, "it can be written by everybody"),
        ("etc/policy.toml", 0o664, 0o644, "it can be written by group"),
        ("etc", 0o777, 0o755, "etc above it can be written by everybody"),
        // Others could put a file of theirs there before there is one.
        ("etc", 0o1777, 0o755, "etc above it can be written by everybody"),
        ("etc", 0o775, 0o755, "etc above it can be written by group"),
        ("", 0o777, 0o755, "above it can be written by everybody"),
    ] {
        set(name, mode);
        let said = sentence(&machine);
        assert!(said.contains("does not count: ") && said.contains(expected), "{name} {mode:o}: {said}");
        set(name, back);
        assert_eq!(sentence(&machine), "counts: [\"nginx\"]");
    }
}

#[test]
fn a_policy_of_somebody_else_does_not_count() {
    let machine = Machine::new();
    if is_root() {
        for name in ["etc/policy.toml", "etc"] {
            std::os::unix::fs::chown(machine.path(name), Some(65_534), None).unwrap();
            let said = sentence(&machine);
            assert!(said.contains("belongs to user 65534"), "{said}");
            std::os::unix::fs::chown(machine.path(name), Some(0), None).unwrap();
            assert_eq!(sentence(&machine), "counts: []");
        }
    }
}

#[test]
fn what_belongs_to_somebody_else_is_not_trusted_by_users_either() {
    // Only root can give files away; in a namespace where the test is root, all that is root's outside is nobody's.
    let test = std::env::current_exe().unwrap();
    let mut inside = std::process::Command::new("unshare");
    if is_root() {
        inside = std::process::Command::new("setpriv");
        inside.args(["--reuid=65534", "--clear-groups", "unshare"]);
    }
    inside.args(["--user", "--map-root-user", "--"]).arg(test);
    inside.args(["--exact", "policy::inside_a_namespace", "--nocapture"]).env(NAMESPACE, "1");
    let output = inside.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(HAS_RUN), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Is run by the test above, in its namespace; by itself there is nothing to see.
#[test]
fn inside_a_namespace() {
    if std::env::var_os(NAMESPACE).is_some() {
        let said = |path: &str| Policy::read(std::path::Path::new(path)).unwrap_err().sentence;
        assert!(said("/etc/passwd").contains("/ above it belongs to user 65534"), "{}", said("/etc/passwd"));
        assert!(said("/bin/policy.toml").contains("/bin is a symbolic link of user 65534"), "{}", said("/bin/x"));
        println!("{HAS_RUN}");
    }
}

#[test]
fn a_symbolic_link_is_no_policy_and_above_it_only_a_trusted_one_is_followed() {
    let machine = Machine::new();
    std::fs::rename(machine.path("etc/policy.toml"), machine.path("etc/real.toml")).unwrap();
    std::os::unix::fs::symlink("real.toml", machine.path("etc/policy.toml")).unwrap();
    assert!(sentence(&machine).contains("it is a symbolic link"), "{}", sentence(&machine));
    std::fs::remove_file(machine.path("etc/policy.toml")).unwrap();
    assert!(sentence(&machine).contains("does not exist; there is no policy"), "{}", sentence(&machine));
    std::fs::rename(machine.path("etc/real.toml"), machine.path("etc/policy.toml")).unwrap();

    std::fs::rename(machine.path("etc"), machine.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", machine.path("etc")).unwrap();
    assert_eq!(sentence(&machine), "counts: []");
    if is_root() {
        std::os::unix::fs::lchown(machine.path("etc"), Some(65_534), None).unwrap();
        assert!(sentence(&machine).contains("is a symbolic link of user 65534"), "{}", sentence(&machine));
    }
}

const NAMESPACE: &str = "PORTWARD_TEST_NAMESPACE";
const HAS_RUN: &str = "it was seen from inside";
