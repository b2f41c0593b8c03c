package smilerelay

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
)

// certificate makes a self-signed one, for both sides, and returns its files.
func certificate(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
}

func TestTLSWithACertificateOfTheClient(t *testing.T) {
	relayCert, relayKey := certificate(t, "relay.test")
	clientCert, clientKey := certificate(t, "client.test")
	pair, err := tls.LoadX509KeyPair(relayCert, relayKey)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clientPEM, err := os.ReadFile(clientCert)
	if err != nil || !clients.AppendCertsFromPEM(clientPEM) {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay := &fakeRelay{target: listener.Addr().String(), scripts: []func(subscribeStream) error{play(nil)}}
	relay.serve(t, listener, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
	})))
	config := relay.config()
	config.StopWhenCaughtUp = true
	config.TLS = &TLS{CAFile: relayCert, CertFile: clientCert, KeyFile: clientKey, ServerName: "relay.test"}
	if err := subscribe(t, config, nil); err != nil {
		t.Error(err)
	}

	// It is the name, the authority and the certificate that let it in.
	for name, wrong := range map[string]*TLS{
		"another name":      {CAFile: relayCert, CertFile: clientCert, KeyFile: clientKey, ServerName: "other.test"},
		"another authority": {CAFile: clientCert, CertFile: clientCert, KeyFile: clientKey, ServerName: "relay.test"},
		"no certificate":    {CAFile: relayCert, ServerName: "relay.test"},
	} {
		config.TLS = wrong
		ctx, cancel := context.WithCancel(t.Context())
		var lost Lost
		config.OnLost = func(l Lost) {
			lost = l
			cancel()
		}
		err := New(config).Subscribe(ctx, nil)
		var statusErr *StatusError
		if !errors.Is(err, context.Canceled) || !errors.As(lost.Err, &statusErr) || statusErr.Code != codes.Unavailable {
			t.Errorf("%s: got %v, lost by %v", name, err, lost.Err)
		}
	}
}
