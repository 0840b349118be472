/*
 * Somebody waits for the outcome of work that is spread over several pools (a reload). Each part holds the ticket once
 * and settles it once; when the last part is settled, `done` is called with the joined texts and the ticket is gone.
 * Functions take NULL for "nobody waits".
 */
#ifndef COWHERD_TICKET_H
#define COWHERD_TICKET_H

#include <stdbool.h>
#include <stddef.h>

struct ticket;

/* One part outstanding: the caller's own. */
struct ticket *ticket_new(void (*done)(void *data, bool succeeded, const char *text), void *data);
void ticket_hold(struct ticket *ticket);
void ticket_settle(struct ticket *ticket, bool succeeded, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The one who waited has left: `done` is not called. The parts still settle. */
void ticket_abandon(struct ticket *ticket);

/* The tickets that wait for one part. */
struct ticket_list {
    struct ticket **items;
    size_t count;
};
/* Takes over one hold; NULL is not kept. */
void ticket_list_add(struct ticket_list *list, struct ticket *ticket);
/* Moves all of `from` behind those of `to`. */
void ticket_list_move(struct ticket_list *to, struct ticket_list *from);
void ticket_list_settle(struct ticket_list *list, bool succeeded, const char *text);

#endif
