/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/ca_list.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/alert.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "tap.h"

static const struct section_type *const types[] = {&postseal_section,
    &ca_list_section, &crl_check_section, NULL};

static char dir[] = "/tmp/test_ca_list.XXXXXX";
static int raised;

/* In place of alert.c. */
void
alert_raise(const char *class, const char *name, const char *severity,
    const char *fmt, ...)
{
	(void)severity;
	(void)fmt;
	raised += strcmp(class, "certificates") == 0 &&
	    strcmp(name, "ca-list") == 0;
}

void
alert_clear(const char *class, const char *name)
{
	(void)class;
	(void)name;
}

struct ca {
	EVP_PKEY *key;
	X509 *cert;
};

static struct ca
make_ca(const char *name)
{
	struct ca ca = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
	X509_NAME *n = X509_get_subject_name(ca.cert);

	X509_set_version(ca.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(ca.cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(ca.cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(ca.cert), 86400);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(ca.cert, n);
	X509_set_pubkey(ca.cert, ca.key);
	X509_sign(ca.cert, ca.key, EVP_sha256());
	return ca;
}

static void
ca_clear(struct ca *ca)
{
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
}

static FILE *
open_new(void)
{
	char *path = mem_printf("%s/.new", dir);
	FILE *f = fopen(path, "w");

	free(path);
	return f;
}

static void
put_in_place(FILE *f, const char *file)
{
	char *path = mem_printf("%s/%s", dir, file);
	char *temp = mem_printf("%s/.new", dir);

	fclose(f);
	rename(temp, path);
	free(path);
	free(temp);
}

static void
put_text(const char *file, const char *text)
{
	FILE *f = open_new();

	fputs(text, f);
	put_in_place(f, file);
}

static void
put_cas(const char *file, const struct ca *a, const struct ca *b)
{
	FILE *f = open_new();

	fputs("# a comment before it\n", f);
	PEM_write_X509(f, a->cert);
	if (b != NULL)
		PEM_write_X509(f, b->cert);
	put_in_place(f, file);
}

static void
put_crl(const char *file, const struct ca *ca)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = ASN1_TIME_new();
	FILE *f = open_new();

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert));
	X509_gmtime_adj(now, 0);
	X509_CRL_set1_lastUpdate(crl, now);
	X509_gmtime_adj(now, 3600);
	X509_CRL_set1_nextUpdate(crl, now);
	X509_CRL_sign(crl, ca->key, EVP_sha256());
	PEM_write_X509_CRL(f, crl);
	put_in_place(f, file);
	ASN1_TIME_free(now);
	X509_CRL_free(crl);
}

static struct settings *
settings(const char *ca_list)
{
	char *text = mem_printf("postseal { hostname = mx.example.com }\n"
	    "crl-check { directory = %s/crl }\nca-list {\n%s\n}\n", dir,
	    ca_list);
	struct error err = {0};
	struct settings *s;

	s = settings_parse("test.conf", text, strlen(text), types, &err);
	if (s == NULL)
		printf("# %s\n", err.text);
	free(text);
	return s;
}

static struct settings *
settings_system_custom(void)
{
	char *text = mem_printf("system_file = %s/system.pem\n"
	    "custom_file = %s/custom.pem", dir, dir);
	struct settings *s = settings(text);

	free(text);
	return s;
}

static void
refused(const struct settings *s, const char *extra, const char *part,
    const char *name)
{
	struct error err = {0};
	struct ca_list *list = ca_list_open(s, extra, true, &err);

	if (!check(list == NULL && strstr(err.text, part) != NULL, "%s", name))
		printf("# got: %s\n", err.text);
	ca_list_close(&list);
}

static bool
knows(const struct ca_snapshot *snap, const struct ca *ca)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_OBJECT *object;

	X509_STORE_CTX_init(ctx, snap->store, NULL, NULL);
	object = X509_STORE_CTX_get_obj_by_subject(ctx, X509_LU_X509,
	    X509_get_subject_name(ca->cert));
	X509_STORE_CTX_free(ctx);
	X509_OBJECT_free(object);
	return object != NULL;
}

