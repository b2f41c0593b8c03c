//! Listeners while they are served, and how that ends.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::net::{self, Limits, Listener, Stop};

/// Listeners that are being served.
pub struct Listening {
    stop: Stop,
    serving: Vec<JoinHandle<()>>,
}

impl Listening {
    pub fn start(
        listeners: Vec<(Listener, Option<Arc<ServerConfig>>)>,
        router: &axum::Router,
        limits: &Limits,
    ) -> Self {
        let stop = Stop::default();
        let serve =
            |(listener, tls)| tokio::spawn(net::serve(listener, tls, router.clone(), limits.clone(), stop.clone()));
        Self { serving: listeners.into_iter().map(serve).collect(), stop }
    }

    /// Lets what is under way finish until `deadline`, and drops what is left then.
    pub async fn finish(self, deadline: Instant) {
        self.stop.drain.cancel();
        for mut serving in self.serving {
            if timeout_at(deadline, &mut serving).await.is_err() {
                self.stop.abort.cancel();
                // Ends at once; there is nothing to learn from how.
                let _ = serving.await;
            }
        }
    }
}
