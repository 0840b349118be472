#include "dispatch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_log.h"
#include "answer.h"
#include "clock.h"
#include "out_of_memory.h"
#include "rack.h"
#include "request_hash.h"
#include "title.h"
#include "vhost.h"
#include "xalloc.h"

#define PUBLISH(field, value) atomic_store_explicit(&dispatch->slot->field, (value), memory_order_relaxed)

void dispatch_count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

void dispatch_open(struct dispatch *dispatch, const struct config_pool *pool, const struct app_set *apps,
                   struct slot *slot)
{
    *dispatch = (struct dispatch){
        .pool = pool,
        .apps = apps,
        .slot = slot,
        .path = xmalloc((size_t)pool->limits.header + 2),
        .fd = -1,
    };
}

void dispatch_close(struct dispatch *dispatch)
{
    free(dispatch->path);
    dispatch->path = NULL;
}

/* Who reads the slot looks at the sequence number first and last: it is written before and after what belongs to it. */
static void publish_start(struct dispatch *dispatch)
{
    struct slot *slot = dispatch->slot;
    uint64_t sequence = atomic_load_explicit(&slot->request_sequence, memory_order_relaxed);

    PUBLISH(request_bytes_out, 0);
    PUBLISH(request_id, dispatch->gate->request_id);
    PUBLISH(request_fd, dispatch->fd);
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_IDLE) {
        PUBLISH(state, SLOT_BUSY);
        title_state(slot_state_name(SLOT_BUSY));
    }
    atomic_store_explicit(&slot->request_sequence, sequence + 1, memory_order_release);
    dispatch_count(&slot->accepted); /* before there is one that a crash would answer */
    atomic_store_explicit(&slot->request_started_ns, clock_monotonic_ns(), memory_order_release);
}

static void publish_symbols(const struct dispatch *dispatch, const struct request *request)
{
    uint32_t fresh = request->app != NULL && request->app->vm != NULL ? vm_new_symbols(request->app->vm) : 0;

    if (fresh > 0)
        PUBLISH(symbols, atomic_load_explicit(&dispatch->slot->symbols, memory_order_relaxed) + fresh);
}

static void count(const struct dispatch *dispatch, const struct request *request)
{
    struct slot *slot = dispatch->slot;

    dispatch_count(request->client_gone      ? &slot->client_gone
                   : request->error_answered ? &slot->error_answered
                                             : &slot->completed);
}

static void publish_end(struct dispatch *dispatch, const struct request *request)
{
    struct slot *slot = dispatch->slot;

    if (out_of_memory_count() > 0)
        PUBLISH(out_of_memory, out_of_memory_count());
    publish_symbols(dispatch, request);
    atomic_store_explicit(&slot->request_started_ns, 0, memory_order_release);
    PUBLISH(request_fd, -1);
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_BUSY) {
        PUBLISH(state, SLOT_IDLE);
        title_state(slot_state_name(SLOT_IDLE));
    }
}

static char *append(char *to, const char *end, const char *text)
{
    for (; text != NULL && *text != '\0' && to < end; text++)
        *to++ = *text;
    return to;
}

/* A query may hold what nobody should read in a log. */
static char *append_path(char *to, const char *end, const char *uri)
{
    for (; uri != NULL && *uri != '\0' && to < end; uri++) {
        *to++ = *uri;
        if (*uri == '?')
            return append(to, end, uri[1] != '\0' ? "..." : "");
    }
    return to;
}

/* The parameters that every request is looked at for; NULL when absent. As in request_param, the last one counts. */
struct essentials {
    const char *method, *host, *uri;
};

static const char *value_of(const char *param, const char *name, size_t length)
{
    return strncmp(param, name, length) == 0 ? param + length : NULL;
}

#define VALUE_OF(param, name) value_of(param, name "=", sizeof name)

static struct essentials find_essentials(const struct request *request)
{
    struct essentials found = { 0 };
    const char *value;

    for (char **param = request->params; *param != NULL; param++) {
        if ((*param)[0] == 'R' && (value = VALUE_OF(*param, "REQUEST_METHOD")) != NULL)
            found.method = value;
        else if ((*param)[0] == 'R' && (value = VALUE_OF(*param, "REQUEST_URI")) != NULL)
            found.uri = value;
        else if ((*param)[0] == 'H' && (value = VALUE_OF(*param, "HTTP_HOST")) != NULL)
            found.host = value;
    }
    return found;
}

/* What an obituary says that the worker was serving, and what it is known by when it comes again. */
static void publish_request(const struct dispatch *dispatch, const struct request *request,
                            const struct essentials *essentials)
{
    char *line = dispatch->slot->request;
    const char *end = line + SLOT_REQUEST_SIZE - 1;
    char *to = append(line, end, essentials->method);

    to = append(to, end, " ");
    to = append(to, end, essentials->host);
    to = append_path(to, end, essentials->uri);
    *to = '\0';
    PUBLISH(request_hash, request_hash(request->params));
}

