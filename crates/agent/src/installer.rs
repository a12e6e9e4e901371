//! Stands where certificates are installed.

use portward_link::{
    Progress,
    message::{Deliver, DeliverReply, Fault, HealthWarning, InstalledReport, PolicyReport, Withdraw, WithdrawReply},
};

/// Installs certificates on this machine.
#[derive(Debug, Default)]
pub(crate) struct Installer {}

impl Installer {
    /// Installs a certificate, and tells how it goes.
    pub(crate) async fn deliver(&self, _deliver: Deliver, _progress: Progress) -> Result<DeliverReply, Fault> {
        Err(not_built())
    }

    /// Looks after a delivery no longer.
    pub(crate) async fn withdraw(&self, _withdraw: Withdraw) -> Result<WithdrawReply, Fault> {
        Err(not_built())
    }

    /// What may be done, what is installed, and what will be wrong.
    pub(crate) async fn report(
        &self,
        _look_at_served: bool,
    ) -> (PolicyReport, Vec<InstalledReport>, Vec<HealthWarning>) {
        (PolicyReport::default(), Vec::new(), Vec::new())
    }
}

fn not_built() -> Fault {
    Fault::new("not-built", "this agent installs no certificates")
}
