//! `portward apply` and `portward export`.

use std::path::PathBuf;

use portward_api::{Client, DesiredStateApply};

use super::safety::{Safety, follow};
use crate::{
    args::{ApplyArgs, ExportArgs, OutputArgs, ServerArgs},
    declared_files,
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked about the desired state as a whole.
#[derive(Debug, PartialEq)]
pub(crate) enum DesiredStateRequest {
    /// That it be as the files say.
    Apply { files: PathBuf, prune: bool, safety: Safety },
    /// That it be written to files of that directory.
    Export(PathBuf),
}

impl DesiredStateRequest {
    pub(super) fn apply(args: ApplyArgs) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let safety = Safety::parse(&args.safety)?.or_dry(args.dry_run);
        Ok((Self::Apply { files: args.file, prune: args.prune, safety }, args.server, args.output))
    }

    pub(super) fn export(args: ExportArgs) -> (Self, ServerArgs, OutputArgs) {
        (Self::Export(args.out), args.server, OutputArgs::default())
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Apply { files, prune, safety } => {
                let input = DesiredStateApply { state: declared_files::read(&files)?, prune };
                let applied = safety.client(client).apply_desired_state(&input).await?;
                terminal.result(&applied, |colour| show::applied(&applied, safety.is_dry(), colour))?;
                follow(client, terminal, applied.confirmation.as_ref()).await?;
                let is_drift = safety.is_dry() && !applied.steps.is_empty();
                Ok(if is_drift { Exit::Drift } else { Exit::Done })
            }
            Self::Export(directory) => {
                let state = client.export_desired_state().await?;
                let written = declared_files::write(&directory, &state)?;
                terminal.tell(&format!(
                    "The desired state is in {}, in {} files. To make it so again: portward apply -f {}",
                    directory.display(),
                    written.len(),
                    directory.display()
                ));
                Ok(Exit::Done)
            }
        }
    }
}
