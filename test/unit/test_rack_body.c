/* Bodies of every kind: each rule by name. */
#include "rack_fixture.h"

/* An app whose `call` returns [200, {}, BODY], with BODY made by `source`; $closed counts closes. */
static void load_body(const char *source)
{
    char app_source[4096];

    snprintf(app_source, sizeof app_source,
             "$closed = 0\n"
             "class Body\n  def initialize(*parts) @parts = parts end\n  def close; $closed += 1; end\nend\n"
             "class Each < Body\n  def each; @parts.each { |x| yield x }; end\nend\n"
             "run ->(env) {\n  body = begin\n%s\n  end\n  [200, {}, body] }",
             source);
    load_app(app_source);
}

static long closed(void)
{
    return (long)mrb_integer(mrb_load_string(app.vm->mrb, "$closed"));
}

static void test_array(void **state)
{
    (void)state;
    load_body("['ab', '', 'cd']");
    assert_string_equal(get("/"), "Status: 200 OK\r\nContent-Length: 4\r\n\r\nabcd");
    assert_int_equal(request.body_sent, 4);
    assert_int_equal(transport.flushes, 0); /* whoever ends the request sends it in one piece */
}

static void test_empty_array(void **state)
{
    (void)state;
    load_body("[]");
    assert_string_equal(get("/"), "Status: 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void test_array_with_something_else_than_strings(void **state)
{
    (void)state;
    load_body("['a', 1]");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "the body must consist of Strings, not Integer");
}

static void test_array_with_close(void **state)
{
    (void)state;
    load_body("a = ['x']\ndef a.close; $closed += 1; end\na");
    get("/");
    assert_int_equal(closed(), 1);
}

static void test_binary_array(void **state)
{
    (void)state;
    load_body("[(0..255).map { |i| i.chr }.join + \"\\xff\\0\"]");
    get("/");
    assert_int_equal(request.body_sent, 258);
    assert_memory_equal(transport.out.data + transport.out.length - 2, "\xff\0", 2);
}

static void test_each_leaves_chunk_by_chunk(void **state)
{
    (void)state;
    load_body("Each.new('ab', '', 'cd')");
    assert_string_equal(get("/"), "Status: 200 OK\r\n\r\nabcd");
    assert_int_equal(transport.flushes, 2);
    assert_int_equal(transport.flushed, transport.out.length);
    assert_int_equal(request.body_sent, 4);
    assert_int_equal(closed(), 1);
}

static void test_each_without_a_chunk(void **state)
{
    (void)state;
    load_body("Each.new");
    assert_string_equal(get("/"), "Status: 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void test_each_that_raises_before_its_first_chunk_is_a_500(void **state)
{
    (void)state;
    load_body("b = Each.new\ndef b.each; raise 'early'; end\nb");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "GET /: early (RuntimeError)");
    assert_false(request.cut_short);
    assert_int_equal(closed(), 1);
}

static void test_each_that_raises_later_cuts_the_answer_short(void **state)
{
    (void)state;
    load_body("b = Each.new\ndef b.each; yield 'begun'; raise 'late'; end\nb");
    assert_string_equal(get("/"), "Status: 200 OK\r\n\r\nbegun");
    assert_true(request.cut_short);
    assert_true(request.error_answered);
    assert_has(log_text(), " error [blog.example.org/] GET /: the answer is cut short: late (RuntimeError)");
    assert_int_equal(closed(), 1);
}

static void test_each_with_something_else_than_strings(void **state)
{
    (void)state;
    load_body("Each.new(:no)");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "the body must consist of Strings, not Symbol");
}

static void test_each_with_a_break(void **state)
{
    (void)state;
    load_body("b = Each.new\ndef b.each; [1, 2, 3].each { |x| yield x.to_s; break if x == 2 }; end\nb");
    assert_has(get("/"), "\r\n\r\n12");
    assert_false(request.cut_short);
}

static void test_each_from_an_enumerator_and_a_fiber(void **state)
{
    (void)state;
    load_body("Enumerator.new { |y| y << 'a'; y << 'b' }");
    assert_has(get("/"), "\r\n\r\nab");
    load_body("b = Each.new\ndef b.each; f = Fiber.new { Fiber.yield 'x'; Fiber.yield 'y'; nil }; while c = f.resume; "
              "yield c; end; end\nb");
    assert_has(get("/"), "\r\n\r\nxy");
    load_body("b = Each.new\ndef b.each(&k) f = Fiber.new { k.call('in'); k.call('side') }; f.resume; end\nb");
    assert_has(get("/"), "\r\n\r\ninside");
}

static void test_block_that_is_called_after_its_request(void **state)
{
    (void)state;
    load_body("if $kept\n  begin; $kept.call('stray'); rescue IOError => e; [e.message]; end\n"
              "else\n  b = Each.new\n  def b.each(&k) $kept = k; k.call('x') end\n  b\nend");
    assert_has(get("/"), "\r\n\r\nx");
    assert_string_equal(strstr(get("/"), "\r\n\r\n"), "\r\n\r\nthe request that this belongs to is over");
}

static void test_call_with_a_stream(void **state)
{
    (void)state;
    load_body("->(s) { s << 'a' << 'b'; s.write('c', :d); s.flush; s.close; s.closed? || raise }");
    assert_string_equal(get("/"), "Status: 200 OK\r\n\r\nabcd");
    assert_false(request.cut_short);
}

static void test_call_gets_the_head_out_first(void **state)
{
    (void)state;
    load_body("->(s) { raise 'no more' }");
    assert_string_equal(get("/"), "Status: 200 OK\r\n\r\n");
    assert_int_equal(transport.flushes, 1);
    assert_true(request.cut_short);
}

static void test_call_reads_the_request(void **state)
{
    (void)state;
    body("ping pong", 9);
    load_body("->(s) { s << s.read(4); s << s.read; s.close_read; begin; s.read; rescue IOError; s << '!'; end }");
    assert_has(serve("POST", "/"), "\r\n\r\nping pong!");
}

static void test_stream_after_close(void **state)
{
    (void)state;
    load_body("->(s) { s << 'a'; s.close_write; begin; s << 'b'; rescue IOError => e; env['rack.errors'].puts "
              "e.message; end }");
    assert_has(get("/"), "\r\n\r\na");
    assert_has(log_text(), "not opened for writing");
}

static void test_stream_after_its_request(void **state)
{
    (void)state;
    load_body(
        "if $kept\n  begin; $kept << 'stray'; rescue IOError => e; [e.message]; end\nelse\n  ->(s) { $kept = s }\nend");
    get("/");
    assert_string_equal(strstr(get("/"), "\r\n\r\n"), "\r\n\r\nthe request that this belongs to is over");
}

static void test_callable_object_is_closed(void **state)
{
    (void)state;
    load_body("b = Body.new\ndef b.call(s) s << 'x' end\nb");
    assert_has(get("/"), "\r\n\r\nx");
    assert_int_equal(closed(), 1);
}

static void test_to_path(void **state)
{
    (void)state;
    load_body("f = File.open('data.bin')\nb = Each.new('never')\nb.instance_variable_set(:@f, f)\ndef b.to_path; "
              "@f.path; end\nb");
    char path[128];
    static char bytes[200000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 13 + i / 256);
    snprintf(path, sizeof path, "%s/data.bin", directory);
    write_file(path, bytes, sizeof bytes);
    assert_has(get("/"), "Status: 200 OK\r\nContent-Length: 200000\r\n\r\n");
    assert_memory_equal(transport.out.data + transport.out.length - sizeof bytes, bytes, sizeof bytes);
    assert_int_equal(request.body_sent, sizeof bytes);
    assert_int_equal(closed(), 1);
    serve("HEAD", "/");
    assert_has(transport.out.data, "\r\nContent-Length: 200000\r\n\r\n");
    assert_int_equal(request.body_sent, 0);
    (void)state;
}

static void test_file_object(void **state)
{
    (void)state;
    load_body("File.open('config.ru')");
    assert_has(get("/"), "\r\n\r\n$closed = 0\nclass Body");
}

static void test_to_path_of_nothing(void **state)
{
    (void)state;
    load_body("b = Each.new\ndef b.to_path; 'missing'; end\nb");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "the body's file missing can't be opened: No such file or directory");
    load_body("b = Each.new\ndef b.to_path; '.'; end\nb");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "the body's file . is no regular file");
    load_body("b = Each.new\ndef b.to_path; \"a\\0b\"; end\nb");
    assert_has(get("/"), "Status: 500 ");
}

