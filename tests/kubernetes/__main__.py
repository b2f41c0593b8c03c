"""Runs the scenarios, and says what each saw."""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from polyglot import choice
from .waiting import Failure

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
                      help=f"those that begin so; there are: {', '.join(scenarios.SCENARIOS)}; only by their whole names: "
                           f"{', '.join(scenarios.ON_REQUEST)}")  # fmt: skip
    made.add_argument("--jobs", type=int, default=3, help="so many at a time, but for those that need the node to themselves")
    made.add_argument("--no-build", action="store_true", help="the images are built already")
    made.add_argument("--no-load", action="store_true", help="they are on the cluster's nodes already, and so not built either")
    made.add_argument("--keep", action="store_true", help="leave the namespaces of what failed as they are")
    arguments = made.parse_args()
    played = _chosen(arguments.only)
    missing = [f"{tool} is missing: {installs}" for tool, installs in TOOLS.items() if not shutil.which(tool)]
    if missing:
        raise SystemExit("\n".join(missing))
    cluster = Cluster()
    print(f"Kubernetes {cluster.server_version()}", flush=True)
    if not cluster.default_storage_class():
        raise SystemExit("the cluster has no default StorageClass, which the logs' volumes would come from")
    if not (arguments.no_build or arguments.no_load):
        _build()
    if not arguments.no_load:
        _load()
    directory = tempfile.mkdtemp(prefix="kubernetes-")
    try:
        problems = _play_all(cluster, played, directory, arguments)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if problems:
        # Once more, where who sees no more than the end of a long output finds it.
        raise SystemExit("\n".join(f"FAILED: {name}: {problem}" for name, problem in problems.items()))
    print("all passed")


def _play_all(cluster, played, directory, arguments):
    """Runs the scenarios, several at a time where they may: most of them wait. Returns the problems of those that failed."""
    together = [name for name in played if name not in scenarios.ALONE]
    alone = [name for name in played if name in scenarios.ALONE]

    def play(name):
        return _play(cluster, name, played[name], directory, arguments.keep)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        went = dict(zip(together, pool.map(play, together), strict=True))
    went.update((name, play(name)) for name in alone)
    return {name: went[name] for name in played if went[name]}


def _chosen(pattern):
    """The scenarios that a pattern names; of those on request only what it names in full."""
    unnamed = scenarios.ON_REQUEST.difference(choice.names(pattern))
    offered = {name: scenario for name, scenario in scenarios.SCENARIOS.items() if name not in unnamed}
    return choice.matching(offered, pattern)


def _build():
    """Builds the images, and says how large they are."""
    script = pathlib.Path(__file__).with_name("images.sh")
    if subprocess.run([script], check=False).returncode:
        raise SystemExit("tests/kubernetes/images.sh failed, which builds the images")


def _load():
    """Puts the images on the nodes, by the command that LOAD_IMAGE says."""
    command = os.environ.get("LOAD_IMAGE", "kind load docker-image").split()
    for image in images.ALL:
        if subprocess.run([*command, image], stdout=subprocess.DEVNULL, check=False).returncode:
            raise SystemExit(f"{' '.join(command)} {image} failed: LOAD_IMAGE is the command that puts an image on the nodes")
        print(f"loaded {image}", flush=True)


def _play(cluster, name, scenario, directory, keep):
    """Runs one scenario. Returns what went wrong, if anything did."""
    began = time.monotonic()
    stage = Stage(cluster, name, f"{directory}/{name}")
    problem = None
    try:
        problem = _problem_of(scenario, stage)
        if problem:
            stage.note(f"FAILED: {problem}\n{_report(stage)}")
    finally:
        # Also when a signal ends it: nothing has failed then that anybody would want to look at.
        if not (problem and keep) and (left := _problem_of(Stage.close, stage)):
            stage.note(f"FAILED to clean up: {left}")
            problem = problem or left
    stage.note(f"{'FAILED' if problem else 'ok'} after {time.monotonic() - began:.1f} s")
    return problem


def _problem_of(step, stage):
    """Takes a step, and returns what went wrong, if anything did."""
    try:
        step(stage)
    except Failure as failure:
        return str(failure)
    except Exception:
        return traceback.format_exc()
    return None


def _report(stage):
    with contextlib.suppress(Failure):
        return stage.report()


if __name__ == "__main__":
    main()
