/*
 * Random mutation of a preloaded world, frozen and not: the same seed must have the same outcome.
 *
 *   torture [--first SEED] [--count N] [--seconds N] [--steps N] [--every N] [--stress-every N] [--history SEED]
 * DIRECTORY
 *
 * DIRECTORY has preload.rb and mutate.rb. Each seed runs in children of this process, as workers of a mold: in an
 * interpreter on malloc(3) without a region, in the frozen one, and (each --stress-every-th seed) in the frozen one
 * with a collection at every N-th allocation of an object (--every) and in one that collects in steps, without
 * generations. The verifier looks at the frozen ones all the while. After --seconds no other seed begins.
 * --history prints what a seed did, frozen and not. Exits with 0 when all outcomes are the same.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/compile.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "heap.h"
#include "heap_verify.h"
#include "outcome.h"
#include "region.h"

#define SECONDS_MAX 120 /* for one run of a seed, which takes far less than one */
#define BLOCK 20        /* steps between two looks of the verifier */

struct RBasic *__real_mrb_obj_alloc(mrb_state *mrb, enum mrb_vtype type, struct RClass *class);
struct RBasic *__wrap_mrb_obj_alloc(mrb_state *mrb, enum mrb_vtype type, struct RClass *class);

struct settings {
    long first, count, seconds, steps, every, stress_every, history;
    const char *directory;
};

/* How an interpreter is collected: by itself, or at every so many allocations; with generations or in steps. */
struct pace {
    const char *name;
    long every; /* 0: when mruby likes to */
    bool in_steps;
};

static const struct pace own_pace = { .name = "" };

static long collect_every; /* of the pace, while it is on */

struct RBasic *__wrap_mrb_obj_alloc(mrb_state *mrb, enum mrb_vtype type, struct RClass *class)
{
    static long allocations;
    if (collect_every > 0 && ++allocations % collect_every == 0)
        mrb_full_gc(mrb);
    return __real_mrb_obj_alloc(mrb, type, class);
}

static void fail(mrb_state *mrb, const char *what)
{
    fprintf(stderr, "torture: %s\n", what);
    if (mrb != NULL && mrb->exc != NULL)
        mrb_print_error(mrb);
    fflush(NULL);
    _exit(2);
}

static void load(mrb_state *mrb, const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(NULL, path);
    mrb_ccontext *context = mrb_ccontext_new(mrb);
    mrb_ccontext_filename(mrb, context, path);
    mrb_load_file_cxt(mrb, file, context);
    mrb_ccontext_free(mrb, context);
    fclose(file);
    if (mrb->exc != NULL)
        fail(mrb, path);
}

static mrb_value run(mrb_state *mrb, const char *source)
{
    mrb_value result = mrb_load_string(mrb, source);
    if (mrb->exc != NULL)
        fail(mrb, source);
    return result;
}

static void verify(mrb_state *mrb, long seed, long step)
{
    if (!heap_of(mrb)->frozen)
        return;
    struct heap_verdict verdict = heap_verify(mrb);
    if (verdict.lost + verdict.repainted == 0)
        return;
    fprintf(stderr, "torture: seed %ld, by step %ld: %zu objects lost, %zu repainted\n", seed, step, verdict.lost,
            verdict.repainted);
    fail(NULL, "the remembered set is wrong");
}

/* In a child. Code that is compiled only now makes young code objects, methods and constants. */
static void mutate(mrb_state *mrb, const struct settings *settings, long seed, const struct pace *pace, FILE *out)
{
    char source[512];
    int arena = mrb_gc_arena_save(mrb);
    mrb_value self = mrb_top_self(mrb);

    snprintf(source, sizeof source, "$mutator = Mutator.new(%ld); $mutator.history = %s", seed,
             settings->history >= 0 ? "[]" : "nil");
    run(mrb, source);
    collect_every = pace->every;
    if (pace->in_steps)
        run(mrb, "GC.generational_mode = false");
    for (long step = 0; step < settings->steps; step += BLOCK) {
        mrb_funcall(mrb, mrb_funcall(mrb, self, "mutator", 0), "go", 1, mrb_fixnum_value(BLOCK));
        if (mrb->exc != NULL)
            fail(mrb, "an exception left the mutator");
        snprintf(source, sizeof source,
                 "class Cow; LATE_%ld = ['late']; def late_%ld; @late = [@name, LATE_%ld]; end; end\n"
                 "World::PARTS[:animals].each { |animal| animal.late_%ld }; $late = -> { $mutator.text }; $late.call",
                 step % 100, step % 100, step % 100, step % 100);
        run(mrb, source);
        mrb_gc_arena_restore(mrb, arena);
        verify(mrb, seed, step + BLOCK);
    }
    collect_every = 0;
    mrb_value digest = run(mrb, "$mutator.digest");
    if (settings->history >= 0)
        fprintf(out, "%s\n", mrb_str_to_cstr(mrb, run(mrb, "$mutator.history.join(\"\\n\")")));
    fprintf(out, "%s", mrb_str_to_cstr(mrb, digest));
}

