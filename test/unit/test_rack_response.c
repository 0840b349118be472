/* Status and headers: each rule by name. */
#include "rack_fixture.h"

/* Serves an app whose `call` has this body; returns what was written. */
static const char *answer_of(const char *source)
{
    char app_source[4096];

    snprintf(app_source, sizeof app_source, "run ->(env) {\n%s\n}", source);
    load_app(app_source);
    return get("/");
}

static void assert_refused(const char *source, const char *why)
{
    assert_has(answer_of(source), "Status: 500 Internal Server Error\r\n");
    assert_has(log_text(), why);
    assert_true(request.error_answered);
}

static void test_status_line_comes_first_with_a_phrase(void **state)
{
    (void)state;
    assert_int_equal(strncmp(answer_of("[404, { 'a' => 'b' }, []]"), "Status: 404 Not Found\r\na: b\r\n", 29), 0);
    assert_int_equal(strncmp(answer_of("[299, {}, []]"), "Status: 299 Unknown\r\n", 21), 0);
}

static void test_status_follows_a_location_that_could_be_taken_for_302(void **state)
{
    (void)state;
    assert_string_equal(answer_of("[307, { 'a' => 'b', 'Location' => '/x', 'content-length' => '0' }, []]"),
                        "a: b\r\nLocation: /x\r\ncontent-length: 0\r\nStatus: 307 Temporary Redirect\r\n\r\n");
    assert_string_equal(answer_of("[201, { 'location' => '/x', 'content-length' => '2' }, ['hi']]"),
                        "location: /x\r\ncontent-length: 2\r\nStatus: 201 Created\r\n\r\nhi");
    assert_has(answer_of("[201, { 'x-location' => '/x', 'content-length' => '2' }, ['hi']]"),
               "Status: 201 Created\r\nx-l");
    assert_has(answer_of("[302, { 'location' => '/x', 'content-length' => '0' }, []]"),
               "Status: 302 Found\r\nlocation");
}

static void test_status_as_a_string_of_digits(void **state)
{
    (void)state;
    assert_has(answer_of("['201', {}, []]"), "Status: 201 Created\r\n");
}

static void test_status_refused(void **state)
{
    (void)state;
    assert_refused("[nil, {}, []]", "the status must be an Integer, not nil (Cowherd::ResponseError)");
    assert_refused("['abc', {}, []]", "the status must be an Integer, not String");
    assert_refused("[\"20\\0\", {}, []]", "the status must be an Integer, not String");
    assert_refused("[200.0, {}, []]", "the status must be an Integer, not Float");
    assert_refused("[99, {}, []]", "the status must have three digits, not 99");
    assert_refused("[0, {}, []]", "the status must have three digits, not 0");
    assert_refused("[1000, {}, []]", "the status must have three digits, not 1000");
    assert_refused("[1 << 70, {}, []]", "the status must be");
    assert_refused("[101, {}, []]", "the status 101 can't be the final answer of a request");
}

static void test_response_that_is_no_triple(void **state)
{
    (void)state;
    assert_refused("nil", "the application must return [status, headers, body], not nil");
    assert_refused("'hello'", "the application must return [status, headers, body], not String");
    assert_refused("[200, {}]", "not an Array of another size: Array");
    assert_refused("[200, {}, [], 1]", "not an Array of another size: Array");
}

static void test_frozen_response(void **state)
{
    (void)state;
    assert_has(answer_of("[200, { 'a' => 'b' }.freeze, ['x'.freeze].freeze].freeze"), "a: b\r\n");
}

static void test_names_in_any_case(void **state)
{
    (void)state;
    assert_has(answer_of("[200, { 'Content-Type' => 'text/html', 'X-FOO' => 'a', 'x-bar' => 'b' }, []]"),
               "\r\nContent-Type: text/html\r\nX-FOO: a\r\nx-bar: b\r\n");
}

static void test_value_in_an_array(void **state)
{
    (void)state;
    assert_has(answer_of("[200, { 'set-cookie' => ['a=1', 'b=2'], 'none' => [] }, []]"),
               "\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n");
    assert_has_not(transport.out.data, "none");
}

static void test_value_joined_by_line_breaks(void **state)
{
    (void)state;
    assert_has(answer_of("[200, { 'Set-Cookie' => \"a=1\\n\\nb=2\\n\" }, []]"),
               "\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n");
}

