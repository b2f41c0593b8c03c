//! Sending, to a listener that looks at what arrives.

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use axum::{Router, extract::ConnectInfo, http::HeaderMap};
use tokio::{net::TcpListener, sync::Mutex};

use super::*;

/// Answers with 200 what is signed with "s3cret", else with 401. Remembers the connections that were used.
async fn listen(connections: Arc<Mutex<HashSet<SocketAddr>>>) -> Uri {
    let answer = move |ConnectInfo(from): ConnectInfo<SocketAddr>, headers: HeaderMap, body: Bytes| async move {
        connections.lock().await.insert(from);
        let signed = hex_string(&Secret::new("s3cret").unwrap().sign(&body));
        if headers["smile-signature"] == signed.as_str() && headers[CONTENT_TYPE] == "application/json" {
            (StatusCode::OK, r#"{"status":"duplicate"}"#)
        } else {
            (StatusCode::UNAUTHORIZED, r#"{"error":{"code":"unauthorized","message":"no"}}"#)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/smile", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    url.parse().unwrap()
}

fn sender(url: &Uri, secret: &str) -> Sender {
    Sender::new(url.clone(), Secret::new(secret).unwrap(), &Trust::System).unwrap()
}

#[tokio::test]
async fn what_is_sent_is_signed_and_its_bytes_are_kept() {
    let connections = Arc::default();
    let url = listen(Arc::clone(&connections)).await;
    let right = sender(&url, "s3cret");
    for body in [&b"{ \"a\" : 1.50 }\n"[..], b"", b"\xff\0"] {
        let answer = right.send(Bytes::from_static(body)).await.unwrap();
        assert!(answer.is_success() && answer.is_duplicate());
    }
    assert_eq!(connections.lock().await.len(), 1, "connections are kept for the next sending");

    let answer = sender(&url, "other").send(Bytes::new()).await.unwrap();
    assert!(!answer.is_success() && !answer.is_duplicate());
    assert_eq!(answer.message().as_deref(), Some("no"));
}

#[tokio::test]
async fn nobody_there_is_an_error_that_tells_no_secret() {
    // Bound and let go, so that nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{address}/").parse().unwrap();
    let error = sender(&url, "s3cret").send(Bytes::new()).await.unwrap_err();
    assert!(error.to_string().contains("is `smile-relay serve` running?"), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}
