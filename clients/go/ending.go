package smilerelay

import (
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const errorDomain = "smile-relay"

// ending is how the relay, or the way to it, ended a stream or a call. As an error it stays within this package.
type ending struct {
	status *status.Status
	// The relay fell silent, and the status only says that we gave up.
	isDead bool
}

// verdict is what follows from an ending.
type verdict int

const (
	// Open the stream again, after a delay.
	retry verdict = iota
	// Ask the application where to go on.
	gap
	// Tell the application, and end.
	final
)

// judge reads the table of codes at the top of service.proto. hasToken: the token may be replaced while we wait.
func (e *ending) judge(hasToken bool) verdict {
	info := e.info()
	switch e.status.Code() {
	case codes.OK, codes.Unavailable, codes.Unknown, codes.Internal, codes.Aborted, codes.Canceled, codes.DeadlineExceeded:
		return retry
	case codes.Unauthenticated:
		if hasToken {
			return retry
		}
	case codes.ResourceExhausted:
		// Without the relay's word it is this library's, for a message over the limit: trying again won't help.
		if info != nil {
			return retry
		}
	case codes.OutOfRange:
		if info.GetReason() == ReasonCursorExpired {
			return gap
		}
	case codes.FailedPrecondition:
		switch info.GetReason() {
		case ReasonCursorForeignLog, ReasonCursorDiverged, ReasonCursorAhead:
			return gap
		}
	}
	return final
}

func (e *ending) Error() string { return e.err().Error() }

// err is the ending for the application.
func (e *ending) err() error {
	if e.isDead {
		return ErrDeadStream
	}
	message := e.status.Message()
	if e.status.Code() == codes.OK {
		message = "the relay has ended the stream"
	}
	return &StatusError{Code: e.status.Code(), Reason: e.info().GetReason(), Message: message}
}

// gapError is the ending for the application if the verdict is gap.
func (e *ending) gapError(asked string) *GapError {
	info := e.info()
	return &GapError{
		Code:     e.status.Code(),
		Reason:   info.GetReason(),
		Message:  e.status.Message(),
		Asked:    asked,
		Earliest: info.GetMetadata()["earliest_cursor"],
		Latest:   info.GetMetadata()["latest_cursor"],
	}
}

// retryDelay is how long the relay wants to be left alone.
func (e *ending) retryDelay() time.Duration {
	for _, detail := range e.status.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// info is what the relay says of its reasons; nil if it said nothing, or somebody else did.
func (e *ending) info() *errdetails.ErrorInfo {
	for _, detail := range e.status.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			return info
		}
	}
	return nil
}
