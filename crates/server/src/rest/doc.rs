//! What is written of each operation in the table of routes.
//!
//! It is both what the OpenAPI document says and what a call of the operation may have,
//! so that neither can be true without the other.

use std::any::TypeId;

use http::StatusCode;
use utoipa::{
    ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type, schema::SchemaType},
};

/// Describes an operation.
///
/// A shape ([`Doc::list`], [`Doc::show`], [`Doc::add`], [`Doc::edit`], [`Doc::remove`]) says most of it;
/// what has none of them begins with [`Doc::act`] and says what it takes and answers.
#[derive(Clone)]
pub(super) struct Doc {
    /// `<verb>_<noun>`, and none has the same.
    pub(super) id: &'static str,
    /// Whether an answer of before would be wrong, as it depends on the way by which a request comes.
    is_fresh: bool,
    /// What it does, in one sentence.
    pub(super) summary: &'static str,
    /// What its address and headers may say.
    pub(super) takes: Takes,
    /// What is sent; none if nothing may be.
    pub(super) body: Option<Body>,
    /// What comes back if it is done.
    pub(super) answers: Vec<Answer>,
    /// The types that are named in all of that.
    pub(super) schemas: Schemas,
}

/// Says what the address and the headers of a call may say beyond its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Takes {
    /// `?dry_run=true`.
    pub(super) dry_run: bool,
    /// `If-Match`.
    pub(super) if_match: bool,
    /// `?confirm_within=` and `?force=`: the change could shut somebody out.
    pub(super) safely: bool,
    /// `?limit=` and `?cursor=`: it answers a part of a list.
    pub(super) part: bool,
    /// Other parameters: name, what it means, and the pattern of its values, if not every text is one.
    pub(super) others: &'static [(&'static str, &'static str, &'static str)],
}

/// Is what is sent.
#[derive(Clone)]
pub(super) enum Body {
    /// JSON of a type.
    Json(TypeId, Box<RefOr<Schema>>),
    /// A file of that media type.
    File(&'static str),
}

/// Is what comes back.
#[derive(Clone)]
pub(super) struct Answer {
    /// With which status.
    pub(super) status: StatusCode,
    /// In which case, in a sentence.
    pub(super) about: &'static str,
    /// What.
    pub(super) content: Content,
    /// Whether `ETag` says at which revision it was changed last.
    pub(super) is_tagged: bool,
    /// Whether `Location` says where the thing is now.
    pub(super) is_located: bool,
}

/// Is what an answer consists of.
#[derive(Clone)]
pub(super) enum Content {
    /// JSON.
    Json(Box<RefOr<Schema>>),
    /// Something else, of one of these media types.
    Other(&'static [&'static str]),
}

/// Types by their names, with those that they name.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

