#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# postseal-cert and the front, with openssl(1) as the judge.  TAP.
# Programs: $POSTSEAL_BUILD (default: the current directory).

build=$(cd "${POSTSEAL_BUILD:-.}" && pwd) || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/cert_test.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
certs=$dir/certs
conf=$dir/postseal.conf
count=0
failed=0

# ok STATUS NAME: one line of TAP
ok() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		sed 's/^/# /' "$dir/out" "$dir/err" 2>/dev/null
		failed=$((failed + 1))
	fi
}

# cert ARGS: postseal-cert, its output in out and err
cert() {
	"$build/common/postseal-cert" -c "$conf" "$@" >"$dir/out" 2>"$dir/err" \
	    </dev/null
}

# good NAME ARGS, bad NAME ARGS: must succeed, must be refused in one line
good() {
	name=$1
	shift
	cert "$@"
	ok $? "$name"
}

bad() {
	name=$1
	shift
	cert "$@"
	status=$?
	[ $status -ne 0 ] && [ $status -lt 128 ] &&
	    [ "$(wc -l <"$dir/err")" -eq 1 ]
	ok $? "$name"
}

# says PATTERN NAME, whispers PATTERN NAME: in the output, on stderr
says() {
	grep -q -e "$1" "$dir/out"
	ok $? "$2"
}

whispers() {
	grep -q -e "$1" "$dir/err"
	ok $? "$2"
}

# x509 NAME PATTERN SENTENCE: what openssl says of a certificate
x509() {
	openssl x509 -in "$certs/$1.pem" -noout -text \
	    -nameopt RFC2253,-esc_msb >"$dir/out" 2>"$dir/err"
	grep -q -e "$2" "$dir/out"
	ok $? "$3"
}

# fits NAME SENTENCE: certificate and key have one public key
fits() {
	openssl x509 -in "$certs/$1.pem" -noout -pubkey >"$dir/out" 2>&1
	openssl pkey -in "$certs/$1.key" -pubout >"$dir/err" 2>&1
	cmp -s "$dir/out" "$dir/err"
	ok $? "$2"
}

# json EXPRESSION NAME: true of the JSON in out (as j)
json() {
	python3 -c "
import json, sys
j = json.load(open(sys.argv[1]))
sys.exit(0 if ($1) else 1)" "$dir/out" 2>>"$dir/err"
	ok $? "$2"
}

cat >"$conf" <<END
postseal {
	hostname = mx.example.com
	certificate_directory = $certs
}
END

test_create() {
	good 'T5 create: domains, addresses and all subject fields' \
	    create acme --cn 'Acme Gateway' --o 'Acme & Söhne' --ou Mail \
	    --ou Gate --l Kassel --st Hessen --c DE --days 30 \
	    --domain example.com --domain '*.example.net' \
	    --address anna@example.org
	says "wrote $certs/acme.key (mode 06[04]0" 'T5 create: says what it wrote'
	! grep -q 'PRIVATE' "$dir/out" "$dir/err"
	ok $? 'T5 create: no key on the terminal'
	x509 acme 'Subject: CN=Acme Gateway,OU=Gate,OU=Mail,O=Acme & Söhne,L=Kassel,ST=Hessen,C=DE' \
	    'T5 create: the subject as asked for'
	x509 acme 'DNS:example.com, DNS:\*.example.net, email:anna@example.org' \
	    'T5 create: SAN domains and addresses'
	x509 acme 'Public-Key: (2048 bit)' 'T5 create: RSA 2048 by default'
	x509 acme 'CA:FALSE' 'T5 create: no CA'
	x509 acme 'Digital Signature, Non Repudiation, Key Encipherment' \
	    'T5 create: key usage'
	x509 acme 'E-mail Protection' 'T5 create: extended key usage'
	x509 acme 'Subject Key Identifier' 'T5 create: subject key identifier'
	fits acme 'T5 create: certificate and key belong together'
	openssl x509 -in "$certs/acme.pem" -noout -checkend 2591000 >/dev/null &&
	    ! openssl x509 -in "$certs/acme.pem" -noout -checkend 2593000 \
		>/dev/null
	ok $? 'T5 create: 30 days'
	[ "$(stat -c %a "$certs/acme.pem")" = 644 ] &&
	    case $(stat -c %a "$certs/acme.key") in 600|640) ;; *) false ;; esac
	ok $? 'T5 create: others cannot read the key'
	openssl verify -partial_chain -purpose smimesign \
	    -CAfile "$certs/acme.pem" "$certs/acme.pem" >"$dir/out" 2>&1
	ok $? 'T5 create: good for signing mail'
	good 'T5 create: an EC key' create ec --ec P-384 --address b@example.com
	x509 ec 'ASN1 OID: secp384r1' 'T5 create: on the curve asked for'
	x509 ec 'Digital Signature, Non Repudiation, Key Agreement' \
	    'T5 create: an EC key agrees'
	good 'T5 create: RSA 3072' create rsa3 --rsa 3072 --domain example.com
	whispers 'will not encrypt' 'T5 create: warns of domain certificates'
	x509 rsa3 'Public-Key: (3072 bit)' 'T5 create: as long as asked for'
	good 'T5 create: a demo certificate' create demo --demo --o Acme \
	    --address demo@example.com
	x509 demo 'O=Acme (demo)' 'T5 create: a demo certificate says so'
}

