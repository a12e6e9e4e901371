//! Files that declare a desired state: reading and writing them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use portward_api::{DesiredState, SecretDeclared, SecretText};
use zeroize::Zeroizing;

use crate::{failure::Failure, secret_file};

/// Reads a file, or all files of a directory in the order of their names, as one state.
///
/// Secrets are put in where they are found.
pub(crate) fn read(path: &Path) -> Result<DesiredState, Failure> {
    let is_directory = path.is_dir();
    let files = if is_directory { files_in(path)? } else { vec![path.to_owned()] };
    if files.is_empty() {
        let error = anyhow!("{} has no file that ends in .yaml, .yml or .json", path.display());
        return Err(Failure::usage(error));
    }
    let mut state = DesiredState::default();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let text = Zeroizing::new(text);
        let declared = parse(&text).map_err(|error| Failure::usage(anyhow!("{}:{error}", file.display())))?;
        let mut declared = declared.unwrap_or_default();
        find_secrets(&mut declared, file.parent().unwrap_or_else(|| Path::new(".")))
            .map_err(|error| error.within(&file.display().to_string()))?;
        join(&mut state, declared).map_err(|error| Failure::usage(error.context(file.display().to_string())))?;
    }
    Ok(state)
}

/// Writes a file for each kind of thing; gives their names.
pub(crate) fn write(directory: &Path, state: &DesiredState) -> Result<Vec<PathBuf>, Failure> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let DesiredState { settings, issuers, dns_providers, certificates, bindings, sites } = state.clone();
    let none = DesiredState::default;
    let kinds = [
        ("settings.yaml", DesiredState { settings, ..none() }),
        ("issuers.yaml", DesiredState { issuers, ..none() }),
        ("dns-providers.yaml", DesiredState { dns_providers, ..none() }),
        ("certificates.yaml", DesiredState { certificates, ..none() }),
        ("bindings.yaml", DesiredState { bindings, ..none() }),
        ("sites.yaml", DesiredState { sites, ..none() }),
    ];
    let mut written = Vec::new();
    for (name, kind) in kinds {
        let path = directory.join(name);
        let text = yaml_serde::to_string(&kind).context("the desired state cannot be written as YAML")?;
        // Under another name first, so that nobody reads half a file.
        let passing = directory.join(format!(".{name}.{}.part", std::process::id()));
        fs::write(&passing, text).with_context(|| format!("cannot write {}", path.display()))?;
        fs::rename(&passing, &path).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Reads one file; none if there is nothing in it. The error begins with line and column.
fn parse(text: &str) -> Result<Option<DesiredState>, String> {
    yaml_serde::from_str(text).map_err(|error| {
        let words = error.to_string();
        match error.location() {
            Some(at) => {
                let place = format!(" at line {} column {}", at.line(), at.column());
                format!("{}:{}: {}", at.line(), at.column(), words.replace(&place, ""))
            }
            None => format!("1:1: {words}"),
        }
    })
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let listed = listed.with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files: Vec<PathBuf> = listed.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_ours = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        is_ours && !is_hidden && path.is_file()
    });
    files.sort();
    Ok(files)
}

/// Adds what one file declares to what others do.
fn join(state: &mut DesiredState, file: DesiredState) -> anyhow::Result<()> {
    fn lists<T>(all: &mut Option<Vec<T>>, more: Option<Vec<T>>) {
        if let Some(more) = more {
            all.get_or_insert_default().extend(more);
        }
    }
    let DesiredState { settings, issuers, dns_providers, certificates, bindings, sites } = file;
    if settings.is_some() {
        if state.settings.is_some() {
            return Err(anyhow!("the settings are declared in another file too; declare them in one"));
        }
        state.settings = settings;
    }
    lists(&mut state.issuers, issuers);
    lists(&mut state.dns_providers, dns_providers);
    lists(&mut state.certificates, certificates);
    lists(&mut state.bindings, bindings);
    lists(&mut state.sites, sites);
    Ok(())
}

/// Puts in the secrets that are where they are said to be.
fn find_secrets(state: &mut DesiredState, beside: &Path) -> Result<(), Failure> {
    for issuer in state.issuers.iter_mut().flatten() {
        if let Some(eab) = &mut issuer.eab {
            find(&mut eab.mac_key, "mac_key", beside)
                .map_err(|error| error.within(&format!("issuer {}", issuer.id)))?;
        }
    }
    for provider in state.dns_providers.iter_mut().flatten() {
        for (name, secret) in &mut provider.secrets {
            let what = format!("DNS provider {}", provider.id);
            find(secret, name, beside).map_err(|error| error.within(&what))?;
        }
    }
    Ok(())
}

fn find(secret: &mut SecretDeclared, name: &str, beside: &Path) -> Result<(), Failure> {
    match (&secret.env, &secret.file, &secret.value) {
        (Some(variable), None, None) => {
            if let Ok(value) = std::env::var(variable) {
                secret.value = Some(SecretText::new(value));
            }
        }
        (None, Some(file), None) => secret.value = Some(secret_file::read(&beside.join(file), name)?),
        (None, None, Some(_)) => {
            let error = anyhow!("{name}: a secret is not written into such a file; say where it is, with env or file");
            return Err(Failure::usage(error));
        }
        _ => return Err(Failure::usage(anyhow!("{name}: a secret has one of env and file"))),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
