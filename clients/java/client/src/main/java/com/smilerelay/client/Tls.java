package com.smilerelay.client;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.nio.file.Path;

/** How the connection is secured. Each field may be null: Java's roots, no client certificate, the target's name. */
final class Tls {
  Path caFile;
  Path certificate;
  Path key;
  String serverName;

  /** Reads the files. */
  ChannelCredentials credentials() {
    var credentials = TlsChannelCredentials.newBuilder();
    Path reading = caFile;
    try {
      if (caFile != null) {
        credentials.trustManager(caFile.toFile());
      }
      if (certificate != null) {
        reading = certificate;
        credentials.keyManager(certificate.toFile(), key.toFile());
      }
    } catch (IOException e) {
      throw new IllegalArgumentException("can't read the certificate or key at " + reading + ": " + e, e);
    }
    return credentials.build();
  }
}