static void test_other_values(void **state)
{
    (void)state;
    assert_has(answer_of("[200, { 'x-number' => 42, 'x-empty' => '', 'x-nil' => nil, 'x-tab' => \"a\\tb\" }, []]"),
               "\r\nx-number: 42\r\nx-empty: \r\nx-tab: a\tb\r\nContent-Length: 0\r\n");
    assert_refused("[200, { 'x' => 1.5 }, []]",
                   "the value of the header \"x\" must be a String or an Array of Strings, not Float");
    assert_refused("[200, { 'x' => [1] }, []]", "the header \"x\" has a value that is no String: Integer");
    assert_refused("[200, { 'x' => :sym }, []]", "not Symbol");
}

static void test_utf8_value(void **state)
{
    (void)state;
    assert_has(answer_of("[200, { 'x' => '\xc3\xa4' }, []]"), "\r\nx: \xc3\xa4\r\n");
}

static void test_injection_by_value_is_refused(void **state)
{
    (void)state;
    assert_refused("[200, { 'x' => \"a\\r\\nset-cookie: b\" }, []]",
                   "the value of the header \"x\" has a control byte or a line break (Cowherd::ResponseError)");
    assert_has_not(transport.out.data, "set-cookie");
    assert_refused("[200, { 'x' => \"a\\rb\" }, []]", "control byte");
    assert_refused("[200, { 'x' => \"a\\0b\" }, []]", "control byte");
    assert_refused("[200, { 'x' => [\"a\\nb: c\"] }, []]", "control byte");
    assert_refused("[200, { 'x' => ['fine', \"a\\r\"] }, []]", "control byte");
    assert_refused("[200, { 'x' => \"a\\x7f\" }, []]", "control byte");
}

static void test_injection_by_name_is_refused(void **state)
{
    static const char *const names[] = { "", "a b", "a:b", "a\\r\\nb", "a\\nb", "a\\0", "\xc3\xa4", "(a)", "a=b" };
    char source[128];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(source, sizeof source, "[200, { \"%s\" => 'x' }, []]", names[i]);
        assert_refused(source, "can't be the name of a header");
    }
    assert_refused("[200, { 1 => 'x' }, []]", "the name of a header must be a String, not Integer");
    assert_refused("[200, { nil => 'x' }, []]", "the name of a header must be a String, not nil");
}

static void test_no_symbol_is_made_of_a_name(void **state)
{
    (void)state;
    load_app("run ->(env) { [200, { 'x-' + env['PATH_INFO'][1, 20] => 'y' }, []] }");
    get("/first");
    mrb_sym before = app.vm->mrb->symidx;
    assert_has(get("/never-seen-before"), "x-never-seen-before: y\r\n");
    assert_int_equal(app.vm->mrb->symidx, before);
}

static void test_rack_headers_do_not_leave(void **state)
{
    (void)state;
    assert_has_not(answer_of("[200, { 'rack.session' => 'x', 'Rack.Foo' => ['y'], 'racket' => 'z' }, []]"), "ack.");
    assert_has(transport.out.data, "racket: z\r\n");
}

static void test_status_header_of_the_app_is_dropped(void **state)
{
    (void)state;
    assert_has_not(answer_of("[200, { 'Status' => '302 Found', 'status' => '500' }, []]"), "302");
    assert_has_not(transport.out.data, "500");
}

static void test_hop_by_hop_headers_do_not_leave(void **state)
{
    (void)state;
    assert_string_equal(answer_of("[200, { 'Connection' => 'close', 'Transfer-Encoding' => 'chunked', 'Upgrade' => 'x',"
                                  " 'keep-alive' => '1', 'te' => 'x', 'trailer' => 'x' }, ['a']]"),
                        "Status: 200 OK\r\nContent-Length: 1\r\n\r\na");
}

static void test_no_type_and_length_on_204_and_304(void **state)
{
    (void)state;
    assert_string_equal(answer_of("[204, { 'content-type' => 'a', 'Content-Length' => '3', 'etag' => '1' }, ['abc']]"),
                        "Status: 204 No Content\r\netag: 1\r\n\r\n");
    assert_string_equal(answer_of("[304, { 'Content-Type' => 'a', 'content-length' => '3', 'etag' => '1' }, []]"),
                        "Status: 304 Not Modified\r\netag: 1\r\n\r\n");
    assert_int_equal(request.body_sent, 0);
}

