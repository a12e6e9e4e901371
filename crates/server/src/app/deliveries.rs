//! Use cases of deliveries: certificates that agents install.

use portward_api::{DeliveryCreate, DeliveryView, Removed};
use portward_core::{
    CertificateId, Delivery, DeliveryFormat, DeliveryId, DeliveryPath, FileMode, FileOwner, ProfileName, Thumbprint,
    Verify,
};
use portward_store::{
    agents::StoredDelivery,
    change::Expected,
    desired::{Desired, Stored},
    sealing::Secret,
};

use super::{Allowed, App, AppError, Apply, Precondition, Revised, certificates, right, slug};
use crate::agents::{
    deliveries::{NOTHING, Standing, State},
    refused::Whose,
};

impl App {
    /// Lists the deliveries.
    pub(crate) async fn list_deliveries(&self, _by: &Allowed<right::View>) -> Result<Vec<DeliveryView>, AppError> {
        let desired = std::sync::Arc::clone(&self.served().desired);
        Ok(self.agents().delivered().iter().map(|standing| view(standing, &desired)).collect())
    }

    /// Shows one delivery.
    pub(crate) async fn show_delivery(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
    ) -> Result<Revised<DeliveryView>, AppError> {
        self.delivery_view(id)
    }

    /// Has an agent install a certificate, and keep it as it is here.
    pub(crate) async fn add_delivery(
        &self,
        by: &Allowed<right::DeliveryChange>,
        input: &DeliveryCreate,
        apply: Apply,
    ) -> Result<Revised<DeliveryView>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let agent = self.find_agent(&input.agent)?.value.name.clone();
        let certificate = certificates::find(&desired, &input.certificate)?;
        let all = self.agents().delivered();
        let is_taken = |id: &str| all.iter().any(|one| one.stored.value.delivery.id.as_str() == id);
        let id = match &input.id {
            Some(id) if is_taken(id) => {
                let message = format!(
                    "there is a delivery \"{id}\" already; choose another id, or remove it first: portward delivery remove {id}"
                );
                return Err(AppError::conflict("already-there", message));
            }
            Some(id) => id.clone(),
            None => slug(&format!("{}-{agent}", certificate.value.id), "delivery", is_taken),
        };
        if let Some(other) = certificate.value.key_on().filter(|on| **on != agent) {
            let message = format!(
                "the private key of \"{}\" is on the machine of agent \"{other}\", and never leaves it; deliver it there, or request a certificate with a key for this machine: portward certificate request NAME --key-on {agent}",
                certificate.value.id
            );
            return Err(AppError::conflict("key-elsewhere", message));
        }
        let delivery = parse(input, &id, agent, certificate.value.id.clone())?;
        check_paths(&delivery, &all)?;
        if all.iter().filter(|one| one.stored.value.delivery.agent == delivery.agent).count() >= MOST_OF_ONE {
            let message = format!(
                "{MOST_OF_ONE} certificates are delivered to \"{}\" already, which is the most",
                delivery.agent
            );
            return Err(AppError::conflict("too-many-deliveries", message));
        }
        let password = match (&input.password, delivery.format.has_password()) {
            (Some(password), true) if !password.expose().is_empty() => {
                Some(Secret::copy_of(password.expose().as_bytes()))
            }
            (_, true) => {
                let message = format!(
                    "a {} file has a password; give the one that the program there knows: --password-file FILE",
                    delivery.format
                );
                return Err(AppError::refused("password-missing", message));
            }
            (Some(_), false) => {
                let message = format!("{} files have no password; leave it out", delivery.format);
                return Err(AppError::refused("invalid-value", message));
            }
            (None, false) => None,
        };
        // One of this name may have been removed, and its agent remembers by which number: the time is higher than any that
        // began earlier and rose by one with each installation.
        let generation = u64::try_from(self.now().unix()).unwrap_or_default().max(1);
        let stored = StoredDelivery { delivery, password: None, generation };
        if apply == Apply::DryRun {
            let standing = Standing::of_new(Stored { value: stored, revision: desired.revision });
            return Ok(Revised { view: view(&standing, &desired), revision: None });
        }
        let delivery = &stored.delivery;
        let places: Vec<String> = delivery.to.iter().map(ToString::to_string).collect();
        let what = format!(
            "deliver certificate {} with its private key to {} on agent {}",
            delivery.certificate,
            places.join(" and "),
            delivery.agent
        );
        let mut change = self.change(by, what);
        change.put_delivery(&stored, password.as_ref(), &self.sealer(&desired)?, Expected::Absent);
        change.require_agent(&delivery.agent);
        change.require_certificate(&delivery.certificate);
        self.commit(change).await?;
        drop(deciding);
        self.agents().follow_delivery(&stored.delivery.id).await;
        self.delivery_view(&id)
    }

    /// Has an agent look after a certificate no more; its files stay as they are.
    pub(crate) async fn remove_delivery(
        &self,
        by: &Allowed<right::DeliveryChange>,
        id: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let _deciding = self.decide().await;
        let (id, what, expected) = match self.find_delivery(id) {
            Ok(standing) => {
                precondition.check("delivery", id, standing.stored.revision)?;
                let Delivery { id, certificate, agent, .. } = &standing.stored.value.delivery;
                let what = format!("deliver certificate {certificate} to agent {agent} no more");
                (id.clone(), what, Expected::At(standing.stored.revision))
            }
            // What does not count can be removed too.
            Err(missing) => {
                let id = DeliveryId::parse(id).ok();
                let id = id.filter(|id| self.agents().refused().has(&Whose::Delivery(id.clone()))).ok_or(missing)?;
                let what = format!("remove delivery {id}, which cannot be read");
                (id, what, Expected::Any)
            }
        };
        if apply == Apply::Now {
            let mut change = self.change(by, what);
            change.remove_delivery(&id, expected);
            self.commit(change).await?;
            self.agents().follow_delivery(&id).await;
            let mut forget = portward_store::change::Change::of_work();
            forget.forget_delivery_work(&id);
            if let Err(error) = portward_store::change::commit(&*self.parts.store, forget).await {
                tracing::warn!(%error, "what was remembered of a removed delivery stays in the store");
            }
        }
        let warnings = vec!["the files stay on the agent's machine as they are".to_owned()];
        Ok(Removed { id: id.to_string(), warnings })
    }

    /// Has a delivery tried now.
    pub(crate) async fn retry_delivery(
        &self,
        _by: &Allowed<right::DeliveryChange>,
        id: &str,
    ) -> Result<DeliveryView, AppError> {
        let standing = self.find_delivery(id)?;
        self.agents().retry_delivery(&standing.stored.value.delivery.id);
        Ok(self.delivery_view(id)?.view)
    }

    fn delivery_view(&self, id: &str) -> Result<Revised<DeliveryView>, AppError> {
        let standing = self.find_delivery(id)?;
        let revision = Some(standing.stored.revision);
        Ok(Revised { view: view(&standing, &self.served().desired), revision })
    }

    fn find_delivery(&self, id: &str) -> Result<Standing, AppError> {
        let mut all = self.agents().delivered().into_iter();
        all.find(|one| one.stored.value.delivery.id.as_str() == id).ok_or_else(|| AppError::not_found("delivery", id))
    }
}

