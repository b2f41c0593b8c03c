package smilerelay

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

// A connection and its first message have this time at least.
const firstMessageLeast = 10 * time.Second

// What GetEvent's answer takes beyond the event.
const fetchOverhead = 64 << 10

// stream opens one stream and hands on what it brings. It returns how that ended: an *ending, or the application's
// error.
func (s *subscription) stream(ctx context.Context) error {
	conn, err := dial(s.config)
	if err != nil {
		// The Config was good at the start: a file is being replaced.
		return &ending{status: status.New(codes.Unavailable, err.Error())}
	}
	defer conn.Close()
	relay := smilerelayv1.NewRelayServiceClient(conn)

	streamCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := newSilence(max(firstMessageLeast, 2*s.config.HeartbeatInterval), cancel)
	defer silence.stop()

	asked := s.place.start.cursor
	stream, err := relay.Subscribe(streamCtx, s.request())
	if err != nil {
		return endingOf(streamCtx, err)
	}
	for isFirst := true; ; isFirst = false {
		message, err := stream.Recv()
		if err != nil {
			return endingOf(streamCtx, err)
		}
		silence.stop()
		s.failures = 0
		if isFirst && s.config.OnConnected != nil {
			s.config.OnConnected(Connected{After: asked})
		}
		if err := s.take(ctx, relay, message); err != nil {
			return err
		}
		if interval := message.GetCheckpoint().GetHeartbeatInterval().AsDuration(); interval > 0 {
			silence.limit = 2 * interval
		}
		// Only now: the time that the handler takes is not the relay's silence.
		silence.begin()
	}
}

func (s *subscription) request() *smilerelayv1.SubscribeRequest {
	request := &smilerelayv1.SubscribeRequest{
		Filter:            s.config.Filter,
		IncludeRawBody:    s.config.IncludeRawBody,
		StopWhenCaughtUp:  s.config.StopWhenCaughtUp,
		HeartbeatInterval: durationpb.New(s.config.HeartbeatInterval),
		Consumer:          s.config.Consumer,
		MaxEventBytes:     uint32(s.config.MaxEventBytes),
	}
	s.place.start.apply(request)
	return request
}

// take hands on what one message brings. Its error is as that of stream.
func (s *subscription) take(
	ctx context.Context, relay smilerelayv1.RelayServiceClient, message *smilerelayv1.SubscribeResponse,
) error {
	for _, event := range message.GetEvents() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		cursor := event.GetCursor()
		if s.config.FetchOmitted && event.GetOmitted().GetReason() == smilerelayv1.OmittedReason_OMITTED_REASON_TOO_LARGE {
			whole, err := s.fetch(ctx, relay, event)
			if err != nil {
				s.failedFetches++
				return err
			}
			s.failedFetches = 0
			event = whole
		}
		if err := s.handle(ctx, event); err != nil {
			return err
		}
		if err := s.place.handled(ctx, cursor); err != nil {
			return err
		}
	}
	if checkpoint := message.GetCheckpoint(); checkpoint != nil {
		return s.place.passed(ctx, checkpoint.GetCursor())
	}
	return nil
}

// fetch gets an event whole that came without its content. If it can't, the error is an *ending: the stream is given
// up, and opened again before this event, so that the next attempt is decided and delayed like that of any stream.
func (s *subscription) fetch(
	ctx context.Context, relay smilerelayv1.RelayServiceClient, stub *smilerelayv1.Event,
) (*smilerelayv1.Event, error) {
	size := int(stub.GetOmitted().GetSizeBytes())
	// A second for each MiB: a slow line is not a dead one.
	limit := max(firstMessageLeast, 2*s.config.HeartbeatInterval) + time.Duration(size>>20)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrDeadStream)
	defer cancel()
	response, err := relay.GetEvent(ctx, &smilerelayv1.GetEventRequest{
		Event:          &smilerelayv1.GetEventRequest_Cursor{Cursor: stub.GetCursor()},
		IncludeRawBody: s.config.IncludeRawBody,
	}, grpc.MaxCallRecvMsgSize(size+fetchOverhead))
	if err != nil {
		return nil, endingOf(ctx, err)
	}
	return response.GetEvent(), nil
}

// endingOf reads the error of a call that was made with this context.
func endingOf(ctx context.Context, err error) *ending {
	if errors.Is(context.Cause(ctx), ErrDeadStream) {
		return &ending{status: status.New(codes.DeadlineExceeded, ErrDeadStream.Error()), isDead: true}
	}
	if errors.Is(err, io.EOF) {
		return &ending{status: status.New(codes.OK, "")}
	}
	return &ending{status: status.Convert(err)}
}

// silence ends a stream that brings nothing for as long as the limit. It counts from the start on.
type silence struct {
	limit time.Duration
	timer *time.Timer
}

func newSilence(limit time.Duration, cancel context.CancelCauseFunc) *silence {
	return &silence{limit, time.AfterFunc(limit, func() { cancel(ErrDeadStream) })}
}

func (s *silence) begin() { s.timer.Reset(s.limit) }

func (s *silence) stop() { s.timer.Stop() }
