package smilerelay

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

// Start is a place in the relay's log to read from. Made by StartLatest, StartEarliest, StartSince and StartAfter.
type Start struct {
	position smilerelayv1.StartPosition
	since    *timestamppb.Timestamp
	cursor   string
}

// StartLatest starts after the newest event: only what comes from now on.
func StartLatest() Start {
	return Start{position: smilerelayv1.StartPosition_START_POSITION_LATEST}
}

// StartEarliest starts before the oldest event that the log still holds.
func StartEarliest() Start {
	return Start{position: smilerelayv1.StartPosition_START_POSITION_EARLIEST}
}

// StartSince starts with the first event that the relay received at or after this time.
func StartSince(received time.Time) Start {
	return Start{since: timestamppb.New(received)}
}

// StartAfter starts after this cursor, which came with an event or a checkpoint of the same log.
func StartAfter(cursor string) Start {
	return Start{cursor: cursor}
}

func (s Start) isZero() bool {
	return s == Start{}
}

func (s Start) apply(request *smilerelayv1.SubscribeRequest) {
	switch {
	case s.cursor != "":
		request.Start = &smilerelayv1.SubscribeRequest_AfterCursor{AfterCursor: s.cursor}
	case s.since != nil:
		request.Start = &smilerelayv1.SubscribeRequest_ReceivedSince{ReceivedSince: s.since}
	case s.position != smilerelayv1.StartPosition_START_POSITION_UNSPECIFIED:
		request.Start = &smilerelayv1.SubscribeRequest_Position{Position: s.position}
	}
}
