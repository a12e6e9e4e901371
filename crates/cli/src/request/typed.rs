//! Settings of DNS providers and channels as they are typed: `NAME=VALUE`, or `NAME=FILE` for what is secret.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::anyhow;
use portward_api::SecretText;

use crate::{failure::Failure, secret_file};

/// Holds settings whose files are not read yet.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TypedSettings {
    pub(crate) plain: BTreeMap<String, SecretText>,
    /// Files of secret settings by name.
    pub(crate) files: BTreeMap<String, PathBuf>,
}

impl TypedSettings {
    /// Reads what was typed.
    pub(super) fn parse(set: &[String], secret: &[String]) -> Result<Self, Failure> {
        let mut plain = BTreeMap::new();
        for text in set {
            let (name, value) = pair(text, "--set takes NAME=VALUE")?;
            if plain.insert(name.to_owned(), SecretText::new(value.to_owned())).is_some() {
                return Err(twice(name));
            }
        }
        let mut files = BTreeMap::new();
        for text in secret {
            let (name, file) = pair(text, "--secret takes NAME=FILE, or NAME=- for stdin")?;
            if plain.contains_key(name) || files.insert(name.to_owned(), PathBuf::from(file)).is_some() {
                return Err(twice(name));
            }
        }
        if files.values().filter(|file| secret_file::is_stdin(file)).count() > 1 {
            return Err(Failure::usage(anyhow!(
                "--secret: only one setting can come from stdin; put the others in files"
            )));
        }
        Ok(Self { plain, files })
    }

    /// All settings, with what their files have.
    pub(super) fn read(self) -> Result<BTreeMap<String, SecretText>, Failure> {
        let mut settings = self.plain;
        for (name, file) in self.files {
            let secret = secret_file::read(&file, &format!("the secret {name}"))?;
            settings.insert(name, secret);
        }
        Ok(settings)
    }
}

/// A name and what is after the first `=`; the text is not quoted, as a secret may be in it by mistake.
fn pair<'a>(text: &'a str, expected: &'static str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| Failure::usage(anyhow!(expected)))
}

fn twice(name: &str) -> Failure {
    Failure::usage(anyhow!("the setting {name} is given twice"))
}
