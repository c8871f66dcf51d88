#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Static checks of C and shell, as TAP.
#	static.sh SOURCE
set -u
source=$1
n=0
failed=0

# report NAME STATUS OUTPUT
report()
{
	n=$((n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $n - $1"
	else
		failed=1
		echo "not ok $n - $1"
		printf '%s\n' "$3" | head -n 40 | sed 's/^/# /'
	fi
}

skip()
{
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

cd "$source" || exit 1
mapfile -t code < <(find common milter-smime policyd-auth tlsa-resolver \
    crl-fetcher -name '*.c' 2>/dev/null | sort)
mapfile -t shell < <(grep -rlE '^#!.*(bash|/sh)' contrib tests .ci \
    2>/dev/null | sort)

if command -v cppcheck >/dev/null; then
	out=$(cppcheck -q -j2 --std=c11 --error-exitcode=1 --inline-suppr \
	    --enable=warning,portability --suppress=missingIncludeSystem \
	    --suppress=nullPointerOutOfMemory \
	    -D_GNU_SOURCE -I. -Imilter-smime \
	    --library=tests/lint/cppcheck.cfg \
	    "${code[@]}" 2>&1)
	report "cppcheck finds nothing" $? "$out"
else
	skip "cppcheck finds nothing" "cppcheck is not installed"
fi

if command -v shellcheck >/dev/null; then
	out=$(shellcheck -x -P SCRIPTDIR "${shell[@]}" 2>&1)
	report "shellcheck finds nothing" $? "$out"
else
	skip "shellcheck finds nothing" "shellcheck is not installed"
fi

out=$(grep -nE '\b(system|popen|sprintf|strcpy|strcat|gets|alloca|tmpnam|mktemp)[[:space:]]*\(' \
    "${code[@]}")
report "no call that this project does without" $((1 - $?)) "$out"

out=$(grep -nE '.{81,}' "${code[@]}" | awk -F: '{
	line = $0; sub(/^[^:]*:[^:]*:/, "", line); width = 0
	for (i = 1; i <= length(line); i++)
		width = substr(line, i, 1) == "\t" ? \
		    width + 8 - width % 8 : width + 1
	if (width > 80) print }')
[ -z "$out" ]
report "no line of C is longer than 80 columns" $? "$out"

echo "1..$n"
exit "$failed"
