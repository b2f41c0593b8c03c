"""The README's section on Kubernetes and that of docs/kubernetes.md on the shape `shared`, followed command by command.

Commands and files are taken from the pages and run as they stand, in an empty directory, but for what stands for the reader's
own: `_own` has all of it. The image was built and loaded before: lines of `docker` are not run. A page with a command that is
not expected here fails.
"""

import re
import shlex
import socket
import subprocess

from ..waiting import Failure, eventually, expect

from ..images import RELAY, SERVICES
from ..page import ROOT, File, followed
from ..release import IMAGE

BUILT_BEFORE = "docker"


def readme(stage):
    """From the build of the image to an event on the terminal."""
    reader = Reader(stage)
    reader.follow("README.md", "### In Kubernetes", {
        "docker build -f deploy/Dockerfile": None,
        "docker push": None,
        "openssl rand": None,
        "openssl req": None,
        **_installs(reader),
        "kubectl -n events create token payroll": None,
        "kubectl -n events port-forward": None,
        "grpcurl": reader.shows_event,
    })  # fmt: skip


def shared(stage):
    """With a certificate that one has, to a service that reads."""
    reader = Reader(stage)
    authority = stage.authority("page")
    signed = authority.sign(f"DNS:relay-smile-relay.{reader.namespace}.svc")
    reader.has(FILE="a-secret-to-try-with", CERT=signed.certificate.read_text(), KEY=signed.key.read_text(),
               CA=authority.certificate.read_text())  # fmt: skip
    reader.follow("docs/kubernetes.md", "## Shared", {
        **_installs(reader),
        "kubectl -n events apply -f payroll.yaml": None,
        "kubectl -n events wait": None,
        "kubectl -n events logs payroll": reader.shows_event,
    })  # fmt: skip


def _installs(reader):
    """What both pages say, from a namespace to a relay that helm test has tried, and the account of a service that reads."""
    return {
        "kubectl create namespace": None,
        "kubectl -n events create secret generic smile-webhook": None,
        "kubectl -n events create secret tls relay-grpc-tls": None,
        "kubectl -n events create secret generic relay-grpc-ca": None,
        "kubectl get --raw": reader.shows_issuer,
        "helm -n events install relay": None,
        "kubectl -n events rollout status": None,
        "helm -n events test relay": reader.shows_event,
        "kubectl -n events create serviceaccount payroll": None,
    }


class Reader:
    """Somebody who follows a page, in a directory with the repository's `deploy`."""

    def __init__(self, stage):
        self._stage = stage
        self.namespace = stage.later_namespace().name
        self._directory = stage.directory / "reader"
        self._directory.mkdir()
        (self._directory / "deploy").symlink_to(ROOT / "deploy")
        self._port = _free_port()
        self._event = None

    def has(self, **files):
        """Files that the page takes for granted."""
        for name, text in files.items():
            (self._directory / name).write_text(text)

    def follow(self, path, heading, expected):
        """Does all that the section says. `expected` are its commands by their beginnings, in order, and what each has to show."""
        steps = followed(path, heading)
        commands = [step.text for step in steps if not isinstance(step, File)]
        known = list(expected)
        fits = len(commands) == len(known) and all(map(str.startswith, commands, known))
        expect(fits, f"{path} has other commands than this test knows: {commands}, expected {known}")
        shows = iter(expected.values())
        running = []
        try:
            for step in steps:
                if isinstance(step, File):
                    (self._directory / step.name).write_text(self._own(step.text))
                else:
                    self._run(step.text, next(shows), running)
        finally:
            for each in running:
                each.terminate()
                each.wait()
        self._stage.note(f"{path}, {heading.strip('# ')}: {len(commands)} commands; at last {self._event} is shown")

    def _own(self, text):
        """What the page says, with what is the reader's own in place of what stands for it."""
        issuer = self._stage.cluster.issuer()
        for pattern, own in {
            r"(?<=-n )events\b|(?<=namespace )events\b|(?<=\.)events(?=\.svc)|(?<=serviceaccount:)events\b": self.namespace,
            r"repository: registry\.example\.com/smile-relay": f"repository: {IMAGE}\n  tag: {RELAY.split(':')[1]}",
            r"registry\.example\.com/payroll:1\.0": SERVICES["python"],
            r"https://kubernetes\.default\.svc\.cluster\.local": issuer,
            r"port-forward (\S+) 50051": rf"port-forward \1 {self._port}:50051",
            r"127\.0\.0\.1:50051": f"127.0.0.1:{self._port}",
            r"(?s)(# my-values\.yaml\n.*)": r"\1persistence:\n  size: 512Mi\n",
        }.items():
            text = re.sub(pattern, own, text)
        return text

    def _run(self, command, shows, running):
        if command.startswith(BUILT_BEFORE):
            return
        command = self._own(command)
        if command.split("#")[0].rstrip().endswith("&"):
            in_background = shlex.split(command.rstrip().removesuffix("&"))
            running.append(subprocess.Popen(in_background, cwd=self._directory, stdout=subprocess.DEVNULL))
            eventually(f"{command} forwards", lambda: _listens(self._port), 30)
            return
        if shows:
            # Somebody who does not see it yet looks again.
            eventually(f"{command} shows what the page says", lambda: shows(self._done(command)), 30)
        else:
            self._done(command)

    def _done(self, command):
        """What a command prints; fails if it does."""
        done = subprocess.run(["bash", "-c", command], cwd=self._directory, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise Failure(f"{command}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def shows_issuer(self, printed):
        return self._stage.cluster.issuer() in printed

    def shows_event(self, printed):
        """The event that helm test sent: the first time this learns which, later it has to be the same."""
        found = re.search(r"helm-test-[0-9a-f-]{36}", printed)
        expect(found or self._event, f"helm test shows no event:\n{printed}")
        self._event = self._event or found[0]
        return self._event in printed


def _free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def _listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
