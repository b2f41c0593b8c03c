"""Where a subscription stands, and when the store is told."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

_CHECKPOINTS_APART = 1.0
"""Seconds. A replay has thousands of checkpoints, and each save may be an fsync."""


class Place:
    """The cursor to resume from. Moves only over what has been handled."""

    def __init__(
        self, saved: str | None, save: Callable[[str], Awaitable[None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.cursor = saved
        """Resume after it; None: at the start."""
        self._saved = saved
        self._saved_at = float("-inf")
        self._save_to_store = save
        self._clock = clock

    async def handled(self, cursor: str) -> None:
        """An event was handled: this is its cursor."""
        self.cursor = cursor
        await self._save(cursor)

    async def checkpoint(self, cursor: str) -> None:
        """Everything before this cursor was handled or filtered out. Saved at once, or with the next one."""
        self.cursor = cursor
        if self._clock() - self._saved_at >= _CHECKPOINTS_APART:
            await self.flush()

    async def flush(self) -> None:
        """Saves what is not saved yet."""
        if self.cursor is not None and self.cursor != self._saved:
            await self._save(self.cursor)

    def forget(self) -> None:
        """The log can't be read on from here. The store keeps what it has until there is a new place."""
        self.cursor = None

    async def _save(self, cursor: str) -> None:
        await self._save_to_store(cursor)
        self._saved = cursor
        self._saved_at = self._clock()
