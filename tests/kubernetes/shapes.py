"""Values of the chart's shapes, as the scenarios install them."""

from .images import LANGUAGES, SERVICES

# What the volumes of a small cluster hold.
VOLUME = {"persistence": {"size": "512Mi"}}


def shared(namespace, config=None):
    """One relay for services in pods of their own: TLS on both listeners, and an identity for each service account
    `service-LANGUAGE` of the namespace, and for that of `helm test`."""
    granted = {
        f"service-{language}": identity(f"system:serviceaccount:{namespace.name}:service-{language}")
        for language in LANGUAGES
    }
    granted["helm-test"] = identity(f"system:serviceaccount:{namespace.name}:relay-smile-relay-test")
    return {
        **VOLUME,
        "shape": "shared",
        "endpoints": {"smile": {"existingSecret": "smile-webhook"}},
        "public": {"tls": {"existingSecret": "public-tls"}},
        "grpc": {"tls": {"existingSecret": "grpc-tls"}},
        "identities": {
            "kubernetes": {"enabled": True, "issuer": namespace.cluster.issuer()},
            "config": {"identities": granted},
        },
        "test": {"caSecret": "grpc-ca"},
        "config": config or {},
    }


def identity(subject, **grants):
    """An identity of the relay's for a subject of the cluster's tokens."""
    return {"jwt": [{"issuer": "kubernetes", "subjects": [subject]}], "endpoints": ["smile"], **grants}


def sidecar(languages, unix_socket=False, **relay):
    """Values of the example chart: services in these languages beside a relay that speaks HTTPS itself."""
    return {
        "services": [_in_example(language) for language in languages],
        "smile-relay": {
            **VOLUME,
            "endpoints": {"smile": {"existingSecret": "smile-webhook"}},
            "public": {"behindTlsProxy": False, "tls": {"existingSecret": "public-tls"}},
            "ingress": {"enabled": False},
            "grpc": {"unixSocket": {"enabled": unix_socket}},
            **relay,
        },
    }


def _in_example(language):
    place = {"name": "SMILE_RELAY_CURSOR_FILE", "value": f"/var/lib/service/{language}.cursor"}
    return {"name": language, "image": SERVICES[language], "env": [place]}
