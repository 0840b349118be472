#include "vm.h"

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

#include <mruby/array.h>
#include <mruby/error.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "heap.h"
#include "strbuf.h"

static struct vm *vm;
static char path[64]; /* of a file that `load` writes */
static struct strbuf text;

static int set_up(void **state)
{
    (void)state;
    vm = vm_open("test");
    snprintf(path, sizeof path, "/tmp/cowherd-test-vm-%d.rb", (int)getpid());
    return vm == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    vm_close(vm);
    strbuf_free(&text);
    unlink(path);
    return 0;
}

static void write_file(const char *source, size_t length)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(source, 1, length, file), length);
    fclose(file);
}

static bool load_as(const char *source, mrb_value self, mrb_value *result)
{
    write_file(source, strlen(source));
    return vm_load_file(vm, path, self, result);
}

/* The value of the source, which must not raise, as `inspect` shows it. */
static const char *value_of(const char *source)
{
    mrb_value result;

    if (!load_as(source, mrb_top_self(vm->mrb), &result)) {
        vm_describe_exception(vm, result, &text);
        fail_msg("%s", text.data);
    }
    result = mrb_inspect(vm->mrb, result);
    strbuf_consume(&text, text.length);
    strbuf_append(&text, RSTRING_PTR(result), (size_t)RSTRING_LEN(result));
    return text.data;
}

/* The description of what the source raises, with the file's path written as FILE. */
static const char *raised_by(const char *source)
{
    struct strbuf description = { 0 };
    mrb_value result;

    assert_false(load_as(source, mrb_top_self(vm->mrb), &result));
    assert_null(vm->mrb->exc);
    vm_describe_exception(vm, result, &description);
    strbuf_consume(&text, text.length);
    for (const char *at = description.data; *at != '\0';) {
        bool is_path = strncmp(at, path, strlen(path)) == 0;
        strbuf_append(&text, is_path ? "FILE" : at, is_path ? 4 : 1);
        at += is_path ? strlen(path) : 1;
    }
    strbuf_free(&description);
    return text.data;
}

static void test_value_of_the_last_expression(void **state)
{
    (void)state;
    assert_string_equal(value_of("x = 40\nx + 2\n"), "42");
    assert_string_equal(value_of(""), "nil");
}

static void test_local_variables_do_not_leak(void **state)
{
    (void)state;
    value_of("leak = 1\n$proc = -> { leak += 1 }");
    assert_string_equal(value_of("begin; leak; rescue NameError; 'no'; end"), "\"no\"");
    assert_string_equal(value_of("other = 7\n[$proc.call, $proc.call, other]"), "[2, 3, 7]");
}

static void test_closures_of_an_earlier_file_live_on(void **state)
{
    (void)state;
    value_of("a = 1; b = 2; c = 'three'\n$get = -> { [a, b, c] }\n$set = ->(v) { a = v }");
    value_of("x = 9; y = 8; z = 7; w = 6\nx + y + z + w");
    assert_string_equal(value_of("p1 = 0; p2 = 0; $set.call(5); $get.call"), "[5, 2, \"three\"]");
}

static void test_constants_and_methods_go_to_object(void **state)
{
    mrb_value result, self;

    (void)state;
    value_of("class Selfish; def only_here; :here; end; end");
    self = mrb_obj_new(vm->mrb, mrb_class_get(vm->mrb, "Selfish"), 0, NULL);
    mrb_gc_register(vm->mrb, self);
    assert_true(
        load_as("ANSWER = 42\nclass Inner; end\ndef helper; 'helps'; end\n[self.class, only_here]", self, &result));
    assert_string_equal(value_of("[ANSWER, Inner, helper, Object.const_defined?(:Inner)]"),
                        "[42, Inner, \"helps\", true]");
    mrb_gc_unregister(vm->mrb, self);
}

static void test_file_and_line(void **state)
{
    char expected[96];

    (void)state;
    snprintf(expected, sizeof expected, "[\"%s\", 2]", path);
    assert_string_equal(value_of("\n[__FILE__, __LINE__]"), expected);
}

