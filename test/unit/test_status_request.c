/* What requests to the status server are answered with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fcgi_record.h"
#include "status_request.h"

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define TEXT "text/plain; charset=utf-8"

static void add(struct strbuf *params, const char *name, const char *value)
{
    if (value)
        fcgi_pair_append(params, name, strlen(name), value, strlen(value));
}

static struct status_request ask(const char *method, const char *uri, const char *accept)
{
    struct strbuf params = { 0 };
    const char *query = strchr(uri, '?');
    add(&params, "REQUEST_METHOD", method);
    add(&params, "REQUEST_URI", uri);
    add(&params, "QUERY_STRING", query ? query + 1 : "");
    add(&params, "HTTP_ACCEPT", accept);
    struct status_request request = status_request_read((const uint8_t *)params.data, params.length);
    strbuf_free(&params);
    return request;
}

static void test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *accept;
        enum status_format format;
        const char *type;
    } cases[] = {
        { "/status", NULL, STATUS_TEXT, TEXT },
        { "/status", "*/*", STATUS_TEXT, TEXT },
        { "/below/a/prefix/status", NULL, STATUS_TEXT, TEXT },
        { "/status?", NULL, STATUS_TEXT, TEXT },
        { "/status?text", "application/json", STATUS_TEXT, TEXT },
        { "/status?json", NULL, STATUS_JSON, "application/json" },
        { "/status?json&pretty=1", NULL, STATUS_JSON, "application/json" },
        { "/status?json=1", NULL, STATUS_JSON, "application/json" },
        { "/status", "text/x, application/json;q=0.5", STATUS_JSON, "application/json" },
        { "/status?openmetrics", NULL, STATUS_METRICS, OPENMETRICS },
        { "/metrics", NULL, STATUS_METRICS, PROMETHEUS },
        { "/metrics", "text/plain", STATUS_METRICS, PROMETHEUS },
        { "/metrics", "application/openmetrics-text;version=1.0.0,*/*;q=0.1", STATUS_METRICS, OPENMETRICS },
        { "/x/metrics?a=/status", NULL, STATUS_METRICS, PROMETHEUS },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct status_request request = ask("GET", cases[i].uri, cases[i].accept);
        assert_int_equal(request.refused, 0);
        assert_false(request.head);
        assert_int_equal(request.format, cases[i].format);
        assert_string_equal(request.content_type, cases[i].type);
    }
}

static void test_other_paths_are_not_found(void **state)
{
    (void)state;
    static const char *const uris[] = { "/", "", "/status/", "/metricsx", "/stat", "/?status", "/status/x", "/STATUS" };
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++)
        assert_int_equal(ask("GET", uris[i], NULL).refused, 404);
}

static void test_other_methods_are_refused(void **state)
{
    (void)state;
    static const char *const methods[] = { "POST", "PUT", "get", "", "GETS", NULL };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        assert_int_equal(ask(methods[i], "/status", NULL).refused, 405);
    struct status_request head = ask("HEAD", "/metrics", NULL);
    assert_int_equal(head.refused, 0);
    assert_true(head.head);
}

static void test_the_path_without_a_request_uri(void **state)
{
    (void)state;
    struct strbuf params = { 0 };
    add(&params, "REQUEST_METHOD", "GET");
    add(&params, "SCRIPT_NAME", "/status");
    assert_int_equal(status_request_read((const uint8_t *)params.data, params.length).refused, 0);
    add(&params, "PATH_INFO", "/metrics");
    assert_int_equal(status_request_read((const uint8_t *)params.data, params.length).format, STATUS_METRICS);
    strbuf_free(&params);
}

static void test_malformed_parameters(void **state)
{
    (void)state;
    struct strbuf params = { 0 };
    add(&params, "REQUEST_METHOD", "GET");
    add(&params, "REQUEST_URI", "/status");
    for (size_t length = 1; length < params.length; length++) {
        unsigned refused = status_request_read((const uint8_t *)params.data, length).refused;
        assert_true(refused == 400 || refused == 404); /* 404: between the two */
    }
    strbuf_free(&params);
    assert_int_equal(status_request_read(NULL, 0).refused, 405);
}

/* The content of the STDOUT records; they and END_REQUEST are all there is. */
static struct strbuf content(const struct strbuf *records, uint16_t id)
{
    struct strbuf text = { 0 };
    bool ended = false;
    for (size_t at = 0; at < records->length;) {
        assert_false(ended);
        const struct fcgi_record_header header = fcgi_record_decode((const uint8_t *)records->data + at);
        assert_int_equal(header.request_id, id);
        at += FCGI_RECORD_HEADER_SIZE;
        if (header.type == FCGI_RECORD_STDOUT)
            strbuf_append(&text, records->data + at, header.content_length);
        else
            assert_int_equal(header.type, FCGI_RECORD_END_REQUEST);
        ended = header.type == FCGI_RECORD_END_REQUEST;
        at += (size_t)header.content_length + header.padding_length;
    }
    assert_true(ended);
    return text;
}

static void test_long_answers_are_whole(void **state)
{
    (void)state;
    struct strbuf long_text = { 0 }, records = { 0 };
    struct status_request request = ask("GET", "/status", NULL);
    strbuf_fill(&long_text, 'x', 200000);
    status_request_answer(&records, 7, &request, long_text.data, long_text.length);
    struct strbuf answer = content(&records, 7);
    const char *body = strstr(answer.data, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body + 4, long_text.data);
    assert_ptr_equal(strstr(answer.data, "Status: 200 OK\r\nContent-Type: " TEXT "\r\nContent-Length: 200000\r\n"),
                     answer.data);
    strbuf_free(&answer);
    strbuf_free(&records);
    request.head = true;
    status_request_answer(&records, 7, &request, long_text.data, long_text.length);
    answer = content(&records, 7);
    assert_non_null(strstr(answer.data, "Content-Length: 200000\r\n"));
    assert_string_equal(answer.data + answer.length - 4, "\r\n\r\n");
    strbuf_free(&answer);
    strbuf_free(&records);
    strbuf_free(&long_text);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *start;
    } cases[] = { { 400, "Status: 400 Bad Request\r\nContent-Type: " TEXT },
                  { 404, "Status: 404 Not Found\r\nContent-Type: " TEXT },
                  { 405, "Status: 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n" },
                  { 503, "Status: 503 Service Unavailable\r\nRetry-After: 1\r\n" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf records = { 0 };
        status_request_refuse(&records, 1, cases[i].status, false);
        struct strbuf answer = content(&records, 1);
        assert_ptr_equal(strstr(answer.data, cases[i].start), answer.data);
        assert_true(answer.data[answer.length - 1] == '\n' && answer.data[answer.length - 2] == '.');
        strbuf_free(&answer);
        strbuf_free(&records);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_other_paths_are_not_found),
        cmocka_unit_test(test_other_methods_are_refused),
        cmocka_unit_test(test_the_path_without_a_request_uri),
        cmocka_unit_test(test_malformed_parameters),
        cmocka_unit_test(test_long_answers_are_whole),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
