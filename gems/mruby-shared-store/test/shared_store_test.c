#define _GNU_SOURCE

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mruby.h>
#include <mruby/shared_store.h>
#include <mruby/string.h>

#include "../../test_child.h"

/*
 * `count` children call the block without end and note each call that came back; all are killed once they have noted
 * `calls` together. What they have noted. A call may raise: while one of them reads and has no turn on a busy machine,
 * the others can run out of pages.
 */
static mrb_value killed(mrb_state *mrb, mrb_value self)
{
    enum { MAX = 16 };
    mrb_value block;
    mrb_int count, calls, noted;
    pid_t children[MAX];
    volatile mrb_int *notes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)self;
    mrb_get_args(mrb, "ii&!", &count, &calls, &block);
    if (notes == MAP_FAILED || count > MAX)
        mrb_raise(mrb, E_RUNTIME_ERROR, "no memory for notes");
    for (mrb_int i = 0; i < count; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        for (;;) {
            mrb_bool failed;
            int arena = mrb_gc_arena_save(mrb);
            mrb_protect_error(mrb, test_child_block, &block, &failed);
            mrb_gc_arena_restore(mrb, arena);
            if (!failed)
                notes[i]++;
        }
    }
    do {
        sched_yield();
        noted = 0;
        for (mrb_int i = 0; i < count; i++)
            noted += children[i] > 0 && kill(children[i], 0) == 0 ? notes[i] : calls;
    } while (noted < calls);
    for (mrb_int i = 0; i < count; i++)
        if (children[i] > 0)
            kill(children[i], SIGKILL);
    noted = 0;
    for (mrb_int i = 0; i < count; i++) {
        int status = 0;
        if (children[i] > 0)
            waitpid(children[i], &status, 0);
        noted += notes[i];
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            noted = -1000000000;
    }
    munmap((void *)notes, 4096);
    return mrb_int_value(mrb, noted);
}

static mrb_value directory(mrb_state *mrb, mrb_value self)
{
    char path[] = "/tmp/shared-store-XXXXXX";

    (void)self;
    if (mkdtemp(path) == NULL)
        mrb_raise(mrb, E_RUNTIME_ERROR, strerror(errno));
    return mrb_str_new_cstr(mrb, path);
}

static mrb_value remove_directory(mrb_state *mrb, mrb_value self)
{
    static const char *const names[] = { "values", "values-lock", "again", "broken", "broken-lock" };
    const char *path;

    mrb_get_args(mrb, "z", &path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mrb_value name = mrb_format(mrb, "%s/%s", path, names[i]);
        unlink(RSTRING_CSTR(mrb, name));
    }
    rmdir(path);
    return self;
}

static mrb_value make_link(mrb_state *mrb, mrb_value self)
{
    const char *from, *to;

    mrb_get_args(mrb, "zz", &from, &to);
    return symlink(from, to) == 0 ? self : mrb_nil_value();
}

static mrb_value bytes_of(mrb_state *mrb, mrb_value self)
{
    struct stat status;
    const char *path;

    (void)self;
    mrb_get_args(mrb, "z", &path);
    return stat(path, &status) == 0 ? mrb_int_value(mrb, (mrb_int)status.st_size) : mrb_nil_value();
}

static mrb_value close_all(mrb_state *mrb, mrb_value self)
{
    (void)mrb;
    shared_store_close_all();
    return self;
}

static mrb_value select_default(mrb_state *mrb, mrb_value self)
{
    mrb_value object;

    mrb_get_args(mrb, "o", &object);
    mrb_shared_store_select(mrb, object);
    return self;
}

void mrb_mruby_shared_store_gem_test(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "SharedStoreTest");

    mrb_define_module_function(mrb, module, "in_child", test_child_run, MRB_ARGS_BLOCK());
    mrb_define_module_function(mrb, module, "killed", killed, MRB_ARGS_REQ(2) | MRB_ARGS_BLOCK());
    mrb_define_module_function(mrb, module, "directory", directory, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, module, "remove_directory", remove_directory, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, module, "link", make_link, MRB_ARGS_REQ(2));
    mrb_define_module_function(mrb, module, "bytes_of", bytes_of, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, module, "close_all", close_all, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, module, "select", select_default, MRB_ARGS_REQ(1));
}
