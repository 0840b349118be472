#include "rack_env.h"

#include <string.h>

#include <mruby/array.h>
#include <mruby/hash.h>
#include <mruby/string.h>

enum name_use {
    PLAIN,   /* goes into the env as it comes */
    HELD,    /* looked at when all parameters are known */
    DROPPED, /* does not go into the env */
};

/* PLAIN ones below are those that front ends send with most requests; any other name works as well, only slower. */
#define NAMES(NAME)                                                                                                    \
    NAME(REQUEST_METHOD, "REQUEST_METHOD", HELD)                                                                       \
    NAME(REQUEST_URI, "REQUEST_URI", HELD)                                                                             \
    NAME(REQUEST_SCHEME, "REQUEST_SCHEME", HELD)                                                                       \
    NAME(QUERY_STRING, "QUERY_STRING", HELD)                                                                           \
    NAME(CONTENT_TYPE, "CONTENT_TYPE", HELD)                                                                           \
    NAME(CONTENT_LENGTH, "CONTENT_LENGTH", HELD)                                                                       \
    NAME(SERVER_NAME, "SERVER_NAME", HELD)                                                                             \
    NAME(SERVER_PORT, "SERVER_PORT", HELD)                                                                             \
    NAME(SERVER_PROTOCOL, "SERVER_PROTOCOL", HELD)                                                                     \
    NAME(SERVER_SOFTWARE, "SERVER_SOFTWARE", HELD)                                                                     \
    NAME(HTTPS, "HTTPS", HELD)                                                                                         \
    NAME(HTTP_HOST, "HTTP_HOST", HELD)                                                                                 \
    NAME(SCRIPT_NAME, "SCRIPT_NAME", DROPPED)                                                                          \
    NAME(PATH_INFO, "PATH_INFO", DROPPED)                                                                              \
    NAME(HTTP_PROXY, "HTTP_PROXY", DROPPED)                                                                            \
    NAME(HTTP_CONTENT_TYPE, "HTTP_CONTENT_TYPE", DROPPED)                                                              \
    NAME(HTTP_CONTENT_LENGTH, "HTTP_CONTENT_LENGTH", DROPPED)                                                          \
    NAME(HTTP_VERSION, "HTTP_VERSION", DROPPED)                                                                        \
    NAME(URL_SCHEME, "rack.url_scheme", DROPPED)                                                                       \
    NAME(INPUT, "rack.input", DROPPED)                                                                                 \
    NAME(ERRORS, "rack.errors", DROPPED)                                                                               \
    NAME(RESPONSE_FINISHED, "rack.response_finished", DROPPED)                                                         \
    NAME(MULTITHREAD, "rack.multithread", DROPPED)                                                                     \
    NAME(MULTIPROCESS, "rack.multiprocess", DROPPED)                                                                   \
    NAME(RUN_ONCE, "rack.run_once", DROPPED)                                                                           \
    NAME(FCGI_ROLE, "FCGI_ROLE", PLAIN)                                                                                \
    NAME(GATEWAY_INTERFACE, "GATEWAY_INTERFACE", PLAIN)                                                                \
    NAME(REMOTE_ADDR, "REMOTE_ADDR", PLAIN)                                                                            \
    NAME(REMOTE_PORT, "REMOTE_PORT", PLAIN)                                                                            \
    NAME(REMOTE_USER, "REMOTE_USER", PLAIN)                                                                            \
    NAME(SERVER_ADDR, "SERVER_ADDR", PLAIN)                                                                            \
    NAME(DOCUMENT_ROOT, "DOCUMENT_ROOT", PLAIN)                                                                        \
    NAME(DOCUMENT_URI, "DOCUMENT_URI", PLAIN)                                                                          \
    NAME(SCRIPT_FILENAME, "SCRIPT_FILENAME", HELD)                                                                     \
    NAME(REDIRECT_STATUS, "REDIRECT_STATUS", PLAIN)                                                                    \
    NAME(HTTP_ACCEPT, "HTTP_ACCEPT", PLAIN)                                                                            \
    NAME(HTTP_ACCEPT_CHARSET, "HTTP_ACCEPT_CHARSET", PLAIN)                                                            \
    NAME(HTTP_ACCEPT_ENCODING, "HTTP_ACCEPT_ENCODING", PLAIN)                                                          \
    NAME(HTTP_ACCEPT_LANGUAGE, "HTTP_ACCEPT_LANGUAGE", PLAIN)                                                          \
    NAME(HTTP_AUTHORIZATION, "HTTP_AUTHORIZATION", PLAIN)                                                              \
    NAME(HTTP_CACHE_CONTROL, "HTTP_CACHE_CONTROL", PLAIN)                                                              \
    NAME(HTTP_CONNECTION, "HTTP_CONNECTION", PLAIN)                                                                    \
    NAME(HTTP_COOKIE, "HTTP_COOKIE", PLAIN)                                                                            \
    NAME(HTTP_DNT, "HTTP_DNT", PLAIN)                                                                                  \
    NAME(HTTP_EXPECT, "HTTP_EXPECT", PLAIN)                                                                            \
    NAME(HTTP_FORWARDED, "HTTP_FORWARDED", PLAIN)                                                                      \
    NAME(HTTP_IF_MATCH, "HTTP_IF_MATCH", PLAIN)                                                                        \
    NAME(HTTP_IF_MODIFIED_SINCE, "HTTP_IF_MODIFIED_SINCE", PLAIN)                                                      \
    NAME(HTTP_IF_NONE_MATCH, "HTTP_IF_NONE_MATCH", PLAIN)                                                              \
    NAME(HTTP_ORIGIN, "HTTP_ORIGIN", PLAIN)                                                                            \
    NAME(HTTP_PRAGMA, "HTTP_PRAGMA", PLAIN)                                                                            \
    NAME(HTTP_PRIORITY, "HTTP_PRIORITY", PLAIN)                                                                        \
    NAME(HTTP_RANGE, "HTTP_RANGE", PLAIN)                                                                              \
    NAME(HTTP_REFERER, "HTTP_REFERER", PLAIN)                                                                          \
    NAME(HTTP_SEC_CH_UA, "HTTP_SEC_CH_UA", PLAIN)                                                                      \
    NAME(HTTP_SEC_CH_UA_MOBILE, "HTTP_SEC_CH_UA_MOBILE", PLAIN)                                                        \
    NAME(HTTP_SEC_CH_UA_PLATFORM, "HTTP_SEC_CH_UA_PLATFORM", PLAIN)                                                    \
    NAME(HTTP_SEC_FETCH_DEST, "HTTP_SEC_FETCH_DEST", PLAIN)                                                            \
    NAME(HTTP_SEC_FETCH_MODE, "HTTP_SEC_FETCH_MODE", PLAIN)                                                            \
    NAME(HTTP_SEC_FETCH_SITE, "HTTP_SEC_FETCH_SITE", PLAIN)                                                            \
    NAME(HTTP_SEC_FETCH_USER, "HTTP_SEC_FETCH_USER", PLAIN)                                                            \
    NAME(HTTP_UPGRADE_INSECURE_REQUESTS, "HTTP_UPGRADE_INSECURE_REQUESTS", PLAIN)                                      \
    NAME(HTTP_USER_AGENT, "HTTP_USER_AGENT", PLAIN)                                                                    \
    NAME(HTTP_X_FORWARDED_FOR, "HTTP_X_FORWARDED_FOR", PLAIN)                                                          \
    NAME(HTTP_X_FORWARDED_HOST, "HTTP_X_FORWARDED_HOST", PLAIN)                                                        \
    NAME(HTTP_X_FORWARDED_PROTO, "HTTP_X_FORWARDED_PROTO", PLAIN)                                                      \
    NAME(HTTP_X_REAL_IP, "HTTP_X_REAL_IP", PLAIN)                                                                      \
    NAME(HTTP_X_REQUESTED_WITH, "HTTP_X_REQUESTED_WITH", PLAIN)

