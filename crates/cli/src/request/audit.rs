//! `portward audit`.

use std::path::Path;

use anyhow::Context;
use portward_api::{AuditQuery, AuditVerification, Client, ClientError};
use portward_server::verify_audit_offline;

use crate::{
    args::{AuditCommand, OutputArgs, ServerArgs},
    clock,
    exit::Exit,
    failure::Failure,
    show,
    target::Target,
    terminal::Terminal,
};

/// Is what is asked for about the audit.
#[derive(Debug, PartialEq)]
pub(crate) enum AuditRequest {
    /// Who changed what.
    List(AuditQuery),
    /// Whether the record of it is whole, and has the record with that hash.
    Verify(Option<String>),
}

impl AuditRequest {
    pub(super) fn parse(command: AuditCommand) -> (Self, ServerArgs, OutputArgs) {
        match command {
            AuditCommand::List(args) => {
                let (limit, cursor) = (Some(args.limit.into()), args.before);
                let query = AuditQuery { who: args.who, what: args.what, day: args.day, limit, cursor };
                (Self::List(query), args.server, args.output)
            }
            AuditCommand::Verify(args) => (Self::Verify(args.known), args.server, args.output),
        }
    }

    pub(super) async fn run(self, target: &Target, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::List(query) => {
                let page = client.list_audit(&query).await?;
                terminal.result(&page, |colour| show::audit(&page, colour))
            }
            Self::Verify(known) => {
                let known = known.as_deref();
                let verified = match (client.verify_audit(known).await, target) {
                    (Err(ClientError::NotRunning { .. } | ClientError::Stale { .. }), Target::Local(data_dir)) => {
                        without_server(data_dir, known).await?
                    }
                    (answered, _) => answered?,
                };
                terminal.result(&verified, |_| show::audit_verified(&verified))?;
                Ok(if verified.ok { Exit::Done } else { Exit::Failed })
            }
        }
    }
}

/// Reads the store in the data directory itself.
async fn without_server(data_dir: &Path, known: Option<&str>) -> Result<AuditVerification, Failure> {
    let tried = || format!("no server runs with the data directory {}", data_dir.display());
    let verified = verify_audit_offline(data_dir, known, clock::now()).await.with_context(tried)?;
    Ok(verified)
}
