//! The OpenAPI document, made of the table of routes.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use portward_api::{PAGE_DEFAULT, PAGE_MOST, PROBLEM_JSON, Problem};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, ComponentsBuilder, Content as MediaType, ContentBuilder, Header, HttpMethod, InfoBuilder,
        LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Required,
        Response as Described, ResponseBuilder, Schema, Type,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::AdditionalProperties,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        tag::TagBuilder,
    },
};

use super::{
    answer,
    call::Call,
    doc::{Answer, Body, Content, Doc, Takes},
    table::{Route, Table},
};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table.get(
        "/api/v1/openapi.json",
        show,
        Doc::act("show_openapi", "Shows this document.").answers_file(&["application/json"]),
    )
}

/// Is the document, as it is read by programs and shown by the portal.
pub(crate) struct Document {
    /// As a tree.
    pub(crate) value: Value,
    /// In JSON.
    pub(crate) json: Bytes,
}

/// Answers with the document.
async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    let document =
        call.document.as_ref().ok_or_else(|| AppError::internal("the API is not described", "no document"))?;
    Ok(answer::file("application/json", axum::body::Body::from(document.json.clone())))
}

impl Document {
    /// Describes routes.
    pub(super) fn of(routes: &[Route]) -> Self {
        let api = describe(routes);
        let json = api.to_pretty_json().unwrap_or_default();
        let value = serde_json::to_value(&api).unwrap_or_default();
        Self { value, json: Bytes::from(json + "\n") }
    }
}

fn describe(routes: &[Route]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let mut groups = BTreeSet::new();
    for route in routes {
        let Some(method) = method(&route.method) else { continue };
        groups.insert(group(route.path));
        let named = route.doc.schemas.iter().cloned();
        schemas.extend(named.map(|(name, schema)| (name, closed(schema))));
        paths = paths.path(route.path, PathItem::new(method, operation(route)));
    }
    let info =
        InfoBuilder::new().title("Portward").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).license(Some(
            LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build(),
        ));
    let tags: Vec<_> = groups.into_iter().map(|name| TagBuilder::new().name(name).build()).collect();
    OpenApiBuilder::new().info(info.build()).paths(paths).components(Some(components(schemas))).tags(Some(tags)).build()
}

/// Says of each choice that is one named field that it has no others, as such inputs refuse what they do not know.
fn closed(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::OneOf(choice)) = &mut schema {
        for item in &mut choice.items {
            if let RefOr::T(Schema::Object(object)) = item
                && object.properties.len() == 1
                && object.additional_properties.is_none()
            {
                object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
    }
    schema
}

fn components(mut schemas: BTreeMap<String, RefOr<Schema>>) -> Components {
    let mut more = Vec::new();
    Problem::schemas(&mut more);
    schemas.extend(more);
    schemas.insert(Problem::name().into_owned(), Problem::schema());
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("ptw_…")
        .description(Some("An API token, as portward token create prints it."));
    let session =
        ApiKeyValue::with_description("__Host-portward", "The session of somebody who signed in to the portal.");
    let problem = ResponseBuilder::new()
        .description("It was not done; the problem document says why, and what to do (RFC 9457).")
        .content(PROBLEM_JSON, media(Ref::from_schema_name(Problem::name()).into()));
    ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(TOKEN, SecurityScheme::Http(token.build()))
        .security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(session)))
        .response(PROBLEM, problem.build())
        .build()
}

fn operation(route: &Route) -> Operation {
    let Route { path, permission, doc, .. } = route;
    let needs = match permission {
        Some(permission) => format!("Needs the permission `{permission}`: to {}.", permission.purpose()),
        None => "Needs no permission.".to_owned(),
    };
    let mut operation = OperationBuilder::new()
        .tag(group(path))
        .operation_id(Some(doc.id))
        .summary(Some(doc.summary))
        .description(Some(needs))
        .request_body(doc.body.as_ref().map(body));
    operation = match permission {
        Some(permission) => operation
            .security(SecurityRequirement::new(TOKEN, [permission.as_str()]))
            .security(SecurityRequirement::new(SESSION, [permission.as_str()])),
        // Who shows nothing may ask, and is told what is missing.
        None => operation
            .security(SecurityRequirement::default())
            .security(SecurityRequirement::new::<_, [&str; 0], _>(TOKEN, []))
            .security(SecurityRequirement::new::<_, [&str; 0], _>(SESSION, [])),
    };
    for parameter in parameters(path, doc) {
        operation = operation.parameter(parameter);
    }
    if route.method == Method::POST && permission.is_some() && doc.takes_key() {
        let about = "Names the request: the same one within 24 hours has the same answer, and is not done twice.";
        let key = text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$"));
        operation = operation.parameter(parameter("Idempotency-Key", ParameterIn::Header, about, key));
    }
    for answer in &doc.answers {
        operation = operation.response(answer.status.as_str(), response(answer, doc.takes));
    }
    for status in refusals(route) {
        operation = operation.response(status.as_str(), RefOr::<Described>::Ref(Ref::from_response_name(PROBLEM)));
    }
    operation.response("default", RefOr::<Described>::Ref(Ref::from_response_name(PROBLEM))).build()
}

