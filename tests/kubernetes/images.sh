#!/usr/bin/env bash
# Builds the images for the tests on a cluster, and prints the name and the size of each.
#
#   tests/kubernetes/images.sh                # all
#   tests/kubernetes/images.sh sender go      # some
#
# Takes from the environment: BUILD, the command that builds (default: docker build; or "buildah bud --isolation chroot"),
# and other base images, by the names that the Dockerfiles have for them (GO_BASE=... and the like; BUILD_BASE and
# RUNTIME_BASE are the relay's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
read -ra build <<< "${BUILD:-docker build}"
# Without, buildah keeps no layers for the next build.
export BUILDAH_LAYERS=${BUILDAH_LAYERS:-true}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

image() { # name, Dockerfile
  local arguments=() base size
  for base in $(sed -n 's/^ARG \([A-Z_]*_BASE\)=.*/\1/p' "$2"); do
    [ -z "${!base:-}" ] || arguments+=(--build-arg "$base=${!base}")
  done
  "${build[@]}" --quiet "${arguments[@]}" -f "$2" -t "$1" . >/dev/null
  case ${build[0]} in
    buildah) rm -f "$work/image.tar" && buildah push --quiet "$1" "docker-archive:$work/image.tar" ;;
    *) "${build[0]}" save "$1" -o "$work/image.tar" ;;
  esac
  size=$(megabytes < "$work/image.tar")
  # What is pulled. The others never are.
  [ "$1" != localhost/smile-relay:test ] || size+=", $(gzip < "$work/image.tar" | megabytes) compressed"
  echo "$1: $size"
}

megabytes() { echo "$(($(wc -c) / 100000))" | sed 's/\(.\)$/.\1 MB/'; }

for name in "${@:-all}"; do
  case $name in
    all) tests/kubernetes/images.sh sender go python node java relay ;;
    relay) image localhost/smile-relay:test deploy/Dockerfile ;;
    sender) image localhost/smile-relay-sender:test tests/kubernetes/images/sender.Dockerfile ;;
    go | python | node | java) image "localhost/smile-relay-service-$name:test" "tests/kubernetes/images/$name.Dockerfile" ;;
    *) echo "there is no $name; there are relay, sender, go, python, node, java" >&2; exit 2 ;;
  esac
done
