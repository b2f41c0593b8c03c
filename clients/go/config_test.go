package smilerelay

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	config := New(Config{}).config
	if config.Target != "127.0.0.1:50051" || config.HeartbeatInterval != 15*time.Second || config.MaxEventBytes != 3<<20 ||
		config.BackoffMin != 100*time.Millisecond || config.BackoffMax != 10*time.Second {
		t.Errorf("%+v", config)
	}
	if err := config.check(); err != nil {
		t.Error(err)
	}
	// Not an error of somebody who has set but one of the two.
	if config := New(Config{BackoffMin: time.Minute}).config; config.check() != nil || config.BackoffMax != time.Minute {
		t.Errorf("%v", config.BackoffMax)
	}
}

func TestMistakesAreToldByTheirField(t *testing.T) {
	directory := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token, none := file("token", "t0ken\n"), file("none", "\n")
	cases := []struct {
		field  string
		config Config
	}{
		{"Target", Config{Target: "http://127.0.0.1:50051"}},
		{"Target", Config{Target: "127.0.0.1"}},
		{"Target", Config{Target: ":50051"}},
		{"Target", Config{Target: "unix:"}},
		{"TLS", Config{TLS: &TLS{CAFile: directory + "/missing"}}},
		{"TLS", Config{TLS: &TLS{CAFile: none}}},
		{"TLS", Config{TLS: &TLS{CertFile: none}}},
		{"TLS", Config{TLS: &TLS{CertFile: none, KeyFile: none}}},
		{"TokenFile", Config{Target: "relay.example.com:443", TokenFile: token}},
		{"TokenFile", Config{Target: "10.0.0.1:50051", TokenFile: token}},
		{"TokenFile", Config{TokenFile: directory + "/missing"}},
		{"TokenFile", Config{TokenFile: none}},
		{"TokenFile", Config{TokenFile: file("two", "one\ntwo\n")}},
		{"HeartbeatInterval", Config{HeartbeatInterval: -1}},
		{"MaxEventBytes", Config{MaxEventBytes: -1}},
		{"MaxEventBytes", Config{MaxEventBytes: 1 << 31}},
		{"BackoffMax", Config{BackoffMax: time.Millisecond}},
		{"BackoffMax", Config{BackoffMin: -1}},
	}
	for _, c := range cases {
		err := New(c.config).Subscribe(t.Context(), nil)
		var configErr *ConfigError
		if !errors.As(err, &configErr) || configErr.Field != c.field {
			t.Errorf("got %v for %+v, want a ConfigError of %s", err, c.config, c.field)
		}
	}
	for _, target := range []string{"127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1", "unix:/relay.sock"} {
		config := New(Config{Target: target, TokenFile: token}).config
		if err := config.check(); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	config := New(Config{Target: "relay.example.com:443", TLS: new(TLS), TokenFile: token}).config
	if err := config.check(); err != nil {
		t.Error(err)
	}
}
