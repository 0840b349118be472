/*
 * Merely reading what was loaded before the freeze must write nothing: counted in pages of the region, for each kind of
 * object and the ways to read it.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <mruby/compile.h>

#include "heap.h"
#include "region.h"

#define OBJECTS "2_000"

struct reading {
    const char *name;
    const char *object;  /* of the index i */
    const char *reads;   /* of the object x, or y, its neighbour */
    const char *written; /* why pages are written all the same; NULL: none may be */
};

static const struct reading readings[] = {
    { "String", "\"a plain string of some length, number #{i}\"",
      "x.size; x.length; x.bytesize; x.empty?; x[2, 4]; x[3]; x[2..20]; x == y; x <=> y; x.hash; x.to_s; x.to_sym; "
      "x.chars; x.bytes; x.each_char { }; x.index('n'); x.rindex('n'); x.include?('of'); x.start_with?('a'); "
      "x.end_with?('z'); x.upcase; x.sub('a', 'b'); x.gsub('a', 'b'); x.split(' '); x.reverse; x * 2; x + y; x.dup; "
      "x.dup << 'more'; \"#{x}!\"; x.to_i; x.tr('a', 'b'); x.strip; x.ord; x.frozen?; x.lines; x.succ; x.capitalize",
      NULL },
    { "String, wide", "\"größe ☃ number #{i} of some length\"",
      "x.size; x[2, 4]; x == y; x.hash; x.chars; x.index('n'); x.upcase; x.reverse; x.split(' '); x.dup << 'é'; "
      "x.sub('ö', 'o'); x.each_char { }; x.bytes; x.byteslice(0, 9)",
      NULL },
    { "String, short", "\"s#{i}\"", "x.size; x.dup << 'x'; x + y; x.hash; x == y; x[0]; x.to_sym", NULL },
    { "String, bytes", "\"\\xff\\xfe bytes #{i} and some more of it\"",
      "x.size; x[1]; x.bytes; x.dup; x == y; x.getbyte(0)", NULL },
    { "String, a part of another", "('a rather long string ' + i.to_s * 9)[3, 25]",
      "x.size; x[2, 4]; x.dup; x.upcase; x.hash", NULL },
    { "String, frozen", "\"a frozen string of some length, number #{i}\".freeze",
      "x.size; x[2, 30]; x.dup; x.upcase; x.hash; x == y; x.to_sym", NULL },
    { "String#inspect", "\"a plain string of some length, number #{i}\"", "x.inspect", NULL },
    { "Array", "Array.new(24) { |j| i + j }",
      "x.size; x[3]; x[-1]; x.first; x.last; x.each { }; x.each_with_index { }; x.map { |v| v }; x.select { |v| v }; "
      "x.include?(3); x.index(7); x == y; x.hash; x.join(','); x + y; x.min; x.reverse; x.to_a; x.empty?; "
      "x.inject { |a, b| a + b }; x.inspect; x.first(3); x[2, 4]; x.each_slice(5) { }; x.zip(y)",
      NULL },
    { "Array#dup of more than 20", "Array.new(24) { |j| i + j }", "x.dup; x.sort; x.flatten; x.uniq", NULL },
    { "Array#slice of more than 20", "Array.new(64) { |j| i + j }", "x[1, 40]; x.first(50)", NULL },
    { "Array, short", "[i]", "x.dup; x[0, 1]; x.first; x.dup.shift; x == y", NULL },
    { "Hash", "{ 'id' => i, 'name' => i.to_s, list: [i] }",
      "x['id']; x[:list]; x['no']; x.fetch('name'); x.key?('name'); x.keys; x.values; x.each { |k, v| v }; x.size; "
      "x.map { |k, v| k }; x.to_a; x.merge({ 1 => 2 }); x.dup; x.select { |k, v| v }; x == y; x.any? { |k, v| v }; "
      "x.sort_by { |k, v| k.to_s }; x.hash; x.invert; x.default; x.empty?; x.dig(:list, 0)",
      NULL },
    { "Hash, large", "(0..40).to_h { |j| [j, i] }",
      "x[7]; x[99]; x.each { |k, v| v }; x.keys; x.dup; x.merge(y); x == y", NULL },
    { "Hash with a default", "Hash.new(i)", "x[1]; x[2]; x.default; x.size", NULL },
    { "Hash with objects as keys", "{ Plain.new(i) => i }", "x[Plain.new(3)]; x.each { |k, v| k.v }", NULL },
    { "Object", "Plain.new(i)",
      "x.v; x.respond_to?(:v); x.instance_variable_get(:@v); x.instance_variables; x.dup; x.clone; x == y; x.hash; "
      "x.inspect; x.to_s; x.class; x.is_a?(Plain); x.frozen?; x.method(:v).call; x.send(:v); x.missing rescue 0; "
      "x.instance_variable_defined?(:@w); x.methods",
      NULL },
    { "Struct", "Pair.new(i, i.to_s)",
      "x.left; x[0]; x[:right]; x.to_a; x == y; x.each { }; x.dup; x.hash; x.members; "
      "x.to_h; x.size",
      NULL },
    { "Data", "Point.new(x: i, y: [i])", "x.x; x.y; x.to_h; x == y; x.hash; x.members; x.dup", NULL },
    { "Set", "Set.new([i, 'member'])", "x.include?(3); x.size; x.to_a; x.each { }; x | y; x & y; x == y; x.dup", NULL },
    { "Range", "(i..i + 3)", "x.each { }; x.to_a; x.include?(2); x.first; x.last; x == y; x.hash; x.inspect; x.dup",
      NULL },
    { "Proc", "(k = i; -> { k })",
      "x.call; x.(); x.arity; x.lambda?; [1].each(&x) rescue 0; x.parameters; x == y; x.dup", NULL },
    { "Method", "Plain.new(i).method(:v)", "x.call; x.unbind; x.arity; x.owner; x.name", NULL },
    { "Exception", "RuntimeError.new(\"message #{i}\")", "x.message; x.inspect; x.to_s; x.class; x.backtrace", NULL },
    { "Exception that was raised", "begin; raise 'message'; rescue => e; e; end", "x.message; x.inspect", NULL },
    { "Exception#backtrace", "begin; raise 'message'; rescue => e; e; end", "x.backtrace", NULL },
    { "Code that raises", "Plain.new(i)", "begin; x.fail; rescue => e; e.message; e.backtrace; end", NULL },
    { "Class", "Class.new(Plain) { define_method(:w) { i } }",
      "x.new(1).w; x.new(1).v; x.instance_methods(false); x.ancestors; x.superclass; x.name; x.instance_method(:w); "
      "x.method_defined?(:v)",
      NULL },
    { "Constant", "Plain.const_set(\"C#{i}\", [i])", "Plain.const_get(:C7); Plain.constants; Plain::C9", NULL },
    { "Float and big numbers", "[i * 1.5e300, 3**(60 + i % 20), Rational(i, 7)]",
      "x.each { |n| n + 1; n == y[0]; n.to_s; n.hash }", NULL },
    { "Enumerator", "[i, i].each", "x.each { }; x.size; x.map { |v| v }; x.with_index { }", NULL },
    { "Symbol", "\"symbol_#{i}\".to_sym", "x.to_s; x.to_proc; x.size; x == y; x.to_s << 'x'; x.hash", NULL },
    { "Enumerator#dup", "[i, i].each", "x.size; x.dup",
      "instance_eval gives the original a singleton class (initialize_copy in mruby-enumerator)" },
};

