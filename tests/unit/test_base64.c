/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/base64.h"

#include <openssl/evp.h>

#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tap.h"

static size_t
decode(const char *text, unsigned char *out, struct base64_decoder *d)
{
	memset(d, 0, sizeof(*d));
	return base64_decode(d, text, strlen(text), out);
}

static void
check_decode(const char *text, const char *want, bool garbage, const char *name)
{
	unsigned char out[256];
	struct base64_decoder d;
	size_t n = decode(text, out, &d);

	check(n == strlen(want) && memcmp(out, want, n) == 0 &&
		  d.garbage == garbage,
	    "%s", name);
}

static void
test_decode(void)
{
	struct base64_decoder d;
	unsigned char out[64];
	size_t n;

	check_decode("", "", false, "nothing decodes to nothing");
	check_decode("Zg==", "f", false, "one byte has two pads");
	check_decode("Zm8=", "fo", false, "two bytes have one pad");
	check_decode("Zm9v", "foo", false, "three bytes have no pad");
	check_decode("Zm9vYmFy", "foobar", false, "two quads join");
	check_decode("Zm9vYg", "foob", false, "missing pads lose nothing");
	check_decode(
	    "Zm9v\r\nYmFy\r\n", "foobar", false, "line ends are skipped");
	check_decode("Z m\t9\nvY\r\nmFy", "foobar", false,
	    "blanks inside a quad are skipped");
	check_decode("Zm9v!Ym*Fy", "foobar", true,
	    "bytes outside the alphabet are skipped and reported");
	check_decode("Zm9v\xc3\xa4YmFy", "foobar", true,
	    "bytes above 127 are skipped and reported");
	check_decode("Zm8=Zm9v", "fo", false, "what follows a pad is ignored");
	check_decode(
	    "Zg==\r\n--x--!", "f", false, "garbage behind a pad is ignored");
	check_decode("====", "", false, "pads alone decode to nothing");
	check_decode("+/+/", "\xfb\xff\xbf", false,
	    "the last two of the alphabet count");
	check_decode("-_-_Zm9v", "foo", true, "the URL alphabet is not ours");

	memset(&d, 0, sizeof(d));
	n = base64_decode(&d, "Zm9vYg=", 7, out);
	n += base64_decode(&d, "=\r\n", 3, out + n);
	check(n == 4 && memcmp(out, "foob", 4) == 0 && !d.garbage,
	    "a stream may be cut between pads");
}

static size_t
encode_into(char *out, const unsigned char *in, size_t n, size_t step)
{
	struct base64_encoder e = {.nrest = 0};
	char *at = out;

	for (size_t i = 0; i < n; i += step)
		at +=
		    base64_encode(&e, in + i, n - i < step ? n - i : step, at);
	at += base64_encode_end(&e, at);
	return (size_t)(at - out);
}

static char *
encode(const unsigned char *in, size_t n, size_t step, size_t *len)
{
	char *out = mem_alloc(BASE64_ENCODED_MAX(n) + 78);

	*len = encode_into(out, in, n, step);
	return out;
}

/* What OpenSSL writes, cut in lines. */
static size_t
encode_slowly(char *out, const unsigned char *in, size_t n)
{
	char *at = out;

	for (size_t i = 0; i < n; i += 57) {
		int part = n - i < 57 ? (int)(n - i) : 57;

		at += EVP_EncodeBlock((unsigned char *)at, in + i, part);
		*at++ = '\r';
		*at++ = '\n';
	}
	return (size_t)(at - out);
}

static void
fill(unsigned char *p, size_t n)
{
	unsigned x = 12345;

	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		p[i] = (unsigned char)(x >> 16);
	}
}

static bool
same_as_openssl(const unsigned char *in, size_t n, size_t step)
{
	size_t len, want_len;
	char *got = encode(in, n, step, &len);
	char *want = mem_alloc(BASE64_ENCODED_MAX(n) + 78);
	bool same;

	want_len = encode_slowly(want, in, n);
	same = len == want_len && memcmp(got, want, len) == 0;

	same = same && len <= BASE64_ENCODED_MAX(n);
	free(got);
	free(want);
	return same;
}