enum rack_name {
#define NAME(id, text, use) NAME_##id,
    NAMES(NAME)
#undef NAME
        NAME_COUNT,
    NAME_UNKNOWN = -1
};
_Static_assert(NAME_COUNT < RACK_NAME_SLOTS / 2, "the table of names must stay sparse");
_Static_assert(NAME_COUNT <= RACK_SHAPE_KEYS, "every env of known names can have a shape");

static const struct {
    const char *text;
    size_t length;
    enum name_use use;
} names[] = {
#define NAME(id, text, use) { text, sizeof text - 1, use },
    NAMES(NAME)
#undef NAME
};

static unsigned slot_of(const char *name, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)name;
    unsigned hash = (unsigned)length * 131;

    hash += bytes[length - 1] * 31u + bytes[length / 2] * 7u + bytes[length * 3 / 4] * 61u + bytes[0];
    return (hash ^ hash >> 8) % RACK_NAME_SLOTS;
}

static int find_name(const struct rack *rack, const char *name, size_t length)
{
    for (unsigned slot = slot_of(name, length);; slot = (slot + 1) % RACK_NAME_SLOTS) {
        int id = rack->name_slots[slot] - 1;
        if (id < 0 || (names[id].length == length && memcmp(names[id].text, name, length) == 0))
            return id; /* -1 is NAME_UNKNOWN */
    }
}

