//! The floor of (a): a bare axum handler that verifies the signature of a webhook and answers 200. Nothing is kept.
//!
//! Served as axum is served where TLS ends in the process: by `axum::serve` on a listener of tokio-rustls, and with the
//! relay's own TLS settings. The relay's own way of serving would be the easier floor for it, as it would share its cost.

use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::{Router, body::Bytes, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use smile_relay::net::tls;
use smile_relay::webhook::{
    Secret,
    signature::{Verifier, parse},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::server::SECRET;

pub const ROLE: &str = "floor-http";

/// Serves with the certificate and the key in these files, until it is killed.
pub fn run(args: &[&str]) {
    let [certificate, key] = args else { panic!("{ROLE} CERTIFICATE KEY") };
    let tls = tls::load(Path::new(certificate), Path::new(key), tls::ALPN_WEB).expect("the files are ours");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        let secrets = Arc::new(vec![Secret::new(SECRET.as_bytes()).expect("it is not empty")]);
        let router = Router::new().route("/webhooks/smile", post(receive)).with_state(secrets);
        let (sender, accepted) = mpsc::channel(64);
        tokio::spawn(accept(listener, TlsAcceptor::from(tls.config), sender));
        println!("{address}");
        axum::serve(Accepted { accepted, address }, router).await.expect("it goes on");
    });
}

async fn receive(State(secrets): State<Arc<Vec<Secret>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("smile-signature").and_then(|value| parse(value.as_bytes()));
    let (Some(signature), Some(mut verifier)) = (signature, Verifier::new(&secrets)) else {
        return StatusCode::UNAUTHORIZED;
    };
    verifier.update(&body);
    if verifier.verify(&signature).is_some() { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

/// Accepts and shakes hands, several connections at a time.
async fn accept(listener: TcpListener, tls: TlsAcceptor, sender: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    loop {
        let (stream, peer) = listener.accept().await.expect("there are file descriptors");
        stream.set_nodelay(true).expect("it is open");
        let (tls, sender) = (tls.clone(), sender.clone());
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(stream).await {
                // Fails only at the end.
                let _ = sender.send((stream, peer)).await;
            }
        });
    }
}

struct Accepted {
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl axum::serve::Listener for Accepted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        self.accepted.recv().await.expect("accepting goes on")
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
