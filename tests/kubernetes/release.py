"""The chart, installed by Helm."""

import json
import pathlib
import subprocess
import tempfile

from .waiting import Failure, expect

CHART = pathlib.Path(__file__).parents[2] / "deploy/helm/smile-relay"
IMAGE, TAG = "localhost/smile-relay", "test"


def merged(*values):
    """Values over values, as Helm lays files over one another."""
    result = {}
    for part in values:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


class Release:
    """A release of a chart in a namespace; `values` are its whole values."""

    def __init__(self, namespace, values, name="relay", chart=CHART, image_under=()):
        image = {"image": {"repository": IMAGE, "tag": TAG, "pullPolicy": "IfNotPresent"}}
        for key in reversed(image_under):
            image = {key: image}
        self.namespace, self.name, self.chart = namespace, name, chart
        self._image = image
        self.values = values

    @property
    def full_name(self):
        return f"{self.name}-smile-relay"

    @property
    def pod(self):
        """The pod of the StatefulSet."""
        return f"{self.full_name}-0"

    @property
    def public_url(self):
        return f"https://{self.full_name}-public.{self.namespace.name}.svc/webhooks/smile"

    @property
    def grpc_address(self):
        return f"https://{self.full_name}.{self.namespace.name}.svc:50051"

    def install(self, wait=True):
        """Installs it, or changes it to the values that are set now. Returns what Helm printed."""
        return self._with_values("upgrade", "--install", self.name, str(self.chart), *(["--wait", "--timeout=120s"] if wait else []))

    def render(self):
        """What Helm makes of the chart, without a cluster."""
        return self._with_values("template", self.name, str(self.chart))

    def helm(self, *arguments, seconds=300):
        """What Helm printed."""
        command = ["helm", "--namespace", self.namespace.name, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{' '.join(command)}: nothing after {seconds} s\n{self.namespace.report()}") from late
        if done.returncode:
            raise Failure(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def uninstall(self):
        return self.helm("uninstall", self.name, "--wait", "--timeout=120s")

    def _with_values(self, *arguments):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(merged(self._image, self.values), file)
            file.flush()
            return self.helm(*arguments, f"--values={file.name}")

    def started_at(self):
        """When the relay's container began to run, as the API server says it; and how often it was restarted."""
        state = self.namespace.container(self.pod, "smile-relay")
        expect(state, f"{self.pod} has no container smile-relay")
        return state["state"].get("running", {}).get("startedAt"), state["restartCount"]
