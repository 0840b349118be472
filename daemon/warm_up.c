#include "warm_up.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "pool.h"
#include "shortage.h"
#include "supervisor.h"
#include "workers.h"

#define CHUNK 16384

const char *warm_up_request_in_hand(const struct generation *generation)
{
    const struct warm_up *warm_up = &generation->warm_up;
    return warm_up->worker ? generation->settings->warmup.items[warm_up->at] : NULL;
}

static void close_connection(struct generation *generation)
{
    struct loop_source *connection = &generation->warm_up.connection;
    if (connection->fd < 0)
        return;
    loop_remove(generation_loop(generation), connection);
    close(connection->fd);
    connection->fd = -1;
    warm_up_answer_free(&generation->warm_up.answer);
    generation->warm_up.answer = (struct warm_up_answer){ 0 };
}

void warm_up_stop(struct generation *generation)
{
    if (!generation->warm_up.worker)
        return;
    close_connection(generation);
    generation->warm_up.worker = NULL;
}

/* One whose hooks failed has said that. */
static void say(struct generation *generation, const char *what)
{
    if (generation->warm_up.worker->start_failed)
        return;
    strbuf_printf(&generation->error, "warmup: GET %s: %s; the error log may say more",
                  warm_up_request_in_hand(generation), what);
}

/* A worker that has answered wrongly has done nothing wrong itself: it leaves, and is not killed. */
static void fail(struct generation *generation, const char *what)
{
    struct worker *worker = generation->warm_up.worker;
    workers_hear(worker);
    say(generation, what);
    warm_up_stop(generation);
    workers_drain_one(worker, "its generation failed");
    generation_event(generation, GENERATION_FAIL, generation->error.data);
}

/* What is wrong with an answer that has ended, in `text`; NULL: nothing. */
static const char *wrong(const struct warm_up_answer *answer, char *text, size_t size)
{
    int status = warm_up_answer_status(answer);
    if (answer->failed)
        return "the worker did not answer in FastCGI";
    if (status >= 100 && status < 500)
        return NULL;
    snprintf(text, size, "answered with status %d", status);
    return text;
}

static void ask(struct generation *generation);

static void answered(struct generation *generation)
{
    struct warm_up *warm_up = &generation->warm_up;
    const char *uri = warm_up_request_in_hand(generation);
    char text[64];
    const char *problem = wrong(&warm_up->answer, text, sizeof text);
    if (problem) {
        fail(generation, problem);
        return;
    }
    log_info("%s: generation %u: warmup: GET %s: status %d", generation->pool->name, generation->number, uri,
             warm_up_answer_status(&warm_up->answer));
    close_connection(generation);
    if (++warm_up->at < generation->settings->warmup.count) {
        ask(generation);
        return;
    }
    struct worker *worker = warm_up->worker;
    warm_up->worker = NULL;
    workers_let_serve(worker);
    generation_event(generation, GENERATION_WARM, NULL);
}

/* What recv(2) returns, with what has come taken; 0 when there is nothing more to come. */
static ssize_t read_some(struct generation *generation)
{
    char bytes[CHUNK];
    ssize_t got;
    do
        got = recv(generation->warm_up.connection.fd, bytes, sizeof bytes, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        warm_up_answer_take(&generation->warm_up.answer, bytes, (size_t)got);
    return got;
}

static void connection_ready(void *data, uint32_t events)
{
    (void)events;
    struct generation *generation = data;
    ssize_t got;
    do
        got = read_some(generation);
    while (got > 0 && !generation->warm_up.answer.ended);
    if (generation->warm_up.answer.ended)
        answered(generation);
    else if (got == 0 || errno != EAGAIN)
        fail(generation, "the worker closed the connection without an answer");
}

/* The request is written before the worker has the connection, so it comes whole. */
static bool hand_over(struct generation *generation, const struct strbuf *request)
{
    struct warm_up *warm_up = &generation->warm_up;
    struct message order = { .type = MESSAGE_WARM_UP };
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return false;
    warm_up->connection = (struct loop_source){ .fd = ends[0], .ready = connection_ready, .data = generation };
    bool done = send(ends[0], request->data, request->length, MSG_NOSIGNAL) == (ssize_t)request->length &&
                loop_add(generation_loop(generation), &warm_up->connection, EPOLLIN) == 0 &&
                channel_send(warm_up->worker->channel.fd, &order, &ends[1], 1) == 0;
    int error = errno;
    close(ends[1]);
    errno = error;
    return done;
}

static void ask(struct generation *generation)
{
    const char *uri = warm_up_request_in_hand(generation);
    const struct config_app *app = warm_up_app(generation->settings, uri);
    struct strbuf request = { 0 };
    if (!app) {
        fail(generation, "no app of the pool has a path that begins this one");
        return;
    }
    warm_up_request(app, uri, &request);
    if (!hand_over(generation, &request))
        fail(generation, strerror(errno));
    strbuf_free(&request);
}

void warm_up_start(struct generation *generation)
{
    struct warm_up *warm_up = &generation->warm_up;
    if (generation->settings->warmup.count == 0) {
        generation_event(generation, GENERATION_WARM, NULL);
        return;
    }
    warm_up->at = 0;
    warm_up->connection.fd = -1;
    warm_up->worker = workers_order_warming(generation);
    if (!warm_up->worker) {
        strbuf_printf(&generation->error, "a worker can't be ordered: %s", shortage_text(errno));
        generation_event(generation, GENERATION_FAIL, generation->error.data);
        return;
    }
    ask(generation);
}

bool warm_up_worker_gone(struct generation *generation, const struct worker *worker)
{
    struct warm_up *warm_up = &generation->warm_up;
    char text[64];
    if (warm_up->worker != worker)
        return false;
    while (warm_up->connection.fd >= 0 && !warm_up->answer.ended && read_some(generation) > 0)
        continue;
    const char *problem = warm_up->answer.ended ? wrong(&warm_up->answer, text, sizeof text) : NULL;
    say(generation, problem ? problem : "the worker ended before it had answered");
    warm_up_stop(generation);
    return true;
}