/* Plain output that the supervisor has not read yet is the former app's. */
static void publish_app(const struct dispatch *dispatch, uint32_t index)
{
    uint32_t before = atomic_load_explicit(&dispatch->slot->app, memory_order_relaxed);

    if (before == index)
        return;
    if (before < dispatch->pool->app_count)
        log_claim_output(dispatch->pool->apps[before].name);
    PUBLISH(app, index);
}

/*
 * REQUEST_URI is the same raw string from all front ends; without it the CGI variables have to do. An authorizer is
 * told none of them where the front end keeps to the specification (6.3).
 */
static bool request_path(struct dispatch *dispatch, const struct request *request, const char *uri)
{
    dispatch->path_known = true;
    if (uri != NULL && uri[0] != '\0')
        return vhost_path(uri, dispatch->path) == 0;

    const char *script_name = request_param(request, "SCRIPT_NAME");
    const char *path_info = request_param(request, "PATH_INFO");
    char *end = stpcpy(dispatch->path, script_name != NULL ? script_name : "");
    strcpy(end, path_info != NULL ? path_info : "");
    dispatch->path_known = dispatch->path[0] != '\0';
    if (!dispatch->path_known && request->role == REQUEST_AUTHORIZER)
        strcpy(dispatch->path, "/");
    return dispatch->path[0] == '/';
}

static bool find_app(const struct dispatch *dispatch, struct request *request, const char *host)
{
    if (host == NULL || host[0] == '\0')
        host = request_param(request, "SERVER_NAME");

    long index = vhost_match(dispatch->pool->apps, dispatch->pool->app_count, host, dispatch->path);
    if (index < 0)
        return false;

    const struct app *app = &dispatch->apps->apps[index];
    const char *prefix = app->config->path;
    request->app = app;
    request->script_name = strcmp(prefix, "/") == 0 ? "" : prefix;
    request->path_info = dispatch->path + strlen(request->script_name);
    request->app_path = dispatch->path_known ? request->path_info : NULL;
    publish_app(dispatch, (uint32_t)index);
    return true;
}

/* What came counts, and what was announced when that is a number: front ends send none, "" or "-1" for a chunked body.
 */
static bool body_too_large(const struct dispatch *dispatch, const struct request *request)
{
    int64_t limit = dispatch->pool->limits.body;

    if (limit == 0)
        return false;
    if (dispatch->gate->body_complete)
        return (int64_t)dispatch->gate->body_length > limit;

    const char *announced = request_param(request, "CONTENT_LENGTH");
    return announced != NULL && strtoll(announced, NULL, 10) > limit;
}

/* It has killed workers before. */
static bool is_poison(const struct dispatch *dispatch)
{
    const struct scoreboard *board = dispatch->board;
    uint32_t count = board != NULL ? atomic_load_explicit(&board->poison_count, memory_order_acquire) : 0;

    for (uint32_t i = 0; i < count && i < SCOREBOARD_POISON_MAX; i++)
        if (atomic_load_explicit(&board->poison[i], memory_order_relaxed) ==
            atomic_load_explicit(&dispatch->slot->request_hash, memory_order_relaxed))
            return true;
    return false;
}

/* RFC 9110, 5.6.2; an absent one counts as GET. */
static bool is_method(const char *text)
{
    static const bool token[256] = {
        ['!'] = true, ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true,
        ['.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true,
        ['`'] = true, ['a' ... 'z'] = true,  ['|'] = true,         ['~'] = true,
    };

    while (text != NULL && token[(unsigned char)*text])
        text++;
    return text == NULL || *text == '\0';
}

static void answer(struct dispatch *dispatch, struct request *request, const struct essentials *essentials)
{
    if (!request_path(dispatch, request, essentials->uri)) {
        answer_plain(request, 400, "The request's path can't be understood.");
    } else if (!is_method(essentials->method)) {
        answer_plain(request, 400, "The request's method is none.");
    } else if (!find_app(dispatch, request, essentials->host)) {
        answer_plain(request, 404, "No app is configured for this host and path.");
    } else if (dispatch->late) {
        answer_plain(request, 408, "The request's body did not come in time.");
    } else if (body_too_large(dispatch, request)) {
        answer_plain(request, 413, "The request's body is larger than this server takes.");
    } else if (is_poison(dispatch)) {
        answer_plain(request, 503, "This request has ended the processes that served it, and is refused for a while.");
    } else {
        request->body_limit = dispatch->pool->limits.body;
        rack_serve(request->app, request, dispatch->pool->show_errors);
        if (request->status == 0 && !request->client_gone)
            answer_plain(request, 500, NULL);
    }
}

void dispatch_answer(struct request *request, void *data)
{
    struct dispatch *dispatch = data;
    struct essentials essentials = find_essentials(request);

    publish_start(dispatch);
    publish_request(dispatch, request, &essentials);
    answer(dispatch, request, &essentials);
}

void dispatch_finished(struct request *request, void *data)
{
    struct dispatch *dispatch = data;

    /* What log hooks do changes nothing of the outcome, but takes the request's time. */
    count(dispatch, request);
    if (request->app != NULL)
        rack_finish(request->app, request);
    publish_end(dispatch, request);
    fflush(stdout);
    if (access_log_enabled())
        access_log_write(request, clock_monotonic_ns());
}
