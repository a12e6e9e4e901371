//! What goes wrong after the check: everything is as it was, and the operator reads why.

use portward_link::message::{Fault, Install, ServedReport};

use crate::{
    machine::{DELIVERY, Issued, Machine, deliver, verify_at},
    running::{Nginx, Running, free_port, run, served, settles},
};

/// nginx runs with a delivered certificate.
struct Stage {
    machine: Machine,
    nginx: Nginx,
    _running: Running,
    first: Issued,
}

impl Stage {
    async fn new() -> Self {
        let mut machine = Machine::new();
        machine.patience = std::time::Duration::from_secs(2);
        let nginx = Nginx::on(&machine);
        let first = machine.issue();
        machine.write_pem(&machine.issue(), "tls/site.pem", "tls/site.key");
        machine.write_policy(&nginx.profile());
        let running = nginx.start().await;
        let stage = Self { machine, nginx, _running: running, first };
        let call = stage.machine.deliver(1, &stage.first, stage.install());
        deliver(&stage.machine.installer().await, call).await.unwrap();
        settles(stage.nginx.port, stage.first.thumbprint()).await;
        stage
    }

    fn install(&self) -> Install {
        let verify = verify_at(self.nginx.port);
        Install { reload: Some("nginx".to_owned()), verify, ..self.machine.pem() }
    }

    /// Delivers another version, which fails, and is gone without a trace.
    async fn fails(&self) -> Fault {
        let before = self.files();
        let installer = self.machine.installer().await;
        let call = self.machine.deliver(2, &self.machine.issue(), self.install());
        let fault = deliver(&installer, call).await.unwrap_err();
        assert_eq!(served(self.nginx.port), Some(self.first.thumbprint()));
        assert_eq!(self.machine.set(&["tls/site.pem", "tls/site.key"]), Some(self.first.thumbprint()));
        assert_eq!(self.files(), before);
        let (_, installed, warnings) = installer.report(false).await;
        assert_eq!((installed[0].generation, &installed[0].problem), (1, &None));
        assert!(warnings.is_empty(), "{warnings:?}");
        fault
    }

