# SPDX-License-Identifier: GPL-2.0-or-later
#
# make [all]     everything, into build/
# make check     unit tests and packet fixtures (the fixtures need root)
# make bench     what each path costs, against its budget (needs root); BENCH="--rounds 1" measures
#                without judging, --json, --no-sweeps, --only TEXT
# make flood     what a host can bear, beside other ways to close a port; minutes, needs root
# make fuzz      any bytes as a config, for FUZZ_SECONDS (600)
# make fuzz-packet  any bytes as a packet, the same time; then against the loaded programs (root)
# make coverage  which reasons, and which branches of the pure BPF code, the tests reach (root)
# make evasion   EVASION_COUNT (200000) mutated packets of EVASION_SEED (1): none gets by; as root
# make install   to $(DESTDIR)$(PREFIX); refuses to overwrite what a package owns
# make uninstall, make clean
#
# V=1 shows the commands, WERROR=1 makes warnings errors, SANITIZE=1 builds the unit tests with
# AddressSanitizer and UndefinedBehaviorSanitizer too.

VERSION := 0.1.0
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/knockd
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

BUILD := build
CC ?= cc
CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config

Q := $(if $(V),,@)
SAY = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2:$(BUILD)/%=%)';)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS ?= -O2 -g
CFLAGS_ALL := -std=gnu11 -D_GNU_SOURCE -DKNOCKD_VERSION='"$(VERSION)"' $(WARN) \
	-Iinclude -Isrc -I$(BUILD) -MMD -MP $(shell $(PKG_CONFIG) --cflags libbpf libmnl libseccomp)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now
LIBS := $(shell $(PKG_CONFIG) --libs libbpf libelf zlib libmnl libseccomp)

# The BPF side needs <asm/types.h>, which multiarch systems keep in a folder of their own. It runs
# on this architecture only, of which some never reorder loads.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_CFLAGS := -target bpf -mcpu=v3 -g -O2 -Wall -Wextra $(if $(WERROR),-Werror) \
	-Iinclude -Ibpf $(if $(MULTIARCH),-I/usr/include/$(MULTIARCH)) -MMD -MP \
	$(if $(filter x86_64%,$(MULTIARCH)),-DKNOCKD_ORDERED_LOADS)

# The pure part, which the unit tests link; the rest needs a kernel or a terminal.
PURE := addresses attempts automaton check command commands commands_openings compile conf \
	debt_line debt_reader debt_table debts debts_open event_text facts failure \
	firewall_rule firewall_words journal lex log_queue lookup message notify number \
	numbering onetime output parse path pidfile ports print privs process rate reason \
	refusals ring runner scan spelling syslog_socket text translate translate_plan values \
	view
KERNEL := bpffs cells counters datapath device doors entries folders generation heritage link \
	load migrate pinned pins surround sweep tables
DAEMON := $(PURE) $(KERNEL) adopt config daemonize events guard helper interfaces log loop main \
	options reload tasks trial
KNOCKCTL := $(PURE) bpffs device folders generation link pinned pins knockctl ctl \
	ctl_order ctl_show ctl_status ctl_watch
PURE_OBJ := $(PURE:%=$(BUILD)/src/%.o)
DAEMON_OBJ := $(DAEMON:%=$(BUILD)/src/%.o)
KNOCKCTL_OBJ := $(KNOCKCTL:%=$(BUILD)/src/%.o)
SKELETON := $(BUILD)/knockd.skel.h

UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_SAN := $(UNIT:$(BUILD)/tests/unit/%=$(BUILD)/sanitized/unit/%)
FIXTURES := $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%,$(wildcard tests/bpf/test_*.c))
TOOLS := $(patsubst tests/system/%.c,$(BUILD)/tests/system/%,$(wildcard tests/system/*.c))
EVASION_TOOLS := $(BUILD)/tests/evasion/evasion $(BUILD)/tests/evasion/knockd-alone

.DELETE_ON_ERROR:
.PHONY: all check tests bench flood fuzz fuzz-packet coverage evasion ours install uninstall clean

all: $(BUILD)/knockd $(BUILD)/knockctl

$(BUILD)/knockd: $(DAEMON_OBJ)
	$(call SAY,LD,$@)$(CC) $(LDFLAGS) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/knockctl: $(KNOCKCTL_OBJ)
	$(call SAY,LD,$@)$(CC) $(LDFLAGS) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/src/%.o: src/%.c
	@mkdir -p $(@D)
	$(call SAY,CC,$@)$(CC) $(CFLAGS) $(CFLAGS_ALL) $(HARDEN) -c -o $@ $<

$(BUILD)/src/load.o: $(SKELETON)

$(BUILD)/bpf/%.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call SAY,BPF,$@)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(SKELETON): $(BUILD)/bpf/knockd.o
	$(call SAY,SKEL,$@)$(BPFTOOL) gen object $(BUILD)/knockd.bpf.o $<
	$(Q)$(BPFTOOL) gen skeleton $(BUILD)/knockd.bpf.o name knockd_bpf > $@

# ---- tests ----

TEST_CFLAGS := $(CFLAGS_ALL) -Ibpf -I.
TEST_LIBS = -lcmocka -lpthread -lm $(shell $(PKG_CONFIG) --libs libseccomp)

tests: $(UNIT) $(UNIT_SAN) $(FIXTURES) $(TOOLS) $(EVASION_TOOLS)

check: tests
	$(Q)set -e; for t in $(UNIT) $(UNIT_SAN) $(FIXTURES); do echo "$$t"; $$t; done

$(BUILD)/tests/unit/%: tests/unit/%.c $(PURE_OBJ)
	@mkdir -p $(@D)
	$(call SAY,TEST,$@)$(CC) $(CFLAGS) $(TEST_CFLAGS) -o $@ $< $(PURE_OBJ) $(TEST_LIBS)

$(BUILD)/sanitized/%.o: src/%.c
	@mkdir -p $(@D)
	$(call SAY,CC,$@)$(CC) -O1 -g $(CFLAGS_ALL) $(SANITIZERS) -c -o $@ $<

SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
PURE_SAN := $(PURE:%=$(BUILD)/sanitized/%.o)
# Kept, or the next make would build them again.
.SECONDARY: $(PURE_SAN)

$(BUILD)/sanitized/unit/%: tests/unit/%.c $(PURE_SAN)
	@mkdir -p $(@D)
	$(call SAY,TEST,$@)$(CC) -O1 -g $(TEST_CFLAGS) $(SANITIZERS) -o $@ $< $(PURE_SAN) \
		$(TEST_LIBS)

# The fixtures hold load.c itself, to load the programs as it does without attaching them.
FIXTURE_OBJ := $(PURE_OBJ) $(patsubst %,$(BUILD)/src/%.o,$(filter-out load datapath,$(KERNEL)))

$(BUILD)/tests/bpf/%: tests/bpf/%.c $(FIXTURE_OBJ) $(SKELETON) $(wildcard tests/bpf/*.h) \
		src/load.c
	@mkdir -p $(@D)
	$(call SAY,TEST,$@)$(CC) $(CFLAGS) $(TEST_CFLAGS) -o $@ $< $(FIXTURE_OBJ) $(TEST_LIBS) \
		$(LIBS)

# It holds pins.c and its parts itself, to be killed between any two of their steps.
$(BUILD)/tests/bpf/test_pins: tests/bpf/test_pins.c $(BUILD)/src/bpffs.o $(BUILD)/src/failure.o \
		src/pins.c src/folders.c src/pinned.c
	@mkdir -p $(@D)
	$(call SAY,TEST,$@)$(CC) $(CFLAGS) $(TEST_CFLAGS) -o $@ $(filter-out src/%,$^) \
		$(TEST_LIBS) $(LIBS)

$(BUILD)/tests/system/%: tests/system/%.c
	@mkdir -p $(@D)
	$(call SAY,TOOL,$@)$(CC) $(CFLAGS) $(TEST_CFLAGS) -o $@ $<

# ---- budgets ----

BENCH_OUT := $(BUILD)/tests/bench
BENCH_SOURCE := tests/bench/bench.c tests/bench/capabilities.c tests/bench/judge.c \
	tests/bench/report.c

bench: $(BENCH_OUT)/bench
	$(Q)$< $(BENCH)

$(BENCH_OUT)/bench: $(BENCH_SOURCE) $(wildcard tests/bench/*.h tests/bpf/*.h) \
		$(BENCH_OUT)/sender.skel.h $(FIXTURE_OBJ) $(SKELETON) src/load.c
	$(call SAY,TEST,$@)$(CC) $(CFLAGS) $(TEST_CFLAGS) -I$(BENCH_OUT) -o $@ $(BENCH_SOURCE) \
		$(FIXTURE_OBJ) $(TEST_LIBS) $(LIBS)

$(BENCH_OUT)/sender.skel.h: tests/bench/sender.bpf.c
	@mkdir -p $(@D)
	$(call SAY,BPF,$@)$(CLANG) $(BPF_CFLAGS) -c -o $(@D)/sender.o $<
	$(Q)$(BPFTOOL) gen object $(@D)/sender.bpf.o $(@D)/sender.o
	$(Q)$(BPFTOOL) gen skeleton $(@D)/sender.bpf.o name sender_bpf > $@

# ---- the flood ----

# FLOOD=--quick, FLOOD=--json
flood: all $(addprefix $(BUILD)/tests/flood/,sender sender.bpf.o knocker)
	$(Q)tests/flood/flood.sh $(FLOOD)

$(BUILD)/tests/flood/%.bpf.o: tests/flood/%.bpf.c
	@mkdir -p $(@D)
	$(call SAY,BPF,$@)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BUILD)/tests/flood/%: tests/flood/%.c
	@mkdir -p $(@D)
	$(call SAY,TOOL,$@)$(CC) $(CFLAGS) $(TEST_CFLAGS) -o $@ $< -lpthread $(LIBS)

# ---- fuzzing ----

FUZZ_SECONDS ?= 600
FUZZED := addresses automaton check compile conf lex message number numbering parse ports print \
	scan spelling text values
FUZZED_OBJ := $(FUZZED:%=$(BUILD)/fuzzed/%.o) $(BUILD)/fuzzed/fuzz_config.o
FUZZ_CFLAGS := -O1 -g $(CFLAGS_ALL) $(SANITIZERS)

$(BUILD)/fuzzed/%.o: src/%.c
	@mkdir -p $(@D)
	$(call SAY,CC,$@)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(BUILD)/fuzzed/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(call SAY,CC,$@)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(BUILD)/fuzz_config: $(FUZZED_OBJ)
	$(call SAY,LD,$@)$(CLANG) $(SANITIZERS) -fsanitize=fuzzer -o $@ $^

# Inputs that reach new code are kept in the first folder, what it finds beside it.
fuzz: $(BUILD)/fuzz_config
	@mkdir -p $(BUILD)/fuzz
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -timeout=20 -max_len=8192 -verbosity=0 \
		-print_final_stats=1 -dict=tests/fuzz/config.dict \
		-artifact_prefix=$(BUILD)/fuzz-found- $(BUILD)/fuzz tests/conf/good tests/conf/bad

$(BUILD)/fuzzed/fuzz_packet.o: FUZZ_CFLAGS += -Ibpf -I.

$(BUILD)/fuzz_packet: $(BUILD)/fuzzed/fuzz_packet.o
	$(call SAY,LD,$@)$(CLANG) $(SANITIZERS) -fsanitize=fuzzer -o $@ $^

# It begins with the packets of the unit test.
fuzz-packet: $(BUILD)/fuzz_packet $(BUILD)/tests/unit/test_packet $(BUILD)/tests/bpf/test_agree
	@mkdir -p $(BUILD)/fuzz-packet $(BUILD)/packets
	$(Q)KNOCKD_FRAMES=$(BUILD)/packets $(BUILD)/tests/unit/test_packet >/dev/null 2>&1
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -timeout=20 -max_len=9216 -verbosity=0 \
		-print_final_stats=1 -dict=tests/fuzz/packet.dict \
		-artifact_prefix=$(BUILD)/fuzz-found- $(BUILD)/fuzz-packet $(BUILD)/packets
	$(Q)$(BUILD)/tests/bpf/test_agree $(BUILD)/fuzz-packet $(BUILD)/packets

# ---- coverage ----

# The unit tests that hold headers of bpf/.
COVERED := $(patsubst %,$(BUILD)/covered/test_%,compile doors grant packet sequence view)

$(BUILD)/covered/%: tests/unit/%.c $(PURE_OBJ)
	@mkdir -p $(@D)
	$(call SAY,TEST,$@)$(CLANG) -O1 -g $(TEST_CFLAGS) -fprofile-instr-generate \
		-fcoverage-mapping -o $@ $< $(PURE_OBJ) $(TEST_LIBS)

coverage: $(COVERED) $(FIXTURES)
	$(Q)scripts/coverage.sh $(BUILD)/covered $(BUILD)/tests/bpf

# ---- evasion ----

EVASION_COUNT ?= 200000
EVASION_SEED ?= 1
EVASION_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/alone.c,$(wildcard tests/evasion/*.c)))

$(BUILD)/tests/evasion/%.o: tests/evasion/%.c
	@mkdir -p $(@D)
	$(call SAY,CC,$@)$(CC) $(CFLAGS) $(CFLAGS_ALL) $(HARDEN) -c -o $@ $<

$(BUILD)/tests/evasion/evasion: $(EVASION_OBJ)
	$(call SAY,TOOL,$@)$(CC) $(LDFLAGS) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# knockd as on a kernel that cannot serve the inner door.
$(BUILD)/tests/evasion/knockd-alone: $(DAEMON_OBJ) $(BUILD)/tests/evasion/alone.o
	$(call SAY,TOOL,$@)$(CC) $(LDFLAGS) $(LDFLAGS_ALL) -Wl,--wrap=load_inner_possible -o $@ \
		$^ $(LIBS)

evasion: all $(EVASION_TOOLS)
	$(Q)tests/evasion/oracle.sh --count $(EVASION_COUNT) --seed $(EVASION_SEED)

# ---- install ----

# FROM:TO:MODE of every file, where TO begins with the folder's variable.
UNITS := knockd.service knockd@.service
INSTALL := $(BUILD)/knockd:$(SBINDIR)/knockd:755 \
	$(BUILD)/knockctl:$(SBINDIR)/knockctl:755 \
	src/knockd.8:$(MANDIR)/man8/knockd.8:644 \
	src/knockctl.8:$(MANDIR)/man8/knockctl.8:644 \
	src/knockd.conf.5:$(MANDIR)/man5/knockd.conf.5:644 \
	$(foreach u,$(UNITS),$(BUILD)/systemd/$(u):$(UNITDIR)/$(u):644) \
	scripts/knockctl.bash-completion:$(COMPLETIONDIR)/knockctl:644 \
	scripts/systemd/strict.conf:$(DOCDIR)/strict.conf:644 \
	scripts/init/knockd:$(DOCDIR)/init.example:755 \
	knockd.conf.example:$(DOCDIR)/knockd.conf.example:644
part = $(word $(1),$(subst :, ,$(2)))
FILES := $(foreach f,$(INSTALL),$(call part,2,$(f)))

$(BUILD)/systemd/%: scripts/systemd/%
	@mkdir -p $(@D)
	$(call SAY,UNIT,$@)sed 's|@SBINDIR@|$(SBINDIR)|' $< > $@

# Files that a package owns are the package's business.
ours:
	$(Q)for f in $(FILES:%=$(DESTDIR)%); do \
		if owner=$$(dpkg -S "$$f" 2>/dev/null); then \
			echo "$$f belongs to package $${owner%%:*}; left alone" >&2; exit 1; \
		fi; done

install: all ours $(UNITS:%=$(BUILD)/systemd/%)
	$(Q)set -e; $(foreach f,$(INSTALL),\
		echo $(DESTDIR)$(call part,2,$(f)); \
		install -D -m $(call part,3,$(f)) $(call part,1,$(f)) \
			$(DESTDIR)$(call part,2,$(f));)

uninstall: ours
	rm -f $(FILES:%=$(DESTDIR)%)

clean:
	rm -rf $(BUILD)

DEPENDS := src/*.d bpf/*.d tests/*/*.d sanitized/*.d sanitized/*/*.d fuzzed/*.d covered/*.d
-include $(wildcard $(DEPENDS:%=$(BUILD)/%))
