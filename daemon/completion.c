#include "completion.h"

#include <string.h>

/* What a word in the help stands for. */
static bool means_file(const char *word)
{
    return word && (strcmp(word, "FILE") == 0 || strcmp(word, "SOCKET") == 0);
}

static bool takes_file(const struct command *command)
{
    return strncmp(command->arguments, "SOCKET", strlen("SOCKET")) == 0;
}

/* What may be the first argument, as far as it is known, with spaces between. */
static void append_words(const struct command *command, const struct command *commands, struct strbuf *out)
{
    bool command_name = strcmp(command->arguments, "[COMMAND]") == 0;

    if (command->words)
        strbuf_puts(out, command->words);
    for (const struct command *other = commands; command_name && other->name; other++)
        strbuf_printf(out, "%s%s", other == commands ? "" : " ", other->name);
}

static bool has(const struct command *command, int option)
{
    return command->options & 1u << option;
}

static void bash_command(const struct command *command, const struct command *commands, struct strbuf *out)
{
    strbuf_printf(out, "    %s) options='", command->name);
    for (int option = 0, count = 0; option < OPTION_COUNT; option++)
        if (has(command, option))
            strbuf_printf(out, "%s%s", count++ > 0 ? " " : "", option_helps[option].flag);
    strbuf_puts(out, "' words='");
    append_words(command, commands, out);
    strbuf_printf(out, "'%s ;;\n", takes_file(command) ? " files=1" : "");
}

static void bash(const struct command *commands, struct strbuf *out)
{
    strbuf_puts(out,
                "# bash completion for cowherd; written by `cowherd completion bash`.\n"
                "_cowherd() {\n"
                "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options= words= files=\n"
                "    COMPREPLY=()\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W '");
    for (const struct command *command = commands; command->name; command++)
        strbuf_printf(out, "%s%s", command == commands ? "" : " ", command->name);
    strbuf_puts(out, "' -- \"$word\")\n        return\n    fi\n    case $before in\n    ");
    for (int option = 0, count = 0; option < OPTION_COUNT; option++)
        if (means_file(option_helps[option].value))
            strbuf_printf(out, "%s%s", count++ > 0 ? "|" : "", option_helps[option].flag);
    strbuf_puts(out, ")\n        compopt -o filenames\n        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
                     "        return ;;\n    ");
    for (int option = 0, count = 0; option < OPTION_COUNT; option++)
        if (option_helps[option].value && !means_file(option_helps[option].value))
            strbuf_printf(out, "%s%s", count++ > 0 ? "|" : "", option_helps[option].flag);
    strbuf_puts(out, ") return ;;\n    esac\n    case ${COMP_WORDS[1]} in\n");
    for (const struct command *command = commands; command->name; command++)
        bash_command(command, commands, out);
    strbuf_puts(out, "    esac\n"
                     "    if [ \"$files\" ] && [ \"${word#-}\" = \"$word\" ]; then\n"
                     "        compopt -o filenames\n"
                     "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
                     "        return\n"
                     "    fi\n"
                     "    case $word in\n"
                     "    -*) words=$options ;;\n"
                     "    esac\n"
                     "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                     "}\n"
                     "complete -F _cowherd cowherd\n");
}

/* Inside '...' and between brackets of _arguments. */
static void zsh_text(const char *text, struct strbuf *out)
{
    for (; *text; text++) {
        if (*text == '\'')
            strbuf_puts(out, "'\\''");
        else if (strchr("[]:", *text))
            strbuf_printf(out, "\\%c", *text);
        else
            strbuf_append(out, text, 1);
    }
}

static void zsh_option(const struct option_help *help, struct strbuf *out)
{
    strbuf_printf(out, " \\\n            '%s[", help->flag);
    zsh_text(help->help, out);
    strbuf_puts(out, "]");
    if (help->value) {
        strbuf_puts(out, ":");
        zsh_text(help->value, out);
        strbuf_puts(out, means_file(help->value) ? ":_files" : ":");
    }
    strbuf_puts(out, "'");
}

static void zsh(const struct command *commands, struct strbuf *out)
{
    strbuf_puts(out, "#compdef cowherd\n"
                     "# zsh completion for cowherd; written by `cowherd completion zsh`.\n"
                     "_cowherd() {\n"
                     "    local -a commands=(\n");
    for (const struct command *command = commands; command->name; command++) {
        strbuf_printf(out, "        '%s:", command->name);
        zsh_text(command->help, out);
        strbuf_puts(out, "'\n");
    }
    strbuf_puts(out, "    )\n"
                     "    if (( CURRENT == 2 )); then\n"
                     "        _describe command commands\n"
                     "        return\n"
                     "    fi\n"
                     "    local name=$words[2]\n"
                     "    shift words; (( CURRENT-- ))\n"
                     "    case $name in\n");
    for (const struct command *command = commands; command->name; command++) {
        strbuf_printf(out, "    %s)\n        _arguments", command->name);
        for (int option = 0; option < OPTION_COUNT; option++)
            if (has(command, option))
                zsh_option(&option_helps[option], out);
        strbuf_puts(out, " \\\n            '1:argument:");
        if (takes_file(command)) {
            strbuf_puts(out, "_files");
        } else {
            strbuf_puts(out, "(");
            append_words(command, commands, out);
            strbuf_puts(out, ")");
        }
        strbuf_puts(out, "' ;;\n");
    }
    strbuf_puts(out, "    esac\n"
                     "}\n"
                     "_cowherd \"$@\"\n");
}

bool completion_write(const char *shell, const struct command *commands, struct strbuf *out)
{
    if (strcmp(shell, "bash") == 0)
        bash(commands, out);
    else if (strcmp(shell, "zsh") == 0)
        zsh(commands, out);
    else
        return false;
    return true;
}
