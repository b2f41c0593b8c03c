// Command sender plays Smile: it sends signed webhooks at a steady rate, sends those that are not answered with 2xx
// again as Smile does (at most twice, after a delay), and says what became of them.
//
// Promises: a webhook is due at its time whatever became of those before it, so a relay that is away meets what piled
// up; with --webhooks, which is to fill a log, each waits for one before it instead. Nothing is sent again behind the
// back of what is reported. On SIGTERM it begins no more webhooks, and ends when all are acknowledged or given up: with
// 0, or with 1 if any was given up.
//
// It prints JSON, one object a line: each try that failed and each that came after one, a summary every second, and
// one with "done" at the end.
package main

import (
	"context"
	"flag"
	"log"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type settings struct {
	url         string
	ca          string
	run         string
	rate        float64 // 0: as fast as they are answered
	webhooks    int
	bodyBytes   int
	largeEvery  int
	largeBytes  int
	retryDelay  time.Duration
	timeout     time.Duration
	connections int
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("sender: ")
	var s settings
	var secretFile string
	var seconds int
	var untilSignal, end bool
	flag.StringVar(&s.url, "url", "", "where webhooks go, as https://HOST/webhooks/smile")
	flag.StringVar(&secretFile, "secret-file", "", "the secret to sign with; looked at again every second")
	flag.StringVar(&s.ca, "ca", "", "the authorities to trust, in PEM; without, the certificate is not checked")
	flag.StringVar(&s.run, "run", "run", "what ids begin with: RUN-000001")
	flag.Float64Var(&s.rate, "rate", 50, "webhooks a second")
	flag.IntVar(&seconds, "seconds", 30, "how long to begin new ones")
	flag.BoolVar(&untilSignal, "until-signal", false, "begin new ones until SIGTERM instead")
	flag.IntVar(&s.webhooks, "webhooks", 0, "begin so many instead, as fast as they are answered: one at a time on each connection")
	flag.IntVar(&s.bodyBytes, "body-bytes", 700, "how large a body is")
	flag.IntVar(&s.largeEvery, "large-every", 0, "every so many, one is large; 0: none")
	flag.IntVar(&s.largeBytes, "large-bytes", 1_400_000, "how large that is")
	flag.DurationVar(&s.retryDelay, "retry-delay", 10*time.Second, "how long after a failure it is sent again")
	flag.DurationVar(&s.timeout, "timeout", 5*time.Second, "how long an answer is waited for, connecting included")
	flag.IntVar(&s.connections, "connections", 32, "how many connections at most")
	flag.BoolVar(&end, "stop", false, "tell the one that runs as process 1 of this container to end, as SIGTERM does")
	flag.Parse()
	if end {
		if err := syscall.Kill(1, syscall.SIGTERM); err != nil {
			log.Fatal(err)
		}
		return
	}
	if s.url == "" || secretFile == "" || s.rate <= 0 || seconds < 1 || s.webhooks < 0 || s.connections < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}

	secret, err := openSecret(secretFile)
	if err != nil {
		log.Fatal(err)
	}
	client, err := newClient(s)
	if err != nil {
		log.Fatal(err)
	}
	begin, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch {
	case s.webhooks > 0:
		s.rate = 0
	case untilSignal:
		s.webhooks = math.MaxInt
	default:
		s.webhooks = int(s.rate * float64(seconds))
	}

	report := newReport(os.Stdout)
	sender := sender{settings: s, client: client, secret: secret, report: report}
	summaries, over := context.WithCancel(context.Background())
	go report.everySecond(summaries)
	sender.send(begin)
	over()
	if givenUp := report.done(s.run); givenUp > 0 {
		os.Exit(1)
	}
}
