"""Runs the scenarios behind each proxy, and says a line a language."""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

from polyglot import languages
from polyglot.relay import BINARY
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
    chosen = languages.named(_names(arguments.language))
    kinds = [KINDS[name] for name in _names(arguments.proxy) or KINDS]
    _check_prerequisites(chosen, kinds)
    print(", ".join(kind.version() for kind in kinds), flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="proxies-"))
    failed = []
    try:
        for name, scenario in scenarios.matching(arguments.only).items():
            failed += _play(name, scenario, kinds, chosen, directory)
    finally:
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if failed:
        raise SystemExit(f"FAILED: {', '.join(failed)}")
    print("all passed")


def _arguments():
    parser = argparse.ArgumentParser(prog="tests/proxies.sh", description=__doc__)
    parser.add_argument("--only", default="", metavar="SCENARIO,...", help="those that begin so; there are: "
                        + ", ".join(scenarios.SCENARIOS))  # fmt: skip
    parser.add_argument("--language", default="", metavar="LANGUAGE,...", help="only these; there are: "
                        + ", ".join(language.name for language in languages.LANGUAGES))  # fmt: skip
    parser.add_argument("--proxy", default="", metavar="PROXY,...", help="only these; there are: " + ", ".join(KINDS))
    parser.add_argument("--keep", action="store_true", help="keep the directory with configurations, logs and data")
    arguments = parser.parse_args()
    if unknown := set(_names(arguments.proxy)) - set(KINDS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}")
    return arguments


def _names(text):
    return [name for name in text.split(",") if name]


def _check_prerequisites(chosen, kinds):
    missing = [line for language in chosen if (line := language.missing())]
    if not BINARY.exists():
        missing.append(f"there is no {BINARY}: cargo build --release, or set SMILE_RELAY_BIN")
    for kind in kinds:
        if not shutil.which(kind.PROGRAM):
            missing.append(f"{kind.PROGRAM} is missing: apt-get install --no-install-recommends {kind.PROGRAM}")
    if not shutil.which("openssl"):
        missing.append("openssl is missing: apt-get install openssl")
    if not shutil.which("grpcurl"):
        missing.append("grpcurl is missing: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3")
    if missing:
        raise SystemExit("\n".join(missing))


def _play(name, scenario, kinds, chosen, directory):
    """Runs one scenario behind all proxies at the same time. Returns what failed, as scenario/proxy/language."""
    began = time.monotonic()
    scenes = [Scene(name, kind, chosen, directory / f"{name}-{kind.PROGRAM}") for kind in kinds]
    threads = [threading.Thread(target=_run, args=(scenario, scene), daemon=True) for scene in scenes]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failed = [failure for scene in scenes for failure in _tell(scene, chosen)]
    finally:
        for scene in scenes:
            scene.close()
    print(f"{name:<9} took {time.monotonic() - began:.1f} s", flush=True)
    return failed


def _run(scenario, scene):
    try:
        scenario(scene)
    except Failure as failure:
        scene.failure = str(failure)
    except Exception:
        scene.failure = traceback.format_exc()


def _tell(scene, chosen):
    """Prints how a scenario went. Returns what failed."""
    failed = []
    heading = f"{scene.name:<9} {scene.kind.PROGRAM:<8}"
    for name in [language.name for language in chosen if language.name in scene.took_part]:
        result = "FAILED" if name in scene.failures else "ok"
        print(f"{heading} {name:<15} {result:<6} {scene.seconds(name):5.1f} s  {scene.notes.get(name, '')}".rstrip())
        if name in scene.failures:
            print(scene.report(name))
            failed.append(f"{scene.name}/{scene.kind.PROGRAM}/{name}")
    for note in scene.remarks:
        print(f"{heading} {note}")
    if scene.failure:
        print(f"{heading} FAILED: {scene.failure}")
        failed.append(f"{scene.name}/{scene.kind.PROGRAM}")
    if failed:
        print(scene.backstage_report())
    return failed


if __name__ == "__main__":
    main()
