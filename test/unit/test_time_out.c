/*
 * Code that never ends, in all the ways there are: the exception comes out, with the right line, what `ensure` has to
 * do is done, and the interpreter is as good as before.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/compile.h>
#include <mruby/error.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "rack_failure.h"
#include "scoreboard.h"
#include "strbuf.h"
#include "time_out.h"
#include "vm.h"

/* The first signal, and the time to the next: an `ensure` body must not be hit again on a machine that stalls. */
#define FIRST_US 20000
#define PERIOD_US 300000

struct endless {
    const char *name;
    const char *code;   /* `overdue` starts the signals: where it may be hit from */
    const char *line;   /* in the backtrace; NULL: any; "": no exception comes out */
    const char *result; /* of $result afterwards */
};

static const struct endless endless[] = {
    { "loop", "begin; overdue; loop { }; ensure; $result = 1; end", "code.rb:1", "1" },
    { "while", "begin\noverdue\nx = 0\nwhile true\nx += 1\nend\nensure\n$result = 1\nend", "code.rb:", "1" },
    { "an empty while", "begin\noverdue; while true; end\nensure\n$result = 1\nend", "code.rb:2", "1" },
    { "nested blocks",
      "[1].each { |a|\nbegin\noverdue\n{ 1 => 2 }.each { 1_000_000_000.times { |i|\ni + 1 } }\nensure\n"
      "$result = 1\nend }",
      "code.rb:", "1" },
    { "recursion that is rescued",
      "def deep(n); deep(n + 1); end\nbegin\noverdue\nwhile true\nbegin; deep(0); rescue SystemStackError; end\n"
      "end\nensure\n$result = 1\nend",
      NULL, "1" },
    { "rescue and retry", "begin\noverdue; while true; end\nrescue => e\nretry\nensure\n$result = 1\nend", "code.rb:2",
      "1" },
    { "rescue Exception and retry",
      "$result = 0\nbegin\noverdue if $result == 0\nwhile true; end\nrescue Exception\n$result = 1\nretry\nend", NULL,
      "1" },
    { "an ensure that never ends", "begin\noverdue\nwhile true; end\nensure\n$result = 1\nwhile true; end\nend", NULL,
      "1" },
    { "an ensure after another",
      "begin; begin; overdue; while true; end; ensure; $result = 1; end; ensure; $result += 1; end", "code.rb:1", "2" },
    { "sleep", "begin; overdue; sleep 60; while true; end; ensure; $result = 1; end", "code.rb:1", "1" },
    { "a pipe without a writer's word", "r, w = IO.pipe; begin; overdue; r.read(1); ensure; $result = 1; end",
      "code.rb:1", "1" },
    { "a pipe, rescued once",
      "r, w = IO.pipe; overdue; begin; r.read(1); rescue => e; $result = 1; end; while true; end", "code.rb:1", NULL },
    { "a fiber", "Fiber.new { begin; overdue; while true; end; ensure; $result = 1; end }.resume", "code.rb:1", "1" },
    { "an ensure that breaks out", "[1].each { |i| begin; overdue; while true; end; ensure; $result = 1; break; end }",
      "", "1" },
    { "sorting", "a = (0...10_000).map { |i| i.to_s }; overdue; while true; a.sort; end", "code.rb:1", NULL },
    { "a block for a method in C",
      "begin; overdue; (1..).each { |i| [3, 2].sort { |x, y| x <=> y } }; ensure; $result = 1; end", NULL, "1" },
    { "method_missing",
      "class Odd; def method_missing(*a); $result = 1; end; def respond_to_missing?(*); true; end; end\n"
      "odd = Odd.new\nf = -> { odd.name }\nf.call\noverdue\nwhile true; f.call; end",
      "code.rb:", "1" },
    { "initialize and super",
      "class Base; def initialize(a); @a = a; end; end\n"
      "class Sub < Base; def initialize(a); super; end; define_method(:a) { @a }; end\n"
      "begin; overdue; while true; Sub.new(1).a; end; ensure; $result = 1; end",
      "code.rb:", "1" },
    { "catch and throw", "begin; overdue; while true; catch(:x) { throw :x }; end; ensure; $result = 1; end", NULL,
      "1" },
    { "big strings", "s = 'a' * 1_000_000; overdue; while true; s.index('b'); end", "code.rb:1", NULL },
};

static struct slot slot;

static mrb_value start_signals(mrb_state *mrb, mrb_value self)
{
    struct itimerval timer = { .it_interval.tv_usec = PERIOD_US, .it_value.tv_usec = FIRST_US };
    (void)mrb;
    setitimer(ITIMER_REAL, &timer, NULL);
    return self;
}

static struct vm *open_vm(void)
{
    struct vm *vm = vm_open("test");
    rack_failure_define(vm->mrb);
    mrb_define_method(vm->mrb, vm->mrb->kernel_module, "overdue", start_signals, MRB_ARGS_NONE());
    return vm;
}