/* Decodes in pieces of step characters into exactly what is promised. */
static bool
comes_back(const unsigned char *in, size_t n, size_t step)
{
	struct base64_decoder d = {.bits = 0};
	size_t len, got = 0;
	char *text = encode(in, n, n + 1, &len);
	unsigned char *back = mem_alloc(n + 4);
	bool same = true;

	for (size_t i = 0; i < len; i += step) {
		size_t now = len - i < step ? len - i : step;
		unsigned char *piece = mem_alloc(now * 3 / 4 + 3);
		size_t m = base64_decode(&d, text + i, now, piece);

		same = same && got + m <= n;
		if (same)
			memcpy(back + got, piece, m);
		got += m;
		free(piece);
	}
	same = same && got == n && memcmp(back, in, n) == 0 && !d.garbage;
	free(text);
	free(back);
	return same;
}

static void
test_round_trip(void)
{
	unsigned char in[600];
	bool same = true, back = true;

	fill(in, sizeof(in));
	for (size_t n = 0; n <= 200; n++)
		same = same && same_as_openssl(in, n, n + 1);
	check(same, "every length to 200 is encoded as OpenSSL does");
	same = true;
	for (size_t step = 1; step <= 130; step++)
		same = same && same_as_openssl(in, sizeof(in), step);
	check(same, "pieces of every length to 130 give the same lines");
	for (size_t n = 0; n <= 200; n++)
		back = back && comes_back(in, n, 4096);
	check(back, "every length to 200 comes back");
	back = true;
	for (size_t step = 1; step <= 170; step++)
		back = back && comes_back(in, sizeof(in), step);
	check(back, "it comes back in pieces of every length to 170");
}

static double
encode_rate(const unsigned char *in, size_t n, bool ours)
{
	char *out = mem_alloc(BASE64_ENCODED_MAX(n));
	int64_t start, spent;
	size_t rounds = 0;

	start = clock_monotonic_ms();
	do {
		if (ours)
			encode_into(out, in, n, 65536);
		else
			encode_slowly(out, in, n);
		rounds++;
		spent = clock_monotonic_ms() - start;
	} while (spent < 200);
	free(out);
	return (double)rounds * (double)n / 1e3 / (double)spent;
}

static double
decode_rate(const char *text, size_t n, bool ours)
{
	unsigned char *out = mem_alloc(n);
	int64_t start, spent;
	size_t rounds = 0;

	start = clock_monotonic_ms();
	do {
		struct base64_decoder d = {.bits = 0};

		if (ours) {
			base64_decode(&d, text, n, out);
		} else {
			EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
			int len;

			EVP_DecodeInit(ctx);
			EVP_DecodeUpdate(ctx, out, &len,
			    (const unsigned char *)text, (int)n);
			EVP_ENCODE_CTX_free(ctx);
		}
		rounds++;
		spent = clock_monotonic_ms() - start;
	} while (spent < 200);
	free(out);
	return (double)rounds * (double)n / 1e3 / (double)spent;
}

/*
 * Figures for the reader; only a loss of an order of magnitude fails, as
 * sanitizer builds and busy machines must pass.
 */
static void
test_speed(void)
{
	size_t n = 1 << 20, len;
	unsigned char *in = mem_alloc(n);
	double ours, theirs;
	char *text;

	fill(in, n);
	text = encode(in, n, n, &len);
	ours = encode_rate(in, n, true);
	theirs = encode_rate(in, n, false);
	printf(
	    "# encode: %.0f MB/s, EVP_EncodeBlock %.0f MB/s\n", ours, theirs);
	check(ours > theirs / 20, "encoding keeps up with OpenSSL");
	ours = decode_rate(text, len, true);
	theirs = decode_rate(text, len, false);
	printf(
	    "# decode: %.0f MB/s, EVP_DecodeUpdate %.0f MB/s\n", ours, theirs);
	check(ours > theirs / 4, "decoding outruns EVP_DecodeUpdate");
	free(text);
	free(in);
}

int
main(void)
{
	test_decode();
	test_round_trip();
	test_speed();
	return tap_done();
}
