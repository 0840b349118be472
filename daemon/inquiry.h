/*
 * Questions to living children that somebody waits for with a ticket: each child asked holds it once, and settles it
 * when it answers or dies. A child that is busy answers late: who asks keeps a deadline of its own.
 */
#ifndef COWHERD_INQUIRY_H
#define COWHERD_INQUIRY_H

#include "channel.h"
#include "generation.h"
#include "pool.h"
#include "ticket.h"

/* Asks the molds and workers of a pool to measure themselves. A part settles well, whatever becomes of the child. */
void inquiry_memory(struct pool *pool, struct ticket *ticket);

/*
 * Asks for a map of the heap of one worker, by its number, or of the first one that serves (`number` < 0). Takes over
 * one hold. Settles with a line "POOL WORKER PID GENERATION" and the map's text (heap_map.h), or with what went wrong.
 */
void inquiry_heap(struct pool *pool, long number, struct ticket *ticket);

/* From the children: */
void inquiry_measured(struct ticket_list *measures);
void inquiry_heap_mapped(struct worker *worker, const struct message *message);
void inquiry_worker_gone(struct worker *worker);

#endif
