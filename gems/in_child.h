/* For tests of gems: what becomes of an object in a process that was forked. Include in one file of a test. */
#ifndef COWHERD_GEMS_IN_CHILD_H
#define COWHERD_GEMS_IN_CHILD_H

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mruby.h>

/* Runs the block in a child, which then leaves. The child's exit status: 0, or 1 when the block was not true. */
static mrb_value in_child(mrb_state *mrb, mrb_value self)
{
    mrb_value block;
    int status = 0;

    (void)self;
    mrb_get_args(mrb, "&!", &block);
    pid_t child = fork();
    if (child == 0)
        _exit(mrb_test(mrb_yield_argv(mrb, block, 0, NULL)) ? 0 : 1);
    while (child > 0 && waitpid(child, &status, 0) == -1 && errno == EINTR)
        continue;
    return mrb_fixnum_value(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

#endif
