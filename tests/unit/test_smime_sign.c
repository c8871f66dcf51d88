/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may sign, and what becomes of what others signed: the way of whole
 * messages through the pipeline, with settings and certificates as an
 * administrator would have them.
 */
#include "milter-smime/pipeline.h"

#include <ftw.h>
#include <unistd.h>

#include <openssl/err.h>

#include "pki.h"
#include "tap.h"

static char dir[] = "/tmp/test_smime_sign.XXXXXX";
static struct settings *settings;
static struct gateway *gateway;
static EVP_PKEY *ec, *other_ec, *rsa, *weak, *ed;
static X509 *root;
static EVP_PKEY *root_key;
static X509 *foreign_root;

static char *
in_dir(const char *file)
{
	return mem_printf("%s/%s", dir, file);
}

/* --- our own certificates ------------------------------------------------ */

static const struct own {
	const char *name;
	struct pki_cert spec;
	EVP_PKEY **key;
	bool no_key_file;
} owns[] = {
	{"alice", {.cn = "Alice", .serial = 101,
	    .san = "email:alice@example.com"}, &ec, false},
	{"both", {.cn = "Both", .serial = 102, .san = "email:both@example.com",
	    .usage = "digitalSignature,nonRepudiation"}, &ec, false},
	{"domain", {.cn = "Domain", .serial = 103, .san = "DNS:example.net"},
	    &rsa, false},
	{"wild", {.cn = "Wild", .serial = 104, .san = "DNS:*.wild.example"},
	    &ec, false},
	{"signature", {.cn = "Signature", .serial = 105,
	    .san = "email:signature@example.com",
	    .usage = "digitalSignature"}, &ec, false},
	{"repudiation", {.cn = "Repudiation", .serial = 106,
	    .san = "email:repudiation@example.com",
	    .usage = "nonRepudiation"}, &ec, false},
	{"encipher", {.cn = "Encipher", .serial = 107,
	    .san = "email:encipher@example.com",
	    .usage = "keyEncipherment"}, &rsa, false},
	{"expired", {.cn = "Expired", .serial = 108, .from = -20, .to = -10,
	    .san = "email:expired@example.com"}, &ec, false},
	{"future", {.cn = "Future", .serial = 109, .from = 10, .to = 20,
	    .san = "email:future@example.com"}, &ec, false},
	{"server", {.cn = "Server", .serial = 110,
	    .san = "email:server@example.com", .extended = "serverAuth"},
	    &ec, false},
	{"any", {.cn = "Any", .serial = 111, .san = "email:any@example.com",
	    .extended = "anyExtendedKeyUsage"}, &ec, false},
	{"weak", {.cn = "Weak", .serial = 112,
	    .san = "email:weak@example.com"}, &weak, false},
	{"public", {.cn = "Public", .serial = 113,
	    .san = "email:public@example.com"}, &ec, true},
	{"ed25519", {.cn = "Ed", .serial = 114,
	    .san = "email:ed@example.com"}, &ed, false},
	{"old-carol", {.cn = "Carol", .serial = 115, .from = -30,
	    .san = "email:carol@example.net"}, &ec, false},
	{"new-carol", {.cn = "Carol", .serial = 116, .from = -3,
	    .san = "email:carol@example.net"}, &ec, false},
	{"subject", {.cn = "Subject", .serial = 117,
	    .email = "subject@example.com"}, &ec, false},
};

static const char config[] =
    "postseal { hostname = mx.example.com\n state_directory = %s\n"
    "  certificate_directory = %s/certs }\n"
    "ca-list { system = no\n custom_file = %s/root.pem }\n"
    "crl-check { directory = %s/crl }\n"
    "milter-smime { key_store = sqlite:%s/keys.db\n %s }\n"
    "sending-profile auto { mode = sign }\n"
    "sending-profile strict { mode = sign\n key_usage = strict }\n"
    "sending-profile named { mode = sign\n signing_certificate = alice }\n"
    "sending-profile missing { mode = sign\n"
    "  signing_certificate = nobody }\n"
    "sending-profile opaque { mode = sign\n sign_mode = opaque\n"
    "  digest = sha512 }\n"
    "mail-policy strict { direction = outgoing\n"
    "  recipients = strict.example\n profile = strict }\n"
    "mail-policy named { direction = outgoing\n"
    "  recipients = named.example\n profile = named }\n"
    "mail-policy missing { direction = outgoing\n"
    "  recipients = missing.example\n profile = missing }\n"
    "mail-policy opaque { direction = outgoing\n"
    "  recipients = opaque.example\n profile = opaque }\n"
    "mail-policy default-outgoing { direction = outgoing\n"
    "  profile = auto }\n"
    "sender-group trusted { clients = 192.0.2.1\n trusted = yes\n"
    "  mail_flow_policy = RELAYED }\n"
    "sender-group relayed { clients = 192.0.2.2\n"
    "  mail_flow_policy = RELAYED }\n"
    "sender-group remover { clients = 198.51.100.2\n"
    "  mail_flow_policy = REMOVING }\n"
    "sender-group world { clients = 198.51.100.1\n"
    "  mail_flow_policy = VERIFYING }\n"
    "mail-flow-policy RELAYED { behavior = relay }\n"
    "mail-flow-policy VERIFYING { smime_decrypt_verify = yes }\n"
    "mail-flow-policy REMOVING { smime_decrypt_verify = yes\n"
    "  smime_signature = remove }\n";

