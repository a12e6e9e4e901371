//! What differs between two things as they are declared, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

/// The fields that differ, as in `force_https: off -> browsers`; secrets must not be in them.
pub(super) fn fields<T: Serialize>(before: &T, after: &T) -> Vec<String> {
    let (before, after) = (members(before), members(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differing.map(|name| format!("{name}: {} -> {}", text(before.get(name)), text(after.get(name)))).collect()
}

fn members<T: Serialize>(declared: &T) -> Map<String, Value> {
    match serde_json::to_value(declared) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn text(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return "none".to_owned(),
        Some(Value::String(text)) if text.starts_with("-----BEGIN") => return "certificates".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| text(Some(item))).collect::<Vec<_>>().join(" "),
        Some(value) => value.to_string(),
    };
    if text.len() > MOST_SHOWN {
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MOST_SHOWN).last().unwrap_or(0);
        return format!("{}…", &text[..end]);
    }
    text
}

/// Longer values are looked at where they are.
const MOST_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_that_differs_is_named_with_both_values() {
        let before = json!({ "names": ["a.test"], "hsts": "1h", "same": 1 });
        let after = json!({ "names": ["a.test", "b.test"], "force_https": "all", "same": 1 });
        assert_eq!(
            fields(&before, &after),
            ["force_https: none -> all", "hsts: 1h -> none", "names: a.test -> a.test b.test"]
        );
        assert_eq!(fields(&before, &before), [""; 0]);
        let long = fields(&json!({}), &json!({ "note": "é".repeat(500) }));
        assert!(long[0].len() < 250 && long[0].ends_with('…'), "{long:?}");
    }
}
