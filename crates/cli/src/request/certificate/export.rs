//! Asks for a certificate with its key and writes it to a file.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, anyhow};
use portward_api::{CertificateExport, Client, ExportFormat as WireFormat};

use super::{Destination, Export};
use crate::{args::ExportFormat, exit::Exit, failure::Failure, new_file::NewFile, password, terminal::Terminal};

impl Export {
    /// Exports; the file is begun first, so that no key leaves the server for a file that cannot be written.
    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let file = match &self.out {
            Destination::Stdout if io::stdout().is_terminal() => {
                return Err(Failure::usage(anyhow!(
                    "a private key is not shown on a terminal; name a file: --out FILE"
                )));
            }
            Destination::Stdout => None,
            Destination::File(path) => Some((NewFile::create(path)?, path)),
        };
        let password = match (self.format, password::read(&self.password)?) {
            (ExportFormat::Pem, _) => None,
            (ExportFormat::Pfx, Some(password)) => Some(password),
            (ExportFormat::Pfx, None) if password::can_ask() => Some(password::ask_new("Password for the new file: ")?),
            (ExportFormat::Pfx, None) => {
                return Err(Failure::usage(anyhow!(
                    "a PFX needs a password; give it with --password-file F or --password-stdin"
                )));
            }
        };
        let format = match self.format {
            ExportFormat::Pem => WireFormat::Pem,
            ExportFormat::Pfx => WireFormat::Pfx,
        };
        let bytes = client.export_certificate(&self.id, &CertificateExport { format, password }).await?;
        let Some((mut file, path)) = file else {
            terminal.write(bytes.expose())?;
            return Ok(Exit::Done);
        };
        file.write_all(bytes.expose()).with_context(|| format!("cannot write {}", path.display()))?;
        file.keep()?;
        let protection = match self.format {
            ExportFormat::Pem => "; the private key in it is not protected",
            ExportFormat::Pfx => "",
        };
        terminal.tell(&format!("The certificate {} is in {}{protection}.", self.id, path.display()));
        Ok(Exit::Done)
    }
}
