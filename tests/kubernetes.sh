#!/usr/bin/env bash
# The chart and the images on a real cluster, beside services in four languages. tests/kubernetes says how.
#
#   tests/kubernetes.sh                          # builds the images, puts them on the node, plays all scenarios
#   tests/kubernetes.sh --only shared,rotation   # some
#   tests/kubernetes.sh --only million           # one that takes long, and is played only when it is named
#   tests/kubernetes.sh --no-build               # with the images as they were built last
#   tests/kubernetes.sh --no-load                # with those that are on the node
#
# Needs KUBECONFIG of a cluster with one node that may be filled, drained and killed (kind, minikube), whose default
# StorageClass has five volumes of 512 MiB (`million`: one of 1 GiB); kubectl, helm, openssl, grpcurl and Python 3.11.
# tests/kubernetes/images.sh builds the images, and says what it takes from the environment; LOAD_IMAGE puts one on the node
# ("kind load docker-image" if it is not set).
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
[ -n "${KUBECONFIG:-}" ] || { echo "set KUBECONFIG to that of a cluster for tests" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")"
exec python3 -m kubernetes "$@"
