/*
 * mruby's own tests, and those of its gems, in interpreters that are frozen and in one that is not: each of them must
 * have the same outcome.
 *
 *   suite [--every N] [--only GEM] [--without GEM]... GEMS
 *
 * GEMS is the folder that mruby's build leaves of its gems; its entries name them (mruby-test has the tests of the
 * core). The tests themselves, their assertions and helpers in C come from the library that mruby's build makes of
 * them, which opens an interpreter with what a gem depends on and runs the gem's files in it. The wrapped functions
 * below put it on a heap of ours, keep the files until all of them are known, and then run them twice in a row: in a
 * child of this process for each of the ways. Exits with 0 when nothing differs and the verifier found nothing.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mruby.h>
#include <mruby/compile.h>
#include <mruby/dump.h>
#include <mruby/proc.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "heap.h"
#include "heap_verify.h"
#include "outcome.h"
#include "region.h"

#define CAPACITY ((size_t)512 << 20)
#define FILES_MAX 128   /* of one gem */
#define SECONDS_MAX 300 /* for one way of one gem */
#define COLLECTIONS 200 /* of one assertion, until their distance doubles */

mrb_state *__real_mrb_open_core(mrb_allocf allocate, void *data);
mrb_state *__wrap_mrb_open_core(mrb_allocf allocate, void *data);
mrb_state *__wrap_mrb_open_allocf(mrb_allocf allocate, void *data);
mrb_value __real_mrb_load_irep(mrb_state *mrb, const uint8_t *code);
mrb_value __wrap_mrb_load_irep(mrb_state *mrb, const uint8_t *code);
void __wrap_mrb_t_pass_result(mrb_state *result, mrb_state *mrb);
struct RBasic *__real_mrb_obj_alloc(mrb_state *mrb, enum mrb_vtype type, struct RClass *class);
struct RBasic *__wrap_mrb_obj_alloc(mrb_state *mrb, enum mrb_vtype type, struct RClass *class);

enum freeze { NEVER, BEFORE, BETWEEN, FREEZES };

/* How the files of a gem are run: frozen before the first or the second time, collected often or when mruby likes to,
   with generations or in steps. */
struct way {
    const char *name;
    enum freeze freeze;
    bool collect;
    bool incremental;
};

static const struct way ways[] = {
    { .name = "not frozen", .freeze = NEVER },
    { .name = "frozen", .freeze = BEFORE },
    { .name = "frozen between two runs", .freeze = BETWEEN },
    { .name = "frozen, collected and verified", .freeze = BEFORE, .collect = true },
    { .name = "frozen between two runs, collected and verified", .freeze = BETWEEN, .collect = true },
    { .name = "frozen, in steps, collected and verified", .freeze = BEFORE, .collect = true, .incremental = true },
};
#define WAYS (sizeof ways / sizeof *ways)

static const struct way *way; /* that this child goes */
static long every;            /* allocations between two verified collections */
static long collect_every;    /* the same while it is on, grown with those that this assertion has had */
static FILE *outcome;         /* of the gem's tests */
static const uint8_t *codes[FILES_MAX];
static size_t code_count;

static void finish(int status, const char *what, const char *detail)
{
    fprintf(outcome, "\n%s: %s\n", what, detail);
    fflush(NULL);
    _exit(status);
}

static void verify(mrb_state *mrb)
{
    char counts[128];
    struct heap_verdict verdict = heap_verify(mrb);
    if (verdict.lost + verdict.repainted == 0)
        return;
    snprintf(counts, sizeof counts, "%zu objects lost, %zu repainted", verdict.lost, verdict.repainted);
    finish(3, "the remembered set is wrong", counts);
}

static struct {
    long allocations; /* since the last */
    long done;        /* at this distance */
} collections;

/* An assertion that allocates millions would take hours: when it has had many of them, the next are farther apart. */
static void collect_now_and_then(mrb_state *mrb)
{
    if (collect_every == 0 || ++collections.allocations < collect_every)
        return;
    collections.allocations = 0;
    if (++collections.done == COLLECTIONS) {
        collections.done = 0;
        collect_every *= 2;
    }
    verify(mrb);
}

struct RBasic *__wrap_mrb_obj_alloc(mrb_state *mrb, enum mrb_vtype type, struct RClass *class)
{
    collect_now_and_then(mrb);
    return __real_mrb_obj_alloc(mrb, type, class);
}

