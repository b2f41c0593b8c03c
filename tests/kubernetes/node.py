"""What only the cluster's node can do: end a container's process, make file systems. By a privileged pod on it."""

import json

from .waiting import expect

from .images import SERVICES

# Finds the processes of a container: those that hold its pod's UID in their control groups, and run this program.
FIND = """
import json, os, pathlib, sys
uid, program = sys.argv[1:]
found = []
for process in pathlib.Path("/proc").iterdir():
    if process.name.isdigit():
        try:
            groups = (process / "cgroup").read_text()
            command = (process / "cmdline").read_text().split("\\0")[0]
        except OSError:
            continue
        if (uid in groups or uid.replace("-", "_") in groups) and os.path.basename(command) == program:
            found.append(int(process.name))
print(json.dumps(found))
"""

# Not every image has kill(1).
KILL = """
import os, signal, sys
for process in sys.argv[1:]:
    os.kill(int(process), signal.SIGKILL)
"""

# Volumes are mounted where the kubelet runs. Process 1 may be elsewhere, or not let anybody look.
KUBELET = """
import pathlib
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if (process / "comm").read_text() == "kubelet\\n":
            print(process.name)
            break
    except OSError:
        continue
"""


class Node:
    """A pod in a namespace of its own, as root beside the node's own processes."""

    def __init__(self, stage):
        self._namespace = stage.privileged_namespace()
        privileged = {
            "name": "node",
            "image": SERVICES["python"],
            "imagePullPolicy": "IfNotPresent",
            "command": ["sleep", "infinity"],
            "securityContext": {"privileged": True, "runAsUser": 0},
        }
        spec = {"hostPID": True, "containers": [privileged], "terminationGracePeriodSeconds": 0}
        self._namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "node"}, "spec": spec})
        self._namespace.await_ready("node")

    def shell(self, script):
        """Runs a shell script where the kubelet runs. Returns what it printed; fails if it does."""
        kubelet = self._exec("python3", "-c", KUBELET).strip()
        expect(kubelet, "the node has no process kubelet")
        return self._exec("nsenter", f"--target={kubelet}", "--mount", "--", "sh", "-c", script)

    def kill(self, namespace, pod, program):
        """SIGKILL to the program's processes in a pod."""
        processes = self.processes(namespace, pod, program)
        expect(processes, f"pod {pod} has no process {program}")
        self._exec("python3", "-c", KILL, *map(str, processes))

    def processes(self, namespace, pod, program):
        """The process ids of a program in a pod, as the node counts them."""
        uid = namespace.pod(pod)["metadata"]["uid"]
        return json.loads(self._exec("python3", "-c", FIND, uid, program))

    def _exec(self, *command):
        return self._namespace.kubectl("exec", "node", "--", *command)
