import asyncio
import os
from pathlib import Path

import pytest

from smile_relay import FileCursorStore, aio


def test_a_missing_or_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert FileCursorStore(tmp_path / "cursor").load() is None
    (tmp_path / "cursor").write_text("\n")
    assert FileCursorStore(tmp_path / "cursor").load() is None


def test_keeps_the_last_cursor_as_text_and_a_newline(tmp_path: Path) -> None:
    store = FileCursorStore(str(tmp_path / "cursor"))
    store.save("one, which is longer")
    store.save("two")
    assert (tmp_path / "cursor").read_bytes() == b"two\n"
    assert FileCursorStore(tmp_path / "cursor").load() == "two"
    assert os.listdir(tmp_path) == ["cursor"]


def test_the_old_cursor_stays_until_the_new_one_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileCursorStore(tmp_path / "cursor")
    store.save("old")

    def full(_: int) -> None:
        assert (tmp_path / "cursor").read_text() == "old\n"
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        store.save("new")
    assert store.load() == "old"


def test_the_asyncio_store_is_the_same_file(tmp_path: Path) -> None:
    async def run() -> None:
        store = aio.FileCursorStore(tmp_path / "cursor")
        assert await store.load() is None
        await store.save("one")
        assert await store.load() == "one"

    asyncio.run(run())
    assert FileCursorStore(tmp_path / "cursor").load() == "one"
