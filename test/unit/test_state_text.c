/* The text in which a supervisor hands its state on: what is written is read, and what is not understood does no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state_text.h"
#include "xalloc.h"

enum colour { RED, GREEN };

struct thing {
    bool flag;
    enum colour colour;
    int16_t small;
    int number;
    uint32_t positive;
    int64_t wide;
    uint64_t widest;
    char *string;
    char chars[8];
};

static const struct state_field fields[] = {
    STATE_FIELD(STATE_UNSIGNED, "flag", struct thing, flag),
    STATE_FIELD(STATE_UNSIGNED, "colour", struct thing, colour),
    STATE_FIELD(STATE_SIGNED, "small", struct thing, small),
    STATE_FIELD(STATE_SIGNED, "number", struct thing, number),
    STATE_FIELD(STATE_UNSIGNED, "positive", struct thing, positive),
    STATE_FIELD(STATE_SIGNED, "wide", struct thing, wide),
    STATE_FIELD(STATE_UNSIGNED, "widest", struct thing, widest),
    STATE_FIELD(STATE_STRING, "string", struct thing, string),
    STATE_FIELD(STATE_CHARS, "chars", struct thing, chars),
};
#define FIELDS (sizeof fields / sizeof *fields)

static void test_every_kind_comes_back(void **state)
{
    struct thing extreme = { .flag = true,
                             .colour = GREEN,
                             .small = INT16_MIN,
                             .number = -1,
                             .positive = UINT32_MAX,
                             .wide = INT64_MIN,
                             .widest = UINT64_MAX,
                             .string = "a = b\n%41%\x7f\t\xc3\xa9",
                             .chars = "1234567" };
    struct thing back = { 0 };
    struct state_writer writer;
    struct state_reader reader;

    (void)state;
    state_writer_start(&writer);
    state_put_record(&writer, "thing");
    state_put_fields(&writer, fields, FIELDS, &extreme);
    state_put_record(&writer, "empty");
    state_writer_finish(&writer);

    state_reader_start(&reader, writer.text.data);
    assert_string_equal(reader.kind, "thing");
    state_get_fields(&reader, fields, FIELDS, &back);
    assert_true(back.flag);
    assert_int_equal(back.colour, GREEN);
    assert_int_equal(back.small, INT16_MIN);
    assert_int_equal(back.number, -1);
    assert_int_equal(back.positive, UINT32_MAX);
    assert_true(back.wide == INT64_MIN);
    assert_true(back.widest == UINT64_MAX);
    assert_string_equal(back.string, extreme.string);
    assert_string_equal(back.chars, extreme.chars);
    free(back.string);
    assert_string_equal(state_next(&reader), "empty");
    assert_null(state_next(&reader));
    assert_null(state_next(&reader));
    assert_int_equal(reader.error.length, 0);
    state_reader_free(&reader);
    state_writer_free(&writer);
}

static void start(struct state_reader *reader, char *text, const char *records)
{
    snprintf(text, 500, "%s\n%s", STATE_TEXT_FORMAT, records);
    state_reader_start(reader, text);
}

static void test_what_is_missing_stays_and_what_is_unknown_is_left_alone(void **state)
{
    char text[500];
    struct state_reader reader;
    struct thing thing = { .number = 7, .widest = 9, .string = xstrdup("kept"), .chars = "kept" };

    (void)state;
    start(&reader, text, "thing later=1 number=8 nonsense =9 string=\nnobody knows=1\nend\n");
    state_get_fields(&reader, fields, FIELDS, &thing);
    assert_int_equal(thing.number, 8);
    assert_int_equal(thing.widest, 9);
    assert_string_equal(thing.string, "");
    assert_string_equal(thing.chars, "kept");
    assert_int_equal(state_number(&reader, "number", -5), 8);
    assert_int_equal(state_number(&reader, "nothing", -5), -5);
    assert_null(state_string(&reader, "nothing"));
    assert_string_equal(state_next(&reader), "nobody");
    assert_null(state_next(&reader));
    assert_int_equal(reader.error.length, 0);
    free(thing.string);
    state_reader_free(&reader);
}

static void test_a_text_that_is_too_long_is_cut(void **state)
{
    char text[500];
    struct state_reader reader;
    struct thing thing = { 0 };

    (void)state;
    start(&reader, text, "thing chars=123456789\nend\n");
    state_get_fields(&reader, fields, FIELDS, &thing);
    assert_string_equal(thing.chars, "1234567");
    state_reader_free(&reader);
}

static void test_wrong_beginnings_and_ends_are_errors(void **state)
{
    static const char *const wrong[] = { "",
                                         "\n",
                                         "end\n",
                                         "cowherd-state 2\nend\n",
                                         STATE_TEXT_FORMAT "\n",
                                         STATE_TEXT_FORMAT,
                                         STATE_TEXT_FORMAT "\nthing a=1\n",
                                         STATE_TEXT_FORMAT "\nthing a=1\nend" };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct state_reader reader;
        char *text = xstrdup(wrong[i]);
        state_reader_start(&reader, text);
        while (reader.kind)
            state_next(&reader);
        assert_true(reader.error.length > 0);
        state_reader_free(&reader);
        free(text);
    }
}

static void test_descriptors_are_collected_and_must_be_open(void **state)
{
    int open_one = open("/dev/null", O_RDONLY | O_CLOEXEC), closed = dup(open_one);
    struct state_writer writer;
    struct state_reader reader;

    (void)state;
    close(closed);
    state_writer_start(&writer);
    state_put_record(&writer, "socket");
    state_put_descriptor(&writer, "none", -1);
    state_put_descriptor(&writer, "open", open_one);
    state_put_descriptor(&writer, "closed", closed);
    state_writer_finish(&writer);
    assert_int_equal(writer.descriptors.count, 2);
    assert_int_equal(writer.descriptors.items[0], open_one);

    state_reader_start(&reader, writer.text.data);
    assert_int_equal(state_descriptor(&reader, "none"), -1);
    assert_int_equal(state_descriptor(&reader, "open"), open_one);
    assert_int_equal(reader.error.length, 0);
    assert_int_equal(state_descriptor(&reader, "closed"), -1);
    assert_non_null(strstr(reader.error.data, "a socket is not open"));
    assert_int_equal(reader.descriptors.count, 1);
    state_error(&reader, "another");
    assert_null(strstr(reader.error.data, "another"));
    state_reader_free(&reader);
    state_writer_free(&writer);
    close(open_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_comes_back),
        cmocka_unit_test(test_what_is_missing_stays_and_what_is_unknown_is_left_alone),
        cmocka_unit_test(test_a_text_that_is_too_long_is_cut),
        cmocka_unit_test(test_wrong_beginnings_and_ends_are_errors),
        cmocka_unit_test(test_descriptors_are_collected_and_must_be_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
