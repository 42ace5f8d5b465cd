//! Servers that do more than answer: they open channels, ask for things, talk without end, or fall silent.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubeone_hosts::{ConnectError, Host as _, HostError, Script};
use kubeone_spec::SshSettings;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::server::{Server, Wire, connect, settings_of_stranger};

/// Lets every client in and, while it runs a command, tries to open channels of all kinds.
struct Hostile {
    outcomes: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl server::Handler for Hostile {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let (handle, outcomes) = (session.handle(), Arc::clone(&self.outcomes));
        tokio::spawn(async move {
            let note = |kind, opened| outcomes.lock().unwrap().push((kind, opened));
            let (here, there) = ("127.0.0.1", "127.0.0.1");
            note("forwarded-tcpip", handle.channel_open_forwarded_tcpip(here, 22, there, 1).await.is_ok());
            note("direct-tcpip", handle.channel_open_direct_tcpip(here, 22, there, 1).await.is_ok());
            note("x11", handle.channel_open_x11(here, 22).await.is_ok());
            note("agent", handle.channel_open_agent().await.is_ok());
            note("session", handle.channel_open_session().await.is_ok());
            note("forwarded-streamlocal", handle.channel_open_forwarded_streamlocal("/run/x.sock").await.is_ok());
            note("direct-streamlocal", handle.channel_open_direct_streamlocal("/run/x.sock").await.is_ok());
            // Things that only a client may ask for.
            let _ = handle.forward_tcpip("0.0.0.0".to_owned(), 1).await;
            let _ = handle.data(channel, b"still here".to_vec()).await;
            let _ = handle.exit_status_request(channel, 0).await;
            let _ = handle.close(channel).await;
        });
        Ok(())
    }
}

#[tokio::test]
async fn channels_that_a_server_opens_are_refused() {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    let config = Arc::new(server::Config { keys: vec![key], ..server::Config::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let outcomes = Arc::<Mutex<Vec<_>>>::default();
    let handler = Hostile { outcomes: Arc::clone(&outcomes) };
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let session = server::run_stream(config, stream, handler).await.unwrap();
        let _ = session.await;
    });
    let folder = tempfile::tempdir().unwrap();
    let host = connect(&SshSettings { port, ..settings_of_stranger(&folder.path().join("known_hosts")) });
    let _ = timeout(Duration::from_secs(20), host.run(&Script::new("x.sh", "true"))).await.unwrap();
    let outcomes = outcomes.lock().unwrap().clone();
    assert_eq!(outcomes.len(), 7, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|(_, opened)| *opened).collect::<Vec<_>>(), Vec::<&(&str, bool)>::new());
}

/// The clock runs ahead as soon as nothing else happens, so half a minute takes no time.
#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(&server).await;
    let host = connect(&SshSettings { port: wire.port, ..server.settings() });
    let script = Script::new("hangs.sh", "sleep 600");
    let mut hanging = host.run(&script);
    timeout(Duration::from_secs(3), &mut hanging).await.expect_err("it runs");
    wire.stop();
    tokio::time::pause();
    let began = Instant::now();
    let ended = timeout(Duration::from_mins(5), hanging).await;
    let error = ended.expect("the client notices that the server is gone").unwrap_err();
    assert!(matches!(error, HostError::ConnectionLost { .. }), "{error:?}");
    let silent = began.elapsed().as_secs();
    assert!((25..=40).contains(&silent), "{silent} s");
}

/// Nothing is waited for longer than the settings say, whatever keeps coming.
#[tokio::test]
async fn a_server_that_never_comes_to_the_point_is_given_up() {
    let endless: [(&[u8], &[u8]); 2] = [(b"", b"no protocol\r\n"), (b"SSH-2.0-x\r\n", &[0xff; 1024])];
    for (first, rest) in endless {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            while let Ok((mut stream, _)) = listener.accept().await {
                if stream.write_all(first).await.is_ok() {
                    while stream.write_all(rest).await.is_ok() {}
                }
            }
        });
        let settings = settings_of_stranger(Path::new("/nowhere/known_hosts"));
        let host = connect(&SshSettings { connect_timeout_seconds: 1, port, ..settings });
        let error = timeout(Duration::from_secs(10), host.connect()).await.unwrap().unwrap_err();
        let HostError::Connect { source: ConnectError::Ssh(_) | ConnectError::Timeout(_), .. } = error else {
            panic!("{error:?}")
        };
    }
}
