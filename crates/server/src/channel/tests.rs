#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::{NoticeKind, Timestamp, Tone};
use portward_store::work::QueuedNotice;
use serde_json::{Value, json};

use super::{recorder::Recorder, *};

fn at() -> Timestamp {
    Timestamp::parse("2026-11-20T12:00:00Z").unwrap()
}

fn notice(title: &str) -> QueuedNotice {
    QueuedNotice {
        id: "01K9".to_owned(),
        kind: NoticeKind::RenewalFailing,
        tone: Tone::Bad,
        subject: "certificate shop-test".to_owned(),
        title: title.to_owned(),
        message: "The CA cannot reach port 80 of <shop> & co.".to_owned(),
        remedy: "Open port 80.".to_owned(),
        path: Some("/certificates/shop-test".to_owned()),
        at: at(),
    }
}

fn message() -> Message {
    let notices = [notice("The renewal of shop.test fails")];
    Message::of(&notices, 0, "portward.test", Some("https://portward.test/"), at()).unwrap()
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, Zeroizing<String>> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()))).collect()
}

fn refused(kind: &str, pairs: &[(&str, &str)]) -> String {
    open(kind, &settings(pairs)).unwrap_err().to_string()
}

const TEXT: &str = "The CA cannot reach port 80 of <shop> & co.\n\nWhat to do: Open port 80.\n\n\
    https://portward.test/certificates/shop-test";

async fn sent(recorder: &Recorder, kind: &str, pairs: &[(&str, &str)]) -> (recorder::Recorded, String) {
    let mut all = settings(pairs);
    all.insert("plain_http".to_owned(), Zeroizing::new("private".to_owned()));
    let said = open(kind, &all).unwrap().send(&message()).await.unwrap();
    (recorder.recorded(1).await.pop().unwrap(), said)
}

#[tokio::test]
async fn a_webhook_is_signed_as_standard_webhooks_says() {
    let recorder = Recorder::start().await;
    let url = recorder.url("/hook?key=hidden");
    // The test vector of the specification's reference libraries has this secret.
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (came, said) = sent(&recorder, "webhook", &[("url", &url), ("secret", secret)]).await;
    assert_eq!(said, "200 OK: ok");
    assert_eq!(came.path, "/hook?key=hidden");
    assert_eq!(came.header("content-type"), "application/json");
    assert_eq!((came.header("webhook-id"), came.header("webhook-timestamp")), ("01K9", "1795176000"));
    let body = came.json();
    assert_eq!(
        body,
        json!({
            "type": "notice",
            "timestamp": "2026-11-20T12:00:00Z",
            "data": {
                "id": "01K9",
                "server": "portward.test",
                "severity": "error",
                "title": "The renewal of shop.test fails",
                "notices": [{
                    "event": "renewal-failing",
                    "severity": "error",
                    "subject": "certificate shop-test",
                    "title": "The renewal of shop.test fails",
                    "message": "The CA cannot reach port 80 of <shop> & co.",
                    "remedy": "Open port 80.",
                    "url": "https://portward.test/certificates/shop-test",
                    "at": "2026-11-20T12:00:00Z",
                }],
                "given_up": 0,
            },
        })
    );
    // Computed by a program of its own: python3's hmac.
    let script = "import sys,hmac,hashlib,base64\n\
        key=base64.b64decode(sys.argv[1][6:])\n\
        body=sys.stdin.buffer.read()\n\
        print('v1,'+base64.b64encode(hmac.new(key,(sys.argv[2]+'.'+sys.argv[3]+'.').encode()+body,hashlib.sha256).digest()).decode())";
    let mut python = std::process::Command::new("python3")
        .args(["-c", script, secret, "01K9", "1795176000"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), &came.bytes).unwrap();
    let output = python.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), came.header("webhook-signature"));
}

