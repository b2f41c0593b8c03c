//! A cache of a fixed number of bytes whose missing values are loaded once for all who wait for them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use hashlink::LruCache;
use tokio_util::task::TaskTracker;

use crate::log::ReadError;

/// What a cached value takes of the budget.
pub trait Weigh: Send + Sync + 'static {
    fn bytes(&self) -> usize;
}

type Loading<V> = Shared<BoxFuture<'static, Result<Arc<V>, ReadError>>>;

pub struct Cache<K, V> {
    state: Arc<Mutex<State<K, V>>>,
    /// Loads run here, so that one who stops waiting does not stop those who wait with him.
    tasks: TaskTracker,
}

struct State<K, V> {
    ready: LruCache<K, Arc<V>>,
    loading: HashMap<K, Loading<V>>,
    bytes: usize,
    budget: usize,
    /// What it was cleared for last: what began to load before that is not kept.
    generation: u64,
}

impl<K: Copy + Eq + Hash + Send + 'static, V: Weigh> Cache<K, V> {
    pub fn new(budget: usize, tasks: TaskTracker) -> Self {
        let state =
            State { ready: LruCache::new_unbounded(), loading: HashMap::new(), bytes: 0, budget, generation: 0 };
        Self { state: Arc::new(Mutex::new(state)), tasks }
    }

    /// The value of `key`; by `load` if nobody has or loads it. A failure is not kept.
    pub async fn get(
        &self,
        key: K,
        load: impl Future<Output = Result<V, ReadError>> + Send + 'static,
    ) -> Result<Arc<V>, ReadError> {
        let loading = {
            let mut state = lock(&self.state);
            if let Some(value) = state.ready.get(&key) {
                return Ok(Arc::clone(value));
            }
            state.loading.get(&key).cloned().unwrap_or_else(|| {
                let shared = Arc::clone(&self.state);
                let generation = state.generation;
                let task = self.tasks.spawn(async move {
                    let result = load.await.map(Arc::new);
                    let mut state = lock(&shared);
                    if state.generation == generation {
                        state.loading.remove(&key);
                        if let Ok(value) = &result {
                            state.put(key, Arc::clone(value));
                        }
                    }
                    result
                });
                let loading = async { task.await.unwrap_or_else(|e| Err(ReadError(e.to_string()))) }.boxed().shared();
                state.loading.insert(key, loading.clone());
                loading
            })
        };
        loading.await
    }

    /// Drops everything, for what comes is of another `generation`. What is being loaded still reaches those who wait for it,
    /// and nobody who asks from now on.
    pub fn clear(&self, generation: u64) {
        let mut state = lock(&self.state);
        state.ready.clear();
        state.loading.clear();
        state.bytes = 0;
        state.generation = generation;
    }

    /// Keeps a value that was made elsewhere, of what is of this `generation`; not if that has passed meanwhile.
    pub fn put(&self, generation: u64, key: K, value: Arc<V>) {
        let mut state = lock(&self.state);
        if state.generation == generation {
            state.put(key, value);
        }
    }
}

impl<K: Eq + Hash, V: Weigh> State<K, V> {
    /// The least recently used make room. A value larger than the whole budget is kept alone.
    fn put(&mut self, key: K, value: Arc<V>) {
        self.bytes += value.bytes();
        if let Some(before) = self.ready.insert(key, value) {
            self.bytes -= before.bytes();
        }
        while self.bytes > self.budget
            && self.ready.len() > 1
            && let Some((_, oldest)) = self.ready.remove_lru()
        {
            self.bytes -= oldest.bytes();
        }
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), tasks: self.tasks.clone() }
    }
}

/// Nothing that runs under this lock can panic half-way.
fn lock<K, V>(state: &Mutex<State<K, V>>) -> MutexGuard<'_, State<K, V>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    impl Weigh for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    #[tokio::test]
    async fn loads_once_for_all_who_wait() {
        let cache = Cache::new(100, TaskTracker::new());
        let loads = Arc::new(AtomicUsize::new(0));
        let waiting = (0..50).map(|_| {
            let loads = Arc::clone(&loads);
            cache.get(7, async move {
                tokio::task::yield_now().await;
                Ok(loads.fetch_add(1, Ordering::Relaxed) + 1)
            })
        });
        let got = futures_util::future::join_all(waiting).await;
        assert!(got.into_iter().all(|value| *value.unwrap() == 1));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn one_who_stops_waiting_stops_nobody_else() {
        let cache = Cache::new(100, TaskTracker::new());
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let mut first = Box::pin(cache.get(1, async move {
            let _ = gone.await;
            Ok(5)
        }));
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = cache.get(1, async { unreachable!("it is loading already") });
        drop(first);
        go.send(()).unwrap();
        assert_eq!(*second.await.unwrap(), 5);
    }

    #[tokio::test]
    async fn what_is_cleared_is_loaded_anew_also_if_it_was_loading() {
        let cache = Cache::new(100, TaskTracker::new());
        cache.get(1, async { Ok(5) }).await.unwrap();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let mut before = Box::pin(cache.get(2, async move {
            let _ = gone.await;
            Ok(6)
        }));
        assert!(futures_util::poll!(&mut before).is_pending());
        cache.clear(1);
        assert_eq!(*cache.get(1, async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(*cache.get(2, async { Ok(8) }).await.unwrap(), 8);
        go.send(()).unwrap();
        assert_eq!(*before.await.unwrap(), 6);
        assert_eq!(*cache.get(2, async { unreachable!("it is kept") }).await.unwrap(), 8);
        cache.put(0, 3, Arc::new(1));
        assert_eq!(*cache.get(3, async { Ok(2) }).await.unwrap(), 2, "what is of before is not kept");
        assert_eq!(lock(&cache.state).bytes, 17);
    }

    #[tokio::test]
    async fn keeps_within_its_budget_and_forgets_failures() {
        let cache = Cache::new(100, TaskTracker::new());
        for key in 0..50 {
            cache.get(key, async { Ok(30) }).await.unwrap();
            assert!(lock(&cache.state).bytes <= 100);
        }
        cache.get(99, async { Ok(1000) }).await.unwrap();
        assert_eq!(lock(&cache.state).ready.len(), 1);
        assert!(cache.get(5, async { Err(ReadError("no".into())) }).await.is_err());
        assert_eq!(*cache.get(5, async { Ok(3) }).await.unwrap(), 3);
    }
}
