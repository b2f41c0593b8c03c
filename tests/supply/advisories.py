"""Writes the lines of advisories.tsv, from stdin, as a database in RustSec's format: `advisories.py FOLDER`."""

import json
import pathlib
import sys


def versions(field):
    return json.dumps([version.strip() for version in field.split(" | ") if version.strip()])


for line in sys.stdin:
    if line.startswith("#"):
        continue
    ident, crate, date, kind, patched, unaffected, title = line.rstrip("\n").split("\t")
    informational = "" if kind == "vulnerability" else f'informational = "{kind}"\n'
    folder = pathlib.Path(sys.argv[1]) / "crates" / crate
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{ident}.md").write_text(
        f'```toml\n[advisory]\nid = "{ident}"\npackage = "{crate}"\ndate = "{date}"\n{informational}\n'
        f"[versions]\npatched = {versions(patched)}\nunaffected = {versions(unaffected)}\n```\n\n"
        f"# {crate}: {title}\n\nSee https://rustsec.org/advisories/{ident}.html.\n"
    )
