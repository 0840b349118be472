#include "heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <mruby/array.h>
#include <mruby/compile.h>
#include <mruby/hash.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "heap_verify.h"
#include "in_child.h"
#include "memory_meter.h"
#include "region.h"
#include "remembered_set.h"

#define CAPACITY ((size_t)256 << 20)

/* What is made before the freeze, what happens to it afterwards, and what must be left. */
struct mutation {
    const char *name, *before, *after, *show, *expected;
};

#define YOUNG "Array.new(2) { |i| 'young ' + i.to_s }"
#define YOUNG_SHOWN "[\"young 0\", \"young 1\"]"

static const struct mutation mutations[] = {
    { "array push", "$a = [1]", "$a << " YOUNG, "$a[1]", YOUNG_SHOWN },
    { "array set", "$a = [1, 2]", "$a[0] = " YOUNG, "$a[0]", YOUNG_SHOWN },
    { "array set beyond its end", "$a = []", "$a[40] = " YOUNG, "$a[40]", YOUNG_SHOWN },
    { "array concat", "$a = [1]", "$a.concat([" YOUNG "])", "$a[1]", YOUNG_SHOWN },
    { "array replace", "$a = (0..9).to_a", "$a.replace([" YOUNG "])", "$a[0]", YOUNG_SHOWN },
    { "array replace, sharing", "$a = [1]", "$a.replace(Array.new(30) { |i| 'young ' + i.to_s })", "$a[29]",
      "\"young 29\"" },
    { "array insert", "$a = (0..9).to_a", "$a.insert(3, " YOUNG ")", "$a[3]", YOUNG_SHOWN },
    { "array splice", "$a = (0..9).to_a", "$a[3, 4] = [" YOUNG "]", "$a[3]", YOUNG_SHOWN },
    { "array fill", "$a = (0..9).to_a", "$a.fill(" YOUNG ")", "$a[9]", YOUNG_SHOWN },
    { "array fill with a block", "$a = (0..9).to_a", "$a.fill { " YOUNG " }", "$a[9]", YOUNG_SHOWN },
    { "array unshift", "$a = (0..9).to_a", "$a.unshift(" YOUNG ")", "$a[0]", YOUNG_SHOWN },
    { "array shift and push", "$a = (0..40).to_a", "$a.shift; $a.push(" YOUNG ")", "$a[-1]", YOUNG_SHOWN },
    { "array map!", "$a = (0..40).to_a", "$a.map! { " YOUNG " }", "$a[40]", YOUNG_SHOWN },
    { "array of an array", "$a = [[[1]]]", "$a[0][0][0] = " YOUNG, "$a", "[[[" YOUNG_SHOWN "]]]" },
    { "array swapped", "$a = [1]; $b = [2]", "$a << " YOUNG "; $b << $a.pop", "$b[1]", YOUNG_SHOWN },
    { "hash set", "$h = {}", "$h['key'] = " YOUNG, "$h['key']", YOUNG_SHOWN },
    { "hash set, large", "$h = (0..90).to_h { |i| [i, i] }", "$h['key'] = " YOUNG, "$h['key']", YOUNG_SHOWN },
    { "hash key", "$h = {}", "$h[" YOUNG "] = 1", "$h.keys", "[" YOUNG_SHOWN "]" },
    { "hash delete and set", "$h = { 1 => 2 }", "$h.delete(1); $h[1] = " YOUNG, "$h[1]", YOUNG_SHOWN },
    { "hash replace", "$h = { 1 => 2 }", "$h.replace({ 3 => " YOUNG " })", "$h[3]", YOUNG_SHOWN },
    { "hash replace with a default", "$h = { 1 => 2 }", "$h.replace(Hash.new(" YOUNG "))", "$h[9]", YOUNG_SHOWN },
    { "hash merge!", "$h = { 1 => 2 }", "$h.merge!({ 3 => " YOUNG " })", "$h[3]", YOUNG_SHOWN },
    { "hash default", "$h = { 1 => 2 }", "$h.default = " YOUNG, "$h[9]", YOUNG_SHOWN },
    { "hash default proc", "$h = {}", "v = " YOUNG "; $h.default_proc = ->(h, k) { v }", "$h[9]", YOUNG_SHOWN },
    { "hash default proc of old", "$h = Hash.new { |h, k| h[k] = " YOUNG " }", "$h[7]", "$h[7]", YOUNG_SHOWN },
    { "hash rehash", "$h = {}", "k = [1]; $h[k] = " YOUNG "; k << 2; $h.rehash", "$h[[1, 2]]", YOUNG_SHOWN },
    { "hash rehash with collections",
      "class K; attr_reader :n; def initialize(n) @n = n; end; def hash; GC.start; n; end; def eql?(o) n == o.n; end; "
      "end;"
      "$h = {}",
      "20.times { |i| $h[K.new(i)] = 'young ' + i.to_s }; $h.rehash; GC.start",
      "[$h.size, $h.values[19], $h.keys[19].n, $h[K.new(3)]]", "[20, \"young 19\", 19, \"young 3\"]" },
    { "instance variable", "$o = Object.new", "$o.instance_variable_set(:@v, " YOUNG ")",
      "$o.instance_variable_get(:@v)", YOUNG_SHOWN },
    { "attribute", "class T; attr_accessor :v; end; $o = T.new", "$o.v = " YOUNG, "$o.v", YOUNG_SHOWN },
    { "class instance variable", "class T; def self.v; @v; end; def self.v=(v); @v = v; end; end", "T.v = " YOUNG,
      "T.v", YOUNG_SHOWN },
    { "class variable", "class T; @@v = 1; def self.v; @@v; end; def self.v=(v); @@v = v; end; end", "T.v = " YOUNG,
      "T.v", YOUNG_SHOWN },
    { "new class variable", "class T; end", "T.class_variable_set(:@@n, " YOUNG ")", "T.class_variable_get(:@@n)",
      YOUNG_SHOWN },
    { "constant", "class T; end", "T.const_set(:V, " YOUNG ")", "T::V", YOUNG_SHOWN },
    { "top-level constant", "", "NAMED = " YOUNG, "NAMED", YOUNG_SHOWN },
    { "global", "$g = 1", "$g = " YOUNG, "$g", YOUNG_SHOWN },
    { "new global", "", "$fresh = " YOUNG, "$fresh", YOUNG_SHOWN },
    { "new class", "", "class Fresh; def v; " YOUNG "; end; end", "Fresh.new.v", YOUNG_SHOWN },
    { "subclass", "class T; def v; " YOUNG "; end; end", "class U < T; end", "U.new.v", YOUNG_SHOWN },
    { "define_method", "class T; end", "v = " YOUNG "; T.define_method(:v) { v }", "T.new.v", YOUNG_SHOWN },
    { "def", "class T; end", "class T; def v; " YOUNG "; end; end", "T.new.v", YOUNG_SHOWN },
    { "alias", "class T; end", "class T; def w; " YOUNG "; end; alias v w; undef_method :w; end", "T.new.v",
      YOUNG_SHOWN },
    { "undef", "class T; def v; 1; end; end; $o = T.new", "class T; undef v; end",
      "begin; $o.v; rescue NoMethodError; 'undefined'; end", "\"undefined\"" },
    { "builtin reopened", "", "class String; def v; " YOUNG "; end; end", "''.v", YOUNG_SHOWN },
    { "singleton method", "$o = Object.new", "v = " YOUNG "; $o.define_singleton_method(:v) { v }", "$o.v",
      YOUNG_SHOWN },
    { "singleton of a class", "class T; end", "class << T; def v; " YOUNG "; end; end", "T.v", YOUNG_SHOWN },
    { "include of a young module", "class T; end; $o = T.new",
      "m = Module.new { define_method(:v) { " YOUNG " } }; T.include(m)", "$o.v", YOUNG_SHOWN },
    { "prepend of a young module", "class T; def v; 1; end; end; $o = T.new",
      "m = Module.new { define_method(:v) { [super(), 2] } }; T.prepend(m)", "$o.v", "[1, 2]" },
    { "prepend, then a method", "class T; def v; 1; end; end; $o = T.new",
      "T.prepend(Module.new); class T; def w; " YOUNG "; end; end", "[$o.v, $o.w]", "[1, " YOUNG_SHOWN "]" },
    { "include into an included module", "module M; end; class T; include M; end; $o = T.new",
      "M.include(Module.new { define_method(:v) { " YOUNG " } })", "Class.new { include M }.new.v", YOUNG_SHOWN },
    { "extend", "$o = Object.new", "$o.extend(Module.new { define_method(:v) { " YOUNG " } })", "$o.v", YOUNG_SHOWN },
    { "method of an included module", "module M; end; class T; include M; end; $o = T.new",
      "module M; def v; " YOUNG "; end; end", "$o.v", YOUNG_SHOWN },
    { "Struct", "T = Struct.new(:v, :w); $o = T.new(1)", "$o.v = " YOUNG "; $o[:w] = " YOUNG, "$o.to_a",
      "[" YOUNG_SHOWN ", " YOUNG_SHOWN "]" },
    { "Data", "T = Data.define(:v); $o = T.new(v: [])", "$o.v << " YOUNG, "$o.v", "[" YOUNG_SHOWN "]" },
    { "Set", "$s = Set.new([1])", "$s << " YOUNG, "$s.to_a", "[1, " YOUNG_SHOWN "]" },
    { "captured variable", "v = 1; $set = ->(x) { v = x }; $get = -> { v }", "$set.call(" YOUNG ")", "$get.call",
      YOUNG_SHOWN },
    { "captured variable, two levels", "v = 1; $set = -> { ->(x) { v = x } }; $get = -> { v }",
      "$set.call.call(" YOUNG ")", "$get.call", YOUNG_SHOWN },
    { "variable captured by a method", "v = 1; Object.define_method(:keep) { |x| v = x }; $get = -> { v }",
      "keep(" YOUNG ")", "$get.call", YOUNG_SHOWN },
    { "variable of code in the base frame",
      "a = b = c = d = e = 1; v = " YOUNG "; $get = -> { v }; $set = ->(x) { v = x }",
      "w = 1; $was = $get.call; $set.call([$was])", "[$was, $get.call]", "[" YOUNG_SHOWN ", [" YOUNG_SHOWN "]]" },
    { "fiber", "$f = Fiber.new { |x| l = [x]; loop { l << Fiber.yield(l) } }; $f.resume(0)", "$f.resume(" YOUNG ")",
      "$f.resume(1)", "[0, " YOUNG_SHOWN ", 1]" },
    { "fiber that had not begun", "$f = Fiber.new { |x| y = Fiber.yield(1); [x, y] }", "$f.resume(" YOUNG ")",
      "$f.resume(3)", "[" YOUNG_SHOWN ", 3]" },
    { "fiber's captured variable", "$f = Fiber.new { |x| v = 1; $set = ->(n) { v = n }; Fiber.yield; v }; $f.resume",
      "$set.call(" YOUNG ")", "$f.resume", YOUNG_SHOWN },
    { "fiber that ends", "$f = Fiber.new { v = Fiber.yield; $get = -> { v } }; $f.resume", "$f.resume(" YOUNG ")",
      "$get.call", YOUNG_SHOWN },
    { "fiber, deep", "def deep(n) n == 0 ? Fiber.yield : [deep(n - 1)]; end; $f = Fiber.new { deep(30) }; $f.resume",
      "$k = " YOUNG "; $g = Fiber.new { deep(60) }; $g.resume", "[$f.resume($k).flatten, $g.resume($k).flatten]",
      "[" YOUNG_SHOWN ", " YOUNG_SHOWN "]" },
    { "enumerator", "$e = [1, 2, 3].each; $e.next", "$x = [$e.next, " YOUNG "]", "[$x, $e.next]",
      "[[2, " YOUNG_SHOWN "], 3]" },
    { "exception", "begin; raise 'old'; rescue => e; $e = e; end",
      "$e.instance_variable_set(:@v, " YOUNG "); begin; raise $e, 'new ' + 'message'; rescue; end",
      "[$e.instance_variable_get(:@v), $e.message]", "[" YOUNG_SHOWN ", \"old\"]" },
    { "exception's backtrace", "$e = RuntimeError.new('old')", "$e.set_backtrace(" YOUNG ")", "$e.backtrace",
      YOUNG_SHOWN },
    { "exception raised anew", "$e = RuntimeError.new('old')",
      "def up; raise $e; end; begin; up; rescue => e; $b = e.backtrace; end", "$b == $e.backtrace", "true" },
    { "range", "$r = ('a'..'c')", "$x = $r.map { |c| c + 'x' * 30 }", "$x[2].size", "31" },
    { "string <<", "$s = 'short'", "$s << 'x' * 100", "$s.size", "105" },
    { "long string <<", "$s = 'long' * 30", "$s << 'x' * 100", "[$s[0, 4], $s.size]", "[\"long\", 220]" },
    { "string replace", "$s = 'long' * 30", "$s.replace('young' * 30)", "$s.size", "150" },
    { "string []=", "$s = 'long' * 30", "$s[1] = 'x' * 50", "[$s[0, 3], $s.size]", "[\"lxx\", 169]" },
    { "string upcase!", "$s = 'long' * 30; $t = $s.dup", "$s.upcase!", "[$s[0, 4], $t[0, 4]]", "[\"LONG\", \"long\"]" },
    { "string shared before", "$s = 'long' * 30; $t = $s[2, 80]", "$s << 'x'; $t << 'y'",
      "[$s.size, $t.size, $t[0, 4]]", "[121, 81, \"nglo\"]" },
    { "string sliced after", "$s = 'long' * 30", "$t = $s[3, 90]; $s.clear; $s << 'x' * 200", "[$t.size, $t[0, 4]]",
      "[90, \"glon\"]" },
    { "string becomes wide", "$s = 'ascii'; $s.size", "$s << 'é'", "[$s.size, $s[5]]", "[6, \"é\"]" },
    { "generational and not", "$a = [1]",
      "GC.generational_mode = false; $a << " YOUNG "; GC.start; GC.generational_mode = true; $a << " YOUNG "; GC.start",
      "$a", "[1, " YOUNG_SHOWN ", " YOUNG_SHOWN "]" },
    { "begun without generations", "GC.generational_mode = false; $a = [1]", "$a << " YOUNG "; GC.start", "$a[1]",
      YOUNG_SHOWN },
    { "object space", "class T; end; $o = T.new; class U < T; end",
      "$n = 0; ObjectSpace.each_object(Class) { |c| $n += 1 if c == T || c == U }; $a = " YOUNG, "[$n, $a]",
      "[2, " YOUNG_SHOWN "]" },
    { "everything of a large array", "$a = (0...42_000).to_a", "42_000.times { |i| $a[i] = 'young ' + i.to_s }",
      "[$a[0], $a[41_999]]", "[\"young 0\", \"young 41999\"]" },
    { "everything of a large hash", "$h = (0...42_000).to_h { |i| [i, i] }",
      "42_000.times { |i| $h[i] = 'young ' + i.to_s }", "[$h[0], $h[41_999]]", "[\"young 0\", \"young 41999\"]" },
    { "a large hash emptied and filled", "$h = (0...4_000).to_h { |i| [i, i] }",
      "$h.clear; GC.start; 200.times { |i| $h[i] = 'young ' + i.to_s; GC.start if i % 9 == 0 }", "$h[199]",
      "\"young 199\"" },
    { "a small array that grows large", "$a = []", "900.times { |i| $a << 'young ' + i.to_s; GC.start if i % 50 == 0 }",
      "[$a[0], $a[899]]", "[\"young 0\", \"young 899\"]" },
    { "many objects", "$o = Array.new(5_000) { [] }", "$o.each { |a| a << 'young' + a.size.to_s }",
      "$o.map { |a| a[0] }.uniq", "[\"young0\"]" },
};

