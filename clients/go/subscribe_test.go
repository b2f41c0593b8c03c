package smilerelay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

var errUnavailable = status.Error(codes.Unavailable, "away")

func subscribe(t *testing.T, config Config, handle Handler) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return New(config).Subscribe(ctx, handle)
}

func stored(t *testing.T, config Config) string {
	t.Helper()
	cursor, err := config.Cursors.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cursor
}

func TestResumesAfterTheLastHandledEvent(t *testing.T) {
	relay := startFakeRelay(t,
		play(errUnavailable),
		play(errUnavailable, checkpoint("begin"), events(1, 2)),
		play(refusal(codes.ResourceExhausted, "TOO_MANY_STREAMS")),
		play(nil, checkpoint("cursor-2"), events(3)),
	)
	config := relay.config()
	config.Start = StartEarliest()
	config.StopWhenCaughtUp = true
	var connected []string
	config.OnConnected = func(c Connected) { connected = append(connected, c.After) }
	lost := 0
	config.OnLost = func(Lost) { lost++ }

	var got []uint64
	if err := subscribe(t, config, collect(&got)); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("got events %v, want %v", got, want)
	}
	asked := relay.asked()
	for i, want := range []string{"", "", "cursor-2", "cursor-2"} {
		if got := asked[i].GetAfterCursor(); got != want {
			t.Errorf("stream %d asked for what follows %q, want %q", i+1, got, want)
		}
	}
	if got := asked[1].GetPosition(); got != smilerelayv1.StartPosition_START_POSITION_EARLIEST {
		t.Errorf("stream 2 started at %v", got)
	}
	if want := []string{"", "cursor-2"}; !slices.Equal(connected, want) || lost != 3 {
		t.Errorf("connected after %q and lost %d times, want %q and 3", connected, lost, want)
	}
	if got := stored(t, config); got != "cursor-3" {
		t.Errorf("stored %q", got)
	}
}

func TestSaysInTheRequestWhatTheConfigSays(t *testing.T) {
	relay := startFakeRelay(t, play(nil))
	config := relay.config()
	config.Cursors.Save(t.Context(), "kept")
	config.Start = StartEarliest()
	config.Filter = &smilerelayv1.EventFilter{UserIds: []string{"u"}}
	config.IncludeRawBody = true
	config.StopWhenCaughtUp = true
	config.Consumer = "me"
	config.HeartbeatInterval = 3 * time.Second
	config.MaxEventBytes = 5000
	if err := subscribe(t, config, nil); err != nil {
		t.Fatal(err)
	}
	request := relay.asked()[0]
	if request.GetAfterCursor() != "kept" || request.GetFilter().GetUserIds()[0] != "u" || !request.GetIncludeRawBody() ||
		!request.GetStopWhenCaughtUp() || request.GetConsumer() != "me" || request.GetMaxEventBytes() != 5000 ||
		request.GetHeartbeatInterval().AsDuration() != 3*time.Second {
		t.Errorf("asked for %v", request)
	}
}

func TestAnErrorOfTheHandlerEndsIt(t *testing.T) {
	relay := startFakeRelay(t, play(nil, checkpoint("begin"), events(1, 2, 3)))
	config := relay.config()
	// A status, as of a handler that calls another service: not to be taken for the stream's.
	mine := status.Error(codes.Unavailable, "the handler's own")
	err := subscribe(t, config, func(_ context.Context, event *smilerelayv1.Event) error {
		if event.GetSequence() == 2 {
			return mine
		}
		return nil
	})
	if err != mine {
		t.Errorf("got %v", err)
	}
	if got := stored(t, config); got != "cursor-1" {
		t.Errorf("stored %q", got)
	}
}