static void test_backtrace_has_file_and_line(void **state)
{
    (void)state;
    assert_string_equal(raised_by("class Deep\n  def go(n)\n    n.zero? ? raise('here') : go(n - 1)\n  end\nend\n\n"
                                  "def around\n  yield 1\nend\naround do |n|\n  Deep.new.go(n)\nend\n"),
                        "here (RuntimeError)\n  FILE:3:in go\n  FILE:3:in go\n  FILE:11\n  FILE:8:in around\n"
                        "  FILE:10");
}

static void test_exception_outlives_its_file(void **state)
{
    (void)state;
    value_of("begin; raise 'kept'; rescue => e; $kept = e; end");
    value_of("GC.start; 1000.times { |i| \"x\" * i }; GC.start");
    assert_non_null(strstr(value_of("$kept.backtrace"), path));
}

static size_t young_bytes_after(int loads)
{
    static const char source[] = "class Often\n  def go(x) = [x, 'some text'].map { |y| raise y.to_s }\nend\n"
                                 "begin; Often.new.go(1); rescue => e; $kept = e; end\n$proc = -> { e }\n";

    int arena = mrb_gc_arena_save(vm->mrb);
    for (int i = 0; i < loads; i++) {
        value_of(source);
        mrb_gc_arena_restore(vm->mrb, arena);
    }
    mrb_full_gc(vm->mrb);
    return heap_of(vm->mrb)->young_bytes;
}

static void test_loading_again_takes_no_memory(void **state)
{
    (void)state;
    size_t before = young_bytes_after(200);
    /* A page of objects, 49 kB, more or less says nothing. */
    assert_true(young_bytes_after(5000) < before + 60000);
    assert_non_null(strstr(value_of("$kept.backtrace"), path));
}

static void test_a_required_file_runs_once(void **state)
{
    static const char source[] = "$runs = ($runs || 0) + 1\nraise 'no' if $runs == 1\n";
    mrb_value result;

    (void)state;
    write_file(source, sizeof source - 1);
    assert_false(vm_require_file(vm, path, &result));
    assert_true(vm_require_file(vm, path, &result));
    assert_true(mrb_true_p(result));
    assert_true(vm_require_file(vm, path, &result));
    assert_true(mrb_false_p(result));
    assert_false(vm_require_file(vm, "/nowhere/x.rb", &result));
    assert_string_equal(value_of("[$runs, require(__FILE__)]"), "[2, false]");
}

static void test_several_syntax_errors(void **state)
{
    (void)state;
    raised_by("x = 1\ny = )\nz = 2\nclass foo\nend\ndef Z=; 3 = 4; end\n");
    assert_non_null(strstr(text.data, "(SyntaxError)"));
    assert_ptr_equal(strstr(text.data, "FILE:2:5: syntax error, unexpected ')'"), text.data);
    assert_non_null(strstr(text.data, "\nFILE:3:0: class/module name must be CONSTANT\nFILE:5:"));
}

static void test_missing_file_is_a_load_error(void **state)
{
    mrb_value result;

    (void)state;
    assert_false(vm_load_file(vm, "/nowhere/x.rb", mrb_top_self(vm->mrb), &result));
    vm_describe_exception(vm, result, &text);
    assert_string_equal(text.data, "cannot load such file -- /nowhere/x.rb (LoadError)");
    assert_false(vm_load_file(vm, "/tmp", mrb_top_self(vm->mrb), &result));
    strbuf_consume(&text, text.length);
    vm_describe_exception(vm, result, &text);
    assert_string_equal(text.data, "cannot load such file -- /tmp (Is a directory) (LoadError)");
}

static void test_exit_is_an_exception_like_another(void **state)
{
    (void)state;
    assert_string_equal(
        raised_by("exit 3"),
        "exit was called: this process is not the app's to end (SystemExit)\n  FILE:1:in exit\n  FILE:1");
    assert_string_equal(value_of("1"), "1");
}

static void test_stray_break_and_throw(void **state)
{
    (void)state;
    assert_non_null(strstr(raised_by("def pr; proc { break 1 }; end\npr.call\n"), "(LocalJumpError)"));
    assert_non_null(strstr(raised_by("throw :nothing"), "(UncaughtThrowError)"));
    assert_string_equal(value_of("1"), "1");
}

