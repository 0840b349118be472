#include "request_exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi_record.h"
#include "xalloc.h"

#define REQUEST_ID 1
#define CHUNK_SIZE 65536

struct connection {
    const struct request_exchange *exchange;
    int fd;
    struct strbuf to_send;
    size_t body_sent; /* put into to_send so far */
    bool all_sent;    /* or the responder takes no more */
    bool closed;      /* by the responder */
    struct strbuf received;
    bool complete;
    char *error;
    size_t error_size;
};

static int fail(struct connection *connection, const char *problem)
{
    snprintf(connection->error, connection->error_size, "%s: %s", connection->exchange->address, problem);
    return -1;
}

static const char *connect_problem(void)
{
    bool timed_out = errno == EAGAIN || errno == EINPROGRESS || errno == ETIMEDOUT;

    return timed_out ? "no connection before the time-out" : strerror(errno);
}

/* A connected socket, or -1 with errno. The time-out of the connect is that of sending (socket(7)). */
static int connect_to(int family, const struct sockaddr *address, socklen_t length, int64_t timeout_ns)
{
    struct timeval timeout = {
        .tv_sec = (time_t)(timeout_ns / CLOCK_NS_PER_S),
        .tv_usec = (suseconds_t)(timeout_ns % CLOCK_NS_PER_S / 1000),
    };
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == -1 || connect(fd, address, length) == -1 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int connect_unix(struct connection *connection)
{
    const char *path = connection->exchange->address;
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof address.sun_path)
        return fail(connection, "the path is too long for a socket");
    strcpy(address.sun_path, path);
    connection->fd = connect_to(AF_UNIX, (struct sockaddr *)&address, sizeof address, connection->exchange->timeout_ns);
    return connection->fd != -1 ? 0 : fail(connection, connect_problem());
}

static int connect_tcp(struct connection *connection, const char *colon)
{
    const char *start = connection->exchange->address, *end = colon;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;

    if (end - start >= 2 && start[0] == '[' && end[-1] == ']') {
        start++;
        end--;
    }

    char *host = xstrndup(start, (size_t)(end - start));
    int result = getaddrinfo(host, colon + 1, &hints, &found);

    free(host);
    if (result != 0)
        return fail(connection, gai_strerror(result));
    for (const struct addrinfo *at = found; at != NULL && connection->fd == -1; at = at->ai_next)
        connection->fd = connect_to(at->ai_family, at->ai_addr, at->ai_addrlen, connection->exchange->timeout_ns);

    int error = errno;

    freeaddrinfo(found);
    errno = error;
    return connection->fd != -1 ? 0 : fail(connection, connect_problem());
}

/* Only as much of the body is encoded at a time as a write takes: a big one is in memory once. */
static void fill(struct connection *connection)
{
    const struct request_exchange *exchange = connection->exchange;
    size_t left = exchange->body_length - connection->body_sent;
    size_t length = left < FCGI_RECORD_CONTENT_MAX ? left : FCGI_RECORD_CONTENT_MAX;

    /* The empty record ends the body. */
    fcgi_record_append(&connection->to_send, FCGI_RECORD_STDIN, REQUEST_ID,
                       length > 0 ? exchange->body + connection->body_sent : "", length);
    connection->body_sent += length;
    if (length == 0)
        connection->all_sent = true;
}

/* 0, or -1: failed. What a responder that takes no more has to say is still read. */
static int send_some(struct connection *connection)
{
    struct strbuf *buffer = &connection->to_send;

    if (buffer->length == 0 && !connection->all_sent)
        fill(connection);

    ssize_t sent = send(connection->fd, buffer->data, buffer->length, MSG_NOSIGNAL);

    if (sent >= 0) {
        strbuf_consume(buffer, (size_t)sent);
    } else if (errno == EPIPE || errno == ECONNRESET) {
        strbuf_consume(buffer, buffer->length);
        connection->all_sent = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        return fail(connection, strerror(errno));
    }
    return 0;
}

static int receive_some(struct connection *connection)
{
    static char chunk[CHUNK_SIZE];
    ssize_t count = recv(connection->fd, chunk, sizeof chunk, 0);

    if (count > 0) {
        strbuf_append(&connection->received, chunk, (size_t)count);
    } else if (count == 0 || errno == ECONNRESET) {
        connection->closed = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        return fail(connection, strerror(errno));
    }
    return 0;
}