    fn files(&self) -> Vec<String> {
        let everything = self.machine.everything();
        everything
            .into_iter()
            .filter(|(path, _)| path.starts_with(self.machine.path("tls")))
            .map(|(path, shown)| format!("{} {shown}", path.display()))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_fails_puts_everything_back_and_tells_what_nginx_said() {
    let stage = Stage::new().await;
    stage.nginx.configure(&stage.machine, "not_a_directive_of_nginx on;");
    let fault = stage.fails().await;
    assert_eq!((fault.code.as_str(), fault.stage.as_deref()), ("test-failed", Some("test")));
    let output = fault.output.unwrap();
    assert!(output.contains("unknown directive \"not_a_directive_of_nginx\""), "{output}");
    assert!(fault.message.ends_with("what was there before is in place again"), "{}", fault.message);
    // Mended, the same generation comes through.
    stage.nginx.configure(&stage.machine, "");
    let (installer, second) = (stage.machine.installer().await, stage.machine.issue());
    let reply = deliver(&installer, stage.machine.deliver(2, &second, stage.install())).await.unwrap();
    assert_eq!(reply.verified, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_fails_puts_everything_back_and_is_run_again() {
    let stage = Stage::new().await;
    let script = stage.machine.text("reload");
    let ran = stage.machine.path("ran");
    std::fs::write(&script, format!("echo x >> {}; echo it is broken >&2; exit 3", ran.display())).unwrap();
    stage.machine.write_policy(&format!("[profile.nginx]\nreload = [\"/bin/sh\", {script:?}]\n"));
    let fault = stage.fails().await;
    assert_eq!((fault.code.as_str(), fault.stage.as_deref()), ("reload-failed", Some("reload")));
    assert_eq!(fault.output.as_deref(), Some("it is broken"));
    assert!(fault.message.contains("ended with exit status: 3"), "{}", fault.message);
    // nginx was never told in truth, so that it still serves what it had.
    assert!(fault.message.ends_with(", and served"), "{}", fault.message);
    assert_eq!(std::fs::read_to_string(ran).unwrap().lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_take_it_up_is_noticed() {
    let stage = Stage::new().await;
    stage.machine.write_policy("[profile.nginx]\nreload = [\"/bin/true\"]\n");
    let fault = stage.fails().await;
    assert_eq!((fault.code.as_str(), fault.stage.as_deref()), ("not-served", Some("verify")));
    assert!(fault.message.contains(&format!("shows {}", stage.first.thumbprint())), "{}", fault.message);
    assert!(fault.message.contains("CN=shop.test"), "{}", fault.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_nothing_is_verified() {
    let mut machine = Machine::new();
    machine.patience = std::time::Duration::from_secs(1);
    let port = free_port();
    let before = machine.everything();
    let call = machine.deliver(1, &machine.issue(), Install { verify: verify_at(port), ..machine.pem() });
    let installer = machine.installer().await;
    let fault = deliver(&installer, call).await.unwrap_err();
    assert_eq!(fault.code, "not-served");
    assert!(fault.message.contains(&format!("127.0.0.1:{port} cannot be connected to")), "{}", fault.message);
    assert!(fault.message.ends_with("nothing was there before, and the paths are empty again"), "{}", fault.message);
    // Nothing was there before, and nothing is.
    assert_eq!(machine.everything(), before);
    assert!(installer.report(false).await.1.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_files_are_what_they_were_when_the_first_version_fails() {
    let machine = Machine::with("[profile.no]\nreload = [\"/bin/false\"]\n");
    machine.write_pem(&machine.issue(), "tls/site.pem", "tls/site.key");
    let before = machine.everything();
    let call = machine.deliver(1, &machine.issue(), Install { reload: Some("no".to_owned()), ..machine.pem() });
    let fault = deliver(&machine.installer().await, call).await.unwrap_err();
    assert_eq!(fault.code, "reload-failed");
    assert_eq!(machine.everything(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_end_is_killed_with_all_that_it_started() {
    let machine = Machine::new();
    let (script, pids) = (machine.text("slow"), machine.path("pids"));
    std::fs::write(&script, format!("sleep 600 & echo $! $$ > {}; echo waiting; wait", pids.display())).unwrap();
    machine.write_policy(&format!("[profile.slow]\ntimeout = \"1s\"\nreload = [\"/bin/sh\", {script:?}]\n"));
    let call = machine.deliver(1, &machine.issue(), Install { reload: Some("slow".to_owned()), ..machine.pem() });
    let fault = deliver(&machine.installer().await, call).await.unwrap_err();
    assert!(fault.message.contains("did not end within 1 seconds, and was killed"), "{}", fault.message);
    assert_eq!(fault.output.as_deref(), Some("waiting"));
    for pid in std::fs::read_to_string(pids).unwrap().split_whitespace() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Who has ended may still wait to be asked for it.
        assert!(status.is_empty() || status.contains(") Z "), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_no_environment_no_input_and_no_shell() {
    let machine = Machine::new();
    let (script, seen) = (machine.text("look"), machine.text("seen"));
    std::fs::write(&script, "env > \"$1\"; cat >> \"$1\"; pwd >> \"$1\"; printf '%s\\n' \"$2\" >> \"$1\"").unwrap();
    let odd = "$(id); `id` | ../x";
    machine.write_policy(&format!("[profile.look]\nreload = [\"/bin/sh\", {script:?}, {seen:?}, {odd:?}]\n"));
    let call = machine.deliver(1, &machine.issue(), Install { reload: Some("look".to_owned()), ..machine.pem() });
    deliver(&machine.installer().await, call).await.unwrap();
    let seen = std::fs::read_to_string(seen).unwrap();
    let mut lines: Vec<&str> = seen.lines().collect();
    // The shell itself sets these.
    lines.retain(|line| !["PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|own| line.starts_with(own)));
    lines.sort_unstable();
    let mut expected = [odd, "/", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_place_and_not_served_is_told_again() {
    let stage = Stage::new().await;
    let installer = stage.machine.installer().await;
    let again = || deliver(&installer, stage.machine.deliver(1, &stage.first, stage.install()));
    let reply = again().await.unwrap();
    assert_eq!((reply.unchanged, reply.verified), (true, Some(true)));
    // Somebody has nginx serve something else.
    let other = stage.machine.issue();
    stage.machine.write_pem(&other, "outside/site.pem", "outside/site.key");
    let configuration = stage.machine.path("nginx.conf");
    let good = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, good.replace("/tls/", "/outside/")).unwrap();
    let reload = stage.nginx.command(&["-s", "reload"]);
    assert!(run(std::process::Command::new(&reload[0]).args(&reload[1..])).status.success());
    settles(stage.nginx.port, other.thumbprint()).await;
    // Telling does not help as long as it is configured so,
    let before = stage.files();
    let fault = again().await.unwrap_err();
    assert_eq!(fault.code, "not-served");
    assert!(fault.message.contains(&other.thumbprint().to_string()), "{}", fault.message);
    let (_, installed, _) = installer.report(true).await;
    assert_eq!(installed[0].served, Some(ServedReport::Thumbprint(other.thumbprint().to_string())));
    // and does then.
    std::fs::write(&configuration, good).unwrap();
    let reply = again().await.unwrap();
    assert_eq!((reply.unchanged, reply.verified), (false, Some(true)));
    assert_eq!(stage.files(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_told() {
    fn later() -> portward_core::Timestamp {
        crate::machine::now().plus(std::time::Duration::from_secs(2 * 24 * 3600))
    }
    let machine = Machine::new();
    let until = crate::machine::now().plus(std::time::Duration::from_secs(24 * 3600));
    let installer = machine.installer().await;
    deliver(&installer, machine.deliver(1, &machine.issue_until(until), machine.pem())).await.unwrap();
    let warned = async |installer: &portward_agent::install::Installer| {
        let (_, _, warnings) = installer.report(false).await;
        warnings.into_iter().map(|warning| warning.code).collect::<Vec<_>>()
    };
    assert_eq!(warned(&installer).await, ["expires-soon"]);
    let options = portward_agent::install::InstallerOptions { clock: std::sync::Arc::new(later), ..machine.options() };
    // An agent that is spawned can do all of this.
    let opened = tokio::spawn(portward_agent::install::Installer::open(options)).await.unwrap().unwrap();
    assert_eq!(warned(&opened).await, ["expired"]);
    std::fs::remove_file(machine.path("etc/policy.toml")).unwrap();
    assert_eq!(warned(&opened).await, ["policy", "expired"]);
    let (policy, installed, _) = opened.report(false).await;
    assert!(policy.problem.is_some_and(|problem| problem.contains("there is no policy")));
    assert!(installed[0].problem.as_ref().is_some_and(|problem| problem.contains("cannot be looked at")));
}

#[tokio::test(flavor = "multi_thread")]
async fn generations_do_not_go_back() {
    let machine = Machine::new();
    let installer = machine.installer().await;
    let (first, second) = (machine.issue(), machine.issue());
    deliver(&installer, machine.deliver(4, &first, machine.pem())).await.unwrap();
    let everything = machine.everything();
    for (generation, issued) in [(3, &first), (3, &second), (4, &second), (0, &second)] {
        let fault = deliver(&installer, machine.deliver(generation, issued, machine.pem())).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.generation), ("old-generation", Some(4)), "{generation}");
    }
    assert!(deliver(&installer, machine.deliver(4, &first, machine.pem())).await.unwrap().unchanged);
    assert_eq!(machine.everything(), everything);
    // Also not by being withdrawn, and not by a restart.
    let withdraw = || portward_link::message::Withdraw { delivery: DELIVERY.to_owned() };
    assert!(installer.withdraw(withdraw()).await.unwrap().was_there);
    assert!(!installer.withdraw(withdraw()).await.unwrap().was_there);
    let installer = machine.installer().await;
    let fault = deliver(&installer, machine.deliver(4, &first, machine.pem())).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.generation), ("old-generation", Some(4)));
    // What is withdrawn stays, as plain files, which another delivery may have.
    assert_eq!(machine.set(&["tls/site.pem", "tls/site.key"]), Some(first.thumbprint()));
    assert!(machine.path("tls/site.key").symlink_metadata().unwrap().is_file());
    assert!(!machine.path("tls/.portward").exists());
    let other =
        portward_link::message::Deliver { delivery: "d-2".to_owned(), ..machine.deliver(1, &second, machine.pem()) };
    deliver(&installer, other).await.unwrap();
    assert_eq!(machine.set(&["tls/site.pem", "tls/site.key"]), Some(second.thumbprint()));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_versions_are_kept_and_what_is_given_up_becomes_a_plain_file() {
    let machine = Machine::new();
    let installer = machine.installer().await;
    for generation in 1..=6 {
        deliver(&installer, machine.deliver(generation, &machine.issue(), machine.pem())).await.unwrap();
    }
    let mut versions: Vec<_> = std::fs::read_dir(machine.path("tls/.portward/d-1/v"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, ["4", "5", "6"]);
    let sixth = machine.set(&["tls/site.pem", "tls/site.key"]);

    // Into two directories that are not there yet, with one name.
    let seventh = machine.issue();
    let install = machine.install("pem", &["tls/new/certificates/site", "tls/new/keys/site"]);
    deliver(&installer, machine.deliver(7, &seventh, install)).await.unwrap();
    assert_eq!(machine.set(&["tls/new/certificates/site", "tls/new/keys/site"]), Some(seventh.thumbprint()));
    assert_eq!(machine.set(&["tls/site.pem", "tls/site.key"]), sixth);
    assert!(machine.path("tls/site.key").symlink_metadata().unwrap().is_file());
    assert!(!machine.path("tls/.portward").exists());
    let (_, installed, _) = installer.report(false).await;
    assert_eq!(installed[0].stored, Some(seventh.thumbprint().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_is_told_and_mended_by_the_same_generation() {
    let machine = Machine::new();
    let installer = machine.installer().await;
    let issued = machine.issue();
    deliver(&installer, machine.deliver(1, &issued, machine.pem())).await.unwrap();
    std::fs::remove_file(machine.path("tls/site.key")).unwrap();
    std::fs::write(machine.path("tls/site.key"), machine.issue().key_pem()).unwrap();
    let (_, installed, _) = installer.report(false).await;
    let problem = installed[0].problem.clone().unwrap();
    assert_eq!(problem, format!("{} was changed by somebody", machine.text("tls/site.key")));
    let reply = deliver(&installer, machine.deliver(1, &issued, machine.pem())).await.unwrap();
    assert!(!reply.unchanged);
    assert_eq!(machine.set(&["tls/site.pem", "tls/site.key"]), Some(issued.thumbprint()));
    let (_, installed, _) = installer.report(false).await;
    assert_eq!(installed[0].problem, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_written_and_read_back() {
    let machine = Machine::new();
    let installer = machine.installer().await;
    for (generation, format) in (1..).zip(["pem", "der", "pem-combined", "pfx", "pkcs12-java"]) {
        let files: &[&str] = if generation < 3 { &["tls/a", "tls/b"] } else { &["tls/a"] };
        let issued = machine.issue();
        deliver(&installer, machine.deliver(generation, &issued, machine.install(format, files))).await.unwrap();
        assert_eq!(machine.set(files), Some(issued.thumbprint()), "{format}");
        let mode = std::os::unix::fs::MetadataExt::mode(&machine.path("tls/a").metadata().unwrap());
        assert_eq!(mode & 0o7777, 0o600, "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_at_the_same_time_come_one_after_the_other() {
    let machine = std::sync::Arc::new(Machine::new());
    let installer = std::sync::Arc::new(machine.installer().await);
    let mut all = tokio::task::JoinSet::new();
    for generation in 1..=8 {
        let (machine, installer) = (machine.clone(), installer.clone());
        all.spawn(async move {
            let name = format!("tls/{generation}");
            let call = machine.deliver(1, &machine.issue(), machine.install("pem-combined", &[&name]));
            let call = portward_link::message::Deliver { delivery: format!("d-{generation}"), ..call };
            deliver(&installer, call).await.unwrap();
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    let (_, installed, warnings) = installer.report(false).await;
    assert_eq!((installed.len(), warnings), (8, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_belong_to_whom_they_shall() {
    use std::os::unix::fs::MetadataExt;

    let machine = Machine::new();
    let installer = machine.installer().await;
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let (owner, expected) = if own.0 == 0 {
        ("nobody:nogroup".to_owned(), (65_534, 65_534))
    } else {
        (format!("{}:{}", own.0, own.1), own)
    };
    let install = Install { owner, mode: "640".to_owned(), ..machine.pem() };
    deliver(&installer, machine.deliver(1, &machine.issue(), install)).await.unwrap();
    for file in ["tls/site.pem", "tls/site.key"] {
        let stat = machine.path(file).metadata().unwrap();
        assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (expected.0, expected.1, 0o640), "{file}");
    }
    for kept in ["tls/.portward", "tls/.portward/d-1", "tls/.portward/d-1/v", "tls/.portward/d-1/v/1"] {
        let stat = machine.path(kept).metadata().unwrap();
        assert_eq!((stat.uid(), stat.mode() & 0o7777), (own.0, 0o755), "{kept}");
    }
    if own.0 != 0 {
        let before = machine.set(&["tls/site.pem", "tls/site.key"]);
        let install = Install { owner: "root".to_owned(), ..machine.pem() };
        let fault = deliver(&installer, machine.deliver(2, &machine.issue(), install)).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.stage.as_deref()), ("write-failed", Some("stage")));
        assert!(fault.message.contains("only root can give files away"), "{}", fault.message);
        assert_eq!(machine.set(&["tls/site.pem", "tls/site.key"]), before);
    }
}

#[test]
fn a_disk_that_becomes_full_meanwhile_changes_nothing() {
    // A root of its own, as seen from a namespace that of the machine belongs to nobody, and no policy counts below it.
    let script = r#"set -e
        mount -t tmpfs -o mode=755 tmpfs "$1"; cd "$1"; mkdir usr tmp dev exe
        for name in bin sbin lib lib64; do
            if [ -L /$name ]; then ln -s usr/$name $name; elif [ -d /$name ]; then mkdir $name; mount --rbind /$name $name; fi
        done
        mount --rbind /usr usr; mount --rbind /dev dev; mount --rbind "${2%/*}" exe
        exec /usr/sbin/chroot . "/exe/${2##*/}" --exact faults::on_a_small_disk --nocapture"#;
    let root = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--", "/bin/sh", "-c", script, "sh"])
        .arg(root.path())
        .arg(std::env::current_exe().unwrap())
        .env(SMALL_DISK, "1")
        .env("TMPDIR", "/tmp")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(HAS_RUN), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Is run by the test above, where it may mount; by itself there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_small_disk() {
    if std::env::var_os(SMALL_DISK).is_none() {
        return;
    }
    let mut machine = Machine::new();
    let mount = ["-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", &machine.text("tls")];
    assert!(std::process::Command::new("mount").args(mount).status().unwrap().success());
    let first = machine.issue();
    deliver(&machine.installer().await, machine.deliver(1, &first, machine.pem())).await.unwrap();

    let filler = machine.path("tls/filler");
    machine.at_step = Some(std::sync::Arc::new(move |step| {
        if step == "made" {
            assert!(std::fs::write(&filler, vec![1; 1024 * 1024]).is_err());
        }
    }));
    let call = machine.deliver(2, &machine.issue(), machine.pem());
    let fault = deliver(&machine.installer().await, call.clone()).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.stage.as_deref()), ("write-failed", Some("stage")), "{fault}");
    assert!(fault.message.contains("site.pem cannot be written: No space left on device"), "{}", fault.message);
    assert_eq!(machine.set(&["tls/site.pem", "tls/site.key"]), Some(first.thumbprint()));

    machine.at_step = None;
    let fault = deliver(&machine.installer().await, call.clone()).await.unwrap_err();
    assert_eq!(fault.code, "no-room", "{fault}");
    std::fs::remove_file(machine.path("tls/filler")).unwrap();
    deliver(&machine.installer().await, call).await.unwrap();
    assert_ne!(machine.set(&["tls/site.pem", "tls/site.key"]), Some(first.thumbprint()));
    println!("{HAS_RUN}");
}

const SMALL_DISK: &str = "PORTWARD_TEST_SMALL_DISK";
const HAS_RUN: &str = "it was seen on a small disk";
