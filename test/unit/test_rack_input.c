/* rack.input and rack.errors. */
#include "rack_fixture.h"

static void test_read_whole(void **state)
{
    (void)state;
    body("line 1\nline 2", 13);
    assert_string_equal(evaluate("i = env['rack.input']; [i.read, i.read, i.read(1), i.gets]"),
                        "[\"line 1\\nline 2\", \"\", nil, nil]");
}

static void test_read_of_no_body(void **state)
{
    (void)state;
    assert_string_equal(evaluate("i = env['rack.input']; [i.read(5), i.read, i.read(0), i.gets]"),
                        "[nil, \"\", \"\", nil]");
}

static void test_read_with_a_length(void **state)
{
    (void)state;
    body("abcdefg", 7);
    transport.piece = 2; /* as from a network: fewer bytes at a time than were asked for */
    assert_string_equal(
        evaluate("i = env['rack.input']; [i.read(3), i.read(0), i.read(3), i.read(3), i.read(3), i.read(nil)]"),
        "[\"abc\", \"\", \"def\", \"g\", nil, \"\"]");
}

static void test_read_into_a_buffer(void **state)
{
    (void)state;
    body("abcdefg", 7);
    assert_string_equal(evaluate("i = env['rack.input']; b = 'old content'\n"
                                 "[i.read(3, b).equal?(b), b.dup, i.read(nil, b).dup, b.dup, i.read(1, b), b]"),
                        "[true, \"abc\", \"defg\", \"defg\", nil, \"\"]");
}

static void test_read_refuses_bad_arguments(void **state)
{
    (void)state;
    body("abc", 3);
    assert_string_equal(evaluate("i = env['rack.input']\n"
                                 "r = [[-1], ['x'], [1, :no], [1, 'frozen'.freeze]].map { |a| begin; i.read(*a); "
                                 "rescue => e; e.class; end }\n"
                                 "r << i.read"),
                        "[ArgumentError, TypeError, TypeError, FrozenError, \"abc\"]");
}

static void test_a_huge_length_costs_nothing(void **state)
{
    (void)state;
    body("abc", 3);
    param("CONTENT_LENGTH=4611686018427387903");
    assert_string_equal(evaluate("env['rack.input'].read(env['CONTENT_LENGTH'].to_i)"), "\"abc\"");
}

static void test_binary_body(void **state)
{
    static char bytes[70000];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    body(bytes, sizeof bytes);
    transport.piece = 1000;
    load_app("run ->(env) { [200, {}, [env['rack.input'].read]] }");
    get("/");
    assert_int_equal(request.body_sent, sizeof bytes);
    assert_memory_equal(transport.out.data + transport.out.length - sizeof bytes, bytes, sizeof bytes);
}

static void test_gets(void **state)
{
    (void)state;
    body("one\n\ntwo\r\nthree", 15);
    transport.piece = 4;
    assert_string_equal(evaluate("i = env['rack.input']; [i.gets, i.gets, i.gets, i.gets, i.gets]"),
                        "[\"one\\n\", \"\\n\", \"two\\r\\n\", \"three\", nil]");
}

static void test_gets_of_a_long_line(void **state)
{
    static char bytes[50000];

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    bytes[40000] = '\n';
    body(bytes, sizeof bytes);
    assert_string_equal(evaluate("i = env['rack.input']; [i.gets.size, i.gets.size, i.gets]"), "[40001, 9999, nil]");
}

static void test_read_after_gets(void **state)
{
    (void)state;
    body("one\ntwo\nthree", 13);
    assert_string_equal(evaluate("i = env['rack.input']; [i.gets, i.read(2), i.read]"),
                        "[\"one\\n\", \"tw\", \"o\\nthree\"]");
}

static void test_each(void **state)
{
    (void)state;
    body("one\ntwo", 7);
    assert_string_equal(evaluate("l = []; i = env['rack.input']; [i.each { |x| l << x }.equal?(i), l]"),
                        "[true, [\"one\\n\", \"two\"]]");
}

static void test_each_needs_a_block(void **state)
{
    (void)state;
    assert_string_equal(evaluate("begin; env['rack.input'].each; rescue ArgumentError => e; e.class; end"),
                        "ArgumentError");
}

static void test_close(void **state)
{
    (void)state;
    body("abc", 3);
    assert_string_equal(evaluate("i = env['rack.input']; i.close; i.close\n"
                                 "[:read, :gets].map { |m| begin; i.send(m); rescue IOError => e; e.message; end }"),
                        "[\"rack.input is closed\", \"rack.input is closed\"]");
}

static void test_input_of_an_earlier_request_is_dead(void **state)
{
    (void)state;
    load_app("run ->(env) { $kept = env['rack.input']; $kept.gets; [200, {}, []] }");
    body("first\nmore", 10);
    get("/");
    body("secret\n", 7);
    assert_string_equal(
        evaluate("[:read, :gets, :each].map { |m| begin; $kept.send(m) {}; rescue IOError => e; e.message; end }.uniq"),
        "[\"the request that this belongs to is over\"]");
    assert_int_equal(request.body_read, 0);
}

