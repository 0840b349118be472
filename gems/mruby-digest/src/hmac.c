/* OpenSSL::HMAC. */
#include "digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/string.h>

static void free_context(mrb_state *mrb, void *data)
{
    (void)mrb;
    EVP_MAC_CTX_free(data);
}

static const struct mrb_data_type hmac_type = { "OpenSSL::HMAC", free_context };

static _Noreturn void failed(mrb_state *mrb)
{
    mrb_raise(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "libcrypto refuses this HMAC");
}

static EVP_MAC_CTX *context_of(mrb_state *mrb, mrb_value self)
{
    EVP_MAC_CTX *context = mrb_data_check_get_ptr(mrb, self, &hmac_type);
    if (context == NULL)
        mrb_raise(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "uninitialized HMAC");
    return context;
}

static void set_context(mrb_state *mrb, mrb_value self, EVP_MAC_CTX *context)
{
    if (context == NULL)
        failed(mrb);
    EVP_MAC_CTX_free(mrb_data_check_get_ptr(mrb, self, &hmac_type));
    mrb_data_init(self, context, &hmac_type);
}

/* hmac.start(key, name) */
static mrb_value start(mrb_state *mrb, mrb_value self)
{
    const char *key, *name;
    mrb_int length;

    mrb_get_args(mrb, "sz", &key, &length, &name);
    if (EVP_get_digestbyname(name) == NULL)
        mrb_raisef(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "unsupported digest algorithm (%s).",
                   name);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    set_context(mrb, self, context);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)name, 0),
        OSSL_PARAM_construct_end(),
    };
    /* Without a key it would take the one before. */
    if (EVP_MAC_init(context, (const unsigned char *)(length > 0 ? key : ""), (size_t)length, params) != 1)
        failed(mrb);
    return self;
}

static mrb_value copy(mrb_state *mrb, mrb_value self)
{
    mrb_value other;

    mrb_get_args(mrb, "o", &other);
    if (!mrb_obj_equal(mrb, self, other))
        set_context(mrb, self, EVP_MAC_CTX_dup(context_of(mrb, other)));
    return self;
}

static mrb_value update(mrb_state *mrb, mrb_value self)
{
    const char *bytes;
    mrb_int length;

    mrb_get_args(mrb, "s", &bytes, &length);
    if (EVP_MAC_update(context_of(mrb, self), (const unsigned char *)bytes, (size_t)length) != 1)
        failed(mrb);
    return self;
}

static mrb_value reset(mrb_state *mrb, mrb_value self)
{
    if (EVP_MAC_init(context_of(mrb, self), NULL, 0, NULL) != 1)
        failed(mrb);
    return self;
}

static mrb_value digest(mrb_state *mrb, mrb_value self)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    size_t length = 0;
    EVP_MAC_CTX *branch = EVP_MAC_CTX_dup(context_of(mrb, self));
    int done = branch != NULL && EVP_MAC_final(branch, bytes, &length, sizeof bytes) == 1;

    EVP_MAC_CTX_free(branch);
    if (!done)
        failed(mrb);
    return mrb_str_new(mrb, (const char *)bytes, (mrb_int)length);
}

void hmac_define(mrb_state *mrb)
{
    struct RClass *hmac = mrb_define_class_under(mrb, mrb_module_get(mrb, "OpenSSL"), "HMAC", mrb->object_class);

    MRB_SET_INSTANCE_TT(hmac, MRB_TT_CDATA);
    mrb_define_method(mrb, hmac, "start", start, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, hmac, "initialize_copy", copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, hmac, "update", update, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, hmac, "<<", update, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, hmac, "reset", reset, MRB_ARGS_NONE());
    mrb_define_method(mrb, hmac, "digest", digest, MRB_ARGS_NONE());
}
