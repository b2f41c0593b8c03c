package smilerelay

import (
	"context"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc"

	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

const (
	defaultTarget            = "127.0.0.1:50051"
	defaultHeartbeatInterval = 15 * time.Second
	defaultMaxEventBytes     = 3 << 20
	defaultBackoffMin        = 100 * time.Millisecond
	defaultBackoffMax        = 10 * time.Second

	// What a message may take beyond its largest event: the events before it, and the checkpoint.
	messageOverhead = 1 << 20
)

// Config says what to receive, from which relay, and how. The zero Config receives all webhooks from now on, from a
// relay on this machine, and keeps its place in memory.
type Config struct {
	// Target is where the relay listens: "host:port" or "unix:/path/of/the/socket". Default: "127.0.0.1:50051".
	Target string
	// TLS encrypts the connection. Default (nil): plaintext.
	TLS *TLS
	// TokenFile names a file with a bearer token. It is read again for each call, so it may be replaced at any time. Only
	// with TLS, a loopback address or a Unix socket. Default: no token.
	TokenFile string

	// Cursors keeps the place to resume from. One subscription at a time may use it. Default: a new MemoryStore for each
	// call of Subscribe.
	Cursors CursorStore
	// Start is where to begin when Cursors is empty. Default: StartLatest.
	Start Start
	// OnGap is asked when events that were not read are gone, or the log is not the one that was read. It returns where to
	// go on, or an error that ends the subscription. Default: Subscribe returns the *GapError, as it does if OnGap returns
	// the zero Start.
	OnGap func(ctx context.Context, gap *GapError) (Start, error)

	// Filter says which events to receive. Default: every signed webhook.
	Filter *smilerelayv1.EventFilter
	// IncludeRawBody asks for the exact bytes and the signature that Smile sent as well.
	IncludeRawBody bool
	// StopWhenCaughtUp makes Subscribe return nil once everything is handled that the log held when the stream opened.
	StopWhenCaughtUp bool
	// Consumer is a name for the relay's metrics and logs, at most 128 bytes. Default: none.
	Consumer string
	// HeartbeatInterval is the longest silence that the relay may keep: 1 s to 5 min. After two of them the stream is
	// taken for dead and opened again. Default: 15 s.
	HeartbeatInterval time.Duration
	// MaxEventBytes is how large an event may be to come whole; a larger one comes with `omitted` set. At least 4,096. The
	// limit for received messages follows it. Default: 3 MiB.
	MaxEventBytes int
	// FetchOmitted gets events that are larger than MaxEventBytes by a call of their own, whatever their size, so that the
	// handler sees them whole. Default: it sees them as they come, with `omitted` set.
	FetchOmitted bool

	// BackoffMin and BackoffMax bound the delay before the stream is opened again: it is random between half and the whole
	// of BackoffMin doubled with each failure in a row, up to BackoffMax, and never less than the relay asks for. Default:
	// 100 ms and 10 s.
	BackoffMin, BackoffMax time.Duration

	// OnConnected is told when a stream has delivered its first message. Like the handler, it is called on the goroutine
	// that called Subscribe. Default: nobody is told.
	OnConnected func(Connected)
	// OnLost is told when a stream has ended and will be opened again. Default: nobody is told.
	OnLost func(Lost)

	// DialOptions are applied after the package's own, and win over them: interceptors, a stats handler, a user agent.
	DialOptions []grpc.DialOption
}

// Connected says that a stream is open.
type Connected struct {
	// After is the cursor that was resumed from. Empty if there was none.
	After string
}

// Lost says that a stream has ended, or could not be opened, and will be opened again.
type Lost struct {
	// Err is how it ended: a *StatusError, or ErrDeadStream.
	Err error
	// Delay is how long it will be until the next attempt.
	Delay time.Duration
}

// ConfigError is returned by Subscribe if the Config can't be followed. Nothing was sent to the relay.
type ConfigError struct {
	// Field is the name of the field of Config.
	Field string
	// Problem is what is the matter with it.
	Problem string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("smilerelay: Config.%s: %s", e.Field, e.Problem)
}

func (c *Config) setDefaults() {
	if c.Target == "" {
		c.Target = defaultTarget
	}
	if c.HeartbeatInterval == 0 {
		c.HeartbeatInterval = defaultHeartbeatInterval
	}
	if c.MaxEventBytes == 0 {
		c.MaxEventBytes = defaultMaxEventBytes
	}
	if c.BackoffMin == 0 {
		c.BackoffMin = defaultBackoffMin
	}
	if c.BackoffMax == 0 {
		c.BackoffMax = max(defaultBackoffMax, c.BackoffMin)
	}
}

// check finds what the relay can't: the rest is left to it, so that its bounds are written down in one place.
func (c *Config) check() error {
	address, err := parseTarget(c.Target)
	if err != nil {
		return &ConfigError{"Target", err.Error()}
	}
	if c.TLS != nil {
		// Read again for each connection; here to find mistakes before the first.
		if _, err := c.TLS.credentials(); err != nil {
			return &ConfigError{"TLS", err.Error()}
		}
	}
	if c.TokenFile != "" {
		if c.TLS == nil && !address.isLocal {
			return &ConfigError{"TokenFile", "a token is not sent in plaintext to another machine: set Config.TLS"}
		}
		if _, err := readToken(c.TokenFile); err != nil {
			return &ConfigError{"TokenFile", err.Error()}
		}
	}
	if c.HeartbeatInterval < 0 {
		return &ConfigError{"HeartbeatInterval", "it can't be negative"}
	}
	if c.MaxEventBytes < 0 || c.MaxEventBytes > math.MaxInt32-messageOverhead {
		return &ConfigError{"MaxEventBytes", fmt.Sprintf("it has to be from 4,096 to %d", math.MaxInt32-messageOverhead)}
	}
	if c.BackoffMin < 0 || c.BackoffMax < c.BackoffMin {
		return &ConfigError{"BackoffMax", "it can't be less than Config.BackoffMin, and neither can be negative"}
	}
	return nil
}
