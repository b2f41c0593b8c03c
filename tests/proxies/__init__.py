"""Runs the package of every language, and webhooks, through real proxies in front of the real relay.

The proxies run with the configuration that docs/proxies.md prints. Addresses and files are replaced, and what a
scenario changes: times, mostly. What else a test needs (languages, relay, delivery...) is in tests/polyglot.

- `manual.py`: takes configuration out of docs/proxies.md
- `ingress.py`: a proxy's process: started, reloaded, killed
- `nginx.py`, `haproxy.py`: the two
- `scene.py`: a scenario's relay, proxies and clients
- `scenarios/`: a file a question
"""
