//! Two futures of which one is woken all the time and the other hardly ever.

use std::pin::pin;

use futures_util::{StreamExt, stream::FuturesUnordered};

/// Runs `often` to its end, unless `seldom` ends before it; if both could, `seldom` does.
///
/// `seldom` is polled only when it was woken itself. In a plain `select!` it would be polled with `often`, several times
/// a request: and a timer or a cancellation token takes a lock for that.
pub(super) async fn unless<O: Future, S: Future>(often: O, seldom: S) -> Result<O::Output, S::Output> {
    let mut often = pin!(often);
    let mut seldom = FuturesUnordered::from_iter([seldom]);
    tokio::select! {
        biased;
        Some(output) = seldom.next() => Err(output),
        output = often.as_mut() => Ok(output),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{pending, poll_fn, ready},
        task::Poll,
    };

    use super::*;

    #[tokio::test]
    async fn what_is_not_woken_is_not_polled_again() {
        let polls = Cell::new(0);
        let seldom = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        });
        let mut left = 10;
        let often = poll_fn(|cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        assert_eq!(unless(often, seldom).await, Ok(()));
        assert_eq!(polls.get(), 1);
    }

    #[tokio::test]
    async fn either_may_be_the_first_to_end() {
        assert_eq!(unless(ready(1), pending::<()>()).await, Ok(1));
        assert_eq!(unless(ready(1), ready(2)).await, Err(2));
        assert_eq!(unless(pending::<()>(), tokio::task::yield_now()).await, Err(()));
    }
}
