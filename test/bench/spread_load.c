/*
 * A load of fast and slow requests over the same connections: some clients, each with a pause between its requests.
 * Whenever fewer than so many slow requests are under way, the client whose turn it is asks for the slow path, so that
 * all connections have carried both, and enough workers are free at any time. Checks every answer byte by byte.
 *
 * Prints one line of name=value pairs, about the fast requests. Exit status 0 when every answer was right, else 1; 2
 * for usage.
 */
#include "exchange.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define ANSWER_SIZE 4096
#define CLIENTS_MAX 256

struct client {
    int fd;         /* -1: not connected */
    bool waiting;   /* for an answer */
    bool slow;      /* what it has asked for */
    bool used;      /* the connection has carried an answer: the server may close it */
    int64_t due_ns; /* when it asks next */
    int64_t asked_ns;
    uint8_t answer[ANSWER_SIZE];
    size_t length;
};

static struct {
    bool keep;
    unsigned clients;
    unsigned slow;
    int64_t pause_ns;
    int64_t duration_ns;
    struct sockaddr_un address;
    struct exchange fast_exchange, slow_exchange;
    struct bytes fast_request, slow_request;
    struct client client[CLIENTS_MAX];
    unsigned slow_under_way;
    uint64_t slow_answered, reconnects, errors;
    uint32_t *samples; /* of fast requests, in units of 100 ns */
    size_t sample_count, sample_room;
    unsigned short seed[3];
} load = { .clients = 12, .slow = 2, .pause_ns = SECOND_NS / 1000, .duration_ns = SECOND_NS, .seed = { 1, 2, 3 } };

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* From half the pause to one and a half. */
static int64_t next_pause_ns(void)
{
    return (int64_t)((0.5 + erand48(load.seed)) * (double)load.pause_ns);
}

static void disconnect(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    client->used = false;
}

/* The next one asks after its pause. */
static void rest(struct client *client)
{
    load.slow_under_way -= client->slow;
    client->slow = client->waiting = false;
    client->due_ns = now_ns() + next_pause_ns();
}

static void fail(struct client *client, const char *why)
{
    if (load.errors++ < 5)
        fprintf(stderr, "spread_load: %s\n", why);
    disconnect(client);
    rest(client);
}

/* The server has closed a kept connection: the next turn opens another. */
static void reconnect(struct client *client)
{
    load.reconnects++;
    disconnect(client);
    if (client->waiting)
        rest(client);
}

static void ask(struct client *client)
{
    client->slow = load.slow_under_way < load.slow;
    load.slow_under_way += client->slow;
    client->waiting = true;
    client->length = 0;
    client->asked_ns = now_ns();
    if (client->fd == -1) {
        client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client->fd == -1 || connect(client->fd, (struct sockaddr *)&load.address, sizeof load.address) == -1) {
            fail(client, strerror(errno));
            return;
        }
    }
    const struct bytes *request = client->slow ? &load.slow_request : &load.fast_request;
    if (send(client->fd, request->data, request->length, MSG_NOSIGNAL) == (ssize_t)request->length)
        return;
    if (client->used)
        reconnect(client);
    else
        fail(client, strerror(errno));
}

static void add_sample(int64_t latency_ns)
{
    if (load.sample_count == load.sample_room) {
        load.sample_room = load.sample_room == 0 ? 1 << 16 : load.sample_room * 2;
        load.samples = allocate(load.samples, load.sample_room * sizeof *load.samples);
    }
    load.samples[load.sample_count++] = (uint32_t)(latency_ns / 100);
}

static void answered(struct client *client, const char *wrong)
{
    if (wrong != NULL) {
        fail(client, wrong);
        return;
    }
    if (client->slow)
        load.slow_answered++;
    else
        add_sample(now_ns() - client->asked_ns);
    client->used = true;
    client->length = 0;
    if (!load.keep)
        disconnect(client);
    rest(client);
}

static void receive(struct client *client)
{
    ssize_t got = recv(client->fd, client->answer + client->length, ANSWER_SIZE - client->length, MSG_DONTWAIT);
    const char *wrong;

    if (got == -1 && errno == EAGAIN)
        return;
    if (got <= 0 && client->used && client->length == 0) {
        reconnect(client);
        return;
    }
    if (got <= 0 || !client->waiting) {
        fail(client, "the connection ended, or says more than an answer");
        return;
    }
    client->length += (size_t)got;
    if (exchange_answered(client->slow ? &load.slow_exchange : &load.fast_exchange, client->answer, client->length,
                          &wrong))
        answered(client, wrong);
}

