#include "socket_files.h"

#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "supervisor.h"

/* How often it is looked for one whose folder has gone. */
#define LOST_PERIOD_NS (200 * CLOCK_NS_PER_MS)

/* What has happened is seen from the files. */
static void file_changed(void *data, uint32_t events)
{
    (void)events;
    struct socket_files *files = data;
    char told[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    while (read(files->source.fd, told, sizeof told) > 0)
        continue;
    socket_files_look(files);
}

/* Nothing tells that a folder has come again. */
static bool any_lost(const struct supervisor *supervisor)
{
    bool lost = listeners_lost(&supervisor->listeners) || listeners_lost(&supervisor->status_server.set);
    return lost || (supervisor->control && listeners_lost(control_listeners(supervisor->control)));
}

static void look_again(void *data)
{
    socket_files_look(data);
}

void socket_files_open(struct socket_files *files, struct supervisor *supervisor)
{
    files->supervisor = supervisor;
    files->again = (struct loop_timer){ .expired = look_again, .data = files };
    files->source =
        (struct loop_source){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .ready = file_changed, .data = files };
    if (files->source.fd < 0)
        log_warn("that a socket file was removed is noticed within a second only");
    else if (loop_add(supervisor->loop, &files->source, EPOLLIN) < 0)
        fatal("epoll");
}

void socket_files_look(struct socket_files *files)
{
    struct supervisor *supervisor = files->supervisor;
    if (supervisor->state == SUPERVISOR_STOPPING)
        return;
    /* Under start_server the path may be on its way to a successor (succession.h), or come with the next one. */
    if (supervisor->control && !getenv("SERVER_STARTER_GENERATION"))
        control_look(supervisor->control, files->source.fd);
    status_server_look(&supervisor->status_server, files->source.fd);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        pool_look_at_sockets(supervisor->pools[i], files->source.fd);
    if (any_lost(supervisor))
        loop_timer_set(supervisor->loop, &files->again, clock_monotonic_ns() + LOST_PERIOD_NS);
}

void socket_files_close(struct socket_files *files)
{
    loop_timer_clear(files->supervisor->loop, &files->again);
    if (files->source.fd < 0)
        return;
    loop_remove(files->supervisor->loop, &files->source);
    close(files->source.fd);
}
