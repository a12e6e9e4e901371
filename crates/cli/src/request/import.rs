//! `portward import`.

use std::path::PathBuf;

use portward_api::{Client, Effect, ForeignImport};

use super::effect;
use crate::{
    args::{ForeignKind, ImportArgs, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    foreign_files, show,
    terminal::Terminal,
};

/// Is what is taken over; nothing is read yet.
#[derive(Debug, PartialEq)]
pub(crate) struct ImportRequest {
    pub(super) kind: ForeignKind,
    pub(super) path: PathBuf,
    pub(super) effect: Effect,
}

impl ImportRequest {
    pub(super) fn parse(args: ImportArgs) -> (Self, ServerArgs, OutputArgs) {
        let request = Self { kind: args.kind, path: args.path, effect: effect(args.dry_run) };
        (request, args.server, args.output)
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let read = foreign_files::read(self.kind, &self.path)?;
        for line in &read.left_out {
            terminal.tell(&format!("Warning: {line}"));
        }
        let import = ForeignImport { kind: self.kind.as_str().to_owned(), files: read.files };
        let imported = client.import_foreign(&import, self.effect).await?;
        terminal.result(&imported, |colour| show::imported(&imported, colour))?;
        terminal.tell(&show::import_ended(&imported, self.effect));
        Ok(Exit::Done)
    }
}
