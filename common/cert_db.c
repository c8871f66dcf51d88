/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <sqlite3.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/utf8.h"

/*
 * Rollback journal, not WAL: the store changes rarely, and a reader that
 * may only read the file (or a copy on a read-only disk) needs no shared
 * memory file beside it.
 */

#define APPLICATION_ID 0x50534344 /* "PSCD" */
#define SCHEMA_VERSION 1
#define READ_BUSY_MS 2000 /* mail waits for it */
#define WRITE_BUSY_MS 30000 /* a person does */
#define NAME_MAX_BYTES 255
#define DER_MAX (1024 * 1024)
#define PARSED_MAX 256

/* No lookup of ours needs more; cert_db_list() has no limit. */
#define LOOKUP_LIMIT "1000"

/*
 * issuer_hash is X509_NAME_hash_ex(), which is over the canonical form, so
 * that names compare as RFC 5280 7.1 says; rows are compared in full.
 * identities: kind 'a' address, 'd' domain (may start with `*.`).
 */
static const char schema[] =
    "CREATE TABLE certificates ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " fingerprint TEXT NOT NULL UNIQUE,"
    " der BLOB NOT NULL,"
    " issuer_hash INTEGER NOT NULL,"
    " serial BLOB NOT NULL,"
    " skid BLOB,"
    " not_before INTEGER NOT NULL,"
    " not_after INTEGER NOT NULL,"
    " added INTEGER NOT NULL);"
    "CREATE INDEX certificates_issuer ON certificates"
    " (serial, issuer_hash);"
    "CREATE INDEX certificates_skid ON certificates (skid);"
    "CREATE TABLE identities ("
    " certificate INTEGER NOT NULL REFERENCES certificates (id)"
    "  ON DELETE CASCADE,"
    " kind TEXT NOT NULL CHECK (kind IN ('a', 'd')),"
    " domain TEXT NOT NULL,"
    " local TEXT,"
    " local_lower TEXT);"
    "CREATE INDEX identities_value ON identities"
    " (domain, kind, local_lower);"
    "CREATE INDEX identities_certificate ON identities (certificate);";

enum statement {
	ST_ADD,
	ST_ADD_IDENTITY,
	ST_CONFLICT,
	ST_REMOVE,
	ST_FIND_ADDRESS,
	ST_FIND_FINGERPRINT,
	ST_FIND_ISSUER_SERIAL,
	ST_FIND_KEY_ID,
	ST_FIND_NAME,
	ST_LIST,
	ST_COUNT
};

#define COLUMNS "c.name, c.fingerprint, c.der, c.added"
#define FROM_CERTIFICATES "SELECT " COLUMNS " FROM certificates c "
#define NEWEST_FIRST " ORDER BY c.not_before DESC, c.id DESC"
#define LIMITED NEWEST_FIRST " LIMIT " LOOKUP_LIMIT

static const char *const sql_text[ST_COUNT] = {
	[ST_ADD] = "INSERT INTO certificates (name, fingerprint, der,"
		   " issuer_hash, serial, skid, not_before, not_after, added)"
		   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[ST_ADD_IDENTITY] = "INSERT INTO identities (certificate, kind,"
			    " domain, local, local_lower)"
			    " VALUES (?1, ?2, ?3, ?4, ?5)",
	[ST_CONFLICT] = "SELECT name FROM certificates WHERE name = ?1"
			" UNION ALL SELECT name FROM certificates"
			" WHERE fingerprint = ?2",
	[ST_REMOVE] = "DELETE FROM certificates WHERE name = ?1",
	/* ?1 domain, ?2 local, ?3 local in lower case, ?4 `*.` parent */
	[ST_FIND_ADDRESS] =
	    "SELECT " COLUMNS " FROM (SELECT certificate, MIN(rank) AS rank"
	    " FROM (SELECT certificate,"
	    "   CASE WHEN local = ?2 THEN 0 ELSE 1 END AS rank"
	    "   FROM identities"
	    "   WHERE domain = ?1 AND kind = 'a' AND local_lower = ?3"
	    "  UNION ALL SELECT certificate, 2 FROM identities"
	    "   WHERE domain = ?1 AND kind = 'd'"
	    "  UNION ALL SELECT certificate, 2 FROM identities"
	    "   WHERE domain = ?4 AND kind = 'd')"
	    " GROUP BY certificate) i"
	    " JOIN certificates c ON c.id = i.certificate"
	    " ORDER BY i.rank, c.not_before DESC, c.id DESC"
	    " LIMIT " LOOKUP_LIMIT,
	[ST_FIND_FINGERPRINT] = FROM_CERTIFICATES "WHERE c.fingerprint = ?1",
	[ST_FIND_ISSUER_SERIAL] = FROM_CERTIFICATES
	    "WHERE c.serial = ?1 AND c.issuer_hash = ?2" LIMITED,
	[ST_FIND_KEY_ID] = FROM_CERTIFICATES "WHERE c.skid = ?1" LIMITED,
	[ST_FIND_NAME] = FROM_CERTIFICATES "WHERE c.name = ?1",
	[ST_LIST] = FROM_CERTIFICATES "ORDER BY c.name",
};

