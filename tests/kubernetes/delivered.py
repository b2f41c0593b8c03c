"""When the kubelet delivers what was applied: an ephemeral container in the relay's own pod looks at the same volume.

Each pod has a time of its own for that, so no other pod could tell. Times are those of the node's clock.
"""

import json
import tempfile

from .waiting import eventually

from .images import SERVICES
from .manifests import RESTRICTED

VOLUME = "smile-relay-config"
WATCH = """
import hashlib, json, os, pathlib, time
top, seen, before = pathlib.Path("/watched"), None, {}
while True:
    now = os.readlink(top / "..data")
    if now != seen:
        files = {str(path.relative_to(top / now)): hashlib.sha256(path.read_bytes()).hexdigest()
                 for path in (top / now).rglob("*") if path.is_file()}
        changed = [name for name in files if files[name] != before.get(name)]
        print(json.dumps({"at": time.time(), "changed": changed}), flush=True)
        seen, before = now, files
    time.sleep(0.02)
"""


class Delivered:
    """Watches the configuration of a release's pod until that ends."""

    def __init__(self, release):
        self._namespace, self._pod = release.namespace, release.pod
        self._container = "watch"
        custom = {"securityContext": RESTRICTED, "volumeMounts": [{"name": VOLUME, "mountPath": "/watched", "readOnly": True}]}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(custom, file)
            file.flush()
            self._namespace.kubectl(
                "debug", self._pod, "--quiet", "--attach=false", f"--container={self._container}", f"--custom={file.name}",
                "--profile=restricted", f"--image={SERVICES['python']}", "--image-pull-policy=IfNotPresent", "--",
                "python3", "-c", WATCH,
            )  # fmt: skip
        eventually("the configuration is watched", self._lines)

    def _lines(self):
        return [json.loads(line) for line in self._namespace.logs(self._pod, self._container, may_fail=True).splitlines()]

    def after(self, since, files):
        """When each of these files came with other content, after a time."""
        times = {}
        for line in self._lines():
            if line["at"] > since:
                times.update({name: line["at"] for name in line["changed"] if name not in times})
        return {name: times[name] for name in files if name in times}
