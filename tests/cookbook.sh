#!/usr/bin/env bash
# Runs docs/grpcurl.md: every command of it as it is printed, from top to bottom, in an empty directory, and compares what
# each prints with what the page says. Needs grpcurl, openssl, curl, jq. Takes the binary from SMILE_RELAY_BIN, and a page
# of the same kind as an argument.
#
# What a fence says after its three backquotes:
#   sh         a command; it has to succeed
#   text json  what the command before it prints: no less, no more
#   sh live    a command that goes on, until Ctrl-C at the next heading
#   text live  what that one prints next; more may follow (json live as well)
# In what is expected, ... on a line of its own stands for any number of lines, and elsewhere for any text within a line.
set -euo pipefail
page=$(realpath "${1:-$(dirname "$0")/../docs/grpcurl.md}")
cd "$(dirname "$0")/.."

# The page uses the relay's default ports. In a network of its own nobody else has them: no other relay, and no other run
# of this. Without the right to make one, the ports of this machine have to do.
if [ -z "${COOKBOOK_NETWORK-}" ]; then
  for flag in -n -rn; do
    if unshare $flag ip link set lo up 2>/dev/null; then
      COOKBOOK_NETWORK=own exec timeout 300 unshare $flag tests/cookbook.sh "$page"
    fi
  done
  echo "without a network of its own (which takes root and iproute2) this needs the ports 50051, 50052, 8081, 8082, 8443, 8444" >&2
  COOKBOOK_NETWORK=shared exec timeout 300 tests/cookbook.sh "$page"
fi
[ "$COOKBOOK_NETWORK" = shared ] || ip link set lo up

relay=$(realpath -m "${SMILE_RELAY_BIN:-target/release/smile-relay}")
[ -x "$relay" ] || { echo "there is no $relay: cargo build --release" >&2; exit 1; }
for tool in grpcurl openssl curl jq; do
  command -v $tool >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/cookbook-XXXXXX")
mkdir "$work/bin" "$work/here"
ln -s "$relay" "$work/bin/smile-relay"
export PATH="$work/bin:$PATH" LC_ALL=C no_proxy=127.0.0.1,localhost
# Nothing here has to survive a power cut.
export SMILE_RELAY_ALLOW_ANY_FILESYSTEM=true
cd "$work/here"

# Commands run in this very shell, as in one terminal: what one sets, the next one has. Their variables are in capitals,
# those of this script are not.
line=0        # of the page
place=        # where the block begins that is dealt with
command=      # the one that ran last
output=       # what it printed, until that is compared
live=         # the process group of the command that goes on
seen=0        # how much of its output was compared

exec 4>&2 # what a command's output goes to is not this script's
finish() {
  code=$?
  trap - EXIT
  set +e
  if [ $code -ne 0 ]; then
    printf '\nFAILED at %s, after\n%s\n' "$place" "$command"
    [ -z "$output" ] || { echo '--- which printed'; cat "$output"; }
    for log in *.log; do [ ! -e "$log" ] || { echo "--- the last of $log"; tail -5 "$log"; }; done
  fi >&4
  stop_live
  for pid in $(jobs -p); do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  rm -rf "$work"
  exit $code
}
trap finish EXIT
trap 'exit 1' INT TERM # the latter from timeout

run() { # command
  command=$1 output=$work/output
  # Not within an if or a ||: there the failure of a command would be none.
  eval "$1" > "$output" 2>&1 < /dev/null
}

run_live() { # command
  stop_live
  command=$1 seen=0
  set -m # in a process group of its own, and not deaf to Ctrl-C
  { eval "$1"; } > "$work/live" 2>&1 < /dev/null &
  live=$!
  set +m
}

stop_live() {
  [ -n "$live" ] || return 0
  kill -INT -- "-$live" 2>/dev/null || true
  wait "$live" 2>/dev/null || true
  live=
}

any_text=$'[^\n]*' any_lines=$'([^\n]*\n)*'
set_pattern() { # text: sets $pattern to a regular expression for it
  local text
  pattern=
  while IFS= read -r text; do
    if [[ $text =~ ^' '*'...'$ ]]; then
      pattern+=$any_lines
    else
      text=$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<< "$text")
      pattern+=${text//'\.\.\.'/$any_text}$'\n'
    fi
  done <<< "$1"
}

differs() { # expected, printed
  printf '\n%s\n--- expected\n%s\n--- printed\n%s\n' "$place" "$1" "$2" >&2
  output=
  exit 1
}

compare() { # expected
  [ -n "$output" ] || { echo "this follows no command" >&2; exit 1; }
  local printed
  printed=$(cat "$output")
  set_pattern "$1"
  [[ $printed$'\n' =~ ^$pattern$ ]] || differs "$1" "$printed"
  output=
}

compare_live() { # expected
  local printed='' end=$((SECONDS + 20))
  set_pattern "$1"
  until [[ $printed =~ ^$pattern ]]; do
    [ $SECONDS -lt $end ] || differs "$1" "$printed"
    sleep 0.1
    printed=$(tail -c "+$((seen + 1))" "$work/live"; echo .)
    printed=${printed%.}
  done
  ((seen += ${#BASH_REMATCH[0]}))
}

kind='' block='' commands=0 comparisons=0
while IFS= read -r text <&3; do
  line=$((line + 1))
  if [ -z "$kind" ]; then
    case $text in
      '```'*) kind=${text#'```'} block='' place=${page##*/}:$line ;;
      '#'*) stop_live ;;
    esac
    continue
  fi
  if [ "$text" != '```' ]; then
    block+=${block:+$'\n'}$text
    continue
  fi
  case $kind in
    sh) run "$block" ;;
    'sh live') run_live "$block" ;;
    text | json) compare "$block" ;;
    'text live' | 'json live') compare_live "$block" ;;
    *) echo "what is a fence of the kind '$kind'?" >&2; exit 1 ;;
  esac
  case $kind in sh*) commands=$((commands + 1)) ;; *) comparisons=$((comparisons + 1)) ;; esac
  kind=
done 3< "$page"
[ -z "$kind" ] || { echo "the last fence is not closed" >&2; exit 1; }
# A page that is not read as one would pass as well.
[ $((commands * comparisons)) -gt 0 ] || { echo "there is nothing to run" >&2; exit 1; }
echo "--- passed: $commands blocks of commands, $comparisons outputs"
