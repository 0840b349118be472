#include "emergency_answer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "fcgi_record.h"

#define DISCARD_ROUNDS 64

struct writer {
    uint8_t *at;
};

static void put_bytes(struct writer *writer, const void *bytes, size_t length)
{
    memcpy(writer->at, bytes, length);
    writer->at += length;
}

static void put_text(struct writer *writer, const char *text)
{
    put_bytes(writer, text, strlen(text));
}

static void put_number(struct writer *writer, unsigned number)
{
    char digits[12];
    char *at = digits + sizeof digits;

    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    put_bytes(writer, at, (size_t)(digits + sizeof digits - at));
}

static void put_header(uint8_t *at, uint8_t type, uint16_t request_id, size_t content_length)
{
    const uint8_t header[FCGI_RECORD_HEADER_SIZE] = {
        1,
        type,
        (uint8_t)(request_id >> 8),
        (uint8_t)request_id,
        (uint8_t)(content_length >> 8),
        (uint8_t)content_length,
    };
    memcpy(at, header, sizeof header);
}

static const char *reason_of(int status)
{
    return status == 503 ? "Service Unavailable" : status == 504 ? "Gateway Timeout" : "Internal Server Error";
}

static void put_line(struct writer *writer, int status)
{
    put_number(writer, (unsigned)status);
    put_text(writer, " ");
    put_text(writer, reason_of(status));
}

size_t emergency_answer(uint8_t records[EMERGENCY_ANSWER_SIZE], uint16_t request_id, int status, unsigned retry_after)
{
    static const uint8_t end[8] = { 0, 0, 0, 0, FCGI_STATUS_REQUEST_COMPLETE };
    struct writer writer = { records + FCGI_RECORD_HEADER_SIZE };

    put_text(&writer, "Status: ");
    put_line(&writer, status);
    if (retry_after > 0) {
        put_text(&writer, "\r\nRetry-After: ");
        put_number(&writer, retry_after);
    }
    put_text(&writer, "\r\nContent-Type: text/plain\r\nContent-Length: ");
    put_number(&writer, (unsigned)(4 + strlen(reason_of(status)) + 1));
    put_text(&writer, "\r\n\r\n");
    put_line(&writer, status);
    put_text(&writer, "\n");
    put_header(records, FCGI_RECORD_STDOUT, request_id, (size_t)(writer.at - records) - FCGI_RECORD_HEADER_SIZE);
    put_header(writer.at, FCGI_RECORD_STDOUT, request_id, 0);
    writer.at += FCGI_RECORD_HEADER_SIZE;
    put_header(writer.at, FCGI_RECORD_END_REQUEST, request_id, sizeof end);
    writer.at += FCGI_RECORD_HEADER_SIZE;
    put_bytes(&writer, end, sizeof end);
    return (size_t)(writer.at - records);
}

int emergency_answer_send(int fd, const uint8_t *records, size_t length)
{
    char discarded[4096];
    ssize_t sent = send(fd, records, length, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent >= 0 && (size_t)sent < length)
        errno = EAGAIN;
    int error = sent >= 0 && (size_t)sent == length ? 0 : errno;
    shutdown(fd, SHUT_WR);
    for (int round = 0; round < DISCARD_ROUNDS; round++)
        if (recv(fd, discarded, sizeof discarded, MSG_DONTWAIT) <= 0)
            break;
    errno = error;
    return error == 0 ? 0 : -1;
}
