#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "obituary.h"
#include "own_program.h"
#include "spawn_mold.h"
#include "state.h"
#include "supervisor.h"
#include "xalloc.h"

#define TRIAL_NS (10 * CLOCK_NS_PER_S)
/* What can't be carried is waited for at least so long, and looked at so often. */
#define PATIENCE_MIN_NS (10 * CLOCK_NS_PER_S)
#define WAIT_PERIOD_NS (20 * CLOCK_NS_PER_MS)
/* What a trial says is cut behind this. */
#define SAID_MAX 4096
#define DELETED " (deleted)"

extern char **environ;

static void set_close_on_exec(const struct state_descriptors *descriptors, bool on)
{
    for (size_t i = 0; i < descriptors->count; i++)
        fcntl(descriptors->items[i], F_SETFD, on ? FD_CLOEXEC : 0);
}

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The path that was asked for, links and all, where it tells: a link may lead to another version later. */
static char *find_link(void)
{
    struct stat named, running;
    char folder[PATH_MAX];
    const char *name = program_invocation_name;
    if (!strchr(name, '/') || stat(name, &named) < 0 || stat(own_program(), &running) < 0 ||
        named.st_dev != running.st_dev || named.st_ino != running.st_ino)
        return NULL;
    if (*name == '/')
        return xstrdup(name);
    return getcwd(folder, sizeof folder) ? xasprintf("%s/%s", folder, name) : NULL;
}

/* The path at which this program was found when it was started, replaced since then or not. */
static char *find_program(void)
{
    char *link = find_link();
    if (link)
        return link;
    const char *path = own_program_path();
    if (!path)
        return NULL;
    size_t length = strlen(path), mark = strlen(DELETED);
    if (length > mark && strcmp(path + length - mark, DELETED) == 0)
        length -= mark;
    return xstrndup(path, length);
}

/* Tells the log and who waits; the supervisor goes on. */
static void give_up(struct supervisor *supervisor, const char *reason)
{
    log_warnx("the upgrade has failed, cowherd %s goes on: %s", COWHERD_VERSION, reason);
    char *text = xasprintf("the upgrade has failed, cowherd %s goes on: %s", COWHERD_VERSION, reason);
    supervisor->upgrade.patience_ns = 0;
    ticket_list_settle(&supervisor->upgrade.tickets, false, text);
    free(text);
}

static void trial_expired(void *data)
{
    struct supervisor *supervisor = data;
    supervisor->upgrade.out_of_time = true;
    kill(-supervisor->upgrade.trial, SIGKILL);
}

static char *handed_text(int state, int before)
{
    return xasprintf("%d %d", state, before);
}

/* Returns only when it fails: then all is as before. */
static void become(struct supervisor *supervisor, const struct state_writer *writer, int state)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    int const own_items[] = { state, upgrade->self };
    const struct state_descriptors own = { .items = (int *)own_items, .count = 2 };
    char *arguments[] = { upgrade->program, "run", "-c", supervisor->config_path, NULL };
    char *handed = handed_text(state, upgrade->self);

    set_close_on_exec(&writer->descriptors, false);
    set_close_on_exec(&own, false);
    setenv(UPGRADE_HANDED, handed, 1);
    free(handed);
    execve(upgrade->program, arguments, environ);
    int error = errno;
    unsetenv(UPGRADE_HANDED);
    set_close_on_exec(&own, true);
    set_close_on_exec(&writer->descriptors, true);
    errno = error;
}

static bool is_carried(const struct generation *upcoming)
{
    return !upcoming || (upcoming->state != GENERATION_WARMING && !upcoming->one_by_one);
}

/* What can't be carried and will soon be over; NULL: nothing. */
static const char *not_now(const struct supervisor *supervisor)
{
    if (supervisor->take_control || supervisor->take_pid_file)
        return "the cowherd before this one has not left";
    for (size_t i = 0; i < supervisor->pool_count; i++)
        if (!is_carried(supervisor->pools[i]->upcoming))
            return "a generation is being warmed up, or comes in one by one";
    return NULL;
}

static int64_t patience(const struct supervisor *supervisor)
{
    int64_t longest = PATIENCE_MIN_NS;
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct generation *upcoming = supervisor->pools[i]->upcoming;
        if (!is_carried(upcoming) && upcoming->settings->restart.ready_timeout_ns > longest)
            longest = upcoming->settings->restart.ready_timeout_ns;
    }
    return longest;
}

static void wait_for(struct supervisor *supervisor, const char *obstacle)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    int64_t now = clock_monotonic_ns();
    if (upgrade->patience_ns == 0) {
        log_info("upgrade: it waits: %s", obstacle);
        upgrade->patience_ns = now + patience(supervisor);
    }
    if (now < upgrade->patience_ns)
        loop_timer_set(supervisor->loop, &upgrade->wait, now + WAIT_PERIOD_NS);
    else
        give_up(supervisor, obstacle);
}