static void
close_gateway(void)
{
	gateway_close(&gateway);
	settings_free(settings);
	settings = NULL;
}

static void
open_gateway(const char *more)
{
	char *text = mem_printf(config, dir, dir, dir, dir, dir, more);
	struct error err = {0};

	close_gateway();
	settings = settings_parse("test.conf", text, strlen(text),
	    smime_section_types, &err);
	if (settings != NULL)
		gateway = gateway_open(settings, NULL, &err);
	if (gateway == NULL) {
		printf("# %s\n", err.text);
		abort();
	}
	free(text);
}

static void
make_world(void)
{
	struct pki_cert ca = {.cn = "Root", .serial = 1,
		.basic = "critical,CA:TRUE", .usage = "keyCertSign,cRLSign"};
	static const char *const dirs[] = {"certs", "crl", "smime"};
	char *certs = in_dir("certs");

	for (size_t i = 0; i < 3; i++) {
		char *path = in_dir(dirs[i]);

		pki_must(mkdir(path, 0700) == 0);
		free(path);
	}
	ec = EVP_EC_gen("P-256");
	other_ec = EVP_EC_gen("P-256");
	root_key = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	weak = EVP_RSA_gen(1024);
	ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	root = pki_make(&ca, root_key, NULL, root_key);
	foreign_root = pki_make(&ca, other_ec, NULL, other_ec);
	pki_write_cert(dir, "root.pem", root);
	for (size_t i = 0; i < sizeof(owns) / sizeof(owns[0]); i++) {
		X509 *cert = pki_make(&owns[i].spec, *owns[i].key, root,
		    root_key);
		char *pem = mem_printf("%s.pem", owns[i].name);
		char *key = mem_printf("%s.key", owns[i].name);

		pki_write_cert(certs, pem, cert);
		if (!owns[i].no_key_file)
			pki_write_key(certs, key, *owns[i].key);
		free(pem);
		free(key);
		X509_free(cert);
	}
	free(certs);
}

/* --- messages ------------------------------------------------------------ */

static struct message *
message(const char *text, const char *client, const char *login,
    const char *recipient)
{
	struct message *m = message_new(&gateway->place);
	struct error err;
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");

	pki_must(message_read(m, f, &err));
	fclose(f);
	free(m->client_address);
	m->client_address = mem_strdup(client);
	m->authenticated = mem_strdup(login);
	message_set_sender(m, "<bounces@example.com>", "");
	message_add_recipient(m, recipient, "");
	return m;
}

static char *
written(const struct report *r, const struct message *m)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	pki_must(outcome_write(&r->outcome, m, f) && fclose(f) == 0);
	return text;
}

/* --- who may sign (S6, S7, S8) ------------------------------------------- */

#define TRUSTED "192.0.2.1"
#define RELAYED "192.0.2.2"
#define NOBODY  "203.0.113.1"