static const char garbage[] = "GC.start; 3_000.times { |i| ['garbage ' + i.to_s * 9, {}] }; GC.start";

static bool raised; /* by the last run */

/* What the value, or the exception, looks like. */
static const char *run(mrb_state *mrb, const char *source)
{
    static char shown[4096];
    int arena = mrb_gc_arena_save(mrb);
    mrb_value result = mrb_load_string(mrb, source);
    raised = mrb->exc != NULL;
    if (raised) {
        mrb_value message = mrb_inspect(mrb, mrb_obj_value(mrb->exc));
        snprintf(shown, sizeof shown, "%s", mrb_str_to_cstr(mrb, message));
        mrb->exc = NULL;
    } else {
        snprintf(shown, sizeof shown, "%s", mrb_str_to_cstr(mrb, mrb_inspect(mrb, result)));
    }
    mrb_gc_arena_restore(mrb, arena);
    return shown;
}

static mrb_state *open_frozen(const char *before)
{
    EXPECT(region_open(CAPACITY) == 0, "no region");
    mrb_state *mrb = heap_open();
    EXPECT(mrb != NULL, "no interpreter");
    run(mrb, "def nothing; end");
    const char *shown = run(mrb, before);
    EXPECT(!raised, "%s", shown);
    EXPECT(heap_freeze(&mrb, 1) == 0, "not frozen");
    EXPECT(mrb->gc.live == 0 && heap_of(mrb)->frozen_objects > 300, "%zu young, %zu frozen", mrb->gc.live,
           heap_of(mrb)->frozen_objects);
    return mrb;
}

