//! The one loop that accepts, for all listeners, and the order in which serving ends.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use futures_util::FutureExt;
use rustls::ServerConfig;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::{
    Limits, Listener, Peer, Stop,
    connection::{self, Activity, Shared},
    newcomers::Newcomers,
    stream::Stream,
};

/// How long to wait after an error of accept(2) that has nothing to do with the one connection, as when there are no
/// more file descriptors. Doubled up to the second value for as long as it lasts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Connections that were made before the drain began and still wait to be accepted are served too, up to so many.
const LATE_CONNECTIONS: usize = 1_024;

/// Serves `router` on `listener` until `stop`, and until all connections have ended.
pub async fn serve(listener: Listener, tls: Option<Arc<ServerConfig>>, router: Router, limits: Limits, stop: Stop) {
    let address = listener.local_address().clone();
    let tracker = TaskTracker::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    let shared = Arc::new(Shared::new(tls.map(TlsAcceptor::from), router, &limits, &tracker));
    let mut newcomers = Newcomers::new(limits.connections);
    let start = |accepted: (Stream, Peer), newcomers: &mut Newcomers, permit: OwnedSemaphorePermit| {
        let (activity, abort) = (Arc::new(Activity::default()), stop.abort.child_token());
        newcomers.add(&activity, abort.clone());
        let (shared, drain) = (Arc::clone(&shared), stop.drain.child_token());
        let serving = connection::serve(accepted, permit, activity, shared, drain, abort);
        tracker.spawn(serving);
    };
    let mut backoff = BACKOFF.0;
    let next = async |backoff: &mut Duration| loop {
        match listener.accept().await {
            Ok(accepted) => {
                *backoff = BACKOFF.0;
                return accepted;
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%address, %error, "can't accept connections just now");
                sleep(*backoff).await;
                *backoff = (*backoff * 2).min(BACKOFF.1);
            }
        }
    };
    // Accepted, and without a place.
    let mut waiting = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.abort.cancelled() => break,
            () = stop.drain.cancelled() => break,
            accepted = next(&mut backoff) => accepted,
        };
        let permit = if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
            permit
        } else {
            newcomers.give_way();
            tokio::select! {
                biased;
                () = stop.abort.cancelled() => break,
                () = stop.drain.cancelled() => {
                    waiting = Some(accepted);
                    break;
                }
                permit = Arc::clone(&room).acquire_owned() => permit.expect("this semaphore is never closed"),
            }
        };
        start(accepted, &mut newcomers, permit);
    }
    for _ in 0..LATE_CONNECTIONS {
        // Closing the listener would reset those that the kernel has accepted for us.
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { break };
        let Some(Ok(accepted)) = waiting.take().map(Ok).or_else(|| listener.accept().now_or_never()) else { break };
        start(accepted, &mut newcomers, permit);
    }
    drop(listener);
    tracker.close();
    tracker.wait().await;
}

/// True for what accept(2) reports of a connection that was lost before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests;
