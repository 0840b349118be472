#include "bind.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "nearest.h"
#include "values.h"
#include "xalloc.h"

/* Two problems whose text depends on the setting. */
static const char unexpected[] = "unexpected", out_of_range[] = "out of range";

/* Where relative paths start. */
struct origin {
    const char *directory;
    const char *root;
};

static enum value_result parse_number(const struct setting *setting, const char *text, int64_t *number)
{
    bool boolean = false;
    enum value_result result;
    switch (setting->type) {
    case SETTING_DURATION: return value_duration(text, number);
    case SETTING_SIZE: return value_size(text, number);
    case SETTING_PERCENT: return value_percent(text, number);
    case SETTING_MODE: return value_mode(text, number);
    case SETTING_BOOLEAN:
        result = value_boolean(text, &boolean);
        *number = boolean;
        return result;
    case SETTING_WORDS:
        for (*number = 0; setting->words[*number] != NULL; ++*number) {
            if (strcmp(setting->words[*number], text) == 0)
                return VALUE_OK;
        }
        return VALUE_MALFORMED;
    default: return value_integer(text, number);
    }
}

static const char *store_number(const struct setting *setting, const char *text, void *field)
{
    int64_t number = 0;
    enum value_result result = parse_number(setting, text, &number);
    bool bounded = setting->type != SETTING_BOOLEAN && setting->type != SETTING_WORDS;
    if (result == VALUE_MALFORMED)
        return unexpected;
    if (result == VALUE_OUT_OF_RANGE || (bounded && (number < setting->min || number > setting->max)))
        return out_of_range;

    switch (setting->type) {
    case SETTING_BOOLEAN: *(bool *)field = number != 0; break;
    case SETTING_INTEGER:
    case SETTING_PERCENT: *(int *)field = (int)number; break;
    case SETTING_COUNT:
    case SETTING_WORDS:
    case SETTING_MODE: *(unsigned *)field = (unsigned)number; break;
    default: *(int64_t *)field = number;
    }
    return NULL;
}

_Static_assert(sizeof(mode_t) == sizeof(unsigned) && sizeof(enum config_gc) == sizeof(unsigned), "fields of one width");

static const char *store_path(const char *text, const char *directory, char **field)
{
    if (text[0] == '\0')
        return unexpected;
    char *path = value_path(directory, text);
    if (strlen(path) >= PATH_MAX) {
        free(path);
        return "expected a path of at most 4095 bytes";
    }
    *field = path;
    return NULL;
}

static const char *store_address(const struct setting *setting, const char *text, const char *directory, char **field)
{
    struct config_listen listen;
    const char *problem = name_parse_listen(text, directory, &listen);
    if (problem == NULL && setting->type == SETTING_SOCKET_PATH && listen.type != LISTEN_UNIX)
        problem = unexpected;
    if (problem == NULL && listen.type == LISTEN_TCP && !listen_is_loopback(&listen))
        problem = unexpected;
    if (problem == NULL && (listen.type == LISTEN_SYSTEMD || listen.type == LISTEN_STARTER))
        problem = unexpected;
    if (problem == NULL)
        *field = xstrdup(listen.address);
    listen_free(&listen);
    return problem;
}

static const char *store_checked(const char *text, const char *problem, char **field)
{
    if (problem == NULL)
        *field = xstrdup(text);
    return problem;
}

static const char *store_string(const struct setting *setting, const char *text, struct origin origin, char **field)
{
    switch (setting->type) {
    case SETTING_ACCOUNT: return store_checked(text, name_check_account(text), field);
    case SETTING_IDENTIFIER: return store_checked(text, name_check_identifier(text), field);
    case SETTING_FILE_NAME: return store_checked(text, name_check_file(text), field);
    case SETTING_HOST: return name_parse_host(text, field);
    case SETTING_URL_PATH: return name_parse_url_path(text, field);
    case SETTING_SOCKET_PATH:
    case SETTING_STATUS_ADDRESS: return store_address(setting, text, origin.directory, field);
    case SETTING_ROOT_PATH: return store_path(text, origin.root, field);
    case SETTING_LOG_TARGET:
        for (size_t i = 0; setting->words[i] != NULL; i++) {
            if (strcmp(setting->words[i], text) == 0)
                return store_checked(text, NULL, field);
        }
        if (strcmp(text, "none") == 0) /* not a file of that name */
            return unexpected;
        return store_path(text, origin.directory, field);
    default: return store_path(text, origin.directory, field);
    }
}

