#!/usr/bin/env bash
# Builds the images for the tests on a cluster, and prints the name and the size of each.
#
#   tests/kubernetes/images.sh                # all
#   tests/kubernetes/images.sh sender go      # some
#
# Takes from the environment: BUILD, the command that builds (default: docker build), and other base images, by the names
# that the Dockerfiles have for them (GO_BASE=... and the like; BUILD_BASE and RUNTIME_BASE are the relay's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
read -ra build <<< "${BUILD:-docker build}"
# Otherwise buildah keeps no layers for the next build.
export BUILDAH_LAYERS=${BUILDAH_LAYERS:-true}

image() { # name, Dockerfile
  local arguments=() base
  for base in $(sed -n 's/^ARG \([A-Z_]*_BASE\)=.*/\1/p' "$2"); do
    [ -z "${!base:-}" ] || arguments+=(--build-arg "$base=${!base}")
  done
  "${build[@]}" --quiet "${arguments[@]}" -f "$2" -t "$1" . >/dev/null
  echo "$1: $(size "$1")"
}

size() { # name
  case ${build[0]} in
    buildah) buildah inspect --type image --format '{{.OCIv1.RootFS.Type}}' "$1" >/dev/null && buildah images --format '{{.Size}}' "$1" ;;
    *) "${build[0]}" image ls --format '{{.Size}}' "$1" ;;
  esac
}

for name in "${@:-all}"; do
  case $name in
    all) exec "${BASH_SOURCE[0]}" sender go python node java relay ;;
    relay) image smile-relay:test deploy/Dockerfile ;;
    sender) image smile-relay-sender:test tests/kubernetes/images/sender.Dockerfile ;;
    go | python | node | java) image "smile-relay-service-$name:test" "tests/kubernetes/images/$name.Dockerfile" ;;
    *) echo "there is no $name; there are relay, sender, go, python, node, java" >&2; exit 2 ;;
  esac
done
