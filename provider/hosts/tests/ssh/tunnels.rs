//! Tunnels through a connection.

use kubeone_hosts::{Host as _, HostError, Script};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Server, free_port};

#[tokio::test]
async fn bytes_pass_both_ways_beside_scripts() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    // More tunnels than sessions are allowed.
    let mut tunnels = Vec::new();
    for _ in 0..20 {
        tunnels.push(host.tunnel("127.0.0.1", port).await.unwrap());
    }
    host.run(&Script::new("x.sh", "true")).await.unwrap();
    for tunnel in &mut tunnels {
        tunnel.write_all(b"hello").await.unwrap();
        let mut answer = [0; 5];
        tunnel.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
    }
}

#[tokio::test]
async fn a_closed_port_is_an_error_that_names_it() {
    let Some(server) = Server::start() else { return };
    let port = free_port();
    let error = server.host().tunnel("127.0.0.1", port).await.err().unwrap();
    assert!(matches!(error, HostError::Tunnel { .. }));
    assert_eq!(error.to_string(), format!("[cp-1] could not reach `127.0.0.1:{port}` from the host"));
}
