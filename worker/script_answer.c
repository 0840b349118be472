#include "script_answer.h"

#include <mruby/array.h>
#include <mruby/hash.h>

#include "scripts.h"

static mrb_value empty_response(mrb_state *mrb)
{
    mrb_value response = mrb_ary_new_capa(mrb, 3);

    mrb_ary_push(mrb, response, mrb_fixnum_value(200));
    mrb_ary_push(mrb, response, mrb_hash_new(mrb));
    mrb_ary_push(mrb, response, mrb_ary_new(mrb));
    return response;
}

static bool is_response(mrb_value value)
{
    return mrb_array_p(value) && RARRAY_LEN(value) == 3 && mrb_integer_p(RARRAY_PTR(value)[0]);
}

bool script_answer(mrb_state *mrb, struct rack_exchange *exchange, mrb_value *response)
{
    mrb_value value;

    if (exchange->choice.status != 200 || !scripts_run(mrb, &exchange->choice, &value))
        return false;
    if (rack_responds(mrb, value, exchange->rack->symbols.call))
        *response = mrb_funcall_id(mrb, value, exchange->rack->symbols.call, 1, exchange->env);
    else
        *response = is_response(value) ? value : empty_response(mrb);
    return true;
}
