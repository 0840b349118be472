/*
 * The responder that every libfcgi tutorial shows, preforked: what cowherd is measured against.
 *
 * usage: textbook SOCKET CHILDREN
 */
#include <errno.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 64

static void serve(int listener)
{
    FCGX_Request request;
    FCGX_InitRequest(&request, listener, 0);
    int result;
    while ((result = FCGX_Accept_r(&request)) == 0) {
        FCGX_FPrintF(request.out, "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nHello, world\n");
        FCGX_Finish_r(&request);
    }
    fprintf(stderr, "textbook: FCGX_Accept_r: %d, errno %d\n", result, errno);
}

/* Only in a child: serves until SIGTERM, which also comes when the parent is gone. */
static void child(int listener, pid_t parent, const sigset_t *unblocked)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGTERM, SIG_DFL); /* FCGX_Init took it */
    sigprocmask(SIG_SETMASK, unblocked, NULL);
    if (getppid() == parent) {
        serve(listener);
    }
    _exit(1);
}

int main(int argc, char **argv)
{
    int wanted = argc == 3 ? atoi(argv[2]) : 0;
    if (wanted < 1 || wanted > CHILDREN_MAX) {
        fputs("usage: textbook SOCKET CHILDREN\n", stderr);
        return 2;
    }
    FCGX_Init();
    int listener = FCGX_OpenSocket(argv[1], 1024);
    if (listener < 0) {
        return 1;
    }
    sigset_t awaited;
    sigset_t before;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGINT);
    sigaddset(&awaited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &awaited, &before);
    pid_t parent = getpid();
    pid_t children[CHILDREN_MAX];
    int count = 0;
    while (count < wanted && (children[count] = fork()) > 0) {
        count++;
    }
    if (count < wanted && children[count] == 0) {
        child(listener, parent, &before);
    }
    int received = SIGCHLD;
    if (count == wanted) {
        sigwait(&awaited, &received);
    }
    if (received == SIGCHLD) {
        fputs("textbook: a child has ended\n", stderr);
    }
    for (int i = 0; i < count; i++) {
        kill(children[i], SIGTERM);
    }
    while (wait(NULL) > 0) {
    }
    return received == SIGCHLD ? 1 : 0;
}
