package smilerelay

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFileStoreKeepsALineOfText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	store := FileStore(path)
	if cursor, err := store.Load(t.Context()); cursor != "" || err != nil {
		t.Errorf("without a file: %q, %v", cursor, err)
	}
	for _, cursor := range []string{"a-long-cursor", "short"} {
		if err := store.Save(t.Context(), cursor); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); string(text) != cursor+"\n" || err != nil {
			t.Errorf("the file holds %q, %v", text, err)
		}
		if got, err := store.Load(t.Context()); got != cursor || err != nil {
			t.Errorf("loaded %q, %v", got, err)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); len(files) != 1 || err != nil {
		t.Errorf("left behind %v, %v", files, err)
	}
}

func TestFileStoreReplacesTheFileAsAWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	store := FileStore(path)
	if err := store.Save(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	// A second name of the file that is there now: if it is written over, that shows here.
	witness := path + ".witness"
	if err := os.Link(path, witness); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), "after"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(witness); string(text) != "before\n" || err != nil {
		t.Errorf("the file was written over: %q, %v", text, err)
	}
}

func TestFileStoreKeepsTheOldCursorIfItCantWriteTheNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	store := FileStore(path)
	if err := store.Save(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), "after"); err == nil {
		t.Error("no error")
	}
	if cursor, err := store.Load(t.Context()); cursor != "before" || err != nil {
		t.Errorf("loaded %q, %v", cursor, err)
	}
}

func TestFileStoreDoesNotTakeAnEmptyFileForABeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cursor, err := FileStore(path).Load(t.Context()); err == nil {
		t.Errorf("loaded %q", cursor)
	}
}
