/*
 * libFuzzer: any bytes as the state that a supervisor hands on. Whoever reads them comes to an end, writes nowhere but
 * into the members it has named, and what it has read is written and read again as the same.
 */
#include "require.h"
#include "state_text.h"

struct thing {
    bool flag;
    int16_t small;
    uint32_t positive;
    int64_t wide;
    uint64_t widest;
    char *string;
    char chars[8];
    uint8_t guard;
};

static const struct state_field fields[] = {
    STATE_FIELD(STATE_SIGNED, "small", struct thing, small),
    STATE_FIELD(STATE_UNSIGNED, "positive", struct thing, positive),
    STATE_FIELD(STATE_SIGNED, "wide", struct thing, wide),
    STATE_FIELD(STATE_UNSIGNED, "widest", struct thing, widest),
    STATE_FIELD(STATE_STRING, "string", struct thing, string),
    STATE_FIELD(STATE_CHARS, "chars", struct thing, chars),
};
#define FIELDS (sizeof fields / sizeof *fields)

static void read_back(const struct thing *thing)
{
    struct state_writer writer;
    struct state_reader reader;
    struct thing again = { .guard = 0xa5 };

    state_writer_start(&writer);
    state_put_record(&writer, "thing");
    state_put_fields(&writer, fields, FIELDS, thing);
    state_writer_finish(&writer);
    state_reader_start(&reader, writer.text.data);
    require(reader.kind != NULL && strcmp(reader.kind, "thing") == 0);
    state_get_fields(&reader, fields, FIELDS, &again);
    require(again.small == thing->small && again.positive == thing->positive && again.wide == thing->wide &&
            again.widest == thing->widest && strcmp(again.chars, thing->chars) == 0);
    require((again.string == NULL) == (thing->string == NULL) &&
            (again.string == NULL || strcmp(again.string, thing->string) == 0));
    require(state_next(&reader) == NULL && reader.error.length == 0);
    free(again.string);
    state_reader_free(&reader);
    state_writer_free(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    struct thing thing = { .guard = 0xa5 };
    struct state_reader reader;
    size_t records = 0;

    for (state_reader_start(&reader, text); reader.kind != NULL; state_next(&reader)) {
        require(++records <= size);
        state_get_fields(&reader, fields, FIELDS, &thing);
        require(thing.guard == 0xa5 && memchr(thing.chars, '\0', sizeof thing.chars) != NULL);
        state_number(&reader, "number", 0);
        state_descriptor(&reader, "descriptor");
    }
    read_back(&thing);
    free(thing.string);
    state_reader_free(&reader);
    free(text);
    return 0;
}
