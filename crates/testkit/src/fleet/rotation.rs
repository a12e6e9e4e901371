//! What is so when everybody has followed a rotation of the server's identity.

use std::time::{Duration, Instant};

use portward_api::{AgentsCheck, Client};

use super::Fleet;

/// Says how a fleet was found after a rotation.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The identity that is left.
    pub thumbprint: String,
    /// How long it took.
    pub took: Duration,
}

impl Fleet {
    /// Waits until all agents are linked, trust one identity, and the server has no other one; then asks all of them how
    /// they are. Gives what is not so if that does not come within `patience`.
    pub async fn settles(&self, server: &Client, patience: Duration) -> Result<Settled, String> {
        let begun = Instant::now();
        loop {
            match self.is_settled(server).await {
                Ok(thumbprint) => return Ok(Settled { thumbprint, took: begun.elapsed() }),
                Err(why) if begun.elapsed() > patience => {
                    return Err(format!("after {patience:?}: {why}; {}", self.problems().join("; ")));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn is_settled(&self, server: &Client) -> Result<String, String> {
        let failed = |error: portward_api::ClientError| error.to_string();
        let identity = server.show_identity().await.map_err(failed)?;
        if let Some(rotation) = identity.rotation {
            let (done, all) = (rotation.acknowledged, rotation.agents);
            return Err(format!("the rotation is at {}: {done} of {all}", rotation.phase));
        }
        if identity.identities.len() != 1 {
            return Err(format!("the server has {} identities", identity.identities.len()));
        }
        let names = self.names(0..self.len());
        let agents = server.list_agents().await.map_err(failed)?;
        let count = |is: fn(&portward_api::AgentView) -> bool| {
            let ours = agents.iter().filter(|agent| names.binary_search(&agent.name).is_ok());
            ours.filter(|agent| is(agent)).count()
        };
        let (linked, newest) = (count(|agent| agent.connected), count(|agent| agent.trust_is_newest));
        if (linked, newest) != (names.len(), names.len()) {
            return Err(format!("{linked} are linked and {newest} have the newest trust of {}", names.len()));
        }
        let others: Vec<_> =
            self.pins().into_iter().filter(|(_, pins)| *pins != [identity.thumbprint.clone()]).collect();
        if let Some((name, pins)) = others.first() {
            return Err(format!("{} trust something else, as {name}: {pins:?}", others.len()));
        }
        let checked = server.check_agents(&AgentsCheck::default()).await.map_err(failed)?;
        let bad: Vec<_> = checked.iter().filter(|checked| checked.health != "Healthy").collect();
        match bad.first() {
            Some(checked) => Err(format!(
                "{} are not healthy, as {}: {} {:?}",
                bad.len(),
                checked.name,
                checked.health,
                checked.reasons
            )),
            None => Ok(identity.thumbprint),
        }
    }
}