fn parameters(path: &str, doc: &Doc) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    let mut before = "";
    for part in path.split('/') {
        if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            let about = format!("Names one of {}.", before.replace('-', " "));
            let id = text().pattern(Some("^[A-Za-z0-9][A-Za-z0-9.@_-]{0,63}$"));
            parameters.push(parameter(name, ParameterIn::Path, &about, id));
        }
        before = part;
    }
    if doc.takes.dry_run {
        let about = "Checks everything and changes nothing.";
        parameters.push(parameter(
            "dry_run",
            ParameterIn::Query,
            about,
            ObjectBuilder::new().schema_type(Type::Boolean),
        ));
    }
    if doc.takes.safely {
        let about = "Has the change go back by itself unless it is confirmed in so many seconds.";
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(5)).maximum(Some(3600));
        parameters.push(parameter("confirm_within", ParameterIn::Query, about, seconds));
        let about = "Makes the change although it breaks something; with `confirm_within` alone.";
        let force = ObjectBuilder::new().schema_type(Type::Boolean);
        parameters.push(parameter("force", ParameterIn::Query, about, force));
    }
    if doc.takes.if_match {
        let about = "Refuses with 412 unless this `ETag` is still the newest one (RFC 9110 section 13.1.1).";
        let tag = text().pattern(Some(r#"^(\*|"[0-9]{1,19}")$"#));
        parameters.push(parameter("If-Match", ParameterIn::Header, about, tag));
    }
    if doc.takes.part {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(PAGE_MOST));
        let number = number.default(Some(PAGE_DEFAULT.into()));
        parameters.push(parameter("limit", ParameterIn::Query, "How many items the page has at most.", number));
        let about = "`next_cursor` of the page before; the first page if it is left out.";
        parameters.push(parameter("cursor", ParameterIn::Query, about, text()));
    }
    for (name, about, pattern) in doc.takes.others {
        let value = text().pattern(Some(*pattern).filter(|pattern| !pattern.is_empty()));
        parameters.push(parameter(name, ParameterIn::Query, about, value));
    }
    parameters
}

fn parameter(name: &str, place: ParameterIn, about: &str, schema: ObjectBuilder) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn body(body: &Body) -> RequestBody {
    let (media_type, content) = match body {
        Body::Json(_, schema) => ("application/json", media((**schema).clone())),
        Body::File(media_type) => (*media_type, ContentBuilder::new().build()),
    };
    RequestBodyBuilder::new().content(media_type, content).required(Some(Required::True)).build()
}

fn response(answer: &Answer, takes: Takes) -> Described {
    let mut described = ResponseBuilder::new().description(answer.about);
    match &answer.content {
        Content::Json(schema) => described = described.content("application/json", media((**schema).clone())),
        Content::Other(media_types) => {
            for media_type in *media_types {
                described = described.content(*media_type, ContentBuilder::new().build());
            }
        }
    }
    if answer.is_tagged {
        let about = "Revision of the last change of the thing, for `If-Match`; left out in a dry run.";
        described = described.header(header::ETAG.as_str(), header_of(about));
    }
    if takes.part {
        let about = "The following page, as `rel=\"next\"` (RFC 8288); left out after the last one.";
        described = described.header(header::LINK.as_str(), header_of(about));
    }
    if answer.is_located {
        described = described.header(header::LOCATION.as_str(), header_of("Where the thing is now."));
    }
    described.build()
}

fn header_of(about: &str) -> Header {
    let mut header = Header::new(text().build());
    header.description = Some(about.to_owned());
    header
}

fn media(schema: RefOr<Schema>) -> MediaType {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The statuses with which such an operation says no; the rest are failures of ours.
fn refusals(route: &Route) -> BTreeSet<StatusCode> {
    let Route { path, doc, .. } = route;
    let mut statuses = BTreeSet::from([StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]);
    if path.contains('{') {
        statuses.insert(StatusCode::NOT_FOUND);
    }
    if doc.takes.if_match {
        statuses.insert(StatusCode::PRECONDITION_FAILED);
    }
    if route.method == Method::POST || doc.takes.safely {
        statuses.extend([StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY]);
    }
    if doc.body.is_some() {
        statuses.extend([StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNSUPPORTED_MEDIA_TYPE]);
        statuses.extend([StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY]);
    }
    statuses
}

/// The resource that a path is about: its first word.
fn group(path: &str) -> &str {
    path.trim_start_matches("/api/v1/").split('/').next().unwrap_or_default()
}

fn method(method: &Method) -> Option<HttpMethod> {
    match *method {
        Method::GET => Some(HttpMethod::Get),
        Method::PUT => Some(HttpMethod::Put),
        Method::POST => Some(HttpMethod::Post),
        Method::DELETE => Some(HttpMethod::Delete),
        Method::PATCH => Some(HttpMethod::Patch),
        _ => None,
    }
}

const ABOUT: &str = "The API of Portward, the HTTPS front door of a self-hosted server.\n\n\
    What succeeds is in effect: a change is answered when it is served.\n\
    What is not done is answered with a problem document (RFC 9457), whose `code` is stable.\n\
    Inputs refuse fields and parameters that they do not know.\n\
    Times are RFC 3339 in UTC, thumbprints hexadecimal digits of SHA-256.\n\n\
    On the machine itself the same API is on the socket `admin.sock` in the data directory, \
    where the operating system says who asks.";
const TOKEN: &str = "token";
const SESSION: &str = "session";
const PROBLEM: &str = "Problem";

#[cfg(test)]
mod tests;
