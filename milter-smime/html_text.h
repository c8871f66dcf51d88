/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HTML_TEXT_H
#define MILTER_SMIME_HTML_TEXT_H

/*
 * HTML as a reader sees it, for searching: `con<b></b>fidential` and
 * `confi&shy;dential` are one word.  Tags are cut as browsers cut them
 * (HTML Living Standard 13.2.5), in one pass; what they leave open at the
 * end of the text is gone.
 *
 * - Block elements and <br> become one LF, table cells a blank, all other
 *   tags nothing.  Attributes are no text.
 * - Comments are gone.  What stands in a conditional one
 *   (`<!--[if mso]>`) Outlook shows and others do not; so with CDATA.
 * - <script>, <style>, <title>, and what browsers show instead of
 *   <iframe> and <noframes>, are gone with their content.
 * - Character references are decoded.
 * - Runs of blanks of any kind, no-break ones too, are one blank; outside
 *   <pre> so are line ends.
 * - What is not seen is gone (visible_text.h).
 * - What style sheets hide, or move, stands there all the same.
 *
 * UTF-8; other bytes pass as they are.  Hostile.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "spool.h"

/* outlook: with the content of conditional comments and CDATA. */
bool html_text_write(const char *p, size_t n, bool outlook,
    struct spool *out, struct error *err)
    __attribute__((warn_unused_result));

/* Are there any, so that the two differ? */
bool html_text_has_conditions(const char *p, size_t n);

/*
 * The charset that a <meta> element near the start says, with or without
 * http-equiv; false when none.
 */
bool html_text_charset(const char *p, size_t n, struct buf *out);

#endif
