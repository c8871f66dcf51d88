/* SPDX-License-Identifier: BSD-2-Clause */
#include "bundles.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/pem_file.h"
#include "common/shared_settings.h"
#include "crl_settings.h"

#define AUTHORITIES_MAX (16 << 20)
#define STEP 65536

/* One of them on its way. */
struct bundle {
	const char *path;
	struct buf before;
	bool had_failed;
};

/* Is there a file that starts with this text? */
static bool
starts_with(const char *path, const struct buf *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char step[STEP];
	size_t at = 0, want;
	ssize_t n;

	if (fd < 0)
		return false;
	while (at < text->len) {
		want = text->len - at < STEP ? text->len - at : STEP;
		n = read(fd, step, want);
		if (n <= 0 || memcmp(step, text->data + at, (size_t)n) != 0)
			break;
		at += (size_t)n;
	}
	close(fd);
	return at == text->len;
}

/* The last line of a file need not have an end; in a bundle it must. */
static bool
read_authorities(const char *path, struct buf *to, struct error *err)
{
	if (!pem_file_read(path, NULL, to, err))
		return false;
	return to->len == 0 || to->data[to->len - 1] == '\n' ||
		       buf_putc(to, '\n')
		   ? true
		   : error_perm(err, "%s: too large", path);
}

static bool
write_one(const struct bundles *b, struct bundle *one, const char *cas,
    bool *written, struct error *err)
{
	if (cas != NULL && !read_authorities(cas, &one->before, err))
		return false;
	if (!b->crls_changed && !one->had_failed &&
	    starts_with(one->path, &one->before))
		return true;
	if (!publish_bundle(b->publish, one->path, &one->before, err))
		return false;
	*written = true;
	return true;
}

static bool
write_bundle(const struct bundles *b, const char *path, const char *cas,
    const struct strvec *failed, bool *written, struct strvec *lines)
{
	struct bundle one = {.path = path,
		.had_failed = path != NULL && strvec_has(failed, path)};
	struct error err;
	bool ok;

	if (path == NULL)
		return true;
	buf_init(&one.before, AUTHORITIES_MAX);
	ok = write_one(b, &one, cas, written, &err);
	buf_clear(&one.before);
	if (ok)
		return true;
	log_error("bundle %s: %s", path, err.text);
	strvec_add(b->failed, path);
	if (!one.had_failed)
		strvec_take(lines,
		    mem_printf("bundle %s: %s", path, err.text));
	return false;
}

bool
bundles_write(const struct bundles *b, bool *written, struct strvec *lines)
{
	const struct crl_fetcher_settings *own =
	    settings_get(b->settings, "crl-fetcher");
	const struct crl_check_settings *check =
	    settings_get(b->settings, "crl-check");
	const struct ca_list_settings *lists =
	    settings_get(b->settings, "ca-list");
	struct strvec failed = *b->failed;
	bool ok;

	*written = false;
	*b->failed = (struct strvec){.n = 0};
	ok = write_bundle(b, own->bundle_crls, NULL, &failed, written, lines);
	ok = write_bundle(b, own->bundle_ca_crls, lists->custom_file, &failed,
		 written, lines) && ok;
	if (check->ldap_tls)
		ok = write_bundle(b, own->bundle_ldap, NULL, &failed, written,
			 lines) && ok;
	strvec_clear(&failed);
	return ok;
}
