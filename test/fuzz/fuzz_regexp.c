/*
 * libFuzzer: any bytes as a pattern and a String. Whatever the methods do ends soon, in a result that is consistent or
 * in one of the exceptions that are documented. make fuzz builds and runs it.
 *
 * The first byte says which options, the second how long the pattern is; the String follows it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/compile.h>
#include <mruby/error.h>
#include <mruby/string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char program[] =
    "Regexp.timeout = 0.02\n"
    "class Wrong < Exception; end\n"
    "def same(a, b)\n"
    "  raise Wrong, \"#{a.inspect} is not #{b.inspect}\" unless a == b\n"
    "end\n"
    "def whole(pattern, string)\n"
    "  same(string.gsub(pattern) { $& }, string)\n"
    "  same(string.gsub(pattern, '\\\\0'), string)\n"
    "  same(string.scan(pattern) { $~.offset(0) }, string)\n"
    "end\n"
    "def fuzz(source, options, string)\n"
    "  pattern = Regexp.new(source, options)\n"
    "  same(Regexp.new(pattern.source, pattern.options), pattern)\n"
    "  match = pattern.match(string)\n"
    "  same(pattern =~ string, match && match.begin(0))\n"
    "  same(pattern.match?(string), !match.nil?)\n"
    "  same(string.index(pattern), match && match.begin(0))\n"
    "  if match\n"
    "    same(match.pre_match + match[0] + match.post_match, string) unless source.include?('K')\n"
    "    [match.to_a, match.named_captures, match.inspect, match.values_at(0, -1), $+, $1, $`, $']\n"
    "    same(string[match.begin(0)...match.end(0)], match[0]) unless options >= 32 || source.include?('K')\n"
    "    same(string.partition(pattern), [match.pre_match, match[0], match.post_match])\n"
    "  end\n"
    "  [string.split(pattern), string.split(pattern, -1), string.split(pattern, 2), string.scan(pattern)]\n"
    "  [string.rindex(pattern), string.rpartition(pattern), string.start_with?(pattern), string[pattern, 1]]\n"
    "  [string.sub(pattern, string), string.gsub(pattern, source), string.gsub(pattern, string => 'x')]\n"
    "  [string.dup.slice!(pattern), string.dup.sub!(pattern) { |part| part * 2 }]\n"
    "  whole(pattern, string) unless source.include?('K')\n"
    "  [pattern.inspect, pattern.to_s, Regexp.union(pattern, source).names, pattern.hash]\n"
    "  same(Regexp.new(Regexp.escape(string)).match(string)[0], string) if string.size < 100 && "
    "string.valid_encoding?\n"
    "rescue RegexpError, ArgumentError, IndexError\n"
    "end\n";

static mrb_state *mrb;

static void check(void)
{
    if (mrb->exc == NULL)
        return;
    mrb_print_error(mrb);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mrb_int options[] = { 0, 1, 2, 4, 7, 32, 33, 16 };
    if (mrb == NULL) {
        mrb = mrb_open();
        mrb_load_string(mrb, program);
        check();
    }
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 2;
    size_t length = data[1] < size - 2 ? data[1] : size - 2;
    int arena = mrb_gc_arena_save(mrb);
    mrb_value source = mrb_str_new(mrb, text, (mrb_int)length);
    mrb_value string = mrb_str_new(mrb, text + length, (mrb_int)(size - 2 - length));
    mrb_funcall(mrb, mrb_top_self(mrb), "fuzz", 3, source, mrb_fixnum_value(options[data[0] & 7]), string);
    check();
    mrb_gc_arena_restore(mrb, arena);
    if (data[0] & 8)
        mrb_full_gc(mrb);
    return 0;
}
