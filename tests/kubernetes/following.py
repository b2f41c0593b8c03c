"""What a container prints, from its start to its end: kept although the kubelet removes it with the pod."""

import subprocess

from .waiting import PATIENCE, Failure

from .cluster import instant


class Followed:
    """Follows from now on; what was printed before comes first."""

    def __init__(self, stage, namespace, pod, container):
        self._what = f"{pod}/{container}"
        self._path = stage.directory / f"{namespace.name}-{pod}-{container}.log"
        command = ["kubectl", "-n", namespace.name, "logs", "--follow", "--timestamps", pod, "-c", container]
        with self._path.open("w") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        stage.at_end(self._end)

    def until_end(self, seconds=PATIENCE):
        """All that it printed, as (time, line), once it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{self._what} still prints after {seconds:g} s") from late
        lines = (line.split(" ", 1) for line in self._path.read_text().splitlines())
        return [(instant(line[0]), line[1] if len(line) > 1 else "") for line in lines]

    def _end(self):
        self._process.kill()
        self._process.wait()
