//! Use cases of bindings. A new one is tried for real before it is saved.

pub(super) mod input;

use portward_api::{BindingCreate, BindingUpdate, BindingView, Changed, Removed};
use portward_core::{
    Binding, BindingError, BindingId, BindingProtocol, CertificateId, NewWay, Scheme, Timestamp, preference,
};
use portward_proxy::BindError;
use portward_store::{
    change::Expected,
    desired::{Desired, Stored},
};

use super::{
    Allowed, App, AppError, Apply, Precondition, Revised,
    certificates::find_presentable,
    impacts, right,
    safely::Safety,
    slug,
    trial::{Demand, Trial},
    ways_in,
};
use crate::{served::ServedState, tasks::publish::bind_code};

impl App {
    /// Lists the bindings.
    pub(crate) fn list_bindings(&self, _by: &Allowed<right::View>) -> Vec<BindingView> {
        let served = self.served();
        served.desired.bindings.iter().map(|stored| view(&stored.value, &served)).collect()
    }

    /// Shows one binding.
    pub(crate) fn show_binding(&self, _by: &Allowed<right::View>, id: &str) -> Result<Revised<BindingView>, AppError> {
        let served = self.served();
        let stored = find(&served.desired, id)?;
        Ok(Revised { view: view(&stored.value, &served), revision: Some(stored.revision) })
    }

    /// Adds a binding: tried, saved, bound. If it cannot be bound, nothing is saved.
    pub(crate) async fn add_binding(
        &self,
        by: &Allowed<right::BindingChange>,
        input: &BindingCreate,
        apply: Apply,
    ) -> Result<Changed<Revised<BindingView>>, AppError> {
        let (protocol, address) = Binding::parse_url(&input.url).map_err(|error| AppError::invalid("url", &error))?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let is_taken = |id: &str| desired.bindings.iter().any(|stored| stored.value.id.as_str() == id);
        let id = slug(&format!("{protocol}-{}", address.port()), "binding", is_taken);
        let id = BindingId::parse(&id).map_err(|error| AppError::invalid("id", &error))?;
        let default_certificate =
            default_certificate(&desired, protocol, input.default_certificate.as_deref(), self.now())?;
        let binding = Binding {
            default_certificate,
            accept_proxy_from: self::input::networks(&input.accept_proxy_from)?,
            to: self::input::passages(&input.to)?,
            ..Binding::new(id, protocol, address)
        };
        self::input::check(&binding, &desired)?;
        let mut others = desired.bindings.iter().map(|stored| &stored.value);
        if let Some(other) = others.find(|other| other.overlaps(&binding)) {
            return Err(unsaved(&binding, &BindError::Ours(other.id.clone())));
        }
        self.parts.proxy.try_bind(protocol, address).map_err(|error| unsaved(&binding, &error))?;
        if apply == Apply::DryRun {
            return Ok(Revised { view: view(&binding, &self.served()), revision: None }.into());
        }
        let mut change = self.change(by, format!("add binding {} {}", binding.id, binding.url()));
        change.put_binding(&binding, Expected::Absent);
        if let Some(certificate) = &binding.default_certificate {
            change.require_certificate(certificate);
        }
        let safety = Safety::by(new_way(&binding));
        let made =
            self.make_safely(change, deciding, apply, safety, |served| trial(&binding, served, Demand::Ours)).await?;
        let revised = Revised { view: view(&binding, &made.served), revision: Some(made.revision) };
        Ok(Changed { result: revised, impacts: Vec::new(), confirmation: made.confirmation })
    }

    /// Changes a binding; what the input leaves out stays.
    pub(crate) async fn edit_binding(
        &self,
        by: &Allowed<right::BindingChange>,
        id: &str,
        input: &BindingUpdate,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Revised<BindingView>>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let Stored { value: before, revision } = find(&desired, id)?;
        precondition.check("binding", id, *revision)?;
        let asked = input.default_certificate.as_deref();
        let default_certificate = match asked {
            Some(_) => default_certificate(&desired, before.protocol, asked, self.now())?,
            None => before.default_certificate.clone(),
        };
        let mut binding = Binding { default_certificate, ..before.clone() };
        if let Some(networks) = &input.accept_proxy_from {
            binding.accept_proxy_from = self::input::networks(networks)?;
        }
        if let Some(to) = &input.to {
            binding.to = self::input::passages(to)?;
        }
        self::input::check(&binding, &desired)?;
        if binding == *before || apply == Apply::DryRun {
            return Ok(Revised { view: view(&binding, &self.served()), revision: Some(*revision) }.into());
        }
        let mut change = self.change(by, format!("edit binding {id}"));
        change.put_binding(&binding, Expected::At(*revision));
        if let Some(certificate) = &binding.default_certificate {
            change.require_certificate(certificate);
        }
        let safety = Safety::by(new_way(&binding));
        let made = self
            .make_safely(change, deciding, apply, safety, |served| {
                trial(&binding, served, Demand::of_certificate(&served.desired))
            })
            .await?;
        let revised = Revised { view: view(&binding, &made.served), revision: Some(made.revision) };
        Ok(Changed { result: revised, impacts: Vec::new(), confirmation: made.confirmation })
    }

