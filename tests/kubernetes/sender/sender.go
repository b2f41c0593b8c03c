package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// As Smile does: once, and twice more.
const tries = 3

type sender struct {
	settings
	client *http.Client
	secret *secret
	report *report
}

// newClient speaks HTTP/1.1: there a connection that has died holds up one webhook, and not all of them.
func newClient(s settings) (*http.Client, error) {
	trust := &tls.Config{InsecureSkipVerify: true}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, err
		}
		trust = &tls.Config{RootCAs: x509.NewCertPool()}
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", s.ca)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: trust,
			// Or one that begins while the relay is away could keep its place among the connections for minutes.
			DialContext:         (&net.Dialer{Timeout: s.timeout}).DialContext,
			TLSHandshakeTimeout: s.timeout,
			MaxConnsPerHost:     s.connections,
			MaxIdleConnsPerHost: s.connections,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// send begins as many webhooks as asked for, fewer if ctx ends, and returns when each is acknowledged or given up.
func (s *sender) send(ctx context.Context) {
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	begun := time.Now()
	// Without a rate there is room for as many as there are connections. With one it is nil, and nobody waits for it.
	var room chan struct{}
	if s.rate == 0 {
		room = make(chan struct{}, s.connections)
	}
	for n := 1; n <= s.webhooks; n++ {
		var due <-chan time.Time
		if s.rate > 0 {
			due = time.After(time.Until(begun.Add(time.Duration(float64(n-1) / s.rate * float64(time.Second)))))
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
		case room <- struct{}{}:
		}
		size := s.bodyBytes
		if s.largeEvery > 0 && n%s.largeEvery == 0 {
			size = s.largeBytes
		}
		s.report.began()
		deliveries.Go(func() {
			s.deliver(fmt.Sprintf("%s-%06d", s.run, n), n, size)
			if room != nil {
				<-room
			}
		})
	}
}

func (s *sender) deliver(id string, n, size int) {
	body := webhook(id, n, size, time.Now())
	for number := 1; number <= tries; number++ {
		if number > 1 {
			time.Sleep(s.retryDelay)
		}
		t := s.try(id, number, body)
		s.report.tried(t)
		if t.ok() {
			return
		}
	}
	s.report.gaveUp(id)
}

func (s *sender) try(id string, number int, body []byte) try {
	t := try{id: id, number: number, began: time.Now()}
	t.status, t.err = s.post(body)
	t.took = time.Since(t.began)
	return t
}

func (s *sender) post(body []byte) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Smile-Signature", sign(s.secret.current(), body))
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	// To its end, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, err
	}
	return response.StatusCode, nil
}
