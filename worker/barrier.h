/*
 * mruby's write barriers, root scan and object walk for a heap with a permanent generation. The linker puts them in
 * front of mruby's own (--wrap, see the Makefile): only calls between object files can be wrapped, so libmruby and
 * what links it are built without link-time optimisation; heap_prove_barriers finds out when that failed.
 */
#ifndef COWHERD_BARRIER_H
#define COWHERD_BARRIER_H

#include <mruby.h>
#include <mruby/gc.h>

void __real_mrb_field_write_barrier(mrb_state *mrb, struct RBasic *object, struct RBasic *value);
void __wrap_mrb_field_write_barrier(mrb_state *mrb, struct RBasic *object, struct RBasic *value);
void __real_mrb_write_barrier(mrb_state *mrb, struct RBasic *object);
void __wrap_mrb_write_barrier(mrb_state *mrb, struct RBasic *object);
void __real_mrb_gc_mark_gv(mrb_state *mrb);
void __wrap_mrb_gc_mark_gv(mrb_state *mrb);
void __real_mrb_objspace_each_objects(mrb_state *mrb, mrb_each_object_callback *callback, void *data);
void __wrap_mrb_objspace_each_objects(mrb_state *mrb, mrb_each_object_callback *callback, void *data);
mrb_bool __real_mrb_object_dead_p(mrb_state *mrb, struct RBasic *object);
mrb_bool __wrap_mrb_object_dead_p(mrb_state *mrb, struct RBasic *object);

#endif
