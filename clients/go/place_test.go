package smilerelay

import (
	"context"
	"slices"
	"testing"
	"time"
)

// savesStore notes what it is given.
type savesStore struct {
	saves []string
}

func (*savesStore) Load(context.Context) (string, error) { return "", nil }

func (s *savesStore) Save(ctx context.Context, cursor string) error {
	s.saves = append(s.saves, cursor)
	return ctx.Err()
}

func TestCheckpointsAreSavedAtMostOnceASecond(t *testing.T) {
	store := new(savesStore)
	now := time.Unix(1000, 0)
	p := place{store: store, now: func() time.Time { return now }}
	steps := []struct {
		after time.Duration
		do    func(context.Context, string) error
		what  string
		saves []string
	}{
		{0, p.passed, "a", []string{"a"}},
		{900 * time.Millisecond, p.passed, "b", []string{"a"}},
		{100 * time.Millisecond, p.passed, "c", []string{"a", "c"}},
		{time.Hour, p.passed, "c", []string{"a", "c"}},
		{0, p.handled, "d", []string{"a", "c", "d"}},
		{0, p.passed, "d", []string{"a", "c", "d"}},
		{0, p.passed, "e", []string{"a", "c", "d"}},
		{0, p.handled, "f", []string{"a", "c", "d", "f"}},
	}
	for i, step := range steps {
		now = now.Add(step.after)
		if err := step.do(t.Context(), step.what); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(store.saves, step.saves) || p.start != StartAfter(step.what) {
			t.Errorf("step %d: saved %q, stands at %v; want %q", i, store.saves, p.start, step.saves)
		}
	}
}

func TestSettleSavesTheLastCheckpointOnce(t *testing.T) {
	store := new(savesStore)
	p := place{store: store, now: time.Now}
	for _, cursor := range []string{"a", "b"} {
		if err := p.passed(t.Context(), cursor); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := p.settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a", "b"}; !slices.Equal(store.saves, want) {
		t.Errorf("saved %q, want %q", store.saves, want)
	}
}

func TestSavesAlsoAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := place{store: new(savesStore), now: time.Now}
	if err := p.handled(ctx, "a"); err != nil {
		t.Error(err)
	}
}
