/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repl: a milter that does nothing but keep the body and replace it by
 * itself.  What any milter that changes bodies costs at least, and so the
 * measure of ours.
 *
 *	repl_milter SOCKET
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmilter/mfapi.h>

#define CHUNK 65535

struct body {
	unsigned char *data;
	size_t len, cap;
};

#define NO_REPLIES (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | \
    SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH | \
    SMFIP_NR_BODY)

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	(void)ctx;
	(void)f2;
	(void)f3;
	*pf0 = f0 & SMFIF_CHGBODY;
	*pf1 = f1 & (NO_REPLIES | SMFIP_HDR_LEADSPC | SMFIP_NOUNKNOWN |
	    SMFIP_NOHELO);
	*pf2 = *pf3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *p, size_t n)
{
	struct body *b = smfi_getpriv(ctx);

	if (b == NULL) {
		b = calloc(1, sizeof(*b));
		if (b == NULL)
			abort();
		smfi_setpriv(ctx, b);
	}
	if (b->len + n > b->cap) {
		b->cap = b->cap == 0 ? 4096 : b->cap;
		while (b->cap < b->len + n)
			b->cap *= 2;
		b->data = realloc(b->data, b->cap);
		if (b->data == NULL)
			abort();
	}
	memcpy(b->data + b->len, p, n);
	b->len += n;
	return SMFIS_NOREPLY;
}

static void
forget(SMFICTX *ctx)
{
	struct body *b = smfi_getpriv(ctx);

	if (b != NULL)
		free(b->data);
	free(b);
	smfi_setpriv(ctx, NULL);
}

static sfsistat
on_end_of_message(SMFICTX *ctx)
{
	struct body *b = smfi_getpriv(ctx);

	for (size_t off = 0; b != NULL && off < b->len;) {
		size_t n = b->len - off < CHUNK ? b->len - off : CHUNK;

		if (smfi_replacebody(ctx, b->data + off, (int)n) != MI_SUCCESS)
			return SMFIS_TEMPFAIL;
		off += n;
	}
	forget(ctx);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	forget(ctx);
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	struct smfiDesc description = {
		.xxfi_name = (char *)"repl",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_CHGBODY,
		.xxfi_body = on_body,
		.xxfi_eom = on_end_of_message,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	if (argc != 2 || smfi_setconn(argv[1]) != MI_SUCCESS ||
	    smfi_register(description) != MI_SUCCESS) {
		fprintf(stderr, "usage: repl_milter SOCKET\n");
		return 64;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
