//! The issuers that certificates of other programs came from, and the accounts with them.

use std::collections::BTreeMap;

use portward_api::ForeignAccountView;
use portward_certs::{ForeignAccount, ForeignCertificate, is_known_directory};
use portward_core::{
    IssuerId,
    acme::{DirectoryTrust, Issuer, IssuerPorts},
};
use portward_store::{
    Store,
    change::{Change, Expected},
    desired::Desired,
    sealing::{Sealer, Secret},
    work::StoredAccount,
};

use crate::app::{AppError, slug};

/// Is what moves in besides certificates.
#[derive(Default)]
pub(super) struct Moving {
    /// Issuers by their directories: those that are here, and those that will be.
    pub(super) of_directory: BTreeMap<String, IssuerId>,
    /// What is shown of the accounts.
    pub(super) accounts: Vec<ForeignAccountView>,
    /// Issuers for which an operator must still agree to the terms.
    pub(super) unagreed: Vec<IssuerId>,
    new_issuers: Vec<Issuer>,
    new_accounts: Vec<(IssuerId, StoredAccount)>,
}

/// Finds out which issuers and accounts are to be made.
pub(super) async fn moving(
    store: &dyn Store,
    sealer: &Sealer,
    desired: &Desired,
    certificates: &[ForeignCertificate],
    accounts: Vec<ForeignAccount>,
) -> Result<Moving, AppError> {
    let mut moving = Moving::default();
    for stored in &desired.issuers {
        let issuer = &stored.value.issuer;
        moving.of_directory.entry(issuer.directory.clone()).or_insert_with(|| issuer.id.clone());
    }
    for directory in certificates.iter().filter_map(|certificate| certificate.directory.as_ref()) {
        // Whether the certificate of another directory is to be trusted is for an operator to say.
        if moving.of_directory.contains_key(directory) || !is_known_directory(directory) {
            continue;
        }
        let issuer = issuer(directory, &accounts, |id| {
            let is_taken = |other: &Issuer| other.id.as_str() == id;
            desired.issuers.iter().any(|stored| is_taken(&stored.value.issuer))
                || moving.new_issuers.iter().any(is_taken)
        })?;
        if !issuer.terms_agreed {
            moving.unagreed.push(issuer.id.clone());
        }
        moving.of_directory.insert(directory.clone(), issuer.id.clone());
        moving.new_issuers.push(issuer);
    }
    for account in accounts {
        let view = moving.take(store, sealer, account).await?;
        moving.accounts.push(view);
    }
    Ok(moving)
}

/// A new issuer. Whoever has an account there has agreed to the terms; a certificate alone does not say who did.
fn issuer(directory: &str, accounts: &[ForeignAccount], is_taken: impl Fn(&str) -> bool) -> Result<Issuer, AppError> {
    let own: Vec<&ForeignAccount> = accounts.iter().filter(|account| account.directory == directory).collect();
    let id = slug(word(directory), "issuer", is_taken);
    Ok(Issuer {
        id: IssuerId::parse(&id).map_err(|error| AppError::invalid("issuer", &error))?,
        directory: directory.to_owned(),
        trust: DirectoryTrust::System,
        contacts: own.iter().map(|account| &account.contacts).find(|all| !all.is_empty()).cloned().unwrap_or_default(),
        terms_agreed: !own.is_empty(),
        eab_key_id: None,
        profile: None,
        challenge: None,
        preferred_chain: None,
        ports: IssuerPorts::default(),
        resolvers: Vec::new(),
    })
}

/// What an issuer is called that an operator adds without an id.
fn word(directory: &str) -> &str {
    match directory {
        Issuer::LETS_ENCRYPT => "letsencrypt",
        Issuer::LETS_ENCRYPT_STAGING => "letsencrypt-staging",
        other => other.strip_prefix("https://").unwrap_or(other).split(['/', ':']).next().unwrap_or_default(),
    }
}

impl Moving {
    async fn take(
        &mut self,
        store: &dyn Store,
        sealer: &Sealer,
        account: ForeignAccount,
    ) -> Result<ForeignAccountView, AppError> {
        let ForeignAccount { path, directory, url, key, .. } = account;
        let issuer = self.of_directory.get(&directory).cloned();
        let outcome = match (&issuer, key) {
            (None, _) => "left out: nothing that was found came from it".to_owned(),
            (Some(_), Err(refusal)) => format!("left out: {refusal}"),
            (Some(issuer), Ok(key)) => {
                let stored = StoredAccount::read(store, sealer, issuer).await.map_err(|error| {
                    AppError::internal(format!("the account with \"{issuer}\" cannot be read"), error)
                })?;
                if stored.is_some() {
                    format!("left out: there is an account with \"{issuer}\" already")
                } else if self.new_accounts.iter().any(|(other, _)| other == issuer) {
                    format!("left out: another account with \"{issuer}\" is taken")
                } else {
                    let key = Secret::copy_of(key.as_pkcs8_der());
                    let account = StoredAccount { directory: directory.clone(), url, key, next_key: None };
                    self.new_accounts.push((issuer.clone(), account));
                    "taken: it goes on with its key".to_owned()
                }
            }
        };
        Ok(ForeignAccountView { path, directory, issuer: issuer.map(|id| id.to_string()), outcome })
    }

    /// How many records are written.
    pub(super) fn weight(&self) -> usize {
        self.new_issuers.len() + self.new_accounts.len()
    }

    /// Adds issuers and accounts to a change.
    pub(super) fn put(&self, change: &mut Change, sealer: &Sealer) {
        for issuer in &self.new_issuers {
            change.put_issuer(issuer, None, sealer, Expected::Absent);
        }
        for (issuer, account) in &self.new_accounts {
            change.put_account(issuer, account, sealer);
        }
    }
}
