#include "json.h"

#include <mruby/class.h>
#include <mruby/error.h>

struct RClass *json_error(mrb_state *mrb, const char *name)
{
    return mrb_class_get_under(mrb, mrb_module_get(mrb, "JSON"), name);
}

_Noreturn void json_too_deep(mrb_state *mrb, mrb_int depth)
{
    mrb_raisef(mrb, json_error(mrb, "NestingError"), "nesting of %i is too deep", depth);
}

mrb_int json_depth_limit(mrb_state *mrb, mrb_value option, mrb_bool given)
{
    if (!given)
        return JSON_DEPTH_DEFAULT;
    mrb_int limit = mrb_test(option) ? mrb_as_int(mrb, option) : 0;
    return limit <= 0 || limit > JSON_DEPTH_MAX ? JSON_DEPTH_MAX : limit;
}

void mrb_mruby_json_gem_init(mrb_state *mrb);
void mrb_mruby_json_gem_final(mrb_state *mrb);

void mrb_mruby_json_gem_init(mrb_state *mrb)
{
    struct RClass *json = mrb_define_module(mrb, "JSON");
    struct RClass *error = mrb_define_class_under(mrb, json, "JSONError", E_STANDARD_ERROR);
    struct RClass *parser_error = mrb_define_class_under(mrb, json, "ParserError", error);
    mrb_define_class_under(mrb, json, "NestingError", parser_error);
    mrb_define_class_under(mrb, json, "GeneratorError", error);
    mrb_define_class_under(mrb, json, "State", mrb->object_class);

    mrb_define_module_function(mrb, json, "parse", json_parse, MRB_ARGS_ARG(1, 1));
    mrb_define_module_function(mrb, json, "generate", json_generate, MRB_ARGS_ARG(1, 1));
    /* One method of Object's: what it writes depends on the object. */
    mrb_define_method(mrb, mrb->object_class, "to_json", json_to_json, MRB_ARGS_ANY());
}

void mrb_mruby_json_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
