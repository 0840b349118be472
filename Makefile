# cowherd. 'make help' lists what can be made.

VERSION := 0.1.0

B      ?= build
PREFIX ?= /usr/local
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS ?= -O2 -g

PYTHON ?= /usr/bin/python3
export PYTHON

# A source tree of mruby in place of the pinned one; a build configuration in place of the project's.
# make MRUBY_SRC=DIR, make MRUBY_CONFIG=FILE
MRUBY_CONFIG ?= gems/build_config.rb

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all
Q := $(if $(V),,@)

# --- What the programs are made of -----------------------------------------------------------------------------------

# Code that both programs link. It knows libc alone.
BASE := \
	daemon/base/allow \
	daemon/base/channel \
	daemon/base/clock \
	daemon/base/emergency_answer \
	daemon/base/escrow \
	daemon/base/fcgi_record \
	daemon/base/handed \
	daemon/base/heap_map \
	daemon/base/json \
	daemon/base/log \
	daemon/base/mapping \
	daemon/base/memory_meter \
	daemon/base/oom_score \
	daemon/base/scoreboard \
	daemon/base/strbuf \
	daemon/base/unbegun \
	daemon/base/xalloc

CONFIG := \
	config/bind \
	config/bind_list \
	config/bind_scalar \
	config/config \
	config/config_check \
	config/config_files \
	config/config_handed \
	config/config_print \
	config/diagnostics \
	config/names \
	config/nearest \
	config/settings \
	config/values \
	config/yaml_tree

DAEMON := \
	daemon/allocator_library \
	daemon/announce \
	daemon/backoff \
	daemon/check_command \
	daemon/command_line \
	daemon/completion \
	daemon/control \
	daemon/control_client \
	daemon/control_commands \
	daemon/crash_loop \
	daemon/dev \
	daemon/env_dir \
	daemon/fallback \
	daemon/fallback_command \
	daemon/fallback_policy \
	daemon/front_apache \
	daemon/front_caddy \
	daemon/front_command \
	daemon/front_h2o \
	daemon/front_haproxy \
	daemon/front_lighttpd \
	daemon/front_nginx \
	daemon/front_text \
	daemon/generation \
	daemon/generation_mold \
	daemon/heap_command \
	daemon/heap_svg \
	daemon/inherited \
	daemon/inquiry \
	daemon/late_answer \
	daemon/lifecycle \
	daemon/listen_queue \
	daemon/listener \
	daemon/load_config \
	daemon/logs \
	daemon/loop \
	daemon/main \
	daemon/mdoc \
	daemon/memory_report \
	daemon/metrics_text \
	daemon/mold_environment \
	daemon/notify \
	daemon/obituary \
	daemon/oom_watch \
	daemon/orphans \
	daemon/output \
	daemon/own_program \
	daemon/overdue \
	daemon/pid_file \
	daemon/poison \
	daemon/pool \
	daemon/random_bits \
	daemon/recycle \
	daemon/recycling \
	daemon/renewal \
	daemon/renewal_pause \
	daemon/request_command \
	daemon/request_exchange \
	daemon/rescue \
	daemon/responder \
	daemon/responder_request \
	daemon/root_users \
	daemon/sampler \
	daemon/scaler \
	daemon/scaling \
	daemon/settings_command \
	daemon/shared_library \
	daemon/shortage \
	daemon/socket_files \
	daemon/spawn_mold \
	daemon/state_adopt \
	daemon/state_save \
	daemon/state_text \
	daemon/status \
	daemon/status_metrics \
	daemon/status_request \
	daemon/status_server \
	daemon/status_server_command \
	daemon/stores \
	daemon/succession \
	daemon/supervisor \
	daemon/supervisor_signals \
	daemon/surge \
	daemon/surging \
	daemon/ticket \
	daemon/time_outs \
	daemon/trace \
	daemon/top_command \
	daemon/trace_command \
	daemon/trace_report \
	daemon/upgrade \
	daemon/upgrade_guard \
	daemon/warm_up \
	daemon/warm_up_exchange \
	daemon/watch \
	daemon/worker_orders \
	daemon/workers

WORKER := \
	worker/access_log \
	worker/allocator \
	worker/answer \
	worker/app \
	worker/app_sleep \
	worker/barrier \
	worker/barrier_repairs \
	worker/block_owners \
	worker/chroot \
	worker/collector \
	worker/connection \
	worker/crash \
	worker/deposit \
	worker/descriptors \
	worker/dispatch \
	worker/error_page \
	worker/fcgi \
	worker/fork_worker \
	worker/gate \
	worker/handback \
	worker/heap \
	worker/heap_survey \
	worker/hook_path \
	worker/hooks \
	worker/intake \
	worker/interrupt \
	worker/listening \
	worker/load_guard \
	worker/loaded_files \
	worker/lookout \
	worker/main \
	worker/malloc_limit \
	worker/mold \
	worker/orphaned \
	worker/out_of_memory \
	worker/params \
	worker/privileges \
	worker/quota \
	worker/rack \
	worker/rack_body \
	worker/rack_env \
	worker/rack_errors \
	worker/rack_failure \
	worker/rack_hooks \
	worker/rack_input \
	worker/rack_response \
	worker/rack_sendfile \
	worker/rack_shape \
	worker/rack_stream \
	worker/real_root \
	worker/record_walker \
	worker/references \
	worker/region \
	worker/remembered_set \
	worker/request_hash \
	worker/script \
	worker/script_answer \
	worker/script_open \
	worker/script_path \
	worker/script_table \
	worker/script_tree \
	worker/scripts \
	worker/server \
	worker/store \
	worker/stray_child \
	worker/string_hash \
	worker/time_out \
	worker/title \
	worker/traced_worker \
	worker/vhost \
	worker/vm \
	worker/vm_describe \
	worker/vm_random \
	worker/write_trace

COWHERD_OBJECTS := $(BASE) $(CONFIG) $(DAEMON)
MOLD_OBJECTS    := $(BASE) $(CONFIG) $(WORKER)

