//! `/api/v1/agents`, and what leads to one.

use axum::response::Response;
use portward_api::{
    AgentChecked, AgentJoinCreate, AgentJoinCreated, AgentJoinView, AgentTrust, AgentView, AgentsCheck, Removed,
    StrangerApprove, StrangerView,
};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get("/api/v1/agents", list, Doc::list::<AgentView>("list_agents", "Lists the agents, without their reports."))
        .post(
            "/api/v1/agents",
            trust,
            Doc::add::<AgentTrust, AgentView>(
                "trust_agent",
                "Trusts an agent by its thumbprint; one of that name has it in place of its own from now on.",
            ),
        )
        .get("/api/v1/agents/{id}", show, Doc::show::<AgentView>("show_agent", "Shows an agent, with its report."))
        .delete(
            "/api/v1/agents/{id}",
            remove,
            Doc::remove::<Removed>("remove_agent", "Trusts an agent no more; its link ends at once."),
        )
        .post(
            "/api/v1/agents/{id}/rotate",
            rotate,
            Doc::act("rotate_agent", "Has an agent make a new identity, which takes the place of its own.")
                .answers::<AgentView>(),
        )
        .post(
            "/api/v1/agent-checks",
            check,
            Doc::act("check_agents", "Asks agents how they are, all if none is named.")
                .takes::<AgentsCheck>()
                .answers::<Vec<AgentChecked>>(),
        )
        .get(
            "/api/v1/agent-joins",
            joins,
            Doc::list::<AgentJoinView>("list_agent_joins", "Lists the join strings that count, without their secrets."),
        )
        .post(
            "/api/v1/agent-joins",
            add,
            Doc::act("add_agent_join", "Makes a join string; its secret is in this answer alone.")
                .takes::<AgentJoinCreate>()
                .dry_run()
                .answers::<AgentJoinCreated>(),
        )
        .delete(
            "/api/v1/agent-joins/{id}",
            take_back,
            Doc::act("remove_agent_join", "Takes a join string back.").dry_run().answers::<Removed>(),
        )
        .get(
            "/api/v1/unrecognised-agents",
            strangers,
            Doc::list::<StrangerView>("list_unrecognised_agents", "Lists those who came and are not trusted."),
        )
        .post(
            "/api/v1/unrecognised-agents/{id}/approve",
            approve,
            Doc::act("approve_agent", "Trusts somebody who came.")
                .takes::<StrangerApprove>()
                .dry_run()
                .answers::<AgentView>(),
        )
        .delete(
            "/api/v1/unrecognised-agents/{id}",
            refuse,
            Doc::act("refuse_agent", "Forgets somebody who came.").dry_run().answers::<Removed>(),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    let agents = call.app.list_agents(&call.by).await?;
    answer::page(&call, Order::Ascending, agents, |view| view.name.clone())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_agent(&call.by, call.id()).await?)
}

async fn trust(mut call: Call<right::AgentChange>) -> Result<Response, AppError> {
    let input: AgentTrust = call.json(SMALL).await?;
    let trusted = call.app.trust_agent(&call.by, &input, call.apply).await?;
    answer::created(&trusted, format!("/api/v1/agents/{}", trusted.view.name))
}

async fn remove(mut call: Call<right::AgentChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_agent(&call.by, call.id(), call.precondition, call.apply).await?)
}

async fn rotate(mut call: Call<right::AgentChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.rotate_agent(&call.by, call.id()).await?)
}

async fn check(mut call: Call<right::AgentCheck>) -> Result<Response, AppError> {
    let input: AgentsCheck = call.json(SMALL).await?;
    answer::json(&call.app.check_agents(&call.by, &input).await?)
}

async fn joins(call: Call<right::View>) -> Result<Response, AppError> {
    let joins = call.app.list_joins(&call.by).await?;
    answer::page(&call, Order::Ascending, joins, |view| view.id.clone())
}

async fn add(mut call: Call<right::AgentChange>) -> Result<Response, AppError> {
    let input: AgentJoinCreate = call.json(SMALL).await?;
    answer::json(&call.app.add_agent(&call.by, &input, call.apply).await?)
}

async fn take_back(mut call: Call<right::AgentChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_join(&call.by, call.id(), call.apply).await?)
}

async fn strangers(call: Call<right::View>) -> Result<Response, AppError> {
    let strangers = call.app.list_strangers(&call.by);
    answer::page(&call, Order::Descending, strangers, |view| format!("{} {}", view.last_seen, view.id))
}

async fn approve(mut call: Call<right::AgentChange>) -> Result<Response, AppError> {
    let input: StrangerApprove = call.json(SMALL).await?;
    let approved = call.app.approve_stranger(&call.by, call.id(), &input, call.apply).await?;
    answer::json(&approved.view)
}

async fn refuse(mut call: Call<right::AgentChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.refuse_stranger(&call.by, call.id(), call.apply).await?)
}
