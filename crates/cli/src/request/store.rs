//! `portward store`.

use std::{fs::File, io::Write, path::PathBuf};

use anyhow::Context;
use portward_api::Client;

use crate::{
    args::{OutputArgs, ServerArgs, StoreCommand},
    exit::Exit,
    failure::Failure,
    new_file::NewFile,
    terminal::Terminal,
};

/// Is what is asked for about the store.
#[derive(Debug, PartialEq)]
pub(crate) enum StoreRequest {
    /// All that is stored, in that new file.
    Backup(PathBuf),
    /// All that is in that file, stored.
    Restore(PathBuf),
}

impl StoreRequest {
    pub(super) fn parse(command: StoreCommand) -> (Self, ServerArgs, OutputArgs) {
        match command {
            StoreCommand::Backup(args) => (Self::Backup(args.out), args.server, OutputArgs::default()),
            StoreCommand::Restore(args) => (Self::Restore(args.file), args.server, args.output),
        }
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Backup(path) => {
                let mut file = NewFile::create(&path)?;
                client.backup_store(&mut |piece| file.write_all(piece)).await?;
                file.keep()?;
                terminal.tell(&format!(
                    "The backup is in {}. Keep the master key of the data directory too: without it the secrets in the backup stay sealed.",
                    path.display()
                ));
                Ok(Exit::Done)
            }
            Self::Restore(path) => {
                let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let restored = client.restore_store(file).await?;
                let message = format!(
                    "{} records of {} are stored and served, as revision {}.",
                    restored.records,
                    path.display(),
                    restored.revision
                );
                terminal.told(&restored, &message)
            }
        }
    }
}
