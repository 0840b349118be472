#include "write_trace.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <mruby/compile.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/variable.h>

#include "heap.h"
#include "in_child.h"
#include "region.h"

#define CAPACITY ((size_t)256 << 20)

static void run(mrb_state *mrb, const char *file, const char *code)
{
    mrb_ccontext *context = mrb_ccontext_new(mrb);
    int arena = mrb_gc_arena_save(mrb);
    mrb_ccontext_filename(mrb, context, file);
    mrb_load_string_cxt(mrb, code, context);
    if (mrb->exc != NULL) {
        mrb_print_error(mrb);
        _exit(1);
    }
    mrb_ccontext_free(mrb, context);
    mrb_gc_arena_restore(mrb, arena);
}

static const char preloaded[] = "class Plain; attr_accessor :v; end\n"
                                "module App\n"
                                "  STRINGS = Array.new(3000) { |i| \"string number #{i} of some length\" }\n"
                                "  ARRAYS = Array.new(3000) { |i| Array.new(9) { |j| i } }\n"
                                "  HASHES = Array.new(3000) { |i| (0..20).to_h { |j| [j, i] } }\n"
                                "  OBJECTS = Array.new(3000) { |i| o = Plain.new; o.v = i; o }\n"
                                "  def self.nothing(i); end\n"
                                "  def self.read(i)\n"
                                "    STRINGS[i].size; STRINGS[i] + 'x'; STRINGS[i][2, 3]; STRINGS[i].dup << 'y'\n"
                                "    ARRAYS[i][3]; ARRAYS[i].each { |v| v }; ARRAYS[i].map { |v| v }\n"
                                "    HASHES[i][3]; HASHES[i].each { |k, v| v }; OBJECTS[i].v\n"
                                "  end\n"
                                "  def self.string(i); STRINGS[i] << '!'; end\n"   /* line 13 */
                                "  def self.array(i); ARRAYS[i][3] = nil; end\n"   /* 14 */
                                "  def self.hash_of(i); HASHES[i][7] = nil; end\n" /* 15 */
                                "  def self.object(i); OBJECTS[i].v = nil; end\n"  /* 16 */
                                "  def self.block(i)\n"
                                "    [i].each { |j| OBJECTS[j].v = 1 }\n" /* 18 */
                                "  end\n"
                                "  def self.fiber(i)\n"
                                "    Fiber.new { OBJECTS[i].v = 2 }.resume\n" /* 21 */
                                "  end\n"
                                "  def self.ivar(i); @seen = i; end\n"   /* 23 */
                                "  def self.global(i); $seen = i; end\n" /* 24 */
                                "end\n"
                                "$seen = nil; App.nothing(0)\n";

struct expectation {
    const char *method; /* called 3 times, for objects that are far from each other */
    const char *class, *line;
};

static const struct expectation expectations[] = {
    { "string", "String", "13" },     { "array", "Array", "14" },
    { "hash_of", "Hash", "15" },      { "object", "Plain", "16" },
    { "block", "Plain", "18" },       { "fiber", "Plain", "21" },
    { "ivar", "App (module)", "23" }, { "global", "(global variables)", "24" },
};

static mrb_state *open_frozen(void)
{
    EXPECT(region_open(CAPACITY) == 0, "no region");
    mrb_state *mrb = heap_open();
    EXPECT(mrb != NULL, "no interpreter");
    /* So many that their table has a page of its own. */
    struct strbuf globals = { 0 };
    for (int i = 0; i < 2000; i++)
        strbuf_printf(&globals, "$g%d = 0\n", i);
    run(mrb, "globals.rb", globals.data);
    strbuf_free(&globals);
    run(mrb, "app.rb", preloaded);
    EXPECT(heap_freeze(&mrb, 1) == 0, "not frozen");
    return mrb;
}

/* The method is called as a request would: what it calls it by is compiled before, and young. */
static char *trace(mrb_state *mrb, const char *method)
{
    struct strbuf report = { 0 };
    mrb_value app = mrb_obj_value(mrb_module_get(mrb, "App"));
    mrb_sym name = mrb_intern_cstr(mrb, method);
    int arena = mrb_gc_arena_save(mrb);

    EXPECT(write_trace_start(&mrb, 1) == 0, "not started");
    for (int i = 0; i < 3; i++) {
        mrb_funcall_id(mrb, app, name, 1, mrb_fixnum_value(i * 1000));
        EXPECT(mrb->exc == NULL, "%s raised", method);
        mrb_gc_arena_restore(mrb, arena);
    }
    write_trace_finish(&report);
    return strbuf_detach(&report);
}

/* Of the right class, and nothing but the right line. */
static void expect_write(const void *data)
{
    const struct expectation *expected = data;
    mrb_state *mrb = open_frozen();
    struct strbuf place = { 0 };
    char *report = trace(mrb, expected->method), *rest = strdup(report);
    bool found = false;

    strbuf_printf(&place, "\tapp.rb\t%s\t", expected->line);
    EXPECT(strstr(report, "interpreter\t0\n") == NULL, "the interpreter did not write:\n%s", report);
    for (char *row, *all = rest; (row = strsep(&all, "\n")) != NULL;) {
        if (strncmp(row, "write\t", 6) != 0)
            continue;
        const char *class = strchr(row + 6, '\t') + 1;
        EXPECT(strstr(row, place.data) != NULL, "%s: another line wrote:\n%s", expected->method, report);
        found = found || strncmp(class, expected->class, strcspn(class, "\t")) == 0;
    }
    EXPECT(found, "%s: no %s in\n%s", expected->method, expected->class, report);
    free(rest);
    free(report);
    strbuf_free(&place);
    heap_close(mrb);
}