static void expect_nothing_lost(mrb_state *mrb, const char *name)
{
    struct heap_verdict verdict = heap_verify(mrb);
    EXPECT(verdict.lost == 0 && verdict.repainted == 0, "%s: %zu lost, %zu repainted", name, verdict.lost,
           verdict.repainted);
}

static void mutate(const void *data)
{
    const struct mutation *mutation = data;
    mrb_state *mrb = open_frozen(mutation->before);
    const char *shown = run(mrb, mutation->after);
    EXPECT(!raised, "%s: %s", mutation->name, shown);
    expect_nothing_lost(mrb, mutation->name);
    run(mrb, garbage);
    expect_nothing_lost(mrb, mutation->name);
    run(mrb, garbage);
    shown = run(mrb, mutation->show);
    EXPECT(strcmp(shown, mutation->expected) == 0, "%s: %s, not %s", mutation->name, shown, mutation->expected);
    heap_close(mrb);
}

static void test_mutations(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++)
        failures += !in_child(mutate, &mutations[i]);
    assert_int_equal(failures, 0);
}

/* A verifier that never finds anything proves nothing. */
static void forget(const void *data)
{
    mrb_state *mrb =
        open_frozen("$a = Array.new(20) { [] }; $h = Array.new(20) { {} }; $o = Array.new(20) { Object.new };"
                    "$f = Array.new(20) { Fiber.new { |x| Fiber.yield(x) } }");
    run(mrb, data);
    remembered_set_clear(&heap_of(mrb)->remembered);
    fflush(stderr);
    EXPECT(freopen("/dev/null", "w", stderr) != NULL, "no /dev/null");
    _exit(heap_verify(mrb).lost >= 19 ? 0 : 1);
}

