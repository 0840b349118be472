/* What the methods of ENV stand on (mrblib/env.rb): the environment of the process itself, never a copy. */
#include "parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mruby/array.h>
#include <mruby/error.h>
#include <mruby/string.h>

extern char **environ;

static const char *checked(mrb_state *mrb, mrb_value text, const char *what)
{
    mrb_ensure_string_type(mrb, text);
    if (memchr(RSTRING_PTR(text), '\0', (size_t)RSTRING_LEN(text)) != NULL)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "bad environment variable %s: contains null byte", what);
    return RSTRING_CSTR(mrb, text);
}

static mrb_value frozen(mrb_state *mrb, const char *text, size_t length)
{
    return mrb_obj_freeze(mrb, mrb_str_new(mrb, text, (mrb_int)length));
}

static mrb_value env_get(mrb_state *mrb, mrb_value self)
{
    mrb_value name;

    (void)self;
    mrb_get_args(mrb, "o", &name);
    const char *value = getenv(checked(mrb, name, "name"));
    return value != NULL ? frozen(mrb, value, strlen(value)) : mrb_nil_value();
}

static mrb_value env_set(mrb_state *mrb, mrb_value self)
{
    mrb_value name, value;

    (void)self;
    mrb_get_args(mrb, "oo", &name, &value);
    const char *name_text = checked(mrb, name, "name");
    if (mrb_nil_p(value)) {
        /* A name that can't be has no value either. */
        if (unsetenv(name_text) == -1 && errno != EINVAL)
            mrb_sys_fail(mrb, "unsetenv");
    } else if (setenv(name_text, checked(mrb, value, "value"), 1) == -1) {
        mrb_sys_fail(mrb, RSTRING_CSTR(mrb, mrb_format(mrb, "setenv(%v)", name)));
    }
    return value;
}

/* [[name, value], ...] */
static mrb_value env_pairs(mrb_state *mrb, mrb_value self)
{
    mrb_value pairs = mrb_ary_new(mrb);
    int arena = mrb_gc_arena_save(mrb);

    (void)self;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        if (equals == NULL)
            continue;
        mrb_value name = frozen(mrb, *entry, (size_t)(equals - *entry));
        mrb_ary_push(mrb, pairs, mrb_assoc_new(mrb, name, frozen(mrb, equals + 1, strlen(equals + 1))));
        mrb_gc_arena_restore(mrb, arena);
    }
    return pairs;
}

void environment_define(mrb_state *mrb)
{
    mrb_value env = mrb_obj_new(mrb, mrb->object_class, 0, NULL);
    struct RObject *object = mrb_obj_ptr(env);

    mrb_define_singleton_method(mrb, object, "[]", env_get, MRB_ARGS_REQ(1));
    mrb_define_singleton_method(mrb, object, "[]=", env_set, MRB_ARGS_REQ(2));
    mrb_define_singleton_method(mrb, object, "store", env_set, MRB_ARGS_REQ(2));
    mrb_define_singleton_method(mrb, object, "to_a", env_pairs, MRB_ARGS_NONE());
    mrb_define_global_const(mrb, "ENV", env);
}
