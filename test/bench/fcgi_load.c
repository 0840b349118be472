/*
 * A FastCGI load generator: one thread, epoll, a fixed number of clients that each send one request after another and
 * check every answer byte by byte. Beside them it can hold idle kept connections (each has had one answer) and half
 * sent heads (opened again whenever the server gives up on them), so that their number stays what was asked for.
 *
 * Prints one line of name=value pairs. Exit status 0 when every answer was right, 1 when one was not, 2 for usage.
 */
#include "exchange.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define ANSWER_SIZE (64 * 1024)
#define RETRY_NS (SECOND_NS / 1000)
#define COMPLAINTS_MAX 5

enum role {
    CLIENT, /* measured: asks again as soon as it has its answer */
    IDLE,   /* asks once with keep-conn, then keeps the connection and stays silent */
    HALF,   /* sends the first half of a head and stays silent */
};

enum state { CLOSED, SENDING, WAITING, HELD };

struct connection {
    enum role role;
    enum state state;
    int fd;
    bool used;     /* has carried an answer: the server may have closed it just now */
    bool answered; /* only the end of the connection is missing */
    int64_t started_ns;
    int64_t retry_ns; /* CLOSED: not before */
    size_t sent;
    uint8_t *answer;
    size_t answer_length;
};

struct options {
    const char *address;
    struct exchange exchange;
    bool keep;
    bool to_the_end; /* without keep-conn: an answer is over when the server has closed the connection */
    unsigned clients;
    unsigned idle;
    unsigned half;
    uint64_t count;
    int64_t duration_ns;
    int64_t warm_up_ns;
    int64_t timeout_ns;
};

struct load {
    struct options options;
    struct sockaddr_storage address;
    socklen_t address_length;
    int epoll;
    struct bytes request;      /* of a client */
    struct bytes idle_request; /* the same with keep-conn */
    size_t half_length;        /* so much of `request` a half-sent head has */
    struct connection *connections;
    size_t connection_count;
    size_t closed; /* connections in state CLOSED */
    size_t idle_held;
    size_t half_held;
    bool measuring;
    bool stopping;
    uint64_t started;
    uint64_t completed;
    uint64_t errors;
    uint64_t reconnects; /* a kept connection that the server had closed between requests */
    uint64_t connect_retries;
    uint64_t idle_reopened;
    uint64_t half_reopened;
    uint32_t *samples; /* latencies in units of 100 ns */
    size_t sample_count;
    size_t sample_room;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void complain(struct load *load, const char *what)
{
    if (load->errors++ < COMPLAINTS_MAX) {
        fprintf(stderr, "fcgi_load: %s\n", what);
    }
}

static void set_state(struct load *load, struct connection *connection, enum state state)
{
    size_t *held = connection->role == IDLE ? &load->idle_held : &load->half_held;
    load->closed -= connection->state == CLOSED;
    *held -= connection->state == HELD;
    connection->state = state;
    load->closed += connection->state == CLOSED;
    *held += connection->state == HELD;
}

static void connection_close(struct load *load, struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
    connection->answer_length = 0;
    connection->used = false;
    connection->answered = false;
    connection->retry_ns = 0;
    set_state(load, connection, CLOSED);
}

static void connection_fail(struct load *load, struct connection *connection, const char *why)
{
    complain(load, why);
    connection_close(load, connection);
    connection->retry_ns = now_ns() + RETRY_NS;
}

static void watch(struct load *load, struct connection *connection, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = connection };
    if (epoll_ctl(load->epoll, operation, connection->fd, &event) < 0) {
        die("epoll_ctl: %s", strerror(errno));
    }
}

