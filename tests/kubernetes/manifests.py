"""Pods as the profile `restricted` admits them, and what they mount."""

USER = 65532


def pod(name, *containers, volumes=(), init=(), labels=None, account=None, restart="Never", grace=10):
    """A pod of these containers, each with a root file system that can't be written."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": pod_spec(*containers, volumes=volumes, init=init, account=account, restart=restart, grace=grace),
    }


def pod_spec(*containers, volumes=(), init=(), account=None, restart="Never", grace=10):
    return {
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": grace,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        **({"serviceAccountName": account} if account else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": list(init),
        "containers": [{**PINNED, **container} for container in containers],
        "volumes": list(volumes),
    }


RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# The images are on the node: there is nowhere to fetch them from.
PINNED = {"imagePullPolicy": "IfNotPresent", "securityContext": RESTRICTED}


def secret(name, **entries):
    """A Secret with these entries, which are text."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": entries}


def tls_secret(name, identity):
    """A Secret of the type that certificates have."""
    data = {"tls.crt": identity.certificate.read_text(), "tls.key": identity.key.read_text()}
    return {**secret(name, **data), "type": "kubernetes.io/tls"}


def token_volume(name, audience, seconds=3600):
    """The token of the pod's service account for an audience, as file `token`."""
    source = {"serviceAccountToken": {"path": "token", "audience": audience, "expirationSeconds": seconds}}
    return {"name": name, "projected": {"defaultMode": 0o440, "sources": [source]}}
