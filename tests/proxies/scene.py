"""One scenario behind one proxy."""

from polyglot.relay import Relay
from polyglot.stage import Stage


class RelayBehind(Relay):
    """A relay whose webhooks come from a proxy that ends TLS."""

    PUBLIC_SECURITY = "--insecure-public-http"


class Scene(Stage):
    """A stage with one kind of proxy on it. A certificate authority has signed everybody's certificate."""

    def __init__(self, name, kind, languages, directory):
        super().__init__(name, languages, directory)
        self.kind = kind
        # A failure that is no language's, and what there is to say of none.
        self.failure = ""
        self.remarks = []
        # The languages that each() was called for.
        self.took_part = set()
        self.ca = self.authority()
        self.identity = self.ca.sign("IP:127.0.0.1", "DNS:relay.internal")
        self._ingresses = []

    def relay(self, name="relay", tls=False, flags=()):
        """A relay that runs, with these flags. With `tls`, its gRPC listener wants TLS."""
        relay = RelayBehind(self.directory / name, self.identity if tls else None)
        self._relays.append(relay)
        self._closing.callback(relay.close)
        return relay.start(*flags)

    def ingress(self, relay, changes=(), **more):
        """The scene's proxy in front of this relay, running. `changes` are by kind, or for the scene's."""
        if isinstance(changes, dict):
            changes = changes[self.kind]
        directory = self.directory / f"{self.kind.PROGRAM}-{len(self._ingresses)}"
        ingress = self.kind(directory, relay, self.ca, self.identity, changes, **more)
        self._ingresses.append(ingress)
        self._closing.callback(ingress.close)
        return ingress.start()

    def each(self, step):
        self.took_part |= set(self.languages)
        return super().each(step)

    def subscribe(self, name, ingress, **config):
        """Starts the client of a language, through this proxy."""
        return self.start(name, target=ingress.streams, ca_file=self.ca.certificate, **config)

    def backstage_report(self):
        """What relays and proxies logged last."""
        proxies = [f"--- {ingress.directory.name} logged last:\n{ingress.log_tail()}" for ingress in self._ingresses]
        return "\n".join([self.relays_report(), *proxies])