func TestAnErrorOfTheStoreEndsIt(t *testing.T) {
	relay := startFakeRelay(t, play(nil, events(1)))
	config := relay.config()
	config.Cursors = FileStore(filepath.Join(t.TempDir(), "missing", "cursor"))
	var got []uint64
	if err := subscribe(t, config, collect(&got)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestStopsInTheHandler(t *testing.T) {
	relay := startFakeRelay(t, playAndHang(events(1, 2)))
	config := relay.config()
	ctx, cancel := context.WithCancel(t.Context())
	var got []uint64
	err := New(config).Subscribe(ctx, func(ctx context.Context, event *smilerelayv1.Event) error {
		cancel()
		return collect(&got)(ctx, event)
	})
	if !errors.Is(err, context.Canceled) || len(got) != 1 {
		t.Errorf("got %v after %v", err, got)
	}
	if got := stored(t, config); got != "cursor-1" {
		t.Errorf("stored %q: what was handled has to be kept", got)
	}
}

func TestStopsWhileItReceives(t *testing.T) {
	relay := startFakeRelay(t, playAndHang(checkpoint("begin"), checkpoint("further")))
	config := relay.config()
	ctx, cancel := context.WithCancel(t.Context())
	config.OnConnected = func(Connected) { cancel() }
	if err := New(config).Subscribe(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestStopsDuringABackoffThatIsNotLessThanTheRelayWants(t *testing.T) {
	delay := &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)}
	draining := refusal(codes.Unavailable, "DRAINING", delay)
	relay := startFakeRelay(t, play(draining, checkpoint("begin"), checkpoint("last")))
	config := relay.config()
	ctx, cancel := context.WithCancel(t.Context())
	var lost Lost
	config.OnLost = func(l Lost) {
		lost = l
		cancel()
	}
	if err := New(config).Subscribe(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	var statusErr *StatusError
	if !errors.As(lost.Err, &statusErr) || statusErr.Code != codes.Unavailable || statusErr.Reason != "DRAINING" {
		t.Errorf("lost by %v", lost.Err)
	}
	if lost.Delay != time.Hour {
		t.Errorf("comes again in %v", lost.Delay)
	}
	if got := stored(t, config); got != "last" {
		t.Errorf("stored %q: the last checkpoint has to be kept", got)
	}
}

func TestAsksWhatToDoAboutAGap(t *testing.T) {
	expired := refusal(codes.OutOfRange, "CURSOR_EXPIRED")
	enough := errors.New("enough")
	after := func(cursor string) *smilerelayv1.SubscribeRequest {
		return &smilerelayv1.SubscribeRequest{Start: &smilerelayv1.SubscribeRequest_AfterCursor{AfterCursor: cursor}}
	}
	cases := map[string]struct {
		onGap func(context.Context, *GapError) (Start, error)
		err   error
		// The next request; nil if there is none.
		next *smilerelayv1.SubscribeRequest
	}{
		"nobody to ask": {nil, new(GapError), nil},
		"no answer":     {answer(Start{}, nil), new(GapError), nil},
		"an error":      {answer(Start{}, enough), enough, nil},
		"earliest": {answer(StartEarliest(), nil), nil, &smilerelayv1.SubscribeRequest{
			Start: &smilerelayv1.SubscribeRequest_Position{Position: smilerelayv1.StartPosition_START_POSITION_EARLIEST},
		}},
		"latest":        {answer(StartLatest(), nil), nil, after("the-latest")},
		"after another": {answer(StartAfter("another"), nil), nil, after("another")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			relay := startFakeRelay(t, play(expired, checkpoint("begin"), events(1)), play(nil))
			config := relay.config()
			config.StopWhenCaughtUp = true
			config.OnGap = c.onGap
			var got []uint64
			err := subscribe(t, config, collect(&got))
			var gap *GapError
			if errors.As(c.err, &gap) {
				if !errors.As(err, &gap) || gap.Reason != ReasonCursorExpired || gap.Asked != "cursor-1" ||
					gap.Earliest != "the-earliest" || gap.Latest != "the-latest" || status.Code(err) != codes.OutOfRange {
					t.Errorf("got %#v", err)
				}
			} else if !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
			asked := relay.asked()
			if c.next == nil {
				if len(asked) != 1 {
					t.Errorf("came back without being told to")
				}
			} else if got := asked[1]; got.GetAfterCursor() != c.next.GetAfterCursor() || got.GetPosition() != c.next.GetPosition() {
				t.Errorf("went on with %v", got)
			}
			if got := stored(t, config); got != "cursor-1" {
				t.Errorf("stored %q: nothing was received since", got)
			}
		})
	}
}

func answer(start Start, err error) func(context.Context, *GapError) (Start, error) {
	return func(context.Context, *GapError) (Start, error) { return start, err }
}

func TestADeadStreamIsOpenedAgainOverANewConnection(t *testing.T) {
	var peers []string
	noted := func(script func(subscribeStream) error) func(subscribeStream) error {
		return func(stream subscribeStream) error {
			from, _ := peer.FromContext(stream.Context())
			peers = append(peers, from.Addr.String())
			return script(stream)
		}
	}
	relay := startFakeRelay(t,
		noted(playAndHang(heartbeat("begin", 20*time.Millisecond), events(1))),
		noted(play(nil)),
	)
	config := relay.config()
	config.StopWhenCaughtUp = true
	var lost []error
	config.OnLost = func(l Lost) { lost = append(lost, l.Err) }
	var got []uint64
	if err := subscribe(t, config, collect(&got)); err != nil {
		t.Fatal(err)
	}
	if len(lost) != 1 || !errors.Is(lost[0], ErrDeadStream) {
		t.Errorf("lost by %v", lost)
	}
	if peers[0] == peers[1] {
		t.Error("the dead connection was used again")
	}
	if got := relay.asked()[1].GetAfterCursor(); got != "cursor-1" {
		t.Errorf("resumed after %q", got)
	}
}

func TestASlowHandlerIsNotADeadStream(t *testing.T) {
	const interval = 20 * time.Millisecond
	// The second event is in time; the handler of the first is not.
	relay := startFakeRelay(t, play(nil, heartbeat("begin", interval), events(1), events(2)))
	config := relay.config()
	config.StopWhenCaughtUp = true
	var got []uint64
	err := subscribe(t, config, func(ctx context.Context, event *smilerelayv1.Event) error {
		if event.GetSequence() == 1 {
			wait(ctx, 5*interval)
		}
		return collect(&got)(ctx, event)
	})
	if err != nil || len(got) != 2 || len(relay.asked()) != 1 {
		t.Errorf("got %v and %v over %d streams", err, got, len(relay.asked()))
	}
}

func TestAFinalStatusIsTold(t *testing.T) {
	relay := startFakeRelay(t, play(status.Error(codes.PermissionDenied, "not yours")))
	err := subscribe(t, relay.config(), nil)
	var statusErr *StatusError
	if !errors.As(err, &statusErr) || statusErr.Code != codes.PermissionDenied || statusErr.Message != "not yours" {
		t.Errorf("got %#v", err)
	}
}

func TestAnEndThatNobodyAskedForIsNone(t *testing.T) {
	relay := startFakeRelay(t, play(nil, events(1)), play(status.Error(codes.DataLoss, "enough")))
	var got []uint64
	if err := subscribe(t, relay.config(), collect(&got)); status.Code(err) != codes.DataLoss || len(relay.asked()) != 2 {
		t.Errorf("got %v after %d streams", err, len(relay.asked()))
	}
}

func TestAMessageOverTheLimitSaysWhatToRaise(t *testing.T) {
	message := events(1)
	message.Events[0].RawBody = make([]byte, 2<<20)
	relay := startFakeRelay(t, play(nil, message))
	config := relay.config()
	config.MaxEventBytes = 4096
	err := subscribe(t, config, nil)
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "raise Config.MaxEventBytes") {
		t.Errorf("got %v", err)
	}
}

func TestLeavesOmittedEventsAlone(t *testing.T) {
	relay := startFakeRelay(t, play(nil, stub(1, 6<<20)))
	config := relay.config()
	config.StopWhenCaughtUp = true
	err := subscribe(t, config, func(_ context.Context, event *smilerelayv1.Event) error {
		if event.GetOmitted() == nil {
			t.Error("where does it come from?")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFetchesOmittedEvents(t *testing.T) {
	whole := func(request *smilerelayv1.GetEventRequest) (*smilerelayv1.Event, error) {
		if request.GetCursor() != "cursor-1" || !request.GetIncludeRawBody() {
			return nil, status.Errorf(codes.DataLoss, "%v", request)
		}
		return &smilerelayv1.Event{Sequence: 1, Cursor: "cursor-1", RawBody: make([]byte, 6<<20)}, nil
	}
	relay := startFakeRelay(t, play(nil, stub(1, 6<<20)), play(nil, stub(1, 6<<20), events(2)))
	relay.fetches = []func(*smilerelayv1.GetEventRequest) (*smilerelayv1.Event, error){
		func(*smilerelayv1.GetEventRequest) (*smilerelayv1.Event, error) {
			return nil, refusal(codes.Unavailable, "LOG_UNAVAILABLE")
		},
		whole,
	}
	config := relay.config()
	config.StopWhenCaughtUp = true
	config.FetchOmitted = true
	config.IncludeRawBody = true
	var sizes []int
	err := subscribe(t, config, func(_ context.Context, event *smilerelayv1.Event) error {
		sizes = append(sizes, len(event.GetRawBody()))
		return nil
	})
	if want := []int{6 << 20, 0}; err != nil || !slices.Equal(sizes, want) {
		t.Errorf("got %v and bodies of %v bytes, want %v", err, sizes, want)
	}
}

func TestAnEventThatIsGoneIsTold(t *testing.T) {
	relay := startFakeRelay(t, play(nil, stub(1, 6<<20)))
	relay.fetches = []func(*smilerelayv1.GetEventRequest) (*smilerelayv1.Event, error){
		func(*smilerelayv1.GetEventRequest) (*smilerelayv1.Event, error) {
			return nil, refusal(codes.NotFound, "EVENT_NOT_FOUND")
		},
	}
	config := relay.config()
	config.FetchOmitted = true
	var statusErr *StatusError
	if err := subscribe(t, config, nil); !errors.As(err, &statusErr) || statusErr.Reason != "EVENT_NOT_FOUND" {
		t.Errorf("got %v", err)
	}
}

func TestAReplacedTokenIsSent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Error(err)
		}
	}
	write(" old\n")
	var seen []string
	relay := startFakeRelay(t,
		func(stream subscribeStream) error {
			seen = append(seen, metadata.ValueFromIncomingContext(stream.Context(), "authorization")...)
			write("new\n")
			return status.Error(codes.Unauthenticated, "expired")
		},
		func(stream subscribeStream) error {
			seen = append(seen, metadata.ValueFromIncomingContext(stream.Context(), "authorization")...)
			return nil
		},
	)
	config := relay.config()
	config.StopWhenCaughtUp = true
	config.TokenFile = path
	if err := subscribe(t, config, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Bearer old", "Bearer new"}; !slices.Equal(seen, want) {
		t.Errorf("sent %q, want %q", seen, want)
	}
}

func TestAUnixSocketHasAnAuthorityThatTheRelayTakes(t *testing.T) {
	directory, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	path := filepath.Join(directory, "relay.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var authority []string
	relay := &fakeRelay{target: "unix:" + path, scripts: []func(subscribeStream) error{func(stream subscribeStream) error {
		authority = metadata.ValueFromIncomingContext(stream.Context(), ":authority")
		return nil
	}}}
	relay.serve(t, listener)
	config := relay.config()
	config.StopWhenCaughtUp = true
	if err := subscribe(t, config, nil); err != nil {
		t.Fatal(err)
	}
	if len(authority) != 1 || authority[0] != "localhost" {
		t.Errorf("sent :authority %q", authority)
	}
}

// failingStore is a database that is down.
type failingStore struct{ MemoryStore }

func (*failingStore) Load(context.Context) (string, error) { return "", io.ErrUnexpectedEOF }

func TestAStoreThatCantBeReadEndsItAtOnce(t *testing.T) {
	relay := startFakeRelay(t)
	config := relay.config()
	config.Cursors = new(failingStore)
	if err := subscribe(t, config, nil); !errors.Is(err, io.ErrUnexpectedEOF) || len(relay.asked()) != 0 {
		t.Errorf("got %v after %d streams", err, len(relay.asked()))
	}
}
