"""The scenarios, in the order in which they run. Each is a function that gets a stage."""

from . import load, shared, sidecar, small

SCENARIOS = {
    "sidecar-socket": sidecar.unix_socket,
    "sidecar-tcp": sidecar.loopback,
    "shared": shared.four_languages,
    "load": load.trouble,
    "small": small.limits,
}
