/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_store.h"

#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "common/alert.h"
#include "common/buf.h"
#include "common/cert_make.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "tap.h"

static const struct section_type *const types[] = {&postseal_section,
    &certificate_section, NULL};

static char dir[] = "/tmp/test_cert_store.XXXXXX";
static int raised, cleared;

/* In place of alert.c. */
void
alert_raise(const char *class, const char *name, const char *severity,
    const char *fmt, ...)
{
	(void)severity;
	(void)fmt;
	raised += strcmp(class, "certificates") == 0 &&
	    strcmp(name, "certificate-store") == 0;
}

void
alert_clear(const char *class, const char *name)
{
	(void)class;
	(void)name;
	cleared++;
}

static char *
in_dir(const char *file)
{
	return mem_printf("%s/%s", dir, file);
}

/* As an administrator's tools do it: beside it, then rename. */
static void
put(const char *file, const struct buf *text, mode_t mode)
{
	char *path = in_dir(file), *temp = in_dir(".new");
	FILE *f = fopen(temp, "w");

	fwrite(buf_text(text), 1, text->len, f);
	fclose(f);
	chmod(temp, mode);
	rename(temp, path);
	free(path);
	free(temp);
}

static void
put_text(const char *file, const char *text, mode_t mode)
{
	struct buf b;

	buf_init(&b, 65536);
	buf_puts(&b, text);
	put(file, &b, mode);
	buf_clear(&b);
}

struct made {
	X509 *cert;
	EVP_PKEY *key;
	struct buf pem, key_pem;
};

static struct made
make(const char *domain)
{
	struct cert_request r = {.days = 10, .curve = "P-256"};
	struct error err = {0};
	struct made m = {0};

	strvec_add(&r.domains, domain);
	if (!cert_make_self_signed(&r, &m.cert, &m.key, &err))
		abort();
	buf_init(&m.pem, 65536);
	buf_init(&m.key_pem, 65536);
	cert_make_pem(m.cert, NULL, &m.pem);
	cert_make_key_pem(m.key, &m.key_pem);
	strvec_clear(&r.domains);
	return m;
}

static void
made_clear(struct made *m)
{
	X509_free(m->cert);
	EVP_PKEY_free(m->key);
	buf_clear(&m->pem);
	buf_clear(&m->key_pem);
}

static void
remove_file(const char *file)
{
	char *path = in_dir(file);

	remove(path);
	free(path);
}

static void
clean(void)
{
	remove_file("a.pem");
	remove_file("a.key");
	remove_file("b.pem");
	remove_file("b.key");
}

static struct settings *
settings(const char *more)
{
	char *text = mem_printf("postseal { certificate_directory = %s\n"
	    "hostname = mx.example.com }\n%s", dir, more);
	struct error err = {0};
	struct settings *s;

	s = settings_parse("test.conf", text, strlen(text), types, &err);
	if (s == NULL)
		printf("# %s\n", err.text);
	free(text);
	return s;
}

static void
refused(const struct settings *s, const char *part, const char *name)
{
	struct error err = {0};
	struct cert_store *store = cert_store_open(s, true, &err);

	if (!check(store == NULL && strstr(err.text, part) != NULL, "%s", name))
		printf("# got: %s\n# want: %s\n", err.text, part);
	cert_store_close(&store);
}

static void
test_reading(const struct settings *s, const struct made *a,
    const struct made *b)
{
	const struct cert_snapshot *snap;
	const struct cert_entry *e;
	struct error err = {0};
	struct cert_store *store;
	struct buf both;

	store = cert_store_open(s, true, &err);
	check(store != NULL, "an empty directory is an empty store");
	cert_store_close(&store);
	buf_init(&both, 65536);
	buf_append(&both, a->pem.data, a->pem.len);
	buf_append(&both, b->pem.data, b->pem.len);
	put("b.pem", &b->pem, 0644);
	put("a.pem", &both, 0644);
	put("a.key", &a->key_pem, 0640);
	put_text(".hidden.pem", "nonsense", 0644);
	put_text("README", "nonsense", 0644);
	put_text("alone.key", "nonsense", 0644);
	store = cert_store_open(s, true, &err);
	if (!check(store != NULL, "a pair and a certificate are read"))
		printf("# %s\n", err.text);
	snap = cert_store_get(store);
	check(snap->n == 2 && strcmp(snap->entries[0].name, "a") == 0 &&
	    strcmp(snap->entries[1].name, "b") == 0,
	    "they are sorted, and other files do not count");
	e = cert_snapshot_find(snap, "a");
	check(e != NULL && X509_cmp(e->cert, a->cert) == 0 &&
	    EVP_PKEY_eq(e->key, a->key) == 1, "certificate and key are right");
	check(sk_X509_num(e->chain) == 1 &&
	    X509_cmp(sk_X509_value(e->chain, 0), b->cert) == 0,
	    "what follows the first certificate is the chain");
	check(strvec_has(&e->facts->domains, "a.example"), "facts are there");
	e = cert_snapshot_find(snap, "b");
	check(e != NULL && e->key == NULL && e->key_file == NULL &&
	    e->chain != NULL, "a certificate may have no key");
	check(cert_snapshot_find(snap, "c") == NULL, "an unknown name is none");
	cert_store_put(store, &snap);
	check(snap == NULL, "put takes the reference back");
	cert_store_close(&store);
	put("a.key", &b->key_pem, 0644);
	store = cert_store_open(s, false, &err);
	check(store != NULL, "without keys no key file is looked at");
	cert_store_close(&store);
	buf_clear(&both);
	clean();
}

