//! `kill -9` at each step: what is there is one complete set, nginx starts with it, and the next start brings it to an end.

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use portward_agent::install::{AtStep, Installer, InstallerOptions};
use portward_core::Thumbprint;
use portward_link::message::{Deliver, Install, Withdraw};
use serde::{Deserialize, Serialize};

use crate::{
    machine::{DELIVERY, Issued, Machine, deliver, now},
    running::{Nginx, run, served},
};

/// Is what is asked of an agent.
#[derive(Clone, Serialize, Deserialize)]
enum Asked {
    Deliver(Box<Deliver>),
    Withdraw,
    /// Only that it starts.
    Nothing,
}

/// Is what a child does.
#[derive(Serialize, Deserialize)]
struct Order {
    state: PathBuf,
    policy: PathBuf,
    asked: Asked,
    /// It is killed after so many steps.
    kill_after: usize,
}

/// Is a machine as it is before a child is killed on it.
struct Scene {
    machine: Machine,
    nginx: Nginx,
    /// What is in the files before.
    old: Option<Issued>,
    /// What shall be in the files.
    new: Issued,
    asked: Asked,
    /// Whether the call succeeds if nobody kills it.
    succeeds: bool,
}

const FILES: [&str; 2] = ["tls/site.pem", "tls/site.key"];

impl Scene {
    fn new() -> Self {
        let machine = Machine::new();
        let nginx = Nginx::on(&machine);
        let test = format!("test = {:?}", nginx.command(&["-t"]));
        machine.write_policy(&format!("[profile.nginx]\n{test}\nreload = [\"/bin/true\"]\n"));
        let new = machine.issue();
        let install = Install { reload: Some("nginx".to_owned()), ..machine.pem() };
        let asked = Asked::Deliver(Box::new(machine.deliver(2, &new, install)));
        Self { machine, nginx, old: None, new, asked, succeeds: true }
    }

    fn over_plain_files() -> Self {
        let scene = Self::new();
        let old = scene.machine.issue();
        scene.machine.write_pem(&old, FILES[0], FILES[1]);
        Self { old: Some(old), ..scene }
    }

    async fn over_a_delivery() -> Self {
        let scene = Self::new();
        let old = scene.machine.issue();
        let install = Install { reload: Some("nginx".to_owned()), ..scene.machine.pem() };
        deliver(&scene.machine.installer().await, scene.machine.deliver(1, &old, install)).await.unwrap();
        Self { old: Some(old), ..scene }
    }

    /// The same, with a program that cannot be told.
    fn failing(self) -> Self {
        let test = format!("test = {:?}", self.nginx.command(&["-t"]));
        self.machine.write_policy(&format!("[profile.nginx]\n{test}\nreload = [\"/bin/false\"]\n"));
        Self { succeeds: false, ..self }
    }

    /// Moves to other files; those of before stay as they are.
    async fn moving() -> Self {
        let scene = Self::over_a_delivery().await;
        let install = scene.machine.install("pem", &["tls/deeper/site.pem", "tls/deeper/site.key"]);
        let asked = Asked::Deliver(Box::new(scene.machine.deliver(2, &scene.new, install)));
        // Whatever becomes of the new place: nobody touches the content of the old one.
        Self { asked, new: scene.old.clone().unwrap(), ..scene }
    }

    async fn withdrawing() -> Self {
        let scene = Self::over_a_delivery().await;
        Self { asked: Asked::Withdraw, new: scene.old.clone().unwrap(), ..scene }
    }

    fn options(&self) -> InstallerOptions {
        self.machine.options()
    }

    /// What may be in the files: all that is old, or all that is new.
    fn is_complete(&self) -> Option<Thumbprint> {
        let set = self.machine.set(&FILES);
        let allowed = [self.old.as_ref().map(Issued::thumbprint), Some(self.new.thumbprint())];
        assert!(allowed.contains(&set), "{set:?}");
        set
    }

    /// Does it here, and tells each step after which both sets were complete.
    async fn steps(&self) -> Vec<String> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let steps = Arc::clone(&seen);
        let at_step: AtStep = Arc::new(move |step| steps.lock().unwrap().push(step.to_owned()));
        let installer = Installer::open(InstallerOptions { at_step: Some(at_step), ..self.options() }).await.unwrap();
        assert_eq!(perform(&installer, &self.asked).await, self.succeeds);
        seen.lock().unwrap().clone()
    }

    /// Does it in a process that is killed after so many steps; says whether it came so far.
    fn kill_after(&self, asked: &Asked, kill_after: usize) -> bool {
        let InstallerOptions { state, policy, .. } = self.options();
        let order = Order { state, policy, asked: asked.clone(), kill_after };
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::in_a_process_of_its_own", "--nocapture"])
            .env(ORDER, serde_json::to_string(&order).unwrap())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success() || status.signal() == Some(9), "{status}");
        !status.success()
    }
}

