//! The use case of getting back in, of somebody on the machine itself.

use portward_api::{Recover, Recovered};

use super::{Allowed, App, AppError, Apply, access::setup::demand_machine, right};
use crate::recover::Recovery;

impl App {
    /// Puts right what keeps operators out of the portal; see [`Recovery`].
    pub(crate) async fn recover(
        &self,
        by: &Allowed<right::StoreRestore>,
        input: &Recover,
        apply: Apply,
    ) -> Result<Recovered, AppError> {
        demand_machine(by.actor())?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let sealer = self.sealer(&desired)?;
        let (proxy, served) = (&self.parts.proxy, self.served());
        let recovery = Recovery {
            store: &*self.parts.store,
            sealer: &sealer,
            try_bind: &|scheme, address| proxy.try_bind(scheme, address),
            works: &|binding| served.binding(&binding.id).is_some_and(|report| report.result.is_ok()),
            host_name: &self.parts.host_name,
            who: by.actor().to_string(),
            now: self.now(),
        };
        let (mut recovered, revision) = recovery.run(input, apply).await?;
        drop(deciding);
        self.look_what_waits().await;
        if let Some(revision) = revision {
            self.in_effect(revision).await?;
        }
        recovered.notes.push(format!("The loopback admin listener answers at http://{}", self.parts.admin));
        Ok(recovered)
    }
}
