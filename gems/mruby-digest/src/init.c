#include "digest.h"

void mrb_mruby_digest_gem_init(mrb_state *mrb);
void mrb_mruby_digest_gem_final(mrb_state *mrb);

void mrb_mruby_digest_gem_init(mrb_state *mrb)
{
    digest_define(mrb);
    hmac_define(mrb);
    base64_define(mrb);
    secure_random_define(mrb);
    password_define(mrb);
}

void mrb_mruby_digest_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
