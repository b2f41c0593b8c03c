"""Runs the scenarios behind each proxy, and says a line a language."""

import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

from polyglot import choice, languages
from polyglot.waiting import Failure

from . import scenarios
from .haproxy import HAProxy
from .nginx import Nginx
from .scene import Scene

KINDS = {kind.PROGRAM: kind for kind in (Nginx, HAProxy)}


def main():
    # The proxies are in process groups of their own, and would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    arguments = _arguments()
    chosen = languages.named(choice.names(arguments.language))
    kinds = [KINDS[name] for name in choice.names(arguments.proxy) or KINDS]
    proxies = {kind.PROGRAM: f"apt-get install --no-install-recommends {kind.PROGRAM}" for kind in kinds}
    choice.check_prerequisites(chosen, choice.TOOLS | proxies)
    print(", ".join(kind.version() for kind in kinds), flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="proxies-"))
    failures = {}
    try:
        for name, scenario in choice.matching(scenarios.SCENARIOS, arguments.only).items():
            failures |= _play(name, scenario, kinds, chosen, directory)
    finally:
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if failures:
        # Once more, where who sees no more than the end of a long output finds it.
        raise SystemExit("\n".join(f"FAILED: {what}: {why}" for what, why in failures.items()))
    print("all passed")


def _arguments():
    parser = choice.parser("tests/proxies.sh", __doc__, scenarios.SCENARIOS)
    parser.add_argument("--proxy", default="", metavar="PROXY,...", help="only these; there are: " + ", ".join(KINDS))
    arguments = parser.parse_args()
    if unknown := set(choice.names(arguments.proxy)) - set(KINDS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}")
    return arguments


def _play(name, scenario, kinds, chosen, directory):
    """Runs one scenario behind all proxies at the same time. Returns what failed, as scenario/proxy/language, and why."""
    began = time.monotonic()
    scenes = [Scene(name, kind, chosen, directory / f"{name}-{kind.PROGRAM}") for kind in kinds]
    threads = [threading.Thread(target=_run, args=(scenario, scene), daemon=True) for scene in scenes]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failures = {what: why for scene in scenes for what, why in _tell(scene, chosen).items()}
    finally:
        for scene in scenes:
            scene.close()
    print(f"{name:<9} took {time.monotonic() - began:.1f} s", flush=True)
    return failures


def _run(scenario, scene):
    try:
        scenario(scene)
    except Failure as failure:
        scene.failure = str(failure)
    except Exception:
        scene.failure = traceback.format_exc()


def _tell(scene, chosen):
    """Prints how a scenario went. Returns what failed, and why."""
    failures = {}
    heading = f"{scene.name:<9} {scene.kind.PROGRAM:<8}"
    for name in [language.name for language in chosen if language.name in scene.took_part]:
        result = "FAILED" if name in scene.failures else "ok"
        print(f"{heading} {name:<15} {result:<6} {scene.seconds(name):5.1f} s  {scene.notes.get(name, '')}".rstrip())
        if name in scene.failures:
            print(scene.report(name))
            failures[f"{scene.name}/{scene.kind.PROGRAM}/{name}"] = scene.failures[name]
    for note in scene.remarks:
        print(f"{heading} {note}")
    if scene.failure:
        print(f"{heading} FAILED: {scene.failure}")
        failures[f"{scene.name}/{scene.kind.PROGRAM}"] = scene.failure
    if failures:
        print(scene.backstage_report())
    return failures


if __name__ == "__main__":
    main()
