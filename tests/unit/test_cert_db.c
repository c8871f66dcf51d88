/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_db.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sqlite3.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tests/unit/tap.h"

static EVP_PKEY *key;
static char *dir;
static char *path; /* of the store, in dir */
static long last_serial;

static void
add_ext(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* not_before is a year; san may be NULL. */
static X509 *
new_cert(const char *san, int not_before)
{
	X509 *cert = X509_new();
	char *from = mem_printf("%d0101000000Z", not_before);
	char *to = mem_printf("%d0101000000Z", not_before + 1);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++last_serial);
	ASN1_TIME_set_string(X509_getm_notBefore(cert), from);
	ASN1_TIME_set_string(X509_getm_notAfter(cert), to);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_UTF8, (const unsigned char *)"Some CA", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_set_pubkey(cert, key);
	if (san != NULL)
		add_ext(cert, NID_subject_alt_name, san);
	add_ext(cert, NID_subject_key_identifier, "hash");
	X509_sign(cert, key, EVP_sha256());
	free(from);
	free(to);
	return cert;
}

static struct cert_db *
open_db(bool create)
{
	struct error err = { ERROR_NONE, "" };
	struct cert_db *db = cert_db_open(path, create, &err);

	if (db == NULL)
		printf("# %s\n", err.text);
	return db;
}

static bool
add(struct cert_db *db, const char *name, const char *san, int not_before)
{
	X509 *cert = new_cert(san, not_before);
	struct error err = { ERROR_NONE, "" };
	bool ok = cert_db_add(db, name, cert, &err);

	if (!ok)
		printf("# %s\n", err.text);
	X509_free(cert);
	return ok;
}

/* Names found for an address, with a blank between; "!" on failure. */
static char *
find(struct cert_db *db, const char *address)
{
	struct cert_record *r = NULL;
	struct mailaddr a;
	struct error err = { ERROR_NONE, "" };
	char *names = mem_strdup("");
	size_t n = 0;

	if (!mailaddr_parse(address, strlen(address), &a, &err))
		return names;
	if (!cert_db_find_address(db, &a, &r, &n, &err)) {
		free(names);
		names = mem_printf("! %s", err.text);
	}
	for (size_t i = 0; i < n; i++) {
		char *more = mem_printf("%s%s%s", names, i == 0 ? "" : " ",
		    r[i].name);

		free(names);
		names = more;
	}
	cert_records_free(&r, n);
	mailaddr_clear(&a);
	return names;
}

static void
check_find(struct cert_db *db, const char *address, const char *want,
    const char *sentence)
{
	char *got = find(db, address);

	check_str(got, want, sentence);
	free(got);
}

static void
test_addresses(void)
{
	struct cert_db *db = open_db(true);
	struct stat st;

	if (!check(db != NULL, "a store is made"))
		return;
	check(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640,
	    "with mode 0640");
	check(add(db, "alice-old", "email:alice@example.com", 2001) &&
		add(db, "alice-new", "email:alice@EXAMPLE.com", 2021) &&
		add(db, "Alice", "email:ALICE@example.com", 2022) &&
		add(db, "gateway", "DNS:example.com", 2023) &&
		add(db, "gateway-old", "DNS:Example.com", 2003) &&
		add(db, "star", "DNS:*.example.com", 2004) &&
		add(db, "both", "email:bob@example.com,DNS:example.com",
		    2005) &&
		add(db, "tld", "DNS:*.com", 2006) &&
		add(db, "nobody", NULL, 2007),
	    "certificates are added");
	check_find(db, "alice@example.com",
	    "alice-new alice-old Alice gateway both gateway-old",
	    "exact address, other case, domain; newest first in each");
	check_find(db, "ALICE@example.com",
	    "Alice alice-new alice-old gateway both gateway-old",
	    "the local part's exact case comes first");
	check_find(db, "bob@example.com", "both gateway gateway-old",
	    "a certificate is listed once");
	check_find(db, "x@mail.example.com", "star",
	    "a star covers one label");
	check_find(db, "x@a.mail.example.com", "", "but not two");
	check_find(db, "x@other.com", "", "nor a whole top-level domain");
	check_find(db, "<>", "", "nobody covers the null sender");
	check_find(db, "alice", "", "nor a bare name");
	check_find(db, "'; DROP TABLE certificates;--@example.com",
	    "", "a hostile local part finds nothing (it is no address)");
	check_find(db, "\"' OR 1=1 --\"@example.net", "",
	    "nor does a quoted one");
	cert_db_close(&db);
	check(db == NULL, "closing forgets the handle");
	cert_db_close(&db);
}