struct cert_db {
	pthread_mutex_t lock;
	char *path;
	bool create;
	sqlite3 *sql; /* NULL: there is no file yet */
	dev_t dev;    /* of the open file */
	ino_t ino;
	sqlite3_stmt *statements[ST_COUNT];
	/*
	 * Parsed already, at a place that the fingerprint says: OpenSSL
	 * takes longer to find a decoder for a key than to encrypt to it.
	 */
	struct {
		char fingerprint[65];
		X509 *cert;
	} parsed[PARSED_MAX];
};

static int
busy_ms(const struct cert_db *db)
{
	return db->create ? WRITE_BUSY_MS : READ_BUSY_MS;
}

/* ---- Errors ---- */

static bool
sql_error(struct cert_db *db, struct error *err)
{
	int code = db->sql == NULL ? SQLITE_NOMEM : sqlite3_errcode(db->sql);

	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return error_temp(err, "%s: damaged or no certificate database;"
		    " put a backup in its place, or save what can be read "
		    "with: sqlite3 FILE .recover | sqlite3 NEWFILE", db->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_temp(err, "%s: another program kept it locked "
		    "for %d seconds", db->path, busy_ms(db) / 1000);
	case SQLITE_FULL:
		return error_temp(err, "%s: disk full", db->path);
	case SQLITE_READONLY:
		return error_temp(err, "%s: not writable for us (a program "
		    "that was killed while writing leaves a journal that only "
		    "one who may write can roll back)", db->path);
	default:
		return error_temp(err, "%s: %s", db->path,
		    db->sql == NULL ? "out of memory" :
				      sqlite3_errmsg(db->sql));
	}
}

static bool
damaged_row(struct cert_db *db, const char *name, struct error *err)
{
	return error_temp(err, "%s: the certificate \"%s\" is damaged; remove "
	    "and add it again, or put a backup of the file in its place",
	    db->path, name);
}

/* ---- Opening ---- */

static void
close_sql(struct cert_db *db)
{
	for (int i = 0; i < ST_COUNT; i++) {
		sqlite3_finalize(db->statements[i]);
		db->statements[i] = NULL;
	}
	sqlite3_close(db->sql);
	db->sql = NULL;
}

static bool
exec(struct cert_db *db, const char *sql, struct error *err)
{
	if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(db, err);
	return true;
}

/* The number a PRAGMA or SELECT gives. */
static bool
get_number(struct cert_db *db, const char *sql, sqlite3_int64 *n,
    struct error *err)
{
	sqlite3_stmt *st = NULL;
	bool ok = false;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW) {
		sql_error(db, err);
		goto out;
	}
	*n = sqlite3_column_int64(st, 0);
	ok = true;
out:
	sqlite3_finalize(st);
	return ok;
}

/*
 * Is the open file ours?  *empty: it holds nothing at all, as between the
 * making of the file and of its tables.
 */
static bool
check_schema(struct cert_db *db, bool *empty, struct error *err)
{
	sqlite3_int64 version, application, tables;

	if (!get_number(db, "PRAGMA user_version", &version, err) ||
	    !get_number(db, "PRAGMA application_id", &application, err) ||
	    !get_number(db, "SELECT count(*) FROM sqlite_master", &tables,
		err))
		return false;
	*empty = version == 0 && application == 0 && tables == 0;
	if (*empty)
		return true;
	if (application != APPLICATION_ID || version < 1)
		return error_temp(err, "%s: a database, but not one of ours",
		    db->path);
	if (version > SCHEMA_VERSION)
		return error_temp(err, "%s: written by a newer Postseal "
		    "(format %lld, this one knows %d); upgrade this program",
		    db->path, (long long)version, SCHEMA_VERSION);
	return true;
}

