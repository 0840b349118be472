#include "settings_command.h"

#include <string.h>

#include "mdoc.h"
#include "settings.h"

struct listing {
    struct strbuf *out;
    const char *wanted; /* so begin the paths, or parts of them; NULL: all */
    bool mdoc;
    bool any;
};

static const char *reload_text(const struct setting *setting)
{
    switch (setting->reload) {
    case RELOAD_LIVE: return "A reload changes it at once";
    case RELOAD_GENERATION: return "A reload changes it with the new generation";
    default: return "A new start of cowherd changes it";
    }
}

static void append_default(const struct setting *setting, struct strbuf *out)
{
    if (!setting->default_text)
        strbuf_puts(out, "must be given");
    else if (*setting->default_text)
        strbuf_printf(out, "default %s", setting->default_text);
    else
        strbuf_puts(out, "may be left out");
}

static void write_setting(const struct setting *setting, const char *path, struct listing *listing)
{
    struct strbuf facts = { 0 };

    strbuf_puts(&facts, "Expected: ");
    setting_expected(setting, &facts);
    strbuf_puts(&facts, "; ");
    append_default(setting, &facts);
    strbuf_printf(&facts, ". %s.", reload_text(setting));
    if (listing->mdoc) {
        strbuf_printf(listing->out, ".It Cm %s\n", setting->key);
        mdoc_text(setting->help, listing->out);
        strbuf_puts(listing->out, ".Pp\n");
        mdoc_text(facts.data, listing->out);
    } else {
        strbuf_printf(listing->out, "%s%s\n    %s\n    %s\n", listing->any ? "\n" : "", path, setting->help,
                      facts.data);
    }
    strbuf_free(&facts);
    listing->any = true;
}

/* The section that stands below a setting; false: none does. */
static bool section_below(const struct setting *setting, enum section *section, const char **between)
{
    *between = ".";
    switch (setting->type) {
    case SETTING_SECTION:
    case SETTING_OPTIONAL_SECTION: *section = setting->child; return true;
    case SETTING_WORKERS: *section = SECTION_WORKERS; return true;
    case SETTING_HOOKS: *section = SECTION_HOOK; return true;
    case SETTING_APPS: *section = SECTION_APP; return true;
    case SETTING_POOLS: *section = SECTION_POOL, *between = ".NAME."; return true;
    default: return false;
    }
}

/* Whether the path begins so, from its beginning or behind a dot. */
static bool is_wanted(const char *path, const char *wanted)
{
    size_t length = strlen(wanted);
    const char *dot = path;

    while (strncmp(path, wanted, length) != 0 && (dot = strchr(path, '.')))
        path = dot + 1;
    return dot != NULL;
}

static void write_section(enum section section, const char *prefix, struct listing *listing)
{
    size_t count;
    const struct setting *settings = settings_of(section, &count);

    if (listing->mdoc && *prefix)
        strbuf_printf(listing->out, ".Ss %.*s\n", (int)strlen(prefix) - 1, prefix);
    if (listing->mdoc)
        strbuf_puts(listing->out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < count; i++) {
        struct strbuf path = { 0 };
        strbuf_printf(&path, "%s%s", prefix, settings[i].key);
        if (!listing->wanted || is_wanted(path.data, listing->wanted))
            write_setting(&settings[i], path.data, listing);
        strbuf_free(&path);
    }
    if (listing->mdoc)
        strbuf_puts(listing->out, ".El\n");
    for (size_t i = 0; i < count; i++) {
        struct strbuf path = { 0 };
        enum section below;
        const char *between;
        if (!section_below(&settings[i], &below, &between))
            continue;
        strbuf_printf(&path, "%s%s%s", prefix, settings[i].key, between);
        write_section(below, path.data, listing);
        strbuf_free(&path);
    }
}

bool settings_write(const char *name, bool mdoc, struct strbuf *out)
{
    struct strbuf wanted = { 0 };
    struct listing listing = { .out = out, .mdoc = mdoc };
    static const char pools[] = "pools.";

    /* With the name of a pool, as messages have it. */
    bool of_pool = name && strncmp(name, pools, strlen(pools)) == 0;
    const char *rest = of_pool ? strchr(name + strlen(pools), '.') : NULL;
    if (of_pool)
        strbuf_printf(&wanted, "%sNAME%s", pools, rest ? rest : ".");
    listing.wanted = of_pool ? wanted.data : name;
    write_section(SECTION_TOP, "", &listing);
    strbuf_free(&wanted);
    return listing.any;
}
