/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_check.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/crl_index.h"
#include "tls_directory.h"
#include "tls_log.h"
#include "tls_spool.h"

#define LOGGED_MAX 4 /* lines about one chain, however long */

enum side { SIDE_NONE, SIDE_INBOUND, SIDE_OUTBOUND };

/* Of the process: OpenSSL's hooks come without a place for ours. */
static struct {
	bool started;
	struct tls_section set; /* without its texts */
	struct crl_index *index; /* NULL: could not be opened */
	struct tls_spool *spool; /* NULL: none */
	int mark; /* ex_data of an X509_STORE_CTX: nothing was found */
	X509_STORE_CTX_check_revocation_fn own; /* OpenSSL's own step */
} module;

/* ---- one certificate ---- */

static const char *
side_text(enum side side)
{
	return side == SIDE_INBOUND ? "inbound" : "outbound";
}

static void
log_finding(enum side side, X509 *cert, int depth, const char *what,
    const char *why)
{
	char subject[TLS_LOG_NAME], issuer[TLS_LOG_NAME];
	char serial[TLS_LOG_SERIAL];

	tls_log_name(subject, sizeof(subject), X509_get_subject_name(cert));
	tls_log_name(issuer, sizeof(issuer), X509_get_issuer_name(cert));
	tls_log_serial(serial, sizeof(serial), cert);
	tls_log(TLS_LOG_WARNING,
	    "direction=%s depth=%d status=%s reason=\"%s\" serial=%s "
	    "subject=\"%s\" issuer=\"%s\"",
	    side_text(side), depth, what, why, serial, subject, issuer);
}

static int
error_of(const struct crl_answer *a)
{
	if (a->status == CRL_REVOKED)
		return X509_V_ERR_CERT_REVOKED;
	switch (a->why) {
	case CRL_WHY_STALE:
		return X509_V_ERR_CRL_HAS_EXPIRED;
	case CRL_WHY_NOT_YET:
		return X509_V_ERR_CRL_NOT_YET_VALID;
	case CRL_WHY_SCOPE:
		return X509_V_ERR_DIFFERENT_CRL_SCOPE;
	case CRL_WHY_NOTHING:
	case CRL_WHY_NO_INDEX:
	case CRL_WHY_DAMAGED:
		break;
	}
	return X509_V_ERR_UNABLE_TO_GET_CRL;
}

/* As OpenSSL's own step does; the application says whether to go on. */
static bool
tell_application(X509_STORE_CTX *ctx, X509 *cert, int depth, int error)
{
	X509_STORE_CTX_verify_cb callback = X509_STORE_CTX_get_verify_cb(ctx);

	X509_STORE_CTX_set_error_depth(ctx, depth);
	X509_STORE_CTX_set_current_cert(ctx, cert);
	X509_STORE_CTX_set_error(ctx, error);
	return callback == NULL ? false : callback(0, ctx) != 0;
}

static void
look_up(X509 *cert, X509 *issuer, struct crl_answer *a)
{
	*a = (struct crl_answer){.status = CRL_UNKNOWN,
	    .why = CRL_WHY_NO_INDEX};
	if (module.index != NULL)
		crl_index_check(module.index, cert, issuer,
		    (int64_t)time(NULL), module.set.grace, a);
}

/* ---- the chain ---- */

/* What is known about one chain so far. */
struct walk {
	X509_STORE_CTX *ctx;
	enum side side;
	bool refused; /* an error was told before we came */
	bool unknown; /* logged once */
	bool found;   /* we told one */
	int logged;
};

static bool
judge(struct walk *w, X509 *cert, int depth, const struct crl_answer *a)
{
	if (a->status == CRL_GOOD)
		return true;
	if (a->status == CRL_REVOKED) {
		if (w->logged++ < LOGGED_MAX)
			log_finding(w->side, cert, depth, "revoked",
			    crl_reason_text(a->reason));
	} else {
		/* Strangers with certificates of their own are many. */
		if (!w->refused && !w->unknown)
			log_finding(w->side, cert, depth, "unknown",
			    module.index == NULL
				? "the directory of lists is not open"
				: crl_why_text(a->why));
		w->unknown = true;
		if (!module.set.missing_rejects)
			return true;
	}
	w->found = true;
	return tell_application(w->ctx, cert, depth, error_of(a));
}

/* How many certificates are to be looked up: not what is trusted as such. */
static int
find_end(X509_STORE_CTX *ctx, const STACK_OF(X509) *chain)
{
	int n = sk_X509_num(chain);
	X509 *last = n > 0 ? sk_X509_value(chain, n - 1) : NULL;

	/* A name that is its issuer's is no proof (a bare key is trusted). */
	if (last != NULL && (n > X509_STORE_CTX_get_num_untrusted(ctx) ||
			     X509_self_signed(last, 1) == 1))
		n--;
	return n;
}

static bool
walk_chain(struct walk *w)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(w->ctx);
	int end = find_end(w->ctx, chain);
	struct crl_answer a;
	bool go_on = true;

	for (int i = 0; go_on && i < end; i++) {
		X509 *cert = sk_X509_value(chain, i);

		look_up(cert, sk_X509_value(chain, i + 1), &a);
		go_on = judge(w, cert, i, &a);
	}
	return go_on;
}

