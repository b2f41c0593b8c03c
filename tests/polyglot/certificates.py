"""A certificate authority of the test's own, and what it signs, by openssl."""

import pathlib
import subprocess
from typing import NamedTuple

from .waiting import expect


class Identity(NamedTuple):
    """A certificate and its key, in PEM files."""

    certificate: pathlib.Path
    key: pathlib.Path


class Authority:
    """`certificate` is what clients have to trust."""

    def __init__(self, directory, name="ca"):
        self._directory = pathlib.Path(directory)
        self.certificate = self._directory / f"{name}.pem"
        self._key = self._directory / f"{name}.key"
        _openssl(
            "req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN=polyglot {name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def sign(self, *names, usage="serverAuth"):
        """An identity for these names, written as openssl does: DNS:localhost, IP:127.0.0.1. A server's, or a client's
        (`clientAuth`)."""
        role = usage.removesuffix("Auth")
        identity = Identity(self._directory / f"{role}.pem", self._directory / f"{role}.key")
        request, extensions = self._directory / f"{role}.csr", self._directory / f"{role}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage={usage}\n")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={role}", "-keyout", identity.key, "-out", request)
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", identity.certificate,
        )  # fmt: skip
        return identity


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    expect(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}")
