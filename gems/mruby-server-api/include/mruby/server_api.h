/*
 * Where the lines of Server.log go. Without this they go to the env's rack.errors, or to $stderr when no request is
 * being served.
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

MRB_API void mrb_server_set_log(mrb_state *mrb, mrb_server_log_func *log);

MRB_END_DECL

#endif