static bool is_number(enum setting_type type)
{
    return type <= SETTING_WORDS;
}

static const char *store(const struct setting *setting, const char *text, struct origin origin, void *base)
{
    void *field = (char *)base + setting->offset;
    return is_number(setting->type) ? store_number(setting, text, field) : store_string(setting, text, origin, field);
}

static void report_range(struct binder *binder, const struct setting *setting, struct node *node)
{
    struct strbuf text = { 0 };
    switch (setting->type) {
    case SETTING_DURATION:
        strbuf_puts(&text, "expected a duration from ");
        if (setting->min == 1)
            strbuf_puts(&text, "1ms");
        else
            value_print_duration(&text, setting->min);
        strbuf_puts(&text, " to ");
        value_print_duration(&text, setting->max);
        break;
    case SETTING_SIZE:
        strbuf_puts(&text, "expected a size from ");
        value_print_size(&text, setting->min);
        strbuf_puts(&text, " to ");
        if (setting->max == INT64_MAX)
            strbuf_puts(&text, "8388607TiB");
        else
            value_print_size(&text, setting->max);
        break;
    case SETTING_PERCENT: strbuf_puts(&text, "expected a percentage from 0 to 100%"); break;
    case SETTING_MODE: strbuf_printf(&text, "expected octal permission bits up to %04o", (unsigned)setting->max); break;
    default: bind_unexpected(binder, setting, node); return;
    }
    bind_problem(binder, node, text.data);
    strbuf_free(&text);
}

static void report_word(struct binder *binder, const struct setting *setting, struct node *node)
{
    const char *meant = nearest(node->text, setting->words, words_count(setting->words));
    if (meant == NULL) {
        bind_unexpected(binder, setting, node);
        return;
    }
    struct strbuf text = { 0 };
    setting_expected(setting, &text);
    strbuf_puts(&text, ", got ");
    quote_for_message(&text, node->text);
    bind_error(binder, node, "expected %s: did you mean \"%s\"?", text.data, meant);
    strbuf_free(&text);
}

void bind_scalar(struct binder *binder, const struct setting *setting, struct node *node, void *base)
{
    bool null = node_is_null(node);
    bool none = setting_is_optional(setting) && node->kind == NODE_SCALAR && !node->failed &&
                (null || (node->plain && strcmp(node->text, "none") == 0));
    if (none)
        return;
    if (node->kind != NODE_SCALAR || null) {
        bind_unexpected(binder, setting, node);
    } else if (!node->failed) {
        struct origin origin = {
            .directory = node->place.source->directory,
            .root = binder->root != NULL ? binder->root : "/",
        };
        const char *problem = store(setting, node->text, origin, base);
        if (problem == out_of_range)
            report_range(binder, setting, node);
        else if (problem == unexpected && setting->type == SETTING_WORDS)
            report_word(binder, setting, node);
        else if (problem == unexpected)
            bind_unexpected(binder, setting, node);
        else if (problem != NULL)
            bind_problem(binder, node, problem);
    }
    if (node->failed && setting->default_text != NULL)
        bind_scalar_default(setting, base);
}

void bind_scalar_default(const struct setting *setting, void *base)
{
    struct origin origin = { .directory = "/", .root = "/" };
    if (setting_is_optional(setting))
        return;
    if (store(setting, setting->default_text, origin, base) != NULL)
        fatalx("the default of %s, %s, is no value for it", setting->key, setting->default_text);
}
