"""What only the cluster's node can do: end a container's process, look at it, make file systems. By a privileged pod on it."""

import json
import subprocess

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
        return self._exec("nsenter", f"--target={self.kubelet()}", "--mount", "--", "sh", "-c", script)

    def kubelet(self):
        """The kubelet's process id: its root has the volumes and the control groups."""
        kubelet = self.python(KUBELET).strip()
        expect(kubelet, "the node has no process kubelet")
        return kubelet

    def python(self, script, *arguments):
        """Runs a script in Python beside the node's processes. Returns what it printed; fails if it does."""
        return self._exec(*_python(script, arguments))

    def begin(self, script, *arguments, said):
        """Begins a script in Python that is to end when its stdin does, also if nobody is left here. What it prints goes to
        the file `said`."""
        command = ["kubectl", "-n", self._namespace.name, "exec", "-i", "node", "--", *_python(script, arguments)]
        return subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=said, stderr=said)

    def kill(self, namespace, pod, program):
        """SIGKILL to the program's processes in a pod."""
        processes = self.processes(namespace, pod, program)
        expect(processes, f"pod {pod} has no process {program}")
        self.python(KILL, *processes)

    def process(self, namespace, pod, program):
        """The process id of a program that runs once in a pod."""
        processes = self.processes(namespace, pod, program)
        expect(len(processes) == 1, f"pod {pod} has {len(processes)} processes {program}, not one")
        return processes[0]

    def processes(self, namespace, pod, program):
        """The process ids of a program in a pod, as the node counts them."""
        uid = namespace.pod(pod)["metadata"]["uid"]
        return json.loads(self.python(FIND, uid, program))

    def _exec(self, *command):
        return self._namespace.kubectl("exec", "node", "--", *command)


def _python(script, arguments):
    return ["python3", "-c", script, *map(str, arguments)]
