#!/usr/bin/env bash
# Builds the package of every language, runs its own tests, and leaves the programs that tests/polyglot.sh runs.
#
#   tests/clients.sh             # all
#   tests/clients.sh go java     # some
#
# Needs the toolchains of all of them, and buf (npm @bufbuild/buf) on the PATH. It says what installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../clients"

need() { # command, what installs it
  command -v "$1" >/dev/null || { echo "$1 is missing: $2" >&2; exit 1; }
}
say() { printf -- '--- %s: %s (%s)\n' "$language" "$*" "$(date +%H:%M:%S)"; }

build_go() {
  need go "install Go 1.26 or newer"
  need buf "npm install --global @bufbuild/buf"
  say "generate, check, test"
  (cd .. && buf generate)
  (
    cd go
    [ -z "$(gofmt -l ./*.go example conformance)" ] || { echo "not formatted:"; gofmt -l ./*.go example conformance; exit 1; }
    go mod tidy -diff
    go vet ./...
    go test -race ./...
    mkdir -p ../../tests/polyglot/build
    go build -o ../../tests/polyglot/build/ ./conformance
  )
}

build_python() {
  need python3 "apt-get install python3 python3-venv"
  local venv=../tests/polyglot/build/venv
  say "wheel, check, test"
  [ -x $venv/bin/python ] || python3 -m venv $venv
  $venv/bin/pip install --quiet './python[dev]'
  venv=$(realpath -s $venv)
  (
    cd python
    "$venv/bin/ruff" check .
    "$venv/bin/ruff" format --check .
    "$venv/bin/mypy"
    "$venv/bin/pytest" -q
  )
}

build_typescript() {
  need node "install Node 20 or newer"
  need npm "install Node 20 or newer"
  say "build, test"
  (cd typescript && npm ci --no-fund --no-audit --silent && npm test --silent)
}

build_java() {
  need mvn "apt-get install maven default-jdk-headless"
  say "build, test"
  (cd java && mvn -B -q verify)
}

build_cpp() {
  local packages="g++ cmake libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libboost-dev libgtest-dev nlohmann-json3-dev"
  need cmake "apt-get install $packages"
  need grpc_cpp_plugin "apt-get install $packages"
  say "build, test"
  (
    cd cpp
    cmake -S . -B build -DCMAKE_BUILD_TYPE=Release >/dev/null
    cmake --build build -j2 -- --quiet
    ctest --test-dir build --output-on-failure -Q || ctest --test-dir build --output-on-failure
  )
}

build_ruby() {
  local packages="ruby rake ruby-grpc ruby-grpc-tools ruby-google-protobuf ruby-minitest rubocop protobuf-compiler-grpc"
  local gems=../tests/polyglot/build/gems
  need rake "apt-get install $packages"
  need grpc_tools_ruby_protoc "apt-get install $packages"
  need rubocop "apt-get install $packages"
  say "check, test, gem"
  (cd ruby && rake --quiet)
  # Installed in a place of its own beside the system's gems, it has all that it needs.
  rm -rf "$gems" && mkdir -p "$gems" && gems=$(realpath "$gems")
  (
    GEM_PATH=$gems:$(gem environment gempath)
    export GEM_PATH GEM_HOME=$gems
    gem install --local --no-document ruby/pkg/smile-relay.gem
    ruby -e 'require "smile-relay"; SmileRelay::V1::Event.new'
  )
}

for language in "${@:-}"; do
  case ${language:-all} in
    all) for language in go python typescript java cpp ruby; do "build_$language"; done ;;
    go | python | typescript | java | cpp | ruby) "build_$language" ;;
    *) echo "there is no $language; there are go, python, typescript, java, cpp, ruby" >&2; exit 2 ;;
  esac
done
