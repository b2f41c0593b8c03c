package com.smilerelay.client;

import io.grpc.Metadata;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A bearer token in a file, which is read again for each call: whoever replaces it needs to tell nobody. */
final class TokenFile {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final Path file;

  TokenFile(Path file) {
    this.file = file;
  }

  /** Adds the token to a call's headers. The failure is UNAUTHENTICATED, as if the relay had refused the token. */
  void addTo(Metadata headers) throws RelayFailure {
    String token;
    try {
      token = Files.readString(file).strip();
    } catch (IOException e) {
      throw new RelayFailure(RelayError.token("the token file can't be read: " + e, e));
    }
    if (token.isEmpty() || !token.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
      throw new RelayFailure(RelayError.token("the token file " + file + " holds no token", null));
    }
    headers.put(AUTHORIZATION, "Bearer " + token);
  }
}
