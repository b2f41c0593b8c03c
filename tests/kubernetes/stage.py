"""Where a scenario plays: its directory, its certificates, its namespaces. Leaves nothing behind."""

import contextlib
import pathlib
import secrets

from polyglot.certificates import Authority

from . import volumes
from .cluster import Namespace
from .services import Service, container, cursor_volume
from .manifests import pod, token_volume

AUDIENCE = "smile-relay"


class Stage:
    """One scenario's. Others may play at the same time."""

    def __init__(self, cluster, name, directory):
        self.cluster, self.name = cluster, name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self._namespaces, self._privileged, self._ends = [], [], []
        self._unique = secrets.token_hex(3)

    def note(self, line):
        """Says what was seen, at once."""
        print(f"{self.name:<16} {line}", flush=True)

    def namespace(self, suffix=""):
        """A new namespace, with what every release needs: the Secret `smile-webhook`, certificates for the relay `relay`, and
        the CAs that sign them as `public-ca` and `grpc-ca`."""
        made = Namespace(self.cluster, f"smile-relay-{self.name}{suffix}-{self._unique}")
        self._namespaces.append(made)
        made.secret("smile-webhook", secret=secrets.token_hex(32))
        for listener in ("public", "grpc"):
            self.certificate(made, listener)
        return made

    def later_namespace(self):
        """A namespace that the scenario makes itself, by the name that this one has."""
        made = Namespace(self.cluster, f"smile-relay-{self.name}-{self._unique}", profile=None)
        self._namespaces.append(made)
        return made

    def privileged_namespace(self):
        """A new namespace for pods that may do everything. It is there until all others are gone."""
        made = Namespace(self.cluster, f"smile-relay-{self.name}-node-{self._unique}", "privileged")
        self._privileged.append(made)
        return made

    def certificate(self, namespace, listener, release="relay"):
        """A new CA and a certificate by it for a listener of the release, put in the Secret LISTENER-tls, and the CA
        in a ConfigMap and a Secret LISTENER-ca. Returns the CA."""
        authority = self.authority(f"{namespace.name}-{listener}")
        namespace.tls_secret(f"{listener}-tls", authority.sign(*self.names(namespace, listener, release)))
        trusted = {"ca.crt": authority.certificate.read_text()}
        namespace.config_map(f"{listener}-ca", **trusted)
        namespace.secret(f"{listener}-ca", **trusted)
        return authority

    def names(self, namespace, listener, release="relay"):
        """The names that a listener of the release is called by."""
        service = f"{release}-smile-relay" + ("-public" if listener == "public" else "")
        return [f"DNS:{service}.{namespace.name}.svc", f"DNS:{service}", "DNS:localhost", "IP:127.0.0.1"]

    def authority(self, name):
        """A new CA, with a directory of its own."""
        directory = self.directory / f"{name}-{secrets.token_hex(2)}"
        directory.mkdir()
        return Authority(directory)

    def at_end(self, end):
        """Has `end` called when the scenario is over and no pod of its namespaces runs any more; the last one first."""
        self._ends.append(end)

    def service(self, namespace, language, release, account=None, name=None, token=None):
        """A service in a pod of its own, as started. Over TLS it shows the token of its service account, or the file `token`
        of another volume of this name."""
        name = name or f"service-{language}"
        ca = {"name": "grpc-ca", "mountPath": "/ca"}
        mounted = {"name": "token", "mountPath": "/token", "readOnly": True}
        made = container(name, language, release.grpc_address, "/ca/ca.crt", "/token/token", [ca, mounted])
        token = token or token_volume("token", AUDIENCE)
        held = [cursor_volume(), {"name": "grpc-ca", "configMap": {"name": "grpc-ca"}}, token]
        namespace.apply(pod(name, made, volumes=held, account=account or name, restart="Always", grace=5))
        return Service(namespace, name, name, language)

    def report(self):
        """What the namespaces look like, for a failure."""
        return "\n".join(f"--- {namespace.name}\n{namespace.report()}" for namespace in self._namespaces + self._privileged)

    def close(self):
        """Removes everything: first what runs, then what it ran on. Each is tried, whatever becomes of those before it."""
        with contextlib.ExitStack() as last_one_first:
            last_one_first.callback(self._delete_namespaces)
            for end in self._ends:
                last_one_first.callback(end)
            for namespace in self._namespaces:
                last_one_first.callback(volumes.give_back, namespace)
                last_one_first.callback(namespace.remove_pods)

    def _delete_namespaces(self):
        if names := [namespace.name for namespace in self._namespaces + self._privileged]:
            self.cluster.kubectl("delete", "namespace", *names, "--ignore-not-found", "--wait", seconds=120)