static const struct {
	const char *says, *client, *login, *from, *recipient;
	const char *certificate; /* NULL: bounces … */
	const char *why;	 /* … and says so */
} signs[] = {
	/* S7: whom a certificate names. */
	{"an rfc822Name signs for its user", TRUSTED, NULL,
	    "From: alice@example.com", NULL, "alice", NULL},
	{"domains compare in any case, local parts too", TRUSTED, NULL,
	    "From: Alice@EXAMPLE.com", NULL, "alice", NULL},
	{"a display name does not matter", TRUSTED, NULL,
	    "From: \"bob@example.org\" <alice@example.com>", NULL, "alice",
	    NULL},
	{"emailAddress of the subject counts", TRUSTED, NULL,
	    "From: subject@example.com", NULL, "subject", NULL},
	{"a dNSName signs for all its users", TRUSTED, NULL,
	    "From: anyone@example.net", NULL, "domain", NULL},
	{"an exact address goes before its domain, the newer first",
	    TRUSTED, NULL, "From: carol@example.net", NULL, "new-carol",
	    NULL},
	{"a domain is not its subdomains", TRUSTED, NULL,
	    "From: a@sub.example.net", NULL, NULL, "names a@sub.example.net"},
	{"nor what ends like it", TRUSTED, NULL, "From: a@notexample.net",
	    NULL, NULL, "names a@notexample.net"},
	{"a wildcard covers one label", TRUSTED, NULL,
	    "From: a@mail.wild.example", NULL, "wild", NULL},
	{"not two", TRUSTED, NULL, "From: a@x.mail.wild.example", NULL, NULL,
	    "no certificate"},
	{"and not none", TRUSTED, NULL, "From: a@wild.example", NULL, NULL,
	    "no certificate"},
	{"nobody else signs", TRUSTED, NULL, "From: bob@example.org", NULL,
	    NULL, "no certificate"},
	{"another user of the address's domain does not", TRUSTED, NULL,
	    "From: bob@example.com", NULL, NULL, "no certificate"},
	{"no +tag tricks", TRUSTED, NULL, "From: alice+x@example.com", NULL,
	    NULL, "no certificate"},
	{"a profile with a certificate signs with it", TRUSTED, NULL,
	    "From: alice@example.com", "<x@named.example>", "alice", NULL},
	{"for nobody else", TRUSTED, NULL, "From: a@example.net",
	    "<x@named.example>", NULL, "does not name a@example.net"},
	{"one that does not exist is named", TRUSTED, NULL,
	    "From: alice@example.com", "<x@missing.example>", NULL,
	    "no certificate nobody"},

	/* S7: the single From. */
	{"without From nothing is signed", TRUSTED, NULL, "X: y", NULL, NULL,
	    "no From"},
	{"nor with two From fields", TRUSTED, NULL,
	    "From: alice@example.com\r\nFrom: alice@example.com", NULL, NULL,
	    "more than one From"},
	{"nor with two addresses in it", TRUSTED, NULL,
	    "From: alice@example.com, both@example.com", NULL, NULL,
	    "2 addresses"},
	{"nor with a broken one", TRUSTED, NULL, "From: alice@", NULL, NULL,
	    "From field"},
	{"Sender and Reply-To do not help", TRUSTED, NULL,
	    "Sender: alice@example.com\r\nReply-To: alice@example.com\r\n"
	    "From: bob@example.org", NULL, NULL, "no certificate"},

	/* S7: who the client is. */
	{"the authenticated owner may", NOBODY, "alice@example.com",
	    "From: alice@example.com", NULL, "alice", NULL},
	{"in any case", NOBODY, "ALICE@Example.Com",
	    "From: alice@example.com", NULL, "alice", NULL},
	{"another login may not", NOBODY, "both@example.com",
	    "From: alice@example.com", NULL, NULL,
	    "both@example.com does not own"},
	{"a login without domain owns nothing", NOBODY, "alice",
	    "From: alice@example.com", NULL, NULL, "does not own"},
	{"an empty login neither", RELAYED, "", "From: alice@example.com",
	    NULL, NULL, "not"},
	{"a relayed client that is not trusted may not", RELAYED, NULL,
	    "From: alice@example.com", NULL, NULL, "neither authenticated"},
	{"unless authenticated", RELAYED, "alice@example.com",
	    "From: alice@example.com", NULL, "alice", NULL},
	{"a trusted group may, whatever the login", TRUSTED,
	    "bob@example.org", "From: alice@example.com", NULL, "alice",
	    NULL},

	/* S8: what a certificate must be. */
	{"digitalSignature alone signs by RFC 8550", TRUSTED, NULL,
	    "From: signature@example.com", NULL, "signature", NULL},
	{"so does nonRepudiation", TRUSTED, NULL,
	    "From: repudiation@example.com", NULL, "repudiation", NULL},
	{"keyEncipherment does not", TRUSTED, NULL,
	    "From: encipher@example.com", NULL, NULL,
	    "without digitalSignature or nonRepudiation"},
	{"strict wants both: one is refused", TRUSTED, NULL,
	    "From: signature@example.com", "<x@strict.example>", NULL,
	    "key_usage = strict"},
	{"the other too", TRUSTED, NULL, "From: repudiation@example.com",
	    "<x@strict.example>", NULL, "key_usage = strict"},
	{"both are fine", TRUSTED, NULL, "From: both@example.com",
	    "<x@strict.example>", "both", NULL},
	{"and no keyUsage at all is assumed to be", TRUSTED, NULL,
	    "From: alice@example.com", "<x@strict.example>", "alice", NULL},
	{"an expired certificate does not sign", TRUSTED, NULL,
	    "From: expired@example.com", NULL, NULL, "expired"},
	{"nor one of the future", TRUSTED, NULL, "From: future@example.com",
	    NULL, NULL, "not valid before"},
	{"nor one for servers only", TRUSTED, NULL,
	    "From: server@example.com", NULL, NULL, "emailProtection"},
	{"one for anything does", TRUSTED, NULL, "From: any@example.com",
	    NULL, "any", NULL},
	{"a short RSA key does not", TRUSTED, NULL, "From: weak@example.com",
	    NULL, NULL, "1024 bits"},
	{"nor a certificate without its key", TRUSTED, NULL,
	    "From: public@example.com", NULL, NULL, "private key"},
	{"nor Ed25519, which CMS cannot", TRUSTED, NULL,
	    "From: ed@example.com", NULL, NULL, "use RSA or EC"},
};

static void
try_signing(size_t i)
{
	static const struct pipeline_options none;
	char *text = mem_printf("%s\r\nSubject: s\r\n\r\nHello\r\n",
	    signs[i].from);
	struct message *m = message(text, signs[i].client, signs[i].login,
	    signs[i].recipient == NULL ? "<x@example.org>" :
					 signs[i].recipient);
	const char *with = NULL;
	struct report r;
	bool good;

	pipeline_run(gateway, m, &none, &r);
	if (r.ncopies == 1)
		with = r.copies[0].certificate;
	if (signs[i].certificate != NULL)
		good = r.outcome.kind == OUTCOME_PASS && with != NULL &&
		    strcmp(with, signs[i].certificate) == 0 &&
		    r.outcome.replace_body;
	else
		good = r.outcome.kind == OUTCOME_REJECT &&
		    strcmp(r.outcome.code, "550") == 0 &&
		    strstr(r.outcome.text, signs[i].why) != NULL;
	check(good, "%s", signs[i].says);
	if (!good)
		printf("# %d %s %s\n", (int)r.outcome.kind,
		    with == NULL ? "" : with, r.outcome.text);
	report_clear(&r);
	message_free(&m);
	free(text);
}

