"""Where a subscriber keeps its place between two runs of its service."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Protocol

__all__ = ["CursorStore", "FileCursorStore", "MemoryCursorStore"]


class CursorStore(Protocol):
    """Keeps one cursor. What it raises ends the subscription.

    To commit the cursor together with what a handler does, let the handler write `event.cursor` in its own transaction,
    and give a store whose `save` does nothing: `load` is what counts.
    """

    def load(self) -> str | None:
        """Returns what was saved last, None if nothing was. Called once, when the subscription begins."""

    def save(self, cursor: str) -> None:
        """Keeps the cursor, durably if it is to survive. Called after each event that was handled, and for the relay's
        checkpoints, at most once a second."""


class MemoryCursorStore:
    """Forgets when the process ends. For tests, and for services that begin at a start each time."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor
        """What was saved last."""

    def load(self) -> str | None:
        """Returns what was saved last."""
        return self.cursor

    def save(self, cursor: str) -> None:
        """Remembers the cursor."""
        self.cursor = cursor


class FileCursorStore:
    """Keeps the cursor in a file, as text and a newline. A crash leaves the old one or the new one, never half of one.

    Its directory has to exist. One subscriber uses a file at a time.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._temporary = self._path.with_name(self._path.name + ".tmp")
        # An asyncio subscriber that is cancelled in the midst of a save begins another while the first still runs.
        self._writing = threading.Lock()

    def load(self) -> str | None:
        """Returns the file's content without its newline; None if there is no file, or an empty one."""
        try:
            return self._path.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def save(self, cursor: str) -> None:
        """Writes a file beside it, syncs that to the disk, and renames it over. Raises OSError if that fails."""
        with self._writing:
            with open(self._temporary, "w", encoding="utf-8") as file:
                file.write(cursor + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(self._temporary, self._path)