static void test_exception_in_a_fiber(void **state)
{
    (void)state;
    assert_non_null(
        strstr(raised_by("Fiber.new { [1].each { raise 'in a fiber' } }.resume"), "in a fiber (RuntimeError)"));
    assert_non_null(strstr(raised_by("e = [1, 2].each\ne.next\ne.next\ne.next"), "(StopIteration)"));
    raised_by("Fiber.new { Fiber.new { loop { Fiber.yield; raise IndexError, 'x' } }.tap { |f| f.resume; f.resume } "
              "}.resume");
    assert_non_null(strstr(text.data, "(IndexError)"));
    assert_ptr_equal(vm->mrb->c, vm->mrb->root_c);
    assert_string_equal(value_of("Fiber.new { Fiber.yield 5 }.resume"), "5");
}

static void test_stack_overflow_tells_its_own_backtrace(void **state)
{
    (void)state;
    value_of("def first(n) first(n + 1) end\ndef second(n) second(n + 1) end");
    assert_non_null(strstr(raised_by("first(0)"), "in first"));
    raised_by("second(0)");
    assert_non_null(strstr(text.data, "in second"));
    assert_null(strstr(text.data, "in first"));
    assert_non_null(strstr(text.data, "\n  ... "));
}

static void test_describing_never_raises(void **state)
{
    (void)state;
    assert_string_equal(raised_by("class Bad < StandardError; def message; raise 'no'; end; end\nraise Bad"),
                        "(an exception whose message raises another) (Bad)\n  FILE:2");
    assert_string_equal(
        raised_by("class Worse < StandardError; def message; nil; end; def backtrace; 3; end; end\nraise Worse"),
        " (Worse)");
    assert_string_equal(raised_by("class Worst < StandardError; def backtrace; raise 'x'; end; end\nraise Worst, 'm'"),
                        "m (Worst)\n  (its backtrace raises an exception)");
}

static void test_long_message_is_cut(void **state)
{
    (void)state;
    assert_true(strlen(raised_by("raise 'x' * 1_000_000")) < 20000);
    assert_non_null(strstr(text.data, "... (983616 bytes more) (RuntimeError)"));
}

static mrb_value make_garbage(mrb_state *mrb, void *data)
{
    (void)data;
    return mrb_str_new_lit(mrb, "garbage");
}

static mrb_value raise_garbage(mrb_state *mrb, void *data)
{
    (void)data;
    mrb_raise(mrb, E_RUNTIME_ERROR, "garbage");
}

static void test_arena_and_exception_state_are_restored(void **state)
{
    int before = mrb_gc_arena_save(vm->mrb);
    mrb_value result;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        assert_true(vm_call(vm, make_garbage, NULL, &result));
        assert_false(vm_call(vm, raise_garbage, NULL, &result));
        assert_null(vm->mrb->exc);
        mrb_gc_arena_restore(vm->mrb, before);
    }
    assert_int_equal(vm->mrb->c->ci - vm->mrb->c->cibase, 0);
}

static void test_check_file(void **state)
{
    static const char good[] = "\xef\xbb\xbfx = 1\n";
    static const char bad[] = "def a\n  1 +* 2\nend\nfoo(]\n";

    (void)state;
    write_file(good, sizeof good - 1);
    assert_true(vm_check_file(path, &text));
    assert_int_equal(text.length, 0);
    write_file(bad, sizeof bad - 1);
    assert_false(vm_check_file(path, &text));
    assert_ptr_equal(strstr(text.data, path), text.data);
    assert_non_null(strstr(text.data, ":2:"));
    assert_int_equal(text.data[text.length - 1], '\n');
    strbuf_consume(&text, text.length);
    assert_false(vm_check_file("/nowhere.rb", &text));
    assert_string_equal(text.data, "/nowhere.rb:1:1: cannot be read: No such file or directory\n");
}

static void test_check_file_runs_nothing(void **state)
{
    static const char source[] = "raise 'ran'; File.open('/tmp/cowherd-ran', 'w')\n";

    (void)state;
    write_file(source, sizeof source - 1);
    assert_true(vm_check_file(path, &text));
}

static void test_binary_file(void **state)
{
    static const char source[] = "\x7f"
                                 "ELF\2\1\1\0\0\0";

    (void)state;
    write_file(source, sizeof source - 1);
    assert_false(vm_check_file(path, &text));
    assert_non_null(strstr(text.data, path));
}

