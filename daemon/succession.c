#include "succession.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "pid_file.h"
#include "supervisor.h"

static pid_t parent_of(pid_t pid)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    /* The name may hold spaces and parentheses. */
    const char *behind_name = strrchr(text, ')');
    long parent = 0;
    char state;
    if (!behind_name || sscanf(behind_name + 1, " %c %ld", &state, &parent) != 2)
        return 0;
    return (pid_t)parent;
}

bool succession_is_predecessor(pid_t pid)
{
    return pid > 0 && pid != getpid() && getenv("SERVER_STARTER_GENERATION") && parent_of(pid) == getppid();
}

pid_t succession_listener(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct ucred peer = { 0 };
    socklen_t size = sizeof peer;
    if (strlen(path) >= sizeof address.sun_path)
        return 0;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        peer.pid = 0;
    close(fd);
    return peer.pid;
}

/* A predecessor's file goes, for another in its place: it notices, and leaves that one alone. */
static void clear(const char *path, pid_t holder)
{
    if (!succession_is_predecessor(holder))
        return;
    log_info("%s is taken over from process %ld", path, (long)holder);
    if (unlink(path) < 0)
        log_warn("can't remove %s", path);
}

static void take_control(struct supervisor *supervisor)
{
    struct strbuf error = { 0 };
    clear(supervisor->config->control, succession_listener(supervisor->config->control));
    supervisor->control = control_open(supervisor, supervisor->config->control, &error);
    if (!supervisor->control)
        log_warnx("control: %s", error.data);
    strbuf_free(&error);
}

static void take_pid_file(const char *path)
{
    char error[512];
    clear(path, pid_file_holder(path));
    if (pid_file_open(path, error, sizeof error) < 0)
        log_warnx("%s", error);
}

void succession_take_over(struct supervisor *supervisor)
{
    if (supervisor->take_control)
        take_control(supervisor);
    if (supervisor->take_pid_file && supervisor->config->pid_file)
        take_pid_file(supervisor->config->pid_file);
    supervisor->take_control = supervisor->take_pid_file = false;
}
