//! A gate between the server and the CA that passes bytes, knows where a request begins, and kills there.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Says when around a request the server is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the CA has the request.
    Before,
    /// After the CA has dealt with it, and before its answer is there.
    Unanswered,
    /// Right after the answer is there.
    Answered,
}

impl Moment {
    pub(super) const ALL: [Self; 3] = [Self::Before, Self::Unanswered, Self::Answered];
}

/// Kills a server.
pub(super) type Killer = Arc<dyn Fn() + Send + Sync>;

/// Is the gate; dropping it closes it.
pub(super) struct Gate {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    plan: Mutex<Plan>,
    /// Who is to be killed, once that is known.
    killer: watch::Sender<Option<Killer>>,
}

#[derive(Default)]
struct Plan {
    /// Requests until the one at which it kills.
    left: usize,
    moment: Option<Moment>,
}

impl Gate {
    /// Opens a gate to an address.
    pub(super) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { plan: Mutex::default(), killer: watch::Sender::new(None) });
        let passing = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&passing);
                connections.spawn(async move {
                    let _ = pass(stream, to, &shared).await;
                });
            }
        });
        Self { port, shared, accepting }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Kills a server around its request of that number, from now on.
    pub(super) fn kill_at(&self, number: usize, moment: Moment, killer: Killer) {
        self.kill_when_told(number, moment);
        self.tell(killer);
    }

    /// The same for a server that is only starting: what it asked waits until it is told whom to kill.
    pub(super) fn kill_when_told(&self, number: usize, moment: Moment) {
        self.shared.killer.send_replace(None);
        *self.shared.plan.lock().unwrap() = Plan { left: number, moment: Some(moment) };
    }

    /// Tells whom to kill.
    pub(super) fn tell(&self, killer: Killer) {
        self.shared.killer.send_replace(Some(killer));
    }

    /// Kills nobody any more; whether the moment has come before.
    pub(super) fn let_pass(&self) -> bool {
        std::mem::take(&mut *self.shared.plan.lock().unwrap()).moment.is_none()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    /// Counts a request; the moment of the kill if it is the one.
    fn count(&self) -> Option<Moment> {
        let mut plan = self.plan.lock().unwrap();
        plan.left = plan.left.saturating_sub(1);
        if plan.left > 0 { None } else { plan.moment.take() }
    }

    async fn kill(&self) {
        let mut killer = self.killer.subscribe();
        let killer = killer.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        killer();
    }
}

/// Passes bytes both ways. Whoever speaks after the other one has begins a request, the handshake included.
async fn pass(mut client: TcpStream, to: SocketAddr, shared: &Shared) -> std::io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut sent, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let (mut is_asking, mut moment) = (false, None);
    loop {
        tokio::select! {
            length = client.read(&mut sent) => {
                let length = length?;
                if length == 0 {
                    return Ok(());
                }
                if !is_asking {
                    is_asking = true;
                    moment = shared.count();
                }
                if moment == Some(Moment::Before) {
                    shared.kill().await;
                    return Ok(());
                }
                server.write_all(&sent[..length]).await?;
            }
            length = server.read(&mut answered) => {
                let length = length?;
                if length == 0 {
                    return Ok(());
                }
                is_asking = false;
                if moment == Some(Moment::Unanswered) {
                    shared.kill().await;
                    return Ok(());
                }
                client.write_all(&answered[..length]).await?;
                if moment == Some(Moment::Answered) {
                    shared.kill().await;
                    return Ok(());
                }
            }
        }
    }
}
