//! Looking at files before they are imported: what is in them, what is missing, what an import would come to.

use portward_api::{
    CertificateImport, InspectedCertificateView, InspectedFileView, InspectedKeyView, InspectedPieceView,
    InspectionView, MissingIssuerView, RefusalView,
};
use portward_certs::{
    Fate, Input, InspectedCertificate, InspectedFile, InspectedPiece, Inspection, Password, PieceKind, inspect,
};
use portward_core::{Sha1Thumbprint, Thumbprint};

use crate::app::{Allowed, App, AppError, Apply, Precondition, right};

impl App {
    /// Looks at files without importing them. What cannot be imported is no error here: the view says why.
    pub(crate) async fn inspect_certificate(
        &self,
        by: &Allowed<right::CertificateChange>,
        input: CertificateImport,
    ) -> Result<InspectionView, AppError> {
        let (inspection, input) = inspect_files(input).await?;
        let mut view = view(&inspection);
        // What was found is judged by whoever would take it, so that both say the same.
        match self.import_certificate(by, input, Precondition::None, Apply::DryRun).await {
            Ok(taken) => view.taken = Some(taken.result.view),
            Err(error) if error.status().is_server_error() => return Err(error),
            Err(error) => view.refusal = Some(refusal(&error)),
        }
        Ok(view)
    }
}

async fn inspect_files(input: CertificateImport) -> Result<(Inspection, CertificateImport), AppError> {
    if input.files.is_empty() {
        return Err(AppError::refused("invalid-value", "files: give at least one file"));
    }
    let inspecting = tokio::task::spawn_blocking(move || {
        let files: Vec<Input<'_>> =
            input.files.iter().map(|file| Input { name: &file.name, bytes: file.data.expose() }).collect();
        let password = input.password.as_ref().map(|password| Password::new(password.expose().to_owned()));
        let inspection = inspect(&files, password.as_ref());
        drop(files);
        (inspection, input)
    });
    inspecting.await.map_err(|error| AppError::internal("the files could not be read: reading them failed", error))
}

fn view(inspection: &Inspection) -> InspectionView {
    // Without its key, the certificate of an authority is nobody's leaf.
    let fits = inspection.key.as_ref().is_some_and(|key| key.fits);
    let certificate = |(index, certificate): (usize, &InspectedCertificate)| InspectedCertificateView {
        file: certificate.file.clone(),
        role: match index {
            0 if fits || !certificate.authority => "leaf",
            _ if certificate.self_signed => "root",
            _ => "intermediate",
        }
        .to_owned(),
        subject: certificate.subject.clone(),
        names: certificate.names.clone(),
        not_before: certificate.validity.not_before.to_string(),
        not_after: certificate.validity.not_after.to_string(),
        key: certificate.key.clone(),
        signature: certificate.signature.clone(),
        self_signed: certificate.self_signed,
        thumbprint: Thumbprint::of(&certificate.der).to_string(),
        sha1: Sha1Thumbprint::of(&certificate.der).to_string(),
    };
    InspectionView {
        files: inspection.files.iter().map(file).collect(),
        key: inspection.key.as_ref().map(|key| InspectedKeyView {
            file: key.file.clone(),
            key_type: key.key_type.to_string(),
            fits: key.fits,
        }),
        chain: inspection.chain.iter().enumerate().map(certificate).collect(),
        missing: inspection
            .missing
            .as_ref()
            .map(|missing| MissingIssuerView { subject: missing.subject.clone(), url: missing.url.clone() }),
        taken: None,
        refusal: None,
    }
}

fn file(file: &InspectedFile) -> InspectedFileView {
    let piece = |piece: &InspectedPiece| InspectedPieceView {
        kind: match piece.kind {
            PieceKind::PrivateKey => "private-key",
            PieceKind::Certificate => "certificate",
            PieceKind::Intermediate => "intermediate",
            PieceKind::Root => "root",
        }
        .to_owned(),
        fate: match piece.fate {
            Fate::Used => "used",
            Fate::Repeated => "repeated",
            Fate::Unused => "unused",
        }
        .to_owned(),
    };
    InspectedFileView {
        name: file.name.clone(),
        pieces: file.pieces.iter().map(piece).collect(),
        left_over: file.left_over.clone(),
        opened: file.opened,
        old_ciphers: file.old_ciphers.iter().map(|cipher| (*cipher).to_owned()).collect(),
        refusal: file.error.as_ref().map(|error| RefusalView {
            code: error.code().to_owned(),
            message: error.failure.to_string(),
            findings: Vec::new(),
        }),
    }
}

fn refusal(error: &AppError) -> RefusalView {
    RefusalView { code: error.code().to_owned(), message: error.to_string(), findings: error.findings().to_vec() }
}
