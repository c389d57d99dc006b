# Makefile - every command a person types; `make help` lists them
#
# Job:      set-up, the program, its tests, its sizes. One VARIANT a run of make: host (gcc, what
#           ships), asan (clang with AddressSanitizer and UBSan), fuzz (that, with coverage).
#           Targets that need several call make again, once a variant.
# Not here: what set-up brings (tools/setup.sh), which tests there are (found by their names).
#
# Sources are found by their place: src/ is the relay library, port/posix/ the program,
# tests/unit/test_*.c and tests/fuzz/fuzz_*.c one program each.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# ---- What can be given: make NAME=value (see `make help`) ----

PREFIX       ?= /usr/local
DESTDIR      ?=
VARIANT      ?= host
CFLAGS       ?= $(CFLAGS_$(VARIANT))
LDFLAGS      ?=
MBEDTLS_DIR  ?= build/src/mbedtls
LWIP_DIR     ?= build/src/lwip
INIH_DIR     ?= build/src/inih
UTHASH_DIR   ?=
FUZZ_SECONDS ?= 300
TESTS        ?=
BENCH        ?=
BENCH_DIR    ?= build/bench
BENCH_RELAY_DIRS ?= /dev/shm $(abspath $(BENCH_DIR))

ifeq ($(filter host asan fuzz,$(VARIANT)),)
$(error VARIANT=$(VARIANT): there are host, asan and fuzz)
endif

# ---- Set-up: before anything else, once; make starts anew when it brought a source ----

goals := $(or $(MAKECMDGOALS),all)
no_setup := help clean distclean cleanroom
for_tests := test test-% fuzz soak lint format bench-relay
ifneq ($(PINPOST_SETUP),done)
ifneq ($(filter-out $(no_setup),$(goals)),)
export MBEDTLS_DIR LWIP_DIR INIH_DIR UTHASH_DIR
build/setup.mk: FORCE
	@tools/setup.sh $(if $(filter $(for_tests),$(goals)),test,build) $@
include build/setup.mk
endif
endif

# ---- Compilers and flags ----

ifeq ($(origin CC),default)
CC := $(if $(filter host,$(VARIANT)),gcc,clang)
endif
ifeq ($(origin AR),default)
AR := ar
endif

CFLAGS_host := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer
CFLAGS_fuzz := $(CFLAGS_asan)

sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all
variant_host := -fPIE
variant_asan := $(sanitize)
variant_fuzz := $(sanitize) -fsanitize=fuzzer-no-link
link_host := -pie -Wl,-z,relro,-z,now
link_asan := $(sanitize)
link_fuzz := $(sanitize)

warnings := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Werror
common := $(variant_$(VARIANT)) -ffunction-sections -fdata-sections $(CFLAGS)
mbedtls_flags := -DMBEDTLS_CONFIG_FILE='<mbedtls_config.h>' -isystem $(MBEDTLS_DIR)/include
inih_flags := -DINI_HANDLER_LINENO=1 -DINI_MAX_LINE=1024 -DINI_ALLOW_INLINE_COMMENTS=0 \
              -DINI_USE_STACK=1 -DINI_ALLOW_MULTILINE=0 -DINI_STOP_ON_FIRST_ERROR=0
uthash_flags := $(if $(UTHASH_DIR),-isystem $(patsubst %/uthash.h,%,$(firstword \
                $(wildcard $(addprefix $(UTHASH_DIR)/,uthash.h src/uthash.h include/uthash.h)))))

src_flags := -std=c11 $(warnings) -Isrc -Iport -Iconfig $(mbedtls_flags) $(uthash_flags) $(common)
posix_flags := $(src_flags) -D_GNU_SOURCE $(inih_flags) -isystem $(INIH_DIR)
test_flags := $(posix_flags) -Itests
# It compares empty names by memcmp() of nothing at NULL, which does no harm.
mbedtls_build := -std=c99 -w $(mbedtls_flags) -Isrc -Iport -Iconfig $(common) \
                 $(if $(filter host,$(VARIANT)),,-fno-sanitize=nonnull-attribute)
inih_build := -std=c99 -w $(inih_flags) $(common)
lwip_build := -std=c11 -w -Iconfig -I$(LWIP_DIR)/src/include $(common)
link_flags := $(link_$(VARIANT)) -Wl,--gc-sections $(LDFLAGS)

# ---- What there is to build ----

