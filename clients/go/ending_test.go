package smilerelay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestJudgesEndings(t *testing.T) {
	plain := func(code codes.Code) error { return status.Error(code, "no") }
	quota := &errdetails.ErrorInfo{Domain: "a proxy", Reason: "QUOTA"}
	foreign, err := status.New(codes.ResourceExhausted, "no").WithDetails(quota)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		err      error
		hasToken bool
		want     verdict
	}{
		{io.EOF, false, retry},
		{plain(codes.Unavailable), false, retry},
		{refusal(codes.Unavailable, "DRAINING"), false, retry},
		{plain(codes.Unknown), false, retry},
		{plain(codes.Internal), false, retry},
		{plain(codes.Aborted), false, retry},
		{plain(codes.Canceled), false, retry},
		{plain(codes.DeadlineExceeded), false, retry},
		{refusal(codes.ResourceExhausted, "TOO_MANY_STREAMS"), false, retry},
		{refusal(codes.ResourceExhausted, "TOO_MANY_STARTS"), false, retry},
		{plain(codes.ResourceExhausted), false, final},
		{foreign.Err(), false, final},
		{plain(codes.Unauthenticated), true, retry},
		{plain(codes.Unauthenticated), false, final},
		{refusal(codes.OutOfRange, "CURSOR_EXPIRED"), false, gap},
		{refusal(codes.OutOfRange, "SOMETHING_ELSE"), false, final},
		{plain(codes.OutOfRange), false, final},
		{refusal(codes.FailedPrecondition, "CURSOR_FOREIGN_LOG"), false, gap},
		{refusal(codes.FailedPrecondition, "CURSOR_DIVERGED"), false, gap},
		{refusal(codes.FailedPrecondition, "CURSOR_AHEAD"), false, gap},
		{plain(codes.FailedPrecondition), false, final},
		{plain(codes.InvalidArgument), true, final},
		{plain(codes.PermissionDenied), true, final},
		{refusal(codes.NotFound, "EVENT_NOT_FOUND"), false, final},
		{plain(codes.Unimplemented), false, final},
		{plain(codes.DataLoss), false, final},
	}
	for _, c := range cases {
		if got := endingOf(t.Context(), c.err).judge(c.hasToken); got != c.want {
			t.Errorf("%v (token: %v): got verdict %d, want %d", c.err, c.hasToken, got, c.want)
		}
	}
}

func TestReadsRetryInfo(t *testing.T) {
	asked := &errdetails.RetryInfo{RetryDelay: durationpb.New(5 * time.Second)}
	if got := endingOf(t.Context(), refusal(codes.Unavailable, "DRAINING", asked)).retryDelay(); got != 5*time.Second {
		t.Error(got)
	}
	if got := endingOf(t.Context(), io.EOF).retryDelay(); got != 0 {
		t.Error(got)
	}
}

func TestTellsADeadStreamFromACancelledOne(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrDeadStream)
	ended := endingOf(ctx, status.FromContextError(context.Canceled).Err())
	if err := ended.err(); !errors.Is(err, ErrDeadStream) || ended.judge(false) != retry {
		t.Error(err)
	}
}

func TestStatusErrorSaysWhatToDo(t *testing.T) {
	cases := []struct {
		err  StatusError
		want string
	}{
		{
			StatusError{codes.NotFound, "EVENT_NOT_FOUND", "gone"},
			"smilerelay: NotFound (EVENT_NOT_FOUND): gone",
		},
		{
			StatusError{codes.Unimplemented, "", "what?"},
			"smilerelay: Unimplemented: what? (is Config.Target a smile-relay?)",
		},
		{
			StatusError{codes.Unauthenticated, "", "who?"},
			"smilerelay: Unauthenticated: who? (see Config.TokenFile and Config.TLS)",
		},
		{
			StatusError{codes.ResourceExhausted, "TOO_MANY_STREAMS", "too many"},
			"smilerelay: ResourceExhausted (TOO_MANY_STREAMS): too many",
		},
		{
			StatusError{codes.OutOfRange, "", "large"},
			"smilerelay: OutOfRange: large (raise Config.MaxEventBytes, and the receive limit among Config.DialOptions " +
				"if there is one)",
		},
	}
	for _, c := range cases {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	wrapped := fmt.Errorf("my service: %w", &StatusError{Code: codes.NotFound})
	if got := status.Code(wrapped); got != codes.NotFound {
		t.Errorf("status.Code says %v", got)
	}
}
