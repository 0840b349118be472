/*
 * The words behind `cowherd`: every command and option in one table, which drives parsing, help, completions and the
 * manual's synopsis.
 */
#ifndef COWHERD_COMMAND_LINE_H
#define COWHERD_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "strbuf.h"

#define DEFAULT_CONFIG "/etc/cowherd/cowherd.yml"
#define EXIT_USAGE 2

/* OPTION_LIST(X): X(name, flag, its value as the help calls it or NULL for a switch, help) */
#define OPTION_LIST(X)                                                                                                 \
    X(CONFIG, "-c", "FILE", "the configuration, in place of " DEFAULT_CONFIG)                                          \
    X(SOCKET, "-s", "SOCKET", "the control socket, where there is no configuration at hand")                           \
    X(DEV, "--dev", NULL, "one worker a pool, reload when a file changes, errors in the page, logs on the terminal")   \
    X(VERBOSE, "-v", NULL, "print the configuration in canonical form")                                                \
    X(JSON, "--json", NULL, "print JSON")                                                                              \
    X(MDOC, "--mdoc", NULL, "print it as a part of a manual page")                                                     \
    X(DELAY, "--delay", "SECONDS", "how often to look; 2")                                                             \
    X(LOOKS, "--count", "N", "how many times to look; for ever")                                                       \
    X(REQUESTS, "--requests", "N", "how many requests to watch; 100")                                                  \
    X(SVG, "--svg", "FILE", "the file that gets the picture")                                                          \
    X(WORKER, "--worker", "N", "the worker's number in its pool; any")                                                 \
    X(METHOD, "-X", "METHOD", "the method; GET, with a body POST")                                                     \
    X(HEADER, "-H", "'NAME: VALUE'", "a header; may be given again")                                                   \
    X(BODY, "-d", "BODY", "the body; @FILE reads it from a file, - from standard input")                               \
    X(TIMEOUT, "-t", "SECONDS", "how long to wait for each part of the answer; 30")                                    \
    X(KEEP, "-k", NULL, "keep the connection")                                                                         \
    X(AUTHORIZER, "-A", NULL, "ask as a front end asks its authorizer, in place of a responder")

enum option {
#define X(name, flag, value, help) OPTION_##name,
    OPTION_LIST(X)
#undef X
        OPTION_COUNT
};

#define TAKES(option) (1u << OPTION_##option)
/* Of commands that talk to the supervisor. */
#define TAKES_CONTROL (TAKES(CONFIG) | TAKES(SOCKET))

struct option_help {
    const char *flag, *value, *help;
};
extern const struct option_help option_helps[OPTION_COUNT];

struct command_line {
    const char *options[OPTION_COUNT]; /* the value, "" for a switch; NULL: not given */
    char **arguments;
    int count;
};

struct command {
    const char *name;
    const char *arguments; /* as the help has them: "POOL N"; what may be left out is in brackets */
    int arguments_min, arguments_max;
    const char *words; /* "bash zsh": what the first argument may be, for the completions; NULL: not known beforehand */
    unsigned options;  /* TAKES(...) */
    unsigned required; /* of them: those that must be given */
    const char *help;  /* a sentence without its full stop */
    int (*run)(const struct command_line *line);
    int (*run_words)(int argc, char **argv); /* in its place, for one that parses its words itself */
};

/* The table of main.c; ends with a command without a name. */
const struct command *command_find(const struct command *commands, const char *name);

/*
 * Options may stand before, behind and between the arguments; "--" ends them. argv[0] is the command's name. 0, or
 * EXIT_USAGE after saying why.
 */
int command_line_parse(const struct command *command, int argc, char **argv, struct command_line *line);

/* "status [--json] [-c FILE | -s SOCKET]" */
void command_synopsis(const struct command *command, struct strbuf *out);
/* All commands; one with its options. */
void command_list_help(const struct command *commands, struct strbuf *out);
void command_help(const struct command *command, struct strbuf *out);
/* The same of all commands as a list for mdoc(7). */
void command_list_mdoc(const struct command *commands, struct strbuf *out);
/* "cowherd NAME: PROBLEM WHAT" and the synopsis, on standard error. EXIT_USAGE. `what` may be NULL. */
int command_usage(const struct command *command, const char *problem, const char *what);

#endif