static void
test_rules(const struct settings *s, const struct made *a,
    const struct made *b)
{
	char *path = in_dir("a.key");

	put("a.pem", &a->pem, 0644);
	put("a.key", &a->key_pem, 0644);
	refused(s, "a.key: private key is readable by others (mode 0644); "
	    "chmod 0640 and chgrp postseal-smime",
	    "a key that others can read is refused, with the remedy");
	put("a.key", &b->key_pem, 0600);
	refused(s, "does not fit", "a key of another certificate is refused");
	put_text("a.key", "nonsense", 0600);
	refused(s, "a.key: no usable private key", "a broken key is refused");
	remove_file("a.key");
	mkfifo(path, 0600);
	refused(s, "a.key: not a regular file", "a FIFO does not hold us up");
	remove_file("a.key");
	put("b.key", &a->key_pem, 0600);
	if (symlink("b.key", path) == 0) {
		struct error err = {0};
		struct cert_store *store = cert_store_open(s, true, &err);

		check(store != NULL, "a key may be a symbolic link");
		cert_store_close(&store);
	}
	remove_file("b.key");
	remove_file("a.key");
	put_text("a.pem", "", 0644);
	refused(s, "a.pem: no certificate", "an empty file is refused");
	put_text("a.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"
	    "-----END CERTIFICATE-----\n", 0644);
	refused(s, "a.pem: certificate 1", "a broken certificate is refused");
	remove_file("a.pem");
	put("a b.pem", &a->pem, 0644);
	refused(s, "a b.pem", "a name with a blank is refused");
	remove_file("a b.pem");
	put("a.pem", &a->key_pem, 0644);
	refused(s, "a.pem: private key is readable by others",
	    "a key in the public file is found");
	free(path);
	clean();
}

static void
put_encrypted(const struct made *a)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf text;
	char *data;
	long n;

	PEM_write_bio_PKCS8PrivateKey(bio, a->key, EVP_aes_256_cbc(), "pass",
	    4, NULL, NULL);
	n = BIO_get_mem_data(bio, &data);
	buf_init(&text, 65536);
	buf_append(&text, data, (size_t)n);
	put("a.key", &text, 0600);
	buf_clear(&text);
	BIO_free(bio);
}

static void
test_sections(const struct made *a)
{
	const struct cert_snapshot *snap;
	struct error err = {0};
	struct cert_store *store;
	struct settings *s;
	char *text;

	put("a.pem", &a->pem, 0644);
	put_encrypted(a);
	s = settings("");
	refused(s, "key_password_file", "an encrypted key wants its password");
	settings_free(s);
	text = mem_printf("certificate a { file = %s/a.pem\nkey = %s/a.key\n"
	    "key_password_file = %s/password }\n", dir, dir, dir);
	s = settings(text);
	put_text("password", "pass\nrest\n", 0600);
	store = cert_store_open(s, true, &err);
	if (!check(store != NULL, "a section gives the password"))
		printf("# %s\n", err.text);
	snap = cert_store_get(store);
	check(snap->n == 1 && snap->entries[0].key != NULL,
	    "the section's pair does not count twice");
	cert_store_put(store, &snap);
	cert_store_close(&store);
	put_text("password", "wrong\n", 0600);
	refused(s, "the password does not fit", "a wrong password is told");
	put_text("password", "pass\n", 0604);
	refused(s, "password file is readable by others",
	    "others may not read the password");
	remove_file("password");
	refused(s, "password: cannot open", "a missing password file is told");
	settings_free(s);
	free(text);
	text = mem_printf("certificate a { file = %s/b.pem\nkey = %s/b.key }\n",
	    dir, dir);
	s = settings(text);
	put("b.pem", &a->pem, 0644);
	put("b.key", &a->key_pem, 0600);
	refused(s, "names another file", "a name cannot mean two files");
	remove_file("a.pem");
	remove_file("b.key");
	remove_file("b.pem");
	refused(s, "b.pem: cannot open", "a section's file must be there");
	settings_free(s);
	free(text);
	clean();
}