static void
test_other_keys(void)
{
	struct cert_db *db = open_db(false);
	struct cert_record *r, *found;
	struct x509_facts *f;
	ASN1_INTEGER *none = ASN1_INTEGER_new();
	struct error err;
	size_t n, m;
	bool ok;

	ok = cert_db_find_name(db, "alice-new", &r, &n, &err);
	if (!check(ok && n == 1 && strcmp(r->name, "alice-new") == 0,
		"a certificate is found by name"))
		return;
	check(r->added == 1700000000, "with the time it was added");
	f = x509_facts_new(r->cert);
	ok = cert_db_find_fingerprint(db, f->fingerprint, &found, &m, &err);
	check(ok && m == 1 && X509_cmp(found->cert, r->cert) == 0,
	    "and by fingerprint");
	cert_records_free(&found, m);
	ok = cert_db_find_issuer_serial(db, X509_get_issuer_name(r->cert),
	    X509_get0_serialNumber(r->cert), &found, &m, &err);
	check(ok && m == 1 && X509_cmp(found->cert, r->cert) == 0,
	    "and by issuer and serial");
	cert_records_free(&found, m);
	ASN1_INTEGER_set(none, -2);
	ok = cert_db_find_issuer_serial(db, X509_get_issuer_name(r->cert),
	    none, &found, &m, &err);
	check(ok && m == 0 && found == NULL, "a serial nobody has finds none");
	ok = cert_db_find_key_id(db, X509_get0_subject_key_id(r->cert),
	    &found, &m, &err);
	check(ok && m == 9 && strcmp(found->name, "gateway") == 0,
	    "and by key identifier, newest first");
	cert_records_free(&found, m);
	ok = cert_db_find_fingerprint(db, "nonsense", &found, &m, &err);
	check(ok && m == 0 && found == NULL, "nonsense finds none");
	ok = cert_db_list(db, &found, &m, &err);
	check(ok && m == 9 && strcmp(found[0].name, "Alice") == 0 &&
		strcmp(found[8].name, "tld") == 0,
	    "all are listed by name");
	cert_records_free(&found, m);
	cert_records_free(&r, n);
	x509_facts_free(f);
	ASN1_INTEGER_free(none);
	cert_db_close(&db);
}

/* RFC 5280 7.1: case and blanks do not matter. */
static void
test_issuer_form(void)
{
	X509_NAME *name = X509_NAME_new();
	struct cert_db *db = open_db(false);
	struct cert_record *r;
	ASN1_INTEGER *one = ASN1_INTEGER_new();
	struct error err;
	size_t n;
	bool ok;

	X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_PRINTABLESTRING,
	    (const unsigned char *)"SOME  ca", -1, -1, 0);
	ASN1_INTEGER_set(one, 1);
	ok = cert_db_find_issuer_serial(db, name, one, &r, &n, &err);
	check(ok && n == 1, "an issuer in another spelling is the same");
	cert_records_free(&r, n);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
	    (const unsigned char *)"x", -1, -1, 0);
	ok = cert_db_find_issuer_serial(db, name, one, &r, &n, &err);
	check(ok && n == 0, "another issuer is not");
	cert_records_free(&r, n);
	X509_NAME_free(name);
	ASN1_INTEGER_free(one);
	cert_db_close(&db);
}

static void
test_refusals(void)
{
	static const char *const names[] = { "", " a", "a ", "a\nb", "\xff" };
	struct cert_db *db = open_db(true);
	X509 *cert = new_cert(NULL, 2020);
	struct error err;
	bool found;

	check(cert_db_add(db, "once", cert, &err), "a certificate is added");
	check(!cert_db_add(db, "twice", cert, &err) &&
		err.kind == ERROR_PERM && strstr(err.text, "\"once\""),
	    "the same one again is refused and its name told");
	X509_free(cert);
	cert = new_cert(NULL, 2020);
	check(!cert_db_add(db, "once", cert, &err) &&
		err.kind == ERROR_PERM && strstr(err.text, "already"),
	    "a name that is taken is refused");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check(!cert_db_add(db, names[i], cert, &err) &&
			err.kind == ERROR_PERM,
		    "bad name %zu is refused", i + 1);
	check(cert_db_remove(db, "once", &found, &err) && found,
	    "a certificate is removed");
	check(cert_db_remove(db, "once", &found, &err) && !found,
	    "and then not there any more");
	check(cert_db_remove(db, "both", &found, &err) && found,
	    "one with identities is removed");
	check_find(db, "bob@example.com", "gateway gateway-old",
	    "and its identities with it");
	cert_db_close(&db);
	db = open_db(false);
	check(!cert_db_add(db, "reader", cert, &err) &&
		strstr(err.text, "reading only"),
	    "a reader cannot write");
	X509_free(cert);
	cert_db_close(&db);
}

