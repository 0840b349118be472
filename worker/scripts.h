/*
 * An app's `scripts:`: the files below its root that answer by themselves.
 *
 * With `cache: true` all of them are compiled while the app loads and found without a system call; what is added later
 * answers after a reload. Otherwise each request looks at its file, and compiles it when it is new or has changed.
 */
#ifndef COWHERD_SCRIPTS_H
#define COWHERD_SCRIPTS_H

#include <stdbool.h>

#include <mruby.h>

#include "config.h"
#include "request.h"
#include "strbuf.h"
#include "vm.h"

struct scripts;
struct script_entry;

/* What a request's path leads to. */
struct script_choice {
    struct scripts *scripts;
    struct script_entry *entry; /* of the script when status is 200 */
    int status;                 /* 200; else what scripts_refuse answers: 301, 403, 404, 405, 500 */
    bool stale;                 /* the script is to be compiled first */
};

/* `root` is the descriptor of the app's root, and must outlive the scripts, as the app's configuration. */
struct scripts *scripts_new(struct vm *vm, const struct config_app *app, int root);

/* Before the interpreter is closed. NULL is allowed. */
void scripts_free(struct scripts *scripts);

/* Compiles what is to be compiled while the app loads. false: `error` says why not. */
bool scripts_load(struct scripts *scripts, struct strbuf *error);

/* Compiles every script of the app, without an app set, and appends "path:line:column: text" lines to `errors`. */
void scripts_check(const struct config_app *app, struct strbuf *errors);

/*
 * Finds the script that request->path_info means. With status 200 the request's script_name, path_info and script_path
 * are the script's then. From protected code (code that is no longer wanted is let go).
 */
void scripts_find(struct scripts *scripts, struct request *request, const char *method, struct script_choice *choice);

/*
 * Compiles the script when it is stale. false: there is none to run, choice->status says what is to be answered. From
 * protected code; raises SyntaxError.
 */
bool scripts_prepare(mrb_state *mrb, struct script_choice *choice);

/* Runs the script, with main as self: its value. From protected code; raises what it raises. */
mrb_value scripts_run(mrb_state *mrb, const struct script_choice *choice);

/* The answer to a request that no script takes. */
void scripts_refuse(struct request *request, const struct script_choice *choice);

#endif