test_create_refused() {
	cp "$certs/acme.key" "$dir/acme.key.before"
	bad 'T5 create: a name that is taken is refused' \
	    create acme --domain example.com
	whispers '--force' 'T5 create: the way out is named'
	cmp -s "$certs/acme.key" "$dir/acme.key.before"
	ok $? 'T5 create: the old key is untouched'
	good 'T5 create: --force replaces' \
	    create acme --force --domain example.com --address a@example.com
	fits acme 'T5 create: the new pair belongs together'
	old=acme-$(date -u +%Y%m%d)
	good 'T5 create: --force replaces' \
	    create acme --force --domain example.com --address a@example.com
	says "kept the old certificate as $old-2: mail encrypted to it can" \
	    'T5 create: tells what became of the old pair'
	cmp -s "$certs/$old.key" "$dir/acme.key.before"
	ok $? 'T5 create: the old key is kept'
	fits "$old" 'T5 create: the old pair still belongs together'
	fits "$old-2" 'T5 create: and so does the one before this'
	fits acme 'T5 create: the newest has the name'
	cert --self-check --json
	json 'any(f["id"] == "certificate-acme-'"${old#acme-}"'" and
	    f["severity"] == "ok" and "is replaced" in f["text"] for f in j)' \
	    'T5 check: a replaced pair needs no renewal'
	rm -f "$certs/$old".* "$certs/$old"-*
	bad 'T5 create: a country is two letters' create x --c Germany \
	    --domain example.com
	whispers 'two-letter country code, as DE' 'T5 create: and it says so'
	bad 'T5 create: somebody must be named' create x
	bad 'T5 create: a short key is refused' create x --rsa 1024 \
	    --domain example.com
	bad 'T5 create: RSA and EC at once are refused' create x --rsa 2048 \
	    --ec P-256 --domain example.com
	bad 'T5 create: days out of range are refused' create x --days 9999 \
	    --domain example.com
	bad 'T5 create: days that are no number are refused' create x \
	    --days 1y --domain example.com
	bad 'T5 create: a domain of one label is refused' create x \
	    --domain localhost
	whispers 'no-fqdn-check' 'T5 create: the FQDN check names its way out'
	good 'T5 create: --no-fqdn-check allows it' create short \
	    --no-fqdn-check --domain localhost
	rm -f "$certs"/short.*
	bad 'T5 create: a name out of the directory is refused' \
	    create ../x --domain example.com
	bad 'T5 create: an unknown option is refused' create x --domian x
	whispers 'no option --domian' 'T5 create: and named'
	bad 'T5 create: an option of another command is refused' create x \
	    --pem --domain example.com
	[ ! -e "$certs/x.key" ] && [ ! -e "$certs/x.pem" ]
	ok $? 'T5 create: refusals leave nothing behind'
	rm -f "$certs/rsa3.pem"
	mkdir "$certs/rsa3.pem"
	cp "$certs/rsa3.key" "$dir/rsa3.key.before"
	bad 'T5 create: a place that cannot be written' create rsa3 --force \
	    --ec P-256 --domain example.com
	cmp -s "$certs/rsa3.key" "$dir/rsa3.key.before"
	ok $? 'T5 create: half a pair is undone'
	rm -rf "$certs/rsa3.pem" "$certs/rsa3.key"
}

