"""The scenarios, in the order in which they run. Each is a function that gets a stage."""

from .. import network
from . import cut, drain, every_type, final, gap, large, quiet, slow, stop, token

SCENARIOS = {
    "every-type-tcp": every_type.over_tcp,
    "every-type-tls": every_type.over_tls,
    "every-type-unix": every_type.over_unix,
    "drain": drain.under_load,
    "cut-frozen": cut.frozen,
    "cut-network": cut.unplugged,
    "cut-reset": cut.reset,
    "cut-refused": cut.refused,
    "slow-burst": slow.burst,
    "slow-handler": slow.slower_than_heartbeats,
    "large": large.six_megabytes,
    "gap-expired": gap.expired,
    "gap-other-log": gap.other_log,
    "quiet": quiet.filtered,
    "stop-backoff": stop.during_backoff,
    "stop-silence": stop.while_nothing_answers,
    "stop-killed": stop.killed,
    "final-request": final.invalid_request,
    "final-tls": final.wrong_tls,
    "token": token.read_again,
}

# Of those that need more than the others: what says what is missing.
MISSING = {"cut-network": network.missing}
