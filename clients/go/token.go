package smilerelay

import (
	"context"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tokenFile authenticates each call with what the file holds at that time.
type tokenFile string

func (f tokenFile) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := readToken(string(f))
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity is Config's to decide, which knows loopback addresses and Unix sockets.
func (tokenFile) RequireTransportSecurity() bool {
	return false
}

// readToken never repeats what the file holds.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	isOdd := func(r rune) bool { return r <= ' ' || r > '~' }
	if token == "" || strings.ContainsFunc(token, isOdd) {
		return "", fmt.Errorf("%s holds no token: one line of printable ASCII is expected", path)
	}
	return token, nil
}
