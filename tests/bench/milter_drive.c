/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends one message many times to a milter, as Postfix does (protocol 6,
 * one connection, no replies waited for that it does not ask for), and
 * tells the CPU time the milter's process took for each.
 *
 *	milter_drive [-w N] [-n N] [-a ADDRESS] [-o OUT] SOCKET PID FROM TO
 *	    MESSAGE
 *
 * -w: messages before the clock runs; -o: the message as the milter leaves
 * it.  Prints microseconds of CPU per message.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ACTIONS 0x1ff	/* all that Postfix has */
#define STEPS 0x1fffff	/* and all it can leave out */
#define NR_CONN 0x1000	/* SMFIP_NR_CONN */
#define CHUNK 65535
#define PACKET_MAX (1 << 20)

struct bytes {
	char *data;
	size_t len, cap;
};

struct field {
	char *name, *value;
};

struct drive {
	int fd;
	struct bytes in; /* read, not yet looked at */
	size_t at;
	struct field *fields; /* of the answer, with -o */
	size_t nfields;
	struct bytes body;
	bool keep;
};

static void
add(struct bytes *b, const void *p, size_t n)
{
	if (b->len + n > b->cap) {
		b->cap = 2 * (b->len + n);
		b->data = realloc(b->data, b->cap);
		if (b->data == NULL)
			errx(1, "out of memory");
	}
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

static void
add_packet(struct bytes *b, char command, const void *p, size_t n)
{
	uint32_t size = htonl((uint32_t)n + 1);

	add(b, &size, 4);
	add(b, &command, 1);
	add(b, p, n);
}

/* Strings, each with its NUL, as one packet. */
static void
add_strings(struct bytes *b, char command, const char *first,
    const char *second, const char *third)
{
	struct bytes text = {0};

	if (first != NULL)
		add(&text, first, strlen(first) + (command != 'D'));
	if (second != NULL)
		add(&text, second, strlen(second) + 1);
	if (third != NULL)
		add(&text, third, strlen(third) + 1);
	add_packet(b, command, text.data == NULL ? "" : text.data, text.len);
	free(text.data);
}

static void
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t did = write(fd, p, n);

		if (did <= 0)
			err(1, "write to the milter");
		p += did;
		n -= (size_t)did;
	}
}

/* The next packet: its command; data and n are what follows. */
static char
read_packet(struct drive *d, char **data, size_t *n)
{
	static char block[1 << 18];
	uint32_t size;

	for (;;) {
		size_t have = d->in.len - d->at;

		if (have >= 4) {
			memcpy(&size, d->in.data + d->at, 4);
			size = ntohl(size);
			if (size == 0 || size > PACKET_MAX)
				errx(1, "packet of %u bytes", size);
			if (have >= 4 + (size_t)size)
				break;
		}
		memmove(d->in.data, d->in.data + d->at, have);
		d->in.len = have;
		d->at = 0;
		ssize_t got = read(d->fd, block, sizeof(block));
		if (got <= 0)
			errx(1, "the milter closed the connection");
		add(&d->in, block, (size_t)got);
	}
	*data = d->in.data + d->at + 5;
	*n = size - 1;
	d->at += 4 + (size_t)size;
	return (*data)[-1];
}

static void
open_milter(struct drive *d, const char *path, const char *address)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	uint32_t options[3] = {htonl(6), htonl(ACTIONS), htonl(STEPS)};
	struct bytes out = {0}, client = {0};
	uint32_t steps;
	char *data;
	size_t n;

	if (strlen(path) >= sizeof(sa.sun_path))
		errx(1, "%s: too long", path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	d->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(d->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		err(1, "%s", path);
	add(&d->in, "", 0);
	add_packet(&out, 'O', options, sizeof(options));
	write_all(d->fd, out.data, out.len);
	if (read_packet(d, &data, &n) != 'O' || n < 12)
		errx(1, "no negotiation");
	memcpy(&steps, data + 8, 4);
	out.len = 0;
	add_strings(&out, 'D', "C", "{daemon_name}", "mx");
	add(&client, address, strlen(address) + 1);
	add(&client, "4\x04\xd2", 3);
	add(&client, address, strlen(address) + 1);
	add_packet(&out, 'C', client.data, client.len);
	write_all(d->fd, out.data, out.len);
	if (!(ntohl(steps) & NR_CONN))
		read_packet(d, &data, &n);
	free(client.data);
	free(out.data);
}

/* ---- the message ---- */

static struct bytes
read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	static char block[1 << 18];
	struct bytes b = {0};
	size_t n;

	if (f == NULL)
		err(1, "%s", path);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		add(&b, block, n);
	fclose(f);
	return b;
}

static void
keep_field(struct drive *d, size_t at, const char *name, const char *value)
{
	d->fields = realloc(d->fields, (d->nfields + 1) * sizeof(*d->fields));
	if (d->fields == NULL)
		errx(1, "out of memory");
	memmove(d->fields + at + 1, d->fields + at,
	    (d->nfields - at) * sizeof(*d->fields));
	d->fields[at].name = strdup(name);
	d->fields[at].value = strdup(value);
	d->nfields++;
}

/* Header lines (CRLF) as packets; returns where the body begins. */
static size_t
add_fields(struct drive *d, struct bytes *out, const struct bytes *message)
{
	size_t at = 0;

	while (at < message->len &&
	    strncmp(message->data + at, "\r\n", 2) != 0) {
		const char *p = message->data + at, *end = p;
		struct bytes value = {0};
		char name[200];
		size_t n = strcspn(p, ":");

		do
			end = strstr(end, "\r\n") + 2;
		while (*end == ' ' || *end == '\t');
		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		for (const char *q = p + n + 1; q < end - 2; q++)
			if (*q != '\r')
				add(&value, q, 1);
		add(&value, "", 1);
		add_strings(out, 'L', name, value.data, NULL);
		if (d->keep)
			keep_field(d, d->nfields, name, value.data);
		free(value.data);
		at += (size_t)(end - p);
	}
	return at + 2;
}

