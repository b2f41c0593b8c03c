package smilerelay

import (
	"context"
	"fmt"
	"time"
)

const (
	// Checkpoints come often while catching up, and cost as much to save as events do.
	checkpointSaveInterval = time.Second
	saveTimeout            = 10 * time.Second
)

// place is where a subscription stands: up to where everything is handled, and whether the store knows.
type place struct {
	store CursorStore
	// Where the next stream starts: after the last cursor handled, or where the application chose.
	start Start
	// What the store holds.
	saved string
	// A checkpoint's cursor that the store was not given yet, as it came too soon after the one before.
	unsaved string
	savedAt time.Time
	now     func() time.Time
}

func loadPlace(ctx context.Context, config *Config) (*place, error) {
	p := &place{store: config.Cursors, start: config.Start, now: time.Now}
	if p.store == nil {
		p.store = new(MemoryStore)
	}
	cursor, err := p.store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("smilerelay: loading the cursor: %w", err)
	}
	if cursor != "" {
		p.start = StartAfter(cursor)
		p.saved = cursor
	}
	return p, nil
}

// handled moves on past an event.
func (p *place) handled(ctx context.Context, cursor string) error {
	p.start = StartAfter(cursor)
	return p.save(ctx, cursor)
}

// passed moves on to a checkpoint. Everything before it has been handled.
func (p *place) passed(ctx context.Context, cursor string) error {
	p.start = StartAfter(cursor)
	if cursor == p.saved {
		return nil
	}
	if p.now().Sub(p.savedAt) < checkpointSaveInterval {
		p.unsaved = cursor
		return nil
	}
	return p.save(ctx, cursor)
}

// settle gives the store what it was not given yet, before a pause or the end.
func (p *place) settle(ctx context.Context) error {
	if p.unsaved == "" {
		return nil
	}
	return p.save(ctx, p.unsaved)
}

func (p *place) save(ctx context.Context, cursor string) error {
	// What is handled is saved, also if the subscription was cancelled meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := p.store.Save(ctx, cursor); err != nil {
		return fmt.Errorf("smilerelay: saving the cursor: %w", err)
	}
	p.saved = cursor
	p.unsaved = ""
	p.savedAt = p.now()
	return nil
}
