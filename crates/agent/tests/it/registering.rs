//! Registering with the API of a server.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    program::{Home, identity, write},
    server::Server,
};

/// Starts an API that answers with these, one after the other; gives its URL, and what it was asked.
async fn api(answers: Vec<(&'static str, String)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !is_whole(&request) {
                request.push(char::from(tcp.read_u8().await.unwrap()));
            }
            kept.lock().unwrap().push(request);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            tcp.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_registers_and_dials_where_the_server_says() {
    let server_identity = identity("server");
    let pin = server_identity.thumbprint();
    let mut server = Server::start(&server_identity).await;
    let home = Home::new();
    let agent = home.thumbprint();
    server.trust(&[agent]);
    let said = format!("{{\"thumbprint\":\"{pin}\",\"sha1\":\"\",\"addresses\":[\"{}\"]}}", server.address);
    let (url, asked) = api(vec![("200 OK", said), ("201 Created", "{}".to_owned())]).await;
    write(&home.file("token"), b"ptw_secret\n");
    let _running = home.start_with(&["run", "--no-listen"]);
    let told = home.done(&["register-with", "--server", &url, "--token-file", "token", "--name", "web-03"]);
    assert_eq!(
        told,
        format!(
            "Registering the agent with the server at {url}\nAgent registered successfully as web-03\n\
             The thumbprint of the server: {pin}\n"
        )
    );
    server.next().await.health().await;
    let asked = asked.lock().unwrap().clone();
    assert!(asked[0].starts_with("GET /api/v1/identity HTTP/1.0\r\n"), "{asked:?}");
    assert!(asked[1].starts_with("POST /api/v1/agents HTTP/1.0\r\n"), "{asked:?}");
    assert!(asked[1].contains("\r\nAuthorization: Bearer ptw_secret\r\n"), "{asked:?}");
    assert!(asked[1].ends_with(&format!("\r\n\r\n{{\"name\":\"web-03\",\"thumbprint\":\"{agent}\"}}")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_api_keeps_its_kind_and_nothing_is_trusted() {
    let home = Home::new();
    let pin = identity("server").thumbprint();
    let said = format!("{{\"thumbprint\":\"{pin}\",\"addresses\":[]}}");
    let problem = "{\"type\":\"urn:x\",\"title\":\"Taken\",\"status\":409,\"detail\":\"The name web is taken.\",\"code\":\"taken\"}";
    let (url, _asked) = api(vec![("200 OK", said.clone()), ("409 Conflict", problem.to_owned())]).await;
    let words = ["register-with", "--server", &url, "--api-key", "k", "--name", "web", "--listening", "web.test:10933"];
    let refused = home.run(&words);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("refuses: The name web is taken."), "{refused:?}");
    assert!(home.status().servers.is_empty());
    // A server that dials needs to be dialled nowhere.
    let (url, asked) = api(vec![("200 OK", said), ("201 Created", "{}".to_owned())]).await;
    home.done(&[
        "register-with",
        "--server",
        &url,
        "--apiKey=k",
        "--comms-style",
        "TentaclePassive",
        "--listening",
        "web.test",
        "--name",
        "web",
    ]);
    assert!(asked.lock().unwrap()[1].contains("\"listening\":\"web.test:10933\""));
    let status = home.status();
    assert_eq!(status.servers[0].pins, [pin.to_string()]);
    assert!(status.servers[0].addresses.is_empty() && status.listen.on);
    let bare = home.run(&["register-with", "--server", "http://portward.test", "--api-key", "k"]);
    assert_eq!(bare.code, 2, "{bare:?}");
    assert!(bare.stderr.contains("others could read the token"), "{bare:?}");
}
