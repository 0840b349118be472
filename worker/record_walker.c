#include "record_walker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"

#define RECEIVE_SIZE 65536

static uint8_t receive_buffer[RECEIVE_SIZE];

void walker_start(struct record_walker *walker, int fd, const uint8_t *bytes, size_t length)
{
    *walker = (struct record_walker){ .fd = fd, .next = bytes, .end = bytes + length };
}

bool walker_at_end(const struct record_walker *walker)
{
    return walker->phase == WALKER_ENDED;
}

static int fail(struct record_walker *walker, int error)
{
    walker->error = error;
    errno = error;
    return -1;
}

static bool wait_readable(const struct record_walker *walker)
{
    struct pollfd poll_fd = { .fd = walker->fd, .events = POLLIN };
    int ready;

    do
        ready = poll(&poll_fd, 1, clock_poll_timeout_ms(walker->deadline_ns, clock_monotonic_ns()));
    while (ready == -1 && errno == EINTR && !(walker->give_up != NULL && walker->give_up()));
    return ready == 1;
}

/* Who is late is the client, not an app that reads slowly: the deadline counts only when nothing is there. */
static int receive(struct record_walker *walker)
{
    for (;;) {
        ssize_t count = recv(walker->fd, receive_buffer, sizeof receive_buffer, 0);
        if (count > 0) {
            walker->next = receive_buffer;
            walker->end = receive_buffer + count;
            walker->received = true;
            return 0;
        }
        if (count == 0 || (errno != EAGAIN && errno != EINTR))
            return fail(walker, ECONNRESET);
        if (errno == EAGAIN && !wait_readable(walker))
            return fail(walker, ETIMEDOUT);
    }
}

/* The gate has looked at the head. The parameters are taken from there (params.h): libfcgi gets an empty list. */
static void enter_head_record(struct record_walker *walker, const struct fcgi_record_header *header)
{
    bool is_last = header->type == FCGI_RECORD_PARAMS && header->content_length == 0;

    walker->pass = header->type == FCGI_RECORD_BEGIN_REQUEST || is_last;
    if (is_last)
        walker->next_phase = walker->has_body ? WALKER_BODY : WALKER_ENDED;
}

static int enter_body_record(struct record_walker *walker, const struct fcgi_record_header *header)
{
    if (header->version != 1)
        return fail(walker, EPROTO);
    if (header->request_id == walker->request_id) {
        if (header->type == FCGI_RECORD_STDIN) {
            walker->pass = true;
            if (header->content_length == 0)
                walker->next_phase = WALKER_ENDED;
            return 0;
        }
        if (header->type == FCGI_RECORD_ABORT_REQUEST) {
            walker->next_phase = WALKER_ENDED;
            walker->aborted = true;
            return fail(walker, ECONNRESET);
        }
    } else if (header->request_id != 0 && header->type == FCGI_RECORD_BEGIN_REQUEST) {
        walker->refused_id = header->request_id;
        walker->refuse(header->request_id, walker->refuse_data);
        return 0;
    } else if (header->request_id != 0 && header->request_id == walker->refused_id) {
        return 0;
    }
    return fail(walker, EPROTO);
}

/* The header is complete: what becomes of its record? */
static int enter_record(struct record_walker *walker)
{
    struct fcgi_record_header header = fcgi_record_decode(walker->header);
    int result = 0;

    walker->header_length = 0;
    walker->content_left = header.content_length;
    walker->padding_left = header.padding_length;
    walker->next_phase = walker->phase;
    walker->pass = false;
    if (walker->phase == WALKER_HEAD)
        enter_head_record(walker, &header);
    else
        result = enter_body_record(walker, &header);
    if (walker->pass) {
        walker->header[6] = 0; /* the padding stays here */
        walker->header_left = sizeof walker->header;
    }
    return result;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One step over what is in memory, which is at least one byte. Returns how many bytes went to `out`, -1 on an error. */
static ssize_t step(struct record_walker *walker, uint8_t *out, size_t room)
{
    size_t there = (size_t)(walker->end - walker->next);
    size_t count;

    if (walker->content_left > 0) {
        count = smaller(walker->content_left, there);
        if (walker->pass) {
            count = smaller(count, room);
            memcpy(out, walker->next, count);
        }
        walker->next += count;
        walker->content_left -= count;
        return walker->pass ? (ssize_t)count : 0;
    }
    if (walker->padding_left > 0) {
        count = smaller(walker->padding_left, there);
        walker->next += count;
        walker->padding_left -= count;
        return 0;
    }
    count = smaller(sizeof walker->header - walker->header_length, there);
    memcpy(walker->header + walker->header_length, walker->next, count);
    walker->next += count;
    walker->header_length += count;
    return walker->header_length == sizeof walker->header ? enter_record(walker) : 0;
}

static size_t hand_out_header(struct record_walker *walker, uint8_t *out, size_t room)
{
    size_t count = smaller(walker->header_left, room);

    memcpy(out, walker->header + sizeof walker->header - walker->header_left, count);
    walker->header_left -= count;
    return count;
}

ssize_t walker_read(struct record_walker *walker, uint8_t *out, size_t length)
{
    size_t done = 0;

    if (walker->error != 0) {
        errno = walker->error;
        return -1;
    }
    while (done < length) {
        if (walker->header_left > 0) {
            done += hand_out_header(walker, out + done, length - done);
            continue;
        }
        if (walker->header_length == 0 && walker->content_left == 0 && walker->padding_left == 0) {
            walker->phase = walker->next_phase;
            if (walker->phase == WALKER_ENDED)
                break;
        }
        if (walker->next == walker->end) {
            if (done > 0)
                break;
            if (receive(walker) == -1)
                return -1;
        }

        ssize_t count = step(walker, out + done, length - done);
        if (count < 0)
            return done > 0 ? (ssize_t)done : -1;
        done += (size_t)count;
    }
    return (ssize_t)done;
}
