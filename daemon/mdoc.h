/* Text in a manual page, written in mdoc(7). Pure. */
#ifndef COWHERD_MDOC_H
#define COWHERD_MDOC_H

#include "strbuf.h"

/*
 * Appends `text` and a line break: a sentence a line, folded at 80 columns, what stands between backticks in bold, and
 * nothing of it taken for a request.
 */
void mdoc_text(const char *text, struct strbuf *out);

#endif
