"""The scenarios, in the order in which they run. Each is a function that gets a scene, and runs once for each proxy."""

from . import cut, held, settings, short, slow, webhooks

SCENARIOS = {
    "held": held.through_silence,
    "short": short.shorter_than_heartbeats,
    "slow": slow.handlers,
    "cut": cut.reloaded_killed_drained,
    "settings": settings.that_matter,
    "webhooks": webhooks.unchanged,
}


def matching(pattern):
    """The scenarios whose names begin with one of those in `pattern`, separated by commas; all without one."""
    beginnings = tuple(pattern.split(","))
    chosen = {name: run for name, run in SCENARIOS.items() if name.startswith(beginnings)}
    if not chosen:
        raise SystemExit(f"no scenario begins with {pattern}; there are: {', '.join(SCENARIOS)}")
    return chosen
