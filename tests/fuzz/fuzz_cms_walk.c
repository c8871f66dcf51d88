/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever is walked without error has a skeleton that walks to the same
 * counts, content of the length told, and can be attached to.  The
 * skeleton also goes where it is meant to go: into OpenSSL.
 */
#include <stdint.h>
#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "milter-smime/cms_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
add_piece(void *context, const unsigned char *p, size_t n, struct error *err)
{
	size_t *total = context;

	(void)err;
	must(n > 0);
	*total += n;
	must(p[0] + p[n - 1] >= 0); /* readable */
	return true;
}

static void
parse(const struct buf *skeleton)
{
	const unsigned char *p = (const unsigned char *)skeleton->data;
	CMS_ContentInfo *cms =
	    d2i_CMS_ContentInfo(NULL, &p, (long)skeleton->len);

	CMS_ContentInfo_free(cms);
	ERR_clear_error();
}

static void
attach(const struct buf *skeleton)
{
	struct buf head, tail;
	struct cms_walk w;
	struct error err;

	buf_init(&head, 2 * CMS_MAX_SKELETON);
	buf_init(&tail, 2 * CMS_MAX_SKELETON);
	must(cms_walk_attach((const unsigned char *)skeleton->data,
	    skeleton->len, 5, &head, &tail, &err));
	must(buf_append(&head, "abcde", 5));
	must(buf_append(&head, tail.data, tail.len));
	must(cms_walk((const unsigned char *)head.data, head.len, &w, &err));
	must(w.has_content && w.content_len == 5);
	buf_clear(&head);
	buf_clear(&tail);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cms_walk w, again;
	struct buf skeleton;
	struct error err;
	size_t total = 0;

	if (!cms_walk(data, size, &w, &err)) {
		must(err.kind == ERROR_PERM && err.text[0] != '\0');
		return 0;
	}
	must(cms_walk_content(data, &w, add_piece, &total, &err));
	must(total == w.content_len);
	buf_init(&skeleton, 2 * CMS_MAX_SKELETON);
	if (cms_walk_skeleton(data, &w, &skeleton, &err)) {
		must(cms_walk((const unsigned char *)skeleton.data,
		    skeleton.len, &again, &err));
		must(!again.has_content && again.type == w.type &&
		     again.ncertificates == w.ncertificates &&
		     again.ncrls == w.ncrls && again.nsigners == w.nsigners &&
		     again.nrecipients == w.nrecipients - w.nforeign);
		parse(&skeleton);
		if (w.type == CMS_TYPE_SIGNED)
			attach(&skeleton);
	}
	buf_clear(&skeleton);
	return 0;
}
