#include "ticket.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "strbuf.h"
#include "xalloc.h"

struct ticket {
    unsigned outstanding;
    bool failed;
    struct strbuf text;
    void (*done)(void *data, bool succeeded, const char *text);
    void *data;
};

struct ticket *ticket_new(void (*done)(void *data, bool succeeded, const char *text), void *data)
{
    struct ticket *ticket = xcalloc(1, sizeof *ticket);
    ticket->outstanding = 1;
    ticket->done = done;
    ticket->data = data;
    return ticket;
}

void ticket_hold(struct ticket *ticket)
{
    if (ticket)
        ticket->outstanding++;
}

void ticket_settle(struct ticket *ticket, bool succeeded, const char *format, ...)
{
    if (!ticket)
        return;
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (text && *text) {
        strbuf_puts(&ticket->text, text);
        if (ticket->text.data[ticket->text.length - 1] != '\n')
            strbuf_puts(&ticket->text, "\n");
    }
    free(text);
    if (!succeeded)
        ticket->failed = true;
    if (--ticket->outstanding > 0)
        return;
    if (ticket->done)
        ticket->done(ticket->data, !ticket->failed, ticket->text.data ? ticket->text.data : "");
    strbuf_free(&ticket->text);
    free(ticket);
}

void ticket_abandon(struct ticket *ticket)
{
    if (ticket)
        ticket->done = NULL;
}

void ticket_list_add(struct ticket_list *list, struct ticket *ticket)
{
    if (!ticket)
        return;
    list->items = xreallocarray(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = ticket;
}

void ticket_list_move(struct ticket_list *to, struct ticket_list *from)
{
    for (size_t i = 0; i < from->count; i++)
        ticket_list_add(to, from->items[i]);
    free(from->items);
    *from = (struct ticket_list){ 0 };
}

void ticket_list_settle(struct ticket_list *list, bool succeeded, const char *text)
{
    struct ticket_list settled = *list;
    *list = (struct ticket_list){ 0 };
    for (size_t i = 0; i < settled.count; i++)
        ticket_settle(settled.items[i], succeeded, "%s", text);
    free(settled.items);
}