static int end_request(struct connection *connection, const uint8_t *content, size_t length)
{
    static const char *const refusals[] = {
        [FCGI_STATUS_CANT_MULTIPLEX] = "the responder refused: it can't multiplex",
        [FCGI_STATUS_OVERLOADED] = "the responder refused: it is overloaded",
        [FCGI_STATUS_UNKNOWN_ROLE] = "the responder refused: it does not know the role",
    };

    if (length < 5)
        return fail(connection, "the answer is not FastCGI (a short END_REQUEST)");
    if (content[4] == FCGI_STATUS_REQUEST_COMPLETE) {
        connection->complete = true;
        return 0;
    }
    if (content[4] < sizeof refusals / sizeof refusals[0])
        return fail(connection, refusals[content[4]]);
    return fail(connection, "the responder refused with an unknown protocol status");
}

static int take_record(struct connection *connection, const struct fcgi_record_header *header, const uint8_t *content)
{
    if (header->request_id == 0)
        return 0; /* a management record */
    if (header->request_id != REQUEST_ID)
        return fail(connection, "the answer has a record of another request");
    switch (header->type) {
    case FCGI_RECORD_STDOUT:
        if (fwrite(content, 1, header->content_length, connection->exchange->out) != header->content_length)
            return fail(connection, "the answer can't be written");
        return 0;
    case FCGI_RECORD_STDERR: fwrite(content, 1, header->content_length, connection->exchange->errors); return 0;
    case FCGI_RECORD_END_REQUEST: return end_request(connection, content, header->content_length);
    default: return fail(connection, "the answer has a record of a type that no responder sends");
    }
}

static int take_records(struct connection *connection)
{
    struct strbuf *received = &connection->received;
    size_t at = 0;
    int result = 0;

    while (result == 0 && !connection->complete && received->length - at >= FCGI_RECORD_HEADER_SIZE) {
        const uint8_t *bytes = (const uint8_t *)received->data + at;
        struct fcgi_record_header header = fcgi_record_decode(bytes);
        size_t size = (size_t)FCGI_RECORD_HEADER_SIZE + header.content_length + header.padding_length;

        if (header.version != 1) {
            result = fail(connection, "the answer is not FastCGI");
        } else {
            if (received->length - at < size)
                break;
            result = take_record(connection, &header, bytes + FCGI_RECORD_HEADER_SIZE);
            at += size;
        }
    }
    strbuf_consume(received, at);
    return result;
}

static int talk(struct connection *connection)
{
    while (!connection->complete) {
        bool sends = !connection->all_sent || connection->to_send.length > 0;
        struct pollfd wait = { .fd = connection->fd, .events = (short)(POLLIN | (sends ? POLLOUT : 0)) };
        int64_t now_ns = clock_monotonic_ns();
        int ready = poll(&wait, 1, clock_poll_timeout_ms(now_ns + connection->exchange->timeout_ns, now_ns));

        if (ready == 0)
            return fail(connection, "no progress before the time-out");
        if (ready == -1) {
            if (errno == EINTR)
                continue;
            return fail(connection, strerror(errno));
        }
        if (sends && (wait.revents & (POLLOUT | POLLERR | POLLHUP)) != 0 && send_some(connection) == -1)
            return -1;
        if ((wait.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && receive_some(connection) == -1)
            return -1;
        if (take_records(connection) == -1)
            return -1;
        if (connection->closed && !connection->complete)
            return fail(connection, "the connection was closed before the end of the answer");
    }
    return 0;
}

int request_exchange(const struct request_exchange *exchange, char *error, size_t size)
{
    struct connection connection = { .exchange = exchange, .fd = -1, .error = error, .error_size = size };
    const char *colon = strchr(exchange->address, '/') == NULL ? strrchr(exchange->address, ':') : NULL;
    int result = colon != NULL ? connect_tcp(&connection, colon) : connect_unix(&connection);

    if (result == 0) {
        struct strbuf *head = &connection.to_send;

        fcgi_record_append_begin(head, REQUEST_ID, exchange->authorizer ? FCGI_ROLE_AUTHORIZER : FCGI_ROLE_RESPONDER,
                                 exchange->keep_connection);
        fcgi_record_append(head, FCGI_RECORD_PARAMS, REQUEST_ID, exchange->params->data, exchange->params->length);
        if (exchange->params->length > 0)
            fcgi_record_append(head, FCGI_RECORD_PARAMS, REQUEST_ID, "", 0);
        result = talk(&connection);
    }
    if (connection.fd != -1)
        close(connection.fd);
    strbuf_free(&connection.to_send);
    strbuf_free(&connection.received);
    if (fflush(exchange->out) != 0 && result == 0)
        result = fail(&connection, "the answer can't be written");
    return result;
}
