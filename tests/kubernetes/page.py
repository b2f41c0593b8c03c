"""A section of a page of the documentation, as commands and files that somebody who follows it has, in order."""

import pathlib
import re
from typing import NamedTuple

from .waiting import expect

ROOT = pathlib.Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.yaml)$", re.MULTILINE)


class File(NamedTuple):
    """A block of YAML whose first line is its name."""

    name: str
    text: str


class Command(NamedTuple):
    """A line of a block of shell, with those that it goes on in."""

    text: str


def followed(path, heading):
    """The files and commands below a heading, up to the next of any kind."""
    text = (ROOT / path).read_text()
    at = text.find(f"\n{heading}\n")
    expect(at >= 0, f"{path} has no heading {heading}")
    section = re.split(r"^##+ ", text[at + len(heading) + 2 :], maxsplit=1, flags=re.MULTILINE)[0]
    steps = []
    for language, block in _BLOCK.findall(section):
        if language == "sh":
            lines = block.replace("\\\n", " ").splitlines()
            steps += [Command(re.sub(r"  +", " ", line).strip()) for line in lines if line.strip()]
        else:
            name = _FILE.match(block)
            expect(language == "yaml" and name, f"{path}: a block of {language} that nobody could follow:\n{block}")
            steps.append(File(name[1], block))
    return steps
