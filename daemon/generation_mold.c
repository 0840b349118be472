/* The mold of a generation, from its start to its obituary. */
#include "generation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocator_library.h"
#include "channel.h"
#include "clock.h"
#include "env_dir.h"
#include "generation_mold.h"
#include "inquiry.h"
#include "log.h"
#include "logs.h"
#include "obituary.h"
#include "pool.h"
#include "shortage.h"
#include "spawn_mold.h"
#include "supervisor.h"
#include "workers.h"
#include "xalloc.h"

static void describe_mold(void *data, const char *app, char *source, size_t size)
{
    struct generation *generation = data;
    snprintf(source, size, "%s mold %ld%s%s", generation->pool->name, (long)generation->mold.pid,
             app && *app ? " " : "", app ? app : "");
}

void generation_close_mold_channel(struct generation *generation)
{
    if (generation->mold.channel.fd < 0)
        return;
    loop_remove(generation_loop(generation), &generation->mold.channel);
    close(generation->mold.channel.fd);
    generation->mold.channel.fd = -1;
}

static void mold_message(struct generation *generation, const struct message *message)
{
    switch (message->type) {
    case MESSAGE_LOADING: generation->loading_app = message->loading.app; break;
    case MESSAGE_LOADED:
        if (generation->out_of_time) {
            generation_fail(generation, "loading ended just after that");
            break;
        }
        generation->load_ns = message->loaded.load_ns;
        generation->region_start = message->loaded.region_start;
        generation->region_bytes = message->loaded.region_bytes;
        generation->region_objects = message->loaded.region_objects;
        log_info("%s: generation %u loaded %u apps into %u interpreters in %.3f s", generation->pool->name,
                 generation->number, message->loaded.apps, message->loaded.interpreters,
                 (double)message->loaded.load_ns / (double)CLOCK_NS_PER_S);
        generation_event(generation, GENERATION_LOADED, NULL);
        break;
    case MESSAGE_FAILED:
        generation->mold.leaving = generation->state != GENERATION_SERVING;
        generation_fail(generation, message->text);
        break;
    case MESSAGE_FILE_LOADED: generation_file_loaded(generation, message); break;
    case MESSAGE_FORKED:
        workers_forked(generation, message->forked.slot, message->forked.pid, message->forked.error);
        break;
    case MESSAGE_MEASURED:
        generation->mold.memory = message->measured;
        generation->mold.measured_ns = clock_monotonic_ns();
        inquiry_measured(&generation->mold.measures);
        break;
    default:
        log_warnx("%s: the mold of generation %u sent an unexpected message %s", generation->pool->name,
                  generation->number, message_name(message->type));
        break;
    }
}

void generation_read_mold(struct generation *generation)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    while (generation->mold.channel.fd >= 0) {
        int got = channel_receive(generation->mold.channel.fd, &message, descriptors);
        if (got > 0) {
            mold_message(generation, &message);
        } else if (got < 0 && errno == EBADMSG) {
            log_warnx("%s: the mold of generation %u sent something that is no message", generation->pool->name,
                      generation->number);
        } else {
            if (got == 0 || errno != EAGAIN)
                generation_close_mold_channel(generation);
            return;
        }
    }
}

void generation_send_mold_access_log(struct generation *generation)
{
    struct mold *mold = &generation->mold;
    const struct message message = { .type = MESSAGE_ACCESS_LOG };
    int log = logs_access_descriptor();

    mold->lacks_access_log = false;
    if (log < 0 || mold->channel.fd < 0 || generation->state == GENERATION_DRAINING ||
        generation->state == GENERATION_FAILED || channel_send(mold->channel.fd, &message, &log, 1) == 0)
        return;
    mold->lacks_access_log = errno == EAGAIN;
    if (mold->lacks_access_log)
        loop_modify(generation_loop(generation), &mold->channel, EPOLLIN | EPOLLOUT);
    else
        log_warn("%s: the mold can't be given the access log", generation->pool->name);
}

static void mold_channel_ready(void *data, uint32_t events)
{
    struct generation *generation = data;

    if (events & EPOLLOUT) {
        loop_modify(generation_loop(generation), &generation->mold.channel, EPOLLIN);
        /* Workers that it was told to fork meanwhile are born with the one before. */
        generation_send_access_log(generation);
    }
    generation_read_mold(generation);
}

