#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{EmailAddress, Permission, Role, TokenOwner};

use super::*;
use crate::{
    backup::{self, Existing, RestoredBy},
    change::{Change, CommitError, Expected, commit},
    cluster::Cluster,
    memory::MemoryStore,
    sample::{MARKER, at},
    sealing::MasterKey,
    work::{self, Session, SignIns},
};

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn mara(sealer: &Sealer) -> StoredUser {
    let user = User {
        name: name("mara@shop.test"),
        role: Role::Owner,
        email: Some(EmailAddress::parse("mara@shop.test").unwrap()),
        is_disabled: false,
        created: at(),
    };
    let secret = seal_second_factor(sealer, &user.name, &Secret::copy_of(MARKER));
    let second_factor = Some(StoredSecondFactor { secret, recovery: vec![[7; 32], [8; 32]] });
    let id = UserId::parse("0a").unwrap();
    StoredUser { user, id, epoch: 3, password: Some("$argon2id$x".to_owned().into()), identity: None, second_factor }
}

fn token(owner: TokenOwner) -> StoredToken {
    let token = Token {
        id: TokenId::parse("0123").unwrap(),
        name: "CI of the shop".to_owned(),
        permissions: [Permission::View, Permission::SiteChange].into(),
        owner,
        created: at(),
        expires: Some(at()),
        revoked: None,
    };
    StoredToken { token, sha256: [9; 32] }
}

fn session() -> Session {
    Session {
        user: name("mara"),
        user_id: UserId::parse("0a").unwrap(),
        epoch: 3,
        started: at(),
        seen: at(),
        address: Some("192.0.2.7".to_owned()),
        agent: None,
    }
}

async fn opened() -> (MemoryStore, MasterKey, Sealer) {
    let (store, master) = (MemoryStore::new(), MasterKey::generate());
    let sealer = Cluster::open(&store, master.clone()).await.unwrap().sealer;
    (store, master, sealer)
}

#[tokio::test]
async fn users_and_tokens_are_read_as_they_were_written() {
    let (store, _, sealer) = opened().await;
    let user = mara(&sealer);
    let of_user = token(TokenOwner::User { name: user.user.name.clone(), id: user.id.clone() });
    let mut of_machine = token(TokenOwner::Machine("root (uid 0, admin socket)".to_owned()));
    of_machine.token.id = TokenId::parse("4567").unwrap();
    of_machine.token.revoked = Some(at());
    let mut change = Change::new("test", "add", at());
    change.put_user(&user, Expected::Absent);
    change.put_token(&of_user, Expected::Absent);
    change.put_token(&of_machine, Expected::Absent);
    let revision = commit(&store, change).await.unwrap();
    let stored = read_user(&store, &user.user.name).await.unwrap().unwrap();
    assert_eq!(stored, Stored { value: user.clone(), revision });
    let sealed = &stored.value.second_factor.unwrap().secret;
    assert_eq!(open_second_factor(&sealer, &user.user.name, sealed).unwrap().expose(), MARKER);
    assert!(open_second_factor(&sealer, &name("eve"), sealed).is_err());
    assert_eq!(users(&store).await.unwrap().len(), 1);
    let listed: Vec<StoredToken> = tokens(&store).await.unwrap().into_iter().map(|stored| stored.value).collect();
    assert_eq!(listed, [of_user, of_machine]);
    assert!(read_token(&store, &TokenId::parse("89").unwrap()).await.unwrap().is_none());
    let debug = format!("{user:?}");
    assert!(!debug.contains("argon2"), "{debug}");
}

#[tokio::test]
async fn there_is_one_first_owner_and_no_setup_link_after_it() {
    let (store, _, _) = opened().await;
    assert!(!is_owned(&store).await.unwrap());
    let setup = StoredSetup { sha256: [1; 32], expires: at() };
    let mut change = Change::new("test", "make a setup link", at());
    change.put_setup(&setup);
    commit(&store, change).await.unwrap();
    assert_eq!(read_setup(&store).await.unwrap().unwrap().value, setup);
    let own = || {
        let mut change = Change::new("test", "create the owner", at());
        change.put_owned(at());
        change.remove_setup(Expected::Any);
        change
    };
    commit(&store, own()).await.unwrap();
    assert!(is_owned(&store).await.unwrap() && read_setup(&store).await.unwrap().is_none());
    assert!(matches!(commit(&store, own()).await, Err(CommitError::Conflict { .. })));
    let mut late = Change::new("test", "make a setup link", at());
    late.put_setup(&setup);
    assert!(matches!(commit(&store, late).await, Err(CommitError::Conflict { .. })));
}

#[tokio::test]
async fn a_session_that_ended_does_not_come_back() {
    let (store, _, _) = opened().await;
    let put = |expected| {
        let mut change = Change::of_work();
        change.put_session(&[5; 32], &session(), expected);
        change
    };
    commit(&store, put(Expected::Absent)).await.unwrap();
    let Stored { value, revision } = work::read_session(&store, &[5; 32]).await.unwrap().unwrap();
    assert_eq!(value, session());
    let all = work::sessions(&store).await.unwrap();
    let mut end = Change::of_work();
    end.remove_session(&all[0].0);
    commit(&store, end).await.unwrap();
    assert!(matches!(commit(&store, put(Expected::At(revision))).await, Err(CommitError::Conflict { .. })));
    assert!(work::sessions(&store).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_backup_has_users_and_tokens_and_no_sessions() {
    let (store, master, sealer) = opened().await;
    let user = mara(&sealer);
    let mut change = Change::new("test", "add", at());
    change.put_user(&user, Expected::Absent);
    change.put_owned(at());
    change.put_token(&token(TokenOwner::Machine("root".to_owned())), Expected::Absent);
    change.put_session(&[5; 32], &session(), Expected::Absent);
    change.put_sign_ins(&user.user.name, &SignIns { last: Some(at()), step: Some(7) }, Expected::Absent);
    commit(&store, change).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup");
    backup::write(&store, &file).await.unwrap();
    let by = RestoredBy { who: "test".to_owned(), actor: portward_core::ActorKind::Socket, address: None, at: at() };
    let other = MemoryStore::new();
    backup::restore_into(&other, &file, &master, Existing::Keep, &by).await.unwrap();
    assert!(is_owned(&other).await.unwrap());
    assert_eq!(read_user(&other, &user.user.name).await.unwrap().unwrap().value, user);
    assert_eq!(tokens(&other).await.unwrap().len(), 1);
    assert_eq!(work::read_sign_ins(&other, &user.user.name).await.unwrap().unwrap().value.step, Some(7));
    assert!(work::sessions(&other).await.unwrap().is_empty());
    let again = backup::restore_into(&other, &file, &master, Existing::Keep, &by).await;
    assert!(matches!(again, Err(backup::RestoreError::NotEmpty)), "{again:?}");
}
