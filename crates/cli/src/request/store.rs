//! `portward store`.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use portward_api::{Client, ClientError};
use portward_server::{RestoredOffline, examine_store, restore_offline};

use crate::{
    args::{OutputArgs, ServerArgs, StoreCommand},
    clock,
    exit::Exit,
    failure::Failure,
    new_file::NewFile,
    show,
    target::Target,
    terminal::Terminal,
};

/// Is what is asked for about the store.
#[derive(Debug, PartialEq)]
pub(crate) enum StoreRequest {
    /// All that is stored, in that new file.
    Backup(PathBuf),
    /// All that is in that file, stored.
    Restore(PathBuf),
    /// How the store is.
    Doctor,
}

impl StoreRequest {
    pub(super) fn parse(command: StoreCommand) -> (Self, ServerArgs, OutputArgs) {
        match command {
            StoreCommand::Backup(args) => (Self::Backup(args.out), args.server, OutputArgs::default()),
            StoreCommand::Restore(args) => (Self::Restore(args.file), args.server, args.output),
            StoreCommand::Doctor(args) => (Self::Doctor, args.server, args.output),
        }
    }

    pub(super) async fn run(self, target: &Target, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
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
                let restored = match (client.restore_store(file).await, target) {
                    (Err(ClientError::NotRunning { .. } | ClientError::Stale { .. }), Target::Local(data_dir)) => {
                        return without_server(data_dir, &path, terminal);
                    }
                    (answered, _) => answered?,
                };
                let message = format!(
                    "{} records of {} are stored and served, as revision {}.",
                    restored.records,
                    path.display(),
                    restored.revision
                );
                terminal.told(&restored, &message)
            }
            Self::Doctor => {
                let Target::Local(data_dir) = target else {
                    return Err(Failure::failed(anyhow::anyhow!(
                        "the doctor looks at the files of the store: run portward store doctor on the machine of the server"
                    )));
                };
                let findings = examine_store(data_dir).await;
                terminal.result(&findings, |colour| show::findings(&findings, colour))?;
                let is_bad = findings.iter().any(|finding| finding.verdict == "bad");
                Ok(if is_bad { Exit::Failed } else { Exit::Done })
            }
        }
    }
}

/// Restores into the data directory itself: a new machine has no server yet, and a damaged store lets none start.
fn without_server(data_dir: &Path, file: &Path, terminal: Terminal) -> Result<Exit, Failure> {
    let tried =
        || format!("nothing was restored into the data directory {}, with which no server runs", data_dir.display());
    let RestoredOffline { restored, kept } = restore_offline(data_dir, file, clock::now()).with_context(tried)?;
    let mut message = format!(
        "No server runs with the data directory {}, so the store in it was replaced by {}: {} records, as revision {}.",
        data_dir.display(),
        file.display(),
        restored.records,
        restored.revision
    );
    if let Some(kept) = kept {
        message.push_str(&format!(
            "\nThe store that was there is kept as {}; remove it when nobody misses anything.",
            kept.display()
        ));
    }
    message.push_str(&format!("\nTo serve it: portward serve --data-dir {}", data_dir.display()));
    terminal.told(&restored, &message)
}
