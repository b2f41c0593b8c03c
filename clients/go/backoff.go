package smilerelay

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the delay after so many failures in a row: random, so that the subscribers of a relay that was restarted
// don't all come back at the same moment.
func backoff(low, high time.Duration, failures int) time.Duration {
	whole := low
	for range failures - 1 {
		if whole > high/2 {
			whole = high
			break
		}
		whole *= 2
	}
	half := whole / 2
	return half + rand.N(whole-half+1)
}

// wait returns early, with an error, if the context ends.
func wait(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
