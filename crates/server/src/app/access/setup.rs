//! The first owner: a link that counts once, or somebody on the machine itself.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use http::StatusCode;
use portward_api::{SecretText, SetupInput, SetupLinkView, UserView};
use portward_core::{
    ActorKind, Host, HostName, HostPattern, Role, Scheme, SecondFactor, Thumbprint, Timestamp, User, UserName,
};
use portward_store::{
    Store,
    access::{self, StoredSetup, StoredUser},
    change::{Change, Expected, commit},
    desired::Stored,
};

use super::{hasher::Hasher, is_same, sha256, sign_in::Origin};
use crate::app::{
    Actor, App, AppError, Who, random_secret,
    users::{new_user_id, parse_email, view},
    ways_in::{facts, presented_at},
};

/// Is where a browser on another machine sees the portal.
struct PublicDoor {
    authority: String,
    /// Of what is presented there.
    thumbprint: Option<Thumbprint>,
}

impl App {
    /// Makes a setup link, for somebody on the machine itself; the one before it counts no more.
    pub(crate) async fn make_setup_link(&self, actor: &Actor) -> Result<SetupLinkView, AppError> {
        demand_machine(actor)?;
        let _deciding = self.decide().await;
        if self.has_owner().await? {
            return Err(owned());
        }
        let secret = random_secret()?;
        let text = format!("{PREFIX}{}", secret.expose());
        let expires = self.now().plus(LIFETIME);
        let mut change = self.change_of(actor, "make a setup link");
        change.put_setup(&StoredSetup { sha256: sha256(&text), expires });
        self.commit(change).await?;
        let door = self.public_door();
        let link = |base: &str| SecretText::new(format!("{base}/setup#{text}"));
        let loopback_link = link(&format!("http://{}", self.parts.admin));
        let public_link = door.as_ref().map(|door| link(&format!("https://{}", door.authority)));
        let file = setup_file(&self.parts.data_dir);
        let written = write_private(&file, public_link.as_ref().unwrap_or(&loopback_link));
        if let Err(error) = written {
            tracing::warn!(%error, file = %file.display(), "the setup link could not be written to its file");
        }
        Ok(SetupLinkView {
            loopback_link,
            link: public_link,
            thumbprint: door.and_then(|door| door.thumbprint).map(|thumbprint| thumbprint.to_string()),
            expires: expires.to_string(),
            file: file.display().to_string(),
        })
    }

    /// Creates the first owner, for somebody who has the setup link or is on the machine itself.
    pub(crate) async fn create_owner(
        &self,
        actor: Option<&Actor>,
        input: &SetupInput,
        origin: &Origin,
    ) -> Result<StoredUser, AppError> {
        if self.has_owner().await? {
            return Err(owned());
        }
        let proof = match (&input.token, actor) {
            (Some(token), _) => Some(self.check_setup(token).await?),
            (None, Some(actor)) => {
                demand_machine(actor)?;
                None
            }
            (None, None) => {
                let message = "the token of the setup link is missing; it is what the link has after #";
                return Err(AppError::new(StatusCode::UNAUTHORIZED, "setup-token-missing", message));
            }
        };
        let user = first_owner(&self.access.hasher, input, self.now()).await?;
        let _deciding = self.decide().await;
        let (who, kind, used) = match (actor, proof) {
            (Some(actor), None) => (actor.to_string(), actor.kind(), Expected::Any),
            (_, Some(stored)) => {
                (format!("{} (setup link)", user.user.name), ActorKind::User, Expected::At(stored.revision))
            }
            (None, None) => return Err(AppError::internal("nobody may create the owner", "no proof")),
        };
        self.commit(change_of_owner(who, &user, used).by(kind, origin.address)).await?;
        self.forget_setup_file().await;
        Ok(user)
    }

    /// Checks what a setup link has after `#`, and changes nothing.
    pub(crate) async fn check_setup(&self, token: &SecretText) -> Result<Stored<StoredSetup>, AppError> {
        let wrong = || {
            AppError::new(
                StatusCode::UNAUTHORIZED,
                "setup-token-wrong",
                "this setup link counts no more, or was not copied whole; get a fresh one on the machine: portward setup-link",
            )
        };
        let stored = access::read_setup(&*self.parts.store).await?.ok_or_else(wrong)?;
        if !is_same(&sha256(token.expose().trim()), &stored.value.sha256) || stored.value.expires <= self.now() {
            return Err(wrong());
        }
        Ok(stored)
    }

    /// Takes the file with the setup link away, which opens nothing any more.
    pub(in crate::app) async fn forget_setup_file(&self) {
        if self.has_owner().await.is_ok_and(|owned| owned) {
            remove_setup_file(&self.parts.data_dir);
        }
    }