/* One look a second: after this the next get looks. */
static void
wait_look(void)
{
	usleep(1050000);
}

static bool
has(struct cert_store *store, const struct made *m)
{
	const struct cert_snapshot *snap = cert_store_get(store);
	const struct cert_entry *e = cert_snapshot_find(snap, "a");
	bool same = e != NULL && X509_cmp(e->cert, m->cert) == 0 &&
	    EVP_PKEY_eq(e->key, m->key) == 1;

	cert_store_put(store, &snap);
	return same;
}

static void
test_changes(const struct settings *s, const struct made *a,
    const struct made *b)
{
	const struct cert_snapshot *old;
	struct error err = {0};
	struct cert_store *store;

	put("a.pem", &a->pem, 0644);
	put("a.key", &a->key_pem, 0600);
	store = cert_store_open(s, true, &err);
	old = cert_store_get(store);
	put("a.key", &b->key_pem, 0600);
	wait_look();
	check(has(store, a) && raised == 0,
	    "half a replaced pair keeps the old one, quietly");
	put("a.pem", &b->pem, 0644);
	wait_look();
	check(has(store, b), "a replaced pair is taken up");
	check(X509_cmp(old->entries[0].cert, a->cert) == 0,
	    "who holds the old one keeps it");
	cert_store_put(store, &old);
	put_text("a.key", "nonsense", 0600);
	wait_look();
	check(has(store, b) && raised == 0, "a broken key is not told at once");
	wait_look();
	wait_look();
	check(has(store, b) && raised == 1,
	    "it is told when it stays, and the old one serves");
	wait_look();
	check(has(store, b) && raised == 1 && cleared == 0, "it is told once");
	put("a.pem", &a->pem, 0644);
	put("a.key", &a->key_pem, 0600);
	wait_look();
	check(has(store, a) && cleared == 1, "a good pair clears it");
	cert_store_close(&store);
	check(store == NULL, "closing clears the pointer");
	clean();
}

struct race {
	struct cert_store *store;
	atomic_bool stop;
	atomic_int torn, gets;
};

static void *
reader(void *context)
{
	struct race *r = context;

	while (!r->stop) {
		const struct cert_snapshot *snap = cert_store_get(r->store);
		const struct cert_entry *e = cert_snapshot_find(snap, "a");

		if (e == NULL || X509_check_private_key(e->cert, e->key) != 1)
			r->torn++;
		r->gets++;
		cert_store_put(r->store, &snap);
	}
	return NULL;
}

static void
test_race(const struct settings *s, const struct made *a,
    const struct made *b)
{
	struct race r = {0};
	struct error err = {0};
	pthread_t threads[4];

	put("a.pem", &a->pem, 0644);
	put("a.key", &a->key_pem, 0600);
	r.store = cert_store_open(s, true, &err);
	for (size_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, reader, &r);
	for (int i = 0; i < 200; i++) {
		const struct made *m = i % 2 != 0 ? a : b;

		put("a.key", &m->key_pem, 0600);
		put("a.pem", &m->pem, 0644);
		usleep(12000);
	}
	r.stop = true;
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	check(r.torn == 0 && r.gets > 0,
	    "nobody sees half a pair while pairs are replaced");
	wait_look();
	check(has(r.store, a), "and the last one is in use after it");
	cert_store_close(&r.store);
	clean();
}

static void
test_names(void)
{
	struct error err = {0};

	check(cert_store_check_name("acme-2.B_c", &err), "a good name is good");
	check(!cert_store_check_name("", &err), "an empty name is none");
	check(!cert_store_check_name(".x", &err), "a hidden name is none");
	check(!cert_store_check_name("a/b", &err), "a path is no name");
	check(!cert_store_check_name("a\nb", &err), "a line break is no name");
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
	struct made a = make("a.example"), b = make("b.example");
	struct settings *s;

	if (mkdtemp(dir) == NULL)
		return 1;
	s = settings("");
	test_names();
	test_reading(s, &a, &b);
	test_rules(s, &a, &b);
	test_sections(&a);
	test_changes(s, &a, &b);
	test_race(s, &a, &b);
	settings_free(s);
	made_clear(&a);
	made_clear(&b);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
