"""Charts that have the relay's as a dependency, as somebody who copies the example has them."""

import pathlib
import shutil
import subprocess

from .waiting import expect

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = "deploy/helm/examples/service"
JOB = "tests/kubernetes/charts/job"


def with_relay(chart, directory):
    """A copy of one of these with the relay's chart in it, as `helm dependency update` gets it."""
    copies = pathlib.Path(directory) / "charts"
    for tree in ("deploy/helm", "tests/kubernetes/charts"):
        shutil.copytree(ROOT / tree, copies / tree, ignore=shutil.ignore_patterns("charts", "Chart.lock"), dirs_exist_ok=True)
    done = subprocess.run(["helm", "dependency", "update", copies / chart], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"helm dependency update: {done.stderr}")
    return copies / chart
