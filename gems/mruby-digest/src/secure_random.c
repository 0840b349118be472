/* SecureRandom: getrandom(2) at each call. Nothing is kept, so that no two processes can have the same. */
#include "digest.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include <mruby/error.h>
#include <mruby/string.h>

#define BYTES_DEFAULT 16
#define BYTES_MAX ((mrb_int)64 << 20)

void secure_random_fill(mrb_state *mrb, void *bytes, size_t length)
{
    for (size_t filled = 0; filled < length;) {
        ssize_t count = getrandom((char *)bytes + filled, length - filled, 0);
        if (count == -1 && errno != EINTR)
            mrb_sys_fail(mrb, "getrandom");
        filled += count > 0 ? (size_t)count : 0;
    }
}

static mrb_value random_bytes(mrb_state *mrb, mrb_value self)
{
    mrb_value wanted = mrb_nil_value();

    (void)self;
    mrb_get_args(mrb, "|o", &wanted);
    mrb_int length = mrb_nil_p(wanted) ? BYTES_DEFAULT : mrb_as_int(mrb, wanted);
    if (length < 0)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "negative string size (or size too big)");
    if (length > BYTES_MAX)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "more than %i random bytes", BYTES_MAX);
    mrb_value bytes = mrb_str_new(mrb, NULL, length);
    secure_random_fill(mrb, RSTRING_PTR(bytes), (size_t)length);
    return bytes;
}

/* From 0 to `limit` - 1, each as likely as any other. */
static uint64_t below(mrb_state *mrb, uint64_t limit)
{
    uint64_t number, uneven = (0 - limit) % limit;
    do
        secure_random_fill(mrb, &number, sizeof number);
    while (number < uneven);
    return number % limit;
}

static mrb_value random_below(mrb_state *mrb, mrb_value self)
{
    mrb_int limit;

    (void)self;
    mrb_get_args(mrb, "i", &limit);
    if (limit <= 0)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "limit is not above 0");
    return mrb_int_value(mrb, (mrb_int)below(mrb, (uint64_t)limit));
}

/* From 0 to less than 1, of 53 bits. */
static mrb_value random_float(mrb_state *mrb, mrb_value self)
{
    uint64_t number;

    (void)self;
    secure_random_fill(mrb, &number, sizeof number);
    return mrb_float_value(mrb, (double)(number >> 11) / 9007199254740992.0);
}

void secure_random_define(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "SecureRandom");
    mrb_define_module_function(mrb, module, "random_bytes", random_bytes, MRB_ARGS_OPT(1));
    mrb_define_module_function(mrb, module, "bytes", random_bytes, MRB_ARGS_OPT(1));
    mrb_define_module_function(mrb, module, "__below", random_below, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, module, "__float", random_float, MRB_ARGS_NONE());
}
