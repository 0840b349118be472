/*
 * Searching within limits. Oniguruma counts how often a match comes back to try something else; no count tells how long
 * a search takes that begins anew at each character. So a long string is searched with a variant of the pattern that
 * calls back where it begins, to look at the clock.
 */
#include <limits.h>
#include <string.h>
#include <time.h>

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/internal.h>
#include <mruby/string.h>

#include "regexp.h"

#define RETRIES_A_SECOND 40000000.0
#define LONG_STRING 4096       /* bytes */
#define BYTES_A_LOOK (1 << 22) /* that matches may have gone over, between two looks at the clock */
#define SEARCHES_A_LOOK 64
#define BYTES_AN_ALLOWANCE                                                                                             \
    100000 /* all searches of one call together may take the time-out again for so many bytes                          \
            */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

mrb_bool utf8_valid(const char *text, mrb_int length, mrb_bool *ascii)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    *ascii = TRUE;
    while (at < end) {
        uint64_t eight;
        while (end - at >= 8 && (memcpy(&eight, at, 8), (eight & 0x8080808080808080) == 0))
            at += 8;
        if (at == end)
            break;
        unsigned char lead = *at;
        if (lead < 0x80) {
            at++;
            continue;
        }
        *ascii = FALSE;
        int more = lead >= 0xc2 && lead <= 0xdf ? 1 : (lead & 0xf0) == 0xe0 ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
        if (more == 0 || end - at <= more)
            return FALSE;
        unsigned char low = 0x80, high = 0xbf; /* of the second byte: no surrogates, nothing longer than it has to be */
        if (lead == 0xe0)
            low = 0xa0;
        else if (lead == 0xed)
            high = 0x9f;
        else if (lead == 0xf0)
            low = 0x90;
        else if (lead == 0xf4)
            high = 0x8f;
        if (at[1] < low || at[1] > high)
            return FALSE;
        for (int i = 2; i <= more; i++)
            if ((at[i] & 0xc0) != 0x80)
                return FALSE;
        at += more + 1;
    }
    return TRUE;
}

mrb_int utf8_chars(mrb_value string, mrb_int bytes)
{
    return RSTR_ASCII_P(mrb_str_ptr(string)) ? bytes : mrb_utf8_strlen(RSTRING_PTR(string), bytes);
}

mrb_int utf8_step(const char *text, mrb_int at, mrb_int length)
{
    mrb_int size = at < length ? mrb_utf8len(text + at, text + length) : 0;
    return at + (size > 0 ? size : 1); /* 0 is what an mruby without gems/edit-mruby says of a byte that begins none */
}

mrb_int utf8_offset(mrb_value string, mrb_int characters)
{
    const char *text = RSTRING_PTR(string);
    mrb_int length = RSTRING_LEN(string), at = 0;
    if (RSTR_ASCII_P(mrb_str_ptr(string)))
        return characters <= length ? characters : -1;
    for (; characters > 0 && at < length; characters--)
        at = utf8_step(text, at, length);
    return characters > 0 ? -1 : at;
}

void search_go_on(struct search *search, struct regexp *regexp, mrb_value string)
{
    *search = (struct search){
        .regexp = regexp,
        .text = RSTRING_PTR(string),
        .length = RSTRING_LEN(string),
    };
}

void search_begin(mrb_state *mrb, struct search *search, struct regexp *regexp, mrb_value string)
{
    search_go_on(search, regexp, string);
    if (search->length > INT_MAX)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string too long for a regexp");
    if (RSTR_ASCII_P(mrb_str_ptr(string)) || (regexp->options & REGEXP_NOENCODING))
        return;
    mrb_bool ascii;
    if (!utf8_valid(search->text, search->length, &ascii))
        mrb_raise(mrb, E_ARGUMENT_ERROR, "invalid byte sequence in UTF-8");
    /* Preloaded strings have their mark already: this does not write to them. */
    if (ascii)
        RSTR_SET_ASCII_FLAG(mrb_str_ptr(string));
}

static mrb_noreturn void time_is_up(mrb_state *mrb)
{
    struct RClass *regexp = mrb_class_get_id(mrb, mrb_intern_lit(mrb, "Regexp"));
    mrb_raise(mrb, mrb_class_get_under(mrb, regexp, "TimeoutError"), "regexp match timeout");
}

/* Whether there is a match. */
static mrb_bool judge(mrb_state *mrb, int result)
{
    OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
    if (result >= 0)
        return TRUE;
    switch (result) {
    case ONIG_MISMATCH: return FALSE;
    case ONIGERR_RETRY_LIMIT_IN_MATCH_OVER:
    case ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER:
    case ONIGERR_SUBEXP_CALL_LIMIT_IN_SEARCH_OVER: time_is_up(mrb);
    case ONIGERR_MEMORY: mrb_exc_raise(mrb, mrb_obj_value(mrb->nomem_err));
    default: onig_error_code_to_str(text, result); mrb_raise(mrb, E_REGEXP_ERROR, (const char *)text);
    }
}

static double allowance(const struct regexp *regexp)
{
    return regexp->timeout >= 0 ? regexp->timeout : regexp->globals->timeout;
}

