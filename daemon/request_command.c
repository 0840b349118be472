#include "request_command.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "clock.h"
#include "command_line.h"
#include "fcgi_record.h"
#include "request_exchange.h"
#include "xalloc.h"

#define DEFAULT_TIMEOUT_S 30
#define TOKEN_BYTES "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct header {
    char *name; /* as a parameter: upper case, '_' for '-', without HTTP_ */
    char *value;
};

struct request {
    const char *address;
    const char *method; /* NULL: GET, or POST with a body */
    char *host;         /* with its port; from the URI */
    char *path;         /* as sent, without the query */
    char *query;        /* NULL: none */
    bool is_https;
    struct header *headers;
    size_t header_count;
    bool has_body;
    struct strbuf body;
    bool keep_connection;
    bool authorizer; /* asked in this role */
    int64_t timeout_ns;
};

static int usage(const char *problem, const char *what)
{
    fprintf(stderr,
            "cowherd request: %s%s%s\n"
            "usage: cowherd request [-kA] [-X METHOD] [-H 'Name: value']... [-d BODY | -d @FILE | -d -] [-t SECONDS]\n"
            "                       SOCKET URI\n"
            "-k: keep the connection. -A: ask as a front end asks its authorizer, in place of a responder.\n"
            "SOCKET: a path, host:port or [v6]:port. URI: /path?query or http://host/path?query.\n",
            problem, what != NULL ? " " : "", what != NULL ? what : "");
    return EXIT_USAGE;
}

static struct header *find_header(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, name) == 0)
            return &request->headers[i];
    return NULL;
}

/* "Name: value". A name given again is joined to the first, as front ends do. false: not a header. */
static bool add_header(struct request *request, const char *text)
{
    size_t length = strspn(text, TOKEN_BYTES);

    if (length == 0 || text[length] != ':' || strpbrk(text, "\r\n") != NULL)
        return false;

    char *name = xstrndup(text, length);
    const char *value = text + length + 1 + strspn(text + length + 1, " \t");

    for (char *at = name; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);

    struct header *known = find_header(request, name);

    if (known != NULL) {
        char *joined = xasprintf("%s%s%s", known->value, strcmp(name, "COOKIE") == 0 ? "; " : ", ", value);
        free(known->value);
        known->value = joined;
        free(name);
        return true;
    }
    request->headers = xreallocarray(request->headers, request->header_count + 1, sizeof *request->headers);
    request->headers[request->header_count++] = (struct header){ .name = name, .value = xstrdup(value) };
    return true;
}

/* BODY, @FILE or - (standard input). 0, or -1: printed why. */
static int read_body(struct request *request, const char *argument)
{
    bool is_stdin = strcmp(argument, "-") == 0;

    request->has_body = true;
    request->body.length = 0;
    if (argument[0] != '@' && !is_stdin) {
        strbuf_puts(&request->body, argument);
        return 0;
    }

    static char chunk[65536];
    int fd = is_stdin ? STDIN_FILENO : open(argument + 1, O_RDONLY | O_CLOEXEC);
    ssize_t count = -1;

    while (fd != -1 && ((count = read(fd, chunk, sizeof chunk)) > 0 || (count == -1 && errno == EINTR)))
        strbuf_append(&request->body, chunk, count > 0 ? (size_t)count : 0);
    if (count == -1)
        fprintf(stderr, "cowherd request: %s: %s\n", is_stdin ? "standard input" : argument + 1, strerror(errno));
    if (fd > STDIN_FILENO)
        close(fd);
    return count == -1 ? -1 : 0;
}

static bool parse_timeout(const char *text, int64_t *timeout_ns)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds > 0 && seconds < 1e9))
        return false;
    *timeout_ns = (int64_t)(seconds * (double)CLOCK_NS_PER_S);
    return *timeout_ns > 0;
}

/* "/path?query", "http://host/path?query", "*" (for OPTIONS). */
static bool parse_uri(struct request *request, const char *uri)
{
    request->is_https = strncasecmp(uri, "https://", 8) == 0;
    if (request->is_https || strncasecmp(uri, "http://", 7) == 0) {
        const char *host = strchr(uri, ':') + 3;
        size_t length = strcspn(host, "/?#");

        if (length == 0)
            return false;
        request->host = xstrndup(host, length);
        uri = host + length;
    }

    size_t whole = strcspn(uri, "#"); /* a fragment is the browser's own */
    size_t path = strcspn(uri, "?#");

    if (path > 0 && uri[0] != '/' && strcmp(uri, "*") != 0)
        return false;
    if (path == 0 && request->host == NULL)
        return false;
    request->path = path > 0 ? xstrndup(uri, path) : xstrdup("/");
    request->query = uri[path] == '?' ? xstrndup(uri + path + 1, whole - path - 1) : NULL;
    return true;
}

/* The path with %XX decoded; %00, which no parameter can hold, stays. */
static char *decode(const char *path)
{
    char *text = xstrdup(path), *to = text;

    for (const char *from = path; *from != '\0'; from++) {
        unsigned byte;

        if (from[0] == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2]) &&
            sscanf(from + 1, "%2x", &byte) == 1 && byte != 0) {
            *to++ = (char)byte;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return text;
}

