"""The scenarios, in the order in which they run. Each is a function that gets a stage."""

from . import shared

SCENARIOS = {
    "shared": shared.four_languages,
}
