package smilerelay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// CursorStore keeps the cursor to resume after. To commit the cursor together with the effect of an event (in one
// transaction of your database), let the handler write both, Load read it, and Save do nothing.
type CursorStore interface {
	// Load returns the cursor kept last, or "" if there is none yet. It is called once, when Subscribe begins.
	Load(ctx context.Context) (string, error)
	// Save keeps a cursor in place of the one before. It is called after each handled event, and at most once a second
	// for checkpoints. It has 10 s, also after the subscription was cancelled. An error ends the subscription.
	Save(ctx context.Context, cursor string) error
}

// MemoryStore is a CursorStore that forgets with the process. The zero value is ready to use.
type MemoryStore struct {
	mu     sync.Mutex
	cursor string
}

// Load returns the cursor saved last.
func (s *MemoryStore) Load(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor, nil
}

// Save keeps the cursor.
func (s *MemoryStore) Save(_ context.Context, cursor string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = cursor
	return nil
}

// FileStore is a CursorStore that keeps the cursor in the file of this path, as a line of text. Its directory has to
// exist. One process at a time may use it.
type FileStore string

// Load returns the cursor in the file, or "" if there is no file. An empty file is an error: Save did not write it, and
// to start anew because of it could skip events.
func (s FileStore) Load(context.Context) (string, error) {
	text, err := os.ReadFile(string(s))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	cursor := strings.TrimSpace(string(text))
	if cursor == "" {
		return "", fmt.Errorf("%s holds no cursor; remove it to start anew", string(s))
	}
	return cursor, nil
}

// Save replaces the file as a whole: after a crash it holds the cursor before or this one, and never a part.
func (s FileStore) Save(_ context.Context, cursor string) error {
	// One name, so that crashes leave one file behind at most.
	temporary := string(s) + ".tmp"
	if err := writeSynced(temporary, cursor+"\n"); err != nil {
		return err
	}
	return os.Rename(temporary, string(s))
}

func writeSynced(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
