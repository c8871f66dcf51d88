/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/ca_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pem_file.h"
#include "common/shared_settings.h"
#include "common/snapshot.h"
#include "common/x509_facts.h"

#define BUNDLE_MAX (16 << 20)
#define CRL_MAX	   (64 << 20)

struct ca_list {
	const struct settings *settings;
	char *extra_file; /* NULL: none */
	bool with_crls;
	struct snapshot *snapshot;
};

static bool
store_certs(X509_STORE *store, const char *path, bool may_be_empty,
    size_t *count, struct error *err)
{
	STACK_OF(X509) *certs = NULL;
	bool ok = false;
	struct buf text;
	X509 *cert;

	buf_init(&text, BUNDLE_MAX);
	if (!pem_file_read(path, NULL, &text, err))
		goto out;
	certs = pem_certs_parse(path, buf_text(&text), text.len,
	    may_be_empty && text.len == 0, err);
	if (certs == NULL)
		goto out;
	for (int i = 0; i < sk_X509_num(certs); i++) {
		cert = sk_X509_value(certs, i);
		/* Fills OpenSSL's caches before threads share the object. */
		X509_check_purpose(cert, -1, 0);
		if (X509_STORE_add_cert(store, cert) != 1) {
			x509_error(err, ERROR_PERM,
			    "%s: certificate %d cannot be used", path, i + 1);
			goto out;
		}
	}
	*count += (size_t)sk_X509_num(certs);
	ERR_clear_error();
	ok = true;
out:
	buf_clear(&text);
	sk_X509_pop_free(certs, X509_free);
	return ok;
}

static bool
add_authorities(const struct ca_list *list, struct ca_snapshot *snap,
    struct error *err)
{
	const struct ca_list_settings *s;
	struct error why;

	s = settings_get(list->settings, "ca-list");
	if (s->system && !store_certs(snap->store, s->system_file, false,
			     &snap->system_count, &why)) {
		return error_temp(err,
		    "ca-list: system_file: %s; install ca-certificates, or "
		    "set system = no", why.text);
	}
	if (s->custom_file != NULL && !store_certs(snap->store,
	    s->custom_file, true, &snap->custom_count, err))
		return error_prefix(err, "ca-list: custom_file");
	return list->extra_file == NULL || store_certs(snap->store,
	    list->extra_file, false, &snap->custom_count, err);
}

/* OpenSSL's hashed layout: 8 hex digits, ".r", a number. */
static bool
is_crl_name(const char *name)
{
	size_t digits;

	if (strspn(name, "0123456789abcdef") != 8 ||
	    strncmp(name + 8, ".r", 2) != 0)
		return false;
	digits = strspn(name + 10, "0123456789");
	return digits > 0 && name[10 + digits] == '\0';
}

static bool
load_crls(X509_STORE *store, const char *path, size_t *count,
    struct error *err)
{
	struct buf text;
	BIO *in = NULL;
	X509_CRL *crl;
	bool ok = false;
	size_t n = 0;

	ERR_clear_error();
	buf_init(&text, CRL_MAX);
	if (!pem_file_read(path, NULL, &text, err))
		goto out;
	in = BIO_new_mem_buf(buf_text(&text), (int)text.len);
	while ((crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL)) != NULL) {
		X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
		n++;
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE ||
	    n == 0) {
		x509_error(err, ERROR_PERM, "%s: not a CRL in PEM", path);
		goto out;
	}
	ok = true;
out:
	*count += n;
	ERR_clear_error();
	BIO_free(in);
	buf_clear(&text);
	return ok;
}

/* Is it the CRL of an index?  Then nobody need parse it. */
static bool
is_indexed(int dir, const char *name)
{
	unsigned long number = strtoul(name + 10, NULL, 10);
	struct crl_index_file f;
	char index[24];
	bool same = false;

	for (unsigned n = 0; !same && n < CRL_INDEX_PER_ISSUER; n++) {
		enum crl_index_state state;

		snprintf(index, sizeof(index), "%.8s.i%u", name, n);
		state = crl_index_file_open(dir, index, &f);
		if (state == CRL_INDEX_ABSENT)
			break;
		if (state == CRL_INDEX_DAMAGED)
			continue;
		same = f.pem == number;
		crl_index_file_close(&f);
	}
	return same;
}

