# SPDX-License-Identifier: Apache-2.0
# O=<build dir>  V=1  WERROR=1  DESTDIR= PREFIX= CC= CFLAGS= LDFLAGS= as usual
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
O          ?= build
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/brink
DATADIR    ?= $(PREFIX)/share/brink
MANDIR     ?= $(PREFIX)/share/man
UNITDIR    ?= $(PREFIX)/lib/systemd/system
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
CFLAGS     ?= -O2 -g
VERSION    := 0.1.0
Q          := $(if $(V),,@)
say         = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

# What each executable links. The prober alone knows libcurl; the keeper nothing that parses.
BRINK_PKGS  := libnl-3.0 libcap libseccomp yaml-0.1 jansson
KEEPER_PKGS := libnl-3.0 libcap libseccomp
PROBER_PKGS := libcurl libseccomp libcap
pkg_libs     = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
PKG_CFLAGS  := $(shell $(PKG_CONFIG) --cflags $(BRINK_PKGS) libcurl 2>/dev/null)

cc_ok = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(1))
WARN := -Wall -Wextra -Wshadow -Wundef -Wvla -Wwrite-strings -Wpointer-arith -Wdate-time \
	-Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition -Wformat=2 \
	-Wimplicit-fallthrough -Wnull-dereference -Wconversion -Wno-sign-conversion \
	$(foreach f,-Wlogical-op -Wduplicated-cond -Wjump-misses-init -Wformat-signedness,$(call cc_ok,$(f)))
ALL_CPPFLAGS := -I. -D_GNU_SOURCE -DBRINK_VERSION='"$(VERSION)"' \
	-DBRINK_LIBEXECDIR='"$(LIBEXECDIR)"' -DBRINK_DATADIR='"$(DATADIR)"' $(CPPFLAGS)
ALL_CFLAGS    = -std=gnu17 $(WARN) $(if $(WERROR),-Werror) -fno-common -fvisibility=hidden \
	-fstack-protector-strong -pthread $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS   = -Wl,--as-needed -Wl,-z,relro,-z,now $(LDFLAGS)

