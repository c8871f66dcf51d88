/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HEADER_POLICY_H
#define MILTER_SMIME_HEADER_POLICY_H

/*
 * Header Confidentiality Policies (RFC 9788 3): what an encrypted message
 * shows outside of a header field that it holds inside.  Pure.  The values
 * are our users', not to be trusted to be well-formed: one that cannot be
 * read is shown as it is, as the RFC says.
 */

#include "common/buf.h"
#include "smime_settings.h"

enum header_show {
	SHOW_SAME,  /* outside as inside */
	SHOW_OTHER, /* another value */
	SHOW_NONE,  /* no such field outside */
};

/*
 * hcp_baseline, hcp_shy and hcp_no_confidentiality of RFC 9788 3.2.
 * Thread-Topic, in which Outlook writes the subject again, is removed where
 * the subject is hidden.  value is as in struct header; the other value,
 * which is ASCII, is appended to out the same way.
 */
enum header_show header_policy(enum header_confidentiality policy,
    const char *name, const char *value, struct buf *out);

#endif