impl Doc {
    /// Begins with an operation that takes nothing.
    pub(super) fn act(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            is_fresh: false,
            summary,
            takes: Takes::default(),
            body: None,
            answers: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// Lists things, a page at a time.
    pub(super) fn list<T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        let mut doc = Self::act(id, summary);
        let items = ArrayBuilder::new().items(doc.schema::<T>()).description(Some("What is listed."));
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("What `cursor` is for the following page; null after the last one."));
        // The same as `portward_api::Page`, whose name says nothing of its items.
        let page = ObjectBuilder::new()
            .property("items", items)
            .required("items")
            .property("next_cursor", cursor)
            .required("next_cursor");
        doc.takes.part = true;
        let content = Content::Json(Box::new(page.into()));
        let (status, about) = (StatusCode::OK, "A part of the list, in its order.");
        doc.answers.push(Answer { status, about, content, is_tagged: false, is_located: false });
        doc
    }

    /// Shows a thing that can be changed: with its `ETag`.
    pub(super) fn show<T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::act(id, summary).answers::<T>().tagged()
    }

    /// Adds a thing: 201 with `Location` and `ETag`, 200 in a dry run.
    pub(super) fn add<In: ToSchema + 'static, T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::act(id, summary).takes::<In>().dry_run().answers::<T>().made::<T>().tagged()
    }

    /// Changes a thing: 200 with its new `ETag`.
    pub(super) fn edit<In: ToSchema + 'static, T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::act(id, summary).takes::<In>().dry_run().if_match().answers::<T>().tagged()
    }

    /// Removes a thing.
    pub(super) fn remove<T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::act(id, summary).dry_run().if_match().answers::<T>()
    }

    /// It takes a body in JSON, which the handler reads as this type.
    pub(super) fn takes<In: ToSchema + 'static>(mut self) -> Self {
        self.body = Some(Body::Json(TypeId::of::<In>(), Box::new(self.schema::<In>())));
        self
    }

    /// It takes a file.
    pub(super) fn takes_file(mut self, media_type: &'static str) -> Self {
        self.body = Some(Body::File(media_type));
        self
    }

    /// It answers 200 with this type in JSON.
    pub(super) fn answers<T: ToSchema>(self) -> Self {
        self.answer::<T>(StatusCode::OK, "It is done, or could be.")
    }

    /// It answers 201 with this type in JSON, where a thing was made.
    pub(super) fn made<T: ToSchema>(self) -> Self {
        let mut doc = self.answer::<T>(StatusCode::CREATED, "It is made, and served.");
        if let Some(answer) = doc.answers.last_mut() {
            answer.is_located = true;
        }
        doc
    }

    /// It answers 200 with something that is no JSON.
    pub(super) fn answers_file(mut self, media_types: &'static [&'static str]) -> Self {
        let (status, content) = (StatusCode::OK, Content::Other(media_types));
        self.answers.push(Answer { status, about: "It itself.", content, is_tagged: false, is_located: false });
        self
    }

    /// What it answers has this type somewhere inside, where the document cannot say so.
    pub(super) fn names<T: ToSchema>(mut self) -> Self {
        self.schema::<T>();
        self
    }

    /// `ETag` is with what it answers.
    pub(super) fn tagged(mut self) -> Self {
        self.answers.iter_mut().for_each(|answer| answer.is_tagged = true);
        self
    }

    /// Its answer is never given again: it depends on the way by which a request comes, or is large and changes nothing.
    pub(super) fn fresh(mut self) -> Self {
        self.is_fresh = true;
        self
    }

    /// It can be tried: `?dry_run=true`.
    pub(super) fn dry_run(mut self) -> Self {
        self.takes.dry_run = true;
        self
    }

    /// Its change can wait to be confirmed, as it could shut somebody out: `?confirm_within=60`, and `?force=true` with it.
    pub(super) fn safely(mut self) -> Self {
        self.takes.safely = true;
        self
    }

    /// It can demand what it finds: `If-Match`.
    pub(super) fn if_match(mut self) -> Self {
        self.takes.if_match = true;
        self
    }

    /// Its address may say these too; [`Call::parameter`](super::call::Call::parameter) reads them.
    pub(super) fn parameters(mut self, others: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        self.takes.others = others;
        self
    }

    /// Whether its answer can be kept for a second request with the same `Idempotency-Key`: files are not.
    pub(super) fn takes_key(&self) -> bool {
        let has_file = self.answers.iter().any(|answer| matches!(answer.content, Content::Other(_)));
        !has_file && !self.is_fresh && !matches!(self.body, Some(Body::File(_)))
    }

    fn answer<T: ToSchema>(mut self, status: StatusCode, about: &'static str) -> Self {
        let content = Content::Json(Box::new(self.schema::<T>()));
        self.answers.push(Answer { status, about, content, is_tagged: false, is_located: false });
        self
    }

    /// Remembers a type, and gives what refers to it.
    fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        let name = name_of::<T>();
        let reference = Ref::from_schema_name(&name);
        self.schemas.push((name, T::schema()));
        reference.into()
    }
}

/// The name of a type; that of a type with parameters has theirs in it, as `ChangedSiteView` of `Changed<SiteView>`.
fn name_of<T: ToSchema>() -> String {
    let full = std::any::type_name::<T>();
    if !full.contains('<') {
        return T::name().into_owned();
    }
    let paths = full.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').filter(|path| !path.is_empty());
    paths.filter_map(|path| path.rsplit("::").next()).collect()
}

#[cfg(test)]
mod tests {
    use portward_api::{BindingView, Changed, SiteView};

    use super::*;

    #[test]
    fn types_with_parameters_have_a_name_for_each() {
        assert_eq!(name_of::<SiteView>(), "SiteView");
        assert_eq!(name_of::<Changed<SiteView>>(), "ChangedSiteView");
        assert_eq!(name_of::<Changed<BindingView>>(), "ChangedBindingView");
    }
}
