/*
 * What a full collection costs when every one finds one more store into a large frozen container: an interpreter for
 * each case, all frozen in one region, measured in turn. A container is walked whole now and then: the mean of so many
 * collections is a sample. Prints the samples' medians and their ratio to the untouched case. Exit status 1 when one is
 * above BOUND; two kinds are only shown: where more and more objects live by the container, which are marked as
 * any other, and where mruby tells that an array changes, but not where, and it is walked every time.
 *
 *   bench_collect [samples]
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mruby.h>
#include <mruby/compile.h>
#include <mruby/proc.h>

#include "clock.h"
#include "heap.h"
#include "region.h"

#define BOUND 2.0
#define COLLECTIONS 256 /* of a sample: any period between two walks divides it, or is longer */
#define SAMPLES 20
#define SAMPLES_MAX 1000

struct bench_case {
    const char *name;
    const char *once;  /* after the freeze */
    const char *store; /* before each collection */
    bool only_shown;
    mrb_state *mrb;
    int64_t *samples;
};

static struct bench_case cases[] = {
    { .name = "untouched", .once = "", .store = "" },
    { .name = "Hash, one store", .once = "$h[7] = 'young ' + $n.to_s", .store = "" },
    { .name = "Hash, a store each", .once = "", .store = "$h[7] = 'young ' + $n.to_s" },
    { .name = "Hash, a store each, moving",
      .once = "",
      .store = "$h[$n * 97 % 42_000] = 'young ' + $n.to_s",
      .only_shown = true },
    { .name = "Hash, a new key and one deleted",
      .once = "",
      .store = "$h['key ' + $n.to_s] = $n; $h.delete('key ' + ($n - 9).to_s)" },
    { .name = "Array, one store", .once = "$a[7] = 'young ' + $n.to_s", .store = "" },
    { .name = "Array, a store each", .once = "", .store = "$a[7] = 'young ' + $n.to_s" },
    { .name = "Array, a push and a shift",
      .once = "",
      .store = "$a << 'young ' + $n.to_s; $a.shift",
      .only_shown = true },
    { .name = "Array, concat", .once = "", .store = "$a.concat(['young ' + $n.to_s]); $a.pop", .only_shown = true },
};

#define CASES (sizeof cases / sizeof *cases)

static const char containers[] =
    "$n = 0; $h = (0...42_000).to_h { |i| [i, \"value #{i}\"] }; $a = Array.new(42_000) { |i| \"value #{i}\" }";

/* As many objects as a worker lets requests leave before it collects (worker/collector.c). */
static const char garbage[] = "1_024.times { |i| 'garbage' }";

static void run(mrb_state *mrb, const char *source)
{
    int arena = mrb_gc_arena_save(mrb);
    mrb_load_string(mrb, source);
    if (mrb->exc != NULL) {
        mrb_print_error(mrb);
        exit(2);
    }
    mrb_gc_arena_restore(mrb, arena);
}

static const struct RProc *compile(mrb_state *mrb, const char *source)
{
    mrb_ccontext *context = mrb_ccontext_new(mrb);
    context->no_exec = TRUE;
    mrb_value code = mrb_load_string_cxt(mrb, source, context);
    mrb_ccontext_free(mrb, context);
    mrb_gc_register(mrb, code);
    return mrb_proc_ptr(code);
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double median(struct bench_case *bench, size_t samples)
{
    qsort(bench->samples, samples, sizeof *bench->samples, compare);
    return (double)bench->samples[samples / 2];
}

/* Stores once, collects, and says how long the collection took. */
static int64_t collect(mrb_state *mrb, const struct RProc *store)
{
    int arena = mrb_gc_arena_save(mrb);
    mrb_top_run(mrb, store, mrb_top_self(mrb), 0);
    mrb_gc_arena_restore(mrb, arena);

    int64_t began_ns = clock_monotonic_ns();
    mrb_full_gc(mrb);
    return clock_monotonic_ns() - began_ns;
}

static void take_sample(const struct RProc *const stores[], size_t sample)
{
    for (size_t i = 0; i < CASES; i++)
        cases[i].samples[sample] = 0;
    for (size_t round = 0; round < COLLECTIONS; round++)
        for (size_t i = 0; i < CASES; i++)
            cases[i].samples[sample] += collect(cases[i].mrb, stores[i]);
}

static bool report(size_t samples)
{
    double untouched = median(&cases[0], samples) / COLLECTIONS;
    bool good = true;

    printf("%-34s %10s  %s\n", "case", "us", "to untouched");
    for (size_t i = 0; i < CASES; i++) {
        double own = median(&cases[i], samples) / COLLECTIONS;
        bool above = own / untouched > BOUND && !cases[i].only_shown;
        good = good && !above;
        printf("%-34s %10.1f  %.2f%s\n", cases[i].name, own / 1000, own / untouched, above ? "  above the bound" : "");
    }
    return good;
}

int main(int argc, char **argv)
{
    size_t samples = argc > 1 ? (size_t)atoi(argv[1]) : SAMPLES;
    const struct RProc *stores[CASES];
    mrb_state *interpreters[CASES];

    if (samples < 1 || samples > SAMPLES_MAX || region_open((size_t)1 << 30) == -1)
        return 2;
    for (size_t i = 0; i < CASES; i++) {
        char source[256];
        interpreters[i] = cases[i].mrb = heap_open();
        cases[i].samples = calloc(samples, sizeof *cases[i].samples);
        run(cases[i].mrb, containers);
        snprintf(source, sizeof source, "$n += 1; %s; %s", garbage, cases[i].store);
        stores[i] = compile(cases[i].mrb, source);
    }
    if (heap_freeze(interpreters, CASES) == -1)
        return 2;
    for (size_t i = 0; i < CASES; i++)
        run(cases[i].mrb, cases[i].once);
    for (size_t sample = 0; sample < samples; sample++)
        take_sample(stores, sample);
    return report(samples) ? 0 : 1;
}