/* The configuration, the scoreboard and the two ends of the channel and the output, for the mold to inherit. */
static pid_t spawn_with_descriptors(struct generation *generation, const char *library,
                                    const struct env_dir *environment, int *channel_end, int *output_end)
{
    struct config_pool settings = *generation->settings;
    struct strbuf text = { 0 };
    int channel[2] = { -1, -1 }, pipe_ends[2] = { -1, -1 }, config = -1;
    int *listeners = xcalloc(generation->listener_count + 1, sizeof *listeners);
    size_t store_count;
    int *stores = stores_acquire(&generation->pool->stores, generation->settings, &store_count);
    pid_t pid = -1;

    settings.env = environment->env;
    config_print_pool(generation->config, &settings, &text);
    config = spawn_memfd("cowherd-config", text.data, text.length);
    if (!stores || config < 0 || channel_pair(channel) < 0 || pipe2(pipe_ends, O_CLOEXEC) < 0)
        goto done;
    for (size_t i = 0; i < generation->listener_count; i++)
        listeners[i] = generation->listeners[i]->fd;
    struct spawn_mold options = {
        .pool = &settings,
        .environment = environment->outer,
        .library = library,
        .config = config,
        .scoreboard = generation->board_fd,
        .channel = channel[1],
        .output = pipe_ends[1],
        .access_log = logs_access_descriptor(),
        .handback = pool_handback(generation->pool),
        .listeners = listeners,
        .listener_count = generation->listener_count,
        .stores = stores,
        .store_count = store_count,
        .generation = generation->number,
        .descriptor_limit = generation->pool->supervisor->descriptor_limit,
        .tell_files = generation->pool->supervisor->dev != NULL,
    };
    pid = spawn_mold(&options);
done:;
    int error = errno;
    int const unneeded[] = { config, channel[1], pipe_ends[1], pid < 0 ? channel[0] : -1, pid < 0 ? pipe_ends[0] : -1 };
    for (size_t i = 0; i < sizeof unneeded / sizeof *unneeded; i++)
        if (unneeded[i] >= 0)
            close(unneeded[i]);
    free(listeners);
    free(stores);
    strbuf_free(&text);
    *channel_end = channel[0];
    *output_end = pipe_ends[0];
    errno = error;
    return pid;
}

bool generation_start_mold(struct generation *generation, struct strbuf *error)
{
    struct mold *mold = &generation->mold;
    int channel_end, output_end;
    char *library;
    struct env_dir environment;
    if (!allocator_library(generation->settings, &library, error))
        return false;
    if (!env_dir_read(generation->settings->restart.env_dir, environ, &generation->settings->env, &environment,
                      error)) {
        free(library);
        return false;
    }
    pid_t pid = spawn_with_descriptors(generation, library, &environment, &channel_end, &output_end);
    env_dir_free(&environment);
    free(library);
    if (pid < 0) {
        strbuf_printf(error, "can't start cowherd-mold: %s", shortage_text(errno));
        return false;
    }
    mold->pid = pid;
    generation->loading_app = SCOREBOARD_NO_APP;
    mold->started_ns = clock_monotonic_ns();
    mold->channel = (struct loop_source){ .fd = channel_end, .ready = mold_channel_ready, .data = generation };
    if (output_open(&mold->output, generation_loop(generation), output_end, describe_mold, generation) < 0)
        log_warn("%s: the output of the mold can't be read", generation->pool->name);
    if (loop_add(generation_loop(generation), &mold->channel, EPOLLIN) < 0) {
        strbuf_printf(error, "the mold can't be watched: %s", shortage_text(errno));
        kill(pid, SIGKILL);
        mold->pid = 0;
        return false; /* what is open is closed with the generation */
    }
    loop_timer_set(generation_loop(generation), &generation->deadline,
                   mold->started_ns + generation->settings->restart.ready_timeout_ns);
    return true;
}

bool generation_adopt_mold(struct generation *generation, int channel, int output)
{
    struct mold *mold = &generation->mold;
    if (output >= 0 && output_open(&mold->output, generation_loop(generation), output, describe_mold, generation) < 0)
        return false;
    mold->channel = (struct loop_source){ .fd = channel, .ready = mold_channel_ready, .data = generation };
    return channel < 0 || loop_add(generation_loop(generation), &mold->channel,
                                   mold->lacks_access_log ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0;
}

void generation_kill_mold(struct generation *generation, const char *reason)
{
    struct mold *mold = &generation->mold;
    if (mold->pid == 0 || mold->leaving)
        return;
    mold->told_to_go = reason;
    kill(mold->pid, SIGKILL);
}

void generation_mold_reaped(struct generation *generation, int status)
{
    /* What it said last comes before its obituary. Its pid may be somebody else's by now. */
    generation->mold.leaving = true;
    generation_read_mold(generation);
    generation_close_mold_channel(generation);
    inquiry_measured(&generation->mold.measures);
    output_close(&generation->mold.output);
    obituary_mold(generation, status, clock_monotonic_ns());
    pid_t group = generation->mold.pid;
    generation->mold.pid = 0;
    if (generation_is_coming(generation->state)) {
        const char *app = generation_app_name(generation, generation->loading_app);
        bool loading = generation->state == GENERATION_LOADING && *app;
        bool unheard = WIFEXITED(status) && WEXITSTATUS(status) == CHANNEL_EXIT_UNHEARD;
        if (generation->error.length == 0)
            strbuf_printf(&generation->error, "the mold ended before it was ready%s%s: %s; %s",
                          loading ? ", while it loaded " : "", loading ? app : "", obituary_cause(status),
                          unheard ? "an app has closed descriptors that were not its own" : "the error log says more");
        generation_event(generation, GENERATION_FAIL, "the mold ended");
    }
    generation->orphan_group = group;
    workers_forget_ordered(generation);
    workers_lift_request_limits(generation);
    generation_check_empty(generation);
    if (generation->state == GENERATION_SERVING)
        pool_mold_died(generation->pool, generation);
}