static void test_generators_without_a_seed_differ(void **state)
{
    (void)state;
    assert_string_equal(value_of("Random.new.rand(1 << 30) == Random.new.rand(1 << 30)"), "false");
    assert_string_equal(value_of("Random.new(7).rand(1 << 30) == Random.new(7).rand(1 << 30)"), "true");
    assert_string_equal(value_of("a = Random.new(7).bytes(8); b = Random.new; b.srand(7); b.bytes(8) == a"), "true");
}

/* See gems/edit-mruby: in mruby as it is some of these never end. */
static void test_strings_that_are_no_utf_8_have_an_end(void **state)
{
    (void)state;
    value_of(
        "$broken = [\"\\x80\", \"a\\xbfb\", \"\\u00e9\\x80\", \"\\xf8\\x88\\x80\", \"\\xe3\\x81\", \"\\xff\"]; nil");
    assert_string_equal(value_of("$broken.map { |s| s.chars.size }"), "[1, 3, 2, 3, 2, 1]");
    assert_string_equal(value_of("$broken.all? { |s| s.size == s.chars.size && s.each_char.to_a == s.chars }"), "true");
    assert_string_equal(value_of("$broken.count { |s| s.valid_encoding? || s.reverse.reverse != s || s[0..-1] != s }"),
                        "0");
    assert_string_equal(value_of("$broken.all? { |s| s.chars.join == s && s.split('').join == s }"), "true");
    assert_string_equal(
        value_of("$broken.map { |s| [s.index('b'), s.reverse.bytesize, s[1, 9].to_s.bytesize <= 3] }"),
        "[[nil, 1, true], [2, 3, true], [nil, 3, true], [nil, 3, true], [nil, 2, true], [nil, 1, true]]");
}

static void test_reseed_changes_what_the_fork_inherited(void **state)
{
    char drawn[2][256];
    int ends[2];

    (void)state;
    value_of("KEPT = Random.new\nSEEDED = Random.new(1)\nSEEDED.rand");
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        assert_int_not_equal(pid, -1);
        if (pid == 0) {
            vm_reseed(vm);
            const char *numbers =
                value_of("[rand(1 << 30), Random.rand(1 << 30), KEPT.rand(1 << 30), SEEDED.rand(1 << 30)]");
            _exit(write(ends[1], numbers, strlen(numbers)) == -1);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        ssize_t length = read(ends[0], drawn[i], sizeof drawn[i] - 1);
        assert_true(length > 0);
        drawn[i][length] = '\0';
    }
    close(ends[0]);
    close(ends[1]);

    long a[4], b[4];
    assert_int_equal(sscanf(drawn[0], "[%ld, %ld, %ld, %ld]", &a[0], &a[1], &a[2], &a[3]), 4);
    assert_int_equal(sscanf(drawn[1], "[%ld, %ld, %ld, %ld]", &b[0], &b[1], &b[2], &b[3]), 4);
    assert_int_not_equal(a[0], b[0]);
    assert_int_not_equal(a[1], b[1]);
    assert_int_not_equal(a[2], b[2]);
    assert_int_equal(a[3], b[3]); /* it was given its seed: it keeps its sequence */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_value_of_the_last_expression),
        TEST(test_local_variables_do_not_leak),
        TEST(test_closures_of_an_earlier_file_live_on),
        TEST(test_constants_and_methods_go_to_object),
        TEST(test_file_and_line),
        TEST(test_backtrace_has_file_and_line),
        TEST(test_exception_outlives_its_file),
        TEST(test_loading_again_takes_no_memory),
        TEST(test_a_required_file_runs_once),
        TEST(test_several_syntax_errors),
        TEST(test_missing_file_is_a_load_error),
        TEST(test_exit_is_an_exception_like_another),
        TEST(test_stray_break_and_throw),
        TEST(test_exception_in_a_fiber),
        TEST(test_stack_overflow_tells_its_own_backtrace),
        TEST(test_describing_never_raises),
        TEST(test_long_message_is_cut),
        TEST(test_arena_and_exception_state_are_restored),
        TEST(test_check_file),
        TEST(test_check_file_runs_nothing),
        TEST(test_binary_file),
        TEST(test_generators_without_a_seed_differ),
        TEST(test_strings_that_are_no_utf_8_have_an_end),
        TEST(test_reseed_changes_what_the_fork_inherited),
    };

    return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
