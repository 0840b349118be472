#include "rack_sendfile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Percent-encoded, but for "/" and what RFC 3986 calls unreserved: every front end decodes the value once. */
static void append_encoded(struct strbuf *head, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

    while (*path != '\0') {
        size_t length = strspn(path, plain);
        strbuf_append(head, path, length);
        path += length;
        if (*path != '\0')
            strbuf_printf(head, "%%%02X", (unsigned)(unsigned char)*path++);
    }
}

static const char *directory_of(const struct config_app *config)
{
    return config->sendfile.from != NULL ? config->sendfile.from : config->root;
}

/* `directory` without its last slashes: "/" becomes "". */
static void append_directory(struct strbuf *head, const char *directory)
{
    size_t length = strlen(directory);
    char *copy = strndup(directory, length);

    if (copy == NULL)
        return;
    while (length > 0 && copy[length - 1] == '/')
        copy[--length] = '\0';
    append_encoded(head, copy);
    free(copy);
}

/* What follows the directory in a path that is below it, with the slash between them; else NULL. */
static const char *below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    if (length == 1)
        length = 0;
    return strncmp(path, directory, length) == 0 && path[length] == '/' ? path + length : NULL;
}

static void take_length_away(struct rack_exchange *exchange)
{
    struct strbuf *head = &exchange->head;
    size_t end = exchange->length_at + exchange->length_size;

    if (!exchange->has_length)
        return;
    memmove(head->data + exchange->length_at, head->data + end, head->length - end);
    head->length -= exchange->length_size;
    exchange->has_length = false;
}

static void put_header(struct rack_exchange *exchange, const char *rest)
{
    const struct config_app *config = exchange->app->config;
    struct strbuf *head = &exchange->head;

    if (config->sendfile.header == SENDFILE_X_ACCEL_REDIRECT) {
        strbuf_puts(head, "X-Accel-Redirect: ");
        append_directory(head, config->sendfile.to);
    } else {
        strbuf_puts(head, "X-Sendfile: ");
        if (exchange->app->chroot != NULL)
            append_directory(head, exchange->app->chroot);
        append_directory(head, directory_of(config));
    }
    append_encoded(head, rest);
    strbuf_puts(head, "\r\n");
}

bool rack_sendfile_offer(struct rack_exchange *exchange, const char *path)
{
    const struct config_app *config = exchange->app->config;
    struct stat status;

    if (!config->sendfile.enabled || exchange->status != 200)
        return false;

    char *directory = realpath(directory_of(config), NULL);
    char *file = realpath(path, NULL);
    const char *rest = directory != NULL && file != NULL ? below(file, directory) : NULL;
    bool offered = rest != NULL && stat(file, &status) == 0 && S_ISREG(status.st_mode);
    if (offered) {
        take_length_away(exchange);
        put_header(exchange, rest);
    }
    free(directory);
    free(file);
    return offered;
}
