/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/mem.h"
#include "common/pem_file.h"
#include "common/shared_settings.h"
#include "common/snapshot.h"

#define NAME_MAX_BYTES	   128
#define CHAIN_CERTS_MAX	   32
#define ENTRIES_MAX	   10000

struct cert_store {
	const struct settings *settings;
	bool with_keys;
	struct snapshot *snapshot;
};

/* Where an entry comes from, before it is read. */
struct place {
	char *name;
	char *file;
	char *key; /* NULL: none */
	const char *password_file;
	bool key_optional; /* beside NAME.pem there may be a NAME.key */
	struct error err;  /* not NONE: the rule it breaks already */
};

struct places {
	struct place *v;
	size_t n;
};

bool
cert_store_check_name(const char *name, struct error *err)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_BYTES || name[0] == '.' ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789._-") != n)
		return error_perm(err,
		    "\"%.64s\": a certificate's name is 1 to %d letters, "
		    "digits, dots, hyphens and underscores, and does not "
		    "start with a dot", name, NAME_MAX_BYTES);
	return true;
}

static void
places_clear(struct places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].file);
		free(p->v[i].key);
	}
	free(p->v);
	*p = (struct places){0};
}

static struct place *
places_add(struct places *p)
{
	p->v = mem_resize(p->v, p->n + 1, sizeof(*p->v));
	p->v[p->n] = (struct place){0};
	return &p->v[p->n++];
}

/* Among the first n, which are those of sections. */
static const struct place *
find_section(const struct places *p, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(p->v[i].name, name) == 0)
			return &p->v[i];
	return NULL;
}

static void
find_sections(const struct settings *s, struct places *p)
{
	for (size_t i = 0; i < settings_count(s, "certificate"); i++) {
		const struct certificate_settings *c;
		struct place *place = places_add(p);
		const char *name;

		c = settings_at(s, "certificate", i, &name);
		place->name = mem_strdup(name);
		place->file = mem_strdup(c->file);
		place->key = mem_strdup(c->key);
		place->password_file = c->key_password_file;
		if (!cert_store_check_name(name, &place->err))
			error_prefix(&place->err, "section certificate");
	}
}

/* One NAME.pem of the directory. */
static void
find_pair(const char *dir, const char *file, size_t sections,
    struct places *p)
{
	char *name = mem_dup(file, strlen(file) - strlen(".pem"));
	char *path = mem_printf("%s/%s", dir, file);
	const struct place *section = find_section(p, sections, name);
	char *other = NULL;
	struct place *place;

	if (section != NULL)
		other = section->file;
	if (other != NULL && strcmp(other, path) == 0) {
		free(name);
		free(path);
		return;
	}
	place = places_add(p);
	place->name = name;
	place->file = path;
	place->key = mem_printf("%s/%s.key", dir, name);
	place->key_optional = true;
	if (!cert_store_check_name(name, &place->err))
		error_prefix(&place->err, "%s", path);
	else if (other != NULL)
		error_perm(&place->err,
		    "%s: section \"certificate %s\" names another file, %s; "
		    "rename one of them", path, name, other);
}

