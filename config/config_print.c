#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "settings.h"
#include "values.h"

#define INDENT 2

/* YAML 1.1 or this program takes these words for something other than a string when they are not quoted. */
static bool is_reserved(const char *string)
{
    static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null", "none" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(string, words[i]) == 0)
            return true;
    }
    return false;
}

/* Few characters, so that there is no doubt: a letter or a slash first, then no space and no indicator. */
static bool is_plain(const char *string)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "0123456789_./:@%+=-";
    size_t length = strlen(string);
    if (length == 0 || length > 4096 || (string[0] != '/' && strchr(letters, string[0]) == NULL))
        return false;
    for (size_t i = 1; i < length; i++) {
        if (strchr(letters, string[i]) == NULL && strchr(others, string[i]) == NULL)
            return false;
    }
    return string[length - 1] != ':' && !is_reserved(string);
}

/* The code point of a valid UTF-8 sequence. */
static uint32_t code_point(const unsigned char *bytes, size_t *width)
{
    *width = bytes[0] < 0x80 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    uint32_t point = *width == 1 ? bytes[0] : bytes[0] & (0x7Fu >> *width);
    for (size_t i = 1; i < *width; i++)
        point = point << 6 | (bytes[i] & 0x3F);
    return point;
}

static bool needs_escape(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029 || point == 0xFEFF ||
           point == 0xFFFE || point == 0xFFFF;
}

static void print_string(struct strbuf *out, const char *string)
{
    if (is_plain(string)) {
        strbuf_puts(out, string);
        return;
    }
    strbuf_puts(out, "\"");
    for (const unsigned char *byte = (const unsigned char *)string; *byte != '\0';) {
        size_t width;
        uint32_t point = code_point(byte, &width);
        if (point == '"' || point == '\\')
            strbuf_printf(out, "\\%c", (int)point);
        else if (point == '\n')
            strbuf_puts(out, "\\n");
        else if (point == '\t')
            strbuf_puts(out, "\\t");
        else if (needs_escape(point))
            strbuf_printf(out, point < 0x100 ? "\\x%02X" : "\\u%04X", (unsigned)point);
        else
            strbuf_append(out, byte, width);
        byte += width;
    }
    strbuf_puts(out, "\"");
}

static void print_key(struct strbuf *out, unsigned depth, const char *key)
{
    strbuf_fill(out, ' ', (size_t)depth * INDENT);
    print_string(out, key);
    strbuf_puts(out, ":");
}

static void print_item(struct strbuf *out, unsigned depth, const char *string)
{
    strbuf_fill(out, ' ', (size_t)depth * INDENT);
    strbuf_puts(out, "- ");
    print_string(out, string);
    strbuf_puts(out, "\n");
}

static void print_strings(struct strbuf *out, unsigned depth, const struct config_strings *strings)
{
    strbuf_puts(out, strings->count ? "\n" : " []\n");
    for (size_t i = 0; i < strings->count; i++)
        print_item(out, depth, strings->items[i]);
}

static void print_listen(struct strbuf *out, unsigned depth, const struct config_pool *pool)
{
    strbuf_puts(out, pool->listen_count ? "\n" : " []\n");
    for (size_t i = 0; i < pool->listen_count; i++)
        print_item(out, depth, pool->listen[i].address);
}

static void print_environment(struct strbuf *out, unsigned depth, const struct config_pairs *env)
{
    strbuf_puts(out, env->count ? "\n" : " {}\n");
    for (size_t i = 0; i < env->count; i++) {
        print_key(out, depth, env->items[i].name);
        strbuf_puts(out, " ");
        print_string(out, env->items[i].value);
        strbuf_puts(out, "\n");
    }
}

static void print_rlimits(struct strbuf *out, unsigned depth, const struct config_pool *pool)
{
    strbuf_puts(out, pool->rlimit_count ? "\n" : " {}\n");
    for (size_t i = 0; i < pool->rlimit_count; i++) {
        const struct config_rlimit *limit = &pool->rlimits[i];
        print_key(out, depth, limit->name);
        strbuf_puts(out, " ");
        if (limit->value < 0)
            strbuf_puts(out, "unlimited");
        else if (rlimit_kind_find(limit->name)->bytes)
            value_print_size(out, limit->value);
        else
            strbuf_printf(out, "%" PRId64, limit->value);
        strbuf_puts(out, "\n");
    }
}

static void print_section(struct strbuf *out, unsigned depth, enum section section, const void *base);

