#include "upgrade_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "upgrade.h"
#include "xalloc.h"

/* As long as a trial may take. */
#define TAKE_OVER_S 10
#define STACK_SIZE 65536

extern char **environ;

static const int guarded[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };

/* All that the handler needs: the heap may be what is broken. */
static struct {
    int program;
    char *arguments[5];
    char **environment;
    char handed[64], failure[128];
} back;
static char stack[STACK_SIZE];

/* A program that is executed inherits what is blocked, and the clock of alarm(2). */
static void go_back(int number)
{
    const char *reason = number == SIGALRM ? "it did not end taking over within 10 s" : "it crashed while it took over";
    sigset_t all;

    alarm(0);
    stpcpy(stpcpy(back.failure, UPGRADE_FAILURE "="), reason);
    sigemptyset(&all);
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        sigaddset(&all, guarded[i]);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    fcntl(back.program, F_SETFD, FD_CLOEXEC);
    fexecve(back.program, back.arguments, back.environment);
    raise(number);
}

static void copy_environment(void)
{
    size_t count = 0;

    while (environ[count])
        count++;
    back.environment = xcalloc(count + 3, sizeof *back.environment);
    memcpy(back.environment, environ, count * sizeof *environ);
    back.environment[count] = back.handed;
    back.environment[count + 1] = back.failure;
}

void upgrade_guard(const struct upgrade_handed *handed, const char *config_path)
{
    const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_handler = go_back, .sa_flags = (int)SA_RESETHAND | SA_ONSTACK };

    if (handed->before < 0)
        return;
    back.program = handed->before;
    back.arguments[0] = program_invocation_name;
    back.arguments[1] = "run";
    back.arguments[2] = "-c";
    back.arguments[3] = (char *)config_path;
    snprintf(back.handed, sizeof back.handed, UPGRADE_HANDED "=%d %d", handed->state, -1);
    copy_environment();
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        sigaction(guarded[i], &action, NULL);
    alarm(TAKE_OVER_S);
}

void upgrade_unguard(void)
{
    const stack_t none = { .ss_flags = SS_DISABLE };

    if (back.environment == NULL)
        return;
    alarm(0);
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        signal(guarded[i], SIG_DFL);
    sigaltstack(&none, NULL);
    free(back.environment);
    back.environment = NULL;
}
