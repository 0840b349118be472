/* For the helpers in C of gems' tests. */
#ifndef COWHERD_TEST_CHILD_H
#define COWHERD_TEST_CHILD_H

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mruby.h>
#include <mruby/error.h>

static inline mrb_value test_child_block(mrb_state *mrb, void *block)
{
    return mrb_yield_argv(mrb, *(mrb_value *)block, 0, NULL);
}

/*
 * In a child: whether the block's value is true. An exception is printed, and not raised: the child would go on with
 * the tests of its parent, as if it were the parent.
 */
static inline mrb_bool test_child_call(mrb_state *mrb, mrb_value block)
{
    mrb_bool failed;
    int arena = mrb_gc_arena_save(mrb);

    mrb_value result = mrb_protect_error(mrb, test_child_block, &block, &failed);
    if (failed) {
        mrb->exc = mrb_obj_ptr(result);
        mrb_print_error(mrb);
        mrb->exc = NULL;
    }
    mrb_gc_arena_restore(mrb, arena);
    return !failed && mrb_test(result);
}

/* Runs the block in a child, which then leaves. The child's exit status: 0, or 1 when the block was not true. */
static inline mrb_value test_child_run(mrb_state *mrb, mrb_value self)
{
    mrb_value block;
    int status = 0;

    (void)self;
    mrb_get_args(mrb, "&!", &block);
    pid_t child = fork();
    if (child == 0)
        _exit(test_child_call(mrb, block) ? 0 : 1);
    while (child > 0 && waitpid(child, &status, 0) == -1 && errno == EINTR)
        continue;
    return mrb_fixnum_value(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

#endif
