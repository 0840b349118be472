/* What a child process has to say, and how it ended. */
#ifndef COWHERD_TEST_OUTCOME_H
#define COWHERD_TEST_OUTCOME_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>

/* All that it writes into the pipe (which is closed then), to be freed; waits for it to end, with this wait status. */
static inline char *outcome_read(int from, pid_t child, int *status)
{
    char *text = NULL;
    size_t size = 0;
    FILE *in = fdopen(from, "r");

    if (getdelim(&text, &size, '\0', in) < 0)
        text = strdup("");
    fclose(in);
    waitpid(child, status, 0);
    return text;
}

/* "signal 11", "exit status 1": to be freed. */
static inline char *outcome_of_end(int status)
{
    char *text;

    if (asprintf(&text, "%s %d", WIFSIGNALED(status) ? "signal" : "exit status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)) < 0)
        abort();
    return text;
}

#endif
