package main

import (
	"encoding/json"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

// eventLine is what is compared between languages.
type eventLine struct {
	Sequence  uint64          `json:"sequence"`
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	TypeName  string          `json:"type_name"`
	Cursor    string          `json:"cursor"`
	UserID    string          `json:"user_id"`
	CreatedAt json.RawMessage `json:"created_at,omitempty"`
	Data      string          `json:"data"`
	Omitted   string          `json:"omitted"`
	Issues    int             `json:"issues"`
	RawBytes  int             `json:"raw_bytes"`
	NetAmount string          `json:"net_amount,omitempty"`
}

func describe(event *smilerelayv1.Event) (*eventLine, error) {
	line := &eventLine{
		Sequence: event.GetSequence(),
		ID:       event.GetId(),
		Type:     event.GetType().String(),
		TypeName: event.GetTypeName(),
		Cursor:   event.GetCursor(),
		UserID:   event.GetUserId(),
		Issues:   len(event.GetDecodeIssues()),
		RawBytes: len(event.GetRawBody()),
	}
	reflected := event.ProtoReflect()
	if field := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName("data")); field != nil {
		line.Data = string(field.Name())
	}
	if event.GetOmitted() != nil {
		line.Omitted = strings.TrimPrefix(event.GetOmitted().GetReason().String(), "OMITTED_REASON_")
	}
	if event.GetCreatedAt() != nil {
		// protobuf's JSON of a time has as many digits as needed: none, 3, 6 or 9.
		var err error
		if line.CreatedAt, err = protojson.Marshal(event.GetCreatedAt()); err != nil {
			return nil, err
		}
	}
	if incomes := event.GetTaskFinished().GetPayload().GetIncomes().GetItems(); len(incomes) > 0 {
		if amount := incomes[0].GetNetAmount(); amount != nil {
			decimal, _, err := apd.NewFromString(amount.GetValue())
			if err != nil {
				return nil, err
			}
			line.NetAmount = decimal.Text('f')
		}
	}
	return line, nil
}