/* Sections as the items of a list: the first line's indentation gives way to the dash. */
static void print_sections(struct strbuf *out, unsigned depth, enum section section, const void *elements, size_t size,
                           size_t count)
{
    strbuf_puts(out, count ? "\n" : " []\n");
    for (size_t i = 0; i < count; i++) {
        size_t start = out->length;
        print_section(out, depth + 1, section, (const char *)elements + i * size);
        out->data[start + (size_t)depth * INDENT] = '-';
    }
}

static void print_pool(struct strbuf *out, const struct config_pool *pool)
{
    print_key(out, 1, pool->name);
    strbuf_puts(out, "\n");
    print_section(out, 2, SECTION_POOL, pool);
}

static void print_scalar(struct strbuf *out, const struct setting *setting, const void *field)
{
    strbuf_puts(out, " ");
    switch (setting->type) {
    case SETTING_BOOLEAN: strbuf_puts(out, *(const bool *)field ? "true" : "false"); break;
    case SETTING_INTEGER: strbuf_printf(out, "%d", *(const int *)field); break;
    case SETTING_PERCENT: strbuf_printf(out, "%d%%", *(const int *)field); break;
    case SETTING_COUNT: strbuf_printf(out, "%u", *(const unsigned *)field); break;
    case SETTING_MODE: strbuf_printf(out, "\"%04o\"", *(const unsigned *)field); break;
    case SETTING_WORDS: strbuf_puts(out, setting->words[*(const unsigned *)field]); break;
    case SETTING_NUMBER: strbuf_printf(out, "%" PRId64, *(const int64_t *)field); break;
    case SETTING_DURATION: value_print_duration(out, *(const int64_t *)field); break;
    case SETTING_SIZE: value_print_size(out, *(const int64_t *)field); break;
    case SETTING_LOG_TARGET:
        if (strcmp(*(char *const *)field, "none") == 0) {
            strbuf_puts(out, "none");
            break;
        }
        print_string(out, *(char *const *)field);
        break;
    default:
        if (*(char *const *)field == NULL)
            strbuf_puts(out, "none");
        else
            print_string(out, *(char *const *)field);
    }
    strbuf_puts(out, "\n");
}

static void print_value(struct strbuf *out, unsigned depth, const struct setting *setting, const void *base)
{
    const void *field = (const char *)base + setting->offset;
    const struct config_pool *pool = base;
    const struct config_app *app = base;
    switch (setting->type) {
    case SETTING_PATHS:
    case SETTING_REQUESTS:
    case SETTING_ALLOW: print_strings(out, depth + 1, field); return;
    case SETTING_LISTEN: print_listen(out, depth + 1, pool); return;
    case SETTING_ENVIRONMENT: print_environment(out, depth + 1, field); return;
    case SETTING_RLIMITS: print_rlimits(out, depth + 1, pool); return;
    case SETTING_OPTIONAL_SECTION:
        if (!*(const bool *)field) {
            strbuf_puts(out, " none\n");
            return;
        }
        /* fall through */
    case SETTING_WORKERS:
    case SETTING_SECTION:
        strbuf_puts(out, "\n");
        print_section(out, depth + 1, setting->child, base);
        return;
    case SETTING_HOOKS:
        print_sections(out, depth + 1, SECTION_HOOK, app->hooks, sizeof *app->hooks, app->hook_count);
        return;
    case SETTING_APPS:
        print_sections(out, depth + 1, SECTION_APP, pool->apps, sizeof *pool->apps, pool->app_count);
        return;
    default: print_scalar(out, setting, field);
    }
}

/* The pools are the callers' affair. */
static void print_section(struct strbuf *out, unsigned depth, enum section section, const void *base)
{
    size_t count;
    const struct setting *settings = settings_of(section, &count);
    for (size_t i = 0; i < count; i++) {
        if (settings[i].type == SETTING_POOLS || settings[i].type == SETTING_INCLUDE)
            continue;
        print_key(out, depth, settings[i].key);
        print_value(out, depth, &settings[i], base);
    }
}

void config_print(const struct config *config, struct strbuf *out)
{
    print_section(out, 0, SECTION_TOP, config);
    print_key(out, 0, "pools");
    strbuf_puts(out, "\n");
    for (size_t i = 0; i < config->pool_count; i++)
        print_pool(out, &config->pools[i]);
}

void config_print_pool(const struct config *config, const struct config_pool *pool, struct strbuf *out)
{
    print_key(out, 0, "log");
    strbuf_puts(out, "\n");
    print_section(out, 1, SECTION_LOG, config);
    print_key(out, 0, "pools");
    strbuf_puts(out, "\n");
    print_pool(out, pool);
}