# A root, an intermediate and a leaf, as a CA hands them over.
make_chain() {
	cd "$dir" || exit 1
	for n in root inter leaf; do
		openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		    -out $n.k 2>/dev/null
	done
	printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' \
	    >ca.ext
	printf 'subjectAltName=email:carl@example.com\n' >leaf.ext
	openssl req -x509 -new -key root.k -subj /CN=Root -days 30 -out root.c
	openssl req -new -key inter.k -subj /CN=Inter |
	    openssl x509 -req -CA root.c -CAkey root.k -set_serial 2 -days 30 \
		-extfile ca.ext -out inter.c 2>/dev/null
	openssl req -new -key leaf.k -subj /CN=Carl |
	    openssl x509 -req -CA inter.c -CAkey inter.k -set_serial 3 \
		-days 30 -extfile leaf.ext -out leaf.c 2>/dev/null
	cat root.c inter.c >ca.c
	echo geheim >pw
	chmod 600 pw
	openssl pkcs12 -export -inkey leaf.k -in leaf.c -certfile ca.c \
	    -passout file:pw -out new.p12
	openssl pkcs12 -export -inkey leaf.k -in leaf.c -certfile ca.c \
	    -legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES \
	    -macalg sha1 -passout file:pw -out old.p12
	openssl pkcs12 -export -inkey leaf.k -in leaf.c -passout pass: \
	    -out open.p12
	cat root.c inter.c leaf.c leaf.k >all.pem
	openssl pkey -in leaf.k -aes256 -passout file:pw -out enc.k
}

# subjects NAME: CNs of a PEM file in their order
subjects() {
	openssl crl2pkcs7 -nocrl -certfile "$certs/$1.pem" |
	    openssl pkcs7 -print_certs -noout |
	    sed -n 's/^subject=CN = //p' | tr '\n' ' '
}

test_import() {
	make_chain
	good 'T5 import: PKCS #12' import p12 new.p12 --password-file pw
	[ "$(subjects p12)" = 'Carl Inter Root ' ]
	ok $? 'T5 import: the chain stands in its order'
	fits p12 'T5 import: certificate and key belong together'
	[ "$(stat -c %a "$certs/p12.pem")" = 644 ] &&
	    case $(stat -c %a "$certs/p12.key") in 600|640) ;; *) false ;; esac
	ok $? 'T5 import: others cannot read the key'
	good 'T5 import: PKCS #12 with old encryption' \
	    import old old.p12 --password-file pw
	says 'legacy provider' 'T5 import: old encryption is told'
	fits old 'T5 import: old encryption gives the right key'
	good 'T5 import: PKCS #12 with an empty password' import open open.p12
	good 'T5 import: PEM in any order' import pem all.pem
	[ "$(subjects pem)" = 'Carl Inter Root ' ]
	ok $? 'T5 import: PEM is put into its order'
	good 'T5 import: a key of its own with a password' \
	    import key leaf.c --key enc.k --password-file pw
	fits key 'T5 import: the key is the one given'
	good 'T5 import: a certificate alone' import alone leaf.c
	says 'cannot sign; .*: postseal smime key add alone leaf.c' \
	    'T5 import: says that it cannot sign, and what to do'
	chmod 644 pw
	bad 'T5 import: a password others can read is refused' \
	    import x new.p12 --password-file pw
	whispers 'chmod 600 pw' 'T5 import: and the way out is named'
	chmod 600 pw
	echo falsch >pw2
	chmod 600 pw2
	bad 'T5 import: a wrong password is refused' \
	    import x new.p12 --password-file pw2
	bad 'T5 import: without terminal and password file it is refused' \
	    import x new.p12
	bad 'T5 import: a key that does not fit is refused' \
	    import x leaf.c --key root.k
	whispers 'fits' 'T5 import: and why'
	head -c 300 new.p12 >cut.p12
	bad 'T5 import: a file cut short is refused' \
	    import x cut.p12 --password-file pw
	bad 'T5 import: a missing file is refused' import x nowhere.p12
	bad 'T5 import: a name that is taken is refused' \
	    import p12 new.p12 --password-file pw
	[ ! -e "$certs/x.key" ] && [ ! -e "$certs/x.pem" ]
	ok $? 'T5 import: refusals leave nothing behind'
}

