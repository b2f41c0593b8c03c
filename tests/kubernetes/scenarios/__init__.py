"""The scenarios, in the order in which they run. Each is a function that gets a stage."""

from . import load, probes, refused, rotation, shared, small, users

SCENARIOS = {
    "shared": shared.four_languages,
    "shared-refused": refused.tokens,
    "rotation": rotation.under_load,
    "users-by-hand": users.by_hand,
    "users-helm-test": users.helm_test_fails,
    "users-look": users.looked_at,
    "users-uninstall": users.uninstalled,
    "probes": probes.both_types,
    "load": load.trouble,
    "small": small.limits,
}
