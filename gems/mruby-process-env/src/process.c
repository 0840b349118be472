#include "parts.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/string.h>

static mrb_value process_pid(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, getpid());
}

static mrb_value process_ppid(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, getppid());
}

static mrb_value process_uid(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, getuid());
}

static mrb_value process_euid(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, geteuid());
}

static mrb_value process_gid(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, getgid());
}

static mrb_value process_egid(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, getegid());
}

static const struct unit {
    const char *name;
    mrb_int per_second; /* of whole numbers */
    double factor;      /* of floats */
} units[] = {
    { "float_second", 0, 1.0 }, { "float_millisecond", 0, 1e3 }, { "float_microsecond", 0, 1e6 }, { "second", 1, 0 },
    { "millisecond", 1000, 0 }, { "microsecond", 1000000, 0 },   { "nanosecond", 1000000000, 0 },
};

static mrb_value in_unit(mrb_state *mrb, const struct timespec *time, mrb_value name)
{
    mrb_sym wanted = mrb_nil_p(name) ? mrb_intern_lit(mrb, "float_second") : 0;

    if (mrb_symbol_p(name))
        wanted = mrb_symbol(name);
    for (size_t i = 0; wanted != 0 && i < sizeof units / sizeof *units; i++) {
        const struct unit *unit = &units[i];
        if (strcmp(mrb_sym_name(mrb, wanted), unit->name) != 0)
            continue;
        if (unit->per_second == 0)
            return mrb_float_value(mrb,
                                   (double)time->tv_sec * unit->factor + (double)time->tv_nsec * unit->factor / 1e9);
        return mrb_int_value(mrb, (mrb_int)time->tv_sec * unit->per_second +
                                      (mrb_int)time->tv_nsec / (1000000000 / unit->per_second));
    }
    mrb_raisef(mrb, E_ARGUMENT_ERROR, "unexpected unit: %v", name);
    return mrb_nil_value();
}

static mrb_value tell_clock(mrb_state *mrb, int (*tell)(clockid_t clock, struct timespec *time), const char *call)
{
    struct timespec time;
    mrb_int clock;
    mrb_value unit = mrb_nil_value();

    mrb_get_args(mrb, "i|o", &clock, &unit);
    if (tell((clockid_t)clock, &time) == -1)
        mrb_sys_fail(mrb, call);
    return in_unit(mrb, &time, unit);
}

static mrb_value process_clock_gettime(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return tell_clock(mrb, clock_gettime, "clock_gettime");
}

static mrb_value process_clock_getres(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return tell_clock(mrb, clock_getres, "clock_getres");
}

void process_define(mrb_state *mrb)
{
    static const struct {
        const char *name;
        clockid_t clock;
    } clocks[] = {
        { "CLOCK_REALTIME", CLOCK_REALTIME },
        { "CLOCK_REALTIME_COARSE", CLOCK_REALTIME_COARSE },
        { "CLOCK_MONOTONIC", CLOCK_MONOTONIC },
        { "CLOCK_MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE },
        { "CLOCK_MONOTONIC_RAW", CLOCK_MONOTONIC_RAW },
        { "CLOCK_BOOTTIME", CLOCK_BOOTTIME },
        { "CLOCK_PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID },
        { "CLOCK_THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID },
    };
    struct RClass *process = mrb_define_module(mrb, "Process");

    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
        mrb_define_const(mrb, process, clocks[i].name, mrb_int_value(mrb, clocks[i].clock));
    mrb_define_module_function(mrb, process, "pid", process_pid, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, process, "ppid", process_ppid, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, process, "uid", process_uid, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, process, "euid", process_euid, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, process, "gid", process_gid, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, process, "egid", process_egid, MRB_ARGS_NONE());
    mrb_define_module_function(mrb, process, "clock_gettime", process_clock_gettime, MRB_ARGS_ARG(1, 1));
    mrb_define_module_function(mrb, process, "clock_getres", process_clock_getres, MRB_ARGS_ARG(1, 1));
}