static void test_input_cannot_be_made_or_copied(void **state)
{
    (void)state;
    assert_string_equal(
        evaluate("[-> { Cowherd::Input.new }, -> { env['rack.input'].dup.read }, -> { Cowherd::Input.allocate.read },"
                 " -> { Cowherd::Stream.new }].map { |f| begin; f.call; rescue StandardError => e; e.class; end }"),
        "[NoMethodError, TypeError, TypeError, NoMethodError]");
}

static void test_body_over_the_limit_is_413(void **state)
{
    (void)state;
    load_app("run ->(env) { env['rack.input'].read; [200, {}, []] }");
    body("0123456789", 10);
    transport.piece = 5;
    request.body_limit = 5;
    assert_has(serve("POST", "/"), "Status: 413 Content Too Large\r\n");
    assert_false(request.error_answered);
    assert_has(
        log_text(),
        " info [blog.example.org/] POST /: the request's body is larger than limits.body (Cowherd::BodyTooLarge)");
}

static void test_late_body_is_408(void **state)
{
    (void)state;
    load_app("run ->(env) { env['rack.input'].gets; [200, {}, []] }");
    transport.read_error = ETIMEDOUT;
    assert_has(serve("POST", "/"), "Status: 408 Request Timeout\r\n");
    assert_false(request.error_answered);
}

static void test_malformed_body_is_400(void **state)
{
    (void)state;
    load_app("run ->(env) { env['rack.input'].each {}; [200, {}, []] }");
    transport.read_error = EPROTO;
    assert_has(serve("POST", "/"), "Status: 400 Bad Request\r\n");
}

static void test_client_that_leaves_while_the_body_is_read(void **state)
{
    (void)state;
    load_app("run ->(env) { env['rack.input'].read; [200, {}, []] }");
    transport.read_error = ECONNRESET;
    serve("POST", "/");
    assert_true(request.client_gone);
    assert_false(request.error_answered);
    assert_has_not(log_text(), " error ");
}

static void test_app_may_rescue_a_failed_read(void **state)
{
    (void)state;
    body("abc", 3);
    transport.read_error = ETIMEDOUT;
    assert_string_equal(evaluate("begin; env['rack.input'].read; rescue Cowherd::Error => e; e.class; end"),
                        "Cowherd::BodyTimeout");
}

static void test_errors_are_lines_of_the_log(void **state)
{
    (void)state;
    assert_string_equal(evaluate("e = env['rack.errors']\n"
                                 "[e.puts('one', 2, [3, [\"four\\n\"]]), e.write('fi', 've'), (e << \" "
                                 "six\").equal?(e), e.flush.equal?(e), e.puts]"),
                        "[nil, 4, true, true, nil]");
    assert_has(log_text(), " warn [blog.example.org/] one\n");
    assert_has(log_text(), " warn [blog.example.org/] 2\n");
    assert_has(log_text(), " warn [blog.example.org/] 3\n");
    assert_has(log_text(), " warn [blog.example.org/] four\n");
    assert_has(log_text(), " warn [blog.example.org/] five six\n");
}

static void test_errors_without_line_break_are_logged_at_the_end(void **state)
{
    (void)state;
    load_app("run ->(env) { env['rack.errors'].write(\"a\\nb\"); env['rack.errors'].write('c'); [200, {}, []] }");
    get("/");
    assert_has(log_text(), "] a\n");
    assert_has(log_text(), "] bc\n");
}

static void test_errors_in_one_endless_line_are_cut(void **state)
{
    (void)state;
    evaluate("3.times { env['rack.errors'].write('x' * 5000) }");
    assert_int_equal(app.vm->rack != NULL, 1);
    assert_true(strlen(log_text()) > 15000);
    assert_null(memchr(logged, '\0', 15000));
    assert_true(strcspn(logged, "\n") < 8300);
}

static void test_errors_cannot_forge_a_line(void **state)
{
    (void)state;
    evaluate("env['rack.errors'].puts(\"a\\rb\\e[0m\\x1f\")");
    assert_has(log_text(), "] a\\x0Db\\x1B[0m\\x1F\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_whole),
        TEST(test_read_of_no_body),
        TEST(test_read_with_a_length),
        TEST(test_read_into_a_buffer),
        TEST(test_read_refuses_bad_arguments),
        TEST(test_a_huge_length_costs_nothing),
        TEST(test_binary_body),
        TEST(test_gets),
        TEST(test_gets_of_a_long_line),
        TEST(test_read_after_gets),
        TEST(test_each),
        TEST(test_each_needs_a_block),
        TEST(test_close),
        TEST(test_input_of_an_earlier_request_is_dead),
        TEST(test_input_cannot_be_made_or_copied),
        TEST(test_body_over_the_limit_is_413),
        TEST(test_late_body_is_408),
        TEST(test_malformed_body_is_400),
        TEST(test_client_that_leaves_while_the_body_is_read),
        TEST(test_app_may_rescue_a_failed_read),
        TEST(test_errors_are_lines_of_the_log),
        TEST(test_errors_without_line_break_are_logged_at_the_end),
        TEST(test_errors_in_one_endless_line_are_cut),
        TEST(test_errors_cannot_forge_a_line),
    };

    return cmocka_run_group_tests_name("rack_input", tests, NULL, NULL);
}
