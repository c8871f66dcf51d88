/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CERT_REPORT_H
#define COMMON_CERT_REPORT_H

/*
 * What `postseal cert` tells of the certificates of the store: list, show,
 * and the answers to --self-check and --status.  Writes to standard
 * output; never a key.
 */

#include <stdbool.h>

#include "common/error.h"
#include "common/settings.h"

enum cert_report_form { CERT_REPORT_TEXT, CERT_REPORT_JSON, CERT_REPORT_PEM };

bool cert_report_list(const struct settings *s, enum cert_report_form form,
    struct error *err) __attribute__((warn_unused_result));

/* PERM when there is no certificate of that name. */
bool cert_report_show(const struct settings *s, const char *name,
    enum cert_report_form form, struct error *err)
    __attribute__((warn_unused_result));

/* JSON. s NULL: the settings could not be read, err says why. */
void cert_report_self_check(const struct settings *s, struct error *err);

/* JSON. */
bool cert_report_status(const struct settings *s, struct error *err)
    __attribute__((warn_unused_result));

#endif
