//! Changes that could shut somebody out: in which manner they are asked for, and what comes after them.
//!
//! `portward confirm` and `portward undo` answer for them later.

use std::{io, time::Duration};

use anyhow::anyhow;
use portward_api::{Client, ConfirmationView};
use portward_core::{ConfirmWithin, ConfirmationId, Revision};

use super::bad;
use crate::{
    args::{ConfirmArgs, OutputArgs, SafetyArgs, ServerArgs, UndoArgs},
    exit::Exit,
    failure::Failure,
    password, show,
    terminal::Terminal,
};

/// Says in which manner a change is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Safety {
    within: Option<ConfirmWithin>,
    is_forced: bool,
    is_dry: bool,
}

/// Is what is asked for about changes that were made.
#[derive(Debug, PartialEq)]
pub(crate) enum ConfirmRequest {
    /// Those that wait.
    List,
    /// One of them is kept.
    Keep(ConfirmationId),
    /// One of them goes back.
    Back(ConfirmationId),
    /// One is taken back that nobody had to confirm.
    Undo(Revision),
}

impl Safety {
    /// Reads the flags.
    pub(super) fn parse(args: &SafetyArgs) -> Result<Self, Failure> {
        let within = args.confirm_within.as_deref().map(ConfirmWithin::parse).transpose();
        Ok(Self { within: within.map_err(bad("--confirm-within"))?, is_forced: args.force, is_dry: false })
    }

    /// The same, where one can also only look.
    pub(super) fn or_dry(self, is_dry: bool) -> Self {
        Self { is_dry, ..self }
    }

    /// Whether one only looks.
    pub(super) fn is_dry(self) -> bool {
        self.is_dry
    }

    /// A client that makes changes in this manner.
    pub(super) fn client(self, client: &Client) -> Client {
        match self.within {
            _ if self.is_dry => client.trying(),
            Some(within) if self.is_forced => client.by_force(within),
            Some(within) => client.safely(within),
            None => client.clone(),
        }
    }
}

impl ConfirmRequest {
    pub(super) fn parse(args: ConfirmArgs) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let request = match args.id.as_str() {
            "list" if args.back => {
                return Err(Failure::usage(anyhow!("--back needs the id of the change: portward confirm ID --back")));
            }
            "list" => Self::List,
            id => {
                let id = ConfirmationId::parse(id).map_err(Failure::usage)?;
                if args.back { Self::Back(id) } else { Self::Keep(id) }
            }
        };
        Ok((request, args.server, args.output))
    }

    pub(super) fn parse_undo(args: UndoArgs) -> (Self, ServerArgs, OutputArgs) {
        (Self::Undo(Revision(args.revision)), args.server, args.output)
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let answered = match self {
            Self::List => {
                let waiting = client.list_confirmations().await?;
                return terminal.result(&waiting, |colour| show::confirmations(&waiting, colour));
            }
            Self::Keep(id) => client.confirm_change(&id).await?,
            Self::Back(id) => client.go_back(&id).await?,
            Self::Undo(revision) => client.undo_change(revision).await?,
        };
        terminal.told(&answered, &show::answered(&answered))
    }
}

/// Tells of what waits to be confirmed, and asks if somebody is there.
pub(super) async fn follow(
    client: &Client,
    terminal: Terminal,
    waiting: Option<&ConfirmationView>,
) -> Result<(), Failure> {
    let Some(waiting) = waiting else { return Ok(()) };
    terminal.tell(&show::waiting(waiting));
    if !password::can_ask() {
        return Ok(());
    }
    terminal.tell("Look whether you can still come in. Keep the change? Type keep, or back to go back now:");
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = match tokio::time::timeout(Duration::from_secs(waiting.seconds_left), line).await {
        Ok(Ok(Ok(line))) => line,
        _ => String::new(),
    };
    let id = ConfirmationId::parse(&waiting.id).map_err(Failure::failed)?;
    let answered = match line.trim() {
        "keep" | "y" | "yes" => client.confirm_change(&id).await?,
        "back" | "n" | "no" => client.go_back(&id).await?,
        _ => {
            terminal.tell(&format!("Not answered. Until {} it can be: portward confirm {id}", waiting.deadline));
            return Ok(());
        }
    };
    terminal.tell(&show::answered(&answered));
    Ok(())
}
