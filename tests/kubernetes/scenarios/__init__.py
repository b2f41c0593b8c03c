"""The scenarios, in the order in which they run. Each is a function that gets a stage."""

from . import load, shared, small

SCENARIOS = {
    "shared": shared.four_languages,
    "load": load.trouble,
    "small": small.limits,
}
