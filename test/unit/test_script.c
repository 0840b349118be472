#include "script.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <mruby/error.h>
#include <mruby/string.h>

#include "heap.h"
#include "memory_meter.h"
#include "region.h"

static char directory[] = "/tmp/cowherd-test-script-XXXXXX";
static char path[128];
static struct vm *vm;
static struct script *script;
static struct strbuf text;

static int set_up(void **state)
{
    (void)state;
    vm = vm_open("test");
    return vm == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    script_free(script);
    script = NULL;
    vm_close(vm);
    strbuf_free(&text);
    unlink(path);
    return 0;
}

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/script.rb", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* In place: the same inode. */
static void write_file(const char *source)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(source, file);
    fclose(file);
}

static void new_script(bool cache, const char *source)
{
    write_file(source);
    script = script_new(vm, path, cache);
}

/* What the script's value shows as by `inspect`, or the description of its exception with the path as FILE. */
static const char *run(void)
{
    struct strbuf described = { 0 };
    int arena = mrb_gc_arena_save(vm->mrb);
    mrb_value result;

    if (script_run(script, mrb_top_self(vm->mrb), &result)) {
        result = mrb_inspect(vm->mrb, result);
        strbuf_append(&described, RSTRING_PTR(result), (size_t)RSTRING_LEN(result));
    } else {
        vm_describe_exception(vm, result, &described);
    }
    assert_null(vm->mrb->exc);
    mrb_gc_arena_restore(vm->mrb, arena);
    strbuf_consume(&text, text.length);
    for (const char *at = described.data; *at != '\0';) {
        bool is_path = strncmp(at, path, strlen(path)) == 0;
        strbuf_append(&text, is_path ? "FILE" : at, is_path ? 4 : 1);
        at += is_path ? strlen(path) : 1;
    }
    strbuf_free(&described);
    return text.data;
}

static void test_local_variables_are_new_at_each_run(void **state)
{
    for (int cache = 0; cache <= 1; cache++) {
        new_script(cache, "never = 1 if false\ncount ||= 0\ncount += 1\n[count, never]");
        for (int i = 0; i < 3; i++)
            assert_string_equal(run(), "[1, nil]");
        script_free(script);
    }
    script = NULL;
    (void)state;
}

static void test_it_runs_at_top_level(void **state)
{
    (void)state;
    new_script(true,
               "DEFINED = 1 unless Object.const_defined?(:DEFINED)\ndef helper = 'helps'\n$runs = $runs.to_i + 1\n"
               "[$runs, self.to_s, Object.const_get(:DEFINED), Object.new.send(:helper), __FILE__, __LINE__]");
    assert_string_equal(run(), "[1, \"main\", 1, \"helps\", \"FILE\", 4]");
    assert_string_equal(run(), "[2, \"main\", 1, \"helps\", \"FILE\", 4]");
}

static void test_a_self_of_its_own(void **state)
{
    mrb_value result;

    (void)state;
    new_script(true, "self");
    assert_true(script_run(script, mrb_fixnum_value(7), &result));
    assert_int_equal(mrb_fixnum(result), 7);
    assert_string_equal(run(), "main");
}

static void test_return_ends_it(void **state)
{
    (void)state;
    new_script(true, "return 5 if $early\n$early = true\n6");
    assert_string_equal(run(), "6");
    assert_string_equal(run(), "5");
}

static void test_return_from_a_block_ends_it(void **state)
{
    (void)state;
    new_script(true, "[1, 2].each { |n| return n }\nraise 'not here'");
    assert_string_equal(run(), "1");
    assert_string_equal(run(), "1");
}

static void test_closures_of_each_run_are_apart(void **state)
{
    (void)state;
    new_script(true, "n = $all.to_a.size\n$all = $all.to_a + [-> { n += 10 }]\n$all.map { |c| c.call }");
    assert_string_equal(run(), "[10]");
    assert_string_equal(run(), "[20, 11]");
    assert_string_equal(run(), "[30, 21, 12]");
}

static void test_an_exception_has_its_place(void **state)
{
    (void)state;
    new_script(true, "def deep = raise('here')\n\ndeep");
    for (int i = 0; i < 3; i++)
        assert_string_equal(run(), "here (RuntimeError)\n  FILE:1:in deep\n  FILE:3");
}

static void test_cached_code_stays(void **state)
{
    (void)state;
    new_script(true, "1");
    assert_true(script_load(script, &text));
    write_file("2");
    assert_string_equal(run(), "1");
    unlink(path);
    assert_string_equal(run(), "1");
}

static void test_an_edit_shows_at_the_next_run(void **state)
{
    char source[16], expected[16];

    (void)state;
    new_script(false, "0");
    assert_true(script_load(script, &text));
    /* Of one size and inode, and many of them with the stamp of the edit before. */
    for (int i = 100; i < 400; i++) {
        snprintf(source, sizeof source, "%d", i);
        write_file(source);
        snprintf(expected, sizeof expected, "%d", i);
        assert_string_equal(run(), expected);
    }
}

static void test_an_edit_that_puts_the_time_back(void **state)
{
    struct stat before;

    (void)state;
    new_script(false, "1");
    assert_int_equal(stat(path, &before), 0);
    assert_string_equal(run(), "1");
    write_file("2");
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){ before.st_atim, before.st_mtim }, 0), 0);
    assert_string_equal(run(), "2");
}

