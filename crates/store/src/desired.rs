//! Reading all that operators asked for, as it was at one revision.

mod assembly;
mod follow;
mod identity;
mod kept;
mod name_index;

use std::{collections::BTreeMap, sync::Arc};

use portward_core::{
    Binding, Certificate, CertificateId, ChannelId, DnsProviderId, IssuerId, KeyId, Keyed, Settings, Site, SiteId,
    Sorted, Wanted, acme::Issuer,
};

use zeroize::Zeroizing;

pub use follow::{Follower, Touched};
pub(crate) use identity::IDENTITY_VERSION;
pub use identity::{StoredIdentity, StoredTrust, open_identity_key};
pub(crate) use kept::read_kept;
pub use name_index::NameIndex;

use crate::{
    Key, Page, Prefix, Revision, Store, StoreError,
    challenge::{HttpChallenge, TlsChallenge},
    cluster::Cluster,
    place::{CERTIFICATES, Place},
    records::{RecordError, decode},
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Holds the whole desired state at one revision. A clone shares what there are many of.
///
/// A record that cannot be read is left out and told of in [`Desired::bad`]; everything else is there.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The revision at which everything was read.
    pub revision: Revision,
    /// Whose it is; none if the store is empty.
    pub cluster: Option<Cluster>,
    /// In the order of their ids.
    pub bindings: Vec<Stored<Binding>>,
    /// In the order of their ids.
    pub sites: Sorted<Stored<Site>>,
    /// In the order of their ids.
    pub certificates: Sorted<StoredCertificate>,
    /// Defaults stand in for what was never set.
    pub settings: Settings,
    /// When a setting was last written; zero if none ever was.
    pub settings_revision: Revision,
    /// In the order of their ids.
    pub issuers: Vec<Stored<StoredIssuer>>,
    /// In the order of their ids.
    pub dns_providers: Vec<Stored<StoredDnsProvider>>,
    /// In the order of their ids.
    pub channels: Vec<Stored<StoredChannel>>,
    /// What the server shows to agents, in the order of their numbers.
    pub identities: Vec<Stored<StoredIdentity>>,
    /// What agents are told of it; none before the first one was to be told.
    pub trust: Option<Stored<StoredTrust>>,
    /// Answers that http-01 challenges wait for.
    pub challenges: Vec<HttpChallenge>,
    /// Answers that tls-alpn-01 challenges wait for.
    pub tls_challenges: Vec<TlsChallenge>,
    /// Private keys, sealed.
    pub keys: Sorted<StoredKey>,
    /// What could not be read.
    pub bad: Vec<BadRecord>,
    /// See [`Desired::names`].
    pub(crate) names: name_index::Kept,
}

/// Is a thing, and the revision that last wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The thing.
    pub value: T,
    /// What a change expects to find; see [`Expected::At`](crate::change::Expected::At).
    pub revision: Revision,
}

/// Is a private key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Names the key.
    pub id: KeyId,
    /// [`open_private_key`] opens it.
    pub sealed: Sealed,
}

/// Is an issuer with what of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredIssuer {
    /// The issuer.
    pub issuer: Issuer,
    /// The MAC key of its external account binding; [`open_eab_key`] opens it.
    pub eab_mac_key: Option<Arc<Sealed>>,
}

/// Is a DNS provider: who writes TXT records, and with which settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDnsProvider {
    /// Names the provider.
    pub id: DnsProviderId,
    /// As in `cloudflare` or `rfc2136`.
    pub kind: String,
    /// Settings that everybody may see.
    pub settings: BTreeMap<String, String>,
    /// Names of the settings that nobody may see.
    pub secret_names: Vec<String>,
    /// Their values; [`open_dns_secrets`] opens them.
    pub secrets: Option<Arc<Sealed>>,
}

/// Is a notification channel: where notices are sent, and which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChannel {
    /// Names the channel.
    pub id: ChannelId,
    /// As in `email` or `webhook`.
    pub kind: String,
    /// Where its messages go, as far as everybody may see it: of a URL the host.
    pub target: String,
    /// Settings that everybody may see.
    pub settings: BTreeMap<String, String>,
    /// Names of the settings that nobody may see.
    pub secret_names: Vec<String>,
    /// Their values; [`open_channel_secrets`] opens them.
    pub secrets: Option<Arc<Sealed>>,
    /// Counts from 1 how often the secrets were written, so that older ones cannot be put back.
    pub generation: u64,
    /// Which notices it gets.
    pub wanted: Wanted,
    /// Whether anything is sent at all.
    pub enabled: bool,
}