# --- Compiling -------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla $(if $(filter true,$(CI)),-Werror)
FORTIFY  := $(if $(SANITIZE)$(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDEN   := -fstack-protector-strong -fPIE $(FORTIFY)
CHECKED  := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)

ALL_CPPFLAGS := -D_GNU_SOURCE -DCOWHERD_VERSION='"$(VERSION)"' $(CPPFLAGS)
# -fno-lto: calls that the linker wraps would be resolved before it sees them, and the frozen heap would lose objects.
ALL_CFLAGS   := -std=gnu11 $(CFLAGS) -fno-lto $(HARDEN) $(CHECKED) $(WARNINGS)
ALL_LDFLAGS  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--fatal-warnings $(CHECKED) $(LDFLAGS)

# Who may include whom: a header out of bounds is not found.
INCLUDE_base   := -Idaemon/base
INCLUDE_config := $(INCLUDE_base) -Iconfig
INCLUDE_daemon := $(INCLUDE_config) -Idaemon

# What objects that include mruby's headers depend on beside these: definitions, and the numbers of symbols.
MRUBY_HEADERS := $(B)/mruby/cflags $(B)/mruby/symbols
INCLUDE_worker := $(INCLUDE_config) -Iworker @$(B)/mruby/cflags

LIBS_yaml  := -lyaml
LIBS_bsd   := -lbsd
LIBS_fcgi  := -lfcgi
# The worker stands in front of these functions of mruby's (worker/barrier.c, worker/out_of_memory.c, worker/string_hash.c).
WRAPPED := mrb_field_write_barrier mrb_write_barrier mrb_gc_mark_gv mrb_objspace_each_objects mrb_object_dead_p \
	mrb_raise_nomemory mrb_str_hash
LIBS_mruby := $(WRAPPED:%=-Wl,--wrap=%) @$(B)/mruby/ldflags

LIBS_mruby_plain := @$(B)/mruby/ldflags

comma := ,
objects = $(patsubst %,$(B)/obj/%.o,$(1))

define compile
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(ALL_CPPFLAGS) $(1) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
endef

define link
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(1)
endef

all: $(B)/cowherd $(B)/cowherd-mold documents

$(B)/cowherd: $(call objects,$(COWHERD_OBJECTS))
	$(call link,$(LIBS_yaml) $(LIBS_bsd))

$(B)/cowherd-mold: $(call objects,$(MOLD_OBJECTS)) $(B)/mruby/built
	$(call link,-Wl$(comma)--wrap=usleep $(LIBS_mruby) $(LIBS_fcgi) $(LIBS_yaml) $(LIBS_bsd))

$(B)/obj/daemon/base/%.o: daemon/base/%.c $(B)/flags
	$(call compile,$(INCLUDE_base))

$(B)/obj/config/%.o: config/%.c $(B)/flags
	$(call compile,$(INCLUDE_config))

$(B)/obj/daemon/%.o: daemon/%.c $(B)/flags
	$(call compile,$(INCLUDE_daemon))

$(B)/obj/worker/%.o: worker/%.c $(B)/flags $(MRUBY_HEADERS)
	$(call compile,$(INCLUDE_worker))

# Changes only when the flags do, so that objects are compiled again when they have to be.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC)' '$(subst ','\'',$(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS))' | cmp -s - $@ || \
		printf '%s\n' '$(CC)' '$(subst ','\'',$(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS))' >$@

