//! `portward-agent new-certificate` and `import-certificate`.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use portward_certs::{Bundle, Input, MAX_PFX_BYTES, Password, PrivateKey, ReadFailure, export_pfx};
use portward_core::{Chain, Thumbprint};
use portward_link::Identity;
use zeroize::Zeroizing;

use super::{
    Here,
    args::{ImportCertificateArgs, NewCertificateArgs},
    failure::{Exit, Failure},
    password, terminal,
};
use crate::{Draft, HeldIdentity, TrustedServer};

/// Says what became of a new identity.
enum Placed {
    /// It counts.
    InPlace,
    /// It counts, and these servers do not know it.
    Unknown,
    /// It is offered, and this one counts until it is known.
    Offered(Thumbprint),
    /// It is the one that counts already.
    Unchanged,
}

/// Makes a new certificate.
pub(super) fn make(here: &Here<'_>, args: &NewCertificateArgs) -> Result<Exit, Failure> {
    if args.if_blank && args.export_pfx.is_some() {
        return Err(Failure::misses("Invalid command: --if-blank and --export-pfx cannot be specified together"));
    }
    let password = password::read(&args.password)?;
    let now = (here.clock)();
    let new = Identity::new(&here.host_name(), now).map_err(Failure::failed)?;
    let thumbprint = new.thumbprint();
    if let Some(path) = &args.export_pfx {
        let password = password.filter(|password| !password.is_empty());
        let password = password.ok_or_else(|| {
            Failure::misses("a PFX has a private key in it; protect it with --pfx-password-file FILE or --pfx-password")
        })?;
        export(&new, path, password)?;
        terminal::print(&format!(
            "A new certificate has been generated and written to {}. Thumbprint:\n{thumbprint}",
            path.display()
        ))?;
        return Ok(Exit::Done);
    }
    let directory = here.open()?;
    let held = HeldIdentity { identity: new, since: now };
    let (placed, _) = directory.edit(|draft| {
        if args.if_blank && draft.identity.is_some() {
            return Ok::<_, Failure>(None);
        }
        place(draft, held, args.now).map(Some)
    })?;
    let Some(placed) = placed else {
        terminal::print("A certificate already exists, no changes will be applied.")?;
        return Ok(Exit::Done);
    };
    here.tell(&directory)?;
    let what = match placed {
        Placed::Offered(_) => "A new certificate has been generated, and is offered to the servers. Thumbprint:",
        _ => "A new certificate has been generated and installed. Thumbprint:",
    };
    terminal::print(&format!("{what}\n{thumbprint}"))?;
    tell_next(&placed, thumbprint);
    Ok(Exit::Done)
}

/// Takes a certificate of somebody's own.
pub(super) fn import(here: &Here<'_>, args: &ImportCertificateArgs) -> Result<Exit, Failure> {
    let path = args.from_file.as_deref();
    let path = path.ok_or_else(|| Failure::misses("Please specify the certificate to import."))?;
    let password = password::read(&args.password)?;
    let identity = read(path, password)?;
    let thumbprint = identity.thumbprint();
    let directory = here.open()?;
    let held = HeldIdentity { identity, since: (here.clock)() };
    let (placed, _) = directory.edit(|draft| place(draft, held, args.now))?;
    here.tell(&directory)?;
    terminal::print(&format!("Certificate with thumbprint {thumbprint} imported successfully."))?;
    tell_next(&placed, thumbprint);
    Ok(Exit::Done)
}

/// Offers a new identity to the servers that are trusted; without any, or if it is to be now, it takes its place.
fn place(draft: &mut Draft, new: HeldIdentity, is_now: bool) -> Result<Placed, Failure> {
    let Some(current) = draft.identity.as_ref().map(|held| held.identity.thumbprint()) else {
        draft.identity = Some(new);
        return Ok(Placed::InPlace);
    };
    if !is_now {
        check_next(draft, new.identity.thumbprint())?;
    }
    if current == new.identity.thumbprint() {
        draft.next = None;
        return Ok(Placed::Unchanged);
    }
    let is_trusted = !draft.configuration.trusted.is_empty();
    if is_trusted && !is_now {
        draft.next = Some(new);
        return Ok(Placed::Offered(current));
    }
    draft.identity = Some(new);
    draft.next = None;
    Ok(if is_trusted { Placed::Unknown } else { Placed::InPlace })
}

