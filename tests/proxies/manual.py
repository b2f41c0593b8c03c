"""Configuration as docs/proxies.md prints it."""

import re

from polyglot.relay import ROOT
from polyglot.waiting import expect

PAGE = ROOT / "docs/proxies.md"


def printed(language, title):
    """The lines of the page's block in this language that begins with the comment `title`, without that comment."""
    for block in re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        first, lines = block.split("\n", 1)
        if first == f"# {title}":
            return lines
    expect(False, f"{PAGE.relative_to(ROOT)} has no {language} block that begins with: # {title}")


def changed(text, changes):
    """`text` with each (old, new) replaced. What the page no longer says can't be replaced: that is a failure."""
    for old, new in changes:
        expect(old in text, f"{PAGE.relative_to(ROOT)} no longer has: {old}")
        text = text.replace(old, str(new))
    return text
