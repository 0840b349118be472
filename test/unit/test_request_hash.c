/* The same request again, and another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "request_hash.h"

#define HASH(...) request_hash((char *const[]){ __VA_ARGS__, NULL })

static void test_what_differs_at_each_try_does_not_count(void **state)
{
    uint64_t hash = HASH("REQUEST_METHOD=GET", "REQUEST_URI=/a", "REMOTE_PORT=1000", "HTTP_X_REQUEST_ID=x");

    (void)state;
    assert_true(hash != 0);
    assert_true(HASH("REQUEST_METHOD=GET", "REQUEST_URI=/a", "REMOTE_PORT=2", "HTTP_X_REQUEST_ID=yz") == hash);
    assert_true(HASH("REQUEST_METHOD=GET", "REQUEST_URI=/a", "UNIQUE_ID=1", "REQUEST_TIME=3") == hash);
    assert_true(HASH("REQUEST_METHOD=GET", "REQUEST_URI=/a") == hash);
}

static void test_everything_else_counts(void **state)
{
    char one[] = "HTTP_COOKIE=0123456789012345678901234567890123456789";
    uint64_t hash = HASH("REQUEST_METHOD=GET", one);

    (void)state;
    for (size_t i = 0; one[i] != '\0'; i++) {
        one[i] ^= 1;
        assert_true(HASH("REQUEST_METHOD=GET", one) != hash);
        one[i] ^= 1;
    }
    assert_true(HASH("REQUEST_METHOD=GET", one) == hash);
    assert_true(HASH("REQUEST_METHOD=POST", one) != hash);
    assert_true(HASH("REQUEST_METHOD=GET", one, "A=") != hash);
    assert_true(HASH("A=bc") != HASH("A=b", "c"));
    assert_true(HASH("A=", "B=") != HASH("B=", "A="));
    assert_true(request_hash((char *const[]){ NULL }) != 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_differs_at_each_try_does_not_count),
        cmocka_unit_test(test_everything_else_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
