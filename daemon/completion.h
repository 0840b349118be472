/* Completions for shells, from the table of commands. */
#ifndef COWHERD_COMPLETION_H
#define COWHERD_COMPLETION_H

#include <stdbool.h>

#include "command_line.h"
#include "strbuf.h"

/* `shell` is "bash" or "zsh": false for any other. What it prints is the file that the shell loads. */
bool completion_write(const char *shell, const struct command *commands, struct strbuf *out);

#endif
