#include "trace_command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "command_line.h"
#include "control_client.h"
#include "trace_report.h"

#define REQUESTS_DEFAULT 100
#define REQUESTS_MAX 1000000000

static volatile sig_atomic_t connection;

/* The supervisor takes it as the wish to end the trace now. */
static void on_interrupt(int number)
{
    (void)number;
    int saved_errno = errno;
    shutdown(connection, SHUT_WR);
    errno = saved_errno;
}

static unsigned long parse_requests(const char *text)
{
    char *end;
    if (!text)
        return REQUESTS_DEFAULT;
    errno = 0;
    unsigned long requests = strtoul(text, &end, 10);
    bool is_number = *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
    return is_number && requests <= REQUESTS_MAX ? requests : 0;
}

static int ask(const char *control_socket, const char *pool, unsigned long requests, struct strbuf *text)
{
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
    struct strbuf line = { 0 };
    sigset_t interrupt, before;
    /* From the moment on that the trace may have begun, an interrupt means its end. */
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    strbuf_printf(&line, "trace-writes %s %lu", pool, requests);
    int fd = control_client_ask(control_socket, line.data, text);
    strbuf_free(&line);
    if (fd >= 0) {
        connection = fd;
        sigaction(SIGINT, &action, NULL);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (fd < 0)
        return 1;
    int result = control_client_answer(fd, text);
    signal(SIGINT, SIG_DFL);
    return result;
}

int trace_command(const char *control_socket, const char *pool, const char *requests, bool json)
{
    struct trace_report_subject subject = { .pool = pool, .requests = parse_requests(requests) };
    struct strbuf answer = { 0 }, out = { 0 };
    if (subject.requests == 0) {
        fprintf(stderr, "cowherd trace-writes: --requests takes a number from 1 to %d\n", REQUESTS_MAX);
        return EXIT_USAGE;
    }
    if (strpbrk(pool, " \n")) {
        fprintf(stderr, "cowherd trace-writes: there is no pool of this name\n");
        return 1;
    }
    int result = ask(control_socket, pool, subject.requests, &answer);
    if (result != 0) {
        fputs(answer.data ? answer.data : "", stderr);
    } else if (!trace_report_print(answer.data, &subject, json, &out)) {
        fprintf(stderr, "cowherd trace-writes: the report can't be understood\n");
        result = 1;
    } else {
        fputs(out.data, stdout);
    }
    strbuf_free(&answer);
    strbuf_free(&out);
    return result;
}
