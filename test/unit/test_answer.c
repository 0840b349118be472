#include "answer.h"

#include <setjmp.h>

#include "fake_request.h"

#include <cmocka.h>

static struct request_transport transport;
static struct request request;

static int set_up(void **state)
{
    (void)state;
    request = (struct request){ .transport = &transport, .params = transport.params };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_clear(&transport);
    return 0;
}

static void test_reason(void **state)
{
    (void)state;
    assert_string_equal(answer_reason(200), "OK");
    assert_string_equal(answer_reason(404), "Not Found");
    assert_string_equal(answer_reason(504), "Gateway Timeout");
    assert_string_equal(answer_reason(299), "Unknown");
    assert_string_equal(answer_reason(-1), "Unknown");
}

static void test_page(void **state)
{
    (void)state;
    fake_param(&transport, "REQUEST_METHOD=GET");
    answer_plain(&request, 404, "No such host.");
    assert_string_equal(transport.out.data, "Status: 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                            "X-Content-Type-Options: nosniff\r\nContent-Length: 29\r\n\r\n"
                                            "404 Not Found\n\nNo such host.\n");
    assert_int_equal(request.status, 404);
    assert_int_equal(request.body_sent, 29);
    assert_false(request.error_answered);
}

static void test_page_without_detail(void **state)
{
    (void)state;
    answer_plain(&request, 503, NULL);
    assert_non_null(strstr(transport.out.data, "Content-Length: 24\r\n\r\n503 Service Unavailable\n"));
    assert_int_equal(request.body_sent, 24);
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    fake_param(&transport, "REQUEST_METHOD=HEAD");
    answer_plain(&request, 404, "No such host.");
    assert_non_null(strstr(transport.out.data, "Content-Length: 29\r\n\r\n"));
    assert_string_equal(transport.out.data + transport.out.length - 4, "\r\n\r\n");
    assert_int_equal(request.body_sent, 0);
}

static void test_5xx_is_error_answered(void **state)
{
    (void)state;
    answer_plain(&request, 500, NULL);
    assert_true(request.error_answered);
}

static void test_client_gone(void **state)
{
    (void)state;
    transport.write_limit = 1;
    answer_plain(&request, 404, NULL);
    assert_int_equal(request.status, 404);
    assert_int_equal(request.body_sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_page_without_detail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_head_has_no_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_5xx_is_error_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_gone, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