/* What the assertions are called and how they went, as test/assert.rb tells it. */
static mrb_value print_outcome(mrb_state *mrb, mrb_value self)
{
    const mrb_value *arguments;
    mrb_int count;

    (void)self;
    mrb_get_args(mrb, "*!", &arguments, &count);
    for (mrb_int i = 0; i < count; i++) {
        mrb_value text = mrb_obj_as_string(mrb, arguments[i]);
        fwrite(RSTRING_PTR(text), (size_t)RSTRING_LEN(text), 1, outcome);
    }
    if (collect_every > 0)
        collect_every = every, collections.done = 0; /* an assertion begins, or has ended */
    return mrb_nil_value();
}

/* The library opens an interpreter without gems, and adds those that it needs. */
mrb_state *__wrap_mrb_open_core(mrb_allocf allocate, void *data)
{
    (void)allocate, (void)data;
    if (way->freeze != NEVER && region_open(CAPACITY) == -1)
        finish(2, "no region", strerror(errno));
    return heap_open();
}

/* What heap_open calls. */
mrb_state *__wrap_mrb_open_allocf(mrb_allocf allocate, void *data)
{
    return __real_mrb_open_core(allocate, data);
}

/* The first is test/assert.rb. */
mrb_value __wrap_mrb_load_irep(mrb_state *mrb, const uint8_t *code)
{
    static bool has_assertions;
    if (!has_assertions) {
        has_assertions = true;
        return __real_mrb_load_irep(mrb, code);
    }
    if (code_count == FILES_MAX)
        finish(2, "too many files", "FILES_MAX");
    codes[code_count++] = code;
    return mrb_nil_value();
}

static struct RProc *load(mrb_state *mrb, const uint8_t *code)
{
    mrb_ccontext *context = mrb_ccontext_new(mrb);
    context->no_exec = TRUE;
    mrb_value proc = mrb_load_irep_cxt(mrb, code, context);
    mrb_ccontext_free(mrb, context);
    if (!mrb_proc_p(proc))
        finish(2, "no code", "mrb_load_irep_cxt");
    MRB_PROC_SET_TARGET_CLASS(mrb_proc_ptr(proc), mrb->object_class);
    mrb_gc_register(mrb, proc);
    return mrb_proc_ptr(proc);
}

static void run_files(mrb_state *mrb, struct RProc *const files[])
{
    for (size_t i = 0; i < code_count; i++) {
        int arena = mrb_gc_arena_save(mrb);
        mrb_top_run(mrb, files[i], mrb_top_self(mrb), 0);
        mrb_gc_arena_restore(mrb, arena);
        if (mrb->exc != NULL)
            fprintf(outcome, "\nleft by %s\n", mrb_obj_classname(mrb, mrb_obj_value(mrb->exc)));
        mrb->exc = NULL;
        fprintf(outcome, "\n== file %zu\n", i);
    }
}

static void freeze(mrb_state *mrb)
{
    /* The variables of the code that ran last in the base frame are on the stack yet. */
    mrb_vm_ci_env_clear(mrb, mrb->c->cibase);
    if (heap_freeze(&mrb, 1) == -1)
        finish(2, "not frozen", strerror(errno));
}

/* All files of a gem are known. */
void __wrap_mrb_t_pass_result(mrb_state *result, mrb_state *mrb)
{
    struct RProc *files[FILES_MAX];

    (void)result;
    mrb_define_method(mrb, mrb->kernel_module, "t_print", print_outcome, MRB_ARGS_ANY());
    for (size_t i = 0; i < code_count; i++)
        files[i] = load(mrb, codes[i]);
    if (way->freeze == BEFORE)
        freeze(mrb);
    mrb->gc.generational = !way->incremental;
    for (enum freeze at = BEFORE; at <= BETWEEN; at++) {
        if (at == BETWEEN && way->freeze == BETWEEN)
            freeze(mrb);
        collect_every = way->collect && heap_of(mrb)->frozen ? every : 0;
        run_files(mrb, files);
        collect_every = 0;
        fprintf(outcome, "\n== again\n");
    }
    if (way->freeze != NEVER)
        verify(mrb);
    fflush(outcome);
    _exit(0);
}

/* In a child. Gems without tests do nothing. */
static void run_gem(void (*test)(mrb_state *mrb))
{
    mrb_state *result = __real_mrb_open_core(mrb_default_allocf, NULL);
    mrb_gv_set(result, mrb_intern_lit(result, "$mrbtest_verbose"), mrb_true_value());
    test(result);
    mrb_close(result);
}