static void test_verifier_finds_what_is_lost(void **state)
{
    (void)state;
    assert_true(in_child(forget, "$a.each { |a| a << 'young' * 9 }"));
    assert_true(in_child(forget, "$h.each { |h| h[1] = 'young' * 9 }"));
    assert_true(in_child(forget, "$o.each { |o| o.instance_variable_set(:@v, 'young' * 9) }"));
    assert_true(in_child(forget, "$f.each { |f| f.resume('young' * 9) }"));
}

static void prove(const void *data)
{
    (void)data;
    EXPECT(region_open(CAPACITY) == 0, "no region");
    const char *unseen = heap_prove_barriers();
    EXPECT(unseen == NULL, "%s", unseen);
    EXPECT(region_bounds.used == region_bounds.start, "the region isn't empty");
}

static void test_barriers_are_seen(void **state)
{
    (void)state;
    assert_true(in_child(prove, NULL));
}

/* What was stored and taken out again leaves the set, and dies. */
static void prune(const void *data)
{
    (void)data;
    mrb_state *mrb = open_frozen("$o = Array.new(500) { [] }; $h = (0..500).to_h { |i| [i, i] }");
    run(mrb, "GC.start");
    size_t young = heap_verify(mrb).young;
    run(mrb, "$o.each { |a| a << 'young' * 9 }; $h[1] = 'young' * 9");
    EXPECT(heap_of(mrb)->remembered.count >= 501, "%u remembered", heap_of(mrb)->remembered.count);
    EXPECT(heap_verify(mrb).young >= young + 501, "too few are young");
    run(mrb, "$o.each { |a| a.clear }; $h[1] = 1");
    for (int i = 0; i < REMEMBERED_ROUNDS + 2; i++)
        run(mrb, "GC.start");
    EXPECT(heap_of(mrb)->remembered.count < 20, "%u remembered", heap_of(mrb)->remembered.count);
    EXPECT(heap_verify(mrb).young <= young + 20, "%zu young, %zu before", heap_verify(mrb).young, young);
    heap_close(mrb);
}

