/* One warm-up request and what is answered to it: pure, no I/O. */
#ifndef COWHERD_WARM_UP_EXCHANGE_H
#define COWHERD_WARM_UP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "strbuf.h"

/* The first app of the pool whose path is a prefix of the one of `uri` (which may have a query). NULL: none. */
const struct config_app *warm_up_app(const struct config_pool *pool, const char *uri);

/* A host that the app answers for: its own, one below "*.suffix", or localhost. Free it. */
char *warm_up_host(const struct config_app *app);

/* Appends the records of a GET, as a front end would send them. */
void warm_up_request(const struct config_app *app, const char *uri, struct strbuf *out);

struct warm_up_answer {
    struct strbuf bytes; /* received and not yet looked at */
    struct strbuf head;  /* the answer's, as far as it is of interest */
    bool head_ended;
    bool ended;  /* the answer is complete */
    bool failed; /* it is no answer: not FastCGI, or refused */
};

/* Takes what has come. */
void warm_up_answer_take(struct warm_up_answer *answer, const void *bytes, size_t length);
/* The status of one that has ended; 200 where it names none. */
int warm_up_answer_status(const struct warm_up_answer *answer);
void warm_up_answer_free(struct warm_up_answer *answer);

#endif
