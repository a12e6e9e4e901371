//! Another program takes over from the one that runs.

use std::path::Path;

use http::StatusCode;
use portward_api::{UpgradeInput, UpgradeView};

use super::{Actor, Allowed, App, AppError, access::setup::demand_machine, right};
use crate::upgrade::{LEAVE_WITHIN, Successor, Upgrade, UpgradeError};

impl App {
    /// Has a program take over, and resolves when it serves.
    pub(crate) async fn upgrade(
        &self,
        by: &Allowed<right::SettingsChange>,
        input: &UpgradeInput,
    ) -> Result<UpgradeView, AppError> {
        let connections = self.parts.proxy.counts().open;
        let upgrade = self.upgrading()?;
        let Successor { version, process } = self.hand_over(upgrade, by.actor(), Path::new(&input.binary)).await?;
        Ok(UpgradeView {
            from: env!("CARGO_PKG_VERSION").to_owned(),
            to: version,
            process,
            old_process: std::process::id(),
            connections,
            drain_hours: LEAVE_WITHIN.as_secs() / 3600,
        })
    }

    /// The same, as a signal asks for it.
    pub(crate) async fn upgrade_by_signal(&self, binary: &Path) -> Result<(), AppError> {
        self.hand_over(self.upgrading()?, &Actor::portward("signal"), binary).await.map(drop)
    }

    fn upgrading(&self) -> Result<&Upgrade, AppError> {
        self.parts.upgrade.as_deref().ok_or_else(|| {
            let why =
                "this server is no program of its own, or its data directory cannot be written; start it anew instead";
            AppError::refused("upgrade-refused", why)
        })
    }

    async fn hand_over(&self, upgrade: &Upgrade, actor: &Actor, binary: &Path) -> Result<Successor, AppError> {
        // A program runs with all that the server may: it is for who could start it anyway.
        demand_machine(actor)?;
        self.refuse_at_the_end()?;
        let version = upgrade.look(binary).await?;
        // Before: afterwards nothing is written here any more.
        self.commit(self.change_of(actor, format!("have version {version} take over ({})", binary.display()))).await?;
        let _deciding = self.decide().await;
        Ok(upgrade.to(binary, version).await?)
    }
}

impl From<UpgradeError> for AppError {
    fn from(error: UpgradeError) -> Self {
        match &error {
            UpgradeError::UnderWay => Self::conflict("upgrading", error.to_string()),
            UpgradeError::First | UpgradeError::NoStore | UpgradeError::Binary { .. } => {
                Self::refused("upgrade-refused", error.to_string())
            }
            UpgradeError::NotReady { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "upgrade-failed", error.to_string())
            }
        }
    }
}