static void test_set_is_pruned(void **state)
{
    (void)state;
    assert_true(in_child(prune, NULL));
}

/* A large container that keeps the last of many large values must not keep all of them. */
static void keep_last(const void *data)
{
    (void)data;
    mrb_state *mrb = open_frozen("$h = (0..500).to_h { |i| [i, i] }");
    for (int i = 0; i < 500; i++) {
        run(mrb, "$h[1] = 'young' * 200_000; GC.start");
        EXPECT(heap_of(mrb)->young_bytes < (size_t)40 << 20, "%zu bytes at %d", heap_of(mrb)->young_bytes, i);
    }
    heap_close(mrb);
}

static void test_overwritten_values_die(void **state)
{
    (void)state;
    assert_true(in_child(keep_last, NULL));
}

static void allocate_bytes(const void *data)
{
    mrb_state *mrb = open_frozen("$a = [1]");
    for (int i = 0; i < 300; i++) {
        run(mrb, data);
        EXPECT(heap_of(mrb)->young_bytes < (size_t)48 << 20, "%zu bytes at %d", heap_of(mrb)->young_bytes, i);
    }
    heap_close(mrb);
}

static void test_bytes_trigger_collections(void **state)
{
    (void)state;
    assert_true(in_child(allocate_bytes, "'x' * 1_000_000; 'y' * 1_000_000; nil"));
    assert_true(in_child(allocate_bytes, "s = 'x'; 19.times { s << s }; nil"));
}

