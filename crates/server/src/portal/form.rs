//! Fields of forms and of addresses: `application/x-www-form-urlencoded`.

/// Is a list of fields; a name may be there several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads fields; what is no UTF-8 is replaced (WHATWG URL, section 5.1).
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self { fields: form_urlencoded::parse(bytes).into_owned().collect() }
    }

    /// Adds a field.
    pub(super) fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.fields.push((name.into(), value.into()));
    }

    /// The first value of a field, as it was given; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// The first value of a field without spaces around it; none if nothing is left.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.given(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The first value of a field, if it is there.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field that have something in them.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let values = self.fields.iter().filter(|(field, _)| field == name);
        values.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
    }

    /// The lines, and words, of a field: how several names are typed.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let text = self.all(name).join(" ");
        text.split([' ', '\n', '\r', '\t', ',', ';']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// The fields whose names are not left out.
    pub(super) fn without(&self, is_left_out: impl Fn(&str) -> bool) -> Self {
        Self { fields: self.fields.iter().filter(|(name, _)| !is_left_out(name)).cloned().collect() }
    }

    /// Whether a check box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.given(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_send_them() {
        let form = Form::parse(b"names=a.test%0D%0Ab.test&pw=+x%26y+&on&names=c.test&broken=%ff%");
        assert_eq!(form.words("names"), ["a.test", "b.test", "c.test"]);
        assert_eq!((form.text("pw"), form.filled("pw")), (" x&y ", Some("x&y")));
        assert!(form.is_ticked("on") && !form.is_ticked("off"));
        assert_eq!(form.text("broken"), "\u{fffd}%");
    }
}