static void connection_send(struct load *load, struct connection *connection, int watch_operation)
{
    const struct bytes *request = connection->role == IDLE ? &load->idle_request : &load->request;
    size_t length = connection->role == HALF ? load->half_length : request->length;
    ssize_t sent = send(connection->fd, request->data + connection->sent, length - connection->sent, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        if (connection->used) {
            load->reconnects++;
            connection_close(load, connection);
        } else {
            connection_fail(load, connection, strerror(errno));
        }
        return;
    }
    connection->sent += sent > 0 ? (size_t)sent : 0;
    if (connection->sent < length) {
        watch(load, connection, watch_operation != 0 ? watch_operation : EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        set_state(load, connection, SENDING);
        return;
    }
    bool was_sending = watch_operation == 0 && connection->state == SENDING;
    if (watch_operation != 0 || was_sending) {
        watch(load, connection, was_sending ? EPOLL_CTL_MOD : watch_operation, EPOLLIN);
    }
    set_state(load, connection, connection->role == HALF ? HELD : WAITING);
}

static bool may_start(const struct load *load, const struct connection *connection)
{
    if (load->stopping) {
        return false;
    }
    return connection->role != CLIENT || load->options.count == 0 || load->started < load->options.count;
}

static void connection_open(struct load *load, struct connection *connection, int64_t now)
{
    connection->fd = socket(load->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        die("socket: %s", strerror(errno));
    }
    connection->started_ns = now;
    connection->sent = 0;
    if (connect(connection->fd, (const struct sockaddr *)&load->address, load->address_length) < 0 &&
        errno != EINPROGRESS) {
        if (errno == EAGAIN) { /* the listen queue of a unix socket is full */
            load->connect_retries++;
            connection_close(load, connection);
            connection->retry_ns = now + RETRY_NS;
        } else {
            connection_fail(load, connection, strerror(errno));
        }
        return;
    }
    load->started += connection->role == CLIENT;
    connection_send(load, connection, EPOLL_CTL_ADD);
}

static void add_sample(struct load *load, int64_t latency_ns)
{
    if (load->sample_count == load->sample_room) {
        load->sample_room = load->sample_room == 0 ? 1 << 20 : load->sample_room * 2;
        load->samples = allocate(load->samples, load->sample_room * sizeof *load->samples);
    }
    load->samples[load->sample_count++] = (uint32_t)(latency_ns / 100);
}

static void answer_arrived(struct load *load, struct connection *connection, const char *wrong)
{
    int64_t now = now_ns();
    if (wrong != NULL) {
        connection_fail(load, connection, wrong);
        return;
    }
    if (connection->role == IDLE) {
        set_state(load, connection, HELD);
        return;
    }
    if (load->measuring) {
        load->completed++;
        add_sample(load, now - connection->started_ns);
    }
    if (!load->options.keep || !may_start(load, connection)) {
        connection_close(load, connection);
        if (may_start(load, connection)) {
            connection_open(load, connection, now_ns());
        }
        return;
    }
    connection->used = true;
    connection->answer_length = 0;
    connection->sent = 0;
    connection->started_ns = now;
    load->started++;
    connection_send(load, connection, 0);
}

static void connection_ended(struct load *load, struct connection *connection)
{
    if (connection->state == HELD) {
        load->idle_reopened += connection->role == IDLE;
        load->half_reopened += connection->role == HALF;
        connection_close(load, connection);
        if (may_start(load, connection)) {
            connection_open(load, connection, now_ns());
        }
    } else if (connection->used && connection->answer_length == 0) {
        load->reconnects++;
        load->started--;
        connection_close(load, connection);
    } else {
        connection_fail(load, connection, "the connection ended before the answer");
    }
}

static void connection_readable(struct load *load, struct connection *connection)
{
    size_t room = ANSWER_SIZE - connection->answer_length;
    ssize_t got = recv(connection->fd, connection->answer + connection->answer_length, room, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got == 0 && connection->answered) {
        answer_arrived(load, connection, NULL);
        return;
    }
    if (got <= 0) {
        connection_ended(load, connection);
        return;
    }
    if (connection->answered) {
        connection_fail(load, connection, "more after the end of an answer");
        return;
    }
    if (connection->state != WAITING) {
        connection_fail(load, connection, "an answer that nobody asked for");
        return;
    }
    connection->answer_length += (size_t)got;
    const char *wrong;
    if (exchange_answered(&load->options.exchange, connection->answer, connection->answer_length, &wrong)) {
        connection->answered = load->options.to_the_end && connection->role == CLIENT && wrong == NULL;
        if (!connection->answered) {
            answer_arrived(load, connection, wrong);
        }
    } else if (connection->answer_length == ANSWER_SIZE) {
        connection_fail(load, connection, "an answer that is too long");
    }
}

/* Opens what is closed; true when something is to be tried again soon. */
static bool open_closed(struct load *load, enum role first, enum role last)
{
    int64_t now = now_ns();
    bool again = false;
    for (size_t i = 0; i < load->connection_count && load->closed > 0; i++) {
        struct connection *connection = &load->connections[i];
        if (connection->state != CLOSED || connection->role < first || connection->role > last ||
            !may_start(load, connection)) {
            continue;
        }
        if (connection->retry_ns <= now) {
            connection_open(load, connection, now);
        }
        again |= connection->state == CLOSED;
    }
    return again;
}

static void expire(struct load *load, int64_t now)
{
    for (size_t i = 0; i < load->connection_count; i++) {
        struct connection *connection = &load->connections[i];
        if ((connection->state == WAITING || connection->state == SENDING) &&
            now - connection->started_ns > load->options.timeout_ns) {
            connection_fail(load, connection, "no answer in time");
        }
    }
}

/* Serves events once, waiting no longer than `wait_ms`. */
static void step(struct load *load, int wait_ms)
{
    struct epoll_event events[64];
    int count = epoll_wait(load->epoll, events, 64, wait_ms);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection->state == SENDING && (events[i].events & EPOLLOUT) != 0) {
            connection_send(load, connection, 0);
        } else if (connection->state != CLOSED) {
            connection_readable(load, connection);
        }
    }
}