/* In a turn of the loop that is nobody else's: no pool, generation or worker is being looked at. */
static void replace(void *data)
{
    struct supervisor *supervisor = data;
    struct state_writer writer;
    const char *obstacle = not_now(supervisor);

    if (obstacle) {
        wait_for(supervisor, obstacle);
        return;
    }

    control_ask_again(supervisor->control);
    state_save(supervisor, &writer);
    int state = spawn_memfd("cowherd-state", writer.text.data, writer.text.length);
    if (state >= 0)
        become(supervisor, &writer, state);
    char *reason = xasprintf("%s: %s", supervisor->upgrade.program, strerror(errno));
    close_descriptor(&state);
    state_writer_free(&writer);
    give_up(supervisor, reason);
    free(reason);
}

static void try(struct supervisor *supervisor);

static void wait_expired(void *data)
{
    try(data);
}

void upgrade_init(struct supervisor *supervisor)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    upgrade->self = open(own_program(), O_RDONLY | O_CLOEXEC);
    upgrade->trial_state = upgrade->trial_said = -1;
    upgrade->deadline = (struct loop_timer){ .expired = trial_expired, .data = supervisor };
    upgrade->replace = (struct loop_timer){ .expired = replace, .data = supervisor };
    upgrade->wait = (struct loop_timer){ .expired = wait_expired, .data = supervisor };
    upgrade->program = find_program();
}

void upgrade_free(struct supervisor *supervisor)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    close_descriptor(&upgrade->self);
    close_descriptor(&upgrade->trial_state);
    close_descriptor(&upgrade->trial_said);
    free(upgrade->program);
    upgrade->program = NULL;
}

/* What it inherits keeps its number. It ends with the supervisor, whose descriptors it would keep open. */
_Noreturn static void run_trial(const struct supervisor *supervisor, const struct state_writer *writer, pid_t parent)
{
    const struct upgrade *upgrade = &supervisor->upgrade;
    char number[16];
    char *arguments[] = { upgrade->program, "check-upgrade", number, NULL };
    sigset_t none;

    snprintf(number, sizeof number, "%d", upgrade->trial_state);
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    set_close_on_exec(&writer->descriptors, false);
    fcntl(upgrade->trial_state, F_SETFD, 0);
    dup2(upgrade->trial_said, STDOUT_FILENO);
    dup2(upgrade->trial_said, STDERR_FILENO);
    execve(upgrade->program, arguments, environ);
    dprintf(STDERR_FILENO, "%s", strerror(errno));
    _exit(127);
}

/* No larger than what will be read of it: a trial can't take memory by it. */
static int make_said(void)
{
    int fd = memfd_create("cowherd-trial", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (ftruncate(fd, SAID_MAX) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0))
        close_descriptor(&fd);
    return fd;
}

static bool start_trial(struct supervisor *supervisor)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    struct state_writer writer;
    pid_t parent = getpid(), pid = -1;

    state_save(supervisor, &writer);
    upgrade->trial_state = spawn_memfd("cowherd-state", writer.text.data, writer.text.length);
    upgrade->trial_said = make_said();
    if (upgrade->trial_state >= 0 && upgrade->trial_said >= 0)
        pid = fork();
    if (pid == 0)
        run_trial(supervisor, &writer, parent);
    int error = errno;
    state_writer_free(&writer);
    if (pid < 0) {
        close_descriptor(&upgrade->trial_state);
        close_descriptor(&upgrade->trial_said);
        errno = error;
        return false;
    }
    setpgid(pid, pid); /* both do: whoever comes first */
    upgrade->trial = pid;
    upgrade->out_of_time = false;
    loop_timer_set(supervisor->loop, &upgrade->deadline, clock_monotonic_ns() + TRIAL_NS);
    return true;
}

/* With what is at the path when nothing stands in the way any more. */
static void try(struct supervisor *supervisor)
{
    const char *obstacle = not_now(supervisor);
    if (obstacle) {
        wait_for(supervisor, obstacle);
        return;
    }
    log_info("upgrade: %s is tried", supervisor->upgrade.program);
    if (!start_trial(supervisor)) {
        char *reason = xasprintf("a trial can't be started: %s", strerror(errno));
        give_up(supervisor, reason);
        free(reason);
    }
}

static bool is_under_way(const struct upgrade *upgrade)
{
    return upgrade->trial || loop_timer_is_set(&upgrade->replace) || loop_timer_is_set(&upgrade->wait);
}

void upgrade_start(struct supervisor *supervisor, struct ticket *ticket)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    if (supervisor->state == SUPERVISOR_STOPPING) {
        log_warnx("there is no upgrade: cowherd is being stopped");
        ticket_settle(ticket, false, "cowherd is being stopped");
        return;
    }
    ticket_list_add(&upgrade->tickets, ticket);
    if (is_under_way(upgrade))
        return;
    if (supervisor->dev) {
        give_up(supervisor, "cowherd runs for development: stop it and start it anew");
        return;
    }
    if (upgrade->self < 0 || !upgrade->program) {
        give_up(supervisor, "the program that runs could not be opened when it started, so there would be no way back");
        return;
    }
    try(supervisor);
}