static bool
find_pairs(const char *dir, struct places *p, struct error *err)
{
	size_t sections = p->n;
	struct dirent *entry;
	bool ok = false;
	DIR *d;

	d = opendir(dir);
	if (d == NULL)
		return errno == ENOENT ||
		    error_errno(err, "certificate_directory %s", dir);
	errno = 0;
	while ((entry = readdir(d)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (entry->d_name[0] == '.' || n < 5 ||
		    strcmp(entry->d_name + n - 4, ".pem") != 0)
			continue;
		if (p->n >= ENTRIES_MAX) {
			error_perm(err, "certificate_directory %s: more than "
			    "%d certificates", dir, ENTRIES_MAX);
			goto out;
		}
		find_pair(dir, entry->d_name, sections, p);
		errno = 0;
	}
	if (errno != 0) {
		error_errno(err, "certificate_directory %s", dir);
		goto out;
	}
	ok = true;
out:
	closedir(d);
	return ok;
}

static bool
load_certs(struct cert_entry *e, struct error *err)
{
	STACK_OF(X509) *certs = NULL;
	struct error secret = {0};
	struct buf text;
	bool ok = false;

	buf_init(&text, PEM_FILE_CERT_MAX);
	if (!pem_file_read(e->file, NULL, &text, err))
		goto out;
	/* A key that slipped in must not lie open in a public file. */
	if (pem_has_private_key(buf_text(&text), text.len)) {
		buf_wipe(&text);
		if (!pem_file_read(e->file, "private key", &text, &secret)) {
			*err = secret;
			goto out;
		}
	}
	certs = pem_certs_parse(e->file, buf_text(&text), text.len, false,
	    err);
	if (certs == NULL)
		goto out;
	if (sk_X509_num(certs) > CHAIN_CERTS_MAX) {
		error_perm(err,
		    "%s: %d certificates; it must hold one and its chain, at "
		    "most %d", e->file, sk_X509_num(certs), CHAIN_CERTS_MAX);
		goto out;
	}
	e->cert = sk_X509_shift(certs);
	e->chain = certs;
	certs = NULL;
	/* Fills OpenSSL's caches, so that no reader changes the object. */
	X509_check_purpose(e->cert, -1, 0);
	for (int i = 0; i < sk_X509_num(e->chain); i++)
		X509_check_purpose(sk_X509_value(e->chain, i), -1, 0);
	ERR_clear_error();
	e->facts = x509_facts_new(e->cert);
	ok = true;
out:
	buf_wipe(&text);
	sk_X509_pop_free(certs, X509_free);
	return ok;
}

static bool
load_key(struct cert_entry *e, const struct place *place, struct error *err)
{
	if (place->key == NULL)
		return true;
	if (place->key_optional && access(place->key, F_OK) < 0 &&
	    errno == ENOENT)
		return true;
	e->key = pem_key_load(place->key, place->password_file, err);
	if (e->key == NULL)
		return false;
	e->key_file = mem_strdup(place->key);
	ERR_clear_error();
	if (X509_check_private_key(e->cert, e->key) != 1) {
		ERR_clear_error();
		return error_perm(err,
		    "%s: does not fit the first certificate in %s; put the "
		    "pair there that belongs together", e->key_file, e->file);
	}
	return true;
}

static void
entry_clear(struct cert_entry *e)
{
	free(e->name);
	X509_free(e->cert);
	sk_X509_pop_free(e->chain, X509_free);
	EVP_PKEY_free(e->key);
	x509_facts_free(e->facts);
	free(e->file);
	free(e->key_file);
}

static bool
find_places(const struct settings *s, struct places *p, struct error *err)
{
	const struct postseal_settings *ps = settings_get(s, "postseal");

	find_sections(s, p);
	return find_pairs(ps->certificate_directory, p, err);
}

static bool
entry_load(struct cert_entry *e, const struct place *place, bool with_keys,
    struct error *err)
{
	*e = (struct cert_entry){0};
	e->name = mem_strdup(place->name);
	e->file = mem_strdup(place->file);
	if (place->err.kind != ERROR_NONE) {
		*err = place->err;
		return false;
	}
	return load_certs(e, err) && (!with_keys || load_key(e, place, err));
}

bool
cert_store_check_pair(const char *directory, const char *name,
    struct error *err)
{
	struct place place = {
		.name = mem_strdup(name),
		.file = mem_printf("%s/%s.pem", directory, name),
		.key = mem_printf("%s/%s.key", directory, name),
		.key_optional = true,
	};
	struct cert_entry e;
	bool ok;

	ok = entry_load(&e, &place, true, err);
	entry_clear(&e);
	free(place.name);
	free(place.file);
	free(place.key);
	return ok;
}

static void
snapshot_free(void *value)
{
	struct cert_snapshot *snap = value;

	for (size_t i = 0; i < snap->n; i++)
		entry_clear(&snap->entries[i]);
	free(snap->entries);
	free(snap);
}

static int
by_name(const void *a, const void *b)
{
	const struct cert_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void *
snapshot_make(void *context, struct error *err)
{
	const struct cert_store *store = context;
	struct cert_snapshot *snap = mem_alloc(sizeof(*snap));
	struct places places = {0};
	bool ok = false;

	if (!find_places(store->settings, &places, err))
		goto out;
	snap->entries = mem_array(places.n, sizeof(*snap->entries));
	for (size_t i = 0; i < places.n; i++)
		if (!entry_load(&snap->entries[snap->n++], &places.v[i],
			store->with_keys, err))
			goto out;
	qsort(snap->entries, snap->n, sizeof(*snap->entries), by_name);
	ok = true;
out:
	places_clear(&places);
	if (!ok) {
		snapshot_free(snap);
		snap = NULL;
	}
	return snap;
}

static void
watched_paths(const struct cert_store *store, struct strvec *paths)
{
	const struct postseal_settings *ps;
	const struct certificate_settings *c;
	const char *name;

	ps = settings_get(store->settings, "postseal");
	strvec_add(paths, ps->certificate_directory);
	for (size_t i = 0; i < settings_count(store->settings, "certificate");
	     i++) {
		c = settings_at(store->settings, "certificate", i, &name);
		strvec_add(paths, c->file);
		if (!store->with_keys)
			continue;
		if (c->key != NULL && c->key[0] == '/')
			strvec_add(paths, c->key);
		if (c->key_password_file != NULL)
			strvec_add(paths, c->key_password_file);
	}
}

struct cert_store *
cert_store_open(const struct settings *s, bool with_keys, struct error *err)
{
	struct cert_store *store = mem_alloc(sizeof(*store));
	const struct snapshot_source source = {
		.class = "certificates",
		.name = "certificate-store",
		.context = store,
		.make = snapshot_make,
		.free = snapshot_free,
	};
	struct strvec paths = {0};

	store->settings = s;
	store->with_keys = with_keys;
	watched_paths(store, &paths);
	store->snapshot = snapshot_open(&source, &paths, err);
	if (store->snapshot == NULL) {
		free(store);
		return NULL;
	}
	return store;
}

void
cert_store_close(struct cert_store **store)
{
	if (*store != NULL && snapshot_close(&(*store)->snapshot))
		free(*store);
	*store = NULL;
}

static int
place_by_name(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return strcmp(x->name, y->name);
}

bool
cert_store_examine(const struct settings *s, bool with_keys,
    cert_store_tell *tell, void *context, struct error *err)
{
	struct places places = {0};
	bool ok;

	ok = find_places(s, &places, err);
	if (places.n > 0)
		qsort(places.v, places.n, sizeof(*places.v), place_by_name);
	for (size_t i = 0; ok && i < places.n; i++) {
		struct cert_entry e;
		struct error why = {0};
		bool good;

		good = entry_load(&e, &places.v[i], with_keys, &why);
		tell(context, &e, good ? NULL : &why);
		entry_clear(&e);
	}
	places_clear(&places);
	return ok;
}

const struct cert_snapshot *
cert_store_get(struct cert_store *store)
{
	return snapshot_get(store->snapshot);
}

void
cert_store_put(struct cert_store *store, const struct cert_snapshot **snap)
{
	snapshot_put(store->snapshot, *snap);
	*snap = NULL;
}

const struct cert_entry *
cert_snapshot_find(const struct cert_snapshot *snap, const char *name)
{
	const struct cert_entry key = {.name = (char *)(uintptr_t)name};

	return snap->n == 0 ? NULL :
	    bsearch(&key, snap->entries, snap->n, sizeof(*snap->entries),
		by_name);
}