/* The outcome of a seed in a child of this process: its digest, or how the child ended. */
static char *outcome(mrb_state *mrb, const struct settings *settings, long seed, const struct pace *pace)
{
    int ends[2], status;
    fflush(NULL);
    if (pipe(ends) == -1)
        fail(NULL, strerror(errno));
    pid_t pid = fork();
    if (pid == -1)
        fail(NULL, strerror(errno));
    if (pid == 0) {
        close(ends[0]);
        alarm(SECONDS_MAX);
        FILE *out = fdopen(ends[1], "w");
        mutate(mrb, settings, seed, pace, out);
        fclose(out);
        _exit(0);
    }
    close(ends[1]);
    char *text = outcome_read(ends[0], pid, &status);
    if (status != 0) {
        free(text);
        text = outcome_of_end(status);
    }
    return text;
}

static bool same(const struct settings *settings, long seed, const char *expected, mrb_state *mrb,
                 const struct pace *pace)
{
    char *got = outcome(mrb, settings, seed, pace);
    bool equal = strcmp(got, expected) == 0;
    if (!equal)
        printf("torture: seed %ld%s: not frozen %s, frozen %s\n", seed, pace->name, expected, got);
    free(got);
    return equal;
}

static mrb_state *prepare(const struct settings *settings)
{
    mrb_state *mrb = heap_open();
    if (mrb == NULL)
        fail(NULL, "the interpreter could not be opened");
    load(mrb, settings->directory, "preload.rb");
    load(mrb, settings->directory, "mutate.rb");
    return mrb;
}

static struct settings read_settings(int argc, char **argv)
{
    struct settings settings = {
        .first = 1, .count = 100, .steps = 300, .every = 11, .stress_every = 10, .history = -1
    };
    const struct {
        const char *name;
        long *value;
    } options[] = {
        { "--first", &settings.first },     { "--count", &settings.count },
        { "--seconds", &settings.seconds }, { "--steps", &settings.steps },
        { "--every", &settings.every },     { "--stress-every", &settings.stress_every },
        { "--history", &settings.history },
    };
    int at = 1;
    for (; at + 1 < argc; at += 2) {
        size_t i = 0;
        while (i < sizeof options / sizeof *options && strcmp(argv[at], options[i].name) != 0)
            i++;
        if (i == sizeof options / sizeof *options)
            break;
        *options[i].value = atol(argv[at + 1]);
    }
    if (at + 1 != argc)
        fail(NULL, "usage: torture [--first SEED] [--count N] [--seconds N] [--steps N] [--every N] "
                   "[--stress-every N] [--history SEED] DIRECTORY");
    settings.directory = argv[at];
    return settings;
}

int main(int argc, char **argv)
{
    struct settings settings = read_settings(argc, argv);
    long failures = 0, runs = 0;

    /* First, while there is no region. */
    mrb_state *plain = prepare(&settings);
    if (region_open((size_t)1 << 30) == -1)
        fail(NULL, strerror(errno));
    mrb_state *frozen = prepare(&settings);
    if (heap_freeze(&frozen, 1) == -1)
        fail(NULL, strerror(errno));

    if (settings.history >= 0) {
        char *one = outcome(plain, &settings, settings.history, &own_pace);
        char *other = outcome(frozen, &settings, settings.history, &own_pace);
        printf("%s\n=== frozen\n%s\n", one, other);
        failures = strcmp(one, other) != 0;
        free(one);
        free(other);
        settings.count = 0;
    }
    const struct pace paces[] = {
        { .name = " with constant collections", .every = settings.every },
        { .name = " collected in steps", .in_steps = true },
        { .name = " with constant collections in steps", .every = settings.every, .in_steps = true },
    };
    time_t end = time(NULL) + settings.seconds;
    long seed = settings.first;
    for (; seed < settings.first + settings.count && (settings.seconds == 0 || time(NULL) < end); seed++) {
        char *expected = outcome(plain, &settings, seed, &own_pace);
        if (strchr(expected, ' ') == NULL || expected[0] < '0' || expected[0] > '9') {
            printf("torture: seed %ld, not frozen: %s\n", seed, expected);
            failures++;
        }
        failures += !same(&settings, seed, expected, frozen, &own_pace);
        runs += 2;
        bool stressed = settings.stress_every > 0 && seed % settings.stress_every == 0;
        for (size_t i = 0; stressed && i < sizeof paces / sizeof *paces; i++, runs++)
            failures += !same(&settings, seed, expected, frozen, &paces[i]);
        free(expected);
    }
    printf("torture: %ld seeds, %ld runs, %ld failures\n", seed - settings.first, runs, failures);
    heap_close(plain);
    heap_close(frozen);
    return failures > 0;
}