void upgrade_cancel(struct supervisor *supervisor, const char *reason)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    if (!is_under_way(upgrade))
        return;
    if (upgrade->trial)
        kill(-upgrade->trial, SIGKILL);
    upgrade->trial = 0;
    loop_timer_clear(supervisor->loop, &upgrade->deadline);
    loop_timer_clear(supervisor->loop, &upgrade->replace);
    loop_timer_clear(supervisor->loop, &upgrade->wait);
    close_descriptor(&upgrade->trial_state);
    close_descriptor(&upgrade->trial_said);
    give_up(supervisor, reason);
}

/* The text without what ends it; free(3). */
static char *read_said(int fd)
{
    char text[SAID_MAX + 1];
    ssize_t length = pread(fd, text, SAID_MAX, 0);
    text[length > 0 ? length : 0] = '\0';
    length = (ssize_t)strlen(text);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
        text[--length] = '\0';
    return xstrdup(text);
}

bool upgrade_reaped(struct supervisor *supervisor, pid_t pid, int status)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    if (upgrade->trial == 0 || upgrade->trial != pid)
        return false;
    /* Nothing of it goes on. (The number of its group is free since a moment ago only.) */
    kill(-pid, SIGKILL);
    upgrade->trial = 0;
    loop_timer_clear(supervisor->loop, &upgrade->deadline);
    char *said = read_said(upgrade->trial_said);
    close_descriptor(&upgrade->trial_state);
    close_descriptor(&upgrade->trial_said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        log_info("upgrade: %s can take over%s%s", upgrade->program, *said ? ": " : "", said);
        loop_timer_set(supervisor->loop, &upgrade->replace, clock_monotonic_ns());
    } else {
        const char *cause = upgrade->out_of_time ? "its trial did not end within 10 s" : obituary_cause(status);
        char *reason = xasprintf("%s: %s%s%s", upgrade->program, cause, *said ? ": " : "", said);
        give_up(supervisor, reason);
        free(reason);
    }
    free(said);
    return true;
}

bool upgrade_was_handed(struct upgrade_handed *handed)
{
    const char *text = getenv(UPGRADE_HANDED), *failure = getenv(UPGRADE_FAILURE);
    *handed = (struct upgrade_handed){ .state = -1, .before = -1 };
    if (!text || sscanf(text, "%d %d", &handed->state, &handed->before) != 2)
        return false;
    handed->failure = failure ? xstrdup(failure) : NULL;
    unsetenv(UPGRADE_HANDED);
    unsetenv(UPGRADE_FAILURE);
    return true;
}

char *upgrade_read_state(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return NULL;
    char *text = xcalloc(1, (size_t)status.st_size + 1);
    for (off_t at = 0; at < status.st_size;) {
        ssize_t got = pread(fd, text + at, (size_t)(status.st_size - at), at);
        if (got > 0) {
            at += got;
        } else if (got == 0 || errno != EINTR) {
            errno = got == 0 ? EIO : errno;
            free(text);
            return NULL;
        }
    }
    return text;
}

void upgrade_return(const struct upgrade_handed *handed, const char *config_path, const char *reason)
{
    char *arguments[] = { program_invocation_name, "run", "-c", (char *)config_path, NULL };
    char *text = handed_text(handed->state, -1);
    if (handed->before < 0)
        return;
    setenv(UPGRADE_HANDED, text, 1);
    setenv(UPGRADE_FAILURE, reason, 1);
    free(text);
    fcntl(handed->before, F_SETFD, FD_CLOEXEC);
    fexecve(handed->before, arguments, environ);
}

void upgrade_done(struct supervisor *supervisor, const struct upgrade_handed *handed, const struct state_reader *reader)
{
    set_close_on_exec(&reader->descriptors, true);
    close(handed->state);
    if (handed->before >= 0)
        close(handed->before);
    /* Executed through a descriptor, it would be named after the descriptor's number. */
    prctl(PR_SET_NAME, "cowherd");
    if (handed->failure) {
        give_up(supervisor, handed->failure);
        return;
    }
    log_info("upgrade: cowherd %s has taken over", COWHERD_VERSION);
    ticket_list_settle(&supervisor->upgrade.tickets, true, "cowherd " COWHERD_VERSION " has taken over");
}

int upgrade_check(const char *number)
{
    struct supervisor supervisor = { 0 };
    struct state_reader reader;
    char *text = upgrade_read_state(atoi(number));
    if (!text) {
        fprintf(stderr, "there is no state to take over\n");
        return 1;
    }
    supervisor.loop = loop_new();
    if (!supervisor.loop)
        fatal("epoll");
    state_reader_start(&reader, text);
    bool adopted = state_adopt(&supervisor, &reader);
    if (adopted)
        printf("cowherd %s\n", COWHERD_VERSION);
    else
        fprintf(stderr, "%s\n", reader.error.data);
    /* Nothing is freed: that would remove files, and tell who waits. */
    fflush(NULL);
    _exit(adopted ? 0 : 1);
}
