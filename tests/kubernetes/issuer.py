"""An OIDC issuer of the test's own, whose key signs what the cluster's would not: tokens that have expired."""

import base64
import json
import subprocess
import time

from .waiting import expect

NAME = "https://issuer.test"


class Issuer:
    """`jwks` is what a relay has to know of it, as text."""

    def __init__(self, directory):
        self._key = directory / "issuer.key"
        _openssl("genrsa", "-out", self._key, "2048")
        modulus = _openssl("rsa", "-in", self._key, "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "e": "AQAB", "n": _encoded(bytes.fromhex(modulus))}
        self.jwks = json.dumps({"keys": [key]})

    def token(self, subject, audience, expires_in):
        """A token that expires in so many seconds, or did."""
        now = int(time.time())
        claims = {"iss": NAME, "sub": subject, "aud": audience, "iat": now - 3600, "exp": now + expires_in}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims))
        return f"{signed}.{_encoded(_openssl('dgst', '-sha256', '-sign', self._key, stdin=signed.encode()))}"


def _encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*arguments, stdin=None):
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
    expect(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout
