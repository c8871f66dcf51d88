/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_pair.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common/atomic_file.h"
#include "common/buf.h"
#include "common/cert_make.h"
#include "common/cert_store.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/pem_file.h"

#define KEY_GROUP  "postseal-smime"
#define CERT_MODE  0644
#define KEPT_BYTES 112 /* of NAME, so that a kept one is a name, too */
#define KEPT_MAX   99  /* on one day */

/* One of the two files while it is being replaced. */
struct piece {
	char *path;
	char *saved; /* a second name of the old file; NULL: was none */
	bool written;
};

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

bool
cert_pair_check_free(const char *directory, const char *name,
    bool with_key, struct error *err)
{
	static const char *const ends[] = {"pem", "key"};
	bool ok = true;

	for (size_t i = 0; ok && i < (with_key ? 2 : 1); i++) {
		char *path = mem_printf("%s/%s.%s", directory, name, ends[i]);

		if (is_there(path))
			ok = error_perm(err, "%s is there already; choose "
			    "another name, or --force to replace it", path);
		free(path);
	}
	return ok;
}

static bool
make_directory(const char *path, struct strvec *changes, struct error *err)
{
	if (mkdir(path, 0755) == 0) {
		strvec_take(changes, mem_printf("made directory %s", path));
		return true;
	}
	return errno == EEXIST ||
	    error_errno(err, "%s: cannot make the directory", path);
}

static bool
is_taken(const char *directory, const char *name)
{
	static const char *const ends[] = {"pem", "key", "pem.old", "key.old"};
	bool taken = false;

	for (size_t i = 0; !taken && i < 4; i++) {
		char *path = mem_printf("%s/%s.%s", directory, name, ends[i]);

		taken = is_there(path);
		free(path);
	}
	return taken;
}

/* NAME-YYYYMMDD, or with -2, -3 and so on behind it. */
static char *
choose_kept(const struct cert_pair *pair, struct error *err)
{
	time_t now = clock_now();
	char stamp[16], *name;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d", &tm);
	for (int i = 1; i <= KEPT_MAX; i++) {
		name = i == 1 ?
		    mem_printf("%.*s-%s", KEPT_BYTES, pair->name, stamp) :
		    mem_printf("%.*s-%s-%d", KEPT_BYTES, pair->name, stamp, i);
		if (!is_taken(pair->directory, name))
			return name;
		free(name);
	}
	error_perm(err, "%s/%s-%s.pem and %d more are there already; move "
	    "away those nobody needs", pair->directory, pair->name, stamp,
	    KEPT_MAX - 1);
	return NULL;
}

/* A link, not a move: the old file stays in use until it is replaced. */
static bool
save_old(struct piece *p, const char *directory, const char *kept,
    const char *end, struct error *err)
{
	p->saved = mem_printf("%s/%s.%s", directory, kept, end);
	if (link(p->path, p->saved) == 0)
		return true;
	error_errno(err, "%s: cannot keep the old file as %s", p->path,
	    p->saved);
	free(p->saved);
	p->saved = NULL;
	return false;
}

/*
 * What is about to be replaced gets a name of its own, the key first: a
 * certificate that is seen has its key.  *told says so afterwards.
 */
static bool
keep_old(const struct cert_pair *pair, struct piece *key,
    struct piece *cert, char **told, struct error *err)
{
	bool has_cert = is_there(cert->path), has_key = is_there(key->path);
	struct error why = {0};
	const char *old = "";
	char *kept;
	bool ok = false;

	if (!has_cert && (!has_key || pair->key == NULL))
		return true;
	kept = choose_kept(pair, err);
	if (kept == NULL)
		return false;
	/* One broken entry, and the milter would take none at all. */
	if (has_cert && !cert_store_check_pair(pair->directory, pair->name,
	    &why))
		old = ".old";
	if (has_key && !save_old(key, pair->directory, kept,
	    *old == '\0' ? "key" : "key.old", err))
		goto out;
	if (has_cert && !save_old(cert, pair->directory, kept,
	    *old == '\0' ? "pem" : "pem.old", err))
		goto out;
	if (!has_cert)
		*told = mem_printf("kept the old key as %s", key->saved);
	else if (*old != '\0')
		*told = mem_printf("kept the old one, which could not be "
		    "used, as %s", cert->saved);
	else
		*told = mem_printf("kept the old certificate as %s%s", kept,
		    has_key ? ": mail encrypted to it can still be read; the "
		    "newest signs" : "");
	ok = true;
out:
	free(kept);
	return ok;
}

static void
undo(struct piece *p)
{
	if (p->written && p->saved == NULL)
		unlink(p->path);
	else if (p->written)
		rename(p->saved, p->path);
	else if (p->saved != NULL)
		unlink(p->saved);
}

