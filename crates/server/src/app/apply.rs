//! Making the desired state what a document declares.

mod declare;
mod difference;
mod parts;
mod plan;

use portward_api::{Applied, Changed, DesiredState, DesiredStateApply};
use portward_store::work;

use super::{Allowed, App, AppError, Apply, right};
pub(crate) use declare::site as declared_site;
use plan::Plan;

impl App {
    /// Shows all that operators asked for, as a document without secrets.
    pub(crate) fn export_desired_state(&self, _by: &Allowed<right::View>) -> DesiredState {
        declare::desired_state(&self.served().desired)
    }

    /// Makes the desired state what is declared, if all of it can be: in one change, or in several that follow each other
    /// where a transaction has no room for it.
    ///
    /// Each kind of thing that differs needs its own right too.
    pub(crate) async fn apply_desired_state(
        &self,
        by: &Allowed<right::SettingsChange>,
        input: &DesiredStateApply,
        apply: Apply,
    ) -> Result<Changed<Applied>, AppError> {
        // CAs may take their time, in which others decide.
        self.look_at_new_issuers(input).await?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let mut plan = Plan::new(&desired, self.sealer(&desired)?, self.now(), input.prune);
        plan.settings(&input.state)?;
        plan.issuers(&input.state)?;
        plan.dns_providers(&input.state)?;
        plan.certificates(&input.state)?;
        plan.bindings(&input.state)?;
        plan.sites(&input.state)?;
        plan.check()?;
        plan.demand_rights(by.actor())?;
        for binding in plan.bindings_to_try() {
            let tried = self.parts.proxy.try_bind(binding.protocol, binding.address);
            tried.map_err(|error| super::bindings::unsaved(&binding, &error))?;
        }
        let demand = plan.lock_out(apply)?;
        let mut applied = Applied { steps: plan.steps.clone(), notes: plan.notes.clone(), revision: None };
        if apply == Apply::DryRun || plan.steps.is_empty() {
            return Ok(applied.into());
        }
        let made = self.store_plan(by, &plan, deciding, apply, demand).await?;
        for id in plan.removed_certificates() {
            // It is removed all the same.
            if let Err(error) = work::forget_notices(&*self.parts.store, id).await {
                let error = super::chain_text(&error);
                tracing::warn!(certificate.id = %id, error, "what was told of a certificate could not be forgotten");
            }
        }
        for binding in plan.bindings_to_try() {
            if let Some(Err(error)) = made.served.binding(&binding.id).map(|report| &report.result) {
                applied.notes.push(format!("the binding {} is stored, but not bound: {error}", binding.id));
            }
        }
        applied.revision = Some(made.revision.0);
        Ok(Changed { result: applied, impacts: Vec::new(), confirmation: made.confirmation })
    }

    /// Refuses issuers that could never be asked, or whose terms nobody agreed to.
    async fn look_at_new_issuers(&self, input: &DesiredStateApply) -> Result<(), AppError> {
        let known = std::sync::Arc::clone(&self.served().desired);
        for declared in input.state.issuers.iter().flatten() {
            let (issuer, _) = plan::issuer(declared)?;
            if known.issuer(&issuer.id).is_none() {
                let within = |error: AppError| error.within(&format!("issuer {}", declared.id));
                self.check_trust(&issuer).map_err(within)?;
                self.demand_terms(&issuer, issuer.terms_agreed).await.map_err(within)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
