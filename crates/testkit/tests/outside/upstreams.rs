//! Two nginx behind one site: one falls over, the other one is stopped, and nobody who asks is told of it, as long as one
//! is left.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use portward_api::Client;
use portward_core::SiteId;
use portward_testkit::{ChildGroup, Connection, Program, StartedProgram, eventually, free_port, run};
use tokio::task::JoinSet;

use crate::bodies::{user, wait_for};

/// How many clients ask at the same time, each on a connection that it keeps.
const CLIENTS: usize = 8;
/// How long a client pauses after an answer.
const PAUSE: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread")]
async fn an_application_may_go_and_come_back_while_another_one_is_left() {
    let server = Program::new().start();
    let (one, two) = (Nginx::new(&server, "one"), Nginx::new(&server, "two"));
    let (one_runs, two_runs) = (one.start(), two.start());
    let add = ["site", "add", "shop.test", "--upstream", &one.url(), "--upstream", &two.url()];
    server.portward(&[&add[..], &["--health-path", "/health"]].concat());
    let clients = Clients::begin(server.https);
    clients.hear("both", &["one", "two"]).await;

    // It falls over, in the middle of whatever it is doing.
    drop(one_runs);
    is(&server, 0, "unwell").await;
    clients.hear("the other one", &["two"]).await;
    clients.hear("the other one alone, by now", &["two"]).await;
    assert_eq!(clients.lately(), ["two"]);
    let one_runs = one.start();
    clients.hear("it again", &["one"]).await;
    is(&server, 0, "well").await;

    // An operator stops it: it takes no connections any more, and ends those that it has.
    run(Command::new("kill").args(["-QUIT", &two_runs.id().to_string()]));
    is(&server, 1, "unwell").await;
    drop(two_runs);
    let two_runs = two.start();
    clients.hear("it again", &["two"]).await;

    let heard = clients.end().await;
    assert_eq!(heard.keys().collect::<Vec<_>>(), ["200 one", "200 two"], "{heard:?}");
    assert!(heard.values().sum::<usize>() > 1000, "{heard:?}");

    drop((one_runs, two_runs));
    let mut client = Connection::tls(server.https, "shop.test").await.unwrap();
    is(&server, 0, "unwell").await;
    is(&server, 1, "unwell").await;
    let answer = client.request("GET", "shop.test", "/", "").await.unwrap();
    assert!(matches!(answer.status, 502 | 503), "{}", answer.head);
    assert!(answer.header("retry-after").is_some(), "{}", answer.head);
    let _one_runs = one.start();
    eventually("it answers again", async || {
        let answer = client.request("GET", "shop.test", "/", "").await.unwrap();
        (answer.text() == "one").then_some(())
    })
    .await;
}

/// Waits until an upstream of the site does like that.
async fn is(server: &StartedProgram, index: usize, state: &str) {
    let id = SiteId::parse("shop-test").unwrap();
    let client = Client::local(server.data_directory());
    eventually(&format!("upstream {index} is {state}"), async || {
        (client.show_upstreams(&id).await.unwrap().upstreams[index].state == state).then_some(())
    })
    .await;
}

/// Is an nginx that answers with its name, always at the same port.
struct Nginx {
    port: u16,
    directory: PathBuf,
}

impl Nginx {
    fn new(server: &StartedProgram, name: &str) -> Self {
        let (port, directory) = (free_port(), server.files().join(name));
        std::fs::create_dir(&directory).unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {what}; "))
            .concat();
        let text = format!(
            "daemon off; pid nginx.pid; error_log stderr; worker_processes 1; {} events {{ worker_connections 64; }}
            http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; return 200 {name}; }} }}",
            user()
        );
        std::fs::write(directory.join("nginx.conf"), text).unwrap();
        Self { port, directory }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn start(&self) -> ChildGroup {
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(&self.directory).args(["-c", "nginx.conf", "-e", "stderr"]);
        let running = ChildGroup::start(&mut command);
        wait_for(self.port);
        running
    }
}

/// Asks all the time, and remembers what came.
struct Clients {
    heard: Arc<Mutex<Heard>>,
    asking: JoinSet<()>,
}

#[derive(Default)]
struct Heard {
    /// Each status with its text, or what went wrong, and how often.
    all: BTreeMap<String, usize>,
    /// The texts that came since somebody asked for them.
    lately: BTreeMap<String, usize>,
}

impl Clients {
    fn begin(https: SocketAddr) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let mut asking = JoinSet::new();
        for _ in 0..CLIENTS {
            let heard = Arc::clone(&heard);
            asking.spawn(async move {
                let mut connection = Connection::tls(https, "shop.test").await.unwrap();
                loop {
                    let answer = connection.request("GET", "shop.test", "/", "").await;
                    let (whole, text) = match &answer {
                        Ok(answer) => (format!("{} {}", answer.status, answer.text()), answer.text()),
                        Err(error) => (error.to_string(), error.to_string()),
                    };
                    {
                        let mut heard = heard.lock().unwrap();
                        *heard.all.entry(whole).or_default() += 1;
                        *heard.lately.entry(text).or_default() += 1;
                    }
                    if answer.is_err() {
                        return;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self { heard, asking }
    }

    /// Waits until each of those has answered some more requests, from now on.
    async fn hear(&self, what: &str, names: &[&str]) {
        self.heard.lock().unwrap().lately.clear();
        eventually(&format!("clients hear {what}"), async || {
            let heard = self.heard.lock().unwrap();
            names.iter().all(|name| heard.lately.get(*name).is_some_and(|count| *count >= 3 * CLIENTS)).then_some(())
        })
        .await;
    }

    /// Who answered since it was last begun to hear.
    fn lately(&self) -> Vec<String> {
        self.heard.lock().unwrap().lately.keys().cloned().collect()
    }

    async fn end(mut self) -> BTreeMap<String, usize> {
        self.asking.shutdown().await;
        std::mem::take(&mut self.heard.lock().unwrap().all)
    }
}