static void
test_who_may_sign(void)
{
	open_gateway("");
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		try_signing(i);
}

static bool
is_signed_for(const char *login, const char *from)
{
	static const struct pipeline_options none;
	char *text = mem_printf("From: %s\r\n\r\nHello\r\n", from);
	struct message *m = message(text, NOBODY, login, "<x@y.example>");
	struct report r;
	bool passed;

	pipeline_run(gateway, m, &none, &r);
	passed = r.outcome.kind == OUTCOME_PASS && r.outcome.replace_body;
	report_clear(&r);
	message_free(&m);
	free(text);
	return passed;
}

static void
test_login_domain(void)
{
	open_gateway("login_domain = Example.com");
	check(is_signed_for("alice", "alice@example.com"),
	    "with login_domain a bare login owns its address there");
	check(!is_signed_for("alice", "carol@example.net"), "but no other");
	check(!is_signed_for("alice", "alice@example.net"),
	    "also not of its own name elsewhere");
	check(is_signed_for("alice@example.com", "alice@example.com"),
	    "a login with a domain keeps it");
	check(!is_signed_for("alice@example.net", "alice@example.com"),
	    "and does not get another");
}

/* --- what others signed (S11) -------------------------------------------- */

#define CONTENT "Content-Type: text/plain\r\nContent-ID: <x@y>\r\n\r\n" \
	"Pay 100 to Bob.\r\n"

static X509 *
leaf(const char *san, long serial, EVP_PKEY *key)
{
	struct pki_cert spec = {.cn = "Leaf", .serial = serial, .san = san};

	return pki_make(&spec, key, root, root_key);
}

struct verdict_case {
	const char *says, *from;
	enum signature_verdict signature;
	/* As letters: - none, g good, b bad, u unknown. */
	const char *checks; /* digest, chain, revocation, identity */
	const char *reason;
};

static const char *
letters(const struct verdict *v)
{
	static const char of[] = "-gbu";
	static char text[5];

	text[0] = of[v->digest];
	text[1] = of[v->chain];
	text[2] = of[v->revocation];
	text[3] = of[v->identity];
	return text;
}

static void
judge(const struct verdict_case *c, const char *mail)
{
	static const struct pipeline_options none;
	char *text = mem_printf("From: %s\r\nMIME-Version: 1.0\r\n"
	    "Authentication-Results: mx.example.com; smime=pass\r\n%s",
	    c->from, mail), *after, *result;
	struct message *m = message(text, "198.51.100.1", NULL,
	    "<x@example.com>");
	const struct verdict *v;
	struct report r;
	bool good;

	pipeline_run(gateway, m, &none, &r);
	v = &r.verdict;
	after = written(&r, m);
	result = mem_printf("Authentication-Results: mx.example.com; "
	    "smime=%s", verdict_signature_name(c->signature));
	good = v->signature == c->signature &&
	    strcmp(letters(v), c->checks) == 0 &&
	    strstr(v->reason, c->reason) != NULL &&
	    (c->reason[0] != '\0' || v->reason[0] == '\0') &&
	    v->gateway_message && v->gateway_verified ==
	    (c->signature == SIGNATURE_PASS) &&
	    r.outcome.kind == OUTCOME_PASS && !r.outcome.replace_body &&
	    strncmp(after, result, strlen(result)) == 0 &&
	    strstr(after + 1, "Authentication-Results") == NULL;
	check(good, "%s", c->says);
	if (!good)
		printf("# %s %s %s\n# %.200s\n",
		    verdict_signature_name(v->signature), letters(v),
		    v->reason, after);
	free(result);
	free(after);
	free(text);
	report_clear(&r);
	message_free(&m);
}

/* Signs, changes what stands there once, and judges. */
static void
changed(const struct verdict_case *c, const struct pki_signing *s,
    const char *what, const char *into)
{
	size_t n;
	unsigned char *der = pki_sign(s, CONTENT, strlen(CONTENT), &n);
	char *mail = pki_mail(s, CONTENT, der, n), *at;

	if (what != NULL) {
		at = strstr(mail, what);
		pki_must(at != NULL && strlen(what) == strlen(into));
		memcpy(at, into, strlen(into));
	}
	judge(c, mail);
	free(mail);
	free(der);
}

static void
verdict(const char *says, const char *from, const struct pki_signing *s,
    enum signature_verdict signature, const char *checks, const char *reason)
{
	struct verdict_case c = {says, from, signature, checks, reason};

	changed(&c, s, NULL, NULL);
}

