"""The cluster, by kubectl: what KUBECONFIG names."""

import datetime
import json
import subprocess

from .waiting import PATIENCE, Failure, eventually

from .manifests import secret, tls_secret

# A pod has to be fetched, scheduled, mounted and started on a machine that does everything else as well.
START = 120.0


def instant(text):
    """A time as Kubernetes and the relay write it. Python does not read nanoseconds, which are cut off."""
    return datetime.datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00")


class Cluster:
    """Calls kubectl. Every call has a deadline, and fails with what kubectl said."""

    def kubectl(self, *arguments, stdin=None, seconds=PATIENCE, may_fail=False):
        """What kubectl printed on stdout; None if it failed and may."""
        try:
            done = subprocess.run(
                ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise Failure(f"kubectl {' '.join(arguments)}: nothing after {seconds:g} s") from late
        if done.returncode == 0:
            return done.stdout
        if may_fail:
            return None
        raise Failure(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")

    def apply(self, *objects):
        """Creates the objects, or changes them to be so."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def get(self, *arguments):
        """An object, or a list of them; None if it is not there."""
        text = self.kubectl("get", "--ignore-not-found", "-o", "json", *arguments)
        return json.loads(text) if text else None

    def default_storage_class(self):
        """Whether claims get a volume without naming a class."""
        key = "storageclass.kubernetes.io/is-default-class"
        return any(
            item["metadata"].get("annotations", {}).get(key) == "true" for item in self.get("storageclass")["items"]
        )

    def server_version(self):
        return json.loads(self.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]

    def issuer(self):
        """What the tokens of its service accounts call their issuer."""
        return json.loads(self.kubectl("get", "--raw", "/.well-known/openid-configuration"))["issuer"]


class Namespace:
    """A namespace of the test's own, which enforces a pod security profile; or one that is made later, by somebody else."""

    def __init__(self, cluster, name, profile="restricted"):
        self.cluster, self.name = cluster, name
        if not profile:
            return
        labels = {f"pod-security.kubernetes.io/{mode}": profile for mode in ("enforce", "warn", "audit")}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def kubectl(self, *arguments, **options):
        return self.cluster.kubectl("-n", self.name, *arguments, **options)

    def get(self, *arguments):
        return self.cluster.get("-n", self.name, *arguments)

    def apply(self, *objects):
        for made in objects:
            made["metadata"]["namespace"] = self.name
        self.cluster.apply(*objects)

    def secret(self, name, **entries):
        """A Secret with these entries, which are text."""
        self.apply(secret(name, **entries))

    def tls_secret(self, name, identity):
        """A Secret of the type that certificates have."""
        self.apply(tls_secret(name, identity))

    def config_map(self, name, **entries):
        self._keep("ConfigMap", name, {"data": entries})

    def service_account(self, name):
        self._keep("ServiceAccount", name, {})

    def _keep(self, kind, name, fields):
        self.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields})

    def pod(self, name):
        return self.get("pod", name)

    def pods(self, selector):
        return self.get("pods", "-l", selector)["items"]

    def container(self, pod, container):
        """The state of a container, of the ordinary ones or the init ones; None while there is none."""
        status = (self.pod(pod) or {}).get("status", {})
        every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
        return next((state for state in every if state["name"] == container), None)

    def logs(self, pod, container=None, previous=False, may_fail=False):
        """What a container printed since its last start, or before that."""
        which = ["-c", container] if container else []
        return self.kubectl("logs", pod, *which, *(["--previous"] if previous else []), may_fail=may_fail) or ""

    def await_ready(self, pod, seconds=START):
        """Until all containers of a pod are ready."""
        self.await_condition(pod, "Ready", seconds)

    def await_condition(self, pod, condition, seconds=START):
        def holds():
            status = (self.pod(pod) or {}).get("status", {})
            return any(one["type"] == condition and one["status"] == "True" for one in status.get("conditions", []))

        try:
            eventually(f"pod {pod} is {condition}", holds, seconds)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.said_of(pod)}") from failure

    def await_phase(self, pod, phase, seconds=START):
        try:
            eventually(f"pod {pod} is {phase}", lambda: (self.pod(pod) or {})["status"].get("phase") == phase, seconds)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.said_of(pod)}") from failure

    def said_of(self, pod):
        """What is known of a pod, for the person who reads why it failed."""
        described = self.kubectl("describe", "pod", pod, may_fail=True) or "there is no such pod"
        logs = self.kubectl("logs", pod, "--all-containers", "--prefix", "--tail=20", may_fail=True) or ""
        return f"{described}\n{logs}"

    def remove_pods(self):
        """Ends all that runs, and what would start it again."""
        kinds = "deployments,statefulsets,jobs,pods"
        self.kubectl("delete", kinds, "--all", "--grace-period=1", "--wait", seconds=120)

    def report(self):
        """What is there and what happened, for the same person."""
        everything = self.kubectl("get", "all,pvc", "-o", "wide", may_fail=True) or ""
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp", may_fail=True) or ""
        ends = [self.kubectl("logs", pod["metadata"]["name"], "--all-containers", "--prefix", "--tail=60", may_fail=True)
                for pod in (self.get("pods") or {"items": []})["items"]]  # fmt: skip
        return "\n".join([everything, *events.splitlines()[-25:], *(end or "" for end in ends)])