static size_t busy(const struct load *load)
{
    return load->connection_count - load->closed - load->idle_held - load->half_held;
}

/* Brings all idle and half-sent connections up before anything is measured. */
static void hold(struct load *load)
{
    int64_t deadline = now_ns() + load->options.timeout_ns;
    while (load->idle_held < load->options.idle || load->half_held < load->options.half) {
        open_closed(load, IDLE, HALF);
        step(load, 1);
        if (now_ns() > deadline) {
            die("only %zu of %u idle and %zu of %u half-sent connections could be held", load->idle_held,
                load->options.idle, load->half_held, load->options.half);
        }
    }
}

/* Runs until `deadline` or until the count is reached. */
static void run_until(struct load *load, int64_t deadline)
{
    int64_t next_expiry = now_ns() + SECOND_NS / 4;
    for (;;) {
        bool again = load->closed > 0 && open_closed(load, CLIENT, HALF);
        step(load, again ? 1 : 50);
        int64_t now = now_ns();
        if (now >= deadline || (load->options.count > 0 && load->completed + load->errors >= load->options.count)) {
            return;
        }
        if (now >= next_expiry) {
            expire(load, now);
            next_expiry = now + SECOND_NS / 4;
        }
    }
}

static int compare_samples(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static double percentile_us(const struct load *load, double fraction)
{
    if (load->sample_count == 0) {
        return 0;
    }
    return load->samples[(size_t)(fraction * (double)(load->sample_count - 1))] / 10.0;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void measure(struct load *load)
{
    hold(load);
    if (load->options.warm_up_ns > 0) {
        uint64_t count = load->options.count;
        load->options.count = 0;
        run_until(load, now_ns() + load->options.warm_up_ns);
        load->options.count = count;
        load->started = busy(load);
    }
    size_t idle_held = load->idle_held;
    size_t half_held = load->half_held;
    int64_t begin = now_ns();
    double cpu = cpu_seconds();
    load->measuring = true;
    run_until(load, load->options.duration_ns > 0 ? begin + load->options.duration_ns : INT64_MAX);
    load->measuring = false;
    double seconds = (double)(now_ns() - begin) / 1e9;
    cpu = cpu_seconds() - cpu;
    load->stopping = true;
    for (int64_t grace = now_ns() + load->options.timeout_ns; busy(load) > 0 && now_ns() < grace;) {
        step(load, 10);
    }
    for (size_t unanswered = busy(load); unanswered > 0; unanswered--) {
        complain(load, "no answer at the end");
    }
    if (load->sample_count > 0) {
        qsort(load->samples, load->sample_count, sizeof *load->samples, compare_samples);
    }
    printf("requests=%" PRIu64 " seconds=%.3f rate=%.1f p50_us=%.1f p99_us=%.1f max_us=%.1f errors=%" PRIu64
           " reconnects=%" PRIu64 " connect_retries=%" PRIu64 " idle=%zu idle_reopened=%" PRIu64 " half=%zu"
           " half_reopened=%" PRIu64 " generator_cpu=%.2f\n",
           load->completed, seconds, (double)load->completed / seconds, percentile_us(load, 0.5),
           percentile_us(load, 0.99), percentile_us(load, 1), load->errors, load->reconnects, load->connect_retries,
           idle_held, load->idle_reopened, half_held, load->half_reopened, cpu / seconds);
}

static void resolve(struct load *load)
{
    const char *address = load->options.address;
    const char *colon = strrchr(address, ':');
    if (address[0] == '/' || colon == NULL) {
        struct sockaddr_un *name = (struct sockaddr_un *)&load->address;
        if (strlen(address) >= sizeof name->sun_path) {
            die("%s: the path is too long for a socket", address);
        }
        name->sun_family = AF_UNIX;
        strcpy(name->sun_path, address);
        load->address_length = sizeof *name;
        return;
    }
    char *host = strndup(address, (size_t)(colon - address));
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found;
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0) {
        die("%s: %s", address, gai_strerror(error));
    }
    memcpy(&load->address, found->ai_addr, found->ai_addrlen);
    load->address_length = found->ai_addrlen;
    freeaddrinfo(found);
    free(host);
}

static void set_up(struct load *load)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    resolve(load);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->request = exchange_request(&load->options.exchange, load->options.keep);
    load->idle_request = exchange_request(&load->options.exchange, true);
    load->half_length = load->request.length / 2;
    const unsigned counts[] = {
        [CLIENT] = load->options.clients, [IDLE] = load->options.idle, [HALF] = load->options.half
    };
    load->connection_count = counts[CLIENT] + counts[IDLE] + counts[HALF];
    load->closed = load->connection_count;
    load->connections = allocate(NULL, load->connection_count * sizeof *load->connections);
    size_t next = 0;
    for (enum role role = CLIENT; role <= HALF; role++) {
        for (unsigned i = 0; i < counts[role]; i++) {
            uint8_t *answer = role == HALF ? NULL : allocate(NULL, ANSWER_SIZE);
            load->connections[next++] = (struct connection){ .role = role, .fd = -1, .answer = answer };
        }
    }
}

