package smilerelay

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	low, high := 100*time.Millisecond, 10*time.Second
	for failures, whole := range map[int]time.Duration{
		1:       100 * time.Millisecond,
		2:       200 * time.Millisecond,
		5:       1600 * time.Millisecond,
		7:       6400 * time.Millisecond,
		8:       high,
		1 << 40: high,
	} {
		seen := map[time.Duration]bool{}
		for range 100 {
			delay := backoff(low, high, failures)
			if delay < whole/2 || delay > whole {
				t.Errorf("after %d failures %v is not between %v and %v", failures, delay, whole/2, whole)
			}
			seen[delay] = true
		}
		if len(seen) < 2 {
			t.Errorf("after %d failures the delay is always the same", failures)
		}
	}
}

func TestBackoffOfEqualBounds(t *testing.T) {
	if delay := backoff(time.Second, time.Second, 3); delay < time.Second/2 || delay > time.Second {
		t.Error(delay)
	}
	if delay := backoff(1, 1, 1); delay > 1 {
		t.Error(delay)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := wait(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
