#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/require.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "file_stamp.h"
#include "xalloc.h"

/* File systems stamp changes by a clock that ticks at least 100 times a second. */
#define TICK_NS INT64_C(20000000)

struct script {
    struct vm *vm;
    char *path;
    bool cache;
    mrb_value code; /* a Proc, registered with the collector, or nil */
    struct file_stamp stamp;
    bool fresh; /* the file had changed a moment before it was read: another change may have left the same stamp */
};

struct script *script_new(struct vm *vm, const char *path, bool cache)
{
    struct script *script = xcalloc(1, sizeof *script);

    script->vm = vm;
    script->path = xstrdup(path);
    script->cache = cache;
    script->code = mrb_nil_value();
    return script;
}

static void forget_code(struct script *script)
{
    if (!mrb_nil_p(script->code))
        mrb_gc_unregister(script->vm->mrb, script->code);
    script->code = mrb_nil_value();
}

void script_free(struct script *script)
{
    if (script == NULL)
        return;
    forget_code(script);
    free(script->path);
    free(script);
}

bool script_is_stale(const struct script *script, const struct stat *status)
{
    return mrb_nil_p(script->code) || script->fresh || !file_stamp_matches(&script->stamp, status);
}

/* Whether a change right now could bear the same stamp as `changed`. */
static bool within_a_tick(const struct timespec *changed)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = ((int64_t)now.tv_sec - changed->tv_sec) * 1000000000 + (now.tv_nsec - changed->tv_nsec);
    return age < TICK_NS && age > -TICK_NS;
}

void script_compile(mrb_state *mrb, struct script *script, int fd)
{
    char real[PATH_MAX];
    const char *path = realpath(script->path, real) != NULL ? real : script->path;
    struct stat status = { 0 };

    forget_code(script);
    fstat(fd, &status); /* before it is read: a change in between is then seen at the next look */
    script->stamp = file_stamp_of(&status);
    script->fresh = within_a_tick(&status.st_ctim);

    mrb_value code = mrb_require_compile(mrb, fd, path);
    mrb_gc_register(mrb, code);
    script->code = code;
}

static mrb_noreturn void raise_load_error(mrb_state *mrb, const struct script *script, int error)
{
    struct RClass *class = mrb_class_get(mrb, "LoadError");
    mrb_value message = mrb_format(mrb, "cannot load such file -- %s", script->path);

    if (error != ENOENT)
        message = mrb_format(mrb, "%v (%s)", message, strerror(error));
    mrb_value exception = mrb_exc_new_str(mrb, class, message);
    mrb_iv_set(mrb, exception, mrb_intern_lit(mrb, "@path"), mrb_str_new_cstr(mrb, script->path));
    mrb_exc_raise(mrb, exception);
}

static void open_and_compile(mrb_state *mrb, struct script *script)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int fd = open(script->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd == -1) {
        forget_code(script);
        raise_load_error(mrb, script, errno);
    }
    script_compile(mrb, script, fd);
}

mrb_value script_run_code(mrb_state *mrb, const struct script *script, mrb_value self)
{
    return mrb_require_run(mrb, script->code, self);
}

mrb_value script_call(mrb_state *mrb, struct script *script, mrb_value self)
{
    struct stat status;

    if (script->cache ? mrb_nil_p(script->code) : stat(script->path, &status) == -1 || script_is_stale(script, &status))
        open_and_compile(mrb, script);
    return script_run_code(mrb, script, self);
}

struct load {
    struct script *script;
    int fd; /* -1: by its path */
};

static mrb_value load_body(mrb_state *mrb, void *data)
{
    const struct load *load = data;

    if (load->fd == -1)
        open_and_compile(mrb, load->script);
    else
        script_compile(mrb, load->script, load->fd);
    return mrb_nil_value();
}

bool script_load_fd(struct script *script, int fd, struct strbuf *error)
{
    struct load load = { .script = script, .fd = fd };
    int arena = mrb_gc_arena_save(script->vm->mrb);
    mrb_value result;
    bool loaded = vm_call(script->vm, load_body, &load, &result);

    if (!loaded)
        vm_describe_exception(script->vm, result, error);
    mrb_gc_arena_restore(script->vm->mrb, arena);
    return loaded;
}

bool script_load(struct script *script, struct strbuf *error)
{
    return script_load_fd(script, -1, error);
}

struct run {
    struct script *script;
    mrb_value self;
};

static mrb_value run_body(mrb_state *mrb, void *data)
{
    const struct run *run = data;

    return script_call(mrb, run->script, run->self);
}

bool script_run(struct script *script, mrb_value self, mrb_value *result)
{
    struct run run = { .script = script, .self = self };

    return vm_call(script->vm, run_body, &run, result);
}