DIRS  := base inject inject/change safety safety/probe scenarios runner
SRC   := $(sort $(wildcard $(DIRS:=/*.c)))
HDR   := $(sort $(wildcard $(DIRS:=/*.h)))
MAINS := runner/main.c safety/keeper_main.c safety/probe/prober_main.c
CURLC := safety/probe/http.c
DEMO  := $(sort $(wildcard examples/demo/*.c))
DEMOX := $(sort $(wildcard examples/demo/*.yaml))
TOOLS := docs/man/mangen.c
TESTC := $(sort $(wildcard tests/*/*.c))
ALLC  := $(SRC) $(HDR) $(DEMO) $(TOOLS) $(TESTC) $(sort $(wildcard examples/demo/*.h tests/*/*.h))

# One archive per folder: an executable takes from it only the members that it uses.
lib   = $(O)/lib$(subst /,-,$(1)).a
LIBS := $(foreach d,$(DIRS),$(call lib,$(d))) $(O)/libcurlprobe.a

# A main that is not written yet leaves its executable out.
BIN := $(if $(wildcard runner/main.c),$(O)/brink) \
	$(if $(wildcard safety/keeper_main.c),$(O)/brink-keeper) \
	$(if $(wildcard safety/probe/prober_main.c),$(O)/brink-prober) $(DEMO:%.c=$(O)/%) $(DEMOX:%=$(O)/%)

# Tests: C programs test_*.c (also t_*.c, sim_*.c) and scripts test_*.sh, t_*.sh. prog_*.c: programs for them to run.
# fuzz_*.c: libFuzzer harnesses, see `make fuzz`.
# Other C files beside them are shared by all tests (libtest.a); tests/fakes are linked by name only, see links.mk.
PROGS    = test t sim bench prog fuzz
progs    = $(patsubst %.c,$(O)/%,$(sort $(wildcard $(foreach p,$(2),tests/$(1)/$(p)_*.c))))
scripts  = $(sort $(wildcard tests/$(1)/test_*.sh tests/$(1)/t_*.sh))
UNIT    := $(call progs,unit,test)
NETNS   := $(call progs,netns,test)
CRASH   := $(call progs,crash,test)
CLI     := $(call progs,cli,test)
VM      := $(call progs,vm,test t)
SIM     := $(call progs,sim,test sim)
BENCH   := $(call progs,bench,bench)
FUZZ    := $(call progs,fuzz,fuzz)
HELPERS := $(call progs,*,prog)
SHAREDC := $(filter-out tests/fakes/% $(patsubst $(O)/%,%.c,$(call progs,*,$(PROGS))),$(TESTC))
TESTS   := $(UNIT) $(NETNS) $(CRASH) $(CLI) $(VM) $(SIM) $(BENCH) $(HELPERS)

RESULTS ?= $(abspath $(O))/results
LANE_IN ?=
run      = BRINK='$(abspath $(O))/brink' BUILD='$(abspath $(O))' O='$(O)' RESULTS='$(RESULTS)' \
	LANE='$(LANE_IN)$(1)' tests/support/run

# Manual pages: prose in docs/man/*.in, tables made from what the program itself works by.
MANS   := $(patsubst docs/man/%.in,$(O)/docs/%,$(sort $(wildcard docs/man/*.in)))
MANGEN := $(O)/docs/mangen

# Units of systemd, with the path of brink in them.
UNITS  := $(patsubst dist/%.in,$(O)/dist/%,$(sort $(wildcard dist/*.service.in)))

all: $(BIN) $(MANS) $(UNITS)
tests: $(TESTS)
objs: $(patsubst %.c,$(O)/%.o,$(SRC) $(DEMO) $(TOOLS) $(TESTC))

# $(1): packages
define link_with
$(call say,LD,$@)
$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(EXTRA) -o $@ $(filter %.o,$^) \
	-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call pkg_libs,$(1)) -lm -lpthread
endef

$(O)/brink: $(O)/runner/main.o $(filter-out $(O)/libcurlprobe.a,$(LIBS))
	$(call link_with,$(BRINK_PKGS))
$(O)/brink-keeper: $(O)/safety/keeper_main.o $(foreach d,safety inject inject/change base,$(call lib,$(d)))
	$(call link_with,$(KEEPER_PKGS))
$(O)/brink-prober: $(O)/safety/probe/prober_main.o $(foreach d,safety/probe safety inject base,$(call lib,$(d))) \
		$(O)/libcurlprobe.a
	$(call link_with,$(PROBER_PKGS))

# The same objects with tests/fakes/hooks.c between them and the C library, for the crash lane.
HOOKED := $(addprefix $(O)/hooked/,brink brink-keeper brink-prober)
HOOKS  := sandbox_allow recover_ready journal_put journal_done deadman_disarm proto_recv proto_send \
	getpwnam getpwuid getgrnam getgrouplist seccomp_load
$(HOOKED): EXTRA = $(HOOKS:%=-Wl,--wrap=%)
$(HOOKED): $(O)/tests/fakes/hooks.o | $(O)/hooked
$(O)/hooked:
	@mkdir -p $@
$(O)/hooked/brink: $(O)/runner/main.o $(filter-out $(O)/libcurlprobe.a,$(LIBS))
	$(call link_with,$(BRINK_PKGS))
$(O)/hooked/brink-keeper: $(O)/safety/keeper_main.o $(foreach d,safety inject inject/change base,$(call lib,$(d)))
	$(call link_with,$(KEEPER_PKGS))
$(O)/hooked/brink-prober: $(O)/safety/probe/prober_main.o $(foreach d,safety/probe safety inject base,$(call lib,$(d))) \
		$(O)/libcurlprobe.a
	$(call link_with,$(PROBER_PKGS))

$(O)/examples/demo/%: $(O)/examples/demo/%.o $(O)/libbase.a
	$(call link_with,)
$(O)/examples/demo/%.yaml: examples/demo/%.yaml	# so that an uninstalled brink finds them beside itself
	@mkdir -p $(@D)
	@cp $< $@
$(MANGEN): $(O)/docs/man/mangen.o $(filter-out $(O)/libcurlprobe.a,$(LIBS))
	$(call link_with,$(BRINK_PKGS))
$(MANS): $(O)/docs/%: docs/man/%.in $(MANGEN)
	$(call say,MAN,$@)
	$(Q)$(MANGEN) $< >$@
$(O)/dist/%: dist/%.in $(O)/.paths
	@mkdir -p $(@D)
	$(call say,UNIT,$@)
	$(Q)sed 's|@BINDIR@|$(BINDIR)|g' $< >$@
$(O)/tests/%: $(O)/tests/%.o $(O)/libtest.a $(LIBS)
	$(call link_with,$(BRINK_PKGS) libcurl cmocka)

# $(1): archive, $(2): sources
define archive
$(1): $(patsubst %.c,$(O)/%.o,$(2)) $(O)/.sources
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach d,$(DIRS),$(eval $(call archive,$(call lib,$(d)),$(filter-out $(MAINS) $(CURLC),$(sort $(wildcard $(d)/*.c))))))
$(eval $(call archive,$(O)/libcurlprobe.a,$(wildcard $(CURLC))))
$(eval $(call archive,$(O)/libtest.a,$(SHAREDC)))

$(O)/%.o: %.c $(O)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Rebuild everything when the compiler or a flag changes; pack the archives again when a file comes or goes.
FLAGS_NOW = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
# $(1): text
define keep_if_same
@mkdir -p $(@D)
@printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' >$@
endef
$(O)/.flags: FORCE
	$(call keep_if_same,$(FLAGS_NOW))
$(O)/.paths: FORCE
	$(call keep_if_same,$(BINDIR))
$(O)/.sources: FORCE
	$(call keep_if_same,$(SRC) $(TESTC))

# What a test needs on top of the archives stands in its own source, on a line of its own:
#   /* link: tests/fakes/netlink.c -Wl,--wrap=clock_mono_ns */
# Objects come before the archives and win over their members.
$(O)/links.mk: $(TESTC) $(O)/.sources
	@awk -v o='$(O)/' '/^\/\* link: .* \*\/$$/ { t = FILENAME; sub(/\.c$$/, "", t); p = x = ""; \
		for (i = 3; i < NF; i++) { f = $$i; \
			if (f ~ /\.c$$/) { sub(/\.c$$/, ".o", f); p = p " " o f } else x = x " " f } \
		if (p != "") print o t ":" p; if (x != "") print o t ": EXTRA +=" x }' /dev/null $(TESTC) >$@
ifneq ($(filter-out clean fmt fmt-check layers deps deps-test,$(or $(MAKECMDGOALS),all)),)
-include $(O)/links.mk
endif

# Most tests wait for most of their time: two of them for each CPU. Those that strike at moments want one; those that
# take all CPUs run alone.
CPUS      := $(shell nproc)
TEST_JOBS ?= $(shell echo $$((2 * $(CPUS))))
STRIKES    = $(foreach t,duress kill signals windows,tests/crash/test_$(t)%)
ALONE      = $(foreach t,many step,tests/crash/test_$(t)%)

# Lanes. Each writes its counts to $(RESULTS)/LANE; `check` runs all of them and adds up.
check: deps-test
	+@MAKE='$(MAKE)' O='$(O)' RESULTS='$(RESULTS)' tests/support/check
check-unit: all $(UNIT) $(HELPERS)
	@$(call run,unit) $(UNIT)
check-sim: all $(SIM) $(HELPERS)
	@$(call run,sim) $(SIM) $(call scripts,sim)
check-cli: all $(CLI) $(HELPERS)
	@export BRINK_TEST_JOBS=$(TEST_JOBS); $(call run,cli) $(CLI) $(call scripts,cli)
check-netns: all $(NETNS) $(HELPERS)
	@export BRINK_TEST_JOBS=$(TEST_JOBS); $(call run,netns) $(NETNS) $(filter-out $(NETNS_SKIP),$(call scripts,netns))
check-crash: all $(HOOKED) $(CRASH) $(HELPERS)
	@export BRINK_TEST_TIMEOUT=1000; rc=0; \
	BRINK_TEST_JOBS=$(TEST_JOBS) $(call run,crash) $(filter-out $(STRIKES) $(ALONE),$(CRASH) $(call scripts,crash)) || rc=1; \
	BRINK_TEST_JOBS=$(CPUS) $(call run,crash-strikes) $(filter $(STRIKES),$(call scripts,crash)) || rc=1; \
	$(call run,crash-alone) $(filter $(ALONE),$(call scripts,crash)) || rc=1; exit $$rc
check-model:	# the protocol of the processes, every order of their steps: tests/model/protocol.pml
	@BRINK_TEST_TIMEOUT=900 $(call run,model) tests/model/run
# test_change_fill wants the ext2 driver, loop and ext4 from the start; the guest's kernel has ext2 only as a mode of ext4
# test_change_link makes some hundred devices, two minutes under emulation: make soak-vm
# These take CPU, memory and disks away, or minutes, in a guest that is emulated: on a machine with other work they
# measure that work. `make soak-vm` has them; `make check-vm VM_SOAK=` takes them in too.
VM_SOAK ?= %/t_25_undo_path.sh %/t_31_foreign_call.sh %/t_45_shield.sh %/t_50_disks.sh %/t_51_records.sh \
	%/t_52_starved.sh %/t_53_others.sh %/t_71_print.sh %/t_80_crash_images.sh
VM_TOO = $(filter-out %/test_change_fill %/test_change_link,$(NETNS))
# Two guests at once: one alone leaves CPUs idle while its tests wait. Systemd's starts after the one with fewer tests.
VM_ALL  = $(VM) $(filter-out $(VM_SOAK),$(call scripts,vm)) $(VM_TOO)
vm_part = $(shell printf '%s\n' $(VM_ALL) | awk '(NR % 5 < 2) == $(1)')
VM_ENV  = BUILD='$(abspath $(O))' RESULTS='$(RESULTS)' BRINK_TEST_TIMEOUT=400 BRINK_VM_DEADLINE=2700
check-vm: check-vm-1 check-vm-2
check-vm-1: all $(HOOKED) $(VM) $(NETNS) $(HELPERS)
	@$(VM_ENV) LANE=vm-1 tests/vm/run $(call vm_part,0)
check-vm-2: all $(HOOKED) $(VM) $(NETNS) $(HELPERS) installed
	@export $(VM_ENV); rc=0; \
	LANE=vm-2 tests/vm/run $(call vm_part,1) || rc=1; \
	LANE=vm-systemd tests/vm/run-systemd $(filter-out %/sd_20_units.sh,$(sort $(wildcard tests/vm/sd_*.sh))) || rc=1; \
	exit $$rc
installed: all	# as a package would leave it, for the tests of the units
	@rm -rf '$(O)/installed' && $(MAKE) --no-print-directory install DESTDIR='$(abspath $(O))/installed' >/dev/null
check-static:
	+@MAKE='$(MAKE)' $(call run,static) 'make fmt-check' 'make layers' 'make spdx' 'make hdrcheck' 'make linkage' \
		'make controls-apply'
check-tidy:
	+@MAKE='$(MAKE)' $(call run,tidy) 'make tidy'
check-warnings:	# the other compiler
	+@MAKE='$(MAKE)' $(call run,warnings) 'make O=$(O)-clang CC=clang WERROR=1 objs'
ASAN = UBSAN_OPTIONS=print_stacktrace=1 $(MAKE) --no-print-directory O='$(O)-asan' WERROR= RESULTS='$(RESULTS)' \
	LANE_IN=asan- CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all'
asan-build:
	+@$(ASAN) all tests
# The sanitizers want to see the code once: without those that hold faults for long, or many times.
ASAN_SKIP = $(foreach t,demo demo_files foreign_call net_drop_runs net_flows net_names_silent net_partition runs_many \
	runs_share shield_ssh,tests/netns/test_$(t).sh)
asan:	# unit and netns
	+@export BRINK_TEST_TIMEOUT=300; \
	for lane in unit netns; do $(ASAN) NETNS_SKIP='$(ASAN_SKIP)' check-$$lane || rc=1; done; exit $${rc:-0}
# Seeds first, then FUZZ_SECONDS of each harness. FUZZ_ONLY='policy keeper' chooses.
FUZZ_SECONDS ?= 30
FUZZ_CC      ?= clang
FUZZ_CFLAGS   = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
FUZZ_MAKE     = $(MAKE) --no-print-directory O='$(O)-fuzz' CC='$(FUZZ_CC)' WERROR= CFLAGS='$(FUZZ_CFLAGS)'
fuzz-programs: $(FUZZ)
fuzz-build:
	+@$(FUZZ_MAKE) fuzz-programs
fuzz: fuzz-build
	@BUILD='$(abspath $(O)-fuzz)' FOUND='$(abspath $(O))/fuzz' RESULTS='$(RESULTS)' \
	FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/fuzz/run $(FUZZ_ONLY)
check-fuzz: fuzz
# Every point and call of every fault, every errno: many hours. SOAK_MODES="kill fail" SOAK_PART=0/8 SOAK_FAULT=NAME
# SOAK_RUNS=N: see soak.sh
soak: all tests
	@BRINK='$(abspath $(O))/brink' BUILD='$(abspath $(O))' RESULTS='$(RESULTS)' tests/crash/soak.sh
# What the guest has for it: the rest of its lane, every crash image, steps with netem, units, a power cut, a sleep. An
# hour and more.
soak-vm: all $(HOOKED) $(VM) $(NETNS) $(HELPERS) installed
	@export BUILD='$(abspath $(O))' RESULTS='$(RESULTS)'; rc=0; \
	export BRINK_TEST_TIMEOUT=7200 BRINK_VM_DEADLINE=21600; \
	LANE=soak-vm tests/vm/run $(filter $(VM_SOAK),$(call scripts,vm)) $(filter %/test_change_link,$(NETNS)) \
		$(sort $(wildcard tests/vm/soak_*.sh tests/vm/step_*.sh)) || rc=1; \
	LANE=soak-systemd tests/vm/run-systemd tests/vm/sd_20_units.sh || rc=1; \
	LANE=soak-powerloss tests/vm/run-powerloss || rc=1; \
	LANE=soak-sleep tests/vm/run --memory $(sort $(wildcard tests/vm/mem_*.sh)) || rc=1; \
	exit $$rc
mutate:	# switches off each operation of each change in turn: do the tests notice? Not in `check`: minutes
	@O='$(O)' tests/support/mutate $(KINDS)
# Negative controls: with each of these mistakes a test must fail. Those that want the guest only by `make controls`.
CONTROLS    := $(sort $(basename $(notdir $(wildcard tests/crash/controls/*.patch))))
CONTROLS_VM := $(shell grep -l '^test: vm/' tests/crash/controls/*.patch | sed 's|.*/||; s|\.patch$$||')
controls: CONTROLS_NOW = $(CONTROLS)
check-controls: CONTROLS_NOW = $(filter-out $(CONTROLS_VM),$(CONTROLS))
controls-apply:	# as tests/support/controls will
	@for p in tests/crash/controls/*.patch; do \
		patch --dry-run -p1 --fuzz=0 -s <$$p || { echo "$$p: make the mistake anew in what the code is now"; exit 1; }; done
controls check-controls: all $(HOOKED) $(CRASH) $(HELPERS) $(O)/tests/unit/test_journal
	+@O='$(O)' tests/support/controls prepare
	+@MAKE='$(MAKE)' $(call run,controls) $(CONTROLS_NOW:%='make control NAME=%')
# Every allocation of every process; the crash lane takes each place once. An hour and more.
check-malloc: all $(HOOKED) $(HELPERS)
	@export BRINK_TEST_TIMEOUT=14400; $(call run,malloc) $(wildcard tests/crash/every_malloc_*.sh)
control:
	+@MAKE='$(MAKE)' O='$(O)' tests/support/controls '$(NAME)'
bench: all $(BENCH)	# figures, never a verdict on a time; BENCH_VM=1: netem too, in the guest
	@BUILD='$(abspath $(O))' RESULTS='$(RESULTS)' tests/bench/run $(BENCH)
bench-queue: all $(HELPERS)	# engine: user alone, on this kernel; wants iptables
	@BRINK='$(abspath $(O))/brink' BUILD='$(abspath $(O))' tests/support/alone tests/bench/queue.sh
bench-vm: all $(HELPERS)	# asked against seen, in the guest
	@BUILD='$(abspath $(O))' RESULTS='$(RESULTS)' tests/bench/run-vm tests/bench/accuracy.sh

demo: deps
	+@$(MAKE) --no-print-directory all
	@$(O)/brink demo

# Debian packages; a name with | takes the first that is there, else the first.
DEPS := gcc libc6-dev pkg-config libnl-3-dev libcap-dev libseccomp-dev libyaml-dev libjansson-dev \
	libcurl4-openssl-dev|libcurl4-gnutls-dev|libcurl4-nss-dev
DEPS_TEST := $(DEPS) libcmocka-dev clang clang-format clang-tidy iproute2 nftables iputils-ping procps jq \
	libclang-rt-14-dev|libclang-rt-16-dev|libclang-rt-19-dev \
	mandoc python3 util-linux systemd dbus kmod cpio busybox-static qemu-system-x86 iptables podman dnsmasq-base bind9-dnsutils \
	dmsetup e2fsprogs patch xfsprogs openssh-server openssh-client btrfs-progs spin nginx
deps:
	@tests/support/deps $(foreach p,$(DEPS),'$(p)')
deps-test:
	@tests/support/deps $(foreach p,$(DEPS_TEST),'$(p)')

fmt:
	clang-format -i $(ALLC)
fmt-check:
	@clang-format --dry-run -Werror $(ALLC)
tidy: $(patsubst %.c,$(O)/tidy/%.ok,$(SRC) $(DEMO) $(TOOLS))
$(O)/tidy/%.ok: %.c $(HDR) .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(ALL_CPPFLAGS) $(PKG_CFLAGS) -std=gnu17 2>$@.err || { cat $@.err; exit 1; }
	@touch $@
hdrcheck:	# every header compiles on its own
	@for h in $(HDR); do \
		$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -Werror -fsyntax-only -include $$h -x c /dev/null || exit 1; done
layers:	# includes only point down: base <- inject <- safety <- scenarios <- runner
	@! grep -nE '#include "(inject|safety|scenarios|runner)/' base/*.[ch] /dev/null
	@! grep -nE '#include "(safety|scenarios|runner)/' inject/*.[ch] inject/change/*.[ch] /dev/null
	@! grep -nE '#include "(scenarios|runner)/' safety/*.[ch] safety/probe/*.[ch] /dev/null
	@! grep -nE '#include "runner/' scenarios/*.[ch] /dev/null
spdx:	# every file says its licence in its first lines
	@! for f in $(ALLC) Makefile $(wildcard tests/*/*.sh tests/support/* tests/vm/* tests/cli/*.sh tests/model/* dist/*); do \
		test ! -f $$f || head -n 3 $$f | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$$f"; done | grep .
linkage: all	# what the executables load is what the design allows
	@tests/support/linkage $(O)

install: all
	$(INSTALL) -D -m 0755 $(O)/brink $(DESTDIR)$(BINDIR)/brink
	$(INSTALL) -D -m 0755 $(O)/brink-keeper $(DESTDIR)$(LIBEXECDIR)/brink-keeper
	$(INSTALL) -D -m 0755 $(O)/brink-prober $(DESTDIR)$(LIBEXECDIR)/brink-prober
	$(foreach f,$(DEMO:%.c=%),$(INSTALL) -D -m 0755 $(O)/$(f) $(DESTDIR)$(LIBEXECDIR)/$(f:examples/%=%)$(newline))
	$(foreach f,$(wildcard examples/*.yaml examples/*/*.yaml),$(INSTALL) -D -m 0644 $(f) $(DESTDIR)$(DATADIR)/$(f)$(newline))
	$(foreach f,$(UNITS),$(INSTALL) -D -m 0644 $(f) $(DESTDIR)$(UNITDIR)/$(notdir $(f))$(newline))
	$(foreach f,$(MANS),$(INSTALL) -D -m 0644 $(f) $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(f)))/$(notdir $(f))$(newline))
clean:
	$(RM) -r $(O) $(O)-asan $(O)-clang $(O)-fuzz
define newline


endef

.PHONY: all tests objs soak-vm check check-unit check-sim check-model check-cli check-netns check-crash check-vm check-vm-1 \
	check-vm-2 check-static check-tidy check-warnings asan asan-build fuzz fuzz-programs fuzz-build check-fuzz mutate controls \
	check-controls controls-apply control check-malloc soak bench bench-queue bench-vm demo deps deps-test fmt fmt-check tidy hdrcheck layers spdx \
	linkage install installed clean FORCE
-include $(patsubst %.c,$(O)/%.d,$(SRC) $(DEMO) $(TOOLS) $(TESTC))
