#include "control_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path, struct strbuf *text)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        strbuf_printf(text, "%s: the path of a socket can't be longer than %zu bytes\n", path,
                      sizeof address.sun_path - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (errno == ENOENT || errno == ECONNREFUSED)
        strbuf_printf(text, "no cowherd is running at %s (start one with cowherd run, or name its socket with -s)\n",
                      path);
    else if (errno == EACCES)
        strbuf_printf(text, "%s: %s (the control socket is for root and for the user that runs cowherd)\n", path,
                      strerror(errno));
    else
        strbuf_printf(text, "%s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static void send_line(int fd, const char *line)
{
    struct strbuf request = { 0 };
    strbuf_printf(&request, "%s\n", line);
    /* What can't be sent gets no answer either. */
    if (send(fd, request.data, request.length, MSG_NOSIGNAL) != (ssize_t)request.length)
        shutdown(fd, SHUT_RDWR);
    strbuf_free(&request);
}

int control_client_ask(const char *socket_path, const char *line, struct strbuf *text)
{
    int fd = connect_to(socket_path, text);
    if (fd < 0)
        return -1;
    send_line(fd, line);
    return fd;
}

int control_client_answer(int fd, struct strbuf *text)
{
    struct strbuf answer = { 0 };
    char bytes[16384];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            strbuf_append(&answer, bytes, (size_t)got);
    close(fd);
    int result = 1;
    if (answer.length >= 3 && memcmp(answer.data, "ok\n", 3) == 0) {
        strbuf_append(text, answer.data + 3, answer.length - 3);
        result = 0;
    } else if (answer.length >= 6 && memcmp(answer.data, "error\n", 6) == 0) {
        strbuf_append(text, answer.data + 6, answer.length - 6);
    } else {
        strbuf_puts(text, "no answer came: it is not cowherd's control socket, or cowherd has ended\n");
    }
    strbuf_free(&answer);
    return result;
}

int control_client_command(const char *socket_path, const char *line, struct strbuf *text)
{
    int fd = control_client_ask(socket_path, line, text);
    return fd < 0 ? 1 : control_client_answer(fd, text);
}