/// Kills a process after each step in turn.
async fn each(what: &str, scene: impl AsyncFn() -> Scene) {
    let steps = scene().await.steps().await;
    assert!(steps.len() >= 3, "{what}: {steps:?}");
    let again = AtomicUsize::new(0);
    for (position, step) in steps.iter().enumerate() {
        let scene = scene().await;
        assert!(scene.kill_after(&scene.asked, position + 1), "{what}: {step} was not come to");
        let shown = format!("{what}: killed after {step}, of {steps:?}");
        println!("{shown}");
        // One of both sets is there, and nginx takes it.
        let set = scene.is_complete();
        if let Some(set) = set {
            let running = scene.nginx.start().await;
            assert_eq!(served(scene.nginx.port), Some(set), "{shown}");
            drop(running);
        }
        // The next start brings it to an end, also if it is killed again and again, each time a step later;
        let mut killed = 1;
        while scene.kill_after(&Asked::Nothing, killed) {
            scene.is_complete();
            killed += 1;
        }
        if killed > 1 {
            again.fetch_add(killed - 1, Ordering::Relaxed);
        }
        let installer = scene.machine.installer().await;
        let healed = scene.is_complete();
        let swapped = steps[..=position].iter().any(|step| step == "swapped");
        if !matches!(scene.asked, Asked::Withdraw) {
            let is_new = healed == Some(scene.new.thumbprint());
            let is_old = healed == scene.old.as_ref().map(Issued::thumbprint);
            assert!(if swapped && scene.succeeds { is_new } else { is_old }, "{shown}: {healed:?}");
        }
        let (_, installed, warnings) = installer.report(false).await;
        assert!(warnings.iter().all(|warning| warning.code == "taken-back"), "{shown}: {warnings:?}");
        for report in installed {
            assert_eq!(report.problem, None, "{shown}");
        }
        let state = std::fs::read_to_string(scene.options().state.join("installed.json")).unwrap();
        assert!(state.contains("\"pending\": {}"), "{shown}: {state}");
        let left = scene.machine.everything();
        assert!(!left.keys().any(|path| path.ends_with(".portward-new")), "{shown}: {left:#?}");
        if healed.is_none() {
            assert!(!scene.machine.path("tls/.portward").exists(), "{shown}: {left:#?}");
        }
        // and what was asked for is done as if nothing had been.
        perform(&installer, &scene.asked).await;
        if scene.succeeds {
            assert_eq!(scene.machine.set(&FILES), Some(scene.new.thumbprint()), "{shown}");
            let tested = run(Command::new("/usr/sbin/nginx").args(&scene.nginx.command(&["-t"])[1..]));
            assert!(tested.status.success(), "{shown}");
        }
    }
    println!(
        "{what}: killed after {} steps, and {} times while it was brought to an end",
        steps.len(),
        again.into_inner()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_was() {
    each("nothing", async || Scene::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_plain_files_were() {
    each("plain files", async || Scene::over_plain_files()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_version_was() {
    each("a version", async || Scene::over_a_delivery().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_going_back_to_nothing() {
    each("back to nothing", async || Scene::new().failing()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_going_back_to_plain_files() {
    each("back to plain files", async || Scene::over_plain_files().failing()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_going_back_to_a_version() {
    each("back to a version", async || Scene::over_a_delivery().await.failing()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_moving() {
    each("moving", async || Scene::moving().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_being_withdrawn() {
    each("withdrawing", async || Scene::withdrawing().await).await;
}

/// At no step there is anything but a complete set, also for who looks while it runs.
#[tokio::test(flavor = "multi_thread")]
async fn every_step_shows_a_complete_set() {
    for scene in
        [Scene::new(), Scene::over_plain_files(), Scene::over_a_delivery().await, Scene::over_plain_files().failing()]
    {
        let (scene, looks) = (Arc::new(scene), Arc::new(AtomicUsize::new(0)));
        let (inside, counted) = (Arc::clone(&scene), Arc::clone(&looks));
        let at_step: AtStep = Arc::new(move |_| {
            inside.is_complete();
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let installer = Installer::open(InstallerOptions { at_step: Some(at_step), ..scene.options() }).await.unwrap();
        assert_eq!(perform(&installer, &scene.asked).await, scene.succeeds);
        assert!(looks.load(Ordering::Relaxed) > 5);
    }
}

/// Is run by the tests above, to be killed; by itself there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_process_of_its_own() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let Order { state, policy, asked, kill_after } = serde_json::from_str(&order).unwrap();
    let steps = AtomicUsize::new(0);
    let at_step: AtStep = Arc::new(move |_| {
        if steps.fetch_add(1, Ordering::Relaxed) + 1 == kill_after {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
            // Nobody gets further, though signals may take a moment.
            loop {
                std::thread::park();
            }
        }
    });
    let patience = std::time::Duration::from_secs(2);
    let options = InstallerOptions { state, policy, clock: std::sync::Arc::new(now), patience, at_step: Some(at_step) };
    perform(&Installer::open(options).await.unwrap(), &asked).await;
}

/// Says whether it succeeded.
async fn perform(installer: &Installer, asked: &Asked) -> bool {
    match asked {
        Asked::Deliver(call) => deliver(installer, (**call).clone()).await.is_ok(),
        Asked::Withdraw => installer.withdraw(Withdraw { delivery: DELIVERY.to_owned() }).await.is_ok(),
        Asked::Nothing => true,
    }
}

const ORDER: &str = "PORTWARD_TEST_ORDER";
