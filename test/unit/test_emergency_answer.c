/* The answer in one piece: records that parse, a head that says what it should, a client that gets it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "emergency_answer.h"
#include "fcgi_record.h"

static void test_records(void **state)
{
    static const struct {
        int status;
        const char *head;
        const char *body;
    } answers[] = {
        { 500, "Status: 500 Internal Server Error\r\n", "500 Internal Server Error\n" },
        { 503, "Status: 503 Service Unavailable\r\nRetry-After: 4294967295\r\n", "503 Service Unavailable\n" },
        { 504, "Status: 504 Gateway Timeout\r\n", "504 Gateway Timeout\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        uint8_t records[EMERGENCY_ANSWER_SIZE];
        char expected[EMERGENCY_ANSWER_SIZE];
        size_t length = emergency_answer(records, 0xabcd, answers[i].status, answers[i].status == 503 ? UINT32_MAX : 0);
        struct fcgi_record_header out = fcgi_record_decode(records);
        snprintf(expected, sizeof expected, "%sContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                 answers[i].head, strlen(answers[i].body), answers[i].body);

        assert_int_equal(out.version, 1);
        assert_int_equal(out.type, FCGI_RECORD_STDOUT);
        assert_int_equal(out.request_id, 0xabcd);
        assert_int_equal(out.content_length, strlen(expected));
        assert_memory_equal(records + 8, expected, strlen(expected));

        const uint8_t *rest = records + 8 + out.content_length;
        struct fcgi_record_header closing = fcgi_record_decode(rest), end = fcgi_record_decode(rest + 8);
        assert_int_equal(closing.type, FCGI_RECORD_STDOUT);
        assert_int_equal(closing.content_length, 0);
        assert_int_equal(end.type, FCGI_RECORD_END_REQUEST);
        assert_int_equal(end.request_id, 0xabcd);
        assert_int_equal(end.content_length, 8);
        assert_ptr_equal(rest + 24, records + length);
    }
}

/* What the client was still sending must not cost it the answer. */
static void test_sending(void **state)
{
    static const char unread[3000] = "a body that nobody reads";
    uint8_t records[EMERGENCY_ANSWER_SIZE], received[2 * EMERGENCY_ANSWER_SIZE];
    size_t length = emergency_answer(records, 1, 504, 0), total = 0;
    ssize_t count;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[1], unread, sizeof unread), sizeof unread);
    assert_int_equal(emergency_answer_send(ends[0], records, length), 0);
    close(ends[0]);
    while ((count = read(ends[1], received + total, sizeof received - total)) > 0)
        total += (size_t)count;
    assert_int_equal(count, 0);
    assert_int_equal(total, length);
    assert_memory_equal(received, records, length);
    close(ends[1]);
}

static void test_a_client_that_is_gone(void **state)
{
    uint8_t records[EMERGENCY_ANSWER_SIZE];
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    close(ends[1]);
    assert_int_equal(emergency_answer_send(ends[0], records, emergency_answer(records, 1, 500, 0)), -1);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_sending),
        cmocka_unit_test(test_a_client_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