static void tear_down(struct load *load)
{
    for (size_t i = 0; i < load->connection_count; i++) {
        if (load->connections[i].fd >= 0) {
            close(load->connections[i].fd);
        }
        free(load->connections[i].answer);
    }
    free(load->connections);
    free(load->samples);
    free(load->request.data);
    free(load->idle_request.data);
    close(load->epoll);
}

__attribute__((noreturn)) static void usage(void)
{
    fputs("usage: fcgi_load [-k | -e] [-c clients] [-d seconds | -n requests] [-w warm-up seconds] [-t time-out "
          "seconds]\n"
          "                 [-i idle kept connections] [-p half-sent heads] [-H host] [-u uri] [-f script filename]\n"
          "                 [-S expected status] [-b expected body] path|host:port\n",
          stderr);
    exit(2);
}

static double number(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= 1e9)) {
        die("%s: not a number that can be used", text);
    }
    return value;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {
        .exchange = { .host = "bench.example.org",
                      .uri = "/",
                      .script_filename = "/var/www/html/index.php",
                      .expected_body = "Hello, world\n",
                      .expected_status = 200 },
        .clients = 8,
        .timeout_ns = 10 * SECOND_NS,
    };
    int option;
    while ((option = getopt(argc, argv, "kec:d:n:w:t:i:p:H:u:f:S:b:")) != -1) {
        switch (option) {
        case 'k': options.keep = true; break;
        case 'e': options.to_the_end = true; break;
        case 'c': options.clients = (unsigned)number(optarg); break;
        case 'd': options.duration_ns = (int64_t)(number(optarg) * 1e9); break;
        case 'n': options.count = (uint64_t)number(optarg); break;
        case 'w': options.warm_up_ns = (int64_t)(number(optarg) * 1e9); break;
        case 't': options.timeout_ns = (int64_t)(number(optarg) * 1e9); break;
        case 'i': options.idle = (unsigned)number(optarg); break;
        case 'p': options.half = (unsigned)number(optarg); break;
        case 'H': options.exchange.host = optarg; break;
        case 'u': options.exchange.uri = optarg; break;
        case 'f': options.exchange.script_filename = optarg; break;
        case 'S': options.exchange.expected_status = (unsigned)number(optarg); break;
        case 'b': options.exchange.expected_body = optarg; break;
        default: usage();
        }
    }
    if (optind + 1 != argc || options.clients == 0 || (options.keep && options.to_the_end) ||
        (options.duration_ns > 0) == (options.count > 0)) {
        usage();
    }
    options.address = argv[optind];
    return options;
}

int main(int argc, char **argv)
{
    struct load load = { .options = parse_options(argc, argv) };
    set_up(&load);
    measure(&load);
    tear_down(&load);
    return load.errors == 0 ? 0 : 1;
}
