#include "references.h"

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/proc.h>
#include <mruby/range.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include <mruby/internal.h>

#include "hash_layout.h"

struct visitor {
    uintptr_t start; /* of those that are passed over */
    uintptr_t length;
    void (*visit)(mrb_state *mrb, struct RBasic *child, void *data);
    void *data;
};

static void visit_object(mrb_state *mrb, const struct visitor *visitor, const void *child)
{
    if (child != NULL && (uintptr_t)child - visitor->start >= visitor->length)
        visitor->visit(mrb, (struct RBasic *)child, visitor->data);
}

static void visit_value(mrb_state *mrb, const struct visitor *visitor, mrb_value value)
{
    if (!mrb_immediate_p(value))
        visit_object(mrb, visitor, mrb_basic_ptr(value));
}

static void visit_values(mrb_state *mrb, const struct visitor *visitor, const mrb_value *values, mrb_int count)
{
    for (mrb_int i = 0; i < count; i++)
        visit_value(mrb, visitor, values[i]);
}

static int visit_variable(mrb_state *mrb, mrb_sym name, mrb_value value, void *data)
{
    (void)name;
    visit_value(mrb, data, value);
    return 0;
}

#ifdef MRB_64BIT

/* mrb_hash_foreach takes ten times as long: a collection can have to look at a large one. */
static void visit_entries(mrb_state *mrb, struct visitor *visitor, struct RHash *hash)
{
    const struct hash_entry *entry = hash_entries(hash);

    /* ea_n_used says 0 while Hash#rehash calls the keys' methods; size is right. */
    for (uint32_t left = hash->size; left > 0; entry++) {
        if (mrb_undef_p(entry->key))
            continue;
        left--;
        visit_value(mrb, visitor, entry->key);
        visit_value(mrb, visitor, entry->value);
    }
}

#else

static int visit_entry(mrb_state *mrb, mrb_value key, mrb_value value, void *data)
{
    visit_value(mrb, data, key);
    visit_value(mrb, data, value);
    return 0;
}

static void visit_entries(mrb_state *mrb, struct visitor *visitor, struct RHash *hash)
{
    mrb_hash_foreach(mrb, hash, visit_entry, visitor);
}

#endif

static int visit_method(mrb_state *mrb, mrb_sym name, mrb_method_t method, void *data)
{
    (void)name;
    if (MRB_METHOD_PROC_P(method))
        visit_object(mrb, data, MRB_METHOD_PROC(method));
    return 0;
}

static void visit_variables(mrb_state *mrb, struct visitor *visitor, struct RBasic *object)
{
    mrb_iv_foreach(mrb, mrb_obj_value(object), visit_variable, visitor);
}

static void visit_environment(mrb_state *mrb, const struct visitor *visitor, const struct REnv *env)
{
    if (MRB_ENV_ONSTACK_P(env) && env->cxt != NULL && env->cxt->fib != NULL)
        visit_object(mrb, visitor, env->cxt->fib);
    if (env->stack != NULL)
        visit_values(mrb, visitor, env->stack, MRB_ENV_LEN(env));
}

static void visit_exception(mrb_state *mrb, struct visitor *visitor, struct RException *exception)
{
    visit_variables(mrb, visitor, (struct RBasic *)exception);
    visit_object(mrb, visitor, exception->mesg);
    visit_object(mrb, visitor, exception->backtrace);
}

bool references_visit(mrb_state *mrb, struct RBasic *object,
                      void (*visit)(mrb_state *mrb, struct RBasic *child, void *data), void *data)
{
    return references_visit_outside(mrb, object, 0, 0, visit, data);
}

bool references_visit_outside(mrb_state *mrb, struct RBasic *object, uintptr_t start, uintptr_t end,
                              void (*visit)(mrb_state *mrb, struct RBasic *child, void *data), void *data)
{
    struct visitor visitor = { .start = start, .length = end - start, .visit = visit, .data = data };

    if (object->tt == MRB_TT_FIBER)
        return false;
    visit_object(mrb, &visitor, object->c);
    switch (object->tt) {
    case MRB_TT_ICLASS:
        if (MRB_FLAG_TEST(object, MRB_FL_CLASS_IS_ORIGIN))
            mrb_mt_foreach(mrb, (struct RClass *)object, visit_method, &visitor);
        visit_object(mrb, &visitor, ((struct RClass *)object)->super);
        break;
    case MRB_TT_CLASS:
    case MRB_TT_MODULE:
    case MRB_TT_SCLASS:
        mrb_mt_foreach(mrb, (struct RClass *)object, visit_method, &visitor);
        visit_object(mrb, &visitor, ((struct RClass *)object)->super);
        visit_variables(mrb, &visitor, object);
        break;
    case MRB_TT_OBJECT:
    case MRB_TT_CDATA: visit_variables(mrb, &visitor, object); break;
    case MRB_TT_PROC:
        visit_object(mrb, &visitor, ((struct RProc *)object)->upper);
        visit_object(mrb, &visitor, ((struct RProc *)object)->e.env);
        break;
    case MRB_TT_ENV: visit_environment(mrb, &visitor, (struct REnv *)object); break;
    case MRB_TT_STRUCT:
    case MRB_TT_ARRAY:
        visit_values(mrb, &visitor, ARY_PTR((struct RArray *)object), ARY_LEN((struct RArray *)object));
        break;
    case MRB_TT_HASH:
        visit_variables(mrb, &visitor, object);
        visit_entries(mrb, &visitor, (struct RHash *)object);
        break;
    case MRB_TT_STRING:
        if (RSTR_FSHARED_P((struct RString *)object))
            visit_object(mrb, &visitor, ((struct RString *)object)->as.heap.aux.fshared);
        break;
    case MRB_TT_RANGE:
        visit_value(mrb, &visitor, RANGE_BEG((struct RRange *)object));
        visit_value(mrb, &visitor, RANGE_END((struct RRange *)object));
        break;
    case MRB_TT_BREAK: visit_value(mrb, &visitor, mrb_break_value_get((struct RBreak *)object)); break;
    case MRB_TT_EXCEPTION: visit_exception(mrb, &visitor, (struct RException *)object); break;
    default: break;
    }
    return true;
}

size_t references_container_size(const struct RBasic *object)
{
    switch (object->tt) {
    case MRB_TT_STRUCT:
    case MRB_TT_ARRAY: return (size_t)ARY_LEN((const struct RArray *)object);
    case MRB_TT_HASH: return 2 * ((const struct RHash *)object)->size;
    default: return 0;
    }
}
