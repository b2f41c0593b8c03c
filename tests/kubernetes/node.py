"""What only the node can do: end a container's processes as a crash would, and look at what no pod is shown.

A pod of the node's own pid namespace does it, privileged, in a namespace of its own. It needs no program of the node's.
"""

from polyglot.waiting import expect

from .images import SERVICES

_KILL = """
import os, pathlib, signal, sys
found = []
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if sys.argv[1] in (process / "cgroup").read_text():
            os.kill(int(process.name), signal.SIGKILL)
            found.append(process.name)
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended by itself
print(*found)
"""


class Node:
    """The node, as root. One for a stage, whose end removes it."""

    def __init__(self, stage):
        self._namespace = stage.namespace("-node", profile="privileged")
        self._namespace.apply(_pod())
        self._namespace.await_ready("node")

    def run(self, script, *arguments, seconds=60):
        """Runs Python among the node's processes, and returns what it printed. The node's files are below /node, to be read; a
        container's below /proc/PID/root."""
        command = ["exec", "-i", "node", "--", "python3", "-", *arguments]
        return self._namespace.kubectl(*command, stdin=script, seconds=seconds)

    def kill(self, namespace, pod, container="smile-relay"):
        """SIGKILL to all processes of a container that runs: the kubelet sees it end with 137."""
        state = namespace.container(pod, container)
        expect(state and "running" in state["state"], f"{pod}/{container} does not run: {state}")
        killed = self.run(_KILL, state["containerID"].split("//")[1])
        expect(killed.strip(), f"{pod}/{container} ({state['containerID']}) has no process on the node")


def _pod():
    container = {
        "name": "node",
        "image": SERVICES["python"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", "import signal; signal.sigwait({signal.SIGTERM})"],
        "securityContext": {"privileged": True, "runAsUser": 0},
        "volumeMounts": [
            {"name": "node", "mountPath": "/node", "readOnly": True, "mountPropagation": "HostToContainer"}
        ],
    }
    spec = {
        "hostPID": True,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "node"}, "spec": spec}