static void param(struct strbuf *params, const char *name, const char *value)
{
    fcgi_pair_append(params, name, strlen(name), value, strlen(value));
}

static void server_params(const struct request *request, const char *host, struct strbuf *params)
{
    const char *colon = strrchr(host, ':');
    bool has_port = colon != NULL && strchr(colon, ']') == NULL && colon[1] != '\0';
    char *name = xstrndup(host, has_port ? (size_t)(colon - host) : strlen(host));

    param(params, "REQUEST_SCHEME", request->is_https ? "https" : "http");
    if (request->is_https)
        param(params, "HTTPS", "on");
    param(params, "SERVER_PROTOCOL", "HTTP/1.1");
    param(params, "GATEWAY_INTERFACE", "CGI/1.1");
    param(params, "SERVER_SOFTWARE", "cowherd");
    param(params, "REMOTE_ADDR", "127.0.0.1");
    param(params, "REMOTE_PORT", "50000");
    param(params, "SERVER_ADDR", "127.0.0.1");
    param(params, "SERVER_PORT", has_port ? colon + 1 : request->is_https ? "443" : "80");
    param(params, "SERVER_NAME", name);
    free(name);
}

/* What nginx's fastcgi_params sends, and the headers. */
static void make_params(const struct request *request, struct strbuf *params)
{
    const char *query = request->query != NULL ? request->query : "";
    const struct header *type = find_header(request, "CONTENT_TYPE"), *length = find_header(request, "CONTENT_LENGTH");
    const struct header *given_host = find_header(request, "HOST");
    const char *host = given_host != NULL ? given_host->value : request->host != NULL ? request->host : "localhost";
    char *uri = request->query != NULL ? xasprintf("%s?%s", request->path, query) : xstrdup(request->path);
    char *path = decode(request->path);
    char body_length[32] = "";

    if (request->has_body)
        snprintf(body_length, sizeof body_length, "%zu", request->body.length);
    param(params, "REQUEST_METHOD", request->method);
    param(params, "REQUEST_URI", uri);
    param(params, "QUERY_STRING", query);
    param(params, "SCRIPT_NAME", "");
    param(params, "PATH_INFO", path);
    param(params, "DOCUMENT_URI", path);
    server_params(request, host, params);
    param(params, "CONTENT_LENGTH", length != NULL ? length->value : body_length);
    param(params, "CONTENT_TYPE", type != NULL ? type->value : "");
    if (given_host == NULL)
        param(params, "HTTP_HOST", host);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];

        if (header == type || header == length)
            continue;
        char *name = xasprintf("HTTP_%s", header->name);
        param(params, name, header->value);
        free(name);
    }
    free(path);
    free(uri);
}

/* 0, or the exit status: printed why. */
static int parse_options(struct request *request, int argc, char **argv)
{
    static const char options[] = ":X:H:d:t:kA";
    char given[3] = "-?";
    int option;

    opterr = 0;
    optind = 1;
    while ((option = getopt(argc, argv, options)) != -1) {
        switch (option) {
        case 'X':
            if (optarg[0] == '\0' || optarg[strspn(optarg, TOKEN_BYTES)] != '\0')
                return usage("not a method:", optarg);
            request->method = optarg;
            break;
        case 'H':
            if (!add_header(request, optarg))
                return usage("not a header (Name: value):", optarg);
            break;
        case 'd':
            if (read_body(request, optarg) == -1)
                return 1;
            break;
        case 't':
            if (!parse_timeout(optarg, &request->timeout_ns))
                return usage("not a number of seconds:", optarg);
            break;
        case 'k': request->keep_connection = true; break;
        case 'A': request->authorizer = true; break;
        default:
            given[1] = (char)optopt;
            return usage(option == ':' ? "a value is missing behind" : "does not know the option", given);
        }
    }
    if (argc - optind != 2)
        return usage("takes a socket and a URI", NULL);
    request->address = argv[optind];
    if (request->address[0] == '\0')
        return usage("the socket is empty", NULL);
    if (!parse_uri(request, argv[optind + 1]))
        return usage("not a URI:", argv[optind + 1]);
    if (request->method == NULL)
        request->method = request->has_body ? "POST" : "GET";
    return 0;
}

static int run(const struct request *request)
{
    struct strbuf params = { 0 };
    char error[512];

    make_params(request, &params);
    int result = request_exchange(
        &(struct request_exchange){
            .address = request->address,
            .params = &params,
            .body = request->body.data,
            .body_length = request->body.length,
            .keep_connection = request->keep_connection,
            .authorizer = request->authorizer,
            .timeout_ns = request->timeout_ns,
            .out = stdout,
            .errors = stderr,
        },
        error, sizeof error);
    strbuf_free(&params);
    if (result == 0)
        return 0;
    fprintf(stderr, "cowherd request: %s\n", error);
    return 1;
}

int request_command(int argc, char **argv)
{
    struct request request = { .timeout_ns = DEFAULT_TIMEOUT_S * CLOCK_NS_PER_S };
    int status = parse_options(&request, argc, argv);

    if (status == 0)
        status = run(&request);
    for (size_t i = 0; i < request.header_count; i++) {
        free(request.headers[i].name);
        free(request.headers[i].value);
    }
    free(request.headers);
    strbuf_free(&request.body);
    free(request.host);
    free(request.path);
    free(request.query);
    return status;
}