static void test_to_path_with_a_length_of_the_app(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/data", directory);
    write_file(path, "0123456789", 10);
    load_app("run ->(env) {\n  b = Object.new\n  def b.to_path; 'data'; end\n  [200, { 'content-length' => "
             "env['PATH_INFO'][1, 9] }, b] }");
    assert_has(get("/4"), "\r\ncontent-length: 4\r\n\r\n0123");
    assert_int_equal(request.body_sent, 4);
    assert_has(get("/11"), "\r\n\r\n0123456789");
    assert_true(request.cut_short);
    assert_has(log_text(), "the body's file data is shorter than announced");
}

static void test_to_path_that_says_nil(void **state)
{
    (void)state;
    load_body("b = Each.new('each')\ndef b.to_path; end\nb");
    assert_has(get("/"), "\r\n\r\neach");
}

static void test_respond_to_of_the_body_counts(void **state)
{
    (void)state;
    load_body("b = Each.new('each')\ndef b.to_path; 'missing'; end\n"
              "def b.respond_to?(name, all = false) name != :to_path && super; end\nb");
    assert_has(get("/"), "\r\n\r\neach");
}

static void test_no_descriptor_is_left(void **state)
{
    (void)state;
    load_body("b = Each.new\ndef b.to_path; 'config.ru'; end\nb");
    int before = dup(0);
    close(before);
    get("/");
    get("/");
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

static void test_to_ary(void **state)
{
    (void)state;
    load_body("b = Each.new('never')\ndef b.to_ary; ['a', 'b']; end\nb");
    assert_string_equal(get("/"), "Status: 200 OK\r\nContent-Length: 2\r\n\r\nab");
    assert_int_equal(closed(), 1);
    load_body("b = Each.new\ndef b.to_ary; 'x'; end\nb");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "the body's to_ary must return an Array, not String");
}

