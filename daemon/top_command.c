#include "top_command.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "control_client.h"
#include "strbuf.h"

/* The alternate screen, so that what stood in the terminal is there again afterwards. */
#define SCREEN_OPEN "\033[?1049h\033[?25l"
#define SCREEN_CLOSE "\033[?25h\033[?1049l"
#define SCREEN_HOME "\033[H"
#define LINE_END "\033[K\r\n"
#define SCREEN_REST "\033[J"

static volatile sig_atomic_t ended;

static void on_end(int number)
{
    (void)number;
    ended = 1;
}

static void print_on_terminal(const struct strbuf *text)
{
    struct winsize size = { 0 };
    const char *line = text->data, *end;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
        size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    fputs(SCREEN_HOME, stdout);
    /* The last line stays free: a line's end there would scroll. */
    for (unsigned row = 1; line && *line && row < size.ws_row; line = *end ? end + 1 : end, row++) {
        end = strchrnul(line, '\n');
        size_t length = (size_t)(end - line);
        fwrite(line, 1, length < size.ws_col ? length : size.ws_col, stdout);
        fputs(LINE_END, stdout);
    }
    fputs(SCREEN_REST, stdout);
}

static int look(const struct top_command *top, bool terminal)
{
    struct strbuf text = { 0 };
    int result = control_client_command(top->socket, "status", &text);

    if (result != 0)
        fprintf(stderr, "%s%s", terminal ? SCREEN_CLOSE : "", text.data ? text.data : "");
    else if (terminal)
        print_on_terminal(&text);
    else
        printf("%s\n", text.data ? text.data : "");
    fflush(stdout);
    strbuf_free(&text);
    return result;
}

/* false: ended meanwhile. Signals come during this wait alone. */
static bool wait_until_next(double delay_s, const sigset_t *outside)
{
    struct timespec delay = { .tv_sec = (time_t)delay_s };

    delay.tv_nsec = (long)((delay_s - (double)delay.tv_sec) * 1e9);
    if (!ended)
        pselect(0, NULL, NULL, NULL, &delay, outside);
    return !ended;
}

int top_command(const struct top_command *top)
{
    const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    const bool terminal = isatty(STDOUT_FILENO);
    sigset_t wanted, outside;
    int result;

    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaddset(&wanted, signals[i]);
        sigaction(signals[i], &(struct sigaction){ .sa_handler = on_end }, NULL);
    }
    sigprocmask(SIG_BLOCK, &wanted, &outside);
    if (terminal)
        fputs(SCREEN_OPEN, stdout);
    for (long looks = 1;; looks++) {
        result = look(top, terminal);
        if (result != 0 || looks == top->count || !wait_until_next(top->delay_s, &outside))
            break;
    }
    if (terminal && result == 0)
        fputs(SCREEN_CLOSE, stdout);
    return result;
}
