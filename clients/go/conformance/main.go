// Command conformance runs one subscription as its argument says, and prints what happens as JSON lines. It is for the
// tests that put all packages through the same troubles.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"google.golang.org/genproto/googleapis/rpc/code"

	smilerelay "github.com/smile-relay/smile-relay/clients/go"
	"github.com/smile-relay/smile-relay/clients/go/smilerelayv1"
)

// options are the keys of the argument.
type options struct {
	Target              string          `json:"target"`
	CAFile              string          `json:"ca_file"`
	ServerName          string          `json:"server_name"`
	TokenFile           string          `json:"token_file"`
	Start               string          `json:"start"`
	CursorFile          string          `json:"cursor_file"`
	Filter              json.RawMessage `json:"filter"`
	IncludeRawBody      bool            `json:"include_raw_body"`
	HeartbeatIntervalMS int             `json:"heartbeat_interval_ms"`
	MaxEventBytes       int             `json:"max_event_bytes"`
	FetchOmitted        bool            `json:"fetch_omitted"`
	StopWhenCaughtUp    bool            `json:"stop_when_caught_up"`
	Consumer            string          `json:"consumer"`
	OnGap               string          `json:"on_gap"`
	HandleMS            int             `json:"handle_ms"`
	StopAfter           int             `json:"stop_after"`
	BackoffMaxMS        int             `json:"backoff_max_ms"`
	CountOnly           bool            `json:"count_only"`
}

func main() {
	options, config, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	events := 0
	began, cpuBefore := time.Now(), cpuTime()
	err = smilerelay.New(config).Subscribe(ctx, func(ctx context.Context, event *smilerelayv1.Event) error {
		if options.HandleMS > 0 {
			select {
			case <-time.After(milliseconds(options.HandleMS)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !options.CountOnly {
			line, err := describe(event)
			if err != nil {
				return err
			}
			report("event", line)
		}
		events++
		if events == options.StopAfter {
			stop()
		}
		return nil
	})
	end := ending(err)
	end["events"] = events
	end["seconds"] = time.Since(began).Seconds()
	end["cpu_seconds"] = (cpuTime() - cpuBefore).Seconds()
	report("end", end)
	if end["how"] == "failed" {
		os.Exit(1)
	}
}

func parse(arguments []string) (options, smilerelay.Config, error) {
	var o options
	var config smilerelay.Config
	if len(arguments) != 1 {
		return o, config, errors.New("one argument is expected, a JSON object")
	}
	if err := json.Unmarshal([]byte(arguments[0]), &o); err != nil {
		return o, config, err
	}
	if o.Target == "" {
		return o, config, errors.New("target is missing")
	}
	config = smilerelay.Config{
		Target:            o.Target,
		TokenFile:         o.TokenFile,
		IncludeRawBody:    o.IncludeRawBody,
		StopWhenCaughtUp:  o.StopWhenCaughtUp,
		Consumer:          o.Consumer,
		HeartbeatInterval: milliseconds(o.HeartbeatIntervalMS),
		MaxEventBytes:     o.MaxEventBytes,
		FetchOmitted:      o.FetchOmitted,
		BackoffMax:        milliseconds(o.BackoffMaxMS),
		OnConnected:       func(c smilerelay.Connected) { report("connected", map[string]any{"after": c.After}) },
		OnLost:            reportLost,
	}
	if o.CAFile != "" {
		config.TLS = &smilerelay.TLS{CAFile: o.CAFile, ServerName: o.ServerName}
	}
	if o.CursorFile != "" {
		config.Cursors = smilerelay.FileStore(o.CursorFile)
	}
	if o.Filter != nil {
		config.Filter = new(smilerelayv1.EventFilter)
		if err := protojson.Unmarshal(o.Filter, config.Filter); err != nil {
			return o, config, err
		}
	}
	var onGap smilerelay.Start
	for _, start := range []struct {
		name, text string
		field      *smilerelay.Start
	}{{"start", o.Start, &config.Start}, {"on_gap", o.OnGap, &onGap}} {
		switch start.text {
		case "", "fail":
		case "latest":
			*start.field = smilerelay.StartLatest()
		case "earliest":
			*start.field = smilerelay.StartEarliest()
		default:
			return o, config, fmt.Errorf("%s: %q is not known", start.name, start.text)
		}
	}
	config.OnGap = func(_ context.Context, gap *smilerelay.GapError) (smilerelay.Start, error) {
		report("gap", map[string]any{
			"reason": gap.Reason, "asked": gap.Asked, "earliest": gap.Earliest, "latest": gap.Latest,
		})
		return onGap, nil
	}
	return o, config, nil
}

func reportLost(lost smilerelay.Lost) {
	line := map[string]any{"code": "DEAD", "reason": "", "delay_ms": lost.Delay.Milliseconds()}
	var statusErr *smilerelay.StatusError
	if errors.As(lost.Err, &statusErr) {
		line["code"] = codeName(statusErr.Code)
		line["reason"] = statusErr.Reason
	}
	report("lost", line)
}

// ending is what there is to say about the error that Subscribe returned.
func ending(err error) map[string]any {
	end := map[string]any{"how": "failed", "code": "", "reason": "", "message": ""}
	var statusErr *smilerelay.StatusError
	var gap *smilerelay.GapError
	switch {
	case err == nil:
		end["how"] = "caught_up"
		return end
	case errors.Is(err, context.Canceled):
		end["how"] = "stopped"
		return end
	case errors.As(err, &statusErr):
		end["code"], end["reason"] = codeName(status.Code(err)), statusErr.Reason
	case errors.As(err, &gap):
		end["code"], end["reason"] = codeName(status.Code(err)), gap.Reason
	}
	end["message"] = err.Error()
	return end
}

// codeName is gRPC's own spelling: NOT_FOUND, not NotFound.
func codeName(c codes.Code) string {
	return code.Code(c).String()
}

// report prints a line. It is not buffered: the reader waits for it.
func report(kind string, content any) {
	line, err := json.Marshal(map[string]any{kind: content})
	if err == nil {
		_, err = fmt.Printf("%s\n", line)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func milliseconds(n int) time.Duration {
	return time.Duration(n) * time.Millisecond
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
