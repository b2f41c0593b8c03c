"""Runs the package of every language against the real relay, through the same troubles.

- `choice.py`: what is to be run, and whether it can be
- `waiting.py`: conditions with a deadline; what a failure is
- `languages.py`: the languages, and how each one's conformance program is started
- `program.py`: one run of a conformance program: its configuration, its lines, its end
- `relay.py`: the relay: started, killed, drained, started again
- `webhooks.py`: signed webhooks: samples by `smile-relay trigger`, numbered ones, large ones, a steady load
- `log.py`: what the relay's log holds, by grpcurl; what a sample has to become
- `delivery.py`: compares what a client printed with what the log holds
- `proxy.py`: a TCP proxy that freezes, resets and refuses
- `network.py`: a network namespace behind a cable that is cut
- `certificates.py`: a certificate authority, by openssl
- `stage.py`: one scenario: all languages at the same time, each failing for itself
- `scenarios/`: a file a trouble
- `catchup.py`: a benchmark, which the test does not run
"""
