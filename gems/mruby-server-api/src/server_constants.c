#include <mruby.h>
#include <mruby/class.h>

#include "server_state.h"

/* Statuses: names of nginx and Apache, and what HTTP calls them. A name that stands below another for the same status
   has no reason of its own. */
static const struct status {
    const char *name;
    int value;
    const char *reason;
} statuses[] = {
    { "HTTP_CONTINUE", 100, "Continue" },
    { "HTTP_SWITCHING_PROTOCOLS", 101, "Switching Protocols" },
    { "HTTP_PROCESSING", 102, "Processing" },
    { "HTTP_OK", 200, "OK" },
    { "HTTP_CREATED", 201, "Created" },
    { "HTTP_ACCEPTED", 202, "Accepted" },
    { "HTTP_NON_AUTHORITATIVE", 203, "Non-Authoritative Information" },
    { "HTTP_NO_CONTENT", 204, "No Content" },
    { "HTTP_RESET_CONTENT", 205, "Reset Content" },
    { "HTTP_PARTIAL_CONTENT", 206, "Partial Content" },
    { "HTTP_MULTI_STATUS", 207, "Multi-Status" },
    { "HTTP_MULTIPLE_CHOICES", 300, "Multiple Choices" },
    { "HTTP_SPECIAL_RESPONSE", 300, NULL },
    { "HTTP_MOVED_PERMANENTLY", 301, "Moved Permanently" },
    { "HTTP_MOVED_TEMPORARILY", 302, "Found" },
    { "HTTP_SEE_OTHER", 303, "See Other" },
    { "HTTP_NOT_MODIFIED", 304, "Not Modified" },
    { "HTTP_USE_PROXY", 305, "Use Proxy" },
    { "HTTP_TEMPORARY_REDIRECT", 307, "Temporary Redirect" },
    { "HTTP_PERMANENT_REDIRECT", 308, "Permanent Redirect" },
    { "HTTP_BAD_REQUEST", 400, "Bad Request" },
    { "HTTP_UNAUTHORIZED", 401, "Unauthorized" },
    { "HTTP_PAYMENT_REQUIRED", 402, "Payment Required" },
    { "HTTP_FORBIDDEN", 403, "Forbidden" },
    { "HTTP_NOT_FOUND", 404, "Not Found" },
    { "HTTP_NOT_ALLOWED", 405, "Method Not Allowed" },
    { "HTTP_METHOD_NOT_ALLOWED", 405, NULL },
    { "HTTP_NOT_ACCEPTABLE", 406, "Not Acceptable" },
    { "HTTP_PROXY_AUTHENTICATION_REQUIRED", 407, "Proxy Authentication Required" },
    { "HTTP_REQUEST_TIME_OUT", 408, "Request Timeout" },
    { "HTTP_CONFLICT", 409, "Conflict" },
    { "HTTP_GONE", 410, "Gone" },
    { "HTTP_LENGTH_REQUIRED", 411, "Length Required" },
    { "HTTP_PRECONDITION_FAILED", 412, "Precondition Failed" },
    { "HTTP_REQUEST_ENTITY_TOO_LARGE", 413, "Content Too Large" },
    { "HTTP_REQUEST_URI_TOO_LARGE", 414, "URI Too Long" },
    { "HTTP_UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type" },
    { "HTTP_RANGE_NOT_SATISFIABLE", 416, "Range Not Satisfiable" },
    { "HTTP_EXPECTATION_FAILED", 417, "Expectation Failed" },
    { "HTTP_UNPROCESSABLE_ENTITY", 422, "Unprocessable Content" },
    { "HTTP_LOCKED", 423, "Locked" },
    { "HTTP_FAILED_DEPENDENCY", 424, "Failed Dependency" },
    { "HTTP_UPGRADE_REQUIRED", 426, "Upgrade Required" },
    { "HTTP_TOO_MANY_REQUESTS", 429, "Too Many Requests" },
    { "HTTP_CLOSE", 444, NULL },
    { "HTTP_NGINX_CODES", 494, NULL },
    { "HTTP_REQUEST_HEADER_TOO_LARGE", 494, NULL },
    { "HTTPS_CERT_ERROR", 495, NULL },
    { "HTTPS_NO_CERT", 496, NULL },
    { "HTTP_TO_HTTPS", 497, NULL },
    { "HTTP_CLIENT_CLOSED_REQUEST", 499, NULL },
    { "HTTP_INTERNAL_SERVER_ERROR", 500, "Internal Server Error" },
    { "HTTP_NOT_IMPLEMENTED", 501, "Not Implemented" },
    { "HTTP_BAD_GATEWAY", 502, "Bad Gateway" },
    { "HTTP_SERVICE_UNAVAILABLE", 503, "Service Unavailable" },
    { "HTTP_GATEWAY_TIME_OUT", 504, "Gateway Timeout" },
    { "HTTP_VERSION_NOT_SUPPORTED", 505, "HTTP Version Not Supported" },
    { "HTTP_VARIANT_ALSO_VARIES", 506, "Variant Also Negotiates" },
    { "HTTP_INSUFFICIENT_STORAGE", 507, "Insufficient Storage" },
    { "HTTP_NOT_EXTENDED", 510, "Not Extended" },
    /* Apache's older names. */
    { "DOCUMENT_FOLLOWS", 200, NULL },
    { "PARTIAL_CONTENT", 206, NULL },
    { "MULTIPLE_CHOICES", 300, NULL },
    { "MOVED", 301, NULL },
    { "REDIRECT", 302, NULL },
    { "USE_LOCAL_COPY", 304, NULL },
    { "BAD_REQUEST", 400, NULL },
    { "AUTH_REQUIRED", 401, NULL },
    { "FORBIDDEN", 403, NULL },
    { "NOT_FOUND", 404, NULL },
    { "METHOD_NOT_ALLOWED", 405, NULL },
    { "NOT_ACCEPTABLE", 406, NULL },
    { "LENGTH_REQUIRED", 411, NULL },
    { "PRECONDITION_FAILED", 412, NULL },
    { "SERVER_ERROR", 500, NULL },
    { "NOT_IMPLEMENTED", 501, NULL },
    { "BAD_GATEWAY", 502, NULL },
    { "VARIANT_ALSO_VARIES", 506, NULL },
};

static const struct {
    const char *name;
    int value;
} numbers[] = {
    { "OK", 0 },           { "ERROR", -1 },      { "AGAIN", -2 },
    { "BUSY", -3 },        { "DONE", -4 },       { "DECLINED", -5 },
    { "ABORT", -6 },       { "LOG_STDERR", 0 },  { "LOG_EMERG", 1 },
    { "LOG_ALERT", 2 },    { "LOG_CRIT", 3 },    { "LOG_ERR", 4 },
    { "LOG_WARN", 5 },     { "LOG_NOTICE", 6 },  { "LOG_INFO", 7 },
    { "LOG_DEBUG", 8 },    { "APLOG_EMERG", 1 }, { "APLOG_ALERT", 2 },
    { "APLOG_CRIT", 3 },   { "APLOG_ERR", 4 },   { "APLOG_WARNING", 5 },
    { "APLOG_NOTICE", 6 }, { "APLOG_INFO", 7 },  { "APLOG_DEBUG", 8 },
};

const char *server_reason(mrb_int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].value == status)
            return statuses[i].reason;
    return NULL;
}

void server_define_constants(mrb_state *mrb, struct RClass *server)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        mrb_define_const(mrb, server, statuses[i].name, mrb_fixnum_value(statuses[i].value));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        mrb_define_const(mrb, server, numbers[i].name, mrb_fixnum_value(numbers[i].value));
}
