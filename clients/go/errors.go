package smilerelay

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Reasons of a GapError.
const (
	// ReasonCursorExpired: retention has removed events after the cursor.
	ReasonCursorExpired = "CURSOR_EXPIRED"
	// ReasonCursorForeignLog: the cursor is of another log.
	ReasonCursorForeignLog = "CURSOR_FOREIGN_LOG"
	// ReasonCursorDiverged: the log holds another event at the cursor than the one that was read, as after a restore.
	ReasonCursorDiverged = "CURSOR_DIVERGED"
	// ReasonCursorAhead: the cursor is ahead of the log, as after a restore.
	ReasonCursorAhead = "CURSOR_AHEAD"
)

// ErrDeadStream says that nothing was heard of the relay for two heartbeat intervals (10 s at least, for the first
// message).
var ErrDeadStream = errors.New("smilerelay: the relay has fallen silent")

// GapError says that the relay can't go on where the application stands: events that were not read are gone, or the log
// is not the one that was read. Decide with Config.OnGap where to go on.
type GapError struct {
	// Code is OutOfRange for ReasonCursorExpired, else FailedPrecondition.
	Code codes.Code
	// Reason is one of the Reason constants.
	Reason string
	// Message is for people.
	Message string
	// Asked is the cursor that was to be resumed from. Empty if there was none.
	Asked string
	// Earliest is the place before the oldest event that the log holds. Empty if not known.
	Earliest string
	// Latest is the place after the newest event. Empty if not known.
	Latest string
}

func (e *GapError) Error() string {
	return fmt.Sprintf("smilerelay: can't resume after cursor %q: %s: %s (set Config.OnGap to decide where to go on)",
		e.Asked, e.Reason, e.Message)
}

// GRPCStatus is for status.FromError and status.Code.
func (e *GapError) GRPCStatus() *status.Status {
	return status.New(e.Code, e.Message)
}

// StatusError says how the relay, or the way to it, ended a stream or a call.
type StatusError struct {
	// Code is gRPC's. OK if the relay ended the stream although nobody asked for an end.
	Code codes.Code
	// Reason is the relay's, such as "DRAINING" or "EVENT_NOT_FOUND". Empty if the relay gave none.
	Reason string
	// Message is for people.
	Message string
}

func (e *StatusError) Error() string {
	text := "smilerelay: " + e.Code.String()
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	text += ": " + e.Message
	if advice := e.advice(); advice != "" {
		text += " (" + advice + ")"
	}
	return text
}

// GRPCStatus is for status.FromError and status.Code.
func (e *StatusError) GRPCStatus() *status.Status {
	return status.New(e.Code, e.Message)
}

func (e *StatusError) advice() string {
	switch e.Code {
	case codes.ResourceExhausted, codes.OutOfRange:
		if e.Reason == "" {
			return "raise Config.MaxEventBytes, and the receive limit among Config.DialOptions if there is one"
		}
	case codes.Unauthenticated:
		return "see Config.TokenFile and Config.TLS"
	case codes.Unimplemented:
		return "is Config.Target a smile-relay?"
	}
	return ""
}
