/* What the parts of this gem define, each in a file of its own. */
#ifndef MRUBY_DIGEST_DIGEST_H
#define MRUBY_DIGEST_DIGEST_H

#include <mruby.h>

void digest_define(mrb_state *mrb);
void hmac_define(mrb_state *mrb);
void base64_define(mrb_state *mrb);
void secure_random_define(mrb_state *mrb);
void password_define(mrb_state *mrb);

/* Base64 in the common alphabet, or in that for URLs, with padding or without. */
mrb_value base64_encode(mrb_state *mrb, const unsigned char *bytes, mrb_int length, mrb_bool url, mrb_bool padding);

/* Bytes of the system, fit for secrets. */
void secure_random_fill(mrb_state *mrb, void *bytes, size_t length);

#endif
