/* Parameters decoded from a head: one record or many, padded or not, short and long lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fcgi_record.h"
#include "params.h"
#include "strbuf.h"

static char *const nothing[] = { NULL };

/* A head whose PARAMS content is cut into records of at most `piece` bytes, each with `padding` bytes behind it. */
static struct strbuf head_of(const struct strbuf *content, size_t piece, uint8_t padding)
{
    struct strbuf head = { 0 };
    fcgi_record_append_begin(&head, 1, FCGI_ROLE_RESPONDER, 0);
    for (size_t at = 0; at < content->length; at += piece) {
        size_t length = content->length - at < piece ? content->length - at : piece;
        uint8_t header[8] = { 1, FCGI_RECORD_PARAMS, 0, 1, (uint8_t)(length >> 8), (uint8_t)length, padding, 0 };
        strbuf_append(&head, header, sizeof header);
        strbuf_append(&head, content->data + at, length);
        strbuf_fill(&head, 'p', padding);
    }
    fcgi_record_append(&head, FCGI_RECORD_PARAMS, 1, "", 0);
    return head;
}

static void expect(const struct strbuf *content, size_t piece, uint8_t padding, const char *const *expected)
{
    struct strbuf head = head_of(content, piece, padding);
    /* At its exact size, so that a sanitizer sees every byte read beyond it. */
    uint8_t *exact = malloc(head.length);
    memcpy(exact, head.data, head.length);
    char **params = params_decode(exact, head.length, nothing);
    for (; *expected != NULL; expected++, params++) {
        assert_non_null(*params);
        assert_string_equal(*params, *expected);
    }
    assert_null(*params);
    free(exact);
    strbuf_free(&head);
}

static void test_records_are_joined_wherever_they_are_cut(void **state)
{
    (void)state;
    struct strbuf content = { 0 };
    char long_value[301];
    memset(long_value, 'x', 300);
    long_value[300] = '\0';
    struct strbuf long_param = { 0 };
    strbuf_printf(&long_param, "LONG=%s", long_value);
    fcgi_pair_append(&content, "A", 1, "b", 1);
    fcgi_pair_append(&content, "EMPTY", 5, "", 0);
    fcgi_pair_append(&content, "LONG", 4, long_value, 300);
    fcgi_pair_append(&content, "A", 1, "again", 5);
    const char *const expected[] = { "A=b", "EMPTY=", long_param.data, "A=again", NULL };
    for (size_t piece = 1; piece <= content.length; piece++)
        for (uint8_t padding = 0; padding < 9; padding += 4)
            expect(&content, piece, padding, expected);
    strbuf_free(&long_param);
    strbuf_free(&content);
}

static void test_a_head_without_parameters_has_none(void **state)
{
    (void)state;
    struct strbuf content = { 0 };
    const char *const expected[] = { NULL };
    expect(&content, 1, 0, expected);
}

static void test_more_ones_come_behind(void **state)
{
    (void)state;
    struct strbuf content = { 0 };
    char role[] = "FCGI_ROLE=RESPONDER";
    char *const more[] = { role, NULL };
    fcgi_pair_append(&content, "A", 1, "b", 1);
    struct strbuf head = head_of(&content, 100, 0);
    char **params = params_decode((const uint8_t *)head.data, head.length, more);
    assert_string_equal(params[0], "A=b");
    assert_ptr_equal(params[1], role);
    assert_null(params[2]);
    strbuf_free(&head);
    strbuf_free(&content);
}

static void test_many_parameters(void **state)
{
    (void)state;
    struct strbuf content = { 0 };
    for (int i = 0; i < 5000; i++)
        fcgi_pair_append(&content, "N", 1, "v", 1);
    struct strbuf head = head_of(&content, 60000, 0);
    char **params = params_decode((const uint8_t *)head.data, head.length, nothing);
    size_t count = 0;
    while (params[count] != NULL)
        assert_string_equal(params[count++], "N=v");
    assert_int_equal(count, 5000);
    strbuf_free(&head);
    strbuf_free(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_are_joined_wherever_they_are_cut),
        cmocka_unit_test(test_a_head_without_parameters_has_none),
        cmocka_unit_test(test_more_ones_come_behind),
        cmocka_unit_test(test_many_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