static void test_another_file_of_the_name(void **state)
{
    char other[160];

    (void)state;
    new_script(false, "1");
    assert_string_equal(run(), "1");
    snprintf(other, sizeof other, "%s.new", path);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    fputs("2", file);
    fclose(file);
    assert_int_equal(rename(other, path), 0);
    assert_string_equal(run(), "2");
}

static void test_a_syntax_error_passes(void **state)
{
    (void)state;
    new_script(false, "1");
    assert_string_equal(run(), "1");
    write_file("x = 1\ny = )\n");
    assert_ptr_equal(strstr(run(), "FILE:2:5: syntax error, unexpected ')'"), text.data);
    assert_non_null(strstr(run(), "(SyntaxError)"));
    write_file("3");
    assert_string_equal(run(), "3");
}

static void test_a_missing_file(void **state)
{
    (void)state;
    new_script(false, "1");
    assert_string_equal(run(), "1");
    unlink(path);
    assert_string_equal(run(), "cannot load such file -- FILE (LoadError)");
    write_file("2");
    assert_string_equal(run(), "2");
}

static void test_what_is_no_file_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    script = script_new(vm, path, false);
    assert_string_equal(run(), "cannot load such file -- FILE (Invalid argument) (LoadError)");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_string_equal(run(), "cannot load such file -- FILE (Is a directory) (LoadError)");
    rmdir(path);
}

static void test_load_says_what_is_wrong(void **state)
{
    (void)state;
    for (int cache = 0; cache <= 1; cache++) {
        strbuf_consume(&text, text.length);
        new_script(cache, "a = [\n  1,\n");
        assert_false(script_load(script, &text));
        assert_non_null(strstr(text.data, "script.rb:3:"));
        assert_ptr_equal(strstr(text.data, path), text.data);
        script_free(script);
    }
    script = NULL;
}

static size_t young_bytes_after(int edits)
{
    static const char *const sources[] = {
        "class Often\n  def go(x) = [x, 'some text'].map { |y| raise y.to_s }\nend\n"
        "begin; Often.new.go(1); rescue => e; $kept = e; end\n$proc = -> { e }\n",
        "a = { 'k' => [1, 2.5, 10**30], sym: 'text' * 3 }\n\"#{a}\"",
        "def broken(\n  x = 'some text' +* 2\nend end",
        "raise 'with a backtrace'",
    };

    for (int i = 0; i < edits; i++) {
        write_file(sources[i % 4]);
        run();
    }
    strbuf_free(&text);
    mrb_full_gc(vm->mrb);
    return heap_of(vm->mrb)->young_bytes;
}

static void test_edits_take_no_memory(void **state)
{
    (void)state;
    new_script(false, "1");
    size_t before = young_bytes_after(400);
    vm_new_symbols(vm);
    size_t after = young_bytes_after(8000);
    assert_int_equal(vm_new_symbols(vm), 0);
    /* A page of objects, 49 kB, more or less says nothing. */
    if (after > before + 60000)
        fail_msg("%zu bytes became %zu", before, after);
}

static size_t broken_bytes(void)
{
    struct memory_figures figures;

    assert_int_equal(memory_measure(0, region_bounds.start, region_bounds.end, &figures), 0);
    return (size_t)figures.broken;
}

/* In a process of its own, as a region is for good. */
static void run_frozen(void)
{
    mrb_value result;

    assert_int_equal(region_open((size_t)64 << 20), 0);
    vm = vm_open("frozen");
    assert_non_null(vm);
    new_script(true, "text = 'some text of a certain length'\nlist = (1..9).map { |n| \"#{text} #{n}\" }\n"
                     "$last = -> { list.size }\n[200, { 'content-type' => 'text/plain' }, list]");
    assert_true(script_load(script, &text));
    assert_int_equal(heap_freeze(&vm->mrb, 1), 0);
    unlink(path);
    size_t after[2] = { 0 };
    for (int i = 0; i < 4000; i++) {
        int arena = mrb_gc_arena_save(vm->mrb);
        assert_true(script_run(script, mrb_top_self(vm->mrb), &result));
        mrb_gc_arena_restore(vm->mrb, arena);
        if (i % 100 == 99)
            mrb_full_gc(vm->mrb);
        if (i == 99)
            after[0] = broken_bytes();
    }
    after[1] = broken_bytes();
    if (after[0] > 64 * 1024 || after[1] != after[0])
        fail_msg("%zu bytes of the region were written, then %zu", after[0], after[1]);
}

static void test_frozen_code_is_not_written_to(void **state)
{
    int status;

    (void)state;
    fflush(stdout);
    pid_t pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        run_frozen();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_local_variables_are_new_at_each_run),
        TEST(test_it_runs_at_top_level),
        TEST(test_a_self_of_its_own),
        TEST(test_return_ends_it),
        TEST(test_return_from_a_block_ends_it),
        TEST(test_closures_of_each_run_are_apart),
        TEST(test_an_exception_has_its_place),
        TEST(test_cached_code_stays),
        TEST(test_an_edit_shows_at_the_next_run),
        TEST(test_an_edit_that_puts_the_time_back),
        TEST(test_another_file_of_the_name),
        TEST(test_a_syntax_error_passes),
        TEST(test_a_missing_file),
        TEST(test_what_is_no_file_is_not_waited_for),
        TEST(test_load_says_what_is_wrong),
        TEST(test_edits_take_no_memory),
        cmocka_unit_test(test_frozen_code_is_not_written_to),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