/* Waits for an answer, or for the next turn. */
static void step(bool ask_more)
{
    struct pollfd watched[CLIENTS_MAX];
    int64_t now = now_ns(), next = now + SECOND_NS / 20;

    for (unsigned i = 0; i < load.clients; i++) {
        struct client *client = &load.client[i];
        if (!client->waiting && client->due_ns <= now && ask_more)
            ask(client);
        if (!client->waiting && client->due_ns < next && ask_more)
            next = client->due_ns;
        watched[i] = (struct pollfd){ .fd = client->fd, .events = POLLIN };
    }
    int64_t left = next - now_ns();
    const struct timespec patience = { .tv_nsec = left > 0 ? left : 0 };
    if (ppoll(watched, load.clients, &patience, NULL) <= 0)
        return;
    for (unsigned i = 0; i < load.clients; i++)
        if (watched[i].revents != 0)
            receive(&load.client[i]);
}

static bool any_waiting(void)
{
    for (unsigned i = 0; i < load.clients; i++)
        if (load.client[i].waiting)
            return true;
    return false;
}

static void run(void)
{
    int64_t end = now_ns() + load.duration_ns, grace = end + 10 * SECOND_NS;

    for (unsigned i = 0; i < load.clients; i++) {
        load.client[i].fd = -1;
        load.client[i].due_ns = now_ns() + next_pause_ns();
    }
    while (now_ns() < end)
        step(true);
    while (any_waiting() && now_ns() < grace)
        step(false);
    for (unsigned i = 0; i < load.clients; i++)
        if (load.client[i].waiting)
            fail(&load.client[i], "no answer at the end");
}

static int compare_samples(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static double percentile_us(double fraction)
{
    return load.sample_count > 0 ? load.samples[(size_t)(fraction * (double)(load.sample_count - 1))] / 10.0 : 0;
}

__attribute__((noreturn)) static void usage(void)
{
    fputs("usage: spread_load [-k] [-c clients] [-s slow requests at a time] [-p pause ms] [-d seconds] "
          "[-u slow path] [-b its body] socket\n",
          stderr);
    exit(2);
}

static void parse_options(int argc, char **argv)
{
    struct exchange exchange = { .host = "bench.example.org",
                                 .uri = "/",
                                 .script_filename = "/var/www/html/index.php",
                                 .expected_body = "Hello, world\n",
                                 .expected_status = 200 };
    int option;

    load.fast_exchange = load.slow_exchange = exchange;
    load.slow_exchange.uri = "/slow";
    while ((option = getopt(argc, argv, "kc:s:p:d:u:b:")) != -1)
        switch (option) {
        case 'k': load.keep = true; break;
        case 'c': load.clients = (unsigned)atoi(optarg); break;
        case 's': load.slow = (unsigned)atoi(optarg); break;
        case 'p': load.pause_ns = (int64_t)(atof(optarg) * 1e6); break;
        case 'd': load.duration_ns = (int64_t)(atof(optarg) * 1e9); break;
        case 'u': load.slow_exchange.uri = optarg; break;
        case 'b': load.slow_exchange.expected_body = optarg; break;
        default: usage();
        }
    if (optind + 1 != argc || load.clients < 1 || load.clients > CLIENTS_MAX || load.duration_ns <= 0 ||
        strlen(argv[optind]) >= sizeof load.address.sun_path)
        usage();
    load.address.sun_family = AF_UNIX;
    strcpy(load.address.sun_path, argv[optind]);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    load.fast_request = exchange_request(&load.fast_exchange, load.keep);
    load.slow_request = exchange_request(&load.slow_exchange, load.keep);
    run();
    if (load.sample_count > 0)
        qsort(load.samples, load.sample_count, sizeof *load.samples, compare_samples);
    printf("requests=%zu rate=%.1f p50_us=%.1f p90_us=%.1f p99_us=%.1f max_us=%.1f slow=%" PRIu64 " reconnects=%" PRIu64
           " errors=%" PRIu64 "\n",
           load.sample_count, (double)load.sample_count * 1e9 / (double)load.duration_ns, percentile_us(0.5),
           percentile_us(0.9), percentile_us(0.99), percentile_us(1), load.slow_answered, load.reconnects, load.errors);
    free(load.samples);
    free(load.fast_request.data);
    free(load.slow_request.data);
    return load.errors > 0;
}