static void
test_good(X509 *alice)
{
	struct pki_signing s = {.by = {{alice, ec}}};
	struct verdict_case c = {"a changed text fails", "alice@example.com",
		SIGNATURE_FAIL, "bgug", "changed"};

	verdict("a good detached signature passes", "alice@example.com", &s,
	    SIGNATURE_PASS, "ggug", "");
	changed(&c, &s, "100", "900");
	c.says = "a changed header field inside fails";
	changed(&c, &s, "<x@y>", "<x@z>");
	c.says = "so does a changed line end";
	changed(&c, &s, "Bob.\r\n\r\n--sig", "Bob. \n\r\n--sig");
	s.opaque = true;
	verdict("a good opaque signature passes", "alice@example.com", &s,
	    SIGNATURE_PASS, "ggug", "");
	s.flags = CMS_NOATTR;
	verdict("also without signed attributes", "alice@example.com", &s,
	    SIGNATURE_PASS, "ggug", "");
	s.flags = CMS_USE_KEYID;
	verdict("also by key identifier", "alice@example.com", &s,
	    SIGNATURE_PASS, "ggug", "");
	s.flags = 0;
	s.digest = EVP_sha512();
	verdict("also with SHA-512", "alice@example.com", &s,
	    SIGNATURE_PASS, "ggug", "");
}

static void
test_chain(X509 *alice)
{
	struct pki_cert spec = {.cn = "Leaf", .serial = 30,
		.san = "email:alice@example.com"};
	struct pki_signing s = {.flags = 0};
	X509 *cert = pki_make(&spec, ec, foreign_root, other_ec);

	s.by[0] = (struct pki_signer){cert, ec};
	verdict("a chain to nobody we know fails", "alice@example.com", &s,
	    SIGNATURE_FAIL, "gbug", "signature failure");
	s.chain = foreign_root;
	verdict("though the root comes along", "alice@example.com", &s,
	    SIGNATURE_FAIL, "gbug", "signature failure");
	s.chain = NULL;
	X509_free(cert);

	cert = pki_make(&spec, ec, NULL, ec);
	s.by[0].cert = cert;
	verdict("a self-signed certificate fails", "alice@example.com", &s,
	    SIGNATURE_FAIL, "gbug", "self-signed");
	X509_free(cert);

	spec.from = -20;
	spec.to = -10;
	cert = pki_make(&spec, ec, root, root_key);
	s.by[0].cert = cert;
	verdict("an expired certificate fails", "alice@example.com", &s,
	    SIGNATURE_FAIL, "gbug", "expired");
	X509_free(cert);

	spec.from = spec.to = 0;
	spec.extended = "serverAuth";
	cert = pki_make(&spec, ec, root, root_key);
	s.by[0].cert = cert;
	verdict("a certificate for servers fails", "alice@example.com", &s,
	    SIGNATURE_FAIL, "gbug", "emailProtection");
	X509_free(cert);

	spec.extended = NULL;
	spec.usage = "keyAgreement";
	cert = pki_make(&spec, ec, root, root_key);
	s.by[0].cert = cert;
	verdict("a certificate not for signatures fails",
	    "alice@example.com", &s, SIGNATURE_FAIL, "gbug", "keyUsage");
	X509_free(cert);

	spec.usage = NULL;
	spec.cn = "Below Alice";
	cert = pki_make(&spec, other_ec, alice, ec);
	s.by[0] = (struct pki_signer){cert, other_ec};
	s.chain = alice;
	verdict("a certificate issued by no CA fails", "alice@example.com",
	    &s, SIGNATURE_FAIL, "gbug", "invalid CA");
	X509_free(cert);
}

static void
test_algorithms(void)
{
	static const unsigned char sha256[] = {0x60, 0x86, 0x48, 0x01, 0x65,
		0x03, 0x04, 0x02, 0x01};
	X509 *cert = leaf("email:alice@example.com", 40, rsa);
	struct pki_signing s = {.by = {{cert, rsa}}};
	struct verdict_case c = {"an unknown digest is neither good nor bad",
		"alice@example.com", SIGNATURE_NEUTRAL, "ugug",
		"unknown digest algorithm"};
	unsigned char *der, *at;
	char *mail;
	size_t n;

	verdict("RSA passes", "alice@example.com", &s, SIGNATURE_PASS,
	    "ggug", "");
	s.digest = EVP_sha1();
	verdict("SHA-1 is for the policy to judge", "alice@example.com", &s,
	    SIGNATURE_POLICY, "ggug", "SHA1");
	verdict("with another sender it fails for that reason",
	    "bob@example.com", &s, SIGNATURE_FAIL, "ggub", "not the sender");
	s.digest = EVP_md5();
	verdict("so is MD5", "alice@example.com", &s, SIGNATURE_POLICY,
	    "ggug", "MD5");
	s.digest = NULL;
	der = pki_sign(&s, CONTENT, strlen(CONTENT), &n);
	while ((at = memmem(der, n, sha256, sizeof(sha256))) != NULL)
		at[8] = 0x7f;
	mail = pki_mail(&s, CONTENT, der, n);
	judge(&c, mail);
	free(mail);
	free(der);
	X509_free(cert);
	cert = leaf("email:alice@example.com", 41, weak);
	s.by[0] = (struct pki_signer){cert, weak};
	verdict("RSA of 1024 bits is for the policy", "alice@example.com",
	    &s, SIGNATURE_POLICY, "ggug", "1024 bits");
	X509_free(cert);
}

