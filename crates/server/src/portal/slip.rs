//! What was wrong with a form: at which field, and why.

use super::answer;
use crate::app::AppError;

/// Says at which field of a form something was wrong, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slip {
    /// The name of the field; empty if it is about the whole form.
    field: &'static str,
    /// What is wrong, as a sentence.
    text: String,
}

impl Slip {
    /// Finds the field that an error is about: use cases begin their message with its name, or have a code of their own.
    pub(super) fn of(error: &AppError, fields: &[&'static str], codes: &[(&str, &'static str)]) -> Self {
        let message = error.to_string();
        let named = fields.iter().find_map(|field| {
            let rest = message.strip_prefix(field)?.strip_prefix(':')?;
            Some((*field, rest.trim_start().to_owned()))
        });
        if let Some((field, rest)) = named {
            return Self { field, text: answer::as_sentence(&rest) };
        }
        let coded = codes.iter().find(|(code, _)| *code == error.code());
        Self { field: coded.map_or("", |(_, field)| field), text: answer::as_sentence(&message) }
    }

    /// What is wrong with that field.
    pub(super) fn at(&self, field: &str) -> Option<&str> {
        (self.field == field).then_some(self.text.as_str())
    }

    /// What is wrong with the whole form.
    pub(super) fn whole(&self) -> Option<&str> {
        self.at("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stands_at_its_field() {
        let fields = ["dns_name", "ip_address"];
        let codes = [("port-taken", "https_port")];
        let slip = |error: &AppError| Slip::of(error, &fields, &codes);
        let name = slip(&AppError::refused("invalid-value", "dns_name: it is empty"));
        assert_eq!((name.at("dns_name"), name.whole()), (Some("It is empty."), None));
        let port = slip(&AppError::refused("port-taken", "port 443 is taken"));
        assert_eq!(port.at("https_port"), Some("Port 443 is taken."));
        let other = slip(&AppError::refused("other", "other: it is so"));
        assert_eq!(other.whole(), Some("Other: it is so."));
    }
}