void rack_env_define(mrb_state *mrb, struct rack *rack)
{
    rack_shape_define(mrb, &rack->shapes);
    rack->names = mrb_ary_new_capa(mrb, NAME_COUNT);
    mrb_gc_register(mrb, rack->names);
    for (int id = 0; id < NAME_COUNT; id++) {
        mrb_value name = mrb_str_new(mrb, names[id].text, (mrb_int)names[id].length);
        unsigned slot = slot_of(names[id].text, names[id].length);

        mrb_ary_push(mrb, rack->names, mrb_obj_freeze(mrb, name));
        while (rack->name_slots[slot] != 0)
            slot = (slot + 1) % RACK_NAME_SLOTS;
        rack->name_slots[slot] = (uint8_t)(id + 1);
    }
}

/* An env under construction. Its values stay in the arena until the Hash has them. */
struct draft {
    mrb_state *mrb;
    size_t count;
    uint8_t ids[NAME_COUNT];
    mrb_value values[NAME_COUNT];
    uint8_t place[NAME_COUNT];    /* of an id in the two above, plus one; 0: not there */
    const char *held[NAME_COUNT]; /* values of the HELD names that came */
    bool has_unknown;
};

static void put(struct draft *draft, enum rack_name id, mrb_value value)
{
    if (draft->place[id] == 0) {
        draft->ids[draft->count] = (uint8_t)id;
        draft->place[id] = (uint8_t)++draft->count;
    }
    draft->values[draft->place[id] - 1] = value;
}

static void put_string(struct draft *draft, enum rack_name id, const char *value, size_t length)
{
    put(draft, id, mrb_str_new(draft->mrb, value, (mrb_int)length));
}

static void put_text(struct draft *draft, enum rack_name id, const char *value)
{
    put_string(draft, id, value, strlen(value));
}

/* A front end sends the same names in the same order: the name that stood at `position` last time, when it does again.
 */
static int guess_name(const struct rack *rack, size_t position, const char *param, const char **value)
{
    int id = position < RACK_GUESSES ? rack->guesses[position] - 1 : NAME_UNKNOWN;

    if (id == NAME_UNKNOWN || strncmp(param, names[id].text, names[id].length) != 0 || param[names[id].length] != '=')
        return NAME_UNKNOWN;
    *value = param + names[id].length + 1;
    return id;
}

/* The value of "NAME=value", and the length of its name; NULL when it is not of that form. */
static const char *split(const char *param, size_t *length)
{
    const char *equals = strchr(param, '=');

    *length = equals != NULL ? (size_t)(equals - param) : 0;
    return *length > 0 ? equals + 1 : NULL;
}

