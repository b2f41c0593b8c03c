//! The load: signed webhooks, as fast as they are answered, over a few keep-alive connections.
//!
//! It promises a complete account: one `Delivery` for every webhook of which a byte was sent, with the moment at which
//! its sending began and the answer, if one came. It never sends a webhook twice of its own accord; those handed to it
//! as `resend` go first, as Smile repeats what it got no 2xx for, and sometimes what it did.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::Sha512;

use crate::Outcome;
use crate::http::{Connection, Response};

const CONNECTIONS: usize = 8;
const SMALL: usize = 700;
const LARGE: usize = 200 * 1024;
/// One in so many is large.
const LARGE_ONE_IN: u32 = 50;

/// A webhook is a function of its id and size, so that any of them can be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: String,
    pub size: usize,
}

impl Webhook {
    fn random(random: &mut StdRng) -> Self {
        let size = if random.random_range(0..LARGE_ONE_IN) == 0 { LARGE } else { SMALL };
        Self { id: format!("et-{:032x}", random.random::<u128>()), size }
    }

    fn body(&self) -> Vec<u8> {
        let unique = &self.id[3..];
        let body = |padding: &str| {
            format!(
                r#"{{"id":"et-{unique}","version":1,"type":"ACCOUNT_CONNECTED","createdAt":"2026-11-23T10:00:00Z","data":{{"userId":"u-{unique}","accountId":"a-{unique}","loginName":"juan@example.com","providers":["sss_ph"],"padding":"{padding}"}}}}"#
            )
        };
        let bare = body("").len();
        body(&"x".repeat(self.size.saturating_sub(bare))).into_bytes()
    }

    pub fn send(&self, connection: &mut Connection, secret: &str) -> std::io::Result<Response> {
        let body = self.body();
        let mut signature = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("any length will do");
        signature.update(&body);
        let signature = hex::encode(signature.finalize().into_bytes());
        connection.post("/webhooks/smile", ("Smile-Signature", &signature), &body)
    }
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub webhook: Webhook,
    pub began: Instant,
    /// None: the connection broke before the whole answer was there.
    pub answer: Option<Response>,
}

impl Delivery {
    pub fn acknowledged(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| (200..300).contains(&answer.status))
    }

    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }
}

/// Running load. It ends by itself, connection by connection, when the relay no longer accepts any.
pub struct Load {
    stop: Arc<AtomicBool>,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(address: SocketAddr, secret: &str, random: &mut StdRng, resend: &[Webhook]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let deliveries = Arc::new(Mutex::new(Vec::new()));
        let sender = |index: usize| {
            let first: Vec<_> = resend.iter().skip(index).step_by(CONNECTIONS).cloned().collect();
            let sender = Sender {
                address,
                secret: secret.to_owned(),
                stop: Arc::clone(&stop),
                deliveries: Arc::clone(&deliveries),
            };
            let random = StdRng::seed_from_u64(random.random());
            thread::spawn(move || sender.run(&first, random))
        };
        let senders = (0..CONNECTIONS).map(sender).collect();
        Self { stop, deliveries, senders }
    }

    /// Looks at what has been answered so far.
    pub fn look<T>(&self, with: impl FnOnce(&[Delivery]) -> T) -> T {
        with(&self.deliveries.lock().expect("no sender panics while it holds this"))
    }

    /// Lets every connection finish its request and hands over the account.
    pub fn finish(mut self) -> Outcome<Vec<Delivery>> {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            sender.join().map_err(|_| "a sender of the load panicked")?;
        }
        Ok(self.look(<[_]>::to_vec))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Sender {
    address: SocketAddr,
    secret: String,
    stop: Arc<AtomicBool>,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

impl Sender {
    fn run(self, first: &[Webhook], mut random: StdRng) {
        let mut webhooks = first.iter().cloned().chain(std::iter::from_fn(|| Some(Webhook::random(&mut random))));
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(mut connection) = Connection::open(self.address) else { return };
            let mut open = true;
            while open && !self.stop.load(Ordering::Relaxed) {
                let webhook = webhooks.next().expect("endless");
                let began = Instant::now();
                let answer = webhook.send(&mut connection, &self.secret).ok();
                open = answer.as_ref().is_some_and(|answer| !answer.closing);
                let delivery = Delivery { webhook, began, answer };
                self.deliveries.lock().expect("no sender panics while it holds this").push(delivery);
            }
        }
    }
}
