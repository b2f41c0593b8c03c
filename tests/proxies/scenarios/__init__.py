"""The scenarios, in the order in which they run. Each is a function that gets a scene, and runs once for each proxy."""

from . import clients, cut, held, settings, short, slow, webhooks

SCENARIOS = {
    "held": held.through_silence,
    "short": short.shorter_than_heartbeats,
    "slow": slow.handlers,
    "cut": cut.reloaded_killed_drained,
    "settings": settings.that_matter,
    "webhooks": webhooks.unchanged,
    "clients": clients.known,
}
