#include <string.h>

#include <mruby.h>
#include <mruby/string.h>

#include "parts.h"

void mrb_mruby_process_env_gem_init(mrb_state *mrb);
void mrb_mruby_process_env_gem_final(mrb_state *mrb);

const char *path_of(mrb_state *mrb, mrb_value path)
{
    if (!mrb_string_p(path) && mrb_respond_to(mrb, path, mrb_intern_lit(mrb, "to_path")))
        path = mrb_funcall(mrb, path, "to_path", 0);
    mrb_ensure_string_type(mrb, path);
    if (memchr(RSTRING_PTR(path), '\0', (size_t)RSTRING_LEN(path)) != NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string contains null byte");
    return RSTRING_CSTR(mrb, path);
}

void mrb_mruby_process_env_gem_init(mrb_state *mrb)
{
    environment_define(mrb);
    process_define(mrb);
    file_stat_define(mrb);
    file_define(mrb);
}

void mrb_mruby_process_env_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
