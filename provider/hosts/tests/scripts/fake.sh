#!/bin/bash
# Stands in for a program: what it is called with becomes a line of /fakes/calls, then the test's own lines follow.
line="${0##*/} $*"
printf '%s\n' "${line//$'\n'/\\n}" >>/fakes/calls

# unexpected: for a call that the test did not prepare.
unexpected() {
  printf 'unexpected: %s\n' "$line" >>/fakes/calls
  exit 97
}

# record_stdin: the lines on stdin, each behind a `<`.
record_stdin() {
  sed 's/^/< /' >>/fakes/calls
}

