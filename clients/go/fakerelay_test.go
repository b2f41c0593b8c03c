package smilerelay

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

type subscribeStream = grpc.ServerStreamingServer[smilerelayv1.SubscribeResponse]

// fakeRelay plays one script a stream, in order, over a real connection.
type fakeRelay struct {
	smilerelayv1.UnimplementedRelayServiceServer
	target  string
	scripts []func(subscribeStream) error
	// One call of GetEvent each.
	fetches []func(*smilerelayv1.GetEventRequest) (*smilerelayv1.Event, error)

	mu       sync.Mutex
	requests []*smilerelayv1.SubscribeRequest
	fetched  int
}

func startFakeRelay(t *testing.T, scripts ...func(subscribeStream) error) *fakeRelay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay := &fakeRelay{target: listener.Addr().String(), scripts: scripts}
	relay.serve(t, listener)
	return relay
}

func (f *fakeRelay) serve(t *testing.T, listener net.Listener, options ...grpc.ServerOption) {
	server := grpc.NewServer(options...)
	smilerelayv1.RegisterRelayServiceServer(server, f)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
}

func (f *fakeRelay) Subscribe(request *smilerelayv1.SubscribeRequest, stream subscribeStream) error {
	f.mu.Lock()
	n := len(f.requests)
	f.requests = append(f.requests, request)
	f.mu.Unlock()
	if n >= len(f.scripts) {
		return status.Errorf(codes.DataLoss, "stream %d was not expected", n+1)
	}
	return f.scripts[n](stream)
}

func (f *fakeRelay) GetEvent(
	_ context.Context, request *smilerelayv1.GetEventRequest,
) (*smilerelayv1.GetEventResponse, error) {
	f.mu.Lock()
	n := f.fetched
	f.fetched++
	f.mu.Unlock()
	if n >= len(f.fetches) {
		return nil, status.Errorf(codes.DataLoss, "fetch %d was not expected", n+1)
	}
	event, err := f.fetches[n](request)
	return &smilerelayv1.GetEventResponse{Event: event}, err
}

// asked returns the requests so far.
func (f *fakeRelay) asked() []*smilerelayv1.SubscribeRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// config is for a client of this relay that doesn't wait long.
func (f *fakeRelay) config() Config {
	return Config{
		Target:     f.target,
		Cursors:    new(MemoryStore),
		BackoffMin: time.Millisecond,
		BackoffMax: 2 * time.Millisecond,
	}
}

// play sends these messages and ends like this.
func play(end error, messages ...*smilerelayv1.SubscribeResponse) func(subscribeStream) error {
	return func(stream subscribeStream) error {
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		return end
	}
}

// playAndHang sends these messages, and then nothing for as long as the client listens.
func playAndHang(messages ...*smilerelayv1.SubscribeResponse) func(subscribeStream) error {
	return func(stream subscribeStream) error {
		if err := play(nil, messages...)(stream); err != nil {
			return err
		}
		<-stream.Context().Done()
		return nil
	}
}

func checkpoint(cursor string) *smilerelayv1.SubscribeResponse {
	return &smilerelayv1.SubscribeResponse{Checkpoint: &smilerelayv1.Checkpoint{Cursor: cursor}}
}

// heartbeat is a checkpoint that states an interval.
func heartbeat(cursor string, interval time.Duration) *smilerelayv1.SubscribeResponse {
	message := checkpoint(cursor)
	message.Checkpoint.HeartbeatInterval = durationpb.New(interval)
	return message
}

func events(sequences ...uint64) *smilerelayv1.SubscribeResponse {
	message := new(smilerelayv1.SubscribeResponse)
	for _, sequence := range sequences {
		message.Events = append(message.Events, &smilerelayv1.Event{
			Sequence: sequence,
			Cursor:   fmt.Sprintf("cursor-%d", sequence),
		})
	}
	return message
}

func stub(sequence, size uint64) *smilerelayv1.SubscribeResponse {
	message := events(sequence)
	message.Events[0].Omitted = &smilerelayv1.Omitted{
		Reason:    smilerelayv1.OmittedReason_OMITTED_REASON_TOO_LARGE,
		SizeBytes: size,
	}
	return message
}

// refusal is a status as the relay makes it.
func refusal(code codes.Code, reason string, details ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Domain: "smile-relay", Reason: reason, Metadata: map[string]string{
		"earliest_cursor": "the-earliest",
		"latest_cursor":   "the-latest",
	}}
	withDetails, err := status.New(code, "no").WithDetails(append(details, info)...)
	if err != nil {
		panic(err)
	}
	return withDetails.Err()
}

// collect is a handler that notes the sequences of what it is given.
func collect(into *[]uint64) Handler {
	return func(_ context.Context, event *smilerelayv1.Event) error {
		*into = append(*into, event.GetSequence())
		return nil
	}
}
