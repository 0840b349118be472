/*
 * What a developer's browser is shown of an exception: its message, the source around the line that raised it, the
 * backtrace. Plain text is for everybody else (answer.h).
 */
#ifndef COWHERD_ERROR_PAGE_H
#define COWHERD_ERROR_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "request.h"
#include "strbuf.h"

/* The client names text/html among the types that it accepts, and not with q=0. */
bool error_page_wanted(const char *accept);

/*
 * Appends the page. `text` is what vm_describe_exception wrote, whose backtrace begins at `backtrace`. The source is
 * that of the first absolute path in the backtrace (of a SyntaxError: in its message) which ends in .rb or .ru and can
 * be read. Everything is escaped; of the file at most 1 MiB is looked at and 11 lines are shown.
 */
void error_page_append(struct strbuf *page, int status, const char *text, size_t backtrace);

/* Appends text for HTML: what could be markup, and control bytes, escaped. */
void error_page_escape(struct strbuf *page, const char *text, size_t length);

/* Answers with the page. */
void error_page_answer(struct request *request, int status, const char *text, size_t backtrace);

#endif
