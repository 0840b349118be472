/*
 * mruby collects by the number of objects alone: a few objects with large buffers never make it collect. So the bytes
 * that the young heap allocates are counted, and past a limit the next object allocation collects. The limit adapts as
 * in CRuby 2.1 (gc.c, GC_MALLOC_LIMIT_MIN 16 MiB, _MAX 32 MiB, growth factor 1.4): upwards when it was reached,
 * slowly downwards when it was not.
 */
#ifndef COWHERD_MALLOC_LIMIT_H
#define COWHERD_MALLOC_LIMIT_H

#include <stddef.h>

#include <mruby.h>

struct heap;

void malloc_limit_start(struct heap *heap);

/*
 * `size` more bytes. Never collects by itself (the caller is in the middle of something): thresholds of 0 make the
 * next allocation of an object do so, and the cycle after that a major one: a buffer that was in use at a minor
 * collection has become old, and only a major one frees it.
 */
void malloc_limit_count(struct heap *heap, mrb_state *mrb, size_t size);

/*
 * A piece of a body has gone through Ruby; its Strings are garbage. With a frozen heap, where a collection costs no
 * more than what is young, they are collected as soon as they make up half of that, so that a stream of any length
 * takes little memory and a small part of its time.
 */
void malloc_limit_piece_passed(struct heap *heap, mrb_state *mrb);

/* A collection begins. */
void malloc_limit_adapt(struct heap *heap);

#endif