static mrb_value run_code(mrb_state *mrb, void *data)
{
    mrbc_context *context = mrbc_context_new(mrb);
    mrbc_filename(mrb, context, "code.rb");
    mrb_value result = mrb_load_string_cxt(mrb, data, context);
    mrbc_context_free(mrb, context);
    if (mrb->exc != NULL)
        mrb_exc_raise(mrb, mrb_obj_value(mrb->exc));
    return result;
}

static void stop_signals(void)
{
    setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

/* What came out, described; "" when nothing did. */
static struct strbuf run_overdue(struct vm *vm, const char *code)
{
    struct strbuf text = { 0 };
    mrb_value result;
    int arena = mrb_gc_arena_save(vm->mrb);

    slot.request_sequence++;
    atomic_store(&slot.overdue_sequence, slot.request_sequence);
    time_out_begin(vm->mrb);
    if (!vm_call(vm, run_code, (void *)code, &result))
        vm_describe_exception(vm, result, &text);
    stop_signals();
    time_out_end();
    strbuf_puts(&text, "");
    mrb_gc_arena_restore(vm->mrb, arena);
    return text;
}

static void expect_usable(struct vm *vm)
{
    mrb_value result;
    assert_true(vm_call(vm, run_code, "[3, 1, 2].sort.map { |x| x * 2 }.inspect", &result));
    assert_string_equal(RSTRING_PTR(result), "[2, 4, 6]");
    assert_null(vm->mrb->code_fetch_hook);
}

static void test_everything_ends(void **state)
{
    struct vm *vm = open_vm();

    (void)state;
    time_out_open(&slot, INT64_C(200000000));
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        const struct endless *one = &endless[i];
        mrb_value result;
        vm_call(vm, run_code, "$result = nil", &result);
        struct strbuf text = run_overdue(vm, one->code);
        bool expected = one->line == NULL || one->line[0] != '\0';
        if (!expected && text.data[0] != '\0')
            fail_msg("%s: %s", one->name, text.data);
        if (expected && (strstr(text.data, "timeouts.request (0.2") == NULL ||
                         strstr(text.data, "(Cowherd::RequestTimeout)") == NULL))
            fail_msg("%s: %s", one->name, text.data);
        if (one->line != NULL && strstr(text.data, one->line) == NULL)
            fail_msg("%s: no %s in %s", one->name, one->line, text.data);
        vm_call(vm, run_code, "$result.to_s", &result);
        if (one->result != NULL && strcmp(RSTRING_PTR(result), one->result) != 0)
            fail_msg("%s: $result is %s: %s", one->name, RSTRING_PTR(result), text.data);
        expect_usable(vm);
        strbuf_free(&text);
    }
    vm_close(vm);
}

static mrb_value raise_signal(mrb_state *mrb, mrb_value self)
{
    (void)mrb;
    raise(TIME_OUT_SIGNAL);
    return self;
}

/* The signal for a request that is over by now does nothing to the next one. */
static void test_a_late_signal_is_ignored(void **state)
{
    struct vm *vm = open_vm();
    mrb_value result;

    (void)state;
    time_out_open(&slot, 1);
    mrb_define_method(vm->mrb, vm->mrb->kernel_module, "raise_signal", raise_signal, MRB_ARGS_NONE());
    atomic_store(&slot.overdue_sequence, 7);
    atomic_store(&slot.request_sequence, 8);
    time_out_begin(vm->mrb);
    assert_true(vm_call(vm, run_code, "raise_signal; 1 + 1", &result));
    assert_false(time_out_is_due());
    time_out_end();

    atomic_store(&slot.request_sequence, 7);
    assert_true(vm_call(vm, run_code, "raise_signal; 1 + 1", &result));
    assert_null(vm->mrb->code_fetch_hook);

    time_out_begin(vm->mrb);
    time_out_mask();
    assert_true(vm_call(vm, run_code, "raise_signal; 1 + 1", &result));
    time_out_unmask();
    assert_true(time_out_is_due());
    assert_false(vm_call(vm, run_code, "raise_signal; 1 + 1", &result));
    time_out_end();
    vm_close(vm);
}

/* Each interpreter of a worker by itself: the one that runs is meant. */
static void test_the_running_interpreter(void **state)
{
    struct vm *first = open_vm(), *second = open_vm();

    (void)state;
    time_out_open(&slot, INT64_C(200000000));
    for (int i = 0; i < 4; i++) {
        struct vm *vm = i % 2 == 0 ? second : first;
        struct strbuf text = run_overdue(vm, "overdue; while true; end");
        assert_non_null(strstr(text.data, "RequestTimeout"));
        assert_null(first->mrb->code_fetch_hook);
        assert_null(second->mrb->code_fetch_hook);
        strbuf_free(&text);
    }
    expect_usable(first);
    expect_usable(second);
    vm_close(first);
    vm_close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_ends),
        cmocka_unit_test(test_a_late_signal_is_ignored),
        cmocka_unit_test(test_the_running_interpreter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