static void
tell(const struct piece *p, const char *detail, struct strvec *changes)
{
	if (p->written)
		strvec_take(changes, mem_printf("wrote %s (%s)", p->path,
		    detail));
}

static void
piece_init(struct piece *p, const struct cert_pair *pair, const char *end)
{
	*p = (struct piece){0};
	p->path = mem_printf("%s/%s.%s", pair->directory, pair->name, end);
}

static void
piece_clear(struct piece *p)
{
	free(p->path);
	free(p->saved);
}

static bool
write_piece(struct piece *p, const struct cert_pair *pair,
    const struct buf *text, mode_t mode, gid_t gid, struct error *err)
{
	if (pair->force)
		p->written = atomic_file_write(p->path, buf_text(text),
		    text->len, mode, (uid_t)-1, gid, err);
	else
		p->written = atomic_file_create(p->path, buf_text(text),
		    text->len, mode, (uid_t)-1, gid, err);
	return p->written;
}

static bool
write_key(struct piece *p, const struct cert_pair *pair, char detail[64],
    struct error *err)
{
	const struct group *group = NULL;
	struct buf text;
	mode_t mode = 0600;
	gid_t gid = (gid_t)-1;

	if (geteuid() == 0)
		group = getgrnam(KEY_GROUP);
	if (group != NULL) {
		mode = 0640;
		gid = group->gr_gid;
	}
	buf_init(&text, 64 << 10);
	buf_reserve(&text, 16 << 10);
	cert_make_key_pem(pair->key, &text);
	write_piece(p, pair, &text, mode, gid, err);
	buf_wipe(&text);
	snprintf(detail, 64, "mode %04o%s", (unsigned)mode,
	    group != NULL ? ", group " KEY_GROUP : "");
	return p->written;
}

static bool
write_cert(struct piece *p, const struct cert_pair *pair, struct error *err)
{
	struct buf text;

	buf_init(&text, PEM_FILE_CERT_MAX);
	cert_make_pem(pair->cert, pair->chain, &text);
	write_piece(p, pair, &text, CERT_MODE, (gid_t)-1, err);
	buf_clear(&text);
	return p->written;
}

/* A certificate that comes alone may belong to a key that is there. */
static bool
check_old_key(const struct cert_pair *pair, struct error *err)
{
	char *path = mem_printf("%s/%s.key", pair->directory, pair->name);
	EVP_PKEY *key = NULL;
	bool ok = false;

	if (!is_there(path)) {
		ok = true;
		goto out;
	}
	key = pem_key_load(path, NULL, err);
	if (key == NULL)
		goto out;
	if (X509_check_private_key(pair->cert, key) != 1) {
		error_perm(err, "%s does not fit the certificate; import it "
		    "with its own key", path);
		goto out;
	}
	ok = true;
out:
	ERR_clear_error();
	EVP_PKEY_free(key);
	free(path);
	return ok;
}

static bool
check_request(const struct cert_pair *pair, struct error *err)
{
	if (!cert_store_check_name(pair->name, err))
		return false;
	if (!pair->force && !cert_pair_check_free(pair->directory,
	    pair->name, pair->key != NULL, err))
		return false;
	return pair->key != NULL || check_old_key(pair, err);
}

bool
cert_pair_is_kept(const char *directory, const char *name)
{
	static const char digits[] = "0123456789";
	const char *dash = strrchr(name, '-');
	char *path;
	bool kept;

	/* The number behind the date. */
	if (dash != NULL && dash[1] != '\0' && strlen(dash + 1) < 3 &&
	    dash[1 + strspn(dash + 1, digits)] == '\0')
		dash = memrchr(name, '-', (size_t)(dash - name));
	if (dash == NULL || dash == name || strspn(dash + 1, digits) != 8 ||
	    (dash[9] != '\0' && dash[9] != '-'))
		return false;
	path = mem_printf("%s/%.*s.pem", directory, (int)(dash - name), name);
	kept = is_there(path);
	free(path);
	return kept;
}

bool
cert_pair_write(const struct cert_pair *pair, struct strvec *changes,
    struct error *err)
{
	struct piece key, cert;
	char detail[64] = "", *told = NULL;
	bool ok = false;

	if (!check_request(pair, err) ||
	    !make_directory(pair->directory, changes, err))
		return false;
	piece_init(&key, pair, "key");
	piece_init(&cert, pair, "pem");
	if (!keep_old(pair, &key, &cert, &told, err) ||
	    (pair->key != NULL && !write_key(&key, pair, detail, err)) ||
	    !write_cert(&cert, pair, err))
		goto out;
	tell(&key, detail, changes);
	tell(&cert, "mode 0644", changes);
	if (told != NULL)
		strvec_add(changes, told);
	ok = true;
out:
	if (!ok) {
		undo(&cert);
		undo(&key);
	}
	piece_clear(&key);
	piece_clear(&cert);
	free(told);
	return ok;
}