/// Is a certificate, with the revisions of the records that it is made of.
///
/// Its [`Certificate::current`] is number 0 while there is no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCertificate {
    /// The certificate.
    pub value: Certificate,
    /// When its name or management was last written.
    pub spec_revision: Revision,
    /// When it was last written how the certificate is managed; none if it is not.
    pub managed_revision: Option<Revision>,
    /// When the number of the version that is served was last written; none if it never was.
    pub current_revision: Option<Revision>,
}

/// Tells of a record that was left out.
#[derive(Clone, Debug)]
pub struct BadRecord {
    /// Where it is.
    pub key: Key,
    /// Why it cannot be read.
    pub reason: Arc<RecordError>,
}

impl Desired {
    /// The issuer of that id.
    pub fn issuer(&self, id: &IssuerId) -> Option<&Stored<StoredIssuer>> {
        self.issuers.iter().find(|stored| stored.value.issuer.id == *id)
    }

    /// The DNS provider of that id.
    pub fn dns_provider(&self, id: &DnsProviderId) -> Option<&Stored<StoredDnsProvider>> {
        self.dns_providers.iter().find(|stored| stored.value.id == *id)
    }

    /// The channel of that id.
    pub fn channel(&self, id: &ChannelId) -> Option<&Stored<StoredChannel>> {
        self.channels.iter().find(|stored| stored.value.id == *id)
    }

    /// The identity of that number.
    pub fn identity(&self, seq: u64) -> Option<&Stored<StoredIdentity>> {
        self.identities.iter().find(|stored| stored.value.seq == seq)
    }

    /// The certificates that Portward can present, as their private keys are here.
    pub fn presentable(&self) -> impl Iterator<Item = &StoredCertificate> {
        self.certificates.iter().filter(|stored| stored.value.key_on().is_none())
    }

    /// The certificate of that id.
    pub fn certificate(&self, id: &CertificateId) -> Option<&StoredCertificate> {
        self.certificates.get(id)
    }

    /// The site of that id.
    pub fn site(&self, id: &SiteId) -> Option<&Stored<Site>> {
        self.sites.get(id)
    }

    /// The private key of that id, sealed.
    pub fn private_key(&self, id: &KeyId) -> Option<&Sealed> {
        self.keys.get(id).map(|stored| &stored.sealed)
    }
}

impl Keyed for Stored<Site> {
    type Key = SiteId;

    fn key(&self) -> &SiteId {
        &self.value.id
    }
}

impl Keyed for StoredCertificate {
    type Key = CertificateId;

    fn key(&self) -> &CertificateId {
        &self.value.id
    }
}

impl Keyed for StoredKey {
    type Key = KeyId;

    fn key(&self) -> &KeyId {
        &self.id
    }
}

impl StoredCertificate {
    /// The newest revision that wrote a record which can be changed.
    pub fn revision(&self) -> Revision {
        let others = [self.current_revision, self.managed_revision];
        others.into_iter().flatten().fold(self.spec_revision, Ord::max)
    }
}

/// The prefixes below which the whole desired state lies, for a watch that is not woken by anything else.
pub fn prefixes() -> Vec<Prefix> {
    Place::prefixes()
}

/// Opens a private key (PKCS #8 in DER) that [`Desired::keys`] holds.
pub fn open_private_key(sealer: &Sealer, id: &KeyId, sealed: &Sealed) -> Result<Secret, UnsealError> {
    sealer.open(&Place::PrivateKey(id.clone()).key(), PRIVATE_KEY_VERSION, sealed)
}

/// Opens the MAC key of an issuer's external account binding.
pub fn open_eab_key(sealer: &Sealer, issuer: &IssuerId, sealed: &Sealed) -> Result<Secret, UnsealError> {
    sealer.open(&Place::Issuer(issuer.clone()).key(), ISSUER_VERSION, sealed)
}

