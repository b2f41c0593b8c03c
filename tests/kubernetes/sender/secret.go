package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"log"
	"os"
	"sync"
	"time"
)

// secret is a file's content, read again when the file has changed: a secret may be rotated while webhooks are sent.
type secret struct {
	file string

	mu       sync.Mutex
	value    []byte
	modified time.Time
	looked   time.Time
}

func openSecret(file string) (*secret, error) {
	s := &secret{file: file}
	return s, s.look()
}

// current is the secret, at most a second old. What can't be read leaves the one before in place.
func (s *secret) current() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) >= time.Second {
		if err := s.look(); err != nil {
			log.Print(err)
		}
	}
	return s.value
}

func (s *secret) look() error {
	s.looked = time.Now()
	found, err := os.Stat(s.file)
	if err != nil || found.ModTime().Equal(s.modified) {
		return err
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	s.value, s.modified = bytes.TrimSuffix(text, []byte("\n")), found.ModTime()
	return nil
}

// sign is what Smile puts into Smile-Signature.
func sign(secret, body []byte) string {
	mac := hmac.New(sha512.New, secret)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