static void
test_reading(const struct ca *a, const struct ca *b, const struct ca *c)
{
	struct settings *s = settings_system_custom();
	char *extra = mem_printf("%s/extra.pem", dir);
	const struct ca_snapshot *snap;
	struct error err = {0};
	struct ca_list *list;

	refused(s, NULL, "install ca-certificates",
	    "a missing system list is told with its remedy");
	put_cas("system.pem", a, b);
	refused(s, NULL, "custom.pem", "a missing custom list is told");
	put_text("custom.pem", "no certificate here\n");
	refused(s, NULL, "custom.pem: no certificate",
	    "a custom list of something else is told");
	put_text("custom.pem", "");
	list = ca_list_open(s, NULL, true, &err);
	check(list != NULL, "an empty custom list is fine");
	snap = ca_list_get(list);
	check(snap->system_count == 2 && snap->custom_count == 0 &&
	    snap->crl_count == 0 && !snap->crls_unreadable,
	    "a CRL directory that is not there is no CRLs");
	check(knows(snap, a) && knows(snap, b) && !knows(snap, c),
	    "the system list is known");
	ca_list_put(list, &snap);
	ca_list_close(&list);
	refused(s, extra, "extra.pem", "a missing extra file is told");
	put_cas("extra.pem", c, NULL);
	list = ca_list_open(s, extra, true, &err);
	snap = ca_list_get(list);
	check(knows(snap, c) && snap->custom_count == 1,
	    "an extra file counts like the custom list");
	ca_list_put(list, &snap);
	ca_list_close(&list);
	settings_free(s);
	s = settings("system = no");
	list = ca_list_open(s, NULL, true, &err);
	check(list != NULL, "there may be no list at all");
	ca_list_close(&list);
	settings_free(s);
	free(extra);
}

static void
make_crl_directory(void)
{
	char *path = mem_printf("%s/crl", dir);

	mkdir(path, 0755);
	free(path);
}

static void
test_crls(const struct ca *a, const struct ca *b)
{
	struct settings *s = settings_system_custom();
	const struct ca_snapshot *snap;
	struct error err = {0};
	struct ca_list *list;

	make_crl_directory();
	put_crl("crl/0123abcd.r0", a);
	put_crl("crl/0123abcd.r12", b);
	put_crl("crl/0123abcd.rx", b);
	put_crl("crl/0123ABCD.r0", b);
	put_crl("crl/other.pem", b);
	put_text("crl/89abcdef.r0", "-----BEGIN X509 CRL-----\nbroken\n"
	    "-----END X509 CRL-----\n");
	list = ca_list_open(s, NULL, true, &err);
	snap = ca_list_get(list);
	check(snap->crl_count == 2, "CRLs of the hashed layout are read, a "
	    "broken one and other files are left out");
	ca_list_put(list, &snap);
	ca_list_close(&list);
	list = ca_list_open(s, NULL, false, &err);
	snap = ca_list_get(list);
	check(snap->crl_count == 0, "CRLs are left out when nobody wants them");
	ca_list_put(list, &snap);
	ca_list_close(&list);
	settings_free(s);
}

static void
test_unreadable(void)
{
	struct settings *s;
	const struct ca_snapshot *snap;
	struct error err = {0};
	struct ca_list *list;
	char *text = mem_printf("crl-check { directory = %s/system.pem }\n"
	    "ca-list { system = no }\n", dir);

	s = settings_parse("test.conf", text, strlen(text), types, &err);
	list = ca_list_open(s, NULL, true, &err);
	snap = ca_list_get(list);
	check(snap->crls_unreadable, "a CRL directory that cannot be read is "
	    "no empty one");
	ca_list_put(list, &snap);
	ca_list_close(&list);
	settings_free(s);
	free(text);
}

static void
test_changes(const struct ca *a, const struct ca *c)
{
	struct settings *s = settings_system_custom();
	const struct ca_snapshot *snap, *old;
	struct error err = {0};
	struct ca_list *list;

	put_cas("system.pem", a, NULL);
	list = ca_list_open(s, NULL, true, &err);
	old = ca_list_get(list);
	put_cas("custom.pem", c, NULL);
	put_crl("crl/0123abcd.r1", c);
	usleep(1050000);
	snap = ca_list_get(list);
	check(knows(snap, c) && snap->crl_count == 3,
	    "new CAs and CRLs are taken up");
	check(!knows(old, c), "who holds the old list keeps it");
	ca_list_put(list, &old);
	ca_list_put(list, &snap);
	put_text("system.pem", "nonsense\n");
	usleep(1050000);
	snap = ca_list_get(list);
	check(knows(snap, a) && raised == 0, "a broken list keeps the old one");
	ca_list_put(list, &snap);
	usleep(2100000);
	snap = ca_list_get(list);
	check(knows(snap, a) && raised == 1, "and is told when it stays");
	ca_list_put(list, &snap);
	ca_list_close(&list);
	settings_free(s);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
main(void)
{
	struct ca a = make_ca("CA A"), b = make_ca("CA B"), c = make_ca("CA C");

	if (mkdtemp(dir) == NULL)
		return 1;
	test_reading(&a, &b, &c);
	test_crls(&a, &b);
	test_unreadable();
	test_changes(&a, &c);
	ca_clear(&a);
	ca_clear(&b);
	ca_clear(&c);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
