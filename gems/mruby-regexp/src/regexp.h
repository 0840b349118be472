/*
 * Regexp on Oniguruma: what the parts of this gem know of each other.
 */
#ifndef MRUBY_REGEXP_H
#define MRUBY_REGEXP_H

#include <stdint.h>

#include <mruby.h>
#include <mruby/data.h>
#include <oniguruma.h>

/* Regexp's options, as CRuby numbers them; the first three are Oniguruma's numbers, too. */
enum {
    REGEXP_IGNORECASE = 1,
    REGEXP_EXTENDED = 2,
    REGEXP_MULTILINE = 4,
    REGEXP_FIXEDENCODING = 16,
    REGEXP_NOENCODING = 32,
};

/* Of one interpreter. */
struct regexp_globals {
    OnigMatchParam *limits; /* of the match at work */
    OnigRegion region;      /* of the last search: read it before anything else can search */
    double timeout;         /* Regexp.timeout in seconds; 0: no limit */
};

struct regexp {
    regex_t *compiled; /* nothing writes to it once it is made: it stays shared with other workers */
    regex_t *ticking;  /* for long strings, or NULL before it is needed */
    struct regexp_globals *globals;
    mrb_value source; /* frozen; an instance variable keeps it alive */
    uint32_t options;
    uint32_t hash;       /* of source and options, for the cache */
    double timeout;      /* of its own, in seconds; negative: none */
    mrb_bool has_repeat; /* without, no search takes long */
    mrb_bool ticking_failed;
};

/* One search after the other in the same string. */
struct search {
    struct regexp *regexp;
    const char *text;
    mrb_int length;
    uint64_t deadline_ns; /* of the search at work; 0: not known yet */
    uint64_t last_ns;     /* of all of them */
    mrb_int gone_over;    /* bytes since the last look at the clock, at most */
    unsigned count;
};

/* From and to in bytes; from is -1 for a group that took no part. */
struct span {
    mrb_int from, to;
};

struct match {
    mrb_value string; /* frozen */
    mrb_value regexp; /* nil: a String was searched for */
    int count;        /* of groups, the whole match as group 0 among them */
    struct span spans[];
};

/* regexp_compile.c */
struct RClass *regexp_class(mrb_state *mrb);
struct regexp_globals *regexp_globals_of(mrb_state *mrb);
void regexp_globals_make(mrb_state *mrb, struct RClass *regexp_class);
uint32_t regexp_options(mrb_state *mrb, mrb_value value); /* of an Integer, flags in a String, or true */
double regexp_timeout(mrb_state *mrb, mrb_value value);   /* seconds; 0 stands for none */
void regexp_compile(mrb_state *mrb, mrb_value self, mrb_value source, uint32_t options);
mrb_value regexp_cached(mrb_state *mrb, struct RClass *class, mrb_value source, uint32_t options);
extern const mrb_data_type regexp_type;
struct regexp *regexp_of(mrb_state *mrb, mrb_value value);                /* NULL when it is none */
struct regexp *regexp_get(mrb_state *mrb, mrb_value value);               /* TypeError when it is none */
mrb_value regexp_new(mrb_state *mrb, mrb_value source, uint32_t options); /* takes it from the cache if it can */

/* regexp_source.c: a String in Oniguruma's dialect that means what `source` means in CRuby's. */
mrb_value regexp_translate(mrb_state *mrb, const char *source, mrb_int length, uint32_t options, mrb_bool *has_repeat);
mrb_value regexp_escape(mrb_state *mrb, const char *text, mrb_int length);
void regexp_append_source(mrb_state *mrb, mrb_value to, const struct regexp *regexp); /* "/" and controls escaped */

/* regexp_names.c */
mrb_value regexp_name_groups(mrb_state *mrb, const struct regexp *regexp); /* [[name, [group, ...]], ...] */
int regexp_group_named(mrb_state *mrb, const struct match *match, const char *name, mrb_int length); /* IndexError */

/* regexp_search.c */
void search_init(void);
mrb_bool utf8_valid(const char *text, mrb_int length, mrb_bool *ascii);
mrb_int utf8_chars(mrb_value string, mrb_int bytes);             /* characters in its first bytes */
mrb_int utf8_offset(mrb_value string, mrb_int characters);       /* bytes of its first characters; -1 beyond the end */
mrb_int utf8_step(const char *text, mrb_int at, mrb_int length); /* where the next character begins */
/* In a string that is known to be valid, because a search in it was begun before and it is frozen. */
void search_go_on(struct search *search, struct regexp *regexp, mrb_value string);
/* ArgumentError when the string is broken. */
void search_begin(mrb_state *mrb, struct search *search, struct regexp *regexp, mrb_value string);
/* Where the first match at or after `from` begins, or -1; backwards: at or before. Leaves globals->region. */
mrb_bool search_forward(mrb_state *mrb, struct search *search, mrb_int from);
mrb_bool search_backward(mrb_state *mrb, struct search *search, mrb_int from);
mrb_bool search_here(mrb_state *mrb, struct search *search, mrb_int at);

/* match_data.c */
mrb_value match_new(mrb_state *mrb, mrb_value regexp, mrb_value string, const OnigRegion *region);
mrb_value match_new_plain(mrb_state *mrb, mrb_value string, mrb_int from, mrb_int to);
struct match *match_get(mrb_state *mrb, mrb_value value); /* TypeError */
mrb_value match_group(mrb_state *mrb, const struct match *match, mrb_int index);
mrb_value frozen_copy(mrb_state *mrb, mrb_value string);
void match_data_init(mrb_state *mrb, struct RClass *regexp_class);

/* last_match.c: $~, of the interpreter */
void last_match_set(mrb_state *mrb, mrb_value match);
mrb_value last_match_get(mrb_state *mrb);

/* string_*.c */
void string_search_init(mrb_state *mrb);
void string_replace_init(mrb_state *mrb);
void string_sets_init(mrb_state *mrb);

#endif
