/* Digest::Base: libcrypto's digests. Its subclasses say which by their constant NAME. */
#include "digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/string.h>
#include <mruby/variable.h>

static void free_context(mrb_state *mrb, void *data)
{
    (void)mrb;
    EVP_MD_CTX_free(data);
}

static const struct mrb_data_type digest_type = { "Digest", free_context };

static _Noreturn void failed(mrb_state *mrb)
{
    mrb_raise(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "libcrypto refuses this digest");
}

static EVP_MD_CTX *context_of(mrb_state *mrb, mrb_value self)
{
    EVP_MD_CTX *context = mrb_data_check_get_ptr(mrb, self, &digest_type);
    if (context == NULL)
        mrb_raise(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "uninitialized digest");
    return context;
}

static EVP_MD_CTX *replace_context(mrb_state *mrb, mrb_value self)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL)
        mrb_exc_raise(mrb, mrb_obj_value(mrb->nomem_err));
    EVP_MD_CTX_free(mrb_data_check_get_ptr(mrb, self, &digest_type));
    mrb_data_init(self, context, &digest_type);
    return context;
}

/* digest.start(name) */
static mrb_value start(mrb_state *mrb, mrb_value self)
{
    const char *name;

    mrb_get_args(mrb, "z", &name);
    const EVP_MD *algorithm = EVP_get_digestbyname(name);
    if (algorithm == NULL)
        mrb_raisef(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "unsupported digest algorithm (%s).",
                   name);
    if (EVP_DigestInit_ex(replace_context(mrb, self), algorithm, NULL) != 1)
        failed(mrb);
    return self;
}

static mrb_value copy(mrb_state *mrb, mrb_value self)
{
    mrb_value other;

    mrb_get_args(mrb, "o", &other);
    if (mrb_obj_equal(mrb, self, other))
        return self;
    const EVP_MD_CTX *original = context_of(mrb, other);
    if (EVP_MD_CTX_copy_ex(replace_context(mrb, self), original) != 1)
        failed(mrb);
    return self;
}

static mrb_value update(mrb_state *mrb, mrb_value self)
{
    const char *bytes;
    mrb_int length;

    mrb_get_args(mrb, "s", &bytes, &length);
    if (EVP_DigestUpdate(context_of(mrb, self), bytes, (size_t)length) != 1)
        failed(mrb);
    return self;
}

static mrb_value reset(mrb_state *mrb, mrb_value self)
{
    if (EVP_DigestInit_ex(context_of(mrb, self), NULL, NULL) != 1)
        failed(mrb);
    return self;
}

/* The digest of what has come so far; more may follow. */
static mrb_value finish(mrb_state *mrb, mrb_value self)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const EVP_MD_CTX *context = context_of(mrb, self);
    EVP_MD_CTX *branch = EVP_MD_CTX_new();
    int done =
        branch != NULL && EVP_MD_CTX_copy_ex(branch, context) == 1 && EVP_DigestFinal_ex(branch, bytes, &length) == 1;

    EVP_MD_CTX_free(branch);
    if (!done)
        failed(mrb);
    return mrb_str_new(mrb, (const char *)bytes, length);
}

static mrb_value digest_length(mrb_state *mrb, mrb_value self)
{
    return mrb_fixnum_value(EVP_MD_CTX_size(context_of(mrb, self)));
}

static mrb_value block_length(mrb_state *mrb, mrb_value self)
{
    return mrb_fixnum_value(EVP_MD_CTX_block_size(context_of(mrb, self)));
}

static mrb_value hexencode(mrb_state *mrb, mrb_value self)
{
    static const char digits[] = "0123456789abcdef";
    const char *bytes;
    mrb_int length;

    (void)self;
    mrb_get_args(mrb, "s", &bytes, &length);
    if (length > MRB_INT_MAX / 4)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string is too long");
    mrb_value text = mrb_str_new(mrb, NULL, 2 * length);
    for (mrb_int i = 0; i < length; i++) {
        RSTRING_PTR(text)[2 * i] = digits[(unsigned char)bytes[i] >> 4];
        RSTRING_PTR(text)[2 * i + 1] = digits[bytes[i] & 15];
    }
    return text;
}

static mrb_value fixed_length_secure_compare(mrb_state *mrb, mrb_value self)
{
    const char *one, *other;
    mrb_int length, other_length;

    (void)self;
    mrb_get_args(mrb, "ss", &one, &length, &other, &other_length);
    if (length != other_length)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "inputs must be of equal length");
    return mrb_bool_value(CRYPTO_memcmp(one, other, (size_t)length) == 0);
}

void digest_define(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "Digest");
    struct RClass *base = mrb_define_class_under(mrb, module, "Base", mrb->object_class);
    struct RClass *openssl = mrb_define_module(mrb, "OpenSSL");

    /* What libcrypto sets up at its first use is so set up before the fork, and shared. */
    EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
    MRB_SET_INSTANCE_TT(base, MRB_TT_CDATA);
    mrb_define_method(mrb, base, "start", start, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, base, "initialize_copy", copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, base, "update", update, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, base, "<<", update, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, base, "reset", reset, MRB_ARGS_NONE());
    mrb_define_method(mrb, base, "finish", finish, MRB_ARGS_NONE());
    mrb_define_method(mrb, base, "digest_length", digest_length, MRB_ARGS_NONE());
    mrb_define_method(mrb, base, "block_length", block_length, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, module, "hexencode", hexencode, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, openssl, "fixed_length_secure_compare", fixed_length_secure_compare,
                               MRB_ARGS_REQ(2));
}