/* All packets of one transaction. */
static struct bytes
make_transaction(struct drive *d, const char *from, const char *to,
    struct bytes *message)
{
	struct bytes out = {0};
	size_t at;

	add_strings(&out, 'D', "M", "i", "4F1A2B3C4D");
	add_strings(&out, 'M', from, NULL, NULL);
	add_strings(&out, 'R', to, NULL, NULL);
	add_packet(&out, 'T', "", 0);
	add(message, "", 1); /* for strstr() */
	message->len--;
	at = add_fields(d, &out, message);
	add_packet(&out, 'N', "", 0);
	if (d->keep)
		add(&d->body, message->data + at, message->len - at);
	while (at < message->len) {
		size_t n = message->len - at < CHUNK ? message->len - at :
						       CHUNK;

		add_packet(&out, 'B', message->data + at, n);
		at += n;
	}
	add_strings(&out, 'D', "E", "i", "4F1A2B3C4D");
	add_packet(&out, 'E', "", 0);
	return out;
}

/* ---- the answer ---- */

static size_t
find_field(const struct drive *d, const char *name, uint32_t index)
{
	for (size_t i = 0; i < d->nfields; i++)
		if (strcasecmp(d->fields[i].name, name) == 0 && --index == 0)
			return i;
	return d->nfields;
}

static void
edit(struct drive *d, char command, const char *data)
{
	uint32_t index = 0;
	const char *name = data + (command == 'h' ? 0 : 4), *value;
	size_t at;

	if (command != 'h')
		memcpy(&index, data, 4);
	index = ntohl(index);
	value = name + strlen(name) + 1;
	if (command != 'm') {
		keep_field(d, command == 'h' ? d->nfields : index, name,
		    value);
		return;
	}
	at = find_field(d, name, index);
	if (at == d->nfields) {
		keep_field(d, at, name, value);
	} else if (*value != '\0') {
		d->fields[at].value = strdup(value);
	} else {
		memmove(d->fields + at, d->fields + at + 1,
		    (--d->nfields - at) * sizeof(*d->fields));
	}
}

/* Reads on to the last word; "c" is the good one. */
static void
read_answer(struct drive *d)
{
	bool replaced = false;
	char *data, command;
	size_t n;

	for (;;) {
		command = read_packet(d, &data, &n);
		switch (command) {
		case 'p':
			break;
		case 'b':
			if (!d->keep)
				break;
			if (!replaced)
				d->body.len = 0;
			replaced = true;
			add(&d->body, data, n);
			break;
		case 'm':
		case 'h':
		case 'i':
			if (d->keep)
				edit(d, command, data);
			break;
		case 'e': /* RET=HDRS */
			break;
		case 'c':
			return;
		default:
			errx(1, "the milter answers %c %.*s", command, (int)n,
			    data);
		}
	}
}

static void
write_message(const struct drive *d, const char *path)
{
	FILE *f = fopen(path, "wb");

	if (f == NULL)
		err(1, "%s", path);
	for (size_t i = 0; i < d->nfields; i++) {
		fprintf(f, "%s:", d->fields[i].name);
		for (const char *p = d->fields[i].value; *p != '\0'; p++)
			fprintf(f, "%s%c", *p == '\n' ? "\r" : "", *p);
		fputs("\r\n", f);
	}
	fputs("\r\n", f);
	fwrite(d->body.data, 1, d->body.len, f);
	if (fclose(f) != 0)
		err(1, "%s", path);
}

static double
cpu_of(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) != 0)
		err(1, "the milter's clock");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int
main(int argc, char **argv)
{
	const char *out = NULL, *address = "192.0.2.10";
	struct drive d = {0};
	struct bytes message, transaction;
	int warm = 1, count = 1, c;
	clockid_t clock;
	double began;

	while ((c = getopt(argc, argv, "w:n:a:o:")) != -1) {
		if (c == 'w')
			warm = atoi(optarg);
		else if (c == 'n')
			count = atoi(optarg);
		else if (c == 'a')
			address = optarg;
		else if (c == 'o')
			out = optarg;
		else
			return 64;
	}
	argv += optind;
	if (argc - optind != 5)
		errx(64, "usage: milter_drive [-w N] [-n N] [-a ADDRESS] "
		    "[-o OUT] SOCKET PID FROM TO MESSAGE");
	if (clock_getcpuclockid((pid_t)atoi(argv[1]), &clock) != 0)
		errx(1, "no process %s", argv[1]);
	open_milter(&d, argv[0], address);
	message = read_file(argv[4]);
	d.keep = out != NULL;
	transaction = make_transaction(&d, argv[2], argv[3], &message);
	for (int i = 0; i < warm; i++) {
		write_all(d.fd, transaction.data, transaction.len);
		read_answer(&d);
		if (d.keep) {
			write_message(&d, out);
			return 0;
		}
	}
	began = cpu_of(clock);
	for (int i = 0; i < count; i++) {
		write_all(d.fd, transaction.data, transaction.len);
		read_answer(&d);
	}
	printf("%.3f\n", (cpu_of(clock) - began) / count);
	write_all(d.fd, "\0\0\0\1Q", 5);
	return 0;
}