/* Interpreters that share a region, one of them written to. */
struct young_count {
    size_t slots, taken;
};

static void count_slot(const struct RBasic *object, size_t size, void *data)
{
    struct young_count *count = data;
    EXPECT(!region_contains(object) && size == (size_t)mrb_objspace_page_slot_size(), "no young slot");
    count->slots++;
    count->taken += object->tt != MRB_TT_FREE;
}

static void walk_young(const void *data)
{
    (void)data;
    struct young_count before = { 0 }, after = { 0 };
    mrb_state *mrb = open_frozen("$a = []");
    run(mrb, "GC.start");
    heap_each_young(mrb, count_slot, &before);
    run(mrb, "5000.times { |i| $a << 'young' * (9 + i % 3) }");
    run(mrb, "GC.start");
    heap_each_young(mrb, count_slot, &after);
    EXPECT(before.slots == 0 || before.slots > before.taken, "%zu of %zu taken", before.taken, before.slots);
    EXPECT(after.slots == heap_young_slots(mrb), "%zu slots", after.slots);
    EXPECT(after.taken == mrb->gc.live, "%zu taken, %zu live", after.taken, mrb->gc.live);
    EXPECT(after.taken >= before.taken + 5000, "%zu taken", after.taken);
    heap_close(mrb);
}

static void test_young_slots_are_walked(void **state)
{
    (void)state;
    assert_true(in_child(walk_young, NULL));
}

static void several(const void *data)
{
    mrb_state *interpreters[12];
    (void)data;
    EXPECT(region_open(CAPACITY) == 0, "no region");
    for (int i = 0; i < 12; i++) {
        interpreters[i] = heap_open();
        run(interpreters[i], "$a = ['old']; class T; end");
    }
    EXPECT(heap_freeze(interpreters, 12) == 0, "not frozen");
    for (int i = 0; i < 12; i += 3)
        run(interpreters[i], "$a << 'young' * 9; class T; def v; 'new'; end; end");
    for (int i = 0; i < 12; i++) {
        expect_nothing_lost(interpreters[i], "one of several");
        run(interpreters[i], garbage);
        const char *shown = run(interpreters[i], "[$a.size, T.new.respond_to?(:v)]");
        EXPECT(strcmp(shown, i % 3 == 0 ? "[2, true]" : "[1, false]") == 0, "%d: %s", i, shown);
    }
    for (int i = 0; i < 12; i++)
        heap_close(interpreters[i]);
}

