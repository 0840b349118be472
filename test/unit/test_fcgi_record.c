#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fcgi_record.h"

static struct fcgi_record_header header_at(const struct strbuf *out, size_t offset)
{
    assert_true(offset + FCGI_RECORD_HEADER_SIZE <= out->length);
    return fcgi_record_decode((const uint8_t *)out->data + offset);
}

static void a_record_is_laid_out_as_specified(void **state)
{
    struct strbuf out = { 0 };

    (void)state;
    fcgi_record_append(&out, FCGI_RECORD_STDOUT, 0x1234, "abc", 3);
    assert_int_equal(out.length, 11);
    assert_memory_equal(out.data,
                        "\x01\x06\x12\x34\x00\x03\x00\x00"
                        "abc",
                        11);
    strbuf_free(&out);

    fcgi_record_append_begin(&out, 1, FCGI_ROLE_AUTHORIZER, 1);
    assert_memory_equal(out.data, "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x02\x01\x00\x00\x00\x00\x00", 16);
    strbuf_free(&out);

    fcgi_record_append_end(&out, 1, 0xdeadbeef, FCGI_STATUS_OVERLOADED);
    assert_memory_equal(out.data, "\x01\x03\x00\x01\x00\x08\x00\x00\xde\xad\xbe\xef\x02\x00\x00\x00", 16);
    strbuf_free(&out);

    struct fcgi_record_header header = fcgi_record_decode((const uint8_t *)"\x01\x05\xff\xfe\x80\x01\x07\x00");
    assert_int_equal(header.version, 1);
    assert_int_equal(header.type, FCGI_RECORD_STDIN);
    assert_int_equal(header.request_id, 0xfffe);
    assert_int_equal(header.content_length, 0x8001);
    assert_int_equal(header.padding_length, 7);
}

static void contents_are_split(void **state)
{
    static const size_t lengths[] = { 0, 1, 65534, 65535, 65536, 131070, 131071, 200000 };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct strbuf out = { 0 }, content = { 0 }, joined = { 0 };
        size_t records = 0;

        for (size_t at = 0; at < lengths[i]; at++)
            strbuf_fill(&content, (char)(at * 7 >> 3), 1);
        fcgi_record_append(&out, FCGI_RECORD_STDIN, 1, content.data, content.length);
        for (size_t at = 0; at < out.length; records++) {
            struct fcgi_record_header header = header_at(&out, at);

            assert_int_equal(header.type, FCGI_RECORD_STDIN);
            at += FCGI_RECORD_HEADER_SIZE;
            assert_true(header.content_length > 0 || lengths[i] == 0);
            strbuf_append(&joined, out.data + at, header.content_length);
            at += (size_t)header.content_length + header.padding_length;
        }
        assert_int_equal(records, lengths[i] == 0 ? 1 : (lengths[i] + 65534) / 65535);
        assert_int_equal(joined.length, lengths[i]);
        if (lengths[i] > 0)
            assert_memory_equal(joined.data, content.data, lengths[i]);
        strbuf_free(&out);
        strbuf_free(&content);
        strbuf_free(&joined);
    }
}

static void pairs_of_every_length_come_back(void **state)
{
    static const size_t lengths[] = { 0, 1, 126, 127, 128, 129, 255, 256, 65535, 65536, 100000 };
    const size_t count = sizeof lengths / sizeof lengths[0];
    struct strbuf content = { 0 }, bytes = { 0 };
    struct fcgi_pair pair;
    size_t offset = 0;

    (void)state;
    strbuf_fill(&bytes, 'v', 100000);
    for (size_t i = 0; i < count * count; i++)
        fcgi_pair_append(&content, bytes.data, lengths[i / count], bytes.data, lengths[i % count]);
    for (size_t i = 0; i < count * count; i++) {
        assert_int_equal(fcgi_pair_next((const uint8_t *)content.data, content.length, &offset, &pair), 1);
        assert_int_equal(pair.name_length, lengths[i / count]);
        assert_int_equal(pair.value_length, lengths[i % count]);
        assert_true(pair.value == pair.name + pair.name_length);
    }
    assert_int_equal(fcgi_pair_next((const uint8_t *)content.data, content.length, &offset, &pair), 0);
    assert_int_equal(offset, content.length);
    strbuf_free(&content);
    strbuf_free(&bytes);
}

static void malformed_pairs_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        { "\x01", 1 },
        { "\x01\x01"
          "a",
          3 },
        { "\x02\x00"
          "a",
          3 },
        { "\x00\x01", 2 },
        { "\x80\x00\x00", 3 },
        { "\x00\x80\x00\x00", 4 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff"
          "ab",
          10 },
        { "\xff\xff\xff\xfe\xff\xff\xff\xfe"
          "ab",
          10 },
        { "\x80\x00\x00\x02\xff\xff\xff\xff"
          "ab",
          10 },
        { "\xff\xff\xff\xff\x00", 5 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fcgi_pair pair;
        size_t offset = 0;
        uint8_t *exact = malloc(cases[i].length); /* so that a sanitizer sees a byte too many */

        memcpy(exact, cases[i].bytes, cases[i].length);
        assert_int_equal(fcgi_pair_next(exact, cases[i].length, &offset, &pair), -1);
        assert_int_equal(offset, 0);
        free(exact);
    }
}

/* Pairs cut anywhere: the whole ones before the cut, then malformed, except at a boundary. */
static void every_truncation_is_noticed(void **state)
{
    struct strbuf content = { 0 };
    size_t boundaries[4] = { 0 };

    (void)state;
    fcgi_pair_append(&content, "HOST", 4, "example.org", 11);
    boundaries[1] = content.length;
    strbuf_fill(&content, (char)3, 1); /* a long form for a short length is legal */
    strbuf_append(&content,
                  "\x80\x00\x00\x02"
                  "abcde",
                  9);
    boundaries[2] = content.length;
    char value[300];
    memset(value, 'v', sizeof value);
    fcgi_pair_append(&content, "LONG", 4, value, sizeof value);
    boundaries[3] = content.length;

    for (size_t length = 0; length <= content.length; length++) {
        uint8_t *cut = malloc(length > 0 ? length : 1);
        struct fcgi_pair pair;
        size_t offset = 0;
        int result, pairs = 0, whole = 0;

        memcpy(cut, content.data, length);
        while ((result = fcgi_pair_next(cut, length, &offset, &pair)) == 1) {
            assert_true(pair.value + pair.value_length <= cut + length);
            pairs++;
        }
        while (whole < 3 && boundaries[whole + 1] <= length)
            whole++;
        assert_int_equal(pairs, whole);
        assert_int_equal(offset, boundaries[whole]);
        assert_int_equal(result, length == boundaries[whole] ? 0 : -1);
        free(cut);
    }
    strbuf_free(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_laid_out_as_specified), cmocka_unit_test(contents_are_split),
        cmocka_unit_test(pairs_of_every_length_come_back),   cmocka_unit_test(malformed_pairs_are_refused),
        cmocka_unit_test(every_truncation_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