impl Standing {
    fn of_new(stored: Stored<StoredDelivery>) -> Self {
        Self { stored: stored.into(), work: Default::default(), state: State::Pending, wanted: None }
    }
}

fn parse(
    input: &DeliveryCreate,
    id: &str,
    agent: portward_core::AgentName,
    certificate: CertificateId,
) -> Result<Delivery, AppError> {
    let invalid = |field: &'static str| move |error| AppError::invalid(field, &error);
    let format = DeliveryFormat::parse(&input.format).map_err(invalid("format"))?;
    let to = input.to.iter().map(|path| DeliveryPath::parse(path)).collect::<Result<Vec<_>, _>>();
    let to = to.map_err(invalid("to"))?;
    format.check_paths(&to).map_err(invalid("to"))?;
    let owner = input.owner.as_deref().filter(|owner| !owner.is_empty()).map(FileOwner::parse);
    let mode = input.mode.as_deref().map_or(Ok(FileMode::PRIVATE), FileMode::parse);
    Ok(Delivery {
        id: DeliveryId::parse(id).map_err(|error| AppError::invalid("id", &error))?,
        agent,
        certificate,
        format,
        to,
        owner: owner.transpose().map_err(invalid("owner"))?.unwrap_or_default(),
        mode: mode.map_err(invalid("mode"))?,
        reload: input.reload.as_deref().map(ProfileName::parse).transpose().map_err(invalid("reload"))?,
        verify: input.verify.as_deref().map(Verify::parse).transpose().map_err(invalid("verify"))?,
    })
}

