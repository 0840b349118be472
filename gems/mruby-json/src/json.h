#ifndef MRUBY_JSON_JSON_H
#define MRUBY_JSON_JSON_H

#include <mruby.h>

/* What a text or a tree may be nested at most, whatever max_nesting says: as jansson has it. */
#define JSON_DEPTH_MAX 2048
#define JSON_DEPTH_DEFAULT 100

/* JSON.parse, to_json of all objects and JSON.generate. */
mrb_value json_parse(mrb_state *mrb, mrb_value self);
mrb_value json_generate(mrb_state *mrb, mrb_value self);
mrb_value json_to_json(mrb_state *mrb, mrb_value self);

/* `depth` of the options' max_nesting: absent 100, nil, false and 0 the most there is. */
mrb_int json_depth_limit(mrb_state *mrb, mrb_value option, mrb_bool given);
struct RClass *json_error(mrb_state *mrb, const char *name);
_Noreturn void json_too_deep(mrb_state *mrb, mrb_int depth);

#endif
