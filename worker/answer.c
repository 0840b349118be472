#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

const char *answer_reason(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 511: return "Network Authentication Required";
    default: return "Unknown";
    }
}

void answer_page(struct request *request, int status, const char *fields, const char *body, size_t length)
{
    const char *method = request_param(request, "REQUEST_METHOD");
    struct strbuf answer = { 0 };

    /* haproxy goes by what comes last, and takes a Location for a 302: the Status has to follow it. */
    if (strstr(fields, "Location: ") != NULL)
        strbuf_puts(&answer, fields);
    strbuf_printf(&answer, "Status: %d %s\r\n%sX-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n\r\n", status,
                  answer_reason(status), answer.length > 0 ? "" : fields, length);
    size_t body_length = method != NULL && strcmp(method, "HEAD") == 0 ? 0 : length;
    strbuf_append(&answer, body, body_length);
    request->status = status;
    if (status >= 500)
        request->error_answered = true;
    if (request_write(request, answer.data, answer.length) == 0)
        request->body_sent += body_length;
    strbuf_free(&answer);
}

void answer_plain_with(struct request *request, int status, const char *header, const char *detail)
{
    struct strbuf fields = { 0 };
    struct strbuf body = { 0 };

    strbuf_printf(&fields, "Content-Type: text/plain; charset=utf-8\r\n%s%s", header != NULL ? header : "",
                  header != NULL ? "\r\n" : "");
    strbuf_printf(&body, "%d %s\n", status, answer_reason(status));
    if (detail != NULL && detail[0] != '\0')
        strbuf_printf(&body, "\n%s\n", detail);
    answer_page(request, status, fields.data, body.data, body.length);
    strbuf_free(&fields);
    strbuf_free(&body);
}

void answer_plain(struct request *request, int status, const char *detail)
{
    answer_plain_with(request, status, NULL, detail);
}