    /// The first https binding that shows the portal, by a name that leads to it.
    fn public_door(&self) -> Option<PublicDoor> {
        let served = self.served();
        let desired = &served.desired;
        let host = self.portal_host()?;
        let bindings = desired.bindings.iter().map(|stored| &stored.value);
        let mut https = bindings.filter(|binding| binding.is_https());
        https.find_map(|binding| {
            let address = *served.binding(&binding.id)?.result.as_ref().ok()?;
            // What only this machine reaches is called by its address.
            let host = if address.ip().is_loopback() { Host::from(address.ip()) } else { host.clone() };
            let port = address.port();
            let authority =
                if port == Scheme::Https.default_port() { host.to_string() } else { format!("{host}:{port}") };
            let facts = presented_at(desired, binding, &host, self.now()).and_then(facts);
            Some(PublicDoor { authority, thumbprint: facts.map(|facts| facts.thumbprint) })
        })
    }

    /// A name by which the portal is reached: that of the machine, if no application has it, else one of the portal's.
    fn portal_host(&self) -> Option<Host> {
        let own = HostName::parse(&self.parts.host_name).ok().map(Host::Name);
        if let Some(own) = own.filter(|own| self.shows_portal(own)) {
            return Some(own);
        }
        self.portal_names().into_iter().find_map(|name| match name {
            HostPattern::Exact(host) => Some(host),
            _ => None,
        })
    }

    /// Whether the site of a host is the portal.
    fn shows_portal(&self, host: &Host) -> bool {
        let served = self.served();
        // As in routing: the name itself, then the wildcard above it, then everything.
        let closeness = |name: &HostPattern| match name {
            HostPattern::Exact(_) => 2,
            HostPattern::Any => 0,
            _ => 1,
        };
        let sites = served.desired.sites.iter().map(|stored| &stored.value);
        let matching = sites.flat_map(|site| site.names.iter().map(move |name| (name, site.is_portal())));
        let closest = matching.filter(|(name, _)| name.matches(host)).max_by_key(|(name, _)| closeness(name));
        closest.is_some_and(|(_, is_portal)| is_portal)
    }
}

/// Makes the first owner of a store that no server uses, and that has none.
pub(crate) async fn make_first_owner(
    store: &dyn Store,
    who: &str,
    input: &SetupInput,
    now: Timestamp,
) -> Result<UserView, AppError> {
    let user = first_owner(&Hasher::default(), input, now).await?;
    commit(store, change_of_owner(who.to_owned(), &user, Expected::Any).by(ActorKind::Socket, None)).await?;
    Ok(view(&user, None))
}

async fn first_owner(hasher: &Hasher, input: &SetupInput, now: Timestamp) -> Result<StoredUser, AppError> {
    let name = UserName::parse(&input.name).map_err(|error| AppError::invalid("name", &error))?;
    let email = input.email.as_deref().map(parse_email).transpose()?.flatten();
    let password = hasher.hash_new(&name, &input.password, SecondFactor::None).await?;
    let user = User { name, role: Role::Owner, email, is_disabled: false, created: now };
    Ok(StoredUser { user, id: new_user_id()?, epoch: 1, password: Some(password), identity: None, second_factor: None })
}

fn change_of_owner(who: String, user: &StoredUser, used: Expected) -> Change {
    let User { name, created, .. } = &user.user;
    let mut change = Change::new(who, format!("create the owner {name}"), *created);
    change.put_user(user, Expected::Absent);
    change.put_owned(*created);
    change.remove_setup(used);
    change
}

/// Where the setup link is, for whoever did not see the log.
fn setup_file(data_dir: &Path) -> PathBuf {
    data_dir.join("setup-link")
}

/// Takes the file away; it may never have been there.
pub(crate) fn remove_setup_file(data_dir: &Path) {
    match fs::remove_file(setup_file(data_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the file of the setup link could not be removed; it opens nothing any more");
        }
        _ => {}
    }
}

fn write_private(path: &Path, link: &SecretText) -> io::Result<()> {
    // A new file each time: one that somebody else made beforehand would be theirs.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(link.expose().as_bytes())?;
    file.write_all(b"\n")
}

/// Refuses who is not on the machine itself.
pub(in crate::app) fn demand_machine(actor: &Actor) -> Result<(), AppError> {
    if matches!(actor.who(), Who::Machine | Who::Portward) {
        return Ok(());
    }
    let message =
        "this is for somebody on the machine itself; run it there, through the admin socket in the data directory";
    Err(AppError::not_permitted(message))
}

/// What is said where there is an owner already.
pub(crate) fn owned() -> AppError {
    let message = "this server has an owner already; an owner or administrator adds others: portward user add NAME --role ROLE --password-stdin";
    AppError::conflict("owner-exists", message)
}

/// So that nobody takes it for another kind of secret.
const PREFIX: &str = "st_";
/// Long enough for one who installs, too short to be found later.
const LIFETIME: Duration = Duration::from_secs(3600);