static void test_several_interpreters(void **state)
{
    (void)state;
    assert_true(in_child(several, NULL));
}

#define MANY 200

static uint64_t copied(void)
{
    struct memory_figures figures;
    EXPECT(memory_measure(0, region_bounds.start, region_bounds.end, &figures) == 0, "not measured");
    return figures.broken;
}

static void use(mrb_state *mrb, int i)
{
    char expected[64];
    snprintf(expected, sizeof expected, "[%d, 1, \"young\"]", i);
    const char *shown = run(mrb, "$a << 'young'; def $a.number; self[0]; end; [$a.number, $h['a key'], $a[-1]]");
    EXPECT(strcmp(shown, expected) == 0, "%d: %s", i, shown);
}

/* A process pays for the interpreters that it uses. */
static void many(const void *data)
{
    static mrb_state *interpreters[MANY];
    char source[128];
    (void)data;
    EXPECT(region_open(CAPACITY) == 0, "no region");
    for (int i = 0; i < MANY; i++) {
        interpreters[i] = heap_open();
        snprintf(source, sizeof source, "$a = [%d, 'old']; $h = { 'a key' => 1 }; class T; end", i);
        run(interpreters[i], source);
    }
    size_t used = region_bounds.used - region_bounds.start;
    EXPECT(heap_freeze(interpreters, MANY) == 0, "not frozen");
    EXPECT(copied() == 0, "%zu bytes are copied already", (size_t)copied());
    use(interpreters[MANY / 2], MANY / 2);
    size_t one = copied();
    EXPECT(one < 2 * used / MANY, "%zu bytes of %zu are copied for one", one, used);
    for (int i = 0; i < MANY; i++)
        if (i != MANY / 2)
            use(interpreters[i], i);
    size_t all = copied();
    EXPECT(all > 20 * one && all < 2 * MANY * one && all < used, "%zu bytes are copied for all, %zu for one", all, one);
    for (int i = 0; i < MANY; i += 7) {
        run(interpreters[i], "GC.start; 900.times { |n| ['garbage ' + n.to_s] }; GC.start");
        expect_nothing_lost(interpreters[i], "one of many");
        snprintf(source, sizeof source, "[%d, \"old\", \"young\"]", i);
        const char *shown = run(interpreters[i], "$a");
        EXPECT(strcmp(shown, source) == 0, "%d: %s", i, shown);
    }
    EXPECT(copied() < all + all / 4, "%zu bytes are copied after collections, %zu before", (size_t)copied(), all);
    for (int i = 0; i < MANY; i++)
        heap_close(interpreters[i]);
}

static void test_many_interpreters(void **state)
{
    (void)state;
    assert_true(in_child(many, NULL));
}

/* Without a region nothing is frozen, and all is the same. */
static void plain(const void *data)
{
    (void)data;
    mrb_state *mrb = heap_open();
    for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
        heap_close(mrb);
        mrb = heap_open();
        run(mrb, mutations[i].before);
        run(mrb, "GC.start");
        run(mrb, mutations[i].after);
        run(mrb, garbage);
        const char *shown = run(mrb, mutations[i].show);
        EXPECT(strcmp(shown, mutations[i].expected) == 0, "%s: %s", mutations[i].name, shown);
    }
    EXPECT(!heap_of(mrb)->frozen && heap_of(mrb)->remembered.count == 0, "something is frozen");
    heap_close(mrb);
}

static void test_without_a_region(void **state)
{
    (void)state;
    assert_true(in_child(plain, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_verifier_finds_what_is_lost),
        cmocka_unit_test(test_barriers_are_seen),
        cmocka_unit_test(test_set_is_pruned),
        cmocka_unit_test(test_overwritten_values_die),
        cmocka_unit_test(test_bytes_trigger_collections),
        cmocka_unit_test(test_young_slots_are_walked),
        cmocka_unit_test(test_several_interpreters),
        cmocka_unit_test(test_many_interpreters),
        cmocka_unit_test(test_without_a_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
