"""The chart and the images as they are shipped, on a real cluster, beside services in four languages.

`tests/kubernetes.sh` says how to run it. Each scenario has namespaces, certificates, secrets and a release of its own, and
leaves nothing behind. What the scenarios ask about comes from outside: from the API server, from what the services print,
and from the sender, which plays Smile.
"""