test_reports() {
	good 'T5 list: a table' list
	says '^NAME  *KEY  *UNTIL' 'T5 list: has a heading'
	says '^acme  *RSA 2048 .*a@example.com, @example.com' \
	    'T5 list: tells who signs with it'
	cert list --json
	json '{c["name"] for c in j} >= {"acme", "ec", "p12"}' \
	    'T5 list: JSON for programs'
	good 'T5 show: everything about one' show p12
	says 'Issuer  *CN=Inter' 'T5 show: the issuer'
	says 'Signs for  *carl@example.com' 'T5 show: who signs with it'
	cert show acme --json
	json 'j["addresses"] == ["a@example.com"] and j["key"] == "RSA 2048"
	    and "digitalSignature" in j["key_usage"]' 'T5 show: JSON'
	fingerprint=$(openssl x509 -in "$certs/acme.pem" -noout -fingerprint \
	    -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f)
	json "j['fingerprint'] == '$fingerprint'" 'T5 show: the fingerprint'
	cert show p12 --pem
	cmp -s "$dir/out" "$certs/p12.pem"
	ok $? 'T5 show: PEM is the certificate and its chain'
	bad 'T5 show: an unknown name is refused' show nobody
	good 'T5 status: answers' --status --json
	json 'j["certificates"] >= 5 and j["broken"] == 0' 'T5 status: counts'
}

test_self_check() {
	good 'T5 check: answers' --self-check --json
	json 'any(f["id"] == "certificate-demo" and f["severity"] == "warning"
	    for f in j)' 'T5 check: a demo certificate is a warning'
	json 'not any(f["severity"] == "critical" for f in j)' \
	    'T5 check: nothing is critical'
	cert create soon --force --days 20 --address s@example.com
	cert --self-check --json
	json 'any(f["id"] == "certificate-soon" and f["severity"] == "warning"
	    for f in j)' 'T5 check: 20 days left is a warning'
	chmod 644 "$certs/ec.key"
	cert --self-check --json
	json 'any(f["id"] == "certificate-ec" and f["severity"] == "critical"
	    and "chmod 0640" in f["text"] for f in j)' \
	    'T5 check: a key others can read is critical'
	cert list
	says '^ec .*broken: .*readable by others' 'T5 list: tells what is broken'
	chmod 600 "$certs/ec.key"
	cp "$certs/acme.key" "$certs/ec.key"
	cert --self-check --json
	json 'any(f["id"] == "certificate-ec" and f["severity"] == "critical"
	    and "does not fit" in f["text"] for f in j)' \
	    'T5 check: a key of another certificate is critical'
	rm "$certs/ec.key" "$certs/ec.pem"
	echo 'postseal { nonsense = yes }' >"$dir/broken.conf"
	"$build/common/postseal-cert" -c "$dir/broken.conf" --self-check --json \
	    >"$dir/out" 2>"$dir/err"
	json 'j[0]["severity"] == "critical" and "broken.conf:1:" in j[0]["text"]' \
	    'T5 check: broken settings are a finding with their place'
}

# front ARGS: the front with a private libexec
front() {
	POSTSEAL_LIBEXEC=$dir/libexec "$build/common/postseal" "$@" >"$dir/out" \
	    2>"$dir/err" </dev/null
}

# program WORD TEXT: an executable of the private libexec
program() {
	printf '#!/bin/sh\n%s\n' "$2" >"$dir/libexec/postseal-$1"
	chmod 755 "$dir/libexec/postseal-$1"
}

