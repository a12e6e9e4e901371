//! `portward recover`.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use portward_api::{Client, ClientError, Recover, Recovered, SecretText};
use portward_core::UserName;
use portward_server::recover_offline;

use super::{access::NewPassword, bad, effect};
use crate::{
    args::{OutputArgs, RecoverArgs, ServerArgs},
    clock,
    exit::Exit,
    failure::Failure,
    show,
    target::Target,
    terminal::Terminal,
};

/// Is what is asked for to get back in.
#[derive(Debug, PartialEq)]
pub(crate) struct RecoverRequest {
    owner: Option<(UserName, NewPassword)>,
    dry_run: bool,
}

impl RecoverRequest {
    pub(super) fn parse(args: RecoverArgs) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let password = if args.password_stdin { NewPassword::Stdin } else { NewPassword::Asked };
        let owner = args.owner.as_deref().map(UserName::parse).transpose().map_err(bad("--owner"))?;
        let request = Self { owner: owner.map(|name| (name, password)), dry_run: args.dry_run };
        Ok((request, ServerArgs { data_dir: args.data_dir, url: None }, args.output))
    }

    pub(super) async fn run(self, target: &Target, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let password: Option<SecretText> = match &self.owner {
            Some((_, password)) => Some(password.read()?),
            None => None,
        };
        let input = Recover { owner: self.owner.as_ref().map(|(name, _)| name.to_string()), password };
        let recovered = match (client.recover(&input, effect(self.dry_run)).await, target) {
            (Err(ClientError::NotRunning { .. } | ClientError::Stale { .. }), Target::Local(data_dir)) => {
                without_server(data_dir, &input, self.dry_run).await?
            }
            (answered, _) => answered?,
        };
        terminal.result(&recovered, |_| show::recovered(&recovered, self.dry_run))
    }
}

/// Puts right what is stored, where no server runs.
async fn without_server(data_dir: &Path, input: &Recover, dry_run: bool) -> Result<Recovered, Failure> {
    let tried =
        || format!("the data directory {}, with which no server runs, could not be recovered", data_dir.display());
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let done = recover_offline(data_dir, &host_name, input, dry_run, Arc::new(clock::now)).await;
    let mut recovered = done.with_context(tried)?;
    recovered.notes.push(format!("No server runs. To serve it: portward serve --data-dir {}", data_dir.display()));
    Ok(recovered)
}
