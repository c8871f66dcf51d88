/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is encrypted for us, we open; what is not, nobody learns anything
 * about.
 */
#include "milter-smime/smime_encrypt.h"

#include <ftw.h>
#include <unistd.h>

#include "common/clock.h"
#include "milter-smime/certs.h"
#include "milter-smime/layers.h"
#include "milter-smime/smime_decrypt.h"
#include "pki.h"
#include "tap.h"

static char dir[] = "/tmp/test_smime_encrypt.XXXXXX";
static struct settings *settings;
static struct gateway *gateway;
static EVP_PKEY *rsa, *ec, *other;
static X509 *rsa_cert, *ec_cert, *other_cert;

static const char text[] = "Content-Type: text/plain\r\n\r\nHello, "
    "confidential world.\r\n";

static X509 *
make_cert(const char *cn, long serial, EVP_PKEY *key, const char *san,
    const char *usage)
{
	struct pki_cert spec = {.cn = cn, .serial = serial, .san = san,
		.usage = usage};

	return pki_make(&spec, key, NULL, key);
}

static void
set_up(void)
{
	static const char config[] =
	    "postseal { hostname = mx.example.com\n state_directory = %s\n"
	    "  certificate_directory = %s/certs }\n"
	    "ca-list { system = no }\n"
	    "crl-check { directory = %s/crl }\n"
	    "milter-smime { key_store = sqlite:%s/smime/keys.db }\n"
	    "mail-flow-policy IN { smime_decrypt_verify = yes }\n";
	static const char *const names[] = {"certs", "smime", "crl"};
	struct error err = {0};
	char *path, *conf;

	pki_must(mkdtemp(dir) != NULL);
	for (size_t i = 0; i < 3; i++) {
		path = mem_printf("%s/%s", dir, names[i]);
		pki_must(mkdir(path, 0700) == 0);
		free(path);
	}
	rsa = EVP_RSA_gen(2048);
	ec = EVP_EC_gen("P-256");
	other = EVP_RSA_gen(2048);
	rsa_cert = make_cert("RSA", 1, rsa, "email:bob@example.com",
	    "keyEncipherment");
	ec_cert = make_cert("EC", 2, ec, "DNS:example.com", "keyAgreement");
	other_cert = make_cert("Other", 3, other, "email:x@example.org",
	    "keyEncipherment");
	path = mem_printf("%s/certs", dir);
	pki_write_cert(path, "rsa.pem", rsa_cert);
	pki_write_key(path, "rsa.key", rsa);
	pki_write_cert(path, "ec.pem", ec_cert);
	pki_write_key(path, "ec.key", ec);
	free(path);
	conf = mem_printf(config, dir, dir, dir, dir);
	settings = settings_parse("test.conf", conf, strlen(conf),
	    smime_section_types, &err);
	gateway = settings == NULL ? NULL :
	    gateway_open(settings, NULL, &err);
	if (gateway == NULL) {
		printf("# %s\n", err.text);
		abort();
	}
	free(conf);
}

