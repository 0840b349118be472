/*
 * libFuzzer: two strings, as a path and an index file, as a hook's prefix and a path, and as addresses of socket.allow.
 * The file that a path means never lies outside of the root or is hidden; a hook that guards a path also guards every
 * other way of writing it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "allow.h"
#include "hook_path.h"
#include "require.h"
#include "script_path.h"
#include "strbuf.h"

/* A hidden index is the configuration's will. */
static void check_segments(const char *file, size_t length)
{
    for (const char *at = file, *end = file + length; at < end;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t segment = (size_t)((slash ? slash : end) - at);
        require(segment > 0 && at[0] != '.' && memchr(at, '\\', segment) == NULL);
        at += segment + 1;
    }
}

static void map_script(const char *path, const char *index)
{
    struct script_path mapped;
    struct strbuf location = { 0 };

    if (index[0] == '\0' || strchr(index, '/') != NULL)
        index = "index.rb";
    if (script_path_map(path, index, &mapped)) {
        size_t tail = strlen(index);
        require(mapped.length == strlen(mapped.file) && mapped.length < SCRIPT_PATH_MAX && mapped.file[0] != '/');
        require(mapped.info[0] == '\0' || mapped.info[0] == '/');
        bool is_index = mapped.length >= tail && strcmp(mapped.file + mapped.length - tail, index) == 0;
        check_segments(mapped.file, mapped.length - (is_index ? tail : 0));
        require(strstr(mapped.info, "/../") == NULL);
        require(script_path_is_script(strrchr(mapped.file, '/') ? strrchr(mapped.file, '/') + 1 : mapped.file, index));
    }
    script_path_location(&location, "/prefix", path, index);
    for (size_t i = 0; i < location.length; i++)
        require((unsigned char)location.data[i] > ' ' && (unsigned char)location.data[i] < 0x7f);
    strbuf_free(&location);
}

/* Where the path comes to, with empty segments, "." and ".." resolved. */
static void resolve(const char *path, struct strbuf *out)
{
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        if (length == 2 && memcmp(path, "..", 2) == 0) {
            while (out->length > 0 && out->data[out->length - 1] != '/')
                out->length--;
            if (out->length > 0)
                out->length--;
            if (out->data != NULL)
                out->data[out->length] = '\0';
        } else if (length > 0 && !(length == 1 && path[0] == '.')) {
            strbuf_puts(out, "/");
            strbuf_append(out, path, length);
        }
        path += length + (path[length] == '/');
    }
}

static bool is_below(const struct strbuf *prefix, const struct strbuf *path)
{
    return prefix->length == 0 ||
           (path->length >= prefix->length && memcmp(path->data, prefix->data, prefix->length) == 0 &&
            (path->length == prefix->length || path->data[prefix->length] == '/'));
}

static void match_hook(const char *prefix, const char *path)
{
    struct strbuf guarded = { 0 }, reached = { 0 };
    bool matches = hooks_match(prefix, path);

    /* The configuration has normal prefixes only. */
    resolve(prefix, &guarded);
    resolve(path, &reached);
    if (prefix[0] == '/' && strcmp(guarded.length ? guarded.data : "/", prefix) == 0) {
        require(matches || !is_below(&guarded, &reached));
        require(matches || strncmp(path, prefix, strlen(prefix)) != 0 || strchr("/", path[strlen(prefix)]) == NULL);
    }
    strbuf_free(&guarded);
    strbuf_free(&reached);
}

static void match_address(char *one, char *other)
{
    char *items[] = { one, other };
    const char *wrong = NULL;
    struct allow_list *list = allow_list_new(items, 2, &wrong);
    struct in6_addr address6;
    struct in_addr address4;

    require((list == NULL) == (wrong == one || wrong == other));
    if (list != NULL && inet_pton(AF_INET, one, &address4) == 1)
        require(allow_list_matches(
            list, (struct sockaddr *)&(struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = address4 }));
    if (list != NULL && inet_pton(AF_INET6, one, &address6) == 1 && !IN6_IS_ADDR_V4MAPPED(&address6))
        require(allow_list_matches(
            list, (struct sockaddr *)&(struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = address6 }));
    allow_list_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t first = newline ? (size_t)(newline - data) : size;
    char *one = text_of(data, first);
    char *other = newline ? text_of(newline + 1, size - first - 1) : text_of(data, 0);

    map_script(one, other);
    match_hook(one, other);
    match_address(one, other);
    free(one);
    free(other);
    return 0;
}
