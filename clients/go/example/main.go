// Command example prints the events of a relay, and goes on where it was when it is started again. The environment says
// which relay: SMILE_RELAY_ADDRESS, SMILE_RELAY_CA_FILE, SMILE_RELAY_TOKEN_FILE, SMILE_RELAY_CURSOR_FILE.
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
	"strings"
	"syscall"

	"github.com/cockroachdb/apd/v3"

	smilerelay "github.com/smile-relay/smile-relay/clients/go"
	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

func main() {
	address := flag.String("target", cmp.Or(os.Getenv("SMILE_RELAY_ADDRESS"), "127.0.0.1:50051"), "host:port, https://host:port or unix:/path")
	cursor := flag.String("cursor", cmp.Or(os.Getenv("SMILE_RELAY_CURSOR_FILE"), "example.cursor"), "the file that keeps the place")
	flag.Parse()
	log.SetPrefix("relay: ") // what begins with a number is an event, wherever both go
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	config := smilerelay.Config{
		Target:      strings.TrimPrefix(*address, "http://"),
		TokenFile:   os.Getenv("SMILE_RELAY_TOKEN_FILE"),
		Cursors:     smilerelay.FileStore(*cursor),
		Start:       smilerelay.StartEarliest(),
		OnConnected: func(c smilerelay.Connected) { log.Printf("connected, after %q", c.After) },
		OnLost:      func(l smilerelay.Lost) { log.Printf("%v; again in %v", l.Err, l.Delay) },
	}
	if target, secure := strings.CutPrefix(*address, "https://"); secure {
		config.Target, config.TLS = target, &smilerelay.TLS{CAFile: os.Getenv("SMILE_RELAY_CA_FILE")}
	}
	client := smilerelay.New(config)
	if err := client.Subscribe(ctx, handle); !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func handle(_ context.Context, event *smilerelayv1.Event) error {
	fmt.Println(event.GetSequence(), event.GetId(), event.GetTypeName(), event.GetUserId())
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
