#!/usr/bin/env python3
"""Writes the table of values into the chart's README, from the comments of values.yaml that start with `# --`.

With --check it writes nothing, and fails if the README is not what it would write. Needs PyYAML.
"""

import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).parent / "smile-relay"
MARK = "<!-- Below: made by deploy/helm/readme.py from values.yaml. -->\n"
KEY = re.compile(r"^( *)([A-Za-z]+):")


def documented(text):
    """(path, comment) of every key that has a comment; a key without one has children that do."""
    path, comment, bare = [], [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# --"):
            comment = [stripped[4:].strip()]
        elif stripped.startswith("#") and comment:
            comment.append(stripped[1:].strip())
        elif match := KEY.match(line):
            depth = len(match[1]) // 2
            path = path[:depth] + [match[2]]
            if comment:
                yield ".".join(path), " ".join(comment)
                bare = path
            elif path[: len(bare)] != bare or not bare:
                # The parent of what follows, or something that nobody has described.
                yield ".".join(path), None
            comment = []


def table(values_yaml):
    values = yaml.safe_load(values_yaml)
    found = list(documented(values_yaml))
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for path, comment in found:
        value = values
        for step in path.split("."):
            value = value[step]
        if comment is None:
            if not any(other.startswith(path + ".") for other, _ in found):
                sys.exit(f"values.yaml: {path} has no comment that starts with `# --`")
            continue
        default = json.dumps(value).replace("|", "\\|")
        rows.append(f"| `{path}` | `{default}` | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def main():
    readme = CHART / "README.md"
    text = readme.read_text()
    made = text[: text.index(MARK) + len(MARK)] + "\n" + table((CHART / "values.yaml").read_text())
    if sys.argv[1:] == ["--check"]:
        if made != text:
            sys.exit("deploy/helm/smile-relay/README.md is not current: run deploy/helm/readme.py")
    else:
        readme.write_text(made)


main()