/* The outcome of a gem's tests; the caller frees it. */
static char *outcome_of(void (*test)(mrb_state *mrb), const struct way *this_way, bool quiet)
{
    int ends[2], status;
    fflush(NULL);
    if (pipe(ends) == -1)
        abort();
    pid_t pid = fork();
    if (pid == -1)
        abort();
    if (pid == 0) {
        close(ends[0]);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        outcome = fdopen(ends[1], "w");
        /* What the tests themselves print is none of ours; and none that waits for input may wait for ever. */
        if (freopen("/dev/null", "r", stdin) == NULL || freopen("/dev/null", "w", stdout) == NULL ||
            (quiet && freopen("/dev/null", "w", stderr) == NULL))
            _exit(2);
        alarm(SECONDS_MAX);
        way = this_way;
        run_gem(test);
        fflush(outcome);
        _exit(0);
    }
    close(ends[1]);
    char *text = outcome_read(ends[0], pid, &status);
    if (status != 0) {
        char *ended, *end = outcome_of_end(status);
        if (asprintf(&ended, "%s\n%s\n", text, end) < 0)
            abort();
        free(end);
        free(text);
        text = ended;
    }
    return text;
}

/* Lines of the second that differ from the first's. */
static long report_differences(const char *expected, const char *got)
{
    long differences = 0;
    while (*expected != '\0' || *got != '\0') {
        size_t one = strcspn(expected, "\n"), other = strcspn(got, "\n");
        if (one != other || memcmp(expected, got, one) != 0) {
            printf("    not frozen: %.*s\n    frozen:     %.*s\n", (int)one, expected, (int)other, got);
            if (++differences == 5)
                break;
        }
        expected += one + (expected[one] != '\0');
        got += other + (got[other] != '\0');
    }
    return differences;
}

struct totals {
    long gems, files, assertions, runs, differences;
};

static long count(const char *text, const char *part)
{
    long found = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        found++;
    return found;
}

/* `gem` has a function of its tests when there are any: GENERATED_TMP_mrb_mruby_io_gem_test of mruby-io. */
static void try_gem(const char *gem, bool quiet, struct totals *totals)
{
    char name[320];
    void (*test)(mrb_state * mrb) = NULL;
    snprintf(name, sizeof name, "GENERATED_TMP_mrb_%s_gem_test", gem);
    for (char *at = name; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
    *(void **)&test = dlsym(RTLD_DEFAULT, name);
    if (test == NULL)
        return;

    char *expected = outcome_of(test, &ways[0], quiet);
    totals->gems += *expected != '\0';
    totals->files += count(expected, "\n== file ") / 2;
    totals->assertions += count(expected, " : ");
    if (strstr(expected, "\nexit status ") != NULL || strstr(expected, "\nsignal ") != NULL) {
        printf("suite: %s, not frozen:\n%s\n", gem, expected);
        totals->differences++;
    }
    for (size_t i = 1; i < WAYS && *expected != '\0'; i++) {
        char *got = outcome_of(test, &ways[i], quiet);
        totals->runs++;
        if (strcmp(expected, got) != 0) {
            printf("suite: %s, %s:\n", gem, ways[i].name);
            totals->differences += report_differences(expected, got);
        }
        free(got);
    }
    free(expected);
}

static int is_gem(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strchr(entry->d_name, '.') == NULL;
}

/* Whether `name` stands behind an --without among these words. */
static bool is_left_out(char **words, int count, const char *name)
{
    for (int i = 0; i + 1 < count; i += 2)
        if (strcmp(words[i], "--without") == 0 && strcmp(words[i + 1], name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    struct totals totals = { 0 };
    struct dirent **names;
    int at = 1;

    every = 211;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (strcmp(argv[at], "--every") == 0)
            every = atol(argv[at + 1]);
        else if (strcmp(argv[at], "--only") == 0)
            only = argv[at + 1];
        else if (strcmp(argv[at], "--without") != 0)
            break;
    }
    int names_count = argc - at == 1 && every > 0 ? scandir(argv[at], &names, is_gem, alphasort) : -1;
    if (names_count < 0) {
        fprintf(stderr, "usage: suite [--every N] [--only GEM] [--without GEM]... GEMS\n");
        return 2;
    }
    for (int i = 0; i < names_count; i++) {
        if (only != NULL ? strcmp(names[i]->d_name, only) == 0 : !is_left_out(argv + 1, at - 1, names[i]->d_name))
            try_gem(names[i]->d_name, only == NULL, &totals);
        free(names[i]);
    }
    free(names);
    printf("suite: %ld gems, %ld files, %ld assertions, %ld frozen runs, %ld differences\n", totals.gems, totals.files,
           totals.assertions, totals.runs, totals.differences);
    return totals.differences > 0 || totals.assertions == 0;
}