#[tokio::test]
async fn chats_get_the_json_that_they_document() {
    let recorder = Recorder::start().await;
    let url = recorder.url("/services/T0/B0/secret");
    let (came, _) = sent(&recorder, "slack", &[("url", &url)]).await;
    let body = came.json();
    assert_eq!(body["text"], "portward.test: The renewal of shop.test fails");
    let kinds: Vec<&Value> = body["blocks"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["header", "section", "context"]);
    assert_eq!(body["blocks"][0]["text"], json!({"type": "plain_text", "text": "The renewal of shop.test fails"}));
    assert_eq!(body["blocks"][1]["text"]["type"], "mrkdwn");
    let text = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(text.contains("&lt;shop&gt; &amp; co.") && !text.contains("<shop>"), "{text}");

    let recorder = Recorder::start().await;
    recorder.answer(http::Response::builder().status(204), "");
    let (came, said) = sent(&recorder, "discord", &[("url", &recorder.url("/api/webhooks/1/x"))]).await;
    assert_eq!(said, "204 No Content");
    assert_eq!(
        came.json(),
        json!({
            "embeds": [{
                "title": "The renewal of shop.test fails",
                "description": TEXT,
                "color": 0xc6_2828,
                "timestamp": "2026-11-20T12:00:00Z",
                "footer": {"text": "portward.test"},
                "url": "https://portward.test/certificates/shop-test",
            }],
            "allowed_mentions": {"parse": []},
        })
    );

    let recorder = Recorder::start().await;
    recorder.answer(http::Response::builder().status(202), "");
    let (came, _) = sent(&recorder, "teams", &[("url", &recorder.url("/workflows/x?sig=y"))]).await;
    let body = came.json();
    assert_eq!((&body["type"], &body["attachments"][0]["contentUrl"]), (&json!("message"), &Value::Null));
    assert_eq!(body["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &body["attachments"][0]["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    assert!(card["body"].as_array().unwrap().iter().all(|block| block["type"] == "TextBlock" && block["wrap"] == true));
    assert_eq!(
        card["actions"],
        json!([{"type": "Action.OpenUrl", "title": "Open the portal", "url": "https://portward.test/certificates/shop-test"}])
    );
}

#[tokio::test]
async fn push_services_get_the_json_that_they_document() {
    let recorder = Recorder::start().await;
    let pairs = [("server", recorder.url("")), ("topic", "alerts-x7".to_owned()), ("token", "tk_secret".to_owned())];
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (came, _) = sent(&recorder, "ntfy", &pairs).await;
    assert_eq!((came.path.as_str(), came.header("authorization")), ("/", "Bearer tk_secret"));
    assert_eq!(
        came.json(),
        json!({
            "topic": "alerts-x7",
            "title": "portward.test: The renewal of shop.test fails",
            "message": TEXT,
            "priority": 5,
            "tags": ["octagonal_sign"],
            "click": "https://portward.test/certificates/shop-test",
        })
    );

    let recorder = Recorder::start().await;
    let (came, _) = sent(&recorder, "gotify", &[("server", &recorder.url("/push/")), ("token", "A.secret")]).await;
    assert_eq!((came.path.as_str(), came.header("x-gotify-key")), ("/push/message", "A.secret"));
    let body = came.json();
    assert_eq!((&body["message"], &body["priority"]), (&json!(TEXT), &json!(8)));
    assert_eq!(
        body["extras"],
        json!({
            "client::display": {"contentType": "text/plain"},
            "client::notification": {"click": {"url": "https://portward.test/certificates/shop-test"}},
        })
    );

    let recorder = Recorder::start().await;
    recorder.answer(http::Response::builder(), r#"{"ok":true,"result":{"message_id":1}}"#);
    let pairs = [("server", recorder.url("")), ("token", "123:ab-C".to_owned()), ("chat", "-100".to_owned())];
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (came, said) = sent(&recorder, "telegram", &pairs).await;
    assert_eq!((came.path.as_str(), said.as_str()), ("/bot123:ab-C/sendMessage", "ok"));
    assert_eq!(
        came.json(),
        json!({
            "chat_id": "-100",
            "text": format!("portward.test: The renewal of shop.test fails\n\n{TEXT}"),
            "link_preview_options": {"is_disabled": true},
        })
    );
}

#[tokio::test]
async fn what_is_not_taken_is_told_with_the_words_of_the_other_side_and_without_secrets() {
    let recorder = Recorder::start().await;
    let url = recorder.url("/services/hunter2");
    let channel = open("slack", &settings(&[("url", &url), ("plain_http", "private")])).unwrap();
    assert_eq!(channel.target(), format!("127.0.0.1:{}", recorder.port));
    assert!(!format!("{channel:?}").contains("hunter2"));
    recorder.answer(http::Response::builder().status(403), &format!("invalid_token at\n {url}"));
    let error = channel.send(&message()).await.unwrap_err();
    assert_eq!(error, SendError { said: "403 Forbidden: invalid_token at (secret)".to_owned(), retry_after: None });
    recorder.answer(http::Response::builder().status(429).header("retry-after", "7"), "");
    let error = channel.send(&message()).await.unwrap_err();
    assert_eq!((error.said.as_str(), error.retry_after), ("429 Too Many Requests", Some(Duration::from_secs(7))));
    recorder.answer(http::Response::builder().status(307).header("location", recorder.url("/elsewhere")), "");
    let error = channel.send(&message()).await.unwrap_err();
    assert!(error.said.contains("redirects are not followed"), "{error}");
    assert_eq!(recorder.recorded(3).await.len(), 3, "nobody went elsewhere");

    let pairs = [("server", recorder.url("")), ("token", "123:hunter2".to_owned()), ("chat", "1".to_owned())];
    let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    pairs.push(("plain_http", "private"));
    let telegram = open("telegram", &settings(&pairs)).unwrap();
    let told = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: 123:hunter2","parameters":{"retry_after":9}}"#;
    recorder.answer(http::Response::builder().status(429), told);
    let error = telegram.send(&message()).await.unwrap_err();
    let said = "429 Too Many Requests: Too Many Requests: (secret)".to_owned();
    assert_eq!(error, SendError { said, retry_after: Some(Duration::from_secs(9)) });

    let closed = open("slack", &settings(&[("url", "http://127.0.0.1:1/"), ("plain_http", "private")])).unwrap();
    let error = closed.send(&message()).await.unwrap_err();
    assert!(error.said.starts_with("no connection to 127.0.0.1:1"), "{error}");
}

#[test]
fn settings_that_cannot_be_are_refused_by_name_and_without_their_values() {
    let url = ("url", "https://hooks.test/hunter2");
    for (kind, pairs, expected) in [
        ("pigeon", &[][..], "there is no channel of the kind pigeon; the kinds are email, webhook, slack,"),
        (
            "slack",
            &[("hunter2", "x"), url],
            "slack has no setting hunter2; its settings are url, plain_http, authority",
        ),
        ("slack", &[("url", " ")], "slack needs the setting url: "),
        ("slack", &[("url", "hunter2")], "the setting url is not a URL like"),
        ("slack", &[("url", "ftp://hunter2")], "the setting url is not an https URL"),
        ("slack", &[("url", "https://me:hunter2@x.test/")], "the setting url is not a URL without user and password"),
        ("slack", &[("url", "http://127.0.0.1/hunter2")], "set plain_http to private"),
        ("slack", &[url, ("plain_http", "hunter2")], "the setting plain_http is not one of refused, private"),
        ("slack", &[url, ("authority", "hunter2")], "the setting authority is not a certificate in PEM"),
        ("webhook", &[url, ("secret", "short")], "the setting secret is not 12 bytes long or longer"),
        ("webhook", &[url, ("secret", "whsec_hunter2!")], "the setting secret is not whsec_ followed by base64"),
        ("ntfy", &[("topic", "hunter2/x")], "the setting topic is not 1 to 64 letters"),
        ("telegram", &[("token", "hunter2"), ("chat", "1")], "the setting token is not a bot token"),
        ("email", &[("server", "mail.test"), ("from", "hunter2"), ("to", "a@b.test")], "the setting from is not"),
        ("email", &[("server", "mail.test"), ("from", "a@b.test"), ("to", "hunter2")], "the setting to is not"),
        (
            "email",
            &[("server", "mail.test"), ("security", "none"), ("from", "a@b.test"), ("to", "a@b.test")],
            "none is for a mail server on this machine",
        ),
        (
            "email",
            &[("server", "mail.test"), ("from", "a@b.test"), ("to", "a@b.test"), ("password", "hunter2")],
            "the setting user is not there",
        ),
        (
            "email",
            &[("server", "mail.test"), ("from", "a@b.test\nBcc: x@y.test"), ("to", "a@b.test")],
            "the setting from is not one line",
        ),
    ] {
        let told = refused(kind, pairs);
        assert!(told.contains(expected), "{kind} {pairs:?}: {told}");
        if kind != "slack" || pairs[0].0 != "hunter2" {
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}

/// Mail servers are asked by the same rule as web servers.
#[tokio::test]
async fn no_mail_goes_to_a_link_local_address() {
    let authority = crate::fixture::bundle(&["ca.test"], 90);
    let authority = portward_certs::export_pem(&authority.chain, &authority.key);
    let pairs = [("server", "169.254.169.254"), ("from", "a@b.test"), ("to", "c@d.test"), ("authority", &*authority)];
    let told = open("email", &settings(&pairs)).unwrap().send(&message()).await.unwrap_err();
    assert_eq!(told.said, "169.254.169.254 is at 169.254.169.254, which is no address of a server");
}

#[test]
fn a_digest_tells_what_fits_and_counts_the_rest() {
    let notices: Vec<QueuedNotice> = (0..100).map(|number| notice(&format!("Notice {number}"))).collect();
    let digest = Message::of(&notices, 3, "portward.test", Some("https://portward.test"), at()).unwrap();
    assert_eq!(digest.headline(), "portward.test: 100 notices");
    let text = digest.text(2_000);
    assert!(text.chars().count() <= 2_000);
    assert!(text.starts_with("- Notice 0. The CA cannot reach"), "{text}");
    assert!(
        text.contains("more\n\nBefore this, 3 notices could not be delivered in time and were given up."),
        "{text}"
    );
    assert!(text.ends_with("https://portward.test/problems"), "{text}");
    assert_eq!(digest.text(1_000_000).matches("- Notice").count(), 100);
    assert_eq!(Message::of(&[], 0, "x", None, at()), None);
}