/* The same, at one moment: somebody may be making it just now. */
static bool
look_at_schema(struct cert_db *db, bool *empty, struct error *err)
{
	bool ok;

	if (!exec(db, "BEGIN", err))
		return false;
	ok = check_schema(db, empty, err);
	sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
	return ok;
}

static bool
make_schema(struct cert_db *db, struct error *err)
{
	char *numbers = mem_printf("PRAGMA application_id = %d;"
				   "PRAGMA user_version = %d",
	    APPLICATION_ID, SCHEMA_VERSION);
	bool empty, ok = false;

	if (!exec(db, "BEGIN IMMEDIATE", err))
		goto out;
	/* Another program may have made it while we waited for the lock. */
	ok = check_schema(db, &empty, err) &&
	    (!empty || (exec(db, schema, err) && exec(db, numbers, err))) &&
	    exec(db, "COMMIT", err);
	if (!ok)
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
out:
	free(numbers);
	return ok;
}

/* SQLite would make the file 0644. */
static bool
make_file(const char *path, struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0640);
	bool ok;

	if (fd < 0)
		return errno == EEXIST || error_errno(err, "%s", path);
	ok = fchmod(fd, 0640) == 0 || error_errno(err, "%s", path);
	close(fd);
	return ok;
}

/*
 * A reader too opens for writing where it may (SQLite falls back by itself
 * where it may not): then it can roll back what a killed writer left.
 */