static void
test_signers(X509 *alice)
{
	X509 *bob = leaf("email:bob@example.org", 50, other_ec);
	struct pki_cert spec = {.cn = "Stranger", .serial = 51,
		.san = "email:bob@example.org"};
	X509 *stranger = pki_make(&spec, other_ec, foreign_root, other_ec);
	struct pki_signing s = {.by = {{bob, other_ec}}};

	verdict("a signer who is not the sender fails", "alice@example.com",
	    &s, SIGNATURE_FAIL, "ggub", "bob@example.org) is not the sender");
	s.by[1] = (struct pki_signer){alice, ec};
	verdict("of two signers one must be the sender",
	    "alice@example.com", &s, SIGNATURE_PASS, "ggug", "");
	verdict("the other may be, too", "bob@example.org", &s,
	    SIGNATURE_PASS, "ggug", "");
	verdict("with neither it fails", "carol@example.com", &s,
	    SIGNATURE_FAIL, "ggub", "not the sender");
	s.by[0].cert = stranger;
	verdict("all signers must verify", "alice@example.com", &s,
	    SIGNATURE_FAIL, "gbug", "Stranger");
	X509_free(bob);
	X509_free(stranger);
}

static void
test_identity(X509 *alice)
{
	static const struct {
		const char *from, *says;
	} spoofs[] = {
		{"bob@example.com", "another user"},
		{"\"alice@example.com\" <bob@example.org>", "a display name"},
		{"\"alice@example.com\" <>", "a display name alone"},
		{"bob@example.org (alice@example.com)", "a comment"},
		{"alice@example.com, bob@example.org", "two addresses"},
		{"bob@example.org, alice@example.com", "in either order"},
		{"bob@example.org\r\nFrom: alice@example.com", "two fields"},
		{"alice@example.com\r\nFROM: bob@example.org",
		    "in either order and case"},
		{"<bob@example.org> <alice@example.com>", "two brackets"},
		{"alice@example.com <bob@example.org>", "a bare name"},
		{"alice@example.com\r\n <bob@example.org>", "over a fold"},
		{"<alice@example.com@evil.example>", "two at-signs"},
		{"\"alice@example.com\"@evil.example", "a quoted local part"},
		{"alice@example.com.evil.example", "a longer domain"},
		{"alice@xn--exmple-cua.com", "a domain that looks alike"},
		{"=?utf-8?q?alice=40example.com?= <bob@example.org>",
		    "an encoded word"},
		{"=?utf-8?q?alice=40example=2Ecom?=",
		    "an encoded word alone"},
		{"alice: bob@example.org;", "a group"},
		{"Sender: alice@example.com", "no address"},
		{"bob@example.org\r\nSender: alice@example.com",
		    "the Sender field"},
		{"@example.com:bob@example.org", "a source route"},
	};
	struct pki_signing s = {.by = {{alice, ec}}};

	for (size_t i = 0; i < sizeof(spoofs) / sizeof(spoofs[0]); i++)
		verdict(spoofs[i].says, spoofs[i].from, &s, SIGNATURE_FAIL,
		    "ggub", " ");
	verdict("the address alone counts", "\"Bob\" <ALICE@Example.com> "
	    "(bob@example.org)", &s, SIGNATURE_PASS, "ggug", "");
}