/*
 * Revocation only ever takes trust away, so what is missing here is told,
 * and the verdict says "unknown"; mail goes on.
 */
static void
add_crls(struct ca_snapshot *snap, const char *dir)
{
	struct dirent *entry;
	struct error err;
	char *path;
	DIR *d;

	d = opendir(dir);
	if (d == NULL) {
		if (errno == ENOENT)
			return;
		snap->crls_unreadable = true;
		log_error("crl-check: directory %s: %s; let our user read it",
		    dir, strerror(errno));
		return;
	}
	errno = 0;
	while ((entry = readdir(d)) != NULL) {
		if (is_crl_name(entry->d_name) &&
		    !is_indexed(dirfd(d), entry->d_name)) {
			path = mem_printf("%s/%s", dir, entry->d_name);
			if (!load_crls(snap->store, path, &snap->crl_count,
				&err))
				log_warning("CRL left out: %s", err.text);
			free(path);
		}
		errno = 0;
	}
	if (errno != 0) {
		snap->crls_unreadable = true;
		log_error("crl-check: directory %s: %s", dir,
		    strerror(errno));
	}
	closedir(d);
	snap->index = crl_index_open(dir);
}

static void
snapshot_free(void *value)
{
	struct ca_snapshot *snap = value;

	crl_index_close(&snap->index);
	X509_STORE_free(snap->store);
	free(snap);
}

static void *
snapshot_make(void *context, struct error *err)
{
	const struct ca_list *list = context;
	const struct crl_check_settings *crl;
	struct ca_snapshot *snap = mem_alloc(sizeof(*snap));
	static atomic_ulong generations;

	snap->generation = atomic_fetch_add(&generations, 1) + 1;
	snap->store = X509_STORE_new();
	if (!add_authorities(list, snap, err)) {
		snapshot_free(snap);
		return NULL;
	}
	crl = settings_get(list->settings, "crl-check");
	snap->grace = crl->grace;
	if (list->with_crls && crl->directory != NULL)
		add_crls(snap, crl->directory);
	return snap;
}

static void
watched_paths(const struct ca_list *list, struct strvec *paths)
{
	const struct ca_list_settings *s;
	const struct crl_check_settings *crl;

	s = settings_get(list->settings, "ca-list");
	crl = settings_get(list->settings, "crl-check");
	if (s->system)
		strvec_add(paths, s->system_file);
	if (s->custom_file != NULL)
		strvec_add(paths, s->custom_file);
	if (list->extra_file != NULL)
		strvec_add(paths, list->extra_file);
	if (list->with_crls && crl->directory != NULL)
		strvec_add(paths, crl->directory);
}

struct ca_list *
ca_list_open(const struct settings *s, const char *extra_file, bool with_crls,
    struct error *err)
{
	struct ca_list *list = mem_alloc(sizeof(*list));
	const struct snapshot_source source = {
		.class = "certificates",
		.name = "ca-list",
		.context = list,
		.make = snapshot_make,
		.free = snapshot_free,
	};
	struct strvec paths = {0};

	list->settings = s;
	list->extra_file = mem_strdup(extra_file);
	list->with_crls = with_crls;
	watched_paths(list, &paths);
	list->snapshot = snapshot_open(&source, &paths, err);
	if (list->snapshot == NULL) {
		free(list->extra_file);
		free(list);
		return NULL;
	}
	return list;
}

void
ca_list_close(struct ca_list **list)
{
	if (*list != NULL && snapshot_close(&(*list)->snapshot)) {
		free((*list)->extra_file);
		free(*list);
	}
	*list = NULL;
}

const struct ca_snapshot *
ca_list_get(struct ca_list *list)
{
	return snapshot_get(list->snapshot);
}

void
ca_list_put(struct ca_list *list, const struct ca_snapshot **snap)
{
	snapshot_put(list->snapshot, *snap);
	*snap = NULL;
}
