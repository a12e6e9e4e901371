//! Whether a plan fits together, whether somebody may carry it out, and whether it shuts people out.

use portward_store::desired::{Desired, Stored};

use super::{Plan, Write};
use crate::app::{
    Actor, AppError, Apply, bindings, certificates as uses, dns_providers, issuers, safely::would_lock_out, sites,
    trial::Demand, ways_in,
};

impl Plan<'_> {
    /// Refuses what would not fit together afterwards.
    pub(in crate::app::apply) fn check(&self) -> Result<(), AppError> {
        for (at, Stored { value: binding, .. }) in self.after.bindings.iter().enumerate() {
            let earlier = self.after.bindings.iter().take(at).map(|stored| &stored.value);
            if let Some(other) = earlier.into_iter().find(|other| other.overlaps(binding)) {
                let message = format!("the bindings {} and {} want the same address and port", other.id, binding.id);
                return Err(AppError::conflict("bindings-overlap", message));
            }
        }
        for id in self.removed_certificates() {
            let users = uses::users(&self.after, id);
            if !users.is_empty() {
                let message = format!("the certificate \"{id}\" is not declared, but used by {}", users.join(", "));
                return Err(AppError::conflict("certificate-in-use", message));
            }
        }
        for Stored { value, .. } in &self.before.issuers {
            let id = &value.issuer.id;
            let users = issuers::users(&self.after, id);
            if self.after.issuer(id).is_none() && !users.is_empty() {
                let message = format!("the issuer \"{id}\" is not declared, but asked for {}", users.join(", "));
                return Err(AppError::conflict("issuer-in-use", message));
            }
        }
        for Stored { value, .. } in &self.before.dns_providers {
            let users = dns_providers::users(&self.after, &value.id);
            if self.after.dns_provider(&value.id).is_none() && !users.is_empty() {
                let message =
                    format!("the DNS provider \"{}\" is not declared, but writes for {}", value.id, users.join(", "));
                return Err(AppError::conflict("dns-provider-in-use", message));
            }
        }
        for Stored { value: binding, .. } in &self.after.bindings {
            bindings::input::check(binding, &self.after)
                .map_err(|error| error.within(&format!("binding {}", binding.id)))?;
        }
        for Stored { value: site, .. } in &self.after.sites {
            sites::check(site, &self.after).map_err(|error| error.within(&format!("site {}", site.id)))?;
        }
        Ok(())
    }

    /// Refuses whoever may not change one of the kinds that differ.
    pub(in crate::app::apply) fn demand_rights(&self, actor: &Actor) -> Result<(), AppError> {
        self.permissions().try_for_each(|permission| actor.demand(permission))?;
        for write in &self.writes {
            if let Write::DnsProvider(provider, ..) = write {
                let before = self.before.dns_provider(&provider.id).map(|stored| &stored.value);
                dns_providers::demand_program(actor, before, provider)
                    .map_err(|error| error.within(&format!("DNS provider {}", provider.id)))?;
            }
        }
        Ok(())
    }

    /// What it has to show of the portal's https bindings; none if it shuts nobody out of the portal.
    ///
    /// What would leave no way in is refused.
    pub(in crate::app::apply) fn lock_out(&self, apply: Apply) -> Result<Option<Demand>, AppError> {
        let is_bound = |desired: &Desired| desired.bindings.iter().any(|stored| stored.value.is_https());
        let has_site = |desired: &Desired| ways_in::portal_sites(desired).next().is_some();
        for (noun, is_there) in
            [("a site that leads to the portal", has_site as fn(&Desired) -> bool), ("an https binding", is_bound)]
        {
            if is_there(self.before) && !is_there(&self.after) && has_site(self.before) && !apply.is_forced() {
                return Err(would_lock_out(format!(
                    "what is declared has no longer {noun}, so nobody could sign in to the portal from another machine. Declare one, or try it: --force --confirm-within 60s goes back by itself unless you confirm. Nothing was changed"
                )));
            }
        }
        let is_binding = |write: &Write| matches!(write, Write::Binding(..) | Write::RemoveBinding(..));
        let changes_ways = has_site(&self.after) && is_bound(&self.after) && self.writes.iter().any(is_binding);
        let mut demand = changes_ways.then_some(Demand::Ours);
        demand = demand.max(sites::lock_out_by_settings(&self.after.settings, self.before)?);
        for stored in &self.after.sites {
            let before = self.before.site(&stored.value.id);
            if let Some(before) = before.filter(|before| before.value != stored.value) {
                demand = demand.max(sites::lock_out(&before.value, &stored.value, &self.after, apply)?);
            }
        }
        Ok(demand)
    }
}
