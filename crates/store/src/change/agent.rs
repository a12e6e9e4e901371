//! Changing agents, what is delivered to them, and joins.

use portward_core::{Agent, AgentName, DeliveryId, Timestamp};

use super::{Change, Expected};
use crate::{
    Cond,
    agents::{JOIN_VERSION, JoinToken, StoredDelivery, StoredJoin},
    place::Place,
    records::{AgentRecord, DeliveryRecord, JoinRecord},
    sealing::{Sealer, Secret},
};

/// Is a join that is about to be stored.
#[derive(Debug)]
pub struct NewJoin<'a> {
    /// Names it; none that the store has already.
    pub token: JoinToken,
    /// The agent that it makes.
    pub agent: AgentName,
    /// What only the join string says.
    pub secret: &'a Secret,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
}

impl Change {
    /// Writes an agent.
    pub fn put_agent(&mut self, agent: &Agent, sealer: &Sealer, expected: Expected) {
        self.put_authentic(&Place::Agent(agent.name.clone()), AgentRecord::from(agent), sealer, expected);
    }

    /// Takes an agent away; its deliveries go by [`Change::remove_delivery`], in the same change.
    pub fn remove_agent(&mut self, name: &AgentName, expected: Expected) {
        self.delete(&Place::Agent(name.clone()), expected);
    }

    /// Makes the change depend on an agent being there, as a delivery to it does.
    pub fn require_agent(&mut self, name: &AgentName) {
        let key = Place::Agent(name.clone()).key();
        self.when.entry(key.clone()).or_insert(Cond::Present(key));
    }

    /// Writes a delivery, with its password sealed for its generation; what is sealed in it already does not count.
    ///
    /// It needs its agent ([`Change::require_agent`]) and its certificate ([`Change::require_certificate`]).
    pub fn put_delivery(
        &mut self,
        delivery: &StoredDelivery,
        password: Option<&Secret>,
        sealer: &Sealer,
        expected: Expected,
    ) {
        let place = Place::Delivery(delivery.delivery.id.clone());
        let sealed = password.map(|secret| sealer.seal(&place.key(), delivery.generation, secret));
        self.put_authentic(&place, DeliveryRecord::new(delivery, sealed), sealer, expected);
    }

    /// Makes the change depend on a delivery being there, as what is remembered of one does.
    pub(crate) fn require_delivery(&mut self, id: &DeliveryId) {
        let key = Place::Delivery(id.clone()).key();
        self.when.entry(key.clone()).or_insert(Cond::Present(key));
    }

    /// Takes a delivery away.
    pub fn remove_delivery(&mut self, id: &DeliveryId, expected: Expected) {
        self.delete(&Place::Delivery(id.clone()), expected);
    }

    /// Adds a join with its secret, which is sealed; refused if there is one of that token.
    pub fn add_join(&mut self, new: NewJoin<'_>, sealer: &Sealer) {
        let place = Place::Join(new.token);
        let secret = sealer.seal(&place.key(), JOIN_VERSION, new.secret);
        let record = JoinRecord::new(new.agent, secret, new.created, new.expires);
        self.put_authentic(&place, record, sealer, Expected::Absent);
    }

    /// Writes a join that there is, with its secret as it is sealed: to say that it was used.
    pub fn put_join(&mut self, join: &StoredJoin, sealer: &Sealer, expected: Expected) {
        self.put_authentic(&Place::Join(join.token.clone()), JoinRecord::from(join), sealer, expected);
    }

    /// Forgets a join.
    pub fn remove_join(&mut self, token: &JoinToken, expected: Expected) {
        self.delete(&Place::Join(token.clone()), expected);
    }
}
