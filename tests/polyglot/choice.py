"""What of a suite is to be run, as it is said on the command line; and whether it can be."""

import argparse
import shutil

from . import languages
from .relay import BINARY

# What every suite calls, and what installs it.
TOOLS = {
    "openssl": "apt-get install openssl",
    "grpcurl": "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
}


def parser(prog, description, scenarios):
    """What every suite of scenarios understands."""
    made = argparse.ArgumentParser(prog=prog, description=description)
    known = ", ".join(language.name for language in languages.LANGUAGES)
    made.add_argument("--only", default="", metavar="SCENARIO,...",
                      help=f"those that begin so; there are: {', '.join(scenarios)}")  # fmt: skip
    made.add_argument("--language", default="", metavar="LANGUAGE,...", help=f"only these; there are: {known}")
    made.add_argument("--keep", action="store_true", help="keep the directory with configurations, logs and data")
    return made


def names(text):
    """The names in a text of names separated by commas."""
    return [name for name in text.split(",") if name]


def matching(scenarios, pattern):
    """The scenarios whose names begin with one of those in `pattern`, separated by commas; all without one."""
    beginnings = tuple(pattern.split(","))
    chosen = {name: run for name, run in scenarios.items() if name.startswith(beginnings)}
    if not chosen:
        raise SystemExit(f"no scenario begins with {pattern}; there are: {', '.join(scenarios)}")
    return chosen


def check_prerequisites(chosen, tools=TOOLS, also=()):
    """Ends with what is missing, and what makes or installs it, before anything is started. `also` are such lines."""
    missing = [line for language in chosen if (line := language.missing())]
    if not BINARY.exists():
        missing.append(f"there is no {BINARY}: cargo build --release, or set SMILE_RELAY_BIN")
    missing += [f"{tool} is missing: {installs}" for tool, installs in tools.items() if not shutil.which(tool)]
    missing += also
    if missing:
        raise SystemExit("\n".join(missing))