static void
test_comes_and_goes(void)
{
	struct cert_db *reader, *writer;
	char *aside = mem_printf("%s.aside", path);

	rename(path, aside);
	reader = open_db(false);
	if (!check(reader != NULL, "a file that is not there can be opened"))
		return;
	check_find(reader, "alice@example.com", "", "and is empty");
	check(access(path, F_OK) != 0, "reading does not make it");
	close(open(path, O_WRONLY | O_CREAT, 0600));
	check_find(reader, "alice@example.com", "",
	    "nor is a file that is still empty an error");
	unlink(path);
	writer = open_db(true);
	check(add(writer, "late", "email:late@example.com", 2020),
	    "when somebody makes it");
	check_find(reader, "late@example.com", "late", "it is seen");
	rename(aside, path);
	check_find(reader, "late@example.com", "gateway gateway-old",
	    "when a backup takes its place that is seen");
	check(add(writer, "late", "email:late@example.com", 2020),
	    "also by the writer");
	check_find(reader, "late@example.com", "late gateway gateway-old",
	    "who then writes there");
	cert_db_close(&writer);
	cert_db_close(&reader);
	free(aside);
}

/* Runs in a child that may read the file and nothing else. */
static int
read_without_rights(void)
{
	struct cert_db *db;
	char *names;
	int rc;

	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return 2;
	if (access(path, W_OK) == 0 || access(dir, W_OK) == 0)
		return 3;
	db = open_db(false);
	if (db == NULL)
		return 4;
	names = find(db, "late@example.com");
	rc = strcmp(names, "late gateway gateway-old") == 0 ? 0 : 5;
	free(names);
	cert_db_close(&db);
	return rc;
}

