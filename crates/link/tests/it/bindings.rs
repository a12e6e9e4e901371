//! What was proved in one session proves nothing in another one.

use std::sync::Arc;

use aws_lc_rs::hmac;
use portward_core::Thumbprint;
use portward_link::{
    Enrol, Guest, Identity, JoinSecret, LinkError, Offer, OfferError, Session, Wire, enrol,
    opening::{Hello, Opening, RefusalCode},
    tls::ENROL,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificates::{Key, pin},
    peers::{RawServer, connect, dialled, false_client, false_server, hear, hear_anything, hello, say, tcp},
};

const LABEL: &[u8] = b"EXPORTER-portward-agent-1";

fn binding(stream: &RawServer) -> [u8; 32] {
    stream.get_ref().1.export_keying_material([0; 32], LABEL, None).unwrap()
}

fn proof(binding: &[u8; 32], agent: Thumbprint, secret: &JoinSecret) -> String {
    let message = [b"portward-enroll/1\0", &binding[..], agent.as_bytes()].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), &message);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says that in a session of its own; whether the server takes it as proof.
async fn counts(
    server: &Identity,
    client: &Identity,
    secret: &JoinSecret,
    say_it: impl FnOnce(&RawServer) -> String + Send + 'static,
) -> bool {
    let (theirs, ours) = tcp().await;
    let mut config = false_client(client.certified_key());
    config.alpn_protocols = vec![ENROL.to_vec()];
    let said = tokio::spawn(async move {
        let mut stream = connect(config, "peer.invalid", theirs).await.unwrap();
        let proof = say_it(&stream);
        say(&mut stream, &Enrol { token: "t".to_owned(), proof, name: None, version: "1".to_owned() }).await;
        stream
    });
    let mut guest = Guest::welcome(Wire::new(ours), &dialled(server)).await.unwrap();
    let (enrol, expected) = guest.read_enrol().await.unwrap();
    said.await.unwrap();
    expected.is(&enrol.proof, secret)
}

#[tokio::test]
async fn a_proof_of_a_join_string_counts_in_its_session_only() {
    let (server, agent, thief) = (Key::new().identity(), Key::new().identity(), Key::new().identity());
    let secret = JoinSecret::new().unwrap();
    let (seen, seen_too) = (Arc::new(std::sync::Mutex::new(String::new())), agent.thumbprint());
    let (keep, known) = (Arc::clone(&seen), secret.clone());
    let honest = counts(&server, &agent, &secret, move |stream| {
        let made = proof(&binding(stream), seen_too, &known);
        keep.lock().unwrap().clone_from(&made);
        made
    });
    assert!(honest.await, "the test makes no proof that counts");
    let seen = seen.lock().unwrap().clone();
    for client in [&agent, &thief] {
        let replayed = seen.clone();
        assert!(!counts(&server, client, &secret, move |_| replayed).await, "a proof was replayed");
    }
    // Whoever has the secret joins as whom they have the key of, and as nobody else.
    let (other, known) = (agent.thumbprint(), secret.clone());
    assert!(!counts(&server, &thief, &secret, move |stream| proof(&binding(stream), other, &known)).await);
    let known = JoinSecret::new().unwrap();
    assert!(!counts(&server, &agent, &secret, move |stream| proof(&binding(stream), seen_too, &known)).await);
}

#[tokio::test]
async fn somebody_in_the_middle_hears_nothing_and_cannot_pass_on_what_they_would_hear() {
    let (server, middle, agent) = (Key::new().identity(), Key::new().identity(), Key::new().identity());
    let secret = JoinSecret::new().unwrap();
    // The agent expects the server, and says nothing to who is there instead.
    let (ours, theirs) = tcp().await;
    let mut config = false_server(middle.certified_key());
    config.alpn_protocols = vec![ENROL.to_vec()];
    let listening = tokio::spawn(async move { TlsAcceptor::from(Arc::new(config)).accept(theirs).await.is_ok() });
    let came = enrol(ours, &agent, &pin(&server), &secret, None, "t".to_owned()).await;
    assert!(matches!(came, Err(LinkError::Mismatch(_))), "{came:?}");
    assert!(!listening.await.unwrap());
    // If it expected the one in the middle, what that one hears would be of no use with the server.
    let (ours, theirs) = tcp().await;
    let mut config = false_server(middle.certified_key());
    config.alpn_protocols = vec![ENROL.to_vec()];
    let heard = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await.unwrap();
        hear::<Enrol>(&mut stream).await
    });
    let _ = enrol(ours, &agent, &pin(&middle), &secret, None, "t".to_owned()).await;
    let heard = heard.await.unwrap();
    assert!(!counts(&server, &middle, &secret, move |_| heard.proof).await, "a proof was passed on");
}

