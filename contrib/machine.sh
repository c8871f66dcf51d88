# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# For demo and check: what the machine must have, and the build.  Sourced.

# package_names FILE...: the packages that the lists name.
package_names()
{
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@"
}

# missing_packages FILE...: those of them that are not installed.
missing_packages()
{
	local name

	command -v dpkg-query >/dev/null || return 0
	while read -r name; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$name" \
		    2>/dev/null) in
		installed) ;;
		*) echo "$name" ;;
		esac
	done < <(package_names "$@")
}

# install_packages FILE...: installs what is missing; fails, with what to
# do, when that cannot be done without harm.  POSTSEAL_NO_INSTALL=1 forbids
# it.
install_packages()
{
	local -a names
	local removed

	mapfile -t names < <(missing_packages "$@")
	[ ${#names[@]} -gt 0 ] || return 0
	if [ -n "${POSTSEAL_NO_INSTALL:-}" ]; then
		echo "missing packages: ${names[*]}" >&2
		return 1
	fi
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "missing packages; as root: apt-get install ${names[*]}" >&2
		return 1
	fi
	echo "installing ${names[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update </dev/null || return 1
	# Postfix would replace another mail server: that is not for us.
	removed=$(apt-get -s install --no-install-recommends "${names[@]}" |
	    sed -n 's/^Remv \([^ ]*\).*/\1/p') || return 1
	if [ -n "$removed" ]; then
		echo "apt-get would remove ${removed//$'\n'/ };" \
		    "use another machine for this" >&2
		return 1
	fi
	# Without a main.cf of its own Debian's Postfix does not start.
	if [[ " ${names[*]} " == *" postfix "* ]] && [ ! -e /etc/postfix/main.cf ]
	then
		echo "postfix postfix/main_mailer_type select No configuration" |
		    debconf-set-selections || return 1
	fi
	apt-get -q -y install --no-install-recommends "${names[@]}" </dev/null
}

# build SOURCE DIRECTORY LOG [CONFIGURE-ARGUMENT...]: configures when that
# was not done yet, and makes; prints the end of LOG on failure.
build()
{
	local source=$1 directory=$2 log=$3

	shift 3
	if ! build_quietly "$source" "$directory" "$@" >"$log" 2>&1 </dev/null
	then
		tail -n 30 "$log" >&2
		echo "the build failed; all of it: $log" >&2
		return 1
	fi
}

build_quietly()
{
	local source=$1 directory=$2

	shift 2
	if [ ! -x "$source/configure" ]; then
		(cd "$source" && autoreconf -fi) || return 1
	fi
	mkdir -p "$directory" || return 1
	if [ ! -f "$directory/Makefile" ]; then
		(cd "$directory" && "$source/configure" "$@") || return 1
	fi
	make -C "$directory" -j "$(nproc)"
}