static const char classes[] =
    "class Plain; attr_reader :v; def initialize(v) @v = v; end; def hash; 7; end; def eql?(o) o.v == @v; end; "
    "def fail; raise ArgumentError, 'failed'; end; end; Pair = Struct.new(:left, :right); Point = Data.define(:x, :y)";

static size_t pages_written(void)
{
    char line[512];
    uintptr_t start = 0, end = 0;
    size_t total = 0, kilobytes;
    FILE *file = fopen("/proc/self/smaps", "r");
    if (file == NULL)
        abort();
    while (fgets(line, sizeof line, file) != NULL) {
        uintptr_t a, b;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &a, &b) == 2) {
            start = a;
            end = b;
        } else if (sscanf(line, "Anonymous: %zu kB", &kilobytes) == 1 && start >= region_bounds.start &&
                   end <= region_bounds.end) {
            total += kilobytes / 4;
        }
    }
    fclose(file);
    return total;
}

static void run(mrb_state *mrb, const char *name, const char *source)
{
    int arena = mrb_gc_arena_save(mrb);
    mrb_load_string(mrb, source);
    if (mrb->exc != NULL) {
        fprintf(stderr, "%s: ", name);
        mrb_print_error(mrb);
        fflush(stderr);
        _exit(2);
    }
    mrb_gc_arena_restore(mrb, arena);
}

/* In a process of its own: 0 when as few pages were written as may be. */
static int read_all(const struct reading *reading)
{
    char source[4096];
    if (region_open((size_t)512 << 20) != 0)
        return 2;
    mrb_state *mrb = heap_open();
    run(mrb, reading->name, classes);
    snprintf(source, sizeof source,
             "$list = Array.new(" OBJECTS ") { |i| %s }\n"
             "$read = ->(from, to) { while from < to; x = $list[from]; y = $list[from + 1]; %s; from += 1; end }",
             reading->object, reading->reads);
    run(mrb, reading->name, source);
    if (heap_freeze(&mrb, 1) != 0)
        return 2;
    /* What an interpreter writes for itself: its state, stack and symbols. */
    run(mrb, reading->name, "$read.call(0, 4); GC.start; $read.call(0, 4)");
    run(mrb, reading->name, "$read.call(0, 4)");
    size_t before = pages_written();
    run(mrb, reading->name, "$read.call(4, " OBJECTS " - 2)");
    size_t written = pages_written() - before;
    size_t region = (region_bounds.end - region_bounds.start) / 4096;
    if (reading->written == NULL ? written > 2 : written < 8) {
        fprintf(stderr, "%s: %zu of %zu pages were written%s%s\n", reading->name, written, region,
                reading->written != NULL ? ", though " : "", reading->written != NULL ? reading->written : "");
        fflush(stderr);
        return 1;
    }
    return 0;
}

static void test_reading_writes_nothing(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        int status;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
            _exit(read_all(&readings[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        failures += status != 0;
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_reading_writes_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
