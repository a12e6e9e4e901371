//! A timer that rings often while connections are open, so that theirs are set for less.
//!
//! A timer that rings before all others makes tokio wake its own loop: a system call and a turn for nothing, at almost
//! every handshake. Behind one that rings sooner anyhow it is an entry in a list.

use std::{cell::Cell, rc::Rc, time::Duration};

use tokio::{task::spawn_local, time::sleep};

use super::Worker;

/// Says whether the timer runs.
#[derive(Debug, Default)]
pub(super) struct Pulse(Cell<bool>);

/// Sets the timer if it is not set; it rings until no connection is open.
pub(super) fn begin(worker: &Rc<Worker>) {
    if worker.pulse.0.replace(true) {
        return;
    }
    let worker = Rc::clone(worker);
    spawn_local(async move {
        while worker.counts().open.read() > 0 {
            sleep(BEAT).await;
        }
        worker.pulse.0.set(false);
    });
}

/// Shorter than what connections wait for; a turn of the loop each second is not felt.
const BEAT: Duration = Duration::from_secs(1);
