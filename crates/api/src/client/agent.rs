//! Operations about agents, and the identity by which they know the server.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portward_core::AgentName;

use super::{Client, ClientError, Effect, exchange::Sent};
use crate::{
    AgentChecked, AgentJoinCreate, AgentJoinCreated, AgentTrust, AgentView, AgentsCheck, IdentityChanged,
    IdentityExport, IdentityExported, IdentityImport, IdentityRotate, IdentityUpdate, IdentityView, Removed,
    StrangerApprove, StrangerView,
};

impl Client {
    /// All agents, without their reports.
    pub async fn list_agents(&self) -> Result<Vec<AgentView>, ClientError> {
        self.list("agents").await
    }

    /// One agent, with its report.
    pub async fn show_agent(&self, name: &AgentName) -> Result<AgentView, ClientError> {
        self.ask(Method::GET, &format!("agents/{name}"), Sent::Nothing).await
    }

    /// Makes a join string.
    pub async fn add_agent(&self, create: &AgentJoinCreate, effect: Effect) -> Result<AgentJoinCreated, ClientError> {
        self.ask(Method::POST, &effect.of("agent-joins"), Sent::json(create)?).await
    }

    /// Trusts an agent by its thumbprint.
    pub async fn trust_agent(&self, trust: &AgentTrust, effect: Effect) -> Result<AgentView, ClientError> {
        self.ask(Method::POST, &effect.of("agents"), Sent::json(trust)?).await
    }

    /// Trusts an agent no more.
    pub async fn remove_agent(&self, name: &AgentName, effect: Effect) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, &effect.of(&format!("agents/{name}")), Sent::Nothing).await
    }

    /// Asks agents how they are.
    pub async fn check_agents(&self, check: &AgentsCheck) -> Result<Vec<AgentChecked>, ClientError> {
        self.ask(Method::POST, "agent-checks", Sent::json(check)?).await
    }

    /// Has an agent make a new identity.
    pub async fn rotate_agent(&self, name: &AgentName) -> Result<AgentView, ClientError> {
        self.ask(Method::POST, &format!("agents/{name}/rotate"), Sent::Nothing).await
    }

    /// Those who came and are not trusted.
    pub async fn list_strangers(&self) -> Result<Vec<StrangerView>, ClientError> {
        self.list("unrecognised-agents").await
    }

    /// Trusts somebody who came; `id` is one of [`StrangerView::id`].
    pub async fn approve_stranger(
        &self,
        id: &str,
        approve: &StrangerApprove,
        effect: Effect,
    ) -> Result<AgentView, ClientError> {
        let path = format!("unrecognised-agents/{}/approve", utf8_percent_encode(id, NON_ALPHANUMERIC));
        self.ask(Method::POST, &effect.of(&path), Sent::json(approve)?).await
    }

    /// The identity by which agents know the server.
    pub async fn show_identity(&self) -> Result<IdentityView, ClientError> {
        self.ask(Method::GET, "identity", Sent::Nothing).await
    }

    /// Changes where agents find the server.
    pub async fn edit_identity(&self, update: &IdentityUpdate, effect: Effect) -> Result<IdentityView, ClientError> {
        self.ask(Method::PATCH, &effect.of("identity"), Sent::json(update)?).await
    }

    /// Has a new identity follow the one in use.
    pub async fn rotate_identity(&self, rotate: &IdentityRotate) -> Result<IdentityChanged, ClientError> {
        self.ask(Method::POST, "identity/rotate", Sent::json(rotate)?).await
    }

    /// Takes an identity in place of the one in use.
    pub async fn import_identity(&self, import: &IdentityImport) -> Result<IdentityChanged, ClientError> {
        self.ask(Method::POST, "identity/import", Sent::json(import)?).await
    }

    /// Gives an identity out as a PFX.
    pub async fn export_identity(&self, export: &IdentityExport) -> Result<IdentityExported, ClientError> {
        self.ask(Method::POST, "identity/export", Sent::json(export)?).await
    }
}