B := build/$(VARIANT)
src_sources := $(wildcard src/*.c src/*/*.c)
posix_sources := $(wildcard port/posix/*.c)
support_sources := $(wildcard tests/support/*.c)
unit_sources := $(wildcard tests/unit/test_*.c)
fuzz_sources := $(wildcard tests/fuzz/fuzz_*.c)
mbedtls_sources := $(wildcard $(MBEDTLS_DIR)/library/*.c)
lwip_sources := $(wildcard $(LWIP_DIR)/src/core/*.c $(LWIP_DIR)/src/core/ipv4/*.c \
                $(LWIP_DIR)/src/core/ipv6/*.c) $(LWIP_DIR)/src/netif/ethernet.c

src_objects := $(src_sources:%.c=$(B)/obj/%.o)
posix_objects := $(posix_sources:%.c=$(B)/obj/%.o)
support_objects := $(support_sources:%.c=$(B)/obj/%.o)
mbedtls_objects := $(mbedtls_sources:$(MBEDTLS_DIR)/library/%.c=$(B)/mbedtls/%.o)
lwip_objects := $(lwip_sources:$(LWIP_DIR)/src/%.c=$(B)/lwip/%.o)
bench_sources := $(wildcard tests/bench/bench_flash*.c)
# The queue once more, with room for a million messages, and as a small machine has it.
bench_objects := $(patsubst %.c,$(B)/bench/million/%.o,$(wildcard src/store/*.c src/queue/*.c) \
                 $(filter-out %_sizes.c,$(bench_sources)))
tiny_objects := $(patsubst %.c,$(B)/bench/tiny/%.o,$(wildcard src/store/*.c src/queue/*.c) \
                tests/bench/bench_tiny.c)
sizes_objects := $(foreach n,16 256 16384 1000000,$(B)/bench/sizes/$(n).o)
unit_programs := $(unit_sources:%.c=$(B)/%)
fuzz_programs := $(fuzz_sources:%.c=$(B)/%)

# The libraries refer to each other: mbedTLS asks ours for memory, time and entropy.
libraries := $(B)/libport_posix.a $(B)/libpinpost.a $(B)/libmbedtls.a $(B)/libinih.a
link_libraries := -Wl,--start-group $(libraries) -Wl,--end-group

again := $(MAKE) --no-print-directory PINPOST_SETUP=done

# ---- Commands ----

.PHONY: help all run test test-unit test-asan test-scenario test-interop fuzz soak lint format size tls-memory \
        bench-flash bench-relay bench-tools install clean distclean cleanroom program unit fuzzers lwip bench FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  CFLAGS= LDFLAGS= CC=      as everywhere; VARIANT=host|asan|fuzz with program and unit"
	@echo "  MBEDTLS_DIR= LWIP_DIR= INIH_DIR= UTHASH_DIR=   trees to use in place of a download"
	@echo "  TESTS=word                run only the tests whose name contains the word"
	@echo "  BENCH='full cost wear'    large files too; only these tables (see docs/flash.md)"
	@echo "  BENCH_DIR=$(BENCH_DIR)     the disk on which make bench-flash puts its files"
	@echo "  BENCH_RELAY_DIRS='/dev/shm DIR'   where make bench-relay puts queues, one table each"
	@echo "  FUZZ_SECONDS=$(FUZZ_SECONDS)          how long make fuzz runs each target"
	@echo "  PREFIX=$(PREFIX) DESTDIR=    where make install puts things"

all: ## set up and build build/pinpost and build/sendmail (the default)
	+@$(again) VARIANT=host program
	@ln -sfn host/pinpost build/pinpost
	@ln -sfn pinpost build/sendmail

run: all ## set up, build, and watch an alert go into flash and out to a smarthost
	python3 tools/demo.py build/pinpost

test: all ## set up, build and pass every test; ends with 'N passed, N failed'
	+@$(again) VARIANT=host unit lwip
	+@$(again) VARIANT=asan program unit
	+@$(again) VARIANT=fuzz fuzzers
	@tools/run-tests.py --only '$(TESTS)' lint tools unit fuzz scenario interop

test-unit: ## unit tests alone
	+@$(again) VARIANT=host unit
	@tools/run-tests.py --only '$(TESTS)' --variants host unit

test-asan: ## unit, scenario and interop tests under AddressSanitizer and UBSan
	+@$(again) VARIANT=asan program unit
	@tools/run-tests.py --only '$(TESTS)' --variants asan unit scenario interop

test-scenario: all ## scenario tests alone
	@tools/run-tests.py --only '$(TESTS)' --variants host scenario

test-interop: all ## tests against real servers and clients alone
	@tools/run-tests.py --only '$(TESTS)' --variants host interop

fuzz: ## each fuzz target for FUZZ_SECONDS; finds are kept in build/fuzz/finds
	+@$(again) VARIANT=fuzz fuzzers
	@tools/run-tests.py --only '$(TESTS)' --fuzz-seconds $(FUZZ_SECONDS) fuzz

soak: ## every operation of every workload cut, 2,000 random runs: about 25 minutes
	+@$(again) VARIANT=host unit
	PP_CUT_STRIDE=1 build/host/tests/unit/test_power_cut
	PP_SEEDS=2000 build/host/tests/unit/test_queue_random

lint: all ## include rules, names, no heap, clang-tidy, cppcheck, clang-format
	@tools/run-tests.py --only '$(TESTS)' lint

format: ## rewrite our sources with clang-format
	clang-format -i $(wildcard src/*.[ch] src/*/*.[ch] port/*.h port/*/*.[ch] config/*.h \
	    config/*/*.h tests/*/*.[ch])

size: all ## RAM by owner and code by room, of the host build
	@tools/size.py build/host

tls-memory: ## the memory of TLS handshakes by certificate, version and level, as a table
	+@$(again) VARIANT=host unit
	@build/host/tests/unit/test_tls_arena --print

bench-flash: ## tables of what mail in flash costs; fails when a goal is missed
	+@$(again) VARIANT=host bench
	@mkdir -p $(BENCH_DIR)
	@build/host/bench/bench_tiny
	@build/host/bench/bench_flash $(BENCH_DIR) $(BENCH)

bench-relay: all ## rate, CPU, memory, latency of a relay beside a tuned Postfix (needs root; 3 min)
	+@$(again) VARIANT=host bench-tools
	@mkdir -p $(BENCH_DIR)
	@python3 tests/bench/relay_bench.py build/host/bench $(BENCH_RELAY_DIRS)

cleanroom: ## prove both commands in a fresh Debian 12 (needs root, debootstrap and time)
	tools/cleanroom.sh

install: all ## program, sendmail, mailq and sample configuration below PREFIX
	install -D -m 755 build/host/pinpost $(DESTDIR)$(PREFIX)/sbin/pinpost
	for name in sendmail mailq newaliases; do \
	    ln -sfn pinpost $(DESTDIR)$(PREFIX)/sbin/$$name || exit 1; done
	install -D -m 644 config/pinpost.conf.sample $(DESTDIR)$(PREFIX)/share/doc/pinpost/pinpost.conf

clean: ## remove what was compiled; the sources that were fetched stay
	rm -rf build/host build/asan build/fuzz build/lint build/bench build/pinpost build/sendmail

distclean: ## remove everything that make made
	rm -rf build

# ---- One variant ----

program: $(B)/pinpost $(B)/sendmail
unit: $(unit_programs)
fuzzers: $(fuzz_programs)
lwip: $(B)/liblwip.a
bench: $(B)/bench/bench_flash $(B)/bench/bench_tiny
bench-tools: $(B)/bench/relay_load $(B)/bench/relay_sink

$(B)/pinpost: $(B)/obj/port/posix/main.o $(libraries) $(B)/link.flags
	@echo "  LINK    $@"
	@$(CC) $(link_flags) -Wl,-Map=$@.map -o $@ $< $(link_libraries)

$(B)/sendmail: | $(B)/pinpost
	@ln -sfn pinpost $@

$(B)/libpinpost.a: $(src_objects)
$(B)/libport_posix.a: $(filter-out %/main.o,$(posix_objects))
$(B)/libmbedtls.a: $(mbedtls_objects)
$(B)/liblwip.a: $(lwip_objects)
$(B)/libinih.a: $(B)/inih/ini.o
$(B)/libsupport.a: $(support_objects)

# A source that was removed must leave its archive too: the list of members is a prerequisite.
# Thin archives name whole paths: intake/session.o and delivery/session.o stay apart in the map.
$(B)/lib%.a: $(B)/lib%.members
	@echo "  AR      $@"
	@rm -f $@
	@$(AR) rcsT $@ $(filter %.o,$^)

$(B)/libpinpost.members: contents = $(src_objects)
$(B)/libport_posix.members: contents = $(posix_objects)
$(B)/libmbedtls.members: contents = $(mbedtls_objects)
$(B)/liblwip.members: contents = $(lwip_objects)
$(B)/libinih.members: contents = $(INIH_DIR)
$(B)/libsupport.members: contents = $(support_objects)

$(B)/obj/src/%.o: src/%.c $(B)/src.flags
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(src_flags) -MMD -MP -c -o $@ $<

$(B)/obj/port/posix/%.o: port/posix/%.c $(B)/posix.flags
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(posix_flags) -MMD -MP -c -o $@ $<

$(B)/obj/tests/%.o: tests/%.c $(B)/test.flags
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(test_flags) -MMD -MP -c -o $@ $<

$(B)/mbedtls/%.o: $(MBEDTLS_DIR)/library/%.c $(B)/mbedtls.flags config/mbedtls_config.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(mbedtls_build) -MMD -MP -c -o $@ $<

$(B)/inih/%.o: $(INIH_DIR)/%.c $(B)/inih.flags
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(inih_build) -MMD -MP -c -o $@ $<

$(B)/lwip/%.o: $(LWIP_DIR)/src/%.c $(B)/lwip.flags
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(lwip_build) -MMD -MP -c -o $@ $<

$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(B)/libsupport.a $(libraries) $(B)/link.flags
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $< $(B)/libsupport.a $(link_libraries) -lcmocka

$(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/libsupport.a $(libraries) $(B)/link.flags
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -fsanitize=fuzzer -o $@ $< $(B)/libsupport.a $(link_libraries)

# Of the libraries only what no size of the queue's is in: its own objects come first.
$(B)/bench/bench_flash: $(bench_objects) $(sizes_objects) $(libraries) $(B)/link.flags
	@echo "  LINK    $@"
	@$(CC) $(link_flags) -pthread -o $@ $(filter %.o,$^) $(link_libraries)

$(B)/bench/bench_tiny: $(tiny_objects) $(libraries) $(B)/link.flags
	@echo "  LINK    $@"
	@$(CC) $(link_flags) -o $@ $(filter %.o,$^) $(link_libraries)

# Clients and a smarthost with another TLS than ours.
$(B)/bench/relay_%: $(B)/obj/tests/bench/relay_%.o $(B)/obj/tests/bench/relay_conn.o $(B)/link.flags
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $(filter %.o,$^) -lssl -lcrypto

compile_bench = @mkdir -p $(@D) && $(CC) $(test_flags) $(profile) -MMD -MP -c -o $@ $<

$(B)/bench/million/%.o: profile = -DPP_QUEUE_MESSAGES=1000000
$(B)/bench/million/%.o: %.c $(B)/test.flags
	@echo "  CC      $@"
	$(compile_bench)

$(B)/bench/tiny/%.o: profile = -DPP_PROFILE='"profile_tiny.h"'
$(B)/bench/tiny/%.o: %.c $(B)/test.flags
	@echo "  CC      $@"
	$(compile_bench)

$(B)/bench/sizes/%.o: profile = -DPP_QUEUE_MESSAGES=$* -DBENCH_SIZES=pp_bench_sizes_$*
$(B)/bench/sizes/16.o: profile = -DPP_PROFILE='"profile_tiny.h"' -DBENCH_SIZES=pp_bench_sizes_16
$(B)/bench/sizes/%.o: tests/bench/bench_flash_sizes.c $(B)/test.flags
	@echo "  CC      $@"
	$(compile_bench)

# What a file was made with: rewritten when it changed, and then all that depends on it is.
$(B)/src.flags: contents = $(CC) $(src_flags)
$(B)/posix.flags: contents = $(CC) $(posix_flags)
$(B)/test.flags: contents = $(CC) $(test_flags)
$(B)/mbedtls.flags: contents = $(CC) $(mbedtls_build)
$(B)/inih.flags: contents = $(CC) $(inih_build)
$(B)/lwip.flags: contents = $(CC) $(lwip_build)
$(B)/link.flags: contents = $(CC) $(link_flags) $(link_libraries)

write_contents = @mkdir -p $(B); printf '%s\n' "$(contents)" | cmp -s - $@ || \
                 printf '%s\n' "$(contents)" >$@
$(B)/%.flags: FORCE
	$(write_contents)
$(B)/%.members: FORCE
	$(write_contents)

.SECONDARY:
FORCE:

-include $(shell find $(B) -name '*.d' 2>/dev/null)
