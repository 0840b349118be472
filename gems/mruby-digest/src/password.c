/* The key that scrypt (RFC 7914) derives of a password. */
#include "digest.h"

#include <openssl/evp.h>

#include <mruby/string.h>

#define KEY_MAX 64

/* scrypt(secret, salt, log2 of N, r, p, length) */
static mrb_value scrypt(mrb_state *mrb, mrb_value self)
{
    unsigned char key[KEY_MAX];
    const char *secret, *salt;
    mrb_int secret_length, salt_length, rounds, r, p, length;

    (void)self;
    mrb_get_args(mrb, "ssiiii", &secret, &secret_length, &salt, &salt_length, &rounds, &r, &p, &length);
    if (rounds < 1 || rounds > 24 || r < 1 || r > 64 || p < 1 || p > 64 || length < 16 || length > KEY_MAX)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "parameters of scrypt are out of bounds");
    uint64_t memory = (uint64_t)128 * (uint64_t)r * (((uint64_t)1 << rounds) + (uint64_t)p + 2) + 65536;
    if (EVP_PBE_scrypt(secret, (size_t)secret_length, (const unsigned char *)salt, (size_t)salt_length,
                       (uint64_t)1 << rounds, (uint64_t)r, (uint64_t)p, memory, key, (size_t)length) != 1)
        mrb_raise(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")),
                  "libcrypto refuses to derive a key (is there enough memory?)");
    return mrb_str_new(mrb, (const char *)key, length);
}

void password_define(mrb_state *mrb)
{
    struct RClass *password = mrb_define_module(mrb, "Password");
    mrb_define_module_function(mrb, password, "__scrypt", scrypt, MRB_ARGS_REQ(6));
}