static void test_the_writer_is_named(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++)
        failures += !in_child(expect_write, &expectations[i]);
    assert_int_equal(failures, 0);
}

static void expect_nothing(const void *data)
{
    mrb_state *mrb = open_frozen();
    char *report = trace(mrb, data);
    EXPECT(strstr(report, "write\t") == NULL, "%s wrote:\n%s", (const char *)data, report);
    free(report);
    heap_close(mrb);
}

static void test_reading_writes_nothing(void **state)
{
    (void)state;
    assert_true(in_child(expect_nothing, "read"));
}

/* Each page is charged once, to the first who writes to it; and all is writable afterwards. */
static void expect_one_charge(const void *data)
{
    (void)data;
    mrb_state *mrb = open_frozen();
    char *report = trace(mrb, "object");
    unsigned long bytes = 0;
    const char *row = strstr(report, "\nwrite\t");
    EXPECT(row != NULL && sscanf(row, " write %lu", &bytes) == 1, "no row:\n%s", report);
    /* An object's instance variables are in a table of their own: at most its slot's page, and two of that. */
    EXPECT(bytes >= 3 * 4096 && bytes <= 9 * 4096, "%lu bytes:\n%s", bytes, report);
    free(report);
    run(mrb, "more.rb", "App::OBJECTS.each { |o| o.v = 'young' }; App::STRINGS.each { |s| s << '!' }");
    heap_close(mrb);
}

static void test_a_page_is_charged_once(void **state)
{
    (void)state;
    assert_true(in_child(expect_one_charge, NULL));
}

/* Blocks of nobody's are poisoned. */
__attribute__((no_sanitize("address"))) static void touch_every_other_page(uintptr_t from)
{
    for (uintptr_t at = region_bounds.end - 4096; at >= from; at -= 8192)
        *(volatile char *)at = *(volatile char *)at;
}

/* Every page in turn: more than can be noted one by one, and more mappings than a process may have. */
static void expect_cut(const void *data)
{
    (void)data;
    struct strbuf report = { 0 };
    EXPECT(region_open((size_t)512 << 20) == 0, "no region");
    mrb_state *mrb = heap_open();
    run(mrb, "app.rb", "$s = Array.new(300) { 'x' * 1_000_000 }");
    EXPECT(heap_freeze(&mrb, 1) == 0, "not frozen");
    EXPECT(write_trace_start(&mrb, 1) == 0, "not started");
    touch_every_other_page(region_bounds.start + (4 << 20));
    write_trace_finish(&report);
    EXPECT(strstr(report.data, "\ncut\n") != NULL, "not cut:\n%s", report.data);
    EXPECT(strstr(report.data, "\twrite") == NULL, "a stray row:\n%s", report.data);
    /* The first page may be somebody else's. */
    const char *row = strstr(report.data, "\nwrite\t1228");
    EXPECT(row != NULL && strstr(row, "\tString\t\t0\t\n") != NULL, "other rows:\n%s", report.data);
    strbuf_free(&report);
    heap_close(mrb);
}

static void test_more_pages_than_can_be_watched(void **state)
{
    (void)state;
    assert_true(in_child(expect_cut, NULL));
}

static volatile sig_atomic_t seen;

static void see(int number)
{
    (void)number;
    seen++;
    _exit(seen == 1 ? 0 : 1);
}

static void fault_elsewhere(const void *data)
{
    mrb_state *mrb = open_frozen();
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, see);
    EXPECT(write_trace_start(&mrb, 1) == 0, "not started");
    if (data != NULL)
        raise(SIGSEGV);
    else
        *(volatile char *)page = 1;
    _exit(1);
}

static void test_other_faults_take_their_usual_way(void **state)
{
    (void)state;
    assert_true(in_child(fault_elsewhere, NULL));
    assert_true(in_child(fault_elsewhere, "sent"));
}

/* Large buffers of C data take what the kernel writes, from their first byte to their last. */
static void kernel_writes(const void *data)
{
    static const mrb_data_type type = { "buffer", mrb_free };
    const size_t size = 20000;
    struct strbuf report = { 0 };
    (void)data;
    EXPECT(region_open(CAPACITY) == 0, "no region");
    mrb_state *mrb = heap_open();
    char *buffer = mrb_malloc(mrb, size);
    mrb_gv_set(mrb, mrb_intern_lit(mrb, "$buffer"),
               mrb_obj_value(mrb_data_object_alloc(mrb, mrb->object_class, buffer, &type)));
    EXPECT(heap_freeze(&mrb, 1) == 0, "not frozen");
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    EXPECT(write_trace_start(&mrb, 1) == 0, "not started");
    EXPECT(read(zero, buffer, size) == (ssize_t)size, "a short read, or none");
    close(zero);
    write_trace_finish(&report);
    EXPECT(strstr(report.data, "unwatched\t0\n") == NULL, "all was watched");
    strbuf_free(&report);
    heap_close(mrb);
}

static void test_the_kernel_writes_to_buffers_of_c(void **state)
{
    (void)state;
    assert_true(in_child(kernel_writes, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_writer_is_named),
        cmocka_unit_test(test_reading_writes_nothing),
        cmocka_unit_test(test_a_page_is_charged_once),
        cmocka_unit_test(test_more_pages_than_can_be_watched),
        cmocka_unit_test(test_other_faults_take_their_usual_way),
        cmocka_unit_test(test_the_kernel_writes_to_buffers_of_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
