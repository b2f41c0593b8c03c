package smilerelay

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

// Handler takes one event. When it returns nil, the event is not sent again. Its context is the one that Subscribe was
// given. The event is the handler's to keep.
type Handler func(ctx context.Context, event *smilerelayv1.Event) error

// Client subscribes to a relay. Several goroutines may use it at once, as long as their subscriptions don't share a
// CursorStore.
type Client struct {
	config Config
}

// New returns a client. Mistakes in the Config are reported by Subscribe; nothing is connected yet.
func New(config Config) *Client {
	config.setDefaults()
	return &Client{config}
}

// Subscribe calls handle for one event after the other, in the log's order, on this goroutine, until something ends it.
// It returns
//   - the context's error when the context ends, with everything saved that was handled;
//   - handle's error, as it is: the event comes again next time;
//   - the error of the CursorStore, wrapped;
//   - a *GapError if events are missing and Config.OnGap doesn't say where to go on, or else OnGap's own error;
//   - a *StatusError if the relay refuses for good;
//   - a *ConfigError if the Config can't be followed;
//   - nil if Config.StopWhenCaughtUp is set and everything is handled.
//
// Everything else is retried.
func (c *Client) Subscribe(ctx context.Context, handle Handler) error {
	if err := c.config.check(); err != nil {
		return err
	}
	place, err := loadPlace(ctx, &c.config)
	if err != nil {
		return err
	}
	s := subscription{config: &c.config, handle: handle, place: place}
	return s.run(ctx)
}

// subscription is one call of Subscribe.
type subscription struct {
	config *Config
	handle Handler
	place  *place
	// Streams in a row that ended before their first message.
	failures int
	// Fetches in a row that failed. The streams around them begin well, so failures doesn't count them.
	failedFetches int
}

func (s *subscription) run(ctx context.Context) error {
	for {
		err := s.stream(ctx)
		settleErr := s.place.settle(ctx)
		ended, isEnding := err.(*ending)
		if !isEnding {
			return err
		}
		if settleErr != nil {
			return settleErr
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if ended.status.Code() == codes.OK && s.config.StopWhenCaughtUp {
			return nil
		}
		if err := s.resume(ctx, ended); err != nil {
			return err
		}
	}
}

// resume returns nil when it is time for the next stream, or why there will be none.
func (s *subscription) resume(ctx context.Context, ended *ending) error {
	s.failures++
	delay := backoff(s.config.BackoffMin, s.config.BackoffMax, max(s.failures, s.failedFetches))
	delay = max(delay, ended.retryDelay())
	switch ended.judge(s.config.TokenFile != "") {
	case final:
		return ended.err()
	case gap:
		if err := s.cross(ctx, ended.gapError(s.place.start.cursor)); err != nil {
			return err
		}
	case retry:
		if s.config.OnLost != nil {
			s.config.OnLost(Lost{Err: ended.err(), Delay: delay})
		}
	}
	return wait(ctx, delay)
}

// cross lets the application decide where to go on after a gap.
func (s *subscription) cross(ctx context.Context, gap *GapError) error {
	if s.config.OnGap == nil {
		return gap
	}
	start, err := s.config.OnGap(ctx, gap)
	if err != nil {
		return err
	}
	if start.isZero() {
		return gap
	}
	if start == StartLatest() && gap.Latest != "" {
		// The place that the application was told of: what came since is not skipped.
		start = StartAfter(gap.Latest)
	}
	s.place.start = start
	return nil
}
