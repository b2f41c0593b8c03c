from smile_relay._place import Place
from smile_relay._sync import _run_to_the_end as run


class Saved:
    """A store and a clock."""

    def __init__(self) -> None:
        self.cursors: list[str] = []
        self.now = 100.0

    async def save(self, cursor: str) -> None:
        self.cursors.append(cursor)

    def place(self, saved: str | None = None) -> Place:
        return Place(saved, self.save, lambda: self.now)


def test_every_handled_event_is_saved() -> None:
    saved = Saved()
    place = saved.place()
    for cursor in ("c1", "c2"):
        run(place.handled(cursor))
    assert saved.cursors == ["c1", "c2"] and place.cursor == "c2"


def test_checkpoints_are_saved_once_a_second_and_at_the_end() -> None:
    saved = Saved()
    place = saved.place()
    run(place.checkpoint("k1"))
    assert saved.cursors == ["k1"]
    saved.now += 0.9
    run(place.checkpoint("k2"))
    assert saved.cursors == ["k1"] and place.cursor == "k2"
    saved.now += 0.1
    run(place.checkpoint("k3"))
    assert saved.cursors == ["k1", "k3"]
    run(place.checkpoint("k4"))
    run(place.flush())
    assert saved.cursors == ["k1", "k3", "k4"]


def test_what_is_saved_is_not_saved_again() -> None:
    saved = Saved()
    place = saved.place("k1")
    run(place.checkpoint("k1"))
    run(place.flush())
    assert saved.cursors == []


def test_a_forgotten_place_leaves_the_store_alone() -> None:
    saved = Saved()
    place = saved.place("old")
    place.forget()
    run(place.flush())
    assert place.cursor is None and saved.cursors == []
