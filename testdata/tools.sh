#!/bin/sh
# Installs what the tests need besides Go: Prometheus, and java and mvn for Elasticsearch, the real ones. Without root it only says what
# is missing and what is skipped.
set -eu
missing=
command -v prometheus >/dev/null || missing=prometheus
command -v javac >/dev/null || missing="$missing default-jdk-headless"
command -v mvn >/dev/null || missing="$missing maven"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing" $missing
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	policy=/usr/sbin/policy-rc.d # the package would start a server of its own; the tests start theirs
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		trap 'rm -f "$policy"' EXIT
	fi
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit 0
fi
echo "missing:" $missing "(apt-get install" $missing"); the tests that ask a real server of these are SKIPPED"
[ -z "${VERIFIER_NO_SKIP:-}" ] || exit 1
