"""Runs the scenarios, and says a line a language."""

import argparse
import shutil
import tempfile
import time
import traceback

from . import languages, scenarios
from .relay import BINARY
from .stage import Stage
from .waiting import Failure


def main():
    arguments = _arguments()
    chosen = languages.named([name for name in arguments.language.split(",") if name])
    _check_prerequisites(chosen)
    directory = tempfile.mkdtemp(prefix="polyglot-")
    failed = []
    try:
        for name, scenario in scenarios.matching(arguments.only).items():
            failed += _play(name, scenario, chosen, f"{directory}/{name}")
    finally:
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory)
    if failed:
        raise SystemExit(f"FAILED: {', '.join(failed)}")
    print("all passed")


def _arguments():
    parser = argparse.ArgumentParser(prog="tests/polyglot.sh", description=__doc__)
    parser.add_argument("--only", default="", metavar="SCENARIO,...", help="those that begin so; there are: "
                        + ", ".join(scenarios.SCENARIOS))  # fmt: skip
    parser.add_argument("--language", default="", metavar="LANGUAGE,...", help="only these; there are: "
                        + ", ".join(language.name for language in languages.LANGUAGES))  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="keep the directory with logs and data")
    return parser.parse_args()


def _check_prerequisites(chosen):
    missing = [line for language in chosen if (line := language.missing())]
    if not BINARY.exists():
        missing.append(f"there is no {BINARY}: cargo build --release, or set SMILE_RELAY_BIN")
    missing += [f"{tool} is missing" for tool in ("grpcurl", "openssl") if not shutil.which(tool)]
    if missing:
        raise SystemExit("\n".join(missing))


def _play(name, scenario, chosen, directory):
    """Runs one scenario. Returns which languages failed, as scenario/language."""
    stage = Stage(name, chosen, directory)
    began = time.monotonic()
    try:
        scenario(stage)
    except Failure as failure:
        stage.fail_all(f"the scenario could not go on: {failure}")
    except Exception:
        stage.fail_all(f"the scenario could not go on:\n{traceback.format_exc()}")
    for language in chosen:
        result = "FAILED" if language.name in stage.failures else "ok"
        seconds = f"{stage.seconds(language.name):6.1f} s"
        print(f"{name:<16} {language.name:<16} {result:<6} {seconds}  {stage.notes.get(language.name, '')}".rstrip())
        if result != "ok":
            print(stage.report(language.name))
    if stage.failures:
        print(stage.relays_report())
    stage.close()
    print(f"{name:<16} {'':<16} took   {time.monotonic() - began:6.1f} s", flush=True)
    return [f"{name}/{language}" for language in stage.failures]


if __name__ == "__main__":
    main()