test_front() {
	mkdir "$dir/libexec"
	cp "$build/common/postseal-cert" "$dir/libexec/"
	program Bad_Word 'echo no'
	front
	says '^  cert  *makes' 'P3 front: lists the programs there are'
	! grep -q -i bad "$dir/out"
	ok $? 'P3 front: other files are no words'
	front cert -c "$conf" show acme
	says '^Name  *acme' 'P3 front: a word becomes a program'
	front -c "$conf" cert list
	says '^acme' 'P3 front: -c reaches the program'
	front crt list
	[ $? -eq 64 ] && grep -q '"cert"' "$dir/err"
	ok $? 'P3 front: the nearest word is named'
	front ../cert list
	[ $? -eq 64 ]
	ok $? 'P3 front: a path is no word'
	front Check
	[ $? -eq 64 ] && grep -q '"check"' "$dir/err"
	ok $? 'P3 front: capitals are no reason not to name it'
	for option in -V --version; do
		front $option
		says '^postseal [0-9]' "P3 front: $option"
	done
	for words in help --help 'help help'; do
		# shellcheck disable=SC2086
		front $words
		says '^usage: postseal .*WORD' "P3 front: $words"
	done
	for words in 'check --help' 'help check'; do
		# shellcheck disable=SC2086
		front $words
		says '^usage: postseal check ' "P3 front: $words"
	done
	front status --help
	says '^usage: postseal status ' 'P3 front: status --help'
	front help cert
	says '^usage: postseal cert ' 'P3 front: help reaches a program'
	front check -c "$conf"
	ok $? 'P3 check: nothing critical exits 0'
	says '^ok  *cert: certificate acme' 'P3 check: one line a finding'
	says '^warning  *cert: .*; ' 'P3 check: a finding says what to do'
	front status -c "$conf"
	says 'certificates  *[0-9]' 'P3 status: one screen'
	front status --json -c "$conf"
	json 'j["cert"]["broken"] == 0' 'P3 status: JSON, by program'
}

test_front_broken() {
	program crash 'kill -SEGV $$'
	program garbage 'echo "<html>"'
	program angry 'echo "cannot open the moon" >&2; exit 78'
	program shapeless 'echo "[{\"severity\": \"fine\"}, 7]"'
	program quiet 'exec >/dev/null 2>&1; exit 0'
	program flood 'yes 0123456789012345678901234567890123456789'
	program evil 'printf "[{\"id\":\"x\",\"severity\":\"ok\",\"text\":\"a\\\\u001b[2Jb\",\"fix\":\"\",\"where\":\"\"}]"'
	front check -c "$conf"
	[ $? -eq 1 ]
	ok $? 'P3 check: something critical exits 1'
	says '^critical  *crash: killed by signal 11' 'P3 check: a crash'
	says '^critical  *garbage: ' 'P3 check: garbage'
	says '^critical  *angry: exit status 78.*cannot open the moon' \
	    'P3 check: an exit status with its reason'
	says '^critical  *shapeless: ' 'P3 check: findings of no shape'
	says '^critical  *quiet: ' 'P3 check: no answer'
	says '^critical  *flood: ' 'P3 check: an endless answer'
	! grep -q "$(printf '\033')" "$dir/out"
	ok $? 'P3 check: no control characters on the terminal'
	says '^ok  *cert: ' 'P3 check: the others are asked all the same'
	front check --json -c "$conf"
	json 'any(f["program"] == "crash" and f["severity"] == "critical"
	    for f in j)' 'P3 check: JSON tells of the crash'
	front status -c "$conf"
	says 'problem  *killed by signal' 'P3 status: a crash is told'
	says 'problem  *cannot open the moon' 'P3 status: the reason alone'
	front status -c "$dir/broken.conf"
	says "problem  *$dir/broken.conf:1:" \
	    'P3 status: no label before the reason'
}

test_create
test_create_refused
test_import
test_reports
test_self_check
test_front
test_front_broken
echo "1..$count"
[ "$failed" -eq 0 ]
