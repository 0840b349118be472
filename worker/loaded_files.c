#include "loaded_files.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <mruby/require.h>

#include "channel.h"
#include "clock.h"

/* A supervisor that reads nothing for so long has other troubles. */
#define PATIENCE_MS 1000

static int channel;

static void tell(const char *path, const struct stat *status)
{
    struct message message = { .type = MESSAGE_FILE_LOADED };
    size_t length = strlen(path);

    if (length >= sizeof message.file.path)
        return;
    memcpy(message.file.path, path, length + 1);
    message.file.inode = status->st_ino;
    message.file.size = status->st_size;
    message.file.modified_ns = status->st_mtim.tv_sec * CLOCK_NS_PER_S + status->st_mtim.tv_nsec;
    while (channel_send(channel, &message, NULL, 0) == -1 && errno == EAGAIN) {
        struct pollfd room = { .fd = channel, .events = POLLOUT };
        if (poll(&room, 1, PATIENCE_MS) <= 0)
            return;
    }
}

void loaded_files_tell(int own_channel)
{
    channel = own_channel;
    mrb_require_watch(tell);
}
