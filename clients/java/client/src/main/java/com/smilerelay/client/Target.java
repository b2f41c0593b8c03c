package com.smilerelay.client;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * Where the relay listens.
 *
 * @param uri as gRPC's name resolvers want it
 * @param socket whether it is a Unix socket
 * @param local whether nothing leaves the machine on the way there: a socket, or a loopback address
 */
record Target(String uri, boolean socket, boolean local) {
  private static final String UNIX = "unix:";
  private static final Pattern HOST_PORT =
      Pattern.compile("(?<host>[^\\[\\]:/@\\s]+|\\[[0-9a-fA-F:.]+]):(?<port>[0-9]{1,5})");
  private static final Pattern LOOPBACK =
      Pattern.compile("localhost|127\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[::1]", Pattern.CASE_INSENSITIVE);

  /** Reads {@code host:port}, {@code [v6]:port} or {@code unix:/path}. */
  static Target parse(String target) {
    if (target.startsWith(UNIX)) {
      return unix(target);
    }
    var match = HOST_PORT.matcher(target);
    if (!match.matches() || Integer.parseInt(match.group("port")) > 65535) {
      throw new IllegalArgumentException(
          "the target \"" + target + "\" is neither host:port nor unix:/path");
    }
    return new Target("dns:///" + target, false, LOOPBACK.matcher(match.group("host")).matches());
  }

  private static Target unix(String target) {
    String path = target.substring(UNIX.length());
    if (path.isEmpty()) {
      throw new IllegalArgumentException("the target \"" + target + "\" names no socket");
    }
    try {
      String absolute = Path.of(path).toAbsolutePath().normalize().toString();
      return new Target(new URI("unix", null, absolute, null).toString(), true, true);
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException("the target \"" + target + "\" is no path", e);
    }
  }
}
