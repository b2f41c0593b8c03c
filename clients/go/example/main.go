// Command example prints the events of a relay, and goes on where it was when it is started again.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/cockroachdb/apd/v3"

	smilerelay "github.com/smile-relay/smile-relay/clients/go"
	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

func main() {
	target := flag.String("target", cmp.Or(os.Getenv("SMILE_RELAY_TARGET"), "127.0.0.1:50051"), "host:port or unix:/path")
	cursor := flag.String("cursor", "example.cursor", "the file that keeps the place")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	client := smilerelay.New(smilerelay.Config{
		Target:      *target,
		Cursors:     smilerelay.FileStore(*cursor),
		Start:       smilerelay.StartEarliest(),
		OnConnected: func(c smilerelay.Connected) { log.Printf("connected, after %q", c.After) },
		OnLost:      func(l smilerelay.Lost) { log.Printf("%v; again in %v", l.Err, l.Delay) },
	})
	if err := client.Subscribe(ctx, handle); !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func handle(_ context.Context, event *smilerelayv1.Event) error {
	fmt.Println(event.GetSequence(), event.GetTypeName(), event.GetUserId(), event.GetReceivedAt().AsTime())
	switch data := event.GetData().(type) {
	case *smilerelayv1.Event_AccountConnected:
		fmt.Println("  account", data.AccountConnected.GetAccountId())
	case *smilerelayv1.Event_TaskFinished:
		for _, income := range data.TaskFinished.GetPayload().GetIncomes().GetItems() {
			if income.GetNetAmount() == nil {
				continue
			}
			amount, _, err := apd.NewFromString(income.GetNetAmount().GetValue())
			if err != nil {
				return err
			}
			fmt.Println("  income from", income.GetStartDate(), "net", amount.Text('f'), income.GetCurrency())
		}
	}
	return nil
}
