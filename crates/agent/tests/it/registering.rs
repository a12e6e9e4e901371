//! Registering with the API of a server that is not there, or would not get the token. With a real one it is tried beside
//! the program `portward`, in the tests of the whole.

use crate::program::Home;

#[test]
fn a_token_goes_nowhere_where_others_could_read_it_and_nothing_is_trusted() {
    let home = Home::new();
    let words = |url| ["register-with", "--server", url, "--api-key", "ptw_secret", "--name", "web"];
    let bare = home.run(&words("http://portward.test"));
    assert_eq!(bare.code, 2, "{bare:?}");
    assert!(bare.stderr.contains("https://"), "{bare:?}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let away = home.run(&words(&nobody));
    assert_eq!(away.code, 1, "{away:?}");
    assert!(away.stderr.contains("127.0.0.1") && !away.stderr.contains("ptw_secret"), "{away:?}");
    assert!(home.status().servers.is_empty());
}