static int know_name(struct rack *rack, size_t position, const char *param, const char **value)
{
    int id = guess_name(rack, position, param, value);
    size_t length;

    if (id != NAME_UNKNOWN)
        return id;
    *value = split(param, &length);
    if (*value == NULL)
        return NAME_UNKNOWN;
    id = find_name(rack, param, length);
    if (position < RACK_GUESSES)
        rack->guesses[position] = (uint8_t)(id + 1);
    return id;
}

static void put_params(struct draft *draft, struct rack *rack, char *const *params)
{
    for (size_t position = 0; params[position] != NULL; position++) {
        const char *value;
        int id = know_name(rack, position, params[position], &value);
        if (id == NAME_UNKNOWN)
            draft->has_unknown = true;
        else if (names[id].use == HELD)
            draft->held[id] = value;
        else if (names[id].use == PLAIN)
            put_text(draft, (enum rack_name)id, value);
    }
}

static void add_unknown(mrb_state *mrb, mrb_value env, const struct rack *rack, char *const *params)
{
    int arena = mrb_gc_arena_save(mrb);

    for (; *params != NULL; params++) {
        size_t length;
        const char *value = split(*params, &length);
        if (value == NULL || find_name(rack, *params, length) != NAME_UNKNOWN)
            continue;
        if (length >= 5 && memcmp(*params, "rack.", 5) == 0)
            continue;
        mrb_hash_set(mrb, env, mrb_obj_freeze(mrb, mrb_str_new(mrb, *params, (mrb_int)length)),
                     mrb_str_new_cstr(mrb, value));
        mrb_gc_arena_restore(mrb, arena);
    }
}