    /// Removes a binding; its connections finish what they do.
    pub(crate) async fn remove_binding(
        &self,
        by: &Allowed<right::BindingChange>,
        id: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Removed>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let Stored { value: binding, revision } = find(&desired, id)?;
        precondition.check("binding", id, *revision)?;
        let impacts = impacts::of_binding(&desired, binding);
        let is_last = !desired
            .bindings
            .iter()
            .any(|stored| stored.value.protocol == binding.protocol && stored.value.id != binding.id);
        let mut warnings = Vec::new();
        if is_last {
            warnings.push(format!(
                "{} was the last {} binding: nothing is served over {} any more; portward binding add {} brings it back",
                binding.url(),
                binding.protocol,
                binding.protocol,
                binding.url()
            ));
        }
        let removed = Removed { id: binding.id.to_string(), warnings };
        if apply == Apply::DryRun {
            return Ok(Changed { result: removed, impacts, confirmation: None });
        }
        if !apply.is_forced() {
            impacts::refuse_lock_out("binding", id, &impacts)?;
        }
        let mut change = self.change(by, format!("remove binding {id} {}", binding.url()));
        change.remove_binding(&binding.id, Expected::At(*revision));
        let made = self.make_safely(change, deciding, apply, Safety::any(), |_| Ok(Vec::new())).await?;
        Ok(Changed { result: removed, impacts, confirmation: made.confirmation })
    }
}

/// By which way an answer shows that a binding can be reached.
pub(super) fn new_way(binding: &Binding) -> NewWay {
    match (binding.protocol.scheme(), binding.address.port()) {
        // The portal is not behind it.
        (None, _) | (Some(Scheme::Http), 0) => NewWay::Any,
        (Some(Scheme::Https), 0) => NewWay::Https,
        (Some(scheme), port) => NewWay::At(scheme, port),
    }
}

/// What is tried of a binding that was just saved; refused at once if it has no sockets.
pub(super) fn trial(binding: &Binding, served: &ServedState, demand: Demand) -> Result<Vec<Trial>, AppError> {
    if let Some(Err(error)) = served.binding(&binding.id).map(|report| &report.result) {
        return Err(unsaved(binding, error));
    }
    let presents = |host| ways_in::presented_at(&served.desired, binding, host, Timestamp::EPOCH).is_some();
    if binding.is_https() && !presents(&ways_in::portal_host(&served.desired)) {
        // There is no certificate yet, which status tells of; the next import brings one.
        return Ok(Vec::new());
    }
    Ok(vec![Trial::of_binding(served, binding, demand)])
}

/// The view of a binding, with what became of it.
pub(super) fn view(binding: &Binding, served: &ServedState) -> BindingView {
    let result = served.binding(&binding.id).map(|report| &report.result);
    BindingView {
        id: binding.id.to_string(),
        url: binding.url(),
        bound: matches!(result, Some(Ok(_))),
        problem: result.and_then(|result| result.as_ref().err()).map(ToString::to_string),
        accept_proxy_from: binding.accept_proxy_from.iter().map(ToString::to_string).collect(),
        to: binding.to.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn find<'a>(desired: &'a Desired, id: &str) -> Result<&'a Stored<Binding>, AppError> {
    let found = desired.bindings.iter().find(|stored| stored.value.id.as_str() == id);
    found.ok_or_else(|| AppError::not_found("binding", id))
}

/// The certificate for clients that name no host: the one asked for, else that of another binding, else the best there is.
pub(super) fn default_certificate(
    desired: &Desired,
    protocol: BindingProtocol,
    asked: Option<&str>,
    now: Timestamp,
) -> Result<Option<CertificateId>, AppError> {
    if protocol != BindingProtocol::Https {
        return match asked {
            Some(_) => Err(AppError::refused(
                "certificate-without-https",
                BindingError::CertificateWithoutHttps(protocol).to_string(),
            )),
            None => Ok(None),
        };
    }
    if let Some(asked) = asked {
        return Ok(Some(find_presentable(desired, asked)?.value.id.clone()));
    }
    let of_others = desired.bindings.iter().filter_map(|stored| stored.value.default_certificate.as_ref());
    if let Some(id) = of_others.into_iter().find(|id| desired.certificate(id).is_some()) {
        return Ok(Some(id.clone()));
    }
    let best = desired.presentable().filter_map(|stored| {
        let facts = &stored.value.current_version()?.facts;
        let status = facts.validity.status(now, desired.settings.warning);
        Some((preference(facts, status), &stored.value.id))
    });
    Ok(best.max_by_key(|(rank, _)| *rank).map(|(_, id)| id.clone()))
}

/// Says that a binding was not added, and why.
pub(super) fn unsaved(binding: &Binding, error: &BindError) -> AppError {
    AppError::refused(
        bind_code(error),
        format!("the binding {} was not added: {error} Nothing was saved.", binding.url()),
    )
}

#[cfg(test)]
mod tests;
