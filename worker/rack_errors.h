/*
 * rack.errors: puts, write, <<, flush. Each line goes to the error log as a warning of the app (log.h), at its line
 * break, at flush or at the end of the request; nothing goes to FCGI_STDERR, where front ends log it a second time or,
 * with some, take it for a failure. One object serves an interpreter; the lines carry the app that is running.
 * Server.log of scripts goes the same way, with its own levels.
 */
#ifndef COWHERD_RACK_ERRORS_H
#define COWHERD_RACK_ERRORS_H

#include "rack_exchange.h"

void rack_errors_define(mrb_state *mrb, struct rack *rack);

/* Logs what has no line break yet. */
void rack_errors_flush(struct vm *vm);

#endif