static void
test_names(void)
{
	static const struct {
		const char *san, *from;
		bool covers;
		const char *says;
	} names[] = {
		{"DNS:example.com", "x@example.com", true,
		    "a domain certificate speaks for its users"},
		{"DNS:example.com", "x@sub.example.com", false,
		    "not for those of subdomains"},
		{"DNS:*.example.com", "x@sub.example.com", true,
		    "a wildcard does"},
		{"DNS:*.example.com", "x@a.sub.example.com", false,
		    "for one label"},
		{"DNS:*.com", "x@example.com", false,
		    "not for everybody below com"},
		{"DNS:alice.example.com", "alice@example.com", false,
		    "a host is not an address"},
		{"URI:mailto:alice@example.com", "alice@example.com", false,
		    "nor is a URI"},
		{"email:bob@example.org,email:alice@example.com",
		    "alice@example.com", true, "the second address counts"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		X509 *cert = leaf(names[i].san, 60 + (long)i, ec);
		struct pki_signing s = {.by = {{cert, ec}}};

		verdict(names[i].says, names[i].from, &s,
		    names[i].covers ? SIGNATURE_PASS : SIGNATURE_FAIL,
		    names[i].covers ? "ggug" : "ggub",
		    names[i].covers ? "" : "not the sender");
		X509_free(cert);
	}
}

static void
test_missing_certificate(X509 *alice)
{
	struct pki_cert spec = {.cn = "Known", .serial = 71,
		.san = "email:known@example.org"};
	X509 *known = pki_make(&spec, other_ec, NULL, other_ec);
	struct pki_signing s = {.by = {{alice, ec}}, .flags = CMS_NOCERTS};
	char *path = in_dir("keys.db");
	struct error err = {0};
	struct cert_db *db;

	verdict("a certificate that is nowhere fails", "alice@example.com",
	    &s, SIGNATURE_FAIL, "uu-b", "neither in the message nor");
	db = cert_db_open(path, true, &err);
	pki_must(db != NULL && cert_db_add(db, "alice", alice, &err) &&
	    cert_db_add(db, "known", known, &err));
	cert_db_close(&db);
	verdict("one from the key store serves", "alice@example.com", &s,
	    SIGNATURE_PASS, "ggug", "");
	s.flags |= CMS_USE_KEYID;
	verdict("by key identifier too", "alice@example.com", &s,
	    SIGNATURE_PASS, "ggug", "");
	s.by[0] = (struct pki_signer){known, other_ec};
	s.flags = 0;
	verdict("what is in the key store is trusted without a CA",
	    "known@example.org", &s, SIGNATURE_PASS, "ggug", "");
	verdict("for its own address only", "alice@example.com", &s,
	    SIGNATURE_FAIL, "ggub", "not the sender");
	open_gateway("trust = ca");
	verdict("but not where the CA lists alone count",
	    "known@example.org", &s, SIGNATURE_FAIL, "gbug", "self-signed");
	open_gateway("trust = known");
	verdict("where the key store alone counts it is",
	    "known@example.org", &s, SIGNATURE_PASS, "ggug", "");
	open_gateway("");
	X509_free(known);
	unlink(path);
	free(path);
}

static void
test_revocation(X509 *alice)
{
	X509 *mallory = leaf("email:mallory@example.org", 666, ec);
	X509_CRL *revoked = pki_crl(root, root_key, 666, 2);
	X509_CRL *clean = pki_crl(root, root_key, 0, 1);
	struct pki_signing s = {.by = {{mallory, ec}}};
	char *crls = in_dir("crl");

	verdict("without any CRL revocation is unknown",
	    "mallory@example.org", &s, SIGNATURE_PASS, "ggug", "");
	s.crl = revoked;
	verdict("a CRL inside the CMS revokes", "mallory@example.org", &s,
	    SIGNATURE_FAIL, "ggbg", "revoked");
	s.crl = clean;
	verdict("a clean one inside fills the gap", "mallory@example.org",
	    &s, SIGNATURE_PASS, "gggg", "");
	pki_write_crl(crls, revoked, 0);
	open_gateway("");
	s.crl = NULL;
	verdict("a CRL in the directory revokes", "mallory@example.org", &s,
	    SIGNATURE_FAIL, "ggbg", "revoked");
	s.crl = clean;
	verdict("and no CRL inside outvotes it", "mallory@example.org", &s,
	    SIGNATURE_FAIL, "ggbg", "revoked");
	s.crl = NULL;
	s.by[0] = (struct pki_signer){alice, ec};
	verdict("others of the same CA are good by it", "alice@example.com",
	    &s, SIGNATURE_PASS, "gggg", "");
	X509_CRL_free(revoked);
	X509_CRL_free(clean);
	X509_free(mallory);
	free(crls);
}

/* --- removing signatures (S13) ------------------------------------------- */

static void
removes(const struct pki_signing *s, const char *content, const char *from,
    bool removed, const char *want, const char *says)
{
	static const struct pipeline_options none;
	size_t n;
	unsigned char *der = pki_sign(s, content, strlen(content), &n);
	char *mail = pki_mail(s, content, der, n), *after, *body;
	char *text = mem_printf("From: %s\r\nMIME-Version: 1.0\r\n%s", from,
	    mail);
	struct message *m = message(text, "198.51.100.2", NULL,
	    "<x@example.com>");
	struct report r;

	pipeline_run(gateway, m, &none, &r);
	after = written(&r, m);
	body = strstr(after, "\r\nFrom:");
	check(r.outcome.kind == OUTCOME_PASS &&
	    r.outcome.replace_body == removed && body != NULL &&
	    (want == NULL || strcmp(body + 2, want) == 0), "%s", says);
	if (want != NULL && body != NULL && strcmp(body + 2, want) != 0)
		printf("# %s: %.300s\n", r.verdict.reason, body);
	report_clear(&r);
	message_free(&m);
	free(after);
	free(text);
	free(mail);
	free(der);
}

/* Detached in opaque: what is innermost came in base64, too. */
static void
test_removing_nested(X509 *alice)
{
	struct pki_signing s = {.by = {{alice, ec}}};
	static const char odd[] = "Content-Type: application/octet-stream\r\n"
	    "Content-Transfer-Encoding: x-odd\r\n\r\na\rb\n.\n";
	unsigned char *der;
	char *inner;
	size_t n;

	der = pki_sign(&s, odd, strlen(odd), &n);
	inner = pki_mail(&s, odd, der, n);
	s.opaque = true;
	removes(&s, inner, "alice@example.com", false, NULL,
	    "nor out of a detached signature inside an opaque one");
	free(inner);
	free(der);
}

/* Signed around what is encrypted to somebody else. */
static void
test_removing_around_closed(X509 *alice)
{
	struct pki_signing s = {.by = {{alice, ec}}, .opaque = true};
	struct pki_cert spec = {.cn = "Stranger", .serial = 99};
	X509 *to = pki_make(&spec, weak, NULL, weak);
	STACK_OF(X509) *list = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(CONTENT, -1);
	unsigned char *der = NULL;
	CMS_ContentInfo *cms;
	char *b64, *odd;
	int n;

	sk_X509_push(list, to);
	cms = CMS_encrypt(list, in, EVP_aes_128_cbc(), CMS_BINARY);
	n = i2d_CMS_ContentInfo(cms, &der);
	b64 = pki_base64(der, (size_t)n);
	odd = mem_printf("Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n%s\r.\n\n.\n", b64);
	removes(&s, odd, "alice@example.com", false, NULL,
	    "around what is encrypted to somebody else it stays");
	free(odd);
	free(b64);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(list);
	X509_free(to);
}

static void
test_removing(X509 *alice)
{
	struct pki_signing s = {.by = {{alice, ec}}};
	static const char plain[] = "From: alice@example.com\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
	    "Content-ID: <x@y>\r\n\r\nPay 100 to Bob.\r\n";

	removes(&s, CONTENT, "alice@example.com", true, plain,
	    "a verified detached signature is removed");
	removes(&s, CONTENT, "bob@example.com", false, NULL,
	    "one that fails stays");
	s.opaque = true;
	removes(&s, "Subject: forged\r\n" CONTENT, "alice@example.com", true,
	    "From: alice@example.com\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain\r\nContent-ID: <x@y>\r\n"
	    "\r\nPay 100 to Bob.\r\n",
	    "so is an opaque one; inner fields but Content- are not taken");
	removes(&s, "Content-Type: application/octet-stream\r\n"
	    "Content-Transfer-Encoding: x-odd\r\n\r\na\rb\n.\n",
	    "alice@example.com", true,
	    "From: alice@example.com\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Transfer-Encoding: x-odd\r\n\r\na\r\nb\r\n.\r\n",
	    "no CR or LF alone gets out of it");
}

/* --- there and back ------------------------------------------------------ */

/* What we sign for one recipient, verified as it comes back to us. */
static void
comes_back(const char *recipient, const char *head, const char *body,
    const char *mode, const char *says)
{
	static const struct pipeline_options none;
	char *text = mem_printf("From: alice@example.com\r\n%s\r\n%s", head,
	    body), *sent;
	struct message *m = message(text, TRUSTED, NULL, recipient), *back;
	struct report r, verified;
	bool good;

	pipeline_run(gateway, m, &none, &r);
	sent = written(&r, m);
	back = message(sent, "198.51.100.1", NULL, "<x@example.com>");
	pipeline_run(gateway, back, &none, &verified);
	good = r.ncopies == 1 && r.copies[0].signed_as != NULL &&
	    strcmp(r.copies[0].signed_as, mode) == 0 &&
	    verified.verdict.signature == SIGNATURE_PASS;
	check(good, "%s", says);
	if (!good)
		printf("# %s %s\n", r.outcome.text, verified.verdict.reason);
	report_clear(&verified);
	report_clear(&r);
	message_free(&back);
	message_free(&m);
	free(sent);
	free(text);
}

static void
test_there_and_back(void)
{
	static const char *const nobody = "<x@y.example>";
	static const char *const opaque = "<x@opaque.example>";

	comes_back(nobody, "", "Hello\r\n", "detached",
	    "plain text signed here verifies there");
	comes_back(opaque, "", "Hello\r\n", "opaque", "opaque too");
	comes_back(nobody, "", "", "detached", "so does an empty body");
	comes_back(nobody, "", "no final newline", "detached",
	    "and one without a final newline");
	comes_back(nobody, "Content-Type: multipart/mixed; boundary=b\r\n",
	    "--b\r\n\r\n\xe9t\xe9 x y \r\n--b-- \r\n", "detached",
	    "and 8-bit text behind padded delimiters");
	comes_back(nobody, "Content-Type: multipart/mixed; boundary=b\r\n",
	    "\xe9\r\n--b\r\n\r\nx\r\n--b--\r\n", "opaque",
	    "what cannot be made 7-bit is signed opaque");
	comes_back(nobody, "Content-Type: multipart/mixed; boundary=b\r\n",
	    "no delimiter\r\n", "detached",
	    "a multipart without delimiter verifies");
}

static int
remove_one(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
main(void)
{
	X509 *alice;

	if (mkdtemp(dir) == NULL)
		return 1;
	make_world();
	alice = leaf("email:alice@example.com", 20, ec);
	test_who_may_sign();
	test_login_domain();
	open_gateway("");
	test_there_and_back();
	test_good(alice);
	test_chain(alice);
	test_algorithms();
	test_signers(alice);
	test_identity(alice);
	test_names();
	test_removing(alice);
	test_removing_nested(alice);
	test_removing_around_closed(alice);
	test_missing_certificate(alice);
	test_revocation(alice);
	close_gateway();
	X509_free(alice);
	X509_free(root);
	X509_free(foreign_root);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other_ec);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(ed);
	check(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0,
	    "nothing is left behind");
	return tap_done();
}
