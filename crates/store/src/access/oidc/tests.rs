#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{Role, Timestamp, User, UserId, UserName};

use super::*;
use crate::{
    Prefix,
    access::read_user,
    change::{Change, Expected, commit},
    cluster::Cluster,
    memory::MemoryStore,
    sealing::MasterKey,
};

fn provider(generation: u64) -> StoredOidc {
    StoredOidc {
        issuer: OidcIssuer::parse("https://login.shop.test/realms/main/").unwrap(),
        client_id: "portward".to_owned(),
        secret: None,
        generation,
        scopes: vec!["openid".to_owned(), "profile".to_owned()],
        groups_claim: "groups".to_owned(),
        name_claim: "preferred_username".to_owned(),
        roles: GroupRoles::parse([("ops", "operator"), ("admins", "owner")]).unwrap(),
        authority: None,
        label: "Northmole".to_owned(),
    }
}

#[tokio::test]
async fn the_secret_of_the_client_is_sealed_for_its_generation() {
    let store = MemoryStore::new();
    let sealer = Cluster::open(&store, MasterKey::generate()).await.unwrap().sealer;
    assert_eq!(read_oidc(&store).await.unwrap(), None);
    let secret = Secret::copy_of(b"the-secret-of-the-client");
    let mut change = Change::new("mara", "set", Timestamp::EPOCH);
    change.put_oidc(&provider(1), Some(&secret), &sealer, Expected::Absent);
    commit(&store, change).await.unwrap();

    let first = read_oidc(&store).await.unwrap().unwrap().value;
    assert_eq!(open_oidc_secret(&sealer, &first).unwrap().unwrap().expose(), secret.expose());
    assert_eq!(StoredOidc { secret: None, ..first.clone() }, provider(1));
    let listed = store.list(&Prefix::parse("access/").unwrap(), None, crate::Page::first(10)).await.unwrap();
    for kv in listed.kvs {
        assert!(!String::from_utf8_lossy(&kv.value).contains("the-secret"), "{}", kv.key);
    }
    let put_back = StoredOidc { generation: 2, ..first };
    assert!(open_oidc_secret(&sealer, &put_back).is_err());
}

#[tokio::test]
async fn a_user_of_a_provider_is_found_by_issuer_and_subject_together() {
    let store = MemoryStore::new();
    let identity = Identity { issuer: "https://login.shop.test".to_owned(), subject: "248289761001".to_owned() };
    let name = UserName::parse("mara").unwrap();
    let user =
        User { name: name.clone(), role: Role::Operator, email: None, is_disabled: false, created: Timestamp::EPOCH };
    let user = StoredUser {
        user,
        id: UserId::parse("0a").unwrap(),
        epoch: 1,
        password: None,
        identity: Some(identity.clone()),
        second_factor: None,
    };
    let mut change = Change::new("mara", "add", Timestamp::EPOCH);
    change.put_user(&user, Expected::Absent);
    commit(&store, change).await.unwrap();

    assert_eq!(read_user(&store, &name).await.unwrap().unwrap().value, user);
    assert_eq!(find_identity(&store, &identity).await.unwrap().unwrap().value, user);
    for other in [
        Identity { issuer: "https://other.test".to_owned(), ..identity.clone() },
        Identity { subject: "mara".to_owned(), ..identity },
    ] {
        assert_eq!(find_identity(&store, &other).await.unwrap(), None, "{other:?}");
    }
}
