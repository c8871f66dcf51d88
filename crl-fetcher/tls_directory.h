/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_DIRECTORY_H
#define CRL_FETCHER_TLS_DIRECTORY_H

/*
 * Opens a directory for a process that will be chrooted.  A plain open
 * directory would be a way out of the jail: openat(2) with `..` goes up
 * from it.  So where the system lets us (Linux 5.2, CAP_SYS_ADMIN, which
 * Postfix has before its chroot) it is a mount of its own, which nothing
 * stands above.
 *
 * -1 and errno: it cannot be opened.
 */
int tls_directory_open(const char *path);

#endif