-include $(wildcard $(foreach depth,*/* */*/* */*/*/*,$(B)/obj/$(depth).d $(B)/fuzz/obj/$(depth).d))

# --- mruby -----------------------------------------------------------------------------------------------------------

ifeq ($(origin MRUBY_SRC),undefined)
MRUBY_TREE   := build/mruby/src
MRUBY_SOURCE := build/mruby/fetched
else
MRUBY_TREE   := $(MRUBY_SRC)
MRUBY_SOURCE := $(shell find $(MRUBY_SRC) \( -name build -o -name bin -o -name .git \) -prune -o -type f -print)
endif
MRUBY_INPUTS := $(MRUBY_CONFIG) $(shell find gems -type f ! -name '*.md')

mruby: $(B)/mruby/built

build/mruby/fetched: gems/fetch-mruby gems/edit-mruby
	$(Q)DEBIAN_MIRROR='$(DEBIAN_MIRROR)' gems/fetch-mruby build/mruby
	@touch $@

# Changes when another tree or configuration is named.
$(B)/mruby/chosen: FORCE
	@mkdir -p $(@D)
	@echo '$(MRUBY_TREE) $(MRUBY_CONFIG) $(CC)' | cmp -s - $@ || echo '$(MRUBY_TREE) $(MRUBY_CONFIG) $(CC)' >$@

$(B)/mruby/built: $(MRUBY_SOURCE) $(MRUBY_INPUTS) $(B)/mruby/chosen
	$(Q)CC='$(CC)' COWHERD_SANITIZE=$(if $(SANITIZE),address) COWHERD_MRBC='$(CURDIR)/build/mruby/host/bin/mrbc' \
		gems/build-mruby $(MRUBY_TREE) $(MRUBY_CONFIG) $(B)/mruby
	@touch $@

# Written by the build, and only when they differ.
$(MRUBY_HEADERS) $(B)/mruby/ldflags: $(B)/mruby/built
	@:

# The tests of mruby and of its gems, those in gems/ too, in one program.
mruby-test: $(B)/mruby/tests

$(B)/mruby/tests: $(B)/mruby/built
	$(Q)CC='$(CC)' COWHERD_RAKE_TASK=test:build gems/build-mruby $(MRUBY_TREE) $(MRUBY_CONFIG) $(B)/mruby
	@touch $@

# --- Tests -----------------------------------------------------------------------------------------------------------

# $(call unit_test,NAME,OBJECTS,LIBRARIES): test/unit/test_NAME.c with exactly these objects and, beside cmocka, these
# libraries (yaml bsd fcgi mruby). What is not named does not link. base/ is short for daemon/base/.
define unit_test
UNIT_TESTS += $(B)/test/test_$(1)
$(B)/obj/test/unit/test_$(1).o: INCLUDES := $(call unit_includes,$(2))
$(B)/obj/test/unit/test_$(1).o: $(if $(filter worker/%,$(2)),$(MRUBY_HEADERS))
$(B)/test/test_$(1): LIBRARIES := $(foreach library,$(3),$(LIBS_$(library)))
$(B)/test/test_$(1): $(B)/obj/test/unit/test_$(1).o $(call objects,$(patsubst base/%,daemon/base/%,$(2))) \
	$(if $(filter mruby,$(3)),$(B)/mruby/built)
endef
unit_includes = $(if $(filter worker/%,$(1)),$(INCLUDE_worker),$(if $(filter daemon/%,$(1)),$(INCLUDE_daemon),$(if \
	$(filter config/%,$(1)),$(INCLUDE_config),$(INCLUDE_base))))

# What xalloc needs, and with it nearly everything.
CORE := base/clock base/log base/strbuf base/xalloc

# What serves a Rack app, without what carries the request.
HEAP := worker/barrier worker/barrier_repairs worker/heap worker/malloc_limit worker/out_of_memory worker/references \
	worker/region worker/remembered_set worker/string_hash
SCRIPTS := worker/script worker/script_answer worker/script_open worker/script_path worker/script_table \
	worker/script_tree worker/scripts
RACK := $(HEAP) worker/answer worker/error_page worker/hook_path worker/hooks worker/rack worker/rack_body worker/rack_env \
	worker/rack_errors worker/rack_failure worker/rack_hooks worker/rack_input worker/rack_response worker/rack_sendfile \
	worker/rack_shape worker/rack_stream $(SCRIPTS) worker/interrupt worker/store worker/time_out worker/vm \
	worker/vm_describe worker/vm_random $(CORE)

# The worker's loop, without the app that it serves.
LOOP := worker/access_log worker/answer worker/connection worker/deposit worker/dispatch worker/fcgi worker/gate \
	worker/handback worker/intake worker/listening worker/lookout worker/orphaned worker/params worker/quota worker/record_walker worker/region worker/request_hash worker/server \
	worker/stray_child worker/interrupt worker/time_out worker/title worker/vhost

# What a worker does with its heap between requests, and tells of it.
COLLECTOR := worker/allocator worker/collector worker/heap_survey

SERVER := $(LOOP) $(COLLECTOR) $(HEAP) $(patsubst daemon/%,%,$(BASE))

# What libfcgi is driven by.
FCGI := worker/fcgi worker/gate worker/params worker/record_walker worker/stray_child base/fcgi_record $(CORE)

# The test's own verifier of the frozen heap.
VERIFY := $(HEAP) test/unit/heap_verify $(CORE)

UNIT_TESTS :=
$(eval $(call unit_test,access_log,worker/access_log base/json $(CORE)))
$(eval $(call unit_test,allocator,worker/allocator $(CORE)))
$(eval $(call unit_test,allocator_library,daemon/allocator_library $(CORE)))
$(eval $(call unit_test,allow,base/allow $(CORE)))
$(eval $(call unit_test,app,worker/app $(RACK),mruby))
$(eval $(call unit_test,answer,worker/answer $(CORE)))
$(eval $(call unit_test,backoff,daemon/backoff))
$(eval $(call unit_test,channel,base/channel $(CORE)))
$(eval $(call unit_test,chroot,worker/chroot $(CONFIG) $(CORE),yaml))
$(eval $(call unit_test,config,$(CONFIG) $(CORE),yaml))
$(eval $(call unit_test,config_errors,$(CONFIG) $(CORE),yaml))
$(eval $(call unit_test,emergency_answer,base/emergency_answer base/fcgi_record $(CORE)))
$(eval $(call unit_test,env_dir,daemon/env_dir config/names config/values $(CORE)))
$(eval $(call unit_test,escrow,base/escrow))
$(eval $(call unit_test,error_page,worker/error_page worker/answer $(CORE)))
$(eval $(call unit_test,fallback_policy,daemon/fallback_policy))
$(eval $(call unit_test,responder_request,daemon/responder_request base/fcgi_record $(CORE)))
$(eval $(call unit_test,fcgi,$(FCGI),fcgi))
$(eval $(call unit_test,fcgi_body,$(FCGI),fcgi))
$(eval $(call unit_test,fcgi_record,base/fcgi_record $(CORE)))
$(eval $(call unit_test,frozen_reads,$(HEAP) $(CORE),mruby))
$(eval $(call unit_test,gate,worker/gate base/fcgi_record $(CORE)))
$(eval $(call unit_test,handback,worker/handback worker/connection worker/deposit worker/stray_child base/escrow base/handed base/unbegun $(CORE)))
$(eval $(call unit_test,heap_map,base/heap_map $(CORE)))
$(eval $(call unit_test,heap_svg,daemon/heap_svg base/heap_map $(CORE)))
$(eval $(call unit_test,hooks,worker/app $(RACK),mruby))
$(eval $(call unit_test,inherited,daemon/inherited $(CORE)))
$(eval $(call unit_test,json,base/json $(CORE)))
$(eval $(call unit_test,lifecycle,daemon/lifecycle))
$(eval $(call unit_test,listen_queue,daemon/listen_queue))
$(eval $(call unit_test,log,$(CORE)))
$(eval $(call unit_test,lookout,worker/lookout worker/handback worker/connection worker/deposit worker/stray_child base/escrow base/handed base/scoreboard base/unbegun $(CORE)))
$(eval $(call unit_test,loop,daemon/loop $(CORE)))
$(eval $(call unit_test,mapping,base/mapping))
$(eval $(call unit_test,mdoc,daemon/mdoc $(CORE)))
$(eval $(call unit_test,memory_meter,base/mapping base/memory_meter $(CORE)))
$(eval $(call unit_test,metrics_text,daemon/metrics_text $(CORE)))
$(eval $(call unit_test,mold_environment,daemon/mold_environment $(CORE)))
$(eval $(call unit_test,notify,daemon/loop daemon/notify $(CORE)))
$(eval $(call unit_test,overdue,daemon/overdue))
$(eval $(call unit_test,names,config/names config/values $(CORE)))
$(eval $(call unit_test,nearest,config/nearest))
$(eval $(call unit_test,oom_watch,daemon/oom_watch $(CORE)))
$(eval $(call unit_test,orphans,daemon/orphans))
$(eval $(call unit_test,rack,$(RACK),mruby))
$(eval $(call unit_test,rack_body,$(RACK),mruby))
$(eval $(call unit_test,rack_env,$(RACK),mruby))
$(eval $(call unit_test,rack_input,$(RACK),mruby))
$(eval $(call unit_test,rack_response,$(RACK),mruby))
$(eval $(call unit_test,rack_sendfile,$(RACK),mruby))
$(eval $(call unit_test,params,worker/params base/fcgi_record $(CORE)))
$(eval $(call unit_test,pid_file,daemon/pid_file $(CORE)))
$(eval $(call unit_test,poison,daemon/poison base/scoreboard))
$(eval $(call unit_test,region,worker/region))
$(eval $(call unit_test,heap,$(VERIFY) base/mapping base/memory_meter,mruby))
$(eval $(call unit_test,recycle,daemon/recycle))
$(eval $(call unit_test,renewal,daemon/renewal_pause))
$(eval $(call unit_test,scaling,daemon/scaling))
$(eval $(call unit_test,request_hash,worker/request_hash))
$(eval $(call unit_test,scoreboard,base/scoreboard $(CORE)))
$(eval $(call unit_test,script,$(HEAP) base/mapping base/memory_meter worker/script worker/interrupt worker/time_out \
	worker/vm worker/vm_describe worker/vm_random $(CORE),mruby))
$(eval $(call unit_test,script_open,worker/script_open))
$(eval $(call unit_test,script_path,worker/script_path $(CORE)))
$(eval $(call unit_test,script_table,worker/script_table $(CORE)))
$(eval $(call unit_test,script_tree,worker/script_open worker/script_path worker/script_tree $(CORE)))
$(eval $(call unit_test,server,$(SERVER),fcgi bsd mruby))
$(eval $(call unit_test,server_orders,$(SERVER),fcgi bsd mruby))
$(eval $(call unit_test,surge,daemon/surge))
$(eval $(call unit_test,shared_library,daemon/shared_library daemon/own_program $(CORE)))
$(eval $(call unit_test,state_text,daemon/state_text $(CORE)))
$(eval $(call unit_test,status_request,daemon/status_request base/fcgi_record $(CORE)))
$(eval $(call unit_test,strbuf,$(CORE)))
LIBS_comparisons := -Wl,--wrap=mrb_str_equal
$(eval $(call unit_test,string_hash,$(HEAP) worker/interrupt worker/time_out worker/vm worker/vm_describe worker/vm_random \
	$(CORE),mruby comparisons))
$(eval $(call unit_test,syslog,daemon/logs $(CORE)))
$(eval $(call unit_test,ticket,daemon/ticket $(CORE)))
$(eval $(call unit_test,trace_report,daemon/trace_report base/json $(CORE)))
$(eval $(call unit_test,unbegun,base/unbegun))
$(eval $(call unit_test,warm_up_exchange,daemon/warm_up_exchange base/fcgi_record $(CORE)))
$(eval $(call unit_test,watch,daemon/watch $(CORE)))
$(eval $(call unit_test,values,config/values $(CORE)))
$(eval $(call unit_test,vhost,worker/vhost))
$(eval $(call unit_test,time_out,worker/rack_failure $(HEAP) worker/interrupt worker/time_out worker/vm worker/vm_describe \
	worker/vm_random $(CORE),mruby))
$(eval $(call unit_test,vm,$(HEAP) worker/interrupt worker/time_out worker/vm worker/vm_describe worker/vm_random \
	$(CORE),mruby))
$(eval $(call unit_test,write_trace,$(HEAP) worker/block_owners worker/write_trace $(CORE),mruby))
$(eval $(call unit_test,xalloc,$(CORE)))

$(UNIT_TESTS):
	$(call link,$(LIBRARIES) -lcmocka)

$(B)/obj/test/unit/%.o: test/unit/%.c $(B)/flags
	$(call compile,$(INCLUDES))

# What is no longer in the list must not run any more.
unit-tests: $(UNIT_TESTS)
	@rm -f $(filter-out $(UNIT_TESTS),$(wildcard $(B)/test/test_*))

# The program of random mutations wraps the allocation of objects, too.
$(B)/test/torture: $(call objects,test/torture/torture $(patsubst base/%,daemon/base/%,$(VERIFY))) $(B)/mruby/built
	$(call link,-Wl$(comma)--wrap=mrb_obj_alloc $(LIBS_mruby))

# So does the one that runs mruby's tests in a frozen heap, with mruby's test driver and the helpers of the gems' tests.
MRUBY_TEST := $(B)/mruby/host/mrbgems/mruby-test
SUITE_WRAPPED := mrb_obj_alloc mrb_open_allocf mrb_open_core mrb_load_irep mrb_t_pass_result

$(B)/test/suite: $(call objects,test/torture/suite $(patsubst base/%,daemon/base/%,$(VERIFY))) $(B)/mruby/tests
	$(Q)$(CC) @$(B)/mruby/cflags -fPIE -O1 -w -Dmain=mruby_test_main -c -o $(B)/obj/test/torture/driver.o \
		$(MRUBY_TREE)/mrbgems/mruby-test/driver.c
	$(call link,$(B)/obj/test/torture/driver.o $(MRUBY_TEST)/vformat.o $(MRUBY_TEST)/mrbtest.o -Wl$(comma)--whole-archive \
		$(MRUBY_TEST)/mrbtest.a -Wl$(comma)--no-whole-archive -rdynamic $(SUITE_WRAPPED:%=-Wl$(comma)--wrap=%) $(LIBS_mruby))

TORTURE_OBJECTS := $(call objects,test/torture/torture test/torture/suite test/unit/heap_verify)
$(TORTURE_OBJECTS): INCLUDES := $(INCLUDE_worker) -Itest/unit
$(TORTURE_OBJECTS): $(MRUBY_HEADERS)

$(B)/obj/test/torture/%.o: test/torture/%.c $(B)/flags
	$(call compile,$(INCLUDES))

SEEDS   ?= 2000
SECONDS ?= 0

# Not mruby-shared-store, whose writers are killed: how many calls raise for want of pages is a matter of turns, on a busy
# machine enough to fail in either heap.
torture: $(B)/test/torture $(B)/test/suite
	$(B)/test/suite --every 3 --without mruby-shared-store $(B)/mruby/host/mrbgems
	$< --first $$(date +%s) --count $$(( ($(SEEDS) + 99) / 100 )) --every 1 --stress-every 1 test/torture
	$< --first $$(date +%s) --count $(SEEDS) --seconds $(SECONDS) --stress-every 5 test/torture

check: unit-tests all
	test/run $(B) unit config

test: deps
	@$(MAKE) --no-print-directory unit-tests replays $(B)/test/torture $(B)/test/suite $(B)/chaos/failing_calls.so mruby-test all
	test/run $(B) unit fuzz gems torture config system chaos conformance

# Everything again with AddressSanitizer (libmruby too) and UndefinedBehaviorSanitizer (the project's own code).
asan: mruby
	@$(MAKE) --no-print-directory B=build/asan SANITIZE=address,undefined unit-tests replays build/asan/test/torture all
	test/run build/asan unit fuzz torture config system chaos
	@$(MAKE) --no-print-directory tsan

# The one thread that a worker has, with ThreadSanitizer (libmruby's headers are those of the other build).
tsan: mruby
	@mkdir -p build/tsan && ln -sfn ../mruby build/tsan/mruby
	@$(MAKE) --no-print-directory B=build/tsan SANITIZE=thread build/tsan/test/test_lookout
	build/tsan/test/test_lookout

# System tests with supervisors, molds and workers under valgrind: long. VALGRIND: of which files; VALGRIND_OPTIONS: more
# for pytest ("-k store"). `-rs` among these says which tests are left out, and why.
VALGRIND         ?= generations hooks lifecycle recycle requests scripts store vhosts
VALGRIND_OPTIONS ?=

valgrind: deps
	@packaging/install-deps valgrind
	@$(MAKE) --no-print-directory all
	VALGRIND_OPTIONS='$(VALGRIND_OPTIONS)' test/valgrind $(B) $(VALGRIND)

# libFuzzer, with AddressSanitizer and UndefinedBehaviorSanitizer: everything that reads what others have written. Needs
# clang and its libFuzzer. FUZZ: which of them; FUZZ_SECONDS: of CPU time, for each; FUZZ_JOBS: how many at a time. What
# is found is kept in $(B)/fuzz/corpus.
FUZZ_SECONDS ?= 60
FUZZ_JOBS    ?= 1
FUZZ         ?= $(FUZZERS)

FUZZ_CFLAGS  := -g -O1 -std=gnu11 -Wall -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
INCLUDE_fuzz := $(INCLUDE_daemon) -Iworker $(patsubst %,-Igems/mruby-%/src,erb json rack time-ext uri) \
	-Igems/mruby-uri/include

# $(1): the harness; $(2): objects that it links; $(3): libraries. Beside the fuzzer a program that replays the corpus,
# made as all others are, so that `make test` notices a harness that doesn't link or pass any more.
define fuzzer
$(B)/fuzz/fuzz_$(1): $(patsubst %,$(B)/fuzz/obj/%.o,test/fuzz/fuzz_$(1) $(2))
	@echo "  LINK  $$@"
	$(Q)clang -fsanitize=fuzzer,address,undefined -o $$@ $$(filter %.o,$$^) $(3)
$(call replay,$(1),$(2),$(3))
endef

define replay
FUZZERS += $(1)
$(B)/test/replay_$(1): LIBRARIES := $(3)
$(B)/test/replay_$(1): $(call objects,test/fuzz/replay test/fuzz/fuzz_$(1) $(2))
endef

FUZZERS   :=
FUZZ_CORE := $(patsubst %,daemon/%,$(CORE))
$(eval $(call fuzzer,channel,daemon/base/channel daemon/base/heap_map $(FUZZ_CORE)))
$(eval $(call fuzzer,config,$(CONFIG) $(FUZZ_CORE),-lyaml))
$(eval $(call fuzzer,control,daemon/control_commands daemon/loop daemon/state_text daemon/ticket $(FUZZ_CORE)))
$(eval $(call fuzzer,erb,gems/mruby-erb/src/erb_translate))
$(eval $(call fuzzer,gate,worker/gate worker/fcgi worker/params worker/record_walker worker/stray_child \
	daemon/base/fcgi_record $(FUZZ_CORE),-lfcgi))
$(eval $(call fuzzer,json,gems/mruby-json/src/document,-ljansson))
$(eval $(call fuzzer,multipart,$(patsubst %,gems/mruby-rack/src/%,multipart multipart_head)))
$(eval $(call fuzzer,params,worker/gate worker/params daemon/base/fcgi_record $(FUZZ_CORE)))
$(eval $(call fuzzer,paths,worker/hook_path worker/script_path daemon/base/allow $(FUZZ_CORE)))
$(eval $(call fuzzer,query,gems/mruby-rack/src/query gems/mruby-uri/src/percent_coding))
$(eval $(call fuzzer,records,daemon/responder_request daemon/status_request daemon/warm_up_exchange \
	daemon/base/fcgi_record $(FUZZ_CORE)))
$(eval $(call replay,regexp,,$(LIBS_mruby_plain)))
$(eval $(call fuzzer,state,daemon/state_text $(FUZZ_CORE)))
$(eval $(call fuzzer,time,gems/mruby-time-ext/src/time_read gems/mruby-time-ext/src/time_write))
$(eval $(call fuzzer,uri,gems/mruby-uri/src/uri_split))

$(B)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CLANG $<"
	$(Q)clang $(ALL_CPPFLAGS) $(INCLUDE_fuzz) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

# Patterns and Strings, against the gem that matches them, within mruby.
$(B)/fuzz/fuzz_regexp: test/fuzz/fuzz_regexp.c $(wildcard gems/mruby-regexp/src/*.[ch]) $(B)/mruby/built
	@mkdir -p $(@D)
	@echo "  CLANG $@"
	$(Q)clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE @$(B)/mruby/cflags -o $@ $(filter %.c,$^) @$(B)/mruby/ldflags

REPLAYS := $(FUZZERS:%=$(B)/test/replay_%)

replays: $(REPLAYS)

$(REPLAYS):
	$(call link,$(LIBRARIES))

$(B)/test/replay_regexp: $(B)/mruby/built
$(B)/obj/test/fuzz/fuzz_regexp.o: $(MRUBY_HEADERS)
$(B)/obj/test/fuzz/fuzz_regexp.o: INCLUDE_fuzz := @$(B)/mruby/cflags

$(B)/obj/test/fuzz/%.o: test/fuzz/%.c $(B)/flags
	$(call compile,$(INCLUDE_fuzz))

$(B)/obj/gems/%.o: gems/%.c $(B)/flags
	$(call compile,$(INCLUDE_fuzz))

fuzz:
	@packaging/install-deps build fuzz
	@$(MAKE) --no-print-directory $(FUZZ:%=$(B)/fuzz/fuzz_%)
	@test/fuzz/run --build $(B) --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS) $(FUZZ)

# Reloads, recycles, faults of processes and files, bad requests under load, in full; `make test` has a tenth of each.
# CHAOS: of which scenarios ("reloads", "killed and nginx"); SEED: that was printed, to repeat them.
CHAOS ?=
SEED  ?=

chaos: deps
	@$(MAKE) --no-print-directory all $(B)/chaos/failing_calls.so
	COWHERD_CHAOS_SCALE=1 COWHERD_CHAOS_SEED='$(SEED)' COWHERD_CHAOS='$(CHAOS)' test/run $(B) chaos

# The same cases with every front end, over unix sockets and TCP; `make test` has the short ones with nginx.
# FRONT_ENDS: which ("caddy h2o"); TABLE: the file that gets the table.
FRONT_ENDS ?= all
TABLE      ?= $(B)/conformance.md

conformance:
	@packaging/install-deps build test conformance
	@$(MAKE) --no-print-directory all
	COWHERD_CONFORMANCE=1 COWHERD_FRONT_ENDS='$(FRONT_ENDS)' COWHERD_CONFORMANCE_TABLE='$(TABLE)' test/run $(B) conformance

# The FastCGI client that keeps to nothing, in full, with what was measured; `make test` has a short form.
hostile: deps
	@$(MAKE) --no-print-directory all
	COWHERD_HOSTILE=1 COWHERD_BUILD=$(B) PYTHONDONTWRITEBYTECODE=1 \
		$(PYTHON) -m pytest -v -s -p no:cacheprovider test/system/test_hostile.py test/system/test_torture.py

# Everything on, for half an hour: does anything fail, leak, grow or stay behind?
# SOAK_OPTIONS="--write test/soak" keeps the result.
SOAK_MINUTES ?= 30

soak: deps
	@$(MAKE) --no-print-directory all
	test/soak/run --build $(B) --minutes $(SOAK_MINUTES) $(SOAK_OPTIONS)

# A gem from outside this tree, with an mruby tree of its own: builds everything anew, in a temporary folder.
third-party-gem: deps
	@$(MAKE) --no-print-directory all
	COWHERD_BUILD=$(B) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -v -p no:cacheprovider test/third_party

demo: deps
	@$(MAKE) --no-print-directory all
	packaging/examples/demo

# --- Benchmark -------------------------------------------------------------------------------------------------------

BENCH := $(B)/bench/bench_rack $(B)/bench/fcgi_load $(B)/bench/textbook $(B)/bench/worker_loop
BENCH_MEMORY := $(B)/bench/bare_fork.so $(B)/bench/bench_collect $(B)/bench/fcgi_load
WORKER_LOOP := test/bench/worker_loop $(LOOP) $(COLLECTOR) $(HEAP) $(BASE)

$(B)/bench/fcgi_load: $(call objects,test/bench/fcgi_load test/bench/exchange)
	$(call link,)

$(B)/bench/textbook: $(call objects,test/bench/textbook)
	$(call link,$(LIBS_fcgi))

$(B)/bench/worker_loop: $(call objects,$(WORKER_LOOP)) $(B)/mruby/built
	$(call link,$(LIBS_mruby) $(LIBS_fcgi) $(LIBS_bsd))

$(B)/bench/bench_rack: $(call objects,test/bench/bench_rack worker/vhost $(patsubst base/%,daemon/base/%,$(RACK))) \
	$(B)/mruby/built
	$(call link,$(LIBS_mruby))

$(B)/bench/bench_collect: $(call objects,test/bench/bench_collect $(patsubst base/%,daemon/base/%,$(HEAP) $(CORE))) \
	$(B)/mruby/built
	$(call link,$(LIBS_mruby))

$(B)/bench/bench_store: $(call objects,test/bench/bench_store $(patsubst base/%,daemon/base/%,$(HEAP) $(CORE))) \
	$(B)/mruby/built
	$(call link,$(LIBS_mruby))

$(B)/bench/run_ruby: $(call objects,test/bench/run_ruby) $(B)/mruby/built
	$(call link,$(LIBS_mruby_plain))

$(patsubst %,$(B)/obj/test/bench/%.o,bench_collect bench_rack bench_store run_ruby worker_loop): $(B)/obj/test/bench/%.o: test/bench/%.c $(B)/flags \
	$(MRUBY_HEADERS)
	$(call compile,$(INCLUDE_worker))

$(B)/obj/test/bench/%.o: test/bench/%.c $(B)/flags
	$(call compile,)

bench:
	@packaging/install-deps build bench
	@$(MAKE) --no-print-directory all $(BENCH)
	test/bench/run --build $(B) $(BENCH_OPTIONS)

$(B)/bench/spread_load: $(call objects,test/bench/spread_load test/bench/exchange)
	$(call link,)

# Preloaded: into cowherd-mold, to time bare forks of it, and ways to spread connections; into the supervisor, whose
# calls fail.
$(B)/bench/bare_fork.so $(B)/bench/spread_variant.so $(B)/chaos/failing_calls.so: $(B)/%.so: test/%.c $(B)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(ALL_CPPFLAGS) -std=gnu11 $(CFLAGS) $(WARNINGS) -fPIC -shared -o $@ $<

# What workers have for themselves: the heap frozen and not, and other servers.
bench-memory:
	@packaging/install-deps build $(if $(findstring --skip-missing,$(BENCH_OPTIONS)),,peers)
	@$(MAKE) --no-print-directory all $(BENCH_MEMORY)
	test/bench/memory --build $(B) $(BENCH_OPTIONS)

# The shared store against LMDB itself.
bench-store:
	@packaging/install-deps build
	@$(MAKE) --no-print-directory all $(B)/bench/bench_store $(B)/bench/fcgi_load
	test/bench/store --build $(B) $(BENCH_OPTIONS)

# Kept connections, and slow requests on some of them.
bench-spread:
	@packaging/install-deps build
	@$(MAKE) --no-print-directory all $(B)/bench/spread_load $(B)/bench/spread_variant.so $(B)/bench/fcgi_load
	test/bench/spread --build $(B) $(BENCH_OPTIONS)

# The allocators of `allocator:` against each other.
bench-allocators:
	@packaging/install-deps build test
	@$(MAKE) --no-print-directory all $(B)/bench/fcgi_load
	test/bench/allocators --build $(B) $(BENCH_OPTIONS)

# The gems against CRuby's own.
bench-gems:
	@packaging/install-deps build
	@$(MAKE) --no-print-directory $(B)/bench/run_ruby
	test/bench/gems --build $(B) $(BENCH_OPTIONS)
	test/bench/regexp --build $(B) $(BENCH_OPTIONS)

# The example apps: their speed beside a hello, their memory.
bench-apps:
	@packaging/install-deps build test
	@$(MAKE) --no-print-directory all $(B)/bench/fcgi_load
	test/bench/apps --build $(B) $(BENCH_OPTIONS)

# --- Source checks ---------------------------------------------------------------------------------------------------

C_FILES = $(shell find daemon config worker test gems -name '*.[ch]')

# A source that no program has is dead, or forgotten.
SOURCES  := $(basename $(wildcard daemon/base/*.c config/*.c daemon/*.c worker/*.c))
UNLISTED := $(filter-out $(COWHERD_OBJECTS) $(MOLD_OBJECTS),$(SOURCES)) \
	$(filter-out $(UNIT_TESTS:$(B)/%=%),$(patsubst test/unit/%.c,test/%,$(wildcard test/unit/test_*.c)))

lint: documents
	@echo 'clang-format, cppcheck, includes, mandoc'
	@clang-format --dry-run -Werror $(C_FILES)
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=legacyUninitvar -D_GNU_SOURCE -D__linux__ -DCOWHERD_VERSION='"$(VERSION)"' \
		$(INCLUDE_daemon) -Iworker daemon config worker
	@test/includes
	@if command -v mandoc >/dev/null; then test/manual $(MANUAL) $(wildcard packaging/man/*.[1-9]); fi
	@$(if $(strip $(UNLISTED)),echo 'in no list of the Makefile: $(strip $(UNLISTED))' && false)

# --- Manual pages and completions ------------------------------------------------------------------------------------

# What the program knows of its commands and settings is said by itself.
MANUAL      := $(patsubst packaging/man/%.in,$(B)/man/%,$(wildcard packaging/man/*.in))
COMPLETIONS := $(B)/completion.bash $(B)/completion.zsh

.PHONY: documents
documents: $(MANUAL) $(COMPLETIONS)

$(B)/man/%: packaging/man/%.in $(B)/man/commands $(B)/man/settings
	$(Q)sed -e '/^@COMMANDS@$$/{r $(B)/man/commands' -e 'd}' -e '/^@SETTINGS@$$/{r $(B)/man/settings' -e 'd}' $< >$@

$(B)/man/commands: $(B)/cowherd
	@mkdir -p $(@D)
	$(Q)$< help --mdoc >$@

$(B)/man/settings: $(B)/cowherd
	@mkdir -p $(@D)
	$(Q)$< settings --mdoc >$@

$(COMPLETIONS): $(B)/completion.%: $(B)/cowherd
	$(Q)$< completion $* >$@

compile_commands.json: $(B)/mruby/cflags FORCE
	@$(MAKE) --no-print-directory --dry-run --always-make V=1 all unit-tests 2>/dev/null | \
		ruby -rjson -e 'puts JSON.pretty_generate(STDIN.grep(/ -c -o \S+ \S+\.c$$/) { |line| \
			{ directory: Dir.pwd, file: line.split.last, command: line.chomp } })' >$@

# --- Packages, installation, cleaning --------------------------------------------------------------------------------

deps:
	@packaging/install-deps build test

DESTINATION = $(DESTDIR)$(PREFIX)
# Where zsh looks below /usr/local, and below /usr but in Debian.
ZSH_FUNCTIONS := share/zsh/site-functions

install: all
	install -D -m 755 $(B)/cowherd $(DESTINATION)/sbin/cowherd
	install -D -m 755 $(B)/cowherd-mold $(DESTINATION)/libexec/cowherd/cowherd-mold
	install -D -m 644 config/cowherd.yml.example $(DESTINATION)/share/doc/cowherd/cowherd.yml.example
	for document in README CHANGELOG SECURITY; do \
		install -D -m 644 $$document.md $(DESTINATION)/share/doc/cowherd/$$document.md || exit 1; \
	done
	install -D -m 644 test/conformance/results.md $(DESTINATION)/share/doc/cowherd/front-ends.md
	for gem in gems/*/README.md; do \
		install -D -m 644 $$gem $(DESTINATION)/share/doc/cowherd/$$(basename $$(dirname $$gem)).md || exit 1; \
	done
	for page in $(MANUAL); do \
		install -D -m 644 $$page $(DESTINATION)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	install -D -m 644 $(B)/completion.bash $(DESTINATION)/share/bash-completion/completions/cowherd
	install -D -m 644 $(B)/completion.zsh $(DESTINATION)/$(ZSH_FUNCTIONS)/_cowherd
	install -D -m 644 LICENSE $(DESTINATION)/share/doc/cowherd/LICENSE

# cowherd and cowherd-dev as Debian packages, below build/deb. DEB_BUILD_OPTIONS=: the build also runs `make check`.
DEB_BUILD_OPTIONS ?= nocheck

deb: deb-deps
	@$(MAKE) --no-print-directory build/mruby/fetched
	rm -rf build/deb/*/
	DEB_BUILD_OPTIONS='$(DEB_BUILD_OPTIONS)' packaging/make-deb build/mruby build/deb

deb-deps:
	@packaging/install-deps build deb

# The packages of each release are built in that release, below build/deb/RELEASE.
DEBIAN_RELEASES ?= bookworm trixie

deb-releases:
	@packaging/install-deps build test-deb
	@$(MAKE) --no-print-directory build/mruby/fetched
	DEBIAN_MIRROR='$(DEBIAN_MIRROR)' DEB_BUILD_OPTIONS='$(DEB_BUILD_OPTIONS)' packaging/deb-in-room build/deb $(DEBIAN_RELEASES)

RELEASES_UNBUILT = $(foreach release,$(DEBIAN_RELEASES),$(if $(wildcard \
	build/deb/$(release)/cowherd_*.deb),,$(release)))
define build_for_releases
	@$(if $(strip $(RELEASES_UNBUILT)),$(MAKE) --no-print-directory deb-releases DEBIAN_RELEASES='$(RELEASES_UNBUILT)')
endef

# Installs, upgrades under load and purges these packages in fresh Debians, and builds a mold with a gem of one's own from
# cowherd-dev there. What lies there is taken as it is: after a change, `make deb` first.
test-deb:
	@packaging/install-deps test-deb
	$(build_for_releases)
	DEBIAN_MIRROR='$(DEBIAN_MIRROR)' packaging/test-packages build/deb $(DEBIAN_RELEASES)

# The unit under systemd as process 1 of a fresh Debian.
test-systemd:
	@packaging/install-deps test-deb
	$(build_for_releases)
	DEBIAN_MIRROR='$(DEBIAN_MIRROR)' packaging/test-systemd build/deb $(DEBIAN_RELEASES)

# Builds the packages in two ways that ought not to matter, and compares.
test-reproducible: deb-deps
	@$(MAKE) --no-print-directory build/mruby/fetched
	packaging/test-reproducible build/mruby build/reproducible

# Leaves mruby, which takes a minute or two to build.
clean:
	rm -rf $(B)/cowherd $(B)/cowherd-mold $(B)/flags $(B)/obj $(B)/man $(COMPLETIONS) $(B)/test $(B)/bench build/asan compile_commands.json

distclean: clean
	rm -rf build

help:
	@echo 'make            both programs, the manual pages and completions, below build/'
	@echo 'make deps       installs the Debian packages that are missing (with sudo when not root)'
	@echo 'make mruby      fetches and builds mruby; MRUBY_SRC=DIR, MRUBY_CONFIG=FILE, DEBIAN_MIRROR=URL'
	@echo 'make demo       two example apps behind nginx on 127.0.0.1:8080; ONCE=1 ends by itself'
	@echo 'make test       everything; make check: without the system tests; make asan: with sanitizers'
	@echo 'make chaos      CHAOS=reloads SEED=; reloads, recycles, faults of processes and files, bad requests: minutes'
	@echo 'make conformance FRONT_ENDS="nginx h2o"; the same cases with nginx, lighttpd, Apache, haproxy, caddy and h2o: minutes'
	@echo 'make hostile    clients that keep to no rule, in every shape and number: others are served meanwhile'
	@echo 'make soak       SOAK_MINUTES=30; everything on at once: does anything fail, leak, grow or stay behind?'
	@echo 'make torture    SEEDS=2000 SECONDS=0 (no limit); a frozen heap against one that is not: random mutation, mruby tests'
	@echo 'make fuzz       FUZZ_SECONDS=60 FUZZ_JOBS=1 FUZZ="gate ..."; libFuzzer on all that reads what others have written (clang)'
	@echo 'make valgrind   VALGRIND="store vhosts"; system tests with the programs under valgrind: long'
	@echo 'make bench      measures against php-fpm and a textbook responder'
	@echo 'make bench-memory measures what workers have for themselves, against unicorn, gunicorn and Starlet'
	@echo 'make bench-store  the shared store against LMDB itself, and sums of four workers'
	@echo 'make bench-spread kept connections and slow requests on some of them, connections spread in several ways'
	@echo 'make bench-allocators glibc, jemalloc and mimalloc on a workload that fragments'
	@echo 'make bench-gems the gems against CRuby'\''s own libraries'
	@echo 'make bench-apps the example apps: a page beside a hello, and the memory of their workers'
	@echo 'make mruby-test the tests of mruby and its gems: build/mruby/host/bin/mrbtest'
	@echo 'make third-party-gem  a gem from outside this tree, built with an mruby tree of its own: minutes'
	@echo 'make lint       clang-format, cppcheck, who includes whom, mandoc'
	@echo 'make install    PREFIX=/usr/local DESTDIR='
	@echo 'make deb        Debian packages, below build/deb; make deb-releases: built in fresh Debians (root, debootstrap)'
	@echo 'make test-deb   DEBIAN_RELEASES="bookworm trixie"; the packages installed, upgraded and purged in fresh Debians'
	@echo 'make test-systemd  the unit under systemd as process 1 of fresh Debians; make test-reproducible: built twice, compared'
	@echo 'make compile_commands.json, clean, distclean'

.PHONY: all asan bench bench-allocators bench-apps bench-gems bench-memory bench-spread bench-store chaos check clean conformance deb deb-deps deb-releases demo deps distclean fuzz help hostile install lint mruby mruby-test replays soak test test-deb test-reproducible test-systemd third-party-gem torture tsan unit-tests valgrind FORCE
FORCE:
