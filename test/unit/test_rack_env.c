/* The env: each rule by name. */
#include "rack_fixture.h"

static const char *value(const char *key)
{
    char source[256];

    snprintf(source, sizeof source, "env['%s']", key);
    return evaluate(source);
}

static void test_is_an_unfrozen_hash_of_strings(void **state)
{
    (void)state;
    param("HTTP_X_UNHEARD_OF=1");
    param("REMOTE_ADDR=192.0.2.1");
    assert_string_equal(evaluate("[env.class, env.frozen?, env.keys.all? { |k| k.is_a?(String) && k.frozen? },"
                                 " env['new'] = 1, env['HTTP_X_UNHEARD_OF'] << '2', env['REMOTE_ADDR'] << '3']"),
                        "[Hash, false, true, 1, \"12\", \"192.0.2.13\"]");
}

static void test_keys_are_shared_and_values_are_not(void **state)
{
    (void)state;
    param("REMOTE_ADDR=192.0.2.1");
    load_app("$seen = []\nrun ->(env) { $seen << env; [200, {}, [$seen.size.to_s]] }");
    get("/");
    get("/");
    assert_string_equal(
        evaluate("a, b = $seen\n[a.equal?(b), a.keys.find { |k| k == 'REMOTE_ADDR' }.equal?(b.keys.find { |k| k == "
                 "'REMOTE_ADDR' }),"
                 " a['REMOTE_ADDR'].equal?(b['REMOTE_ADDR']), a['rack.input'].equal?(b['rack.input'])]"),
        "[false, true, false, false]");
}

static void test_params_become_entries(void **state)
{
    (void)state;
    param("HTTP_USER_AGENT=curl=1");
    param("HTTP_X_UNHEARD_OF=b\xc3\xa4r");
    param("X=");
    assert_string_equal(evaluate("[env['HTTP_USER_AGENT'], env['HTTP_X_UNHEARD_OF'], env['X']]"),
                        "[\"curl=1\", \"b\xc3\xa4r\", \"\"]");
}

static void test_the_last_of_duplicates_counts(void **state)
{
    (void)state;
    param("HTTP_COOKIE=a");
    param("HTTP_COOKIE=b");
    param("QUERY_STRING=a");
    param("QUERY_STRING=b");
    param("UNHEARD=a");
    param("UNHEARD=b");
    param("CONTENT_LENGTH=7");
    param("CONTENT_LENGTH=");
    assert_string_equal(
        evaluate("[env['HTTP_COOKIE'], env['QUERY_STRING'], env['UNHEARD'], env.key?('CONTENT_LENGTH')]"),
        "[\"b\", \"b\", \"b\", false]");
}

static void test_http_proxy_is_dropped(void **state)
{
    (void)state;
    param("HTTP_PROXY=http://evil.example/");
    assert_string_equal(value("HTTP_PROXY"), "nil");
}

static void test_http_content_type_and_length_are_dropped(void **state)
{
    (void)state;
    param("HTTP_CONTENT_TYPE=text/plain");
    param("HTTP_CONTENT_LENGTH=1");
    param("HTTP_VERSION=9");
    assert_string_equal(evaluate("env.keys.select { |k| k.start_with?('HTTP_') }"), "[]");
}

static void test_content_type_and_length(void **state)
{
    (void)state;
    param("CONTENT_TYPE=text/plain");
    param("CONTENT_LENGTH=12");
    assert_string_equal(evaluate("[env['CONTENT_TYPE'], env['CONTENT_LENGTH']]"), "[\"text/plain\", \"12\"]");
}

static void test_empty_content_type_and_length_are_dropped(void **state)
{
    (void)state;
    param("CONTENT_TYPE=");
    param("CONTENT_LENGTH=");
    assert_string_equal(evaluate("[env.key?('CONTENT_TYPE'), env.key?('CONTENT_LENGTH')]"), "[false, false]");
}

static void test_content_length_that_is_no_number_is_dropped(void **state)
{
    (void)state;
    param("CONTENT_LENGTH=-1");
    assert_string_equal(evaluate("env.key?('CONTENT_LENGTH')"), "false");
    param("CONTENT_LENGTH=12a");
    assert_string_equal(evaluate("env.key?('CONTENT_LENGTH')"), "false");
}

static void test_script_name_and_path_info_come_from_the_routing(void **state)
{
    (void)state;
    param("SCRIPT_NAME=/front/end");
    param("PATH_INFO=/says");
    param("REQUEST_URI=/%61?x");
    load_app("run ->(env) { [200, {}, [[env['SCRIPT_NAME'], env['PATH_INFO'], env['REQUEST_URI']].inspect]] }");
    assert_has(get("/a b"), "[\"\", \"/a b\", \"/%61?x\"]");
}

static void test_query_string_is_always_there(void **state)
{
    (void)state;
    assert_string_equal(value("QUERY_STRING"), "\"\"");
    param("REQUEST_URI=/a");
    assert_string_equal(value("QUERY_STRING"), "\"\"");
}

static void test_query_string_from_the_uri_when_absent(void **state)
{
    (void)state;
    param("REQUEST_URI=/a?b=c&d=%20?#f");
    assert_string_equal(value("QUERY_STRING"), "\"b=c&d=%20?\"");
}

static void test_query_string_of_the_front_end_counts(void **state)
{
    (void)state;
    param("QUERY_STRING=");
    param("REQUEST_URI=/a?b");
    assert_string_equal(value("QUERY_STRING"), "\"\"");
}

static void test_server_entries_are_always_there(void **state)
{
    (void)state;
    assert_string_equal(evaluate("[env['REQUEST_METHOD'], env['SERVER_NAME'], env['SERVER_PORT'], "
                                 "env['SERVER_PROTOCOL'], env['SERVER_SOFTWARE']]"),
                        "[\"GET\", \"localhost\", \"80\", \"HTTP/1.0\", \"cowherd\"]");
}

static void test_server_entries_of_the_front_end(void **state)
{
    (void)state;
    param("SERVER_NAME=www.example.org");
    param("SERVER_PORT=8080");
    param("SERVER_PROTOCOL=HTTP/2.0");
    param("SERVER_SOFTWARE=nginx/1.22.1");
    assert_string_equal(
        evaluate("[env['SERVER_NAME'], env['SERVER_PORT'], env['SERVER_PROTOCOL'], env['SERVER_SOFTWARE']]"),
        "[\"www.example.org\", \"8080\", \"HTTP/2.0\", \"nginx/1.22.1\"]");
}

static void test_server_name_without_the_port_that_haproxy_adds(void **state)
{
    (void)state;
    param("SERVER_NAME=www.example.org:8080");
    assert_string_equal(value("SERVER_NAME"), "\"www.example.org\"");
    param("SERVER_NAME=[::1]:8080");
    assert_string_equal(value("SERVER_NAME"), "\"[::1]\"");
    param("SERVER_NAME=::1");
    assert_string_equal(value("SERVER_NAME"), "\"::1\"");
    param("SERVER_NAME=");
    param("HTTP_HOST=from.host:81");
    assert_string_equal(value("SERVER_NAME"), "\"from.host\"");
}

static void test_server_name_that_is_no_authority(void **state)
{
    (void)state;
    param("SERVER_NAME=~^(www\\.)?(.+)$");
    param("HTTP_HOST=www.example.org:8080");
    assert_string_equal(evaluate("env.values_at('SERVER_NAME', 'HTTP_HOST')"),
                        "[\"www.example.org\", \"www.example.org:8080\"]");
}

static void test_host_that_is_no_authority_is_dropped(void **state)
{
    static const char *const hosts[] = { "a b", "a/b", "a@b", "<a>", "a\"b", "a\\b", "\xc3\xa4", "a?b", "a#b" };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(text, sizeof text, "HTTP_HOST=%s", hosts[i]);
        param(text);
        assert_string_equal(evaluate("env.values_at('SERVER_NAME', 'HTTP_HOST')"), "[\"localhost\", nil]");
    }
    param("HTTP_HOST=[::1]:80");
    assert_string_equal(evaluate("env.values_at('SERVER_NAME', 'HTTP_HOST')"), "[\"[::1]\", \"[::1]:80\"]");
}

static void test_server_protocol_that_is_none(void **state)
{
    static const char *const protocols[] = { "INCLUDED", "HTTP/", "HTTP/1.", "HTTP/1.10", "http/1.1" };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        snprintf(text, sizeof text, "SERVER_PROTOCOL=%s", protocols[i]);
        param(text);
        assert_string_equal(evaluate("env['SERVER_PROTOCOL']"), "\"HTTP/1.0\"");
    }
    param("SERVER_PROTOCOL=HTTP/3");
    assert_string_equal(evaluate("env['SERVER_PROTOCOL']"), "\"HTTP/3\"");
}

static void test_url_scheme(void **state)
{
    (void)state;
    assert_string_equal(value("rack.url_scheme"), "\"http\"");
    param("REQUEST_SCHEME=https");
    assert_string_equal(evaluate("[env['rack.url_scheme'], env['REQUEST_SCHEME'], env['SERVER_PORT']]"),
                        "[\"https\", \"https\", \"443\"]");
    param("HTTPS=off");
    assert_string_equal(value("rack.url_scheme"), "\"http\"");
    param("HTTPS=on");
    assert_string_equal(evaluate("[env['rack.url_scheme'], env['HTTPS']]"), "[\"https\", \"on\"]");
    param("HTTPS=");
    param("REQUEST_SCHEME=gopher");
    assert_string_equal(value("rack.url_scheme"), "\"http\"");
}

static void test_rack_entries(void **state)
{
    (void)state;
    assert_string_equal(
        evaluate("%w[multithread multiprocess run_once response_finished].map { |k| env[\"rack.#{k}\"] } +"
                 " [env['rack.input'].class, env['rack.errors'].class, env.key?('rack.hijack')]"),
        "[false, true, false, [], Cowherd::Input, Cowherd::Errors, false]");
}

static void test_params_cannot_be_rack_entries(void **state)
{
    (void)state;
    param("rack.url_scheme=javascript");
    param("rack.input=x");
    param("rack.hijack=x");
    param("=nameless");
    param("valueless");
    assert_string_equal(
        evaluate("[env['rack.url_scheme'], env['rack.input'].class, env['rack.hijack'], env[''], env['valueless']]"),
        "[\"http\", Cowherd::Input, nil, nil, nil]");
}

static void test_all_known_names(void **state)
{
    static const char *const names[] = {
        "REMOTE_ADDR",          "REMOTE_PORT",
        "DOCUMENT_ROOT",        "GATEWAY_INTERFACE",
        "HTTP_ACCEPT",          "HTTP_ACCEPT_ENCODING",
        "HTTP_ACCEPT_LANGUAGE", "HTTP_COOKIE",
        "HTTP_IF_NONE_MATCH",   "HTTP_IF_MODIFIED_SINCE",
        "HTTP_REFERER",         "HTTP_SEC_FETCH_DEST",
        "HTTP_SEC_FETCH_MODE",  "HTTP_SEC_FETCH_SITE",
        "HTTP_SEC_FETCH_USER",  "HTTP_UPGRADE_INSECURE_REQUESTS",
        "HTTP_USER_AGENT",      "HTTP_X_FORWARDED_FOR",
        "HTTP_X_REAL_IP",       "HTTPS",
        "REDIRECT_STATUS",      "SCRIPT_FILENAME",
        "REQUEST_SCHEME",       "SERVER_ADDR",
        "REMOTE_USER",
    };
    char text[128], source[128], expected[128];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(text, sizeof text, "%s=value %zu", names[i], i);
        param(text);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(source, sizeof source, "env['%s']", names[i]);
        snprintf(expected, sizeof expected, "\"value %zu\"", i);
        assert_string_equal(evaluate(source), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_is_an_unfrozen_hash_of_strings),
        TEST(test_keys_are_shared_and_values_are_not),
        TEST(test_params_become_entries),
        TEST(test_the_last_of_duplicates_counts),
        TEST(test_http_proxy_is_dropped),
        TEST(test_http_content_type_and_length_are_dropped),
        TEST(test_content_type_and_length),
        TEST(test_empty_content_type_and_length_are_dropped),
        TEST(test_content_length_that_is_no_number_is_dropped),
        TEST(test_script_name_and_path_info_come_from_the_routing),
        TEST(test_query_string_is_always_there),
        TEST(test_query_string_from_the_uri_when_absent),
        TEST(test_query_string_of_the_front_end_counts),
        TEST(test_server_entries_are_always_there),
        TEST(test_server_entries_of_the_front_end),
        TEST(test_server_name_without_the_port_that_haproxy_adds),
        TEST(test_server_name_that_is_no_authority),
        TEST(test_host_that_is_no_authority_is_dropped),
        TEST(test_server_protocol_that_is_none),
        TEST(test_url_scheme),
        TEST(test_rack_entries),
        TEST(test_params_cannot_be_rack_entries),
        TEST(test_all_known_names),
    };

    return cmocka_run_group_tests_name("rack_env", tests, NULL, NULL);
}
