package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

func TestASignatureIsHmacSha512InHex(t *testing.T) {
	// RFC 4231, test case 2.
	want := "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
	if got := sign([]byte("Jefe"), []byte("what do ya want for nothing?")); got != want {
		t.Errorf("got %s", got)
	}
}

func TestBodiesAreJSONOfTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{700, 1_400_000} {
		for n := range shapes {
			body := webhook("r-000001", n, size, time.Unix(1_700_000_000, 0))
			var parsed struct{ ID, Type string }
			if err := json.Unmarshal(body, &parsed); err != nil || parsed.ID != "r-000001" || parsed.Type == "" {
				t.Errorf("%v in %s", err, body)
			}
			if len(body) != size {
				t.Errorf("%s has %d bytes, not %d", parsed.Type, len(body), size)
			}
		}
	}
}

func TestNoAnswerIsFromTheFirstFailureToTheNextSuccess(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(began, took int, status int) try {
		return try{began: start.Add(time.Duration(began) * time.Second), took: time.Duration(took) * time.Second, status: status}
	}
	for _, c := range []struct {
		name  string
		tries []try
		want  time.Duration
	}{
		{"nothing failed", []try{at(0, 1, 200), at(60, 1, 204)}, 0},
		{"none sent", nil, 0},
		{"an outage", []try{at(0, 1, 200), at(2, 5, 0), at(3, 1, 503), at(9, 1, 200), at(3, 8, 200)}, 8 * time.Second},
		{"one that failed while others did not", []try{at(0, 9, 0), at(1, 1, 200), at(2, 1, 200)}, 2 * time.Second},
		{"no end", []try{at(0, 1, 200), at(2, 1, 503), at(4, 5, 0)}, 7 * time.Second},
	} {
		if got := noAnswer(c.tries); got != c.want {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

func TestTheLongestGapIsWithoutAnAnswerWhateverBecameOfTheTries(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(number, began, took int, status int) try {
		return try{number: number, began: start.Add(time.Duration(began) * time.Second), took: time.Duration(took) * time.Second, status: status}
	}
	for _, c := range []struct {
		name  string
		tries []try
		want  time.Duration
	}{
		{"none sent", nil, 0},
		{"one answered", []try{at(1, 0, 3, 200)}, 0},
		{"steady", []try{at(1, 0, 1, 200), at(1, 2, 1, 200), at(1, 4, 1, 204)}, 2 * time.Second},
		{"all wait through an outage, and none fails", []try{at(1, 0, 1, 200), at(1, 2, 7, 200), at(1, 3, 6, 200), at(1, 9, 1, 200)}, 8 * time.Second},
		{"answers overtake one another", []try{at(1, 0, 9, 200), at(1, 1, 1, 200), at(1, 5, 1, 200), at(1, 8, 1, 200)}, 4 * time.Second},
		{"failures in between", []try{at(1, 0, 1, 200), at(1, 2, 1, 503), at(1, 4, 1, 0), at(2, 7, 1, 200), at(1, 8, 1, 200)}, 7 * time.Second},
		{"sent again when no more are begun", []try{at(1, 0, 1, 200), at(1, 1, 1, 503), at(1, 2, 1, 200), at(2, 11, 1, 200)}, 2 * time.Second},
		{"no end", []try{at(1, 0, 1, 200), at(1, 2, 1, 503), at(2, 12, 1, 503), at(3, 22, 5, 0)}, 26 * time.Second},
		{"never", []try{at(1, 1, 1, 503), at(2, 11, 5, 0)}, 15 * time.Second},
	} {
		if got := longestGap(c.tries); got != c.want {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

func TestWithoutARateAsManyAreOnTheirWayAsThereAreConnections(t *testing.T) {
	const webhooks, connections = 200, 4
	var now, most, all atomic.Int32
	relay := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		all.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		now.Add(-1)
	}))
	defer relay.Close()
	s := settings{url: relay.URL, run: "r", webhooks: webhooks, bodyBytes: 250, timeout: 10 * time.Second, connections: connections}
	client, err := newClient(s)
	if err != nil {
		t.Fatal(err)
	}
	report := newReport(io.Discard)
	sender := sender{settings: s, client: client, secret: &secret{value: []byte("s"), looked: time.Now()}, report: report}
	sender.send(t.Context())
	if givenUp := report.done(s.run); givenUp > 0 || report.sent != webhooks || all.Load() != webhooks || most.Load() > connections {
		t.Errorf("%d sent, %d given up, %d arrived, %d at a time", report.sent, givenUp, all.Load(), most.Load())
	}
}

func TestASecretThatIsReplacedIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(text string, modified time.Time) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n", time.Unix(1, 0))
	s, err := openSecret(file)
	if err != nil || string(s.current()) != "first" {
		t.Fatalf("%v, %q", err, s.current())
	}
	write("second", time.Unix(2, 0))
	s.looked = time.Time{}
	if got := s.current(); string(got) != "second" {
		t.Errorf("%q", got)
	}
}