#[tokio::test]
async fn the_whole_of_joining_works_between_honest_peers() {
    let (server, agent, secret) = (Key::new().identity(), Key::new().identity(), JoinSecret::new().unwrap());
    let (ours, theirs) = tcp().await;
    let (us, known) = (dialled(&server), secret.clone());
    let served = tokio::spawn(async move {
        let mut guest = Guest::welcome(Wire::new(theirs), &us).await.unwrap();
        let (said, expected) = guest.read_enrol().await.unwrap();
        assert!(expected.is(&said.proof, &known));
        let refusal =
            guest.refusal(RefusalCode::JoinString, "it is\u{1b}[31m used up".to_owned(), "make one".to_owned());
        guest.refuse(refusal).await;
    });
    let answer = enrol(ours, &agent, &pin(&server), &secret, Some("web".to_owned()), "t".to_owned()).await.unwrap();
    let portward_link::EnrolAnswer::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.message, "it is[31m used up");
    assert_eq!(refusal.your_thumbprint, agent.thumbprint().to_string());
    served.await.unwrap();
}

/// What the dialled side says of an offer of a false client.
async fn offer_to_dialled(
    offer: impl FnOnce(&RawServer) -> Offer + Send + 'static,
) -> (Offer, Result<Session, LinkError>) {
    let (theirs, ours) = tcp().await;
    let client = tokio::spawn(async move {
        let config = false_client(Key::new().identity().certified_key());
        let mut stream = connect(config, "peer.invalid", theirs).await.unwrap();
        let offer = offer(&stream);
        say(&mut stream, &Opening::Hello(Hello { next: Some(offer.clone()), ..hello() })).await;
        hear_anything(&mut stream).await;
        offer
    });
    let guest = Guest::welcome(Wire::new(ours), &dialled(&Key::new().identity())).await.unwrap();
    let opened = guest.open(hello(), None).await;
    (client.await.unwrap(), opened)
}

#[tokio::test]
async fn an_offer_counts_in_its_session_only_with_every_kind_of_key() {
    for scheme in crate::certificates::SCHEMES {
        let next = Key::of(scheme).identity();
        let expected = next.thumbprint();
        let (seen, opened) = offer_to_dialled(move |stream| next.offer(&binding(stream)).unwrap()).await;
        assert_eq!(opened.unwrap().peer.next, Some(expected), "{scheme:?}");
        let replayed = seen.clone();
        let (_, opened) = offer_to_dialled(move |_| replayed).await;
        assert!(matches!(opened, Err(LinkError::Offer(OfferError::NotProved(of)))  if of == expected), "{opened:?}");
        // The other way: a false server that offers what it saw.
        let (ours, theirs) = tcp().await;
        let server = Key::new().identity();
        let config = false_server(server.certified_key());
        let says = Opening::Hello(Hello { next: Some(seen), ..hello() });
        let replaying = tokio::spawn(async move {
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await.unwrap();
            say(&mut stream, &says).await;
            let _: Opening = hear(&mut stream).await;
        });
        let dialled = Session::dial(ours, &Key::new().identity(), &pin(&server), hello(), None).await;
        assert!(matches!(dialled, Err(LinkError::Offer(OfferError::NotProved(_)))), "{dialled:?}");
        replaying.await.unwrap();
    }
}

#[tokio::test]
async fn an_honest_offer_is_taken_both_ways() {
    let [server, agent, server_next, agent_next] = [(); 4].map(|()| Key::new().identity());
    let (ours, theirs) = tcp().await;
    let (us, offered) = (dialled(&server), server_next.clone());
    let opened = tokio::spawn(async move {
        Guest::welcome(Wire::new(theirs), &us).await.unwrap().open(hello(), Some(&offered)).await.unwrap()
    });
    let session = Session::dial(ours, &agent, &pin(&server), hello(), Some(&agent_next)).await.unwrap();
    assert_eq!(session.peer.next, Some(server_next.thumbprint()));
    assert_eq!(opened.await.unwrap().peer.next, Some(agent_next.thumbprint()));
}