static void test_headers_as_pairs(void **state)
{
    (void)state;
    assert_has(answer_of("[200, [['a', 'b'], ['a', 'c']], []]"), "\r\na: b\r\na: c\r\n");
    assert_refused("[200, [['a']], []]", "the headers must be pairs of a name and a value, not Array");
    assert_refused("[200, ['a'], []]", "the headers must be pairs of a name and a value, not String");
}

static void test_headers_by_each(void **state)
{
    (void)state;
    assert_has(answer_of("h = Object.new\ndef h.each; yield 'a', 'b'; yield ['c', 'd']; end\n[200, h, []]"),
               "\r\na: b\r\nc: d\r\n");
    assert_refused("h = Object.new\ndef h.each; yield 'a'; end\n[200, h, []]", "pairs");
    assert_refused("h = Object.new\ndef h.each; yield 'a', \"b\\r\"; end\n[200, h, []]", "control byte");
    assert_refused("[200, nil, []]", "the headers must be a Hash, not nil");
    assert_refused("[200, 'a', []]", "the headers must be a Hash, not String");
}

static void test_headers_that_are_kept_and_called_later(void **state)
{
    (void)state;
    load_app("run ->(env) {\n"
             "  h = Object.new\n  def h.each(&b) $late = b; b.call('a', 'b') end\n"
             "  body = Object.new\n  def body.each; yield 'x'; begin; $late.call('c', 'd'); rescue => e; yield "
             "e.message; end; end\n"
             "  begin; $late.call('e', 'f') if env['PATH_INFO'] == '/again'; rescue IOError => e; return [200, {}, "
             "[e.message]]; end\n"
             "  [200, h, body] }");
    assert_has(get("/"), "xthe headers have gone");
    assert_has(get("/again"), "the request that this belongs to is over");
}

static void test_content_length_of_the_app(void **state)
{
    (void)state;
    assert_has(answer_of("[200, { 'content-length' => '3' }, ['abc']]"), "\r\ncontent-length: 3\r\n\r\nabc");
    assert_has_not(transport.out.data, "Content-Length");
    assert_has(answer_of("[200, { 'Content-Length' => 3 }, ['abc']]"), "\r\nContent-Length: 3\r\n\r\nabc");
    assert_refused("[200, { 'content-length' => '-1' }, ['abc']]", "content-length is no number");
    assert_refused("[200, { 'content-length' => '' }, ['abc']]", "content-length is no number");
    assert_refused("[200, { 'content-length' => '99999999999999999999' }, ['abc']]", "content-length is no number");
    assert_refused("[200, { 'content-length' => '3', 'Content-Length' => '4' }, ['abc']]",
                   "content-length is given twice");
}

static void test_body_is_closed_when_the_head_is_refused(void **state)
{
    (void)state;
    load_app("$closed = 0\nclass Body\n  def each; end\n  def close; $closed += 1; end\nend\n"
             "run ->(env) {\n"
             "  case env['PATH_INFO']\n"
             "  when '/count' then [200, {}, [$closed.to_s]]\n"
             "  when '/status' then [nil, {}, Body.new]\n"
             "  else [200, { \"\\n\" => 'x' }, Body.new]\n"
             "  end }");
    get("/status");
    get("/header");
    assert_has(get("/count"), "\r\n\r\n2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_status_line_comes_first_with_a_phrase),
        TEST(test_status_follows_a_location_that_could_be_taken_for_302),
        TEST(test_status_as_a_string_of_digits),
        TEST(test_status_refused),
        TEST(test_response_that_is_no_triple),
        TEST(test_frozen_response),
        TEST(test_names_in_any_case),
        TEST(test_value_in_an_array),
        TEST(test_value_joined_by_line_breaks),
        TEST(test_other_values),
        TEST(test_utf8_value),
        TEST(test_injection_by_value_is_refused),
        TEST(test_injection_by_name_is_refused),
        TEST(test_no_symbol_is_made_of_a_name),
        TEST(test_rack_headers_do_not_leave),
        TEST(test_status_header_of_the_app_is_dropped),
        TEST(test_hop_by_hop_headers_do_not_leave),
        TEST(test_no_type_and_length_on_204_and_304),
        TEST(test_headers_as_pairs),
        TEST(test_headers_by_each),
        TEST(test_headers_that_are_kept_and_called_later),
        TEST(test_content_length_of_the_app),
        TEST(test_body_is_closed_when_the_head_is_refused),
    };

    return cmocka_run_group_tests_name("rack_response", tests, NULL, NULL);
}