static void set_limits(const struct regexp *regexp)
{
    double retries = allowance(regexp) * RETRIES_A_SECOND;
    unsigned long limit = retries >= (double)LONG_MAX ? 0 : (unsigned long)retries; /* 0: none */
    if (retries > 0 && limit == 0)
        limit = 1;
    onig_set_retry_limit_in_match_of_match_param(regexp->globals->limits, limit);
    onig_set_retry_limit_in_search_of_match_param(regexp->globals->limits, limit);
}

/* The deadline is 0 before the first look. */
static mrb_bool is_late(uint64_t *deadline_ns, double seconds)
{
    if (seconds <= 0 || seconds > 1e9)
        return FALSE;
    uint64_t now = now_ns();
    if (*deadline_ns == 0)
        *deadline_ns = now + (uint64_t)(seconds * 1e9);
    return now >= *deadline_ns;
}

static int tick(OnigCalloutArgs *args, void *user_data)
{
    struct search *search = (struct search *)user_data;
    (void)args;
    search->gone_over += search->length;
    if (search->gone_over < BYTES_A_LOOK)
        return ONIG_CALLOUT_SUCCESS;
    search->gone_over = 0;
    return is_late(&search->deadline_ns, allowance(search->regexp)) ? ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER
                                                                    : ONIG_CALLOUT_SUCCESS;
}

void search_init(void)
{
    static const OnigUChar name[] = "tick";
    OnigEncoding encodings[] = { ONIG_ENCODING_UTF8, ONIG_ENCODING_ASCII };
    for (unsigned i = 0; i < sizeof encodings / sizeof *encodings; i++)
        onig_set_callout_of_name(encodings[i], ONIG_CALLOUT_TYPE_SINGLE, (OnigUChar *)name, (OnigUChar *)name + 4,
                                 ONIG_CALLOUT_IN_PROGRESS, tick, NULL, 0, NULL, 0, NULL);
}

/* The variant that ticks, made when it is needed first. */
static regex_t *ticking(mrb_state *mrb, struct regexp *regexp)
{
    if (regexp->ticking == NULL && regexp->has_repeat && !regexp->ticking_failed) {
        mrb_value source = mrb_str_new_lit(mrb, "(*tick)(?:");
        mrb_bool has_repeat;
        mrb_str_cat_str(mrb, source,
                        regexp_translate(mrb, RSTRING_PTR(regexp->source), RSTRING_LEN(regexp->source), regexp->options,
                                         &has_repeat));
        mrb_str_cat_cstr(mrb, source, regexp->options & REGEXP_EXTENDED ? "\n)" : ")");
        OnigSyntaxType syntax;
        OnigErrorInfo info;
        onig_copy_syntax(&syntax, ONIG_SYNTAX_RUBY);
        onig_set_syntax_op2(&syntax, onig_get_syntax_op2(&syntax) | ONIG_SYN_OP2_ASTERISK_CALLOUT_NAME);
        const OnigUChar *pattern = (const OnigUChar *)RSTRING_PTR(source);
        if (onig_new(&regexp->ticking, pattern, pattern + RSTRING_LEN(source), regexp->options & 7,
                     regexp->options & REGEXP_NOENCODING ? ONIG_ENCODING_ASCII : ONIG_ENCODING_UTF8, &syntax,
                     &info) != ONIG_NORMAL) {
            regexp->ticking = NULL;
            regexp->ticking_failed = TRUE;
        }
    }
    return regexp->ticking != NULL ? regexp->ticking : regexp->compiled;
}

static mrb_bool search_any(mrb_state *mrb, struct search *search, mrb_int from, mrb_bool backwards)
{
    struct regexp *regexp = search->regexp;
    if (from > search->length)
        return FALSE;
    set_limits(regexp);
    if (search->count++ % SEARCHES_A_LOOK == SEARCHES_A_LOOK - 1 &&
        is_late(&search->last_ns, allowance(regexp) * (1 + (double)search->length / BYTES_AN_ALLOWANCE)))
        time_is_up(mrb);
    regex_t *compiled = regexp->compiled;
    if ((backwards ? from : search->length - from) > LONG_STRING) {
        compiled = ticking(mrb, regexp);
        search->deadline_ns = 0;
        search->gone_over = 0;
        onig_set_callout_user_data_of_match_param(regexp->globals->limits, search);
    }
    const OnigUChar *text = (const OnigUChar *)search->text, *end = text + search->length;
    return judge(mrb, onig_search_with_param(compiled, text, end, text + from, backwards ? text : end,
                                             &regexp->globals->region, ONIG_OPTION_NONE, regexp->globals->limits));
}

mrb_bool search_forward(mrb_state *mrb, struct search *search, mrb_int from)
{
    return search_any(mrb, search, from, FALSE);
}

mrb_bool search_backward(mrb_state *mrb, struct search *search, mrb_int from)
{
    return search_any(mrb, search, from, TRUE);
}

mrb_bool search_here(mrb_state *mrb, struct search *search, mrb_int at)
{
    const struct regexp *regexp = search->regexp;
    const OnigUChar *text = (const OnigUChar *)search->text, *end = text + search->length;
    set_limits(regexp);
    return judge(mrb, onig_match_with_param(regexp->compiled, text, end, text + at, &regexp->globals->region,
                                            ONIG_OPTION_NONE, regexp->globals->limits));
}
