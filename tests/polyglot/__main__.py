"""Runs the scenarios, and says a line a language."""

import contextlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

from . import choice, languages, scenarios
from .stage import Stage
from .waiting import Failure


def main():
    # Stages are closed, and leave nothing running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    # A shell has what it runs in the background ignore it, and so would the clients, which are stopped with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = choice.parser("tests/polyglot.sh", __doc__, scenarios.SCENARIOS).parse_args()
    chosen = languages.named(choice.names(arguments.language))
    played = choice.matching(scenarios.SCENARIOS, arguments.only)
    missing = [line for name, said in scenarios.MISSING.items() if name in played for line in said()]
    choice.check_prerequisites(chosen, also=missing)
    directory = tempfile.mkdtemp(prefix="polyglot-")
    failures = {}
    try:
        for name, scenario in played.items():
            failures |= _play(name, scenario, chosen, f"{directory}/{name}")
    finally:
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if failures:
        # Once more, where who sees no more than the end of a long output finds it.
        raise SystemExit("\n".join(f"FAILED: {what}: {why}" for what, why in failures.items()))
    print("all passed")


def _play(name, scenario, chosen, directory):
    """Runs one scenario. Returns which languages failed, as scenario/language, and why."""
    began = time.monotonic()
    with contextlib.closing(Stage(name, chosen, directory)) as stage:
        try:
            scenario(stage)
        except Failure as failure:
            stage.fail_all(f"the scenario could not go on: {failure}")
        except Exception:
            stage.fail_all(f"the scenario could not go on:\n{traceback.format_exc()}")
        for language in chosen:
            _tell(stage, language.name)
        if stage.failures:
            print(stage.relays_report())
    print(f"{name:<16} {'':<16} took   {time.monotonic() - began:6.1f} s", flush=True)
    return {f"{name}/{language}": why for language, why in stage.failures.items()}


def _tell(stage, language):
    """Prints how a scenario went for a language."""
    result = "FAILED" if language in stage.failures else "ok"
    seconds = f"{stage.seconds(language):6.1f} s"
    print(f"{stage.name:<16} {language:<16} {result:<6} {seconds}  {stage.notes.get(language, '')}".rstrip())
    if language in stage.failures:
        print(stage.report(language))


if __name__ == "__main__":
    main()
