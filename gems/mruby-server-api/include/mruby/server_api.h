/*
 * For who runs scripts: mrb_server_run around each script or hook of a request, mrb_server_clear when the request is
 * over. Cowherd::Server.enter, leave, clear and headers_for are the same for Ruby. From protected code: all may raise.
 */
#ifndef MRUBY_SERVER_API_H
#define MRUBY_SERVER_API_H

#include <mruby.h>

MRB_BEGIN_DECL

/* Values of Server::LOG_STDERR to Server::LOG_DEBUG. */
enum mrb_server_log_level {
    MRB_SERVER_LOG_STDERR,
    MRB_SERVER_LOG_EMERG,
    MRB_SERVER_LOG_ALERT,
    MRB_SERVER_LOG_CRIT,
    MRB_SERVER_LOG_ERR,
    MRB_SERVER_LOG_WARN,
    MRB_SERVER_LOG_NOTICE,
    MRB_SERVER_LOG_INFO,
    MRB_SERVER_LOG_DEBUG,
};

/* `text` is neither terminated nor free of control bytes, and valid during the call only. */
typedef void mrb_server_log_func(mrb_state *mrb, enum mrb_server_log_level level, const char *text, mrb_int length);

enum mrb_server_phase { MRB_SERVER_CONTENT, MRB_SERVER_ACCESS, MRB_SERVER_LOG };

/*
 * Runs `body(mrb, data)`, which returns the script's last value, for the request with this env (a Hash), and tells what
 * follows: a Rack response, or nil: pass on, which only the phases ACCESS and LOG do. Runs with the same env share what
 * was told of headers. Server.return ends the body; any other exception goes on to the caller.
 */
MRB_API mrb_value mrb_server_run(mrb_state *mrb, mrb_value env, enum mrb_server_phase phase,
                                 mrb_value (*body)(mrb_state *mrb, void *data), void *data);

/* The headers that runs with this env have set and that no answer of theirs has taken along: a Hash, or nil. */
MRB_API mrb_value mrb_server_headers_for(mrb_state *mrb, mrb_value env);

/* The request is over, however it ended: the env is let go, objects that belong to it raise from now on. Never raises.
 */
MRB_API void mrb_server_clear(mrb_state *mrb);

/*
 * Where the lines of Server.log go. Without this they go to the env's rack.errors, or to $stderr when no request is
 * being served.
 */
MRB_API void mrb_server_set_log(mrb_state *mrb, mrb_server_log_func *log);

MRB_END_DECL

#endif