/* Length of a host without the port that haproxy adds to SERVER_NAME: "a:80", "[::1]:80"; "::1" stays. */
static size_t length_without_port(const char *host)
{
    const char *colon = strrchr(host, ':');

    if (colon == NULL || colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return strlen(host);
    if (colon > host && colon[-1] != ']' && memchr(host, ':', (size_t)(colon - host)) != NULL)
        return strlen(host);
    return (size_t)(colon - host);
}

/* RFC 3986, 3.2: what a host and its port are spelled with. */
static bool is_authority(const char *text)
{
    static const bool bytes[256] = {
        ['!'] = true,         ['$'] = true, ['%'] = true, ['&' ... '.'] = true, ['0' ... ';'] = true, ['='] = true,
        ['A' ... '['] = true, [']'] = true, ['_'] = true, ['a' ... 'z'] = true, ['~'] = true,
    };

    while (bytes[(unsigned char)*text])
        text++;
    return *text == '\0';
}

/* HTTP/1.1, HTTP/2 */
static bool is_protocol(const char *text)
{
    return strncmp(text, "HTTP/", 5) == 0 && text[5] >= '0' && text[5] <= '9' &&
           (text[6] == '\0' || (text[6] == '.' && text[7] >= '0' && text[7] <= '9' && text[8] == '\0'));
}

static void put_server(struct draft *draft, bool https)
{
    const char *name = draft->held[NAME_SERVER_NAME];
    const char *port = draft->held[NAME_SERVER_PORT];
    const char *protocol = draft->held[NAME_SERVER_PROTOCOL];
    const char *software = draft->held[NAME_SERVER_SOFTWARE];
    size_t length = name != NULL && is_authority(name) ? length_without_port(name) : 0;

    if (length == 0) {
        name = draft->held[NAME_HTTP_HOST];
        length = name != NULL && is_authority(name) ? length_without_port(name) : 0;
    }
    if (length == 0) {
        name = "localhost";
        length = strlen(name);
    }
    if (port == NULL || port[0] == '\0' || port[strspn(port, "0123456789")] != '\0')
        port = https ? "443" : "80";
    put_string(draft, NAME_SERVER_NAME, name, length);
    put_text(draft, NAME_SERVER_PORT, port);
    put_text(draft, NAME_SERVER_PROTOCOL, protocol != NULL && is_protocol(protocol) ? protocol : "HTTP/1.0");
    put_text(draft, NAME_SERVER_SOFTWARE, software != NULL && software[0] != '\0' ? software : "cowherd");
}

static void put_request(struct draft *draft, const struct request *request)
{
    const char *method = draft->held[NAME_REQUEST_METHOD];
    const char *uri = draft->held[NAME_REQUEST_URI];
    const char *query = draft->held[NAME_QUERY_STRING];
    const char *type = draft->held[NAME_CONTENT_TYPE];
    const char *length = draft->held[NAME_CONTENT_LENGTH];
    const char *file = request->script_path != NULL ? request->script_path : draft->held[NAME_SCRIPT_FILENAME];

    put_text(draft, NAME_REQUEST_METHOD, method != NULL && method[0] != '\0' ? method : "GET");
    put_text(draft, NAME_SCRIPT_NAME, request->script_name);
    put_text(draft, NAME_PATH_INFO, request->path_info);
    if (file != NULL)
        put_text(draft, NAME_SCRIPT_FILENAME, file);
    if (query == NULL && uri != NULL && (query = strchr(uri, '?')) != NULL)
        put_string(draft, NAME_QUERY_STRING, query + 1, strcspn(query + 1, "#"));
    else
        put_text(draft, NAME_QUERY_STRING, query != NULL ? query : "");
    if (uri != NULL)
        put_text(draft, NAME_REQUEST_URI, uri);
    if (type != NULL && type[0] != '\0')
        put_text(draft, NAME_CONTENT_TYPE, type);
    if (length != NULL && length[0] != '\0' && length[strspn(length, "0123456789")] == '\0')
        put_text(draft, NAME_CONTENT_LENGTH, length);
    if (draft->held[NAME_HTTP_HOST] != NULL && is_authority(draft->held[NAME_HTTP_HOST]))
        put_text(draft, NAME_HTTP_HOST, draft->held[NAME_HTTP_HOST]);
}

/* Front ends say it with HTTPS=on (nginx, Apache; IIS says off) or with REQUEST_SCHEME (nginx's own fastcgi_params). */
static bool is_https(const struct draft *draft)
{
    const char *https = draft->held[NAME_HTTPS];
    const char *scheme = draft->held[NAME_REQUEST_SCHEME];

    if (https != NULL && https[0] != '\0')
        return strcasecmp(https, "off") != 0 && strcmp(https, "0") != 0;
    return scheme != NULL && strcasecmp(scheme, "https") == 0;
}

mrb_value rack_env_new(mrb_state *mrb, struct rack_exchange *exchange)
{
    struct rack *rack = exchange->rack;
    const struct request *request = exchange->request;
    struct draft draft = { .mrb = mrb };
    int arena = mrb_gc_arena_save(mrb);

    put_params(&draft, rack, request->params);

    bool https = is_https(&draft);
    put_request(&draft, request);
    put_server(&draft, https);
    if (draft.held[NAME_HTTPS] != NULL)
        put_text(&draft, NAME_HTTPS, draft.held[NAME_HTTPS]);
    if (draft.held[NAME_REQUEST_SCHEME] != NULL)
        put_text(&draft, NAME_REQUEST_SCHEME, draft.held[NAME_REQUEST_SCHEME]);
    put_text(&draft, NAME_URL_SCHEME, https ? "https" : "http");
    put(&draft, NAME_INPUT, exchange->input);
    put(&draft, NAME_ERRORS, rack->errors);
    put(&draft, NAME_RESPONSE_FINISHED, exchange->finished);
    put(&draft, NAME_MULTITHREAD, mrb_false_value());
    put(&draft, NAME_MULTIPROCESS, mrb_true_value());
    put(&draft, NAME_RUN_ONCE, mrb_false_value());

    mrb_value env = rack_shape_hash(mrb, &rack->shapes, RARRAY_PTR(rack->names), draft.ids, draft.values, draft.count);
    mrb_gc_arena_restore(mrb, arena);
    mrb_gc_protect(mrb, env);
    if (draft.has_unknown)
        add_unknown(mrb, env, rack, request->params);
    return env;
}
