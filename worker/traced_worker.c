#include "traced_worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "strbuf.h"
#include "write_trace.h"
#include "xalloc.h"

/* It was sent before this worker was forked. */
static int take_report_descriptor(int channel)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    if (channel_receive(channel, &message, descriptors) != 1 || message.type != MESSAGE_TRACE_WRITES)
        fatalx("a worker was forked for a trace without the order to trace");
    return descriptors[0];
}

static int write_whole(int fd, const struct strbuf *text)
{
    for (size_t at = 0; at < text->length;) {
        ssize_t written = pwrite(fd, text->data + at, text->length - at, (off_t)at);

        if (written == -1 && errno != EINTR)
            return -1;
        if (written > 0)
            at += (size_t)written;
    }
    return 0;
}

static void report(const struct server_options *options, int fd)
{
    struct message message = { .type = MESSAGE_REPORTED };
    struct strbuf text = { 0 };

    strbuf_printf(&text, "requests\t%llu\n", (unsigned long long)atomic_load(&options->slot->accepted));
    write_trace_finish(&text);
    if (write_whole(fd, &text) == -1)
        message.reported.error = errno;
    else
        message.reported.bytes = text.length;
    if (channel_send(options->channel, &message, NULL, 0) == -1 && errno != EPIPE && errno != ECONNRESET)
        log_warn("the report of a trace can't be sent");
    strbuf_free(&text);
}

int64_t traced_worker_run(const struct server_options *options)
{
    const struct app_set *apps = options->apps;
    int fd = take_report_descriptor(options->channel);
    mrb_state **interpreters = xcalloc(apps->vm_count, sizeof *interpreters);

    for (size_t i = 0; i < apps->vm_count; i++)
        interpreters[i] = apps->vms[i]->mrb;
    if (write_trace_start(interpreters, apps->vm_count) == -1)
        fatal("the writes of a worker can't be traced");
    int64_t deadline_ns = server_run(options);
    report(options, fd);
    close(fd);
    free(interpreters);
    return deadline_ns;
}
