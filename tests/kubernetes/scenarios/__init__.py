"""The scenarios, in the order in which they run. Each is a function that gets a stage."""

from . import dry_run, job, load, lock, million, pages, probes, refusals, refused, repair, rotation, shared, sidecar, small, users

SCENARIOS = {
    "dry-run": dry_run.every_shape,
    "refusals": refusals.at_install,
    "sidecar-socket": sidecar.unix_socket,
    "sidecar-tcp": sidecar.loopback,
    "sidecar-job": job.completes,
    "shared": shared.four_languages,
    "shared-refused": refused.tokens,
    "rotation": rotation.under_load,
    "users-by-hand": users.by_hand,
    "users-helm-test": users.helm_test_fails,
    "users-look": users.looked_at,
    "users-uninstall": users.uninstalled,
    "readme": pages.readme,
    "readme-shared": pages.shared,
    "probes": probes.both_types,
    "lock": lock.handed_over,
    "repair": repair.by_upgrade,
    "load": load.trouble,
    "small": small.limits,
    "million": million.restarts,
}

# These measure, or take the node from all others.
ALONE = {"load", "small", "million"}

# These take long, and are played only when --only has their whole name.
ON_REQUEST = {"million"}
