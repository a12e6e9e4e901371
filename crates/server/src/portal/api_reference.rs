//! The API reference: the OpenAPI document as people read it, without anything from elsewhere.

mod schema;

use std::{collections::BTreeSet, sync::Arc};

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    answer,
    equivalents::curl,
    frame::{Frame, Nav},
    view::counted,
    visit::Visit,
};
use crate::{
    app::{AppError, right},
    rest::Document,
};
use schema::{Kind, Shape};

#[derive(Template)]
#[template(path = "api-reference.html")]
struct IndexPage {
    frame: Frame,
    lead: String,
    groups: Vec<Group>,
}

#[derive(Template)]
#[template(path = "api-reference-group.html")]
struct GroupPage {
    frame: Frame,
    group: Group,
    groups: Vec<String>,
    shapes: Vec<Shape>,
}

/// Is the operations of one resource.
struct Group {
    name: String,
    operations: Vec<Operation>,
}

/// Is one operation as it is shown.
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    needs: String,
    parameters: Vec<Parameter>,
    body: Option<Content>,
    answers: Vec<(String, String, Option<Content>)>,
    refusals: String,
    curl: String,
}

/// Is one parameter as it is shown.
struct Parameter {
    name: String,
    place: String,
    about: String,
    kind: Kind,
    is_required: bool,
}

/// Is what is sent or comes back.
struct Content {
    media_type: String,
    kind: Option<Kind>,
}

/// Lists all operations.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let document = document(&visit)?;
    let groups = groups(&document.value);
    let operations = groups.iter().map(|group| group.operations.len()).sum();
    let lead = format!(
        "{} of {}, as this server answers them.",
        counted(operations, "operation"),
        counted(groups.len(), "resource")
    );
    answer::html(&IndexPage { frame: visit.frame(Nav::None, "API reference"), lead, groups })
}

/// Shows the operations of one resource, with the types that they name.
pub(super) async fn show_group(visit: Visit<right::View>) -> Result<Response, AppError> {
    let document = document(&visit)?;
    let all = groups(&document.value);
    let names = all.iter().map(|group| group.name.clone()).collect();
    let wanted = visit.param("group");
    let group = all.into_iter().find(|group| group.name == wanted).ok_or_else(|| {
        let message = format!("the API has no resource \"{wanted}\"; /api-reference lists those there are");
        AppError::new(StatusCode::NOT_FOUND, "no-such-path", message)
    })?;
    let mut named = BTreeSet::new();
    for operation in &group.operations {
        let bodies = operation.body.iter().chain(operation.answers.iter().filter_map(|(.., content)| content.as_ref()));
        bodies.filter_map(|content| content.kind.as_ref()).for_each(|kind| kind.names(&mut named));
    }
    let shapes = schema::shapes(&document.value, named);
    let title = format!("API reference: {}", group.name);
    answer::html(&GroupPage { frame: visit.frame(Nav::None, title), group, groups: names, shapes })
}

fn document(visit: &Visit<right::View>) -> Result<Arc<Document>, AppError> {
    visit.extension().ok_or_else(|| AppError::internal("the API is not described", "no document"))
}

fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            let name = operation["tags"][0].as_str().unwrap_or_default();
            let shown = shown(path, method, operation);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(shown),
                None => groups.push(Group { name: name.to_owned(), operations: vec![shown] }),
            }
        }
    }
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    groups
}

fn shown(path: &str, method: &str, operation: &Value) -> Operation {
    let method = method.to_uppercase();
    let scope = &operation["security"][0]["token"][0];
    let mut answers = Vec::new();
    let mut refusals = Vec::new();
    for (status, answer) in members(&operation["responses"]) {
        if answer.get("$ref").is_some() {
            refusals.push(if status == "default" { "others".to_owned() } else { status.clone() });
        } else {
            answers.push((status.clone(), text(&answer["description"]), content(&answer["content"])));
        }
    }
    let body = content(&operation["requestBody"]["content"]);
    let example = body.as_ref().and_then(|content| content.kind.as_ref()).map(|_| serde_json::json!({}));
    let sent = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    Operation {
        id: text(&operation["operationId"]),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        needs: text(scope),
        parameters: operation["parameters"].as_array().into_iter().flatten().map(parameter).collect(),
        curl: curl(&sent, path, example.as_ref()).replace("'{}'", "@body.json"),
        body,
        answers,
        refusals: refusals.join(", "),
        method,
    }
}

fn parameter(parameter: &Value) -> Parameter {
    Parameter {
        name: text(&parameter["name"]),
        place: match parameter["in"].as_str() {
            Some("path") => "in the path".to_owned(),
            Some("query") => "after the question mark".to_owned(),
            _ => "header".to_owned(),
        },
        about: text(&parameter["description"]),
        kind: Kind::of(&parameter["schema"]),
        is_required: parameter["required"] == true,
    }
}

fn content(content: &Value) -> Option<Content> {
    let all: Vec<_> = members(content).collect();
    let kind = all.first().and_then(|(_, media)| media.get("schema")).map(Kind::of);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| Content { media_type: names.join(" or "), kind })
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use axum::body::Body;
    use http::{Request, header};
    use http_body_util::BodyExt;
    use tower_service::Service;

    use crate::{app::Actor, fixture::Fixture};

    async fn page(fixture: &Fixture, path: &str) -> (u16, String) {
        let mut request = Request::builder().uri(path).header(header::ACCEPT, "text/html").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Actor::local(0, None));
        let response = fixture.api().call(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_operation_is_on_a_page_and_every_type_it_names_is_beside_it() {
        let fixture = Fixture::start().await;
        let (status, index) = page(&fixture, "/api-reference").await;
        assert_eq!(status, 200);
        let (_, group) = page(&fixture, "/api-reference/sites").await;
        for part in ["add_site", "/api/v1/sites/{id}", "id=\"SiteCreate\"", "id=\"UpstreamTrustInput\"", "If-Match"] {
            assert!(group.contains(part), "{part}: {group}");
        }
        assert!(!group.contains("id=\"IssuerView\""));
        let links: Vec<&str> =
            index.split("href=\"/api-reference/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.len() > 40, "{links:?}");
        for link in links {
            let (name, id) = link.split_once('#').unwrap();
            let (status, page) = page(&fixture, &format!("/api-reference/{name}")).await;
            assert!(status == 200 && page.contains(&format!("id=\"{id}\"")), "{link}");
            assert!(page.len() < 100_000, "{link} has {} bytes", page.len());
            for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(page.contains(&format!("id=\"{target}\"")), "{link} leads to #{target}, which is not there");
            }
        }
        assert_eq!(page(&fixture, "/api-reference/nothing").await.0, 404);
    }
}