static int
drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void
tear_down(void)
{
	gateway_close(&gateway);
	settings_free(settings);
	X509_free(rsa_cert);
	X509_free(ec_cert);
	X509_free(other_cert);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other);
	nftw(dir, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void
make_entity(struct entity *e, const char *p)
{
	struct error err;

	entity_init(e);
	pki_must(entity_from_bytes(p, strlen(p), e, &err));
}

static bool
encrypt(struct entity *e, X509 *a, X509 *b, enum cipher cipher,
    enum key_transport transport)
{
	struct encryption how = {.cipher = cipher,
		.key_transport = transport,
		.recipients = sk_X509_new_null()};
	struct error err = {0};
	bool ok;

	sk_X509_push(how.recipients, a);
	if (b != NULL)
		sk_X509_push(how.recipients, b);
	ok = smime_encrypt(e, &how, &gateway->place, &err);
	if (!ok)
		printf("# %s\n", err.text);
	sk_X509_free(how.recipients);
	return ok;
}

/* What the layers of e hold inside, free(3); NULL: stays closed. */
static char *
open_all(struct entity *e, struct verdict *v)
{
	static const struct claimed_sender nobody = {NULL, "nobody"};
	struct layers l;
	struct error err = {0};
	struct buf out;
	char *inside = NULL;

	layers_init(&l);
	memset(v, 0, sizeof(*v));
	pki_must(pieces_flatten(&e->body, &gateway->place, &err));
	pki_must(layers_take_apart(&l, gateway, e, &nobody, true, v, &err));
	if (v->decrypted) {
		buf_init(&out, 1 << 20);
		buf_puts(&out, buf_text(&l.innermost.head));
		buf_puts(&out, "\r\n");
		for (size_t i = 0; i < l.innermost.body.n; i++)
			buf_append(&out, l.innermost.body.v[i].data,
			    l.innermost.body.v[i].len);
		inside = buf_take(&out);
	}
	layers_clear(&l);
	return inside;
}

static void
test_ciphers(void)
{
	static const struct {
		enum cipher cipher;
		const char *name, *type;
	} ciphers[] = {
		{CIPHER_AUTO, "auto", "enveloped-data"},
		{CIPHER_AES_128_CBC, "AES-128-CBC", "enveloped-data"},
		{CIPHER_AES_192_CBC, "AES-192-CBC", "enveloped-data"},
		{CIPHER_AES_256_CBC, "AES-256-CBC", "enveloped-data"},
		{CIPHER_AES_128_GCM, "AES-128-GCM", "authEnveloped-data"},
		{CIPHER_AES_256_GCM, "AES-256-GCM", "authEnveloped-data"},
	};
	X509 *certs[] = {rsa_cert, ec_cert};

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		for (int k = 0; k < 4; k++) {
			enum key_transport t = k >= 2 ?
			    KEY_TRANSPORT_RSA_OAEP : KEY_TRANSPORT_AUTO;
			struct verdict v;
			struct entity e;
			char *inside;

			make_entity(&e, text);
			check(encrypt(&e, certs[k % 2], NULL,
			    ciphers[i].cipher, t) &&
			    strstr(buf_text(&e.head), ciphers[i].type) != NULL,
			    "%s to %s%s is %s", ciphers[i].name,
			    k % 2 == 0 ? "RSA" : "EC", k >= 2 ? " (OAEP)" : "",
			    ciphers[i].type);
			inside = open_all(&e, &v);
			check_str(inside, text, "and opens to the same bytes");
			free(inside);
			verdict_clear(&v);
			entity_clear(&e);
		}
}

static void
test_recipients(void)
{
	struct verdict v;
	struct entity e;
	char *inside;

	make_entity(&e, text);
	check(encrypt(&e, other_cert, ec_cert, CIPHER_AES_256_GCM,
	    KEY_TRANSPORT_AUTO), "two recipients, one of them us");
	inside = open_all(&e, &v);
	check_str(inside, text, "we open it with the key that fits");
	check(v.gateway_message && v.gateway_verified && v.decrypted &&
	    v.signature == SIGNATURE_NONE,
	    "decrypted counts as verified, but has no signature");
	free(inside);
	verdict_clear(&v);
	entity_clear(&e);

	make_entity(&e, text);
	pki_must(encrypt(&e, other_cert, NULL, CIPHER_AES_256_CBC,
	    KEY_TRANSPORT_AUTO));
	inside = open_all(&e, &v);
	check(inside == NULL && !v.decrypted && !v.gateway_verified &&
	    v.gateway_message, "what is for somebody else stays closed");
	check_str(v.reason, "cannot be decrypted with our keys",
	    "and the reason says so");
	free(inside);
	verdict_clear(&v);
	entity_clear(&e);
}

/* A byte of the CMS object from its end changed, in base64 and back. */
static void
damage(struct entity *e, size_t from_end)
{
	struct error err;
	struct spool *raw = spool_new(&gateway->place);
	char *der, *b64, *mail;
	size_t n;

	pki_must(pieces_flatten(&e->body, &gateway->place, &err));
	{
		struct base64_decoder d = {0};
		unsigned char *out = mem_alloc(e->body.len);

		n = base64_decode(&d, e->body.v[0].data, e->body.len, out);
		der = (char *)out;
	}
	der[n - from_end] ^= 1;
	b64 = pki_base64((unsigned char *)der, n);
	mail = mem_printf("%s\r\n%s", buf_text(&e->head), b64);
	entity_clear(e);
	entity_init(e);
	pki_must(entity_from_bytes(mail, strlen(mail), e, &err));
	/* Keep the text alive with the entity. */
	pki_must(spool_write(raw, mail, strlen(mail), &err) &&
	    spool_finish(raw, &err));
	entity_clear(e);
	entity_init(e);
	pki_must(entity_from_bytes(spool_data(raw), spool_len(raw), e, &err));
	pieces_own_spool(&e->body, &raw);
	free(der);
	free(b64);
	free(mail);
}

static void
test_damage(void)
{
	static const struct {
		enum cipher cipher;
		size_t from_end;
		const char *what;
	} cases[] = {
		{CIPHER_AES_256_GCM, 1, "a changed tag of AES-GCM"},
		{CIPHER_AES_256_GCM, 30, "changed content under AES-GCM"},
		{CIPHER_AES_256_CBC, 1, "changed padding of AES-CBC"},
		{CIPHER_AES_256_CBC, 17, "a changed last block of AES-CBC"},
	};
	char *reasons[4];

	for (size_t i = 0; i < 4; i++) {
		struct verdict v;
		struct entity e;
		char *inside;

		make_entity(&e, text);
		pki_must(encrypt(&e, rsa_cert, NULL, cases[i].cipher,
		    KEY_TRANSPORT_AUTO));
		damage(&e, cases[i].from_end);
		inside = open_all(&e, &v);
		/* CBC may come out readable by chance; GCM never does. */
		check(inside == NULL || cases[i].cipher == CIPHER_AES_256_CBC,
		    "%s does not open", cases[i].what);
		reasons[i] = inside == NULL ? mem_strdup(v.reason) : NULL;
		free(inside);
		verdict_clear(&v);
		entity_clear(&e);
	}
	for (size_t i = 1; i < 4; i++)
		if (reasons[i] != NULL)
			check_str(reasons[i], reasons[0],
			    "every failure has the same text");
	for (size_t i = 0; i < 4; i++)
		free(reasons[i]);
}

/* ---- keys of recipients ---- */

static void
add_key(const char *name, X509 *cert)
{
	char *path = mem_printf("%s/smime/keys.db", dir);
	struct error err = {0};
	struct cert_db *db = cert_db_open(path, true, &err);

	pki_must(db != NULL && cert_db_add(db, name, cert, &err));
	cert_db_close(&db);
	free(path);
}

/* The serial number of the certificate chosen, 0 for none. */
static long
choose(const char *address, char **reason)
{
	struct certs_rules rules = {.ca = gateway->ca,
		.store = gateway->known, .rsa_minimum = 2048,
		.check_revocation = true, .at = clock_now()};
	struct mailaddr a = {0};
	struct error err = {0};
	X509 *cert;
	long serial = 0;

	pki_must(mailaddr_parse(address, strlen(address), &a, &err));
	pki_must(certs_find_recipient(&rules, &a, &cert, reason, &err));
	if (cert != NULL)
		serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
	X509_free(cert);
	mailaddr_clear(&a);
	return serial;
}

static void
check_choice(const char *address, long want, const char *why,
    const char *name)
{
	char *reason = NULL;
	long got = choose(address, &reason);

	check(got == want && (why == NULL || (reason != NULL &&
	    strstr(reason, why) != NULL)), "%s", name);
	if (got != want || (why != NULL && (reason == NULL ||
	    strstr(reason, why) == NULL)))
		printf("# %ld: %s\n", got, reason == NULL ? "-" : reason);
	free(reason);
}

static void
add_special(const char *name, struct pki_cert spec, EVP_PKEY *key)
{
	X509 *cert = pki_make(&spec, key, NULL, key);

	add_key(name, cert);
	X509_free(cert);
}

static void
test_choice(void)
{
	EVP_PKEY *weak = EVP_RSA_gen(1024);

	check_choice("bob@example.com", 0, "no key", "no key is said so");
	add_key("domain", ec_cert);
	check_choice("bob@example.com", 2, NULL, "a domain's key serves all");
	add_key("bob", rsa_cert);
	check_choice("bob@example.com", 1, NULL,
	    "the exact address goes before the domain");
	check_choice("carol@example.com", 2, NULL, "others keep the domain's");
	add_special("old", (struct pki_cert){.cn = "o", .serial = 10,
	    .from = -20, .to = -1, .san = "email:old@x.example",
	    .usage = "keyEncipherment"}, rsa);
	check_choice("old@x.example", 0, "expired", "never an expired one");
	add_special("new", (struct pki_cert){.cn = "o", .serial = 11,
	    .from = -2, .san = "email:old@x.example",
	    .usage = "keyEncipherment"}, rsa);
	check_choice("old@x.example", 11, NULL, "the valid one is taken");
	add_special("newest", (struct pki_cert){.cn = "o", .serial = 12,
	    .from = -1, .san = "email:old@x.example",
	    .usage = "keyEncipherment"}, rsa);
	check_choice("old@x.example", 12, NULL, "the newest of two is taken");
	add_special("nousage", (struct pki_cert){.cn = "n", .serial = 13,
	    .san = "email:nousage@x.example"}, rsa);
	check_choice("nousage@x.example", 0, "no keyUsage",
	    "keyUsage must be there");
	add_special("sign", (struct pki_cert){.cn = "s", .serial = 14,
	    .san = "email:sign@x.example", .usage = "digitalSignature"}, rsa);
	check_choice("sign@x.example", 0, "keyEncipherment",
	    "with keyEncipherment for RSA");
	add_special("ecsign", (struct pki_cert){.cn = "s", .serial = 15,
	    .san = "email:ecsign@x.example", .usage = "keyEncipherment"}, ec);
	check_choice("ecsign@x.example", 0, "keyAgreement",
	    "with keyAgreement for EC");
	add_special("server", (struct pki_cert){.cn = "s", .serial = 16,
	    .san = "email:server@x.example", .usage = "keyEncipherment",
	    .extended = "serverAuth"}, rsa);
	check_choice("server@x.example", 0, "emailProtection",
	    "an extended key usage must allow mail");
	add_special("weak", (struct pki_cert){.cn = "w", .serial = 17,
	    .san = "email:weak@x.example", .usage = "keyEncipherment"}, weak);
	check_choice("weak@x.example", 0, "rsa_minimum",
	    "never a key below rsa_minimum");
	EVP_PKEY_free(weak);
}

int
main(void)
{
	set_up();
	test_ciphers();
	test_recipients();
	test_damage();
	test_choice();
	tear_down();
	return tap_done();
}
