"""Runs the scenarios, and says what each saw."""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from polyglot import choice
from polyglot.waiting import Failure

from . import images, scenarios
from .cluster import Cluster
from .stage import Stage

TOOLS = {
    "kubectl": "install Kubernetes' command line tool",
    "helm": "go install helm.sh/helm/v4/cmd/helm@v4.3.1",
    "openssl": "apt-get install openssl",
    "grpcurl": "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    made = argparse.ArgumentParser(prog="tests/kubernetes.sh", description=__doc__)
    made.add_argument("--only", default="", metavar="SCENARIO,...",
                      help=f"those that begin so; there are: {', '.join(scenarios.SCENARIOS)}")  # fmt: skip
    made.add_argument("--no-load", action="store_true", help="the images are on the cluster's nodes already")
    made.add_argument("--keep", action="store_true", help="leave the namespaces of what failed as they are")
    arguments = made.parse_args()
    played = choice.matching(scenarios.SCENARIOS, arguments.only)
    missing = [f"{tool} is missing: {installs}" for tool, installs in TOOLS.items() if not shutil.which(tool)]
    if missing:
        raise SystemExit("\n".join(missing))
    cluster = Cluster()
    print(f"Kubernetes {cluster.server_version()}", flush=True)
    if not cluster.default_storage_class():
        raise SystemExit("the cluster has no default StorageClass, which the logs' volumes would come from")
    if not arguments.no_load:
        _load()
    directory = tempfile.mkdtemp(prefix="kubernetes-")
    try:
        failed = [name for name, scenario in played.items() if not _play(cluster, name, scenario, directory, arguments.keep)]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if failed:
        raise SystemExit(f"FAILED: {', '.join(failed)}")
    print("all passed")


def _load():
    """Puts the images on the nodes, by the command that LOAD_IMAGE says."""
    command = os.environ.get("LOAD_IMAGE", "kind load docker-image").split()
    for image in images.ALL:
        if subprocess.run([*command, image], stdout=subprocess.DEVNULL, check=False).returncode:
            raise SystemExit(f"{' '.join(command)} {image} failed: LOAD_IMAGE is the command that puts an image on the nodes")
        print(f"loaded {image}", flush=True)


def _play(cluster, name, scenario, directory, keep):
    """Runs one scenario. Returns whether it went well."""
    print(f"{name}", flush=True)
    began = time.monotonic()
    problem = None
    stage = Stage(cluster, name, f"{directory}/{name}")
    try:
        scenario(stage)
    except Failure as failure:
        problem = str(failure)
    except Exception:
        problem = traceback.format_exc()
    if problem:
        print(f"  FAILED: {problem}\n{_report(stage)}", flush=True)
    if not (problem and keep):
        try:
            stage.close()
        except Failure as failure:
            problem = problem or str(failure)
            print(f"  FAILED to clean up: {failure}")
    print(f"{name}: {'FAILED' if problem else 'ok'} after {time.monotonic() - began:.1f} s", flush=True)
    return not problem


def _report(stage):
    with contextlib.suppress(Failure):
        return stage.report()


if __name__ == "__main__":
    main()
