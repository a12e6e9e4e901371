//! Operations about deliveries: certificates that agents install.

use http::Method;
use portward_core::DeliveryId;

use super::{Client, ClientError, Effect, exchange::Sent};
use crate::{DeliveryCreate, DeliveryView, Removed};

impl Client {
    /// All deliveries, with what is wanted, stored and served.
    pub async fn list_deliveries(&self) -> Result<Vec<DeliveryView>, ClientError> {
        self.list("deliveries").await
    }

    /// One delivery.
    pub async fn show_delivery(&self, id: &DeliveryId) -> Result<DeliveryView, ClientError> {
        self.ask(Method::GET, &format!("deliveries/{id}"), Sent::Nothing).await
    }

    /// Has an agent install a certificate; it is returned before it is installed.
    pub async fn add_delivery(&self, create: &DeliveryCreate, effect: Effect) -> Result<DeliveryView, ClientError> {
        self.ask(Method::POST, &effect.of("deliveries"), Sent::json(create)?).await
    }

    /// Delivers no more; the files stay on the machine.
    pub async fn remove_delivery(&self, id: &DeliveryId, effect: Effect) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, &effect.of(&format!("deliveries/{id}")), Sent::Nothing).await
    }

    /// Has a delivery tried again now.
    pub async fn retry_delivery(&self, id: &DeliveryId) -> Result<DeliveryView, ClientError> {
        self.ask(Method::POST, &format!("deliveries/{id}/retry"), Sent::Nothing).await
    }
}
