//! The server is killed in the midst of a rotation of its identity, at each change of it, and goes on where it was.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use portward_api::{Client, IdentityRotate, IdentityView};
use portward_core::Timestamp;
use portward_testkit::{Fleet, FleetOptions, Program, StartedProgram, free_port};
use tokio::task::JoinHandle;

const AGENTS: usize = 8;

/// Each round rotates the identity under agents of which one is away until the others have followed, and kills the
/// server at one change more than the round before, until a rotation is over before so many. Where too few of its changes
/// were seen, as the machine was busy, it begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_goes_on_at_whichever_change_of_it_the_server_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let mut program = Program::new_on(free_port(), free_port()).start();
    let client = Client::local(program.data_directory());
    let fleet = fleet(&client, root.path()).await;
    let mut killed_at: BTreeSet<String> = BTreeSet::new();
    let mut change = 0;
    for round in 1_usize.. {
        change += 1;
        let before = fleet.settles(&client, PATIENCE).await.unwrap();
        fleet.stop(AGENTS - 1..AGENTS).await;
        let killer = tokio::spawn(kill_at(
            client.clone(),
            program.killer(),
            change,
            state(&client.show_identity().await.unwrap()),
        ));
        // Killed at once, it may leave the operator without an answer.
        let _ = client.rotate_identity(&IdentityRotate::default()).await;
        let killed;
        (program, killed) = follow(program, &client, &fleet, killer, &before.thumbprint).await;
        let after = fleet.settles(&client, PATIENCE).await.unwrap();
        assert_ne!(after.thumbprint, before.thumbprint);
        match killed {
            Some(state) => killed_at.insert(state),
            // Told, acknowledged in part, switched, followed in part: whatever was seen in between was interrupted.
            None if phases(&killed_at, "announce") >= 2 && phases(&killed_at, "retire") >= 2 => break,
            None => {
                assert!(round < ROUNDS, "{killed_at:?}");
                change = 0;
                continue;
            }
        };
    }
}

fn phases(killed_at: &BTreeSet<String>, phase: &str) -> usize {
    killed_at.iter().filter(|state| state.starts_with(phase)).count()
}

/// Agents that are there all the time; nobody looks after them when the server is gone.
async fn fleet(client: &Client, root: &Path) -> Fleet {
    let options = FleetOptions { root, prefix: "agent-", count: AGENTS, clock: Arc::new(now) };
    let fleet = Fleet::make(client, options).await.unwrap();
    fleet.start(0..AGENTS).await;
    fleet
}

/// Starts the server again when it was killed, has the one that was away come back when it is the last one, and waits
/// until the rotation is over.
async fn follow(
    mut program: StartedProgram,
    client: &Client,
    fleet: &Fleet,
    killer: JoinHandle<Option<String>>,
    before: &str,
) -> (StartedProgram, Option<String>) {
    let begun = Instant::now();
    let mut killer = Some(killer);
    let mut killed = None;
    let mut last = None;
    loop {
        if killer.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(killer) = killer.take()
        {
            killed = killer.await.unwrap();
            if killed.is_some() {
                program = tokio::task::block_in_place(|| program.start_again());
            }
        }
        if let Ok(identity) = client.show_identity().await {
            let is_new = identity.thumbprint != before;
            match &identity.rotation {
                None if is_new && identity.identities.len() == 1 && killer.is_none() => return (program, killed),
                // It was killed before anything was stored.
                None if !is_new && killer.is_none() => {
                    let _ = client.rotate_identity(&IdentityRotate::default()).await;
                }
                Some(rotation) if rotation.phase == "retire" && rotation.acknowledged + 1 == AGENTS => {
                    fleet.start(AGENTS - 1..AGENTS).await;
                }
                _ => {}
            }
            last = Some(identity);
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "killed at {killed:?}, it does not go on: {last:?}; {:?}",
            fleet.problems()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Kills the server when what it says of the rotation has changed so many times, and gives what it said then; none if
/// the rotation is over before.
async fn kill_at(client: Client, kill: Arc<dyn Fn() + Send + Sync>, change: usize, mut seen: String) -> Option<String> {
    let mut changes = 0;
    loop {
        let Ok(identity) = client.show_identity().await else { continue };
        let state = state(&identity);
        if state != seen {
            changes += 1;
            if changes == change {
                kill();
                return Some(state);
            }
            if identity.rotation.is_none() && identity.identities.len() == 1 {
                return None;
            }
        }
        seen = state;
    }
}

fn state(identity: &IdentityView) -> String {
    let states: Vec<&str> = identity.identities.iter().map(|identity| identity.state.as_str()).collect();
    match &identity.rotation {
        Some(rotation) => format!("{} {} {states:?}", rotation.phase, rotation.acknowledged),
        None => format!("none {} {states:?}", identity.thumbprint),
    }
}

/// The time now, as the program has it.
#[allow(clippy::disallowed_methods, reason = "the program that is tested goes by the clock of the machine")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix(since.as_secs().try_into().unwrap()).unwrap()
}

/// Agents come back after a few seconds, and once in a while after half a minute.
const PATIENCE: Duration = Duration::from_secs(90);
/// A rotation has a dozen changes.
const ROUNDS: usize = 60;