static bool
open_sql(struct cert_db *db, struct error *err)
{
	static const char settings[] = "PRAGMA trusted_schema = OFF;"
				       "PRAGMA foreign_keys = ON;"
				       "PRAGMA cell_size_check = ON;";
	bool empty = false;

	if (sqlite3_open_v2(db->path, &db->sql,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		goto fail;
	sqlite3_extended_result_codes(db->sql, 1);
	sqlite3_busy_timeout(db->sql, busy_ms(db));
	sqlite3_limit(db->sql, SQLITE_LIMIT_LENGTH, 4 * DER_MAX);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (sqlite3_exec(db->sql, settings, NULL, NULL, NULL) != SQLITE_OK ||
	    (!db->create && sqlite3_exec(db->sql, "PRAGMA query_only = ON",
				NULL, NULL, NULL) != SQLITE_OK))
		goto fail;
	if (!look_at_schema(db, &empty, err) ||
	    (empty && db->create && !make_schema(db, err))) {
		close_sql(db);
		return false;
	}
	if (empty && !db->create)
		close_sql(db);
	return true;
fail:
	sql_error(db, err);
	close_sql(db);
	return false;
}

/*
 * Makes db->sql speak of the file that is there now: it may have come,
 * gone, or been replaced by a backup.  After success db->sql is NULL when
 * there is none, which only a reader sees.
 */
static bool
ready(struct cert_db *db, struct error *err)
{
	struct stat st;

	if (stat(db->path, &st) != 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return error_errno(err, "%s", db->path);
		close_sql(db);
		if (!db->create)
			return true;
		if (!make_file(db->path, err))
			return false;
		if (stat(db->path, &st) != 0)
			return error_errno(err, "%s", db->path);
	}
	if (db->sql != NULL && st.st_dev == db->dev && st.st_ino == db->ino)
		return true;
	close_sql(db);
	if (!S_ISREG(st.st_mode))
		return error_temp(err, "%s: not a regular file", db->path);
	db->dev = st.st_dev;
	db->ino = st.st_ino;
	return open_sql(db, err);
}

struct cert_db *
cert_db_open(const char *path, bool create, struct error *err)
{
	struct cert_db *db = mem_alloc(sizeof(*db));

	pthread_mutex_init(&db->lock, NULL);
	db->path = mem_strdup(path);
	db->create = create;
	if (!ready(db, err))
		cert_db_close(&db);
	return db;
}

void
cert_db_close(struct cert_db **db)
{
	if (*db == NULL)
		return;
	close_sql(*db);
	for (size_t i = 0; i < PARSED_MAX; i++)
		X509_free((*db)->parsed[i].cert);
	pthread_mutex_destroy(&(*db)->lock);
	free((*db)->path);
	free(*db);
	*db = NULL;
}

/* ---- Statements ---- */

static sqlite3_stmt *
prepare(struct cert_db *db, enum statement which, struct error *err)
{
	sqlite3_stmt **st = &db->statements[which];

	if (*st == NULL &&
	    sqlite3_prepare_v3(db->sql, sql_text[which], -1,
		SQLITE_PREPARE_PERSISTENT, st, NULL) != SQLITE_OK) {
		sql_error(db, err);
		return NULL;
	}
	return *st;
}

/* Forgets the values too: they were borrowed. */
static void
finish(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

static bool
bind_text(sqlite3_stmt *st, int i, const char *s)
{
	return sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC) == SQLITE_OK;
}

static bool
bind_blob(sqlite3_stmt *st, int i, const void *p, int n)
{
	return sqlite3_bind_blob(st, i, p, n, SQLITE_STATIC) == SQLITE_OK;
}

static bool
bind_number(sqlite3_stmt *st, int i, sqlite3_int64 n)
{
	return sqlite3_bind_int64(st, i, n) == SQLITE_OK;
}

static char *
lower_copy(const char *s)
{
	char *low = mem_strdup(s);

	for (char *p = low; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return low;
}

/* DER, so that signs and leading zeros have one form. free(3). */
static unsigned char *
serial_bytes(const ASN1_INTEGER *serial, int *n)
{
	unsigned char *der = NULL, *copy;

	*n = i2d_ASN1_INTEGER(serial, &der);
	if (*n < 0)
		*n = 0;
	copy = mem_alloc((size_t)*n);
	if (*n > 0)
		memcpy(copy, der, (size_t)*n);
	OPENSSL_free(der);
	return copy;
}

static bool
issuer_hash(const X509_NAME *issuer, sqlite3_int64 *hash)
{
	int ok = 0;

	*hash = (sqlite3_int64)X509_NAME_hash_ex(issuer, NULL, NULL, &ok);
	ERR_clear_error();
	return ok == 1;
}

/* ---- Reading ---- */

/*
 * A byte that went wrong on disk is not seen by SQLite, and mail encrypted
 * to a broken key is lost: the fingerprint is compared.
 */
static bool
is_intact(const unsigned char *der, int n, const char *fingerprint)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	char hex[65];

	if (EVP_Digest(der, (size_t)n, md, NULL, EVP_sha256(), NULL) != 1)
		return false;
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", md[i]);
	return strcmp(hex, fingerprint) == 0;
}

/* A reference of the caller's; NULL when the bytes are not that one. */
static X509 *
parse_certificate(struct cert_db *db, const unsigned char *der, int n,
    const char *fingerprint)
{
	size_t at = strtoul(fingerprint + 60, NULL, 16) % PARSED_MAX;
	X509 *cert = db->parsed[at].cert;

	if (cert == NULL ||
	    strcmp(db->parsed[at].fingerprint, fingerprint) != 0) {
		cert = is_intact(der, n, fingerprint) ?
		    d2i_X509(NULL, &der, n) : NULL;
		if (cert == NULL) {
			ERR_clear_error();
			return NULL;
		}
		X509_free(db->parsed[at].cert);
		db->parsed[at].cert = cert;
		snprintf(db->parsed[at].fingerprint,
		    sizeof(db->parsed[at].fingerprint), "%s", fingerprint);
	}
	X509_up_ref(cert);
	return cert;
}

static bool
read_record(struct cert_db *db, sqlite3_stmt *st, struct cert_record *r,
    struct error *err)
{
	const char *name = (const char *)sqlite3_column_text(st, 0);
	const char *fp = (const char *)sqlite3_column_text(st, 1);
	const unsigned char *der = sqlite3_column_blob(st, 2);
	int n = sqlite3_column_bytes(st, 2);

	if (name != NULL && fp != NULL && strlen(fp) == 64 && der != NULL)
		r->cert = parse_certificate(db, der, n, fp);
	if (r->cert == NULL)
		return damaged_row(db, name == NULL ? "?" : name, err);
	r->name = mem_strdup(name);
	r->added = (time_t)sqlite3_column_int64(st, 3);
	return true;
}

static bool
read_records(struct cert_db *db, sqlite3_stmt *st,
    struct cert_record **records, size_t *n, struct error *err)
{
	struct cert_record *list = NULL;
	size_t count = 0, room = 0;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (count == room) {
			room = room == 0 ? 4 : 2 * room;
			list = mem_resize(list, room, sizeof(*list));
		}
		memset(&list[count], 0, sizeof(*list));
		if (!read_record(db, st, &list[count], err))
			goto fail;
		count++;
	}
	if (rc != SQLITE_DONE) {
		sql_error(db, err);
		goto fail;
	}
	*records = list;
	*n = count;
	return true;
fail:
	cert_records_free(&list, count);
	return false;
}

/*
 * Starts a lookup: takes the lock and gives the statement.  *st is NULL
 * after success when the store is empty.  Ended by end_lookup().
 */
static bool
begin_lookup(struct cert_db *db, enum statement which, sqlite3_stmt **st,
    struct cert_record **records, size_t *n, struct error *err)
{
	*records = NULL;
	*n = 0;
	*st = NULL;
	pthread_mutex_lock(&db->lock);
	if (!ready(db, err))
		return false;
	if (db->sql == NULL)
		return true;
	*st = prepare(db, which, err);
	return *st != NULL;
}

static void
end_lookup(struct cert_db *db, sqlite3_stmt *st)
{
	finish(st);
	pthread_mutex_unlock(&db->lock);
}

/* ---- Writing ---- */

static bool
check_name(const char *name, struct error *err)
{
	size_t n = strlen(name), len;
	uint32_t cp;

	if (n == 0 || n > NAME_MAX_BYTES)
		return error_perm(err, "a certificate's name has 1 to %d "
		    "bytes", NAME_MAX_BYTES);
	if (name[0] == ' ' || name[n - 1] == ' ')
		return error_perm(err, "a certificate's name neither starts "
		    "nor ends with a blank");
	for (size_t i = 0; i < n; i += len) {
		len = utf8_decode(name + i, n - i, &cp);
		if (len == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			return error_perm(err, "a certificate's name is UTF-8 "
			    "without control characters");
	}
	return true;
}

static bool
check_conflict(struct cert_db *db, const char *name,
    const struct x509_facts *f, struct error *err)
{
	sqlite3_stmt *st = prepare(db, ST_CONFLICT, err);
	const char *there;
	bool ok = false;
	int rc;

	if (st == NULL)
		return false;
	if (!bind_text(st, 1, name) || !bind_text(st, 2, f->fingerprint)) {
		sql_error(db, err);
		goto out;
	}
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		there = (const char *)sqlite3_column_text(st, 0);
		if (there != NULL && strcmp(there, name) == 0)
			error_perm(err, "there is a certificate \"%s\" "
			    "already; remove it first or take another name",
			    name);
		else
			error_perm(err, "this certificate is there already, "
			    "as \"%s\"", there == NULL ? "?" : there);
		goto out;
	}
	ok = rc == SQLITE_DONE || sql_error(db, err);
out:
	finish(st);
	return ok;
}

static bool
step_once(struct cert_db *db, sqlite3_stmt *st, bool bound,
    struct error *err)
{
	bool ok = (bound && sqlite3_step(st) == SQLITE_DONE) ||
	    sql_error(db, err);

	finish(st);
	return ok;
}

static bool
insert_identity(struct cert_db *db, sqlite3_int64 id, const char *domain,
    const char *local, struct error *err)
{
	sqlite3_stmt *st = prepare(db, ST_ADD_IDENTITY, err);
	char *low = local == NULL ? NULL : lower_copy(local);
	bool ok = st != NULL &&
	    step_once(db, st,
		bind_number(st, 1, id) &&
		    bind_text(st, 2, local == NULL ? "d" : "a") &&
		    bind_text(st, 3, domain) && bind_text(st, 4, local) &&
		    bind_text(st, 5, low),
		err);

	free(low);
	return ok;
}

static bool
insert_identities(struct cert_db *db, sqlite3_int64 id,
    const struct x509_facts *f, struct error *err)
{
	struct mailaddr a;
	bool ok;

	for (size_t i = 0; i < f->emails.n; i++) {
		const char *text = f->emails.v[i];

		if (!mailaddr_parse(text, strlen(text), &a, err))
			return false;
		ok = insert_identity(db, id, a.domain, a.local, err);
		mailaddr_clear(&a);
		if (!ok)
			return false;
	}
	for (size_t i = 0; i < f->domains.n; i++)
		if (!insert_identity(db, id, f->domains.v[i], NULL, err))
			return false;
	return true;
}

static bool
insert_certificate(struct cert_db *db, const char *name, X509 *cert,
    const struct x509_facts *f, struct error *err)
{
	const ASN1_OCTET_STRING *skid = X509_get0_subject_key_id(cert);
	sqlite3_stmt *st = prepare(db, ST_ADD, err);
	unsigned char *serial = NULL, *der = NULL;
	int nserial, nder = i2d_X509(cert, &der);
	sqlite3_int64 hash;
	bool ok = false;

	if (st == NULL)
		goto out;
	if (nder <= 0 || nder > DER_MAX ||
	    !issuer_hash(X509_get_issuer_name(cert), &hash)) {
		error_perm(err, "the certificate cannot be stored: larger "
		    "than %d bytes or broken", DER_MAX);
		goto out;
	}
	serial = serial_bytes(X509_get0_serialNumber(cert), &nserial);
	ok = step_once(db, st,
	    bind_text(st, 1, name) && bind_text(st, 2, f->fingerprint) &&
		bind_blob(st, 3, der, nder) && bind_number(st, 4, hash) &&
		bind_blob(st, 5, serial, nserial) &&
		(skid == NULL ||
		    bind_blob(st, 6, ASN1_STRING_get0_data(skid),
			ASN1_STRING_length(skid))) &&
		bind_number(st, 7, f->not_before) &&
		bind_number(st, 8, f->not_after) &&
		bind_number(st, 9, clock_now()),
	    err);
out:
	OPENSSL_free(der);
	free(serial);
	return ok;
}

/* The handle for writing, with its lock held and a transaction begun. */
static bool
begin_write(struct cert_db *db, struct error *err)
{
	if (!db->create)
		return error_perm(err, "%s: opened for reading only",
		    db->path);
	if (!ready(db, err))
		return false;
	if (sqlite3_db_readonly(db->sql, "main") == 1)
		return error_temp(err, "%s: not writable for us", db->path);
	return exec(db, "BEGIN IMMEDIATE", err);
}

static bool
end_write(struct cert_db *db, bool ok, struct error *err)
{
	ok = ok && exec(db, "COMMIT", err);
	if (!ok && db->sql != NULL && sqlite3_get_autocommit(db->sql) == 0)
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	return ok;
}

/* ---- Public functions ---- */

bool
cert_db_add(struct cert_db *db, const char *name, X509 *cert,
    struct error *err)
{
	struct x509_facts *f = NULL;
	bool ok = false;

	if (!check_name(name, err))
		return false;
	f = x509_facts_new(cert);
	pthread_mutex_lock(&db->lock);
	if (begin_write(db, err)) {
		ok = check_conflict(db, name, f, err) &&
		    insert_certificate(db, name, cert, f, err) &&
		    insert_identities(db,
			sqlite3_last_insert_rowid(db->sql), f, err);
		ok = end_write(db, ok, err);
	}
	pthread_mutex_unlock(&db->lock);
	x509_facts_free(f);
	return ok;
}

bool
cert_db_remove(struct cert_db *db, const char *name, bool *found,
    struct error *err)
{
	sqlite3_stmt *st;
	bool ok = false;

	*found = false;
	pthread_mutex_lock(&db->lock);
	if (begin_write(db, err)) {
		st = prepare(db, ST_REMOVE, err);
		ok = st != NULL &&
		    step_once(db, st, bind_text(st, 1, name), err);
		*found = ok && sqlite3_changes(db->sql) > 0;
		ok = end_write(db, ok, err);
	}
	pthread_mutex_unlock(&db->lock);
	return ok;
}

/* `*.` and what stands behind the first label; "" without two labels. */
static char *
wildcard_of(const char *domain)
{
	const char *dot = strchr(domain, '.');

	if (dot == NULL || strchr(dot + 1, '.') == NULL)
		return mem_strdup("");
	return mem_printf("*%s", dot);
}

bool
cert_db_find_address(struct cert_db *db, const struct mailaddr *a,
    struct cert_record **records, size_t *n, struct error *err)
{
	const char *local = a->local == NULL ? "" : a->local;
	const char *domain = a->domain == NULL ? "" : a->domain;
	char *low = lower_copy(local);
	char *wildcard = wildcard_of(domain);
	sqlite3_stmt *st;
	bool ok;

	ok = begin_lookup(db, ST_FIND_ADDRESS, &st, records, n, err);
	/* Nobody's certificate speaks for the null sender or a bare name. */
	if (ok && st != NULL && *local != '\0' && *domain != '\0')
		ok = bind_text(st, 1, domain) && bind_text(st, 2, local) &&
			bind_text(st, 3, low) && bind_text(st, 4, wildcard) ?
		    read_records(db, st, records, n, err) :
		    sql_error(db, err);
	end_lookup(db, st);
	free(low);
	free(wildcard);
	return ok;
}

bool
cert_db_find_fingerprint(struct cert_db *db, const char *sha256_hex,
    struct cert_record **records, size_t *n, struct error *err)
{
	char *hex = lower_copy(sha256_hex);
	sqlite3_stmt *st;
	bool ok;

	ok = begin_lookup(db, ST_FIND_FINGERPRINT, &st, records, n, err);
	if (ok && st != NULL)
		ok = bind_text(st, 1, hex) ?
		    read_records(db, st, records, n, err) :
		    sql_error(db, err);
	end_lookup(db, st);
	free(hex);
	return ok;
}

/* Keeps the records whose issuer really is that name. */
static void
keep_issuer(const X509_NAME *issuer, struct cert_record *records, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		if (X509_NAME_cmp(X509_get_issuer_name(records[i].cert),
			issuer) == 0) {
			records[kept++] = records[i];
		} else {
			X509_free(records[i].cert);
			free(records[i].name);
		}
	}
	*n = kept;
}

