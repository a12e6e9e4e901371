//! Types of the document, in words.

use std::collections::BTreeSet;

use serde_json::Value;

/// Is the type of a value in words; some of them lead to a type that has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    /// The words, and the type to which each leads.
    pub(super) words: Vec<(String, bool)>,
}

/// Is a type that has a name.
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) fields: Vec<Field>,
    /// What it is, if it has no fields.
    pub(super) kind: Kind,
}

/// Is one field of a type.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

impl Kind {
    /// Reads a schema.
    pub(super) fn of(schema: &Value) -> Self {
        let mut kind = Self::default();
        kind.read(schema);
        kind
    }

    /// Adds the names of the types that it leads to.
    pub(super) fn names(&self, all: &mut BTreeSet<String>) {
        all.extend(self.words.iter().filter(|(_, leads)| *leads).map(|(name, _)| name.clone()));
    }

    fn read(&mut self, schema: &Value) {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            self.words.push((name.to_owned(), true));
            return;
        }
        for (key, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " with ")] {
            if let Some(parts) = schema[key].as_array() {
                self.join(parts, between);
                return;
            }
        }
        if let Some(values) = schema["enum"].as_array() {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            self.say(&values.join(" or "));
            return;
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec!["anything"],
        };
        for (at, name) in types.iter().enumerate() {
            if at > 0 {
                self.say(" or ");
            }
            match *name {
                "array" => {
                    self.say("list of ");
                    self.read(&schema["items"]);
                }
                "object" if schema["additionalProperties"].is_object() => {
                    self.say("map from text to ");
                    self.read(&schema["additionalProperties"]);
                }
                "object" => self.object(schema),
                "string" => self.say(match schema["format"].as_str() {
                    Some("byte") => "base64",
                    Some("password") => "secret text",
                    _ => "text",
                }),
                "integer" | "number" => self.number(schema),
                other => self.say(other),
            }
        }
    }

    fn object(&mut self, schema: &Value) {
        self.say("{ ");
        for (at, (name, field)) in schema["properties"].as_object().into_iter().flatten().enumerate() {
            if at > 0 {
                self.say(", ");
            }
            self.say(&format!("{name}: "));
            self.read(field);
        }
        self.say(" }");
    }

    fn number(&mut self, schema: &Value) {
        match (&schema["minimum"], &schema["maximum"]) {
            (Value::Number(low), Value::Number(high)) => self.say(&format!("number from {low} to {high}")),
            _ => self.say("number"),
        }
    }

    fn join(&mut self, parts: &[Value], between: &str) {
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.say(between);
            }
            self.read(part);
        }
    }

    fn say(&mut self, word: &str) {
        match self.words.last_mut() {
            Some((last, false)) => last.push_str(word),
            _ => self.words.push((word.to_owned(), false)),
        }
    }
}

/// The types of these names, and all that they lead to, in the order of the names.
pub(super) fn shapes(document: &Value, mut wanted: BTreeSet<String>) -> Vec<Shape> {
    let mut found: Vec<Shape> = Vec::new();
    while let Some(name) = wanted.pop_first() {
        if found.iter().any(|shape| shape.name == name) {
            continue;
        }
        let shape = shape(&name, &document["components"]["schemas"][&name]);
        shape.kind.names(&mut wanted);
        shape.fields.iter().for_each(|field| field.kind.names(&mut wanted));
        found.push(shape);
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn shape(name: &str, schema: &Value) -> Shape {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let field = |(name, field): (&String, &Value)| Field {
        name: name.clone(),
        about: text(&field["description"]),
        kind: Kind::of(field),
        is_required: required.contains(&name.as_str()),
    };
    let fields: Vec<Field> = schema["properties"].as_object().into_iter().flatten().map(field).collect();
    let kind = if fields.is_empty() { Kind::of(schema) } else { Kind::default() };
    Shape { name: name.to_owned(), about: text(&schema["description"]), fields, kind }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_said_in_words_that_lead_to_others() {
        for (schema, expected) in [
            (json!({ "type": "string" }), "text"),
            (json!({ "type": ["string", "null"] }), "text or null"),
            (json!({ "type": "array", "items": { "$ref": "#/components/schemas/SiteView" } }), "list of [SiteView]"),
            (json!({ "type": "integer", "minimum": 1, "maximum": 9 }), "number from 1 to 9"),
            (json!({ "type": "string", "enum": ["a", "b"] }), "\"a\" or \"b\""),
            (
                json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/EabInput" }] }),
                "null or [EabInput]",
            ),
            (json!({ "type": "object", "additionalProperties": { "type": "string" } }), "map from text to text"),
            (json!({ "type": "object", "properties": { "pin": { "type": "string" } } }), "{ pin: text }"),
        ] {
            let words = Kind::of(&schema).words;
            let text: String =
                words.iter().map(|(word, leads)| if *leads { format!("[{word}]") } else { word.clone() }).collect();
            assert_eq!(text, expected);
        }
    }
}
