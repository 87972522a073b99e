#!/bin/sh
# Runs each fuzz test for the time that is given, one after the other. Where the time ends while an input is being looked at, Go's fuzzer
# may call that a failure ("context deadline exceeded") without any input that failed: that one is run once more.
set -eu
time=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
	echo "$2 in $1"
	"${GO:-go}" test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 1s "./$1" >"$log" 2>&1 && code=0 || code=$?
	cat "$log"
}
for in in $(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do
	for test in $(git grep -hoE '^func Fuzz[A-Za-z]+' -- "$in/*_test.go" | cut -c6-); do
		run "$in" "$test"
		if [ "$code" != 0 ] && grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input' "$log"; then
			run "$in" "$test"
		fi
		[ "$code" = 0 ] || exit "$code"
	done
done