bool
cert_db_find_issuer_serial(struct cert_db *db, const X509_NAME *issuer,
    const ASN1_INTEGER *serial, struct cert_record **records, size_t *n,
    struct error *err)
{
	unsigned char *bytes;
	sqlite3_int64 hash;
	sqlite3_stmt *st;
	bool ok, known;
	int nbytes;

	bytes = serial_bytes(serial, &nbytes);
	known = issuer_hash(issuer, &hash);
	ok = begin_lookup(db, ST_FIND_ISSUER_SERIAL, &st, records, n, err);
	if (ok && st != NULL && known)
		ok = bind_blob(st, 1, bytes, nbytes) &&
			bind_number(st, 2, hash) ?
		    read_records(db, st, records, n, err) :
		    sql_error(db, err);
	end_lookup(db, st);
	free(bytes);
	if (ok)
		keep_issuer(issuer, *records, n);
	return ok;
}

bool
cert_db_find_key_id(struct cert_db *db, const ASN1_OCTET_STRING *skid,
    struct cert_record **records, size_t *n, struct error *err)
{
	sqlite3_stmt *st;
	bool ok;

	ok = begin_lookup(db, ST_FIND_KEY_ID, &st, records, n, err);
	if (ok && st != NULL)
		ok = bind_blob(st, 1, ASN1_STRING_get0_data(skid),
			 ASN1_STRING_length(skid)) ?
		    read_records(db, st, records, n, err) :
		    sql_error(db, err);
	end_lookup(db, st);
	return ok;
}

bool
cert_db_find_name(struct cert_db *db, const char *name,
    struct cert_record **records, size_t *n, struct error *err)
{
	sqlite3_stmt *st;
	bool ok;

	ok = begin_lookup(db, ST_FIND_NAME, &st, records, n, err);
	if (ok && st != NULL)
		ok = bind_text(st, 1, name) ?
		    read_records(db, st, records, n, err) :
		    sql_error(db, err);
	end_lookup(db, st);
	return ok;
}

bool
cert_db_list(struct cert_db *db, struct cert_record **records, size_t *n,
    struct error *err)
{
	sqlite3_stmt *st;
	bool ok;

	ok = begin_lookup(db, ST_LIST, &st, records, n, err);
	if (ok && st != NULL)
		ok = read_records(db, st, records, n, err);
	end_lookup(db, st);
	return ok;
}

void
cert_records_free(struct cert_record **records, size_t n)
{
	for (size_t i = 0; *records != NULL && i < n; i++) {
		X509_free((*records)[i].cert);
		free((*records)[i].name);
	}
	free(*records);
	*records = NULL;
}
