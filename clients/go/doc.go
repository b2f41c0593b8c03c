// Package smilerelay receives the events of a smile-relay.
//
// [Client.Subscribe] hands one event after the other to a function of yours, in order. It reconnects, resumes after the
// last event that you have handled, notices dead connections, and asks you what to do when events are missing:
//
//	client := smilerelay.New(smilerelay.Config{
//		Target:  "127.0.0.1:50051",
//		Cursors: smilerelay.FileStore("/var/lib/my-service/cursor"),
//	})
//	err := client.Subscribe(ctx, func(ctx context.Context, event *smilerelayv1.Event) error {
//		return store(ctx, event)
//	})
//
// Delivery is at least once: an event comes again if the process ends between your function's return and the saving of
// the cursor. Tell repetitions by the event's endpoint and id.
//
// The messages are in the package smilerelayv1, which `go generate` makes with Buf (any buf 1.x on the path) and the
// plugins that go.mod names.
package smilerelay

//go:generate sh -c "cd ../.. && buf generate"
