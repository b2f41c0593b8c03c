"""HAProxy, as docs/proxies.md configures it, run as distributions do: a master, and workers that it replaces."""

import signal

from .ingress import Ingress
from .manual import changed, printed


class HAProxy(Ingress):
    """Its log is what it says of itself and its workers."""

    PROGRAM = "haproxy"
    RELOAD = signal.SIGUSR2

    def command(self, path):
        return ["haproxy", "-W", "-f", path]

    def configuration(self):
        with_key = self.directory / "with-key.pem"
        with_key.write_text(self.identity.certificate.read_text() + self.identity.key.read_text())
        text = printed("haproxy", "/etc/haproxy/haproxy.cfg")
        plain = "server relay 127.0.0.1:50051 proto h2"
        if self.tls_to_relay:
            over_tls = printed("haproxy", f"With TLS to the relay: in place of {plain}").strip()
            text = changed(text, [
                (plain, over_tls),
                ("relay.internal:50051", self.relay.grpc),
                ("/etc/ssl/internal-ca.pem", self.authority.certificate),
            ])  # fmt: skip
        else:
            text = changed(text, [(plain, f"server relay {self.relay.grpc} proto h2")])
        text = changed(text, [
            ("bind :443 ", f"bind {self.public} "),
            ("bind 10.0.0.5:50443 ", f"bind {self.streams} "),
            ("/etc/ssl/private/relay-with-key.pem", with_key),
            ("127.0.0.1:8443", self.relay.public),
        ])  # fmt: skip
        return self.directory / "haproxy.cfg", changed(text, self.changes)
