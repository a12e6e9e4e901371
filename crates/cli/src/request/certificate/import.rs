//! Reads the files of an import and sends them.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, anyhow};
use portward_api::{
    CertificateFile, CertificateImport, CertificateTaken, Changed, Client, ClientError, InspectionView, SecretBytes,
};

use super::Import;
use crate::{failure::Failure, password};

impl Import {
    /// Imports; a file that turns out to be protected asks for its password if somebody is there.
    pub(super) async fn run(self, client: &Client) -> Result<Changed<CertificateTaken>, Failure> {
        let client = self.safety.client(client);
        let (mut import, effect) = (self.read()?, self.effect);
        match client.import_certificate(&import, effect).await {
            Err(ClientError::Problem(problem)) if problem.code == PASSWORD_NEEDED && can_ask(&import) => {
                import.password = Some(password::ask("Password of the file: ")?);
                Ok(client.import_certificate(&import, effect).await?)
            }
            other => Ok(other?),
        }
    }

    /// Looks at the files; one that is protected asks for its password if somebody is there.
    pub(super) async fn inspect(self, client: &Client) -> Result<InspectionView, Failure> {
        let mut import = self.read()?;
        let inspection = client.inspect_certificate(&import).await?;
        let is_locked = inspection.refusal.as_ref().is_some_and(|refusal| refusal.code == PASSWORD_NEEDED);
        if is_locked && can_ask(&import) {
            import.password = Some(password::ask("Password of the file: ")?);
            return Ok(client.inspect_certificate(&import).await?);
        }
        Ok(inspection)
    }

    fn read(&self) -> Result<CertificateImport, Failure> {
        Ok(CertificateImport {
            files: self.files.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
            password: password::read(&self.password)?,
            name: self.name.clone(),
            replace: self.replace.as_ref().map(ToString::to_string),
            allow_expired: self.allow_expired,
        })
    }
}

fn can_ask(import: &CertificateImport) -> bool {
    import.password.is_none() && password::can_ask()
}

/// Reads a file that may have a certificate or a key in it.
pub(in crate::request) fn read(path: &Path) -> Result<CertificateFile, Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).with_context(cannot)?;
    let data = SecretBytes::new(bytes);
    if data.expose().len() as u64 > LIMIT {
        return Err(Failure::failed(anyhow!(
            "{} is larger than 1 MiB, which no certificate file is; is it the right file?",
            path.display()
        )));
    }
    Ok(CertificateFile { name: path.display().to_string(), data })
}

/// The code of the refusal that a password would help.
pub(in crate::request) const PASSWORD_NEEDED: &str = "password-needed";
/// Far above any chain with its key; a disk image given by mistake ends here.
const LIMIT: u64 = 1024 * 1024;
