#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# usage: manuals.sh SOURCE
#
# Every manual is clean under mandoc -T lint, has the sections that
# administrators look for, and refers only to manuals of ours that are
# there.  Prints TAP.
set -uo pipefail

if [ $# != 1 ]; then
	echo "usage: manuals.sh SOURCE" >&2
	exit 64
fi
if ! command -v mandoc >/dev/null; then
	echo "1..0 # SKIP mandoc is not installed (Debian: mandoc)"
	exit 0
fi
cd "$1" || exit 66

count=0 failed=0

# result NAME FAULTS: one test, passed when there are no faults.
result()
{
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		failed=$((failed + 1))
		echo "not ok $count - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
	fi
}

# lint MANUAL: what mandoc says.  Whether other packages' manuals are
# installed here is not our affair; ours are looked at below.
lint()
{
	mandoc -T lint "$1" 2>/dev/null |
	    grep -v ' referenced manual not found: '
}

# missing_sections MANUAL: those that it lacks.
missing_sections()
{
	local title

	for title in NAME SYNOPSIS DESCRIPTION EXAMPLES DIAGNOSTICS \
	    'SEE ALSO' STANDARDS SECURITY; do
		grep -qx "\\.Sh $title" "$1" || echo "no $title"
	done
}

# dead_references MANUAL: manuals of ours that it names and that are not.
dead_references()
{
	local name section

	sed -n 's/^\.Xr \([a-z.-]*\) \([1-9]\).*/\1 \2/p' "$1" | sort -u |
	    while read -r name section; do
		    case $name in
		    filters | postseal* | milter-smime | policyd-auth | \
		    tlsa-* | crl-*)
			    ls ./*/"$name.$section" >/dev/null 2>&1 ||
				    echo "no $name($section)" ;;
		    esac
	    done
}

for manual in common/*.[1-9] milter-smime/*.[1-9] policyd-auth/*.[1-9] \
    tlsa-resolver/*.[1-9] crl-fetcher/*.[1-9]; do
	[ -f "$manual" ] || continue
	result "$manual is clean under mandoc -T lint" "$(lint "$manual")"
	result "$manual has all sections" "$(missing_sections "$manual")"
	result "$manual refers to manuals that are there" \
	    "$(dead_references "$manual")"
done
[ "$count" -gt 0 ] || result "there are manuals" "none"
echo "1..$count"
[ "$failed" = 0 ]