/// Refuses to give up a next identity by which a server knows the agent already: that one would not let it in any more.
fn check_next(draft: &Draft, new: Thumbprint) -> Result<(), Failure> {
    let next = draft.next.as_ref().map(|held| held.identity.thumbprint());
    let Some(next) = next.filter(|next| *next != new) else { return Ok(()) };
    let (knows, lags): (Vec<_>, Vec<_>) =
        draft.configuration.trusted.iter().partition(|server| server.knows == Some(next));
    if knows.is_empty() {
        return Ok(());
    }
    let list = |servers: &[&TrustedServer]| servers.iter().map(|server| name(server)).collect::<Vec<_>>().join(", ");
    let pins = lags.iter().flat_map(|server| &server.pins);
    let remove: Vec<String> = pins.map(|pin| format!("--remove-trust={pin}")).collect();
    let message = format!(
        "the certificate {next} is still on its way: {} knows the agent by it already, and {} does not know it yet; \
         nothing was changed. Have that one linked (portward-agent status says why it is not), or trust it no more: \
         portward-agent configure {}. With --now the new certificate takes the place at once, and every server refuses \
         the agent until it is told of it",
        list(&knows),
        list(&lags),
        remove.join(" ")
    );
    Err(Failure::ending(Exit::Conflict, anyhow!(message)))
}

/// Names a server by where it is dialled and by what is expected of it.
fn name(server: &TrustedServer) -> String {
    let pin = server.expected().map(|pin| pin.to_string()).unwrap_or_default();
    match server.addresses.first() {
        Some(address) => format!("the server at {address} ({pin})"),
        None => format!("the server {pin}"),
    }
}

fn tell_next(placed: &Placed, new: Thumbprint) {
    match placed {
        Placed::InPlace => {}
        Placed::Unchanged => terminal::tell("It is the certificate that the agent has already."),
        Placed::Offered(old) => terminal::tell(&format!(
            "It takes the place of {old} when the servers that the agent trusts know it, which is by itself as soon as \
             they are linked; --now would do it at once."
        )),
        Placed::Unknown => terminal::tell(&format!(
            "The servers that the agent trusts do not know it, and refuse it until they do. On the server: \
             portward agent trust NAME --thumbprint={new}"
        )),
    }
}

fn read(path: &Path, password: Option<Zeroizing<String>>) -> Result<Identity, Failure> {
    let shown = path.display();
    let length = match fs::metadata(path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::says(format!("Certificate '{shown}' was not found.")));
        }
        Err(error) => return Err(Failure::failed(anyhow::Error::new(error).context(format!("cannot read {shown}")))),
    };
    if usize::try_from(length).unwrap_or(usize::MAX) > MAX_PFX_BYTES {
        return Err(Failure::says(format!(
            "{shown} is longer than {} KiB; is it the right file?",
            MAX_PFX_BYTES / 1024
        )));
    }
    let bytes = Zeroizing::new(fs::read(path).with_context(|| format!("cannot read {shown}"))?);
    let password = password.map(|password| Password::new(password.as_str().to_owned()));
    let name = shown.to_string();
    let read = portward_certs::read(&[Input { name: &name, bytes: &bytes }], password.as_ref());
    let bundle = read.map_err(|error| match &error.failure {
        ReadFailure::NoCertificate { .. } => {
            Failure::says(format!("The PFX file ({shown}) does not contain any certificates."))
        }
        ReadFailure::NoPrivateKey { .. } => Failure::says(format!(
            "The PFX file ({shown}) does not include the private key; export it again with its private key"
        )),
        ReadFailure::PasswordNeeded { what } => Failure::says(format!(
            "{shown}: the {what} is protected by a password; give it with --pfx-password-file FILE or --pfx-password"
        )),
        _ => Failure::failed(error),
    })?;
    let Bundle { chain, key, .. } = bundle;
    if chain.length() > 1 {
        terminal::tell(&format!(
            "The file {shown} contains multiple certificates, taking the one that the private key belongs to."
        ));
    }
    let key = Zeroizing::new(key.as_pkcs8_der().to_vec());
    Ok(Identity::from_der(chain.leaf.to_vec(), key).map_err(|error| anyhow::Error::new(error).context(name))?)
}

fn export(identity: &Identity, path: &Path, password: Zeroizing<String>) -> Result<(), Failure> {
    let key = PrivateKey::from_pkcs8_der(identity.expose_key()).map_err(Failure::failed)?;
    let chain = Chain::of_leaf(Arc::from(identity.certificate()));
    let pfx = export_pfx(&chain, &key, &Password::new(password.as_str().to_owned()), "Portward agent");
    let pfx = pfx.map_err(Failure::failed)?;
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Failure::failed(anyhow!(
                "{} is there already, and is not written over. Name another, or remove it",
                path.display()
            )));
        }
        opened => opened.with_context(|| format!("cannot write {}", path.display()))?,
    };
    let written = file.write_all(&pfx).and_then(|()| file.sync_all());
    Ok(written.with_context(|| format!("cannot write {}", path.display()))?)
}

#[cfg(test)]
mod tests;
