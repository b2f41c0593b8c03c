"""The languages, and how the conformance program of each is built and started."""

from typing import NamedTuple

from .relay import ROOT


class Language(NamedTuple):
    """A package in one of its forms."""

    name: str
    # What starts its conformance program; a JSON object is added as the last argument.
    command: list
    # What has to be there, relative to the project's root, and what makes it.
    needs: str
    build: str

    def missing(self):
        """What to do before it can run; nothing if it can."""
        if (ROOT / self.needs).exists():
            return ""
        return f"{self.name}: there is no {self.needs}; make it with: {self.build}"


_VENV = "python3 -m venv tests/polyglot/build/venv && tests/polyglot/build/venv/bin/pip install ./clients/python"

LANGUAGES = [
    Language(
        "go",
        ["tests/polyglot/build/conformance"],
        needs="tests/polyglot/build/conformance",
        build="cd clients/go && go generate ./... && go build -o ../../tests/polyglot/build/ ./conformance",
    ),
    Language(
        "python",
        ["tests/polyglot/build/venv/bin/python", "clients/python/conformance/sync.py"],
        needs="tests/polyglot/build/venv/bin/python",
        build=_VENV,
    ),
    Language(
        "python-asyncio",
        ["tests/polyglot/build/venv/bin/python", "clients/python/conformance/aio.py"],
        needs="tests/polyglot/build/venv/bin/python",
        build=_VENV,
    ),
    Language(
        "typescript",
        ["node", "clients/typescript/build/conformance/main.js"],
        needs="clients/typescript/build/conformance/main.js",
        build="cd clients/typescript && npm ci && npm run build:all",
    ),
    Language(
        "java",
        # Without a limit, a JVM takes what the machine has before it collects anything, and its memory says nothing.
        ["java", "-Xmx192m", "-jar", "clients/java/conformance/target/conformance.jar"],
        needs="clients/java/conformance/target/conformance.jar",
        build="cd clients/java && mvn -q package",
    ),
    Language(
        "cpp",
        ["clients/cpp/build/conformance/smile_relay_conformance"],
        needs="clients/cpp/build/conformance/smile_relay_conformance",
        build="cd clients/cpp && cmake -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build",
    ),
    Language(
        "ruby",
        ["ruby", "clients/ruby/conformance/main.rb"],
        needs="clients/ruby/lib/smilerelay/v1/service_services_pb.rb",
        build="cd clients/ruby && rake generate",
    ),
]


def named(names):
    """The languages of these names, or all."""
    known = {language.name: language for language in LANGUAGES}
    if unknown := set(names) - set(known):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    return [known[name] for name in known if not names or name in names]