/// Opens the secret settings of a DNS provider.
pub fn open_dns_secrets(
    sealer: &Sealer,
    provider: &StoredDnsProvider,
) -> Result<BTreeMap<String, Zeroizing<String>>, OpenDnsSecretsError> {
    let Some(sealed) = &provider.secrets else { return Ok(BTreeMap::new()) };
    let secret = sealer.open(&Place::DnsProvider(provider.id.clone()).key(), DNS_PROVIDER_VERSION, sealed)?;
    let settings: BTreeMap<String, String> =
        serde_json::from_slice(secret.expose()).map_err(|_| OpenDnsSecretsError::Malformed)?;
    Ok(settings.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
}

/// Opens the secret settings of a channel.
pub fn open_channel_secrets(
    sealer: &Sealer,
    channel: &StoredChannel,
) -> Result<BTreeMap<String, Zeroizing<String>>, OpenChannelSecretsError> {
    let Some(sealed) = &channel.secrets else { return Ok(BTreeMap::new()) };
    let secret = sealer.open(&Place::Channel(channel.id.clone()).key(), channel.generation, sealed)?;
    let settings: BTreeMap<String, String> =
        serde_json::from_slice(secret.expose()).map_err(|_| OpenChannelSecretsError::Malformed)?;
    Ok(settings.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
}

/// Says why the secret settings of a channel do not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenChannelSecretsError {
    /// They are sealed for something else.
    #[error("the settings of the channel do not open")]
    Sealed(#[from] UnsealError),
    /// What was sealed is not what we seal.
    #[error("the settings of the channel are damaged")]
    Malformed,
}

/// Says why the secret settings of a DNS provider do not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenDnsSecretsError {
    /// They are sealed for something else.
    #[error("the settings of the DNS provider do not open")]
    Sealed(#[from] UnsealError),
    /// What was sealed is not what we seal.
    #[error("the settings of the DNS provider are damaged")]
    Malformed,
}

/// Reads one certificate with its versions, and nothing else; none if it is not there or cannot be read.
///
/// It costs the same however many certificates there are.
pub async fn read_certificate(store: &dyn Store, id: &CertificateId) -> Result<Option<StoredCertificate>, StoreError> {
    let prefix = Prefix::of_checked(format!("certs/{id}/"));
    let mut listed = store.list(&prefix, None, Page::first(PAGE_KEYS)).await?.kvs;
    for key in assembly::issuers_named(&listed) {
        listed.extend(store.get(&key, crate::Read::Linearizable).await?.0);
    }
    Ok(assembly::assemble(Revision(0), listed).certificates.get(id).cloned())
}

/// Reads and opens one private key; none if it is not there.
pub async fn read_private_key(
    store: &dyn Store,
    sealer: &Sealer,
    id: &KeyId,
) -> Result<Option<Secret>, ReadPrivateKeyError> {
    let key = Place::PrivateKey(id.clone()).key();
    let (kv, _) = store.get(&key, crate::Read::Linearizable).await?;
    let Some(kv) = kv else { return Ok(None) };
    let sealed: Sealed = decode(&kv.value).map_err(ReadPrivateKeyError::Record)?;
    Ok(Some(open_private_key(sealer, id, &sealed)?))
}

/// Says why a private key could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadPrivateKeyError {
    /// The store fails.
    #[error("the private key cannot be read")]
    Store(#[from] StoreError),
    /// Its record cannot be read.
    #[error("the private key cannot be read")]
    Record(#[source] RecordError),
    /// It does not open.
    #[error("the private key cannot be opened")]
    Sealed(#[from] UnsealError),
}

/// Reads one issuer.
pub async fn read_issuer(store: &dyn Store, id: &IssuerId) -> Result<Option<Stored<StoredIssuer>>, StoreError> {
    let (kv, _) = store.get(&Place::Issuer(id.clone()).key(), crate::Read::Linearizable).await?;
    Ok(kv.and_then(|kv| assembly::assemble(Revision(0), vec![kv]).issuers.into_iter().next()))
}

/// Reads one DNS provider.
pub async fn read_dns_provider(
    store: &dyn Store,
    id: &DnsProviderId,
) -> Result<Option<Stored<StoredDnsProvider>>, StoreError> {
    let (kv, _) = store.get(&Place::DnsProvider(id.clone()).key(), crate::Read::Linearizable).await?;
    Ok(kv.and_then(|kv| assembly::assemble(Revision(0), vec![kv]).dns_providers.into_iter().next()))
}

/// Reads the ids of all certificates that are managed, without reading them.
pub async fn managed_ids(store: &dyn Store) -> Result<Vec<CertificateId>, StoreError> {
    let prefix = Prefix::of_checked(CERTIFICATES.to_owned());
    let mut ids = Vec::new();
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(&prefix, None, asked).await?;
        ids.extend(listed.kvs.iter().filter_map(|kv| match Place::of(&kv.key) {
            Some(Place::CertificateManaged(id)) => Some(id),
            _ => None,
        }));
        page = listed.following(PAGE_KEYS);
    }
    Ok(ids)
}

/// Reads the whole desired state at one revision. A bad record never makes it fail.
///
/// Who needs it again and again keeps a [`Follower`].
pub async fn read(store: &dyn Store) -> Result<Desired, StoreError> {
    Ok(Follower::begin(store).await?.desired().clone())
}

/// Private keys are written once; a new key has a new id.
pub(crate) const PRIVATE_KEY_VERSION: u64 = 1;
/// The MAC key of an issuer is written once, with the issuer.
pub(crate) const ISSUER_VERSION: u64 = 1;
/// So are the secret settings of a DNS provider.
pub(crate) const DNS_PROVIDER_VERSION: u64 = 1;
/// With certificates of 3 KB a page has about 3 MB.
const PAGE_KEYS: usize = 1000;

#[cfg(test)]
mod tests;
