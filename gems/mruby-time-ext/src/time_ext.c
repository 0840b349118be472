/* Time's methods that have to do with text. */
#include <string.h>

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/string.h>

#include "time_read.h"
#include "time_write.h"

#define FRACTION_MAX 9

void mrb_mruby_time_ext_gem_init(mrb_state *mrb);
void mrb_mruby_time_ext_gem_final(mrb_state *mrb);

static mrb_value call(mrb_state *mrb, mrb_value self, const char *name)
{
    return mrb_funcall(mrb, self, name, 0);
}

static struct time_to_write taken_apart(mrb_state *mrb, mrb_value self)
{
    struct time_to_write time = {
        .epoch = mrb_as_int(mrb, call(mrb, self, "to_i")),
        .nanosecond = (long)mrb_as_int(mrb, call(mrb, self, "usec")) * 1000,
        .utc = mrb_test(call(mrb, self, "utc?")),
    };
    time_t seconds = time.epoch;
    tzset();
    if ((time.utc ? gmtime_r(&seconds, &time.tm) : localtime_r(&seconds, &time.tm)) == NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "argument out of range");
    return time;
}

struct output {
    mrb_state *mrb;
    mrb_value text;
};

static void put(void *data, const char *bytes, size_t length)
{
    struct output *output = data;
    mrb_str_cat(output->mrb, output->text, bytes, length);
}

static mrb_value written(mrb_state *mrb, const struct time_to_write *time, const char *format, size_t length)
{
    struct output output = { mrb, mrb_str_new_capa(mrb, 32) };
    switch (time_write(time, format, length, put, &output)) {
    case TIME_TOO_WIDE: mrb_raisef(mrb, E_ARGUMENT_ERROR, "width of a field is above %d", TIME_WIDTH_MAX);
    case TIME_NO_FORMAT: mrb_raisef(mrb, E_ARGUMENT_ERROR, "invalid format: %l", format, length);
    case TIME_WRITTEN: break;
    }
    return output.text;
}

static mrb_value time_strftime(mrb_state *mrb, mrb_value self)
{
    const char *format;
    mrb_int length;

    mrb_get_args(mrb, "s", &format, &length);
    struct time_to_write time = taken_apart(mrb, self);
    return written(mrb, &time, format, (size_t)length);
}

static mrb_value time_httpdate(mrb_state *mrb, mrb_value self)
{
    static const char format[] = "%a, %d %b %Y %H:%M:%S GMT";
    time_t seconds = mrb_as_int(mrb, call(mrb, self, "to_i"));
    struct time_to_write time = { .epoch = seconds, .utc = true };
    if (gmtime_r(&seconds, &time.tm) == NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "argument out of range");
    return written(mrb, &time, format, sizeof format - 1);
}

static mrb_value time_rfc2822(mrb_state *mrb, mrb_value self)
{
    struct time_to_write time = taken_apart(mrb, self);
    const char *format = time.utc ? "%a, %d %b %Y %H:%M:%S -0000" : "%a, %d %b %Y %H:%M:%S %z";
    return written(mrb, &time, format, strlen(format));
}

static mrb_value time_iso8601(mrb_state *mrb, mrb_value self)
{
    char format[40] = "%Y-%m-%dT%H:%M:%S";
    mrb_int digits = 0;

    mrb_get_args(mrb, "|i", &digits);
    if (digits < 0 || digits > FRACTION_MAX)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%i digits of a second", digits);
    struct time_to_write time = taken_apart(mrb, self);
    if (digits > 0) {
        char fraction[] = ".%0N";
        fraction[2] = (char)('0' + digits);
        strcat(format, fraction);
    }
    strcat(format, time.utc ? "Z" : "%:z");
    return written(mrb, &time, format, strlen(format));
}

static mrb_value time_utc_offset(mrb_state *mrb, mrb_value self)
{
    struct time_to_write time = taken_apart(mrb, self);
    return mrb_fixnum_value(time.utc ? 0 : (mrb_int)time.tm.tm_gmtoff);
}

static mrb_value time_nsec(mrb_state *mrb, mrb_value self)
{
    return mrb_fixnum_value(mrb_as_int(mrb, call(mrb, self, "usec")) * 1000);
}

static mrb_value made(mrb_state *mrb, int64_t seconds, long microsecond, bool utc)
{
    mrb_value moment = mrb_funcall(mrb, mrb_obj_value(mrb_class_get(mrb, "Time")), "at", 2, mrb_int_value(mrb, seconds),
                                   mrb_int_value(mrb, microsecond));
    return utc ? call(mrb, moment, "utc") : moment;
}

/* To so many digits of a second: `up` is what is added to a microsecond before the others are cut off. */
static mrb_value cut(mrb_state *mrb, mrb_value self, long (*up)(long unit))
{
    mrb_int digits = 0;
    long unit = 1000000;

    mrb_get_args(mrb, "|i", &digits);
    if (digits < 0)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "negative ndigits given");
    for (; digits > 0 && unit > 1; digits--)
        unit /= 10;
    long microsecond = (long)mrb_as_int(mrb, call(mrb, self, "usec")) + up(unit);
    return made(mrb, mrb_as_int(mrb, call(mrb, self, "to_i")), microsecond - microsecond % unit,
                mrb_test(call(mrb, self, "utc?")));
}

