package smilerelay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
	connectTimeout   = 10 * time.Second

	// What the relay may send ahead of a slow handler: four of its messages while catching up. Left to itself, grpc-go
	// lets this grow to 16 MiB.
	readAhead = 256 << 10
)

// TLS says how to encrypt the connection. The zero value trusts the system's roots and shows no certificate. The files
// are read again for each connection, so they may be replaced at any time.
type TLS struct {
	// CAFile holds the certificates to trust instead of the system's roots, in PEM.
	CAFile string
	// CertFile and KeyFile hold the client's certificate chain and its key, in PEM. Both or neither.
	CertFile, KeyFile string
	// ServerName is the name that the relay's certificate has to bear. Default: the host of Config.Target; "localhost" for
	// a Unix socket.
	ServerName string
}

func (t *TLS) credentials() (credentials.TransportCredentials, error) {
	config := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("CAFile: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CAFile: %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		if t.CertFile == "" || t.KeyFile == "" {
			return nil, errors.New("CertFile and KeyFile belong together: set both or neither")
		}
		certificate, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("CertFile and KeyFile: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return credentials.NewTLS(config), nil
}

// address is where to connect to.
type address struct {
	// As gRPC wants it. For a Unix socket grpc-go sends `localhost` as :authority; others send the path, which the relay
	// refuses.
	name string
	// What is said doesn't leave this machine.
	isLocal bool
}

func parseTarget(target string) (address, error) {
	if path, ok := strings.CutPrefix(target, "unix:"); ok {
		if path == "" {
			return address{}, errors.New("unix: needs the socket's path")
		}
		return address{name: target, isLocal: true}, nil
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || port == "" || strings.Contains(target, "/") {
		return address{}, fmt.Errorf("%q is neither host:port nor unix:/path", target)
	}
	ip := net.ParseIP(host)
	return address{name: "dns:///" + target, isLocal: host == "localhost" || ip != nil && ip.IsLoopback()}, nil
}

// dial makes the connection of one stream. It is a new one each time, so that nothing of a dead one is waited for, and
// a stream that the relay ended for its age can reach another relay.
func dial(config *Config) (*grpc.ClientConn, error) {
	address, err := parseTarget(config.Target)
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if config.TLS != nil {
		if transport, err = config.TLS.credentials(); err != nil {
			return nil, err
		}
	}
	connecting := grpcbackoff.DefaultConfig
	connecting.BaseDelay = config.BackoffMin
	connecting.MaxDelay = config.BackoffMax
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: connecting, MinConnectTimeout: connectTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(config.MaxEventBytes + messageOverhead)),
		grpc.WithStaticStreamWindowSize(readAhead),
		grpc.WithStaticConnWindowSize(readAhead),
		// Retrying is this package's task, not that of a policy found in DNS.
		grpc.WithDisableServiceConfig(),
	}
	if config.TokenFile != "" {
		options = append(options, grpc.WithPerRPCCredentials(tokenFile(config.TokenFile)))
	}
	return grpc.NewClient(address.name, append(options, config.DialOptions...)...)
}