static int
run_child(int (*work)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(work());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_read_only(void)
{
	chmod(dir, 0555);
	chmod(path, 0444);
	check(run_child(read_without_rights) == 0,
	    "who may only read the file can look up");
	chmod(path, 0640);
	chmod(dir, 0700);
}

static sqlite3 *
raw_open(void)
{
	sqlite3 *sql = NULL;

	if (sqlite3_open(path, &sql) != SQLITE_OK)
		check(false, "SQLite opens the file");
	return sql;
}

static bool
raw_exec(sqlite3 *sql, const char *text)
{
	return sqlite3_exec(sql, text, NULL, NULL, NULL) == SQLITE_OK;
}

static bool
raw_once(const char *text)
{
	sqlite3 *sql = raw_open();
	bool ok = raw_exec(sql, text);

	sqlite3_close(sql);
	return ok;
}

/* Leaves a journal that must be rolled back. */
static int
die_while_writing(void)
{
	sqlite3 *sql = raw_open();

	raw_exec(sql, "PRAGMA cache_size = 2; PRAGMA cache_spill = 2");
	raw_exec(sql, "BEGIN; DELETE FROM identities; "
		      "UPDATE certificates SET name = name || 'x'");
	return raw_exec(sql, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL "
			     "SELECT i + 1 FROM c WHERE i < 5000) "
			     "INSERT INTO identities SELECT 1, 'd', i, '', '' "
			     "FROM c") ?
	    0 :
	    1;
}

static void
test_killed_writer(void)
{
	struct cert_db *db;
	char *journal = mem_printf("%s-journal", path);

	check(run_child(die_while_writing) == 0 &&
		access(journal, F_OK) == 0,
	    "a writer that dies leaves its journal");
	db = open_db(false);
	check(db != NULL, "the store opens");
	if (db != NULL)
		check_find(db, "late@example.com", "late gateway gateway-old",
		    "and a reader finds what was there before");
	cert_db_close(&db);
	free(journal);
}

static void
test_locked(void)
{
	struct cert_db *db = open_db(false);
	sqlite3 *other = raw_open();
	int64_t start = clock_monotonic_ms();
	char *got;

	check(raw_exec(other, "BEGIN EXCLUSIVE"), "another program locks it");
	got = find(db, "late@example.com");
	check(strncmp(got, "! ", 2) == 0 && strstr(got, "locked") != NULL &&
		strstr(got, path) != NULL,
	    "a lookup says so: %s", got);
	check(clock_monotonic_ms() - start < 4000, "after two seconds");
	free(got);
	raw_exec(other, "ROLLBACK");
	check_find(db, "late@example.com", "late gateway gateway-old",
	    "and works when the lock is gone");
	sqlite3_close(other);
	cert_db_close(&db);
}

static void
check_refused(const char *word, const char *sentence)
{
	struct error err = { ERROR_NONE, "" };

	for (int create = 0; create < 2; create++) {
		struct cert_db *db = cert_db_open(path, create != 0, &err);

		check(db == NULL && err.kind == ERROR_TEMP &&
			strstr(err.text, path) != NULL &&
			strstr(err.text, word) != NULL,
		    "%s: %s", sentence, err.text);
		cert_db_close(&db);
	}
}

static void
write_at(const char *text, off_t at)
{
	int fd = open(path, O_WRONLY);

	if (pwrite(fd, text, strlen(text), at) < 0)
		check(false, "the file can be written");
	close(fd);
}

static void
test_schema(void)
{
	check(raw_once("PRAGMA user_version = 99"), "a file of the future");
	check_refused("newer", "is refused");
	raw_once("PRAGMA user_version = 1; PRAGMA application_id = 7");
	check_refused("not one of ours", "another program's file is refused");
	raw_once("PRAGMA application_id = 1347633988");
}

static void
test_damaged(void)
{
	struct cert_db *db;
	char *got;

	raw_once("UPDATE certificates SET der = zeroblob(300)"
		 " WHERE name = 'late'");
	db = open_db(false);
	got = find(db, "late@example.com");
	check(strstr(got, path) != NULL && strstr(got, "damaged") != NULL,
	    "a damaged certificate is told: %s", got);
	free(got);
	check_find(db, "x@mail.example.com", "star", "the others work");
	cert_db_close(&db);
	write_at("this is no database any more", 0);
	check_refused("backup", "a damaged file is refused");
	unlink(path);
	mkdir(path, 0700);
	check_refused("regular", "a directory is refused");
	rmdir(path);
}

static int
add_fifty(void)
{
	struct cert_db *db = open_db(true);
	char name[64];
	int bad = 0;

	last_serial = 1000L * getpid();
	for (int i = 0; db != NULL && i < 50; i++) {
		snprintf(name, sizeof(name), "c%d-%d", (int)getpid(), i);
		if (!add(db, name, "DNS:example.com", 2020))
			bad = 1;
	}
	bad |= db == NULL;
	cert_db_close(&db);
	return bad;
}

static void
test_many_writers(void)
{
	struct cert_db *db;
	struct cert_record *r = NULL;
	struct error err;
	pid_t pids[4];
	int status, bad = 0;
	size_t n = 0;
	bool ok;

	unlink(path);
	fflush(stdout);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(add_fifty());
	}
	for (int i = 0; i < 4; i++) {
		waitpid(pids[i], &status, 0);
		bad |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
	check(!bad, "four programs make and fill one store at once");
	db = open_db(false);
	ok = cert_db_list(db, &r, &n, &err);
	check(ok && n == 200, "and nothing is lost");
	cert_records_free(&r, n);
	cert_db_close(&db);
}

/* Every lookup is a search of an index, none a scan. */
static void
test_indexed(void)
{
	static const char *const where[] = {
		"certificates c WHERE c.serial = 1 AND c.issuer_hash = 2",
		"certificates c WHERE c.skid = 1",
		"certificates c WHERE c.name = 1",
		"certificates c WHERE c.fingerprint = 1",
		"identities WHERE domain = 1 AND kind = 'a' AND local_lower = 3",
		"identities WHERE domain = 1 AND kind = 'd'",
	};
	sqlite3 *sql = raw_open();

	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		char *text = mem_printf("EXPLAIN QUERY PLAN SELECT * FROM %s",
		    where[i]);
		sqlite3_stmt *st = NULL;
		const char *plan = "";

		sqlite3_prepare_v2(sql, text, -1, &st, NULL);
		if (sqlite3_step(st) == SQLITE_ROW)
			plan = (const char *)sqlite3_column_text(st, 3);
		check(strstr(plan, "SEARCH") != NULL &&
			strstr(plan, "INDEX") != NULL,
		    "lookup %zu uses an index: %s", i + 1, plan);
		sqlite3_finalize(st);
		free(text);
	}
	sqlite3_close(sql);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	clock_set(1700000000);
	key = EVP_EC_gen("P-256");
	dir = mem_printf("%s/cert_db.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL)
		return 1;
	path = mem_printf("%s/keys.db", dir);
	test_addresses();
	test_other_keys();
	test_issuer_form();
	test_refusals();
	test_comes_and_goes();
	test_read_only();
	test_killed_writer();
	test_locked();
	test_schema();
	test_damaged();
	test_many_writers();
	test_indexed();
	unlink(path);
	check(rmdir(dir) == 0, "nothing is left behind");
	free(path);
	free(dir);
	EVP_PKEY_free(key);
	return tap_done();
}
