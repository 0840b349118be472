#include "inquiry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap_map.h"
#include "xalloc.h"

static void ask_memory(struct generation *generation, struct worker *worker, struct ticket *ticket)
{
    ticket_hold(ticket);
    ticket_list_add(worker ? &worker->measures : &generation->mold.measures, ticket);
    generation_ask_memory(generation, worker);
}

/* A mold that loads does not read its channel, and a worker that starts comes to it later. */
void inquiry_memory(struct pool *pool, struct ticket *ticket)
{
    for (struct generation *g = pool->generations; g; g = g->next) {
        if (g->mold.pid > 0 && g->mold.channel.fd >= 0 && g->state == GENERATION_SERVING)
            ask_memory(g, NULL, ticket);
        for (uint32_t i = 0; i < g->worker_slots; i++) {
            struct worker *worker = &g->workers[i];
            if (worker->in_use && worker->channel.fd >= 0 && worker->state == CHILD_SERVING)
                ask_memory(g, worker, ticket);
        }
    }
}

void inquiry_measured(struct ticket_list *measures)
{
    ticket_list_settle(measures, true, "");
}

/* As large as a text can be, and no larger: the worker can't take memory by it. */
static int make_file(void)
{
    int fd = memfd_create("cowherd-heap-map", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (ftruncate(fd, (off_t)HEAP_MAP_TEXT_MAX) < 0 ||
                    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool serves(const struct worker *worker)
{
    return worker->in_use && worker->channel.fd >= 0 && worker->pid > 0 && worker->state == CHILD_SERVING;
}

static struct worker *find_worker(const struct generation *generation, long number)
{
    for (uint32_t i = 0; generation && i < generation->worker_slots; i++)
        if (serves(&generation->workers[i]) && (number < 0 || i == (unsigned long)number))
            return &generation->workers[i];
    return NULL;
}

static void settle_no_worker(const struct pool *pool, long number, struct ticket *ticket)
{
    struct strbuf names = { 0 };
    for (uint32_t i = 0; pool->serving && i < pool->serving->worker_slots; i++)
        if (serves(&pool->serving->workers[i]))
            strbuf_printf(&names, "%s%u", names.length ? ", " : "", i);
    if (names.length == 0)
        ticket_settle(ticket, false, "pool %s has no worker that serves", pool->name);
    else
        ticket_settle(ticket, false, "pool %s has no worker %ld that serves; there are: %s", pool->name, number,
                      names.data);
    strbuf_free(&names);
}

static void stop_mapping(struct worker *worker)
{
    if (worker->map_fd >= 0)
        close(worker->map_fd);
    worker->map_fd = -1;
}

void inquiry_heap(struct pool *pool, long number, struct ticket *ticket)
{
    struct worker *worker = find_worker(pool->serving, number);
    if (!worker) {
        settle_no_worker(pool, number, ticket);
        return;
    }
    if (worker->maps.count == 0) {
        struct message order = { .type = MESSAGE_MAP_HEAP };
        worker->map_fd = make_file();
        if (worker->map_fd < 0 || channel_send(worker->channel.fd, &order, &worker->map_fd, 1) < 0) {
            int error = errno;
            stop_mapping(worker);
            ticket_settle(ticket, false, "worker %u of pool %s can't be asked: %s", worker->index, pool->name,
                          strerror(error));
            return;
        }
    }
    ticket_list_add(&worker->maps, ticket);
}

/* What the worker wrote is checked by who draws it. */
static char *read_map(const struct worker *worker, uint64_t bytes)
{
    if (bytes > HEAP_MAP_TEXT_MAX)
        return NULL;
    char *text = xmalloc(bytes + 1);
    if (pread(worker->map_fd, text, bytes, 0) != (ssize_t)bytes) {
        free(text);
        return NULL;
    }
    text[bytes] = '\0';
    return text;
}

void inquiry_heap_mapped(struct worker *worker, const struct message *message)
{
    char *map = worker->map_fd >= 0 && message->reported.error == 0 ? read_map(worker, message->reported.bytes) : NULL;
    struct strbuf text = { 0 };
    if (map)
        strbuf_printf(&text, "%s %u %ld %u\n%s", worker->generation->pool->name, worker->index, (long)worker->pid,
                      worker->generation->number, map);
    else
        strbuf_printf(&text, "worker %u of pool %s (pid %ld) can't map its heap: %s", worker->index,
                      worker->generation->pool->name, (long)worker->pid,
                      message->reported.error ? strerror(message->reported.error) : "its answer makes no sense");
    stop_mapping(worker);
    ticket_list_settle(&worker->maps, map != NULL, text.data);
    strbuf_free(&text);
    free(map);
}

void inquiry_worker_gone(struct worker *worker)
{
    struct strbuf text = { 0 };
    stop_mapping(worker);
    ticket_list_settle(&worker->measures, true, "");
    strbuf_printf(&text, "worker %u of pool %s (pid %ld) ended before it had answered", worker->index,
                  worker->generation->pool->name, (long)worker->pid);
    ticket_list_settle(&worker->maps, false, text.data);
    strbuf_free(&text);
}
