/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_LDAP_TIME_H
#define COMMON_LDAP_TIME_H

/*
 * Points in time as directories write them.  GeneralizedTime (RFC 4517
 * section 3.3.13) is what filters compare; Active Directory wants it with
 * a fraction, and has attributes that count 100 nanoseconds since 1601
 * (FILETIME).  Servers match nothing, silently, when the form is wrong.
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum ldap_time_form {
	LDAP_TIME_GENERALIZED, /* 20261125051400Z */
	LDAP_TIME_FRACTION,    /* 20261125051400.0Z, Active Directory */
	LDAP_TIME_FILETIME,    /* 134086220400000000 */
	LDAP_TIME_EPOCH,       /* 1795583640 */
};

#define LDAP_TIME_SIZE 32

/* Writes t, from the years 1601 to 9999 (others are brought there). */
void ldap_time_format(
    time_t t, enum ldap_time_form form, char *text, size_t size);

/*
 * Reads GeneralizedTime in all its forms: without seconds or minutes, with
 * a fraction (dropped), with Z or an offset.  A leap second is the second
 * after.  False when it is none, or names a day or hour that is not there.
 */
bool ldap_time_parse(const char *text, size_t n, time_t *t);

/* Reads FILETIME.  0 and the largest number mean never: false. */
bool ldap_time_parse_filetime(const char *text, size_t n, time_t *t);

#endif
