#include "script_answer.h"

#include <mruby/server_api.h>

#include "scripts.h"

static mrb_value run(mrb_state *mrb, void *data)
{
    const struct rack_exchange *exchange = data;

    return scripts_run(mrb, &exchange->choice);
}

bool script_answer(mrb_state *mrb, struct rack_exchange *exchange, mrb_value *response)
{
    if (!scripts_prepare(mrb, &exchange->choice))
        return false;
    *response = mrb_server_run(mrb, exchange->env, MRB_SERVER_CONTENT, run, exchange);
    return true;
}

void script_answer_end(struct vm *vm)
{
    mrb_server_clear(vm->mrb);
}
