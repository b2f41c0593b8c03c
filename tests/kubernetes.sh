#!/usr/bin/env bash
# The chart and the images on a real cluster, beside services in four languages. tests/kubernetes says how.
#
#   tests/kubernetes.sh                          # all scenarios
#   tests/kubernetes.sh --only shared,rotation   # some
#
# Needs KUBECONFIG of a cluster with one node that may be filled, drained and killed (kind, minikube), whose default
# StorageClass has five volumes of 512 MiB; kubectl, helm, openssl, grpcurl and Python 3.11. The images are those that
# tests/kubernetes/images.sh builds; LOAD_IMAGE puts one on the node ("kind load docker-image" if it is not set).
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
[ -n "${KUBECONFIG:-}" ] || { echo "set KUBECONFIG to that of a cluster for tests" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")"
exec python3 -m kubernetes "$@"