/// Refuses a place that another delivery to the same machine has.
fn check_paths(delivery: &Delivery, all: &[Standing]) -> Result<(), AppError> {
    let others = all.iter().map(|one| &one.stored.value.delivery).filter(|other| other.agent == delivery.agent);
    for other in others {
        if let Some(path) = delivery.to.iter().find(|path| other.to.contains(path)) {
            let message = format!(
                "{path} on \"{}\" is where the delivery \"{}\" puts certificate {}; give another path, or remove that one: portward delivery remove {}",
                delivery.agent, other.id, other.certificate, other.id
            );
            return Err(AppError::conflict("path-in-use", message));
        }
    }
    Ok(())
}

fn view(standing: &Standing, desired: &Desired) -> DeliveryView {
    let (delivery, work) = (&standing.stored.value.delivery, &standing.work);
    let version_of = |thumbprint: &Option<String>| {
        let thumbprint = thumbprint.as_deref().filter(|text| *text != NOTHING)?;
        let thumbprint = Thumbprint::parse(thumbprint).ok()?;
        let certificate = desired.certificate(&delivery.certificate)?;
        let mut versions = certificate.value.versions.iter();
        versions.find(|version| version.facts.thumbprint == thumbprint).map(|version| version.number.0)
    };
    let message = match standing.state {
        State::NoVersion => Some("The CA has not issued the certificate yet; it is delivered as soon as it has.".to_owned()),
        State::Paused => Some(
            "It waits: the version is seen to work on one machine first, then on a tenth of them; or it did not work on one.".to_owned(),
        ),
        State::Unreachable => Some(format!(
            "The agent {} is not connected; portward agent check {} says why.",
            delivery.agent, delivery.agent
        )),
        State::Drifted => Some(match &work.stored {
            Some(stored) if stored == NOTHING => "The files are gone from the machine; they are installed again.".to_owned(),
            _ => "Something else is on the machine than was installed; it is installed again.".to_owned(),
        }),
        _ => work.message.clone(),
    };
    DeliveryView {
        id: delivery.id.to_string(),
        agent: delivery.agent.to_string(),
        certificate: delivery.certificate.to_string(),
        format: delivery.format.to_string(),
        to: delivery.to.iter().map(ToString::to_string).collect(),
        owner: delivery.owner.to_string(),
        mode: delivery.mode.to_string(),
        reload: delivery.reload.as_ref().map(ToString::to_string),
        verify: delivery.verify.as_ref().map(ToString::to_string),
        state: standing.state.as_str().to_owned(),
        wanted: standing.wanted.map(|number| number.0),
        stored: version_of(&work.stored),
        served: version_of(&work.served),
        served_thumbprint: work.served.clone(),
        stage: work.stage.clone(),
        message,
        output: work.output.clone(),
        at: work.at.map(|at| at.to_string()),
        next_try: work.next_try.map(|at| at.to_string()),
        generation: work.generation,
    }
}

/// All go with their agent, in one change.
const MOST_OF_ONE: usize = 40;