static void test_proxy_by_method_missing(void **state)
{
    (void)state;
    load_body("b = Body.new\ndef b.respond_to_missing?(m, p = false) m == :each end\n"
              "def b.method_missing(m) m == :each ? yield('proxied') : super end\nb");
    assert_has(get("/"), "\r\n\r\nproxied");
    assert_int_equal(closed(), 1);
}

static void test_basic_object(void **state)
{
    (void)state;
    load_body("class Bare < BasicObject\n  def each; yield 'bare'; end\nend\nBare.new");
    assert_has(get("/"), "\r\n\r\nbare");
}

static void test_bodies_that_are_none(void **state)
{
    (void)state;
    load_body("'a string'");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "the body must respond to each or call, not be String");
    load_body("nil");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "not be nil");
}

static void test_no_body_on_head_but_closed(void **state)
{
    (void)state;
    load_body("Each.new('ab')");
    assert_string_equal(serve("HEAD", "/"), "Status: 200 OK\r\n\r\n");
    assert_int_equal(closed(), 1);
    assert_int_equal(request.body_sent, 0);
    load_body("->(s) { $closed = 5 }");
    assert_string_equal(serve("HEAD", "/"), "Status: 200 OK\r\n\r\n");
    assert_int_equal(closed(), 0);
}

static void test_head_has_the_length_of_get(void **state)
{
    (void)state;
    load_body("['abc']");
    assert_string_equal(serve("HEAD", "/"), "Status: 200 OK\r\nContent-Length: 3\r\n\r\n");
    load_body("[]"); /* as Rack::Head leaves it: says nothing about GET */
    assert_string_equal(serve("HEAD", "/"), "Status: 200 OK\r\n\r\n");
}

static void test_close_that_raises(void **state)
{
    (void)state;
    load_body("b = Each.new('x')\ndef b.close; raise 'at close'; end\nb");
    assert_has(get("/"), "\r\n\r\nx");
    assert_false(request.cut_short);
    assert_has(log_text(), "GET /: in the body's close: at close (RuntimeError)");
}

static void test_client_gone_ends_each_and_stream(void **state)
{
    (void)state;
    transport.write_limit = 30;
    load_body(
        "b = Each.new\ndef b.each\n  100.times { |i| $count = i; yield 'x' * 10 }\nensure\n  $ensured = true\nend\nb");
    get("/");
    assert_true(request.client_gone);
    assert_false(request.error_answered);
    assert_int_equal(closed(), 1);
    assert_int_equal(mrb_integer(mrb_load_string(app.vm->mrb, "$count")), 1);
    assert_true(mrb_true_p(mrb_load_string(app.vm->mrb, "$ensured")));
    assert_has_not(log_text(), " error ");
    load_body("->(s) { loop { s << 'x' * 10 } }");
    get("/");
    assert_true(request.client_gone);
    assert_has_not(log_text(), " error ");
}

static void test_client_gone_during_an_array(void **state)
{
    (void)state;
    transport.write_limit = 10;
    load_body("['x' * 100]");
    get("/");
    assert_true(request.client_gone);
    assert_false(request.error_answered);
    assert_int_equal(request.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_array),
        TEST(test_empty_array),
        TEST(test_array_with_something_else_than_strings),
        TEST(test_array_with_close),
        TEST(test_binary_array),
        TEST(test_each_leaves_chunk_by_chunk),
        TEST(test_each_without_a_chunk),
        TEST(test_each_that_raises_before_its_first_chunk_is_a_500),
        TEST(test_each_that_raises_later_cuts_the_answer_short),
        TEST(test_each_with_something_else_than_strings),
        TEST(test_each_with_a_break),
        TEST(test_each_from_an_enumerator_and_a_fiber),
        TEST(test_block_that_is_called_after_its_request),
        TEST(test_call_with_a_stream),
        TEST(test_call_gets_the_head_out_first),
        TEST(test_call_reads_the_request),
        TEST(test_stream_after_close),
        TEST(test_stream_after_its_request),
        TEST(test_callable_object_is_closed),
        TEST(test_to_path),
        TEST(test_file_object),
        TEST(test_to_path_of_nothing),
        TEST(test_to_path_with_a_length_of_the_app),
        TEST(test_to_path_that_says_nil),
        TEST(test_respond_to_of_the_body_counts),
        TEST(test_no_descriptor_is_left),
        TEST(test_to_ary),
        TEST(test_proxy_by_method_missing),
        TEST(test_basic_object),
        TEST(test_bodies_that_are_none),
        TEST(test_no_body_on_head_but_closed),
        TEST(test_head_has_the_length_of_get),
        TEST(test_close_that_raises),
        TEST(test_client_gone_ends_each_and_stream),
        TEST(test_client_gone_during_an_array),
    };

    return cmocka_run_group_tests_name("rack_body", tests, NULL, NULL);
}
