package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"
)

// try is one request, and what came of it.
type try struct {
	id     string
	number int
	began  time.Time
	took   time.Duration
	status int
	err    error
}

func (t try) ok() bool { return t.err == nil && t.status >= 200 && t.status <= 299 }

// report keeps every try, and prints.
type report struct {
	mu       sync.Mutex
	out      *json.Encoder
	begun    time.Time
	sent     int
	givenUp  []string
	tries    []try
	reported struct{ sent, tries int }
}

func newReport(out io.Writer) *report {
	return &report{out: json.NewEncoder(out), begun: time.Now(), givenUp: []string{}}
}

func (r *report) began() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
}

func (r *report) tried(t try) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries = append(r.tries, t)
	if t.ok() && t.number == 1 {
		return
	}
	line := struct {
		At     time.Time `json:"at"`
		ID     string    `json:"id"`
		Try    int       `json:"try"`
		Status int       `json:"status,omitempty"`
		Error  string    `json:"error,omitempty"`
		Ms     float64   `json:"ms"`
	}{At: t.began.UTC(), ID: t.id, Try: t.number, Status: t.status, Ms: ms(t.took)}
	if t.err != nil {
		line.Error = t.err.Error()
	}
	r.print(line)
}

func (r *report) gaveUp(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.givenUp = append(r.givenUp, id)
}

func (r *report) everySecond(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.second()
		}
	}
}

// second prints what happened since the one before.
func (r *report) second() {
	r.mu.Lock()
	defer r.mu.Unlock()
	recent := r.tries[r.reported.tries:]
	times := acknowledged(recent)
	r.print(struct {
		Second      int     `json:"second"`
		Sent        int     `json:"sent"`
		Ok          int     `json:"ok"`
		FailedTries int     `json:"failed_tries"`
		P50         float64 `json:"p50_ms"`
		Max         float64 `json:"max_ms"`
	}{
		int(time.Since(r.begun).Round(time.Second).Seconds()), r.sent - r.reported.sent,
		len(times), len(recent) - len(times), quantile(times, 0.5), quantile(times, 1),
	})
	r.reported.sent, r.reported.tries = r.sent, len(r.tries)
}

// done prints the end, and says how many webhooks were given up.
func (r *report) done(run string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	times := acknowledged(r.tries)
	repeated := 0
	for _, t := range r.tries {
		if t.number > 1 {
			repeated++
		}
	}
	slices.Sort(r.givenUp)
	r.print(struct {
		Done          bool     `json:"done"`
		Run           string   `json:"run"`
		Sent          int      `json:"sent"`
		Acknowledged  int      `json:"acknowledged"`
		GivenUp       int      `json:"given_up"`
		GivenUpIDs    []string `json:"given_up_ids"`
		RepeatedTries int      `json:"repeated_tries"`
		NoAnswer      float64  `json:"no_answer_ms"`
		LongestGap    float64  `json:"longest_gap_ms"`
		P50           float64  `json:"p50_ms"`
		P99           float64  `json:"p99_ms"`
		Max           float64  `json:"max_ms"`
	}{
		true, run, r.sent, r.sent - len(r.givenUp), len(r.givenUp), r.givenUp, repeated, ms(noAnswer(r.tries)),
		ms(longestGap(r.tries)), quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1),
	})
	return len(r.givenUp)
}

// print writes a line. A reader that has gone is no reason to send no more.
func (r *report) print(line any) { _ = r.out.Encode(line) }

// noAnswer is the longest time from the beginning of a try that failed to the next 2xx, whichever webhook that was for;
// to the end of the last try if none came. Tries that waited through an outage and were answered in the end don't begin
// one: see longestGap.
func noAnswer(tries []try) time.Duration {
	answers, last := answered(tries)
	var longest time.Duration
	for _, t := range tries {
		if t.ok() {
			continue
		}
		next := last
		if i, _ := slices.BinarySearchFunc(answers, t.began, time.Time.Compare); i < len(answers) {
			next = answers[i]
		}
		longest = max(longest, next.Sub(t.began))
	}
	return longest
}

// longestGap is the longest time between a 2xx and the next, on any connection and for any webhook; from the first try on
// if there was none at all, and to the end of the last if none followed. What begins after the last webhook was begun is
// no gap: only what failed is sent then, after its delay.
func longestGap(tries []try) time.Duration {
	answers, last := answered(tries)
	if len(answers) == 0 {
		return noAnswer(tries)
	}
	var newest time.Time
	for _, t := range tries {
		if t.number == 1 && t.began.After(newest) {
			newest = t.began
		}
	}
	var longest time.Duration
	for i, answer := range answers {
		if answer.After(newest) {
			break
		}
		next := last
		if i+1 < len(answers) {
			next = answers[i+1]
		}
		longest = max(longest, next.Sub(answer))
	}
	return longest
}

// answered is when each 2xx came, in ascending order, and when the last try ended.
func answered(tries []try) (answers []time.Time, last time.Time) {
	for _, t := range tries {
		end := t.began.Add(t.took)
		if t.ok() {
			answers = append(answers, end)
		}
		if end.After(last) {
			last = end
		}
	}
	slices.SortFunc(answers, time.Time.Compare)
	return answers, last
}

// acknowledged is how long the tries took that were answered with 2xx, in ascending order.
func acknowledged(tries []try) []time.Duration {
	var times []time.Duration
	for _, t := range tries {
		if t.ok() {
			times = append(times, t.took)
		}
	}
	slices.Sort(times)
	return times
}

func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return ms(sorted[int(q*float64(len(sorted)-1))])
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