/* NONE: not a chain that a peer showed, or one not to be looked at. */
static enum side
find_side(X509_STORE_CTX *ctx)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx,
	    SSL_get_ex_data_X509_STORE_CTX_idx());

	if (ssl == NULL)
		return SIDE_NONE;
	return SSL_is_server(ssl) ? SIDE_INBOUND : SIDE_OUTBOUND;
}

static bool
is_checked(enum side side)
{
	return (side == SIDE_INBOUND && module.set.inbound) ||
	       (side == SIDE_OUTBOUND && module.set.outbound);
}

int
tls_check_chain(X509_STORE_CTX *ctx)
{
	int saved = errno, own = module.own == NULL ? 1 : module.own(ctx);
	struct walk w = {.ctx = ctx, .side = find_side(ctx)};
	bool go_on = true;

	if (own <= 0 || w.side == SIDE_NONE)
		return own;
	/* What we leave in the queue SSL_get_error() would take for its. */
	ERR_set_mark();
	w.refused = X509_STORE_CTX_get_error(ctx) != X509_V_OK;
	if (is_checked(w.side))
		go_on = walk_chain(&w);
	if (w.side == SIDE_INBOUND && module.spool != NULL && !w.refused &&
	    !w.found)
		X509_STORE_CTX_set_ex_data(ctx, module.mark, &module);
	ERR_pop_to_mark();
	errno = saved;
	return go_on;
}

/* ---- when the verification is over ---- */

static void
keep_leaf(X509 *leaf)
{
	switch (tls_spool_add(module.spool, leaf)) {
	case TLS_SPOOL_FULL:
		tls_log(TLS_LOG_WARNING,
		    "the certificate spool is full (%u files); new ones are "
		    "not kept; is its tmpfiles.d age set?",
		    module.set.spool_max);
		break;
	case TLS_SPOOL_FAILED:
		tls_log(TLS_LOG_WARNING,
		    "a certificate could not be put into the spool: %s",
		    errno == 0 ? "no memory" : strerror(errno));
		break;
	case TLS_SPOOL_THERE:
	case TLS_SPOOL_ADDED:
	case TLS_SPOOL_RESTS:
		break;
	}
}

/*
 * What the context says now is what SSL_get_verify_result() will say.  The
 * mark tells that the verification came as far as our step.
 */
static int
finish_chain(X509_STORE_CTX *ctx)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	int saved = errno;

	if (chain != NULL && sk_X509_num(chain) > 0 &&
	    X509_STORE_CTX_get_ex_data(ctx, module.mark) == &module &&
	    X509_STORE_CTX_get_error(ctx) == X509_V_OK) {
		ERR_set_mark();
		keep_leaf(sk_X509_value(chain, 0));
		ERR_pop_to_mark();
	}
	errno = saved;
	return 1;
}

/* ---- the start ---- */

static void
new_store(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int i, long argl,
    void *argp)
{
	(void)ptr;
	(void)ad;
	(void)i;
	(void)argl;
	(void)argp;
	X509_STORE_set_check_revocation(parent, tls_check_chain);
	if (module.spool != NULL)
		X509_STORE_set_cleanup(parent, finish_chain);
}

/* A context without a store has OpenSSL's own. */
static X509_STORE_CTX_check_revocation_fn
find_own(void)
{
	X509_STORE_CTX_check_revocation_fn own = NULL;
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (ctx != NULL && X509_STORE_CTX_init(ctx, NULL, NULL, NULL) == 1)
		own = X509_STORE_CTX_get_check_revocation(ctx);
	X509_STORE_CTX_free(ctx);
	return own;
}

static void
open_directories(const struct tls_section *s)
{
	if (s->directory != NULL)
		module.index =
		    crl_index_open_at(tls_directory_open(s->directory));
	if (module.index == NULL && (s->inbound || s->outbound))
		tls_log(TLS_LOG_WARNING,
		    "directory %.256s: %s: who is revoked is not known here",
		    s->directory == NULL ? "" : s->directory,
		    s->directory == NULL ? "no setting" : strerror(errno));
	if (s->spool == NULL || s->spool_max == 0)
		return;
	module.spool = tls_spool_open(s->spool, s->spool_max);
	if (module.spool == NULL)
		tls_log(TLS_LOG_WARNING,
		    "certificate_spool %.256s: %s: client certificates are "
		    "not kept here", s->spool, strerror(errno));
}

void
tls_check_start(const struct tls_section *section)
{
	if (module.started)
		return;
	module.started = true;
	module.set = *section;
	module.set.directory = module.set.spool = NULL;
	module.own = find_own();
	open_directories(section);
	module.mark = X509_STORE_CTX_get_ex_new_index(0, NULL, NULL, NULL,
	    NULL);
	if (module.mark < 0)
		tls_spool_close(&module.spool);
	if (module.own == NULL ||
	    CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_X509_STORE, 0, NULL,
		new_store, NULL, NULL) < 0)
		tls_log(TLS_LOG_WARNING,
		    "OpenSSL has no memory for us: revocation is not "
		    "checked here");
}