static long half(long unit)
{
    return unit / 2;
}

static long nothing(long unit)
{
    (void)unit;
    return 0;
}

static long all_but_one(long unit)
{
    return unit - 1;
}

static mrb_value time_round(mrb_state *mrb, mrb_value self)
{
    return cut(mrb, self, half);
}

static mrb_value time_floor(mrb_state *mrb, mrb_value self)
{
    return cut(mrb, self, nothing);
}

static mrb_value time_ceil(mrb_state *mrb, mrb_value self)
{
    return cut(mrb, self, all_but_one);
}

/* The Time that a text has said: UTC's when it says so, else the local one, of the same moment when it has an offset.
   What it leaves out is that of `now`, where the text is. */
static mrb_value resolved(mrb_state *mrb, const struct time_parts *parts, time_t now)
{
    struct tm today;
    int64_t seconds;

    now += parts->offset;
    if ((parts->zone == ZONE_LOCAL ? localtime_r(&now, &today) : gmtime_r(&now, &today)) == NULL ||
        !time_resolve(parts, &today, &seconds))
        mrb_raise(mrb, E_ARGUMENT_ERROR, "argument out of range");
    return made(mrb, seconds, parts->nanosecond / 1000, parts->zone == ZONE_UTC);
}

static mrb_value read_text(mrb_state *mrb, bool (*read)(struct time_parts *, const char *, size_t),
                           const char *complaint, mrb_value text, time_t now)
{
    struct time_parts parts;

    if (RSTRING_LEN(text) > TIME_TEXT_MAX)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "string length (%i) exceeds the limit %d", RSTRING_LEN(text), TIME_TEXT_MAX);
    if (!read(&parts, RSTRING_PTR(text), (size_t)RSTRING_LEN(text)))
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%s %!v", complaint, text);
    return resolved(mrb, &parts, now);
}

static mrb_value read_with(mrb_state *mrb, bool (*read)(struct time_parts *, const char *, size_t),
                           const char *complaint)
{
    mrb_value text;

    mrb_get_args(mrb, "S", &text);
    return read_text(mrb, read, complaint, text, time(NULL));
}

static mrb_value read_iso8601(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return read_with(mrb, time_read_iso8601, "invalid xmlschema date:");
}

static mrb_value read_http(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return read_with(mrb, time_read_http, "not RFC 2616 compliant date:");
}

static mrb_value read_rfc2822(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return read_with(mrb, time_read_rfc2822, "not RFC 2822 compliant date:");
}

static mrb_value read_any(mrb_state *mrb, mrb_value self)
{
    mrb_value text, now = mrb_nil_value();

    mrb_get_args(mrb, "S|o", &text, &now);
    if (!mrb_nil_p(now) && !mrb_obj_is_kind_of(mrb, now, mrb_class_ptr(self)))
        mrb_raisef(mrb, E_TYPE_ERROR, "%Y is no Time", now);
    time_t moment = mrb_nil_p(now) ? time(NULL) : mrb_as_int(mrb, call(mrb, now, "to_i"));
    return read_text(mrb, time_read_any, "no time information in", text, moment);
}

static mrb_value read_format(mrb_state *mrb, mrb_value self)
{
    struct time_parts parts;
    mrb_value text, format;

    (void)self;
    mrb_get_args(mrb, "SS", &text, &format);
    if (!time_read_format(&parts, RSTRING_PTR(text), (size_t)RSTRING_LEN(text), RSTRING_PTR(format),
                          (size_t)RSTRING_LEN(format)))
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "invalid date or strptime format - `%v' `%v'", text, format);
    return resolved(mrb, &parts, time(NULL));
}

void mrb_mruby_time_ext_gem_init(mrb_state *mrb)
{
    struct RClass *class = mrb_class_get(mrb, "Time");

    mrb_define_method(mrb, class, "strftime", time_strftime, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "httpdate", time_httpdate, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "rfc2822", time_rfc2822, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "rfc822", time_rfc2822, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "iso8601", time_iso8601, MRB_ARGS_OPT(1));
    mrb_define_method(mrb, class, "xmlschema", time_iso8601, MRB_ARGS_OPT(1));
    mrb_define_method(mrb, class, "utc_offset", time_utc_offset, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "gmt_offset", time_utc_offset, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "gmtoff", time_utc_offset, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "nsec", time_nsec, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "round", time_round, MRB_ARGS_OPT(1));
    mrb_define_method(mrb, class, "floor", time_floor, MRB_ARGS_OPT(1));
    mrb_define_method(mrb, class, "ceil", time_ceil, MRB_ARGS_OPT(1));
    mrb_define_class_method(mrb, class, "iso8601", read_iso8601, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, class, "xmlschema", read_iso8601, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, class, "httpdate", read_http, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, class, "rfc2822", read_rfc2822, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, class, "rfc822", read_rfc2822, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, class, "parse", read_any, MRB_ARGS_ARG(1, 1));
    mrb_define_class_method(mrb, class, "strptime", read_format, MRB_ARGS_REQ(2));
}

void mrb_mruby_time_ext_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
