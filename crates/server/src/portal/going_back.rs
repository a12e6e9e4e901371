//! The question of a form whether its change goes back by itself, and after how long.

use portward_core::ConfirmWithin;

use super::form::Form;
use crate::app::{AppError, Apply, Within};

/// Is what the check box and the field beside it have in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GoingBack {
    /// Whether it goes back unless it is confirmed.
    pub(super) confirm: bool,
    /// Within how many seconds, as somebody typed it.
    pub(super) within: String,
}

impl GoingBack {
    /// What a form has before somebody touches it.
    pub(super) fn usual(confirm: bool) -> Self {
        Self { confirm, within: ConfirmWithin::USUAL.duration().as_secs().to_string() }
    }

    /// What somebody typed; a field left empty stands for the usual time.
    pub(super) fn read(form: &Form) -> Self {
        Self::of(form.is_ticked("confirm"), form.filled("within"))
    }

    /// The same from fields that were read already.
    pub(super) fn of(confirm: bool, within: Option<&str>) -> Self {
        let within = within.map_or_else(|| Self::usual(confirm).within, str::to_owned);
        Self { confirm, within }
    }

    /// How the change is made; what is forced comes back unless it is confirmed.
    pub(super) fn apply(&self, force: bool) -> Result<Apply, AppError> {
        if !self.confirm {
            return Ok(Apply::Now);
        }
        let confirm = ConfirmWithin::parse(&self.within).map_err(|error| AppError::invalid("within", &error))?;
        Ok(Apply::Within(Within { confirm, is_forced: force }))
    }

    /// As options of a command, on lines of their own; nothing if it is not asked for.
    pub(super) fn option(&self, force: bool) -> String {
        match (self.confirm, force) {
            (false, _) => String::new(),
            (true, false) => format!(" \\\n  --confirm-within {}", self.time()),
            (true, true) => format!(" \\\n  --force \\\n  --confirm-within {}", self.time()),
        }
    }

    /// As the query of an address; nothing if it is not asked for.
    pub(super) fn query(&self, force: bool) -> String {
        let time = self.time();
        let seconds = time.trim_end_matches('s');
        match (self.confirm, force) {
            (false, _) => String::new(),
            (true, false) => format!("?confirm_within={seconds}"),
            (true, true) => format!("?confirm_within={seconds}&force=true"),
        }
    }

    /// The usual time in the place of one that is refused.
    fn time(&self) -> String {
        ConfirmWithin::parse(&self.within).unwrap_or(ConfirmWithin::USUAL).to_string()
    }
}

impl Default for GoingBack {
    fn default() -> Self {
        Self::usual(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_time_is_what_was_typed_and_the_usual_one_if_nothing_was() {
        for (form, expected, query) in [
            ("", Ok(Apply::Now), ""),
            ("within=5", Ok(Apply::Now), ""),
            ("confirm=on", Ok(within(60)), "?confirm_within=60"),
            ("confirm=on&within=5", Ok(within(5)), "?confirm_within=5"),
            ("confirm=on&within=5m", Ok(within(300)), "?confirm_within=300"),
            ("confirm=on&within=4", Err("invalid-value"), "?confirm_within=60"),
        ] {
            let asked = GoingBack::read(&Form::parse(form.as_bytes()));
            assert_eq!(asked.apply(true).map_err(|error| error.code()), expected, "{form}");
            assert_eq!(asked.query(false), query, "{form}");
        }
    }

    fn within(seconds: u64) -> Apply {
        Apply::Within(Within { confirm: ConfirmWithin::from_secs(seconds).unwrap(), is_forced: true })
    }
}
