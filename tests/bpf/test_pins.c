// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pins and who holds them, with programs that do nothing. All of it is in namespaces of its own: of
 * processes, so that process 1 is ours, of mounts and of the network.
 *
 * Every call by which pins.c changes something is a step. A child can be killed before any of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static int kill_at;        /* before which step this process is killed; 0: never */
static bool no_exchange;   /* as on Linux 5.15 */
static int pin_fails_at;   /* which pin of a publication fails; 0: none */

static bool step(void)
{
	if (kill_at && !--kill_at)
		raise(SIGKILL);
	return true;
}

static int step_pin(int fd, const char *path)
{
	if (pin_fails_at && !--pin_fails_at)
		return -ENOSPC;
	return step() ? bpf_obj_pin(fd, path) : 0;
}

static int step_rename(int dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	if (no_exchange && (flags & RENAME_EXCHANGE)) {
		errno = EINVAL;
		return -1;
	}
	return step() ? renameat2(dir, from, to_dir, to, flags) : 0;
}

#define mkdir(path, mode) (step() ? mkdir(path, mode) : 0)
#define mkdirat(dir, path, mode) (step() ? mkdirat(dir, path, mode) : 0)
#define unlinkat(dir, path, flags) (step() ? unlinkat(dir, path, flags) : 0)
#define flock(fd, how) (step() ? flock(fd, how) : 0)
#define bpf_obj_pin step_pin
#define renameat2 step_rename
#include "src/folders.c"
#include "src/pinned.c"
#include "src/pins.c"
#undef mkdir
#undef mkdirat
#undef unlinkat
#undef flock
#undef bpf_obj_pin
#undef renameat2

#define DIR_HERE PINS_DIR_DEFAULT

/* ---- a device, and doors that let everything pass ---- */

struct doors {
	int outer, inner; /* links */
	int map;
};

static unsigned int device; /* index of door0 */

static void run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

static int program_load(enum bpf_prog_type type, const char *name)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0,
		  .imm = type == BPF_PROG_TYPE_XDP ? XDP_PASS : SK_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, how, .expected_attach_type =
		    type == BPF_PROG_TYPE_XDP ? BPF_XDP : BPF_SK_LOOKUP);
	int fd = bpf_prog_load(type, name, "GPL", pass, 2, &how);

	if (fd < 0)
		fail_msg("cannot load: %s", strerror(-fd));
	return fd;
}

static int outer_attach(unsigned int index)
{
	LIBBPF_OPTS(bpf_link_create_opts, how, .flags = XDP_FLAGS_SKB_MODE);
	int program = program_load(BPF_PROG_TYPE_XDP, "knockd_outer");
	int fd = -EBUSY;

	/* A link that nobody holds any more has its device for another moment. */
	for (int i = 0; i < 3000 && fd == -EBUSY; i++) {
		fd = bpf_link_create(program, index, BPF_XDP, &how);
		if (fd == -EBUSY)
			usleep(1000);
	}
	close(program);
	return fd;
}

static int inner_attach(void)
{
	int program = program_load(BPF_PROG_TYPE_SK_LOOKUP, "knockd_inner");
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd = bpf_link_create(program, netns, BPF_SK_LOOKUP, NULL);

	close(netns);
	close(program);
	return fd;
}

static __u32 link_id(int fd)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	return info.id;
}

static bool link_lives(__u32 id)
{
	int fd = bpf_link_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool link_dies(__u32 id)
{
	for (int i = 0; i < 3000; i++) {
		if (!link_lives(id))
			return true;
		usleep(1000);
	}
	return false;
}

static void doors_attach(struct doors *doors, unsigned int index)
{
	doors->outer = outer_attach(index);
	doors->inner = inner_attach();
	doors->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	if (doors->outer < 0 || doors->inner < 0 || doors->map < 0)
		fail_msg("cannot attach: %d %d %d", doors->outer, doors->inner, doors->map);
}

static void doors_close(const struct doors *doors)
{
	close(doors->outer);
	close(doors->inner);
	close(doors->map);
}

static int doors_publish(struct pins *pins, const struct doors *doors, struct failure *failure)
{
	const struct pin pin[] = {
		{ "outer", doors->outer }, { "inner", doors->inner }, { "ports", doors->map },
	};

	return pins_publish(pins, pin, 3, failure);
}

/* ---- what is there ---- */

/* All of DIR, as "folder/file folder/file", sorted. */
static const char *tree(void)
{
	static char text[4096];
	FILE *list = popen("cd " DIR_HERE " && find . -mindepth 1 | sort | cut -c3- | tr '\\n' ,",
			   "r");
	size_t used = fread(text, 1, sizeof(text) - 1, list);

	text[used] = '\0';
	pclose(list);
	return text;
}

#define WHOLE "door0,door0/inner,door0/outer,door0/ports,"

static struct pins *must_open(const char *name)
{
	struct failure failure;
	struct pins *pins;

	if (pins_open(&pins, DIR_HERE, name, 0, &failure))
		fail_msg("%s", failure.text);
	assert_string_equal(failure.text, "");
	return pins;
}

static int fd_first(int fd, int other)
{
	return fd >= 0 ? fd : other;
}

/* As pins_find(), for one device; a link whose device is gone will do. */
static int find(struct pins *pins, unsigned int index, int *outer, int *inner,
		struct failure *failure)
{
	const struct pins_devices devices = { .index = { index }, .count = 1 };
	struct pins_links links;
	int result = pins_find(pins, &devices, &links, failure);

	if (result)
		return result;
	*outer = fd_first(links.outer[0], links.rest_count ? links.rest[0] : -1);
	*inner = links.inner;
	assert_int_equal(links.lead, fd_first(*outer, *inner));
	for (unsigned int i = links.outer[0] < 0; i < links.rest_count; i++)
		close(links.rest[i]);
	return 0;
}

static void must_find(struct pins *pins, struct doors *doors)
{
	struct failure failure;

	if (find(pins, device, &doors->outer, &doors->inner, &failure))
		fail_msg("%s", failure.text);
}

static void must_publish(struct pins *pins, const struct doors *doors)
{
	struct failure failure;

	if (doors_publish(pins, doors, &failure))
		fail_msg("%s", failure.text);
	assert_string_equal(failure.text, "");
}

/* A daemon that starts, guards door0 and is gone, while its pins stay. */
static void daemon_lived(const char *name, __u32 *outer, __u32 *inner)
{
	struct pins *pins = must_open(name);
	struct doors doors;

	doors_attach(&doors, device);
	must_publish(pins, &doors);
	*outer = link_id(doors.outer);
	*inner = link_id(doors.inner);
	doors_close(&doors);
	pins_close(pins);
}

/* A daemon that starts and takes over what is there, or begins; in a child, so no fail_msg(). */
static void daemon_starts(const char *name)
{
	struct doors doors = { -1, -1, -1 };
	struct failure failure;
	struct pins *pins;

	if (pins_open(&pins, DIR_HERE, name, 0, &failure) ||
	    find(pins, device, &doors.outer, &doors.inner, &failure)) {
		fprintf(stderr, "%s\n", failure.text);
		_exit(2);
	}
	if (doors.outer < 0)
		doors.outer = outer_attach(device);
	if (doors.inner < 0)
		doors.inner = inner_attach();
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	if (doors_publish(pins, &doors, &failure)) {
		fprintf(stderr, "%s\n", failure.text);
		_exit(3);
	}
	_exit(0);
}

/* Return: whether it was killed. */
static bool daemon_killed_at(const char *name, int at)
{
	pid_t child = fork();
	int status;

	if (!child) {
		kill_at = at;
		daemon_starts(name);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

/* A child that holds the lock of NAME, with doors on door0 when @guards, until it is killed. */
static pid_t daemon_lives(const char *name, bool guards)
{
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		struct pins *pins = must_open(name);
		struct doors doors;

		if (guards) {
			doors_attach(&doors, device);
			must_publish(pins, &doors);
		}
		write(ready[1], "", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void daemon_kill(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int each_begins(void **state)
{
	(void)state;
	if (mount("bpf", BPFFS, "bpf", 0, "mode=700"))
		return -1;
	run("ip link add door0 type veth peer name peer0; ip link add other0 type veth peer name "
	    "other1");
	device = if_nametoindex("door0");
	kill_at = pin_fails_at = 0;
	no_exchange = false;
	return 0;
}

static int each_ends(void **state)
{
	(void)state;
	run("ip link del other0; ip link show door0 >/dev/null 2>&1 && ip link del door0 || true");
	return umount2(BPFFS, MNT_DETACH);
}

/* ---- sentences ---- */

static void what_is_published_is_found_and_can_be_exchanged(void **state)
{
	struct doors doors, found;
	__u32 outer, inner;
	struct pins *pins;

	(void)state;
	daemon_lived("door0", &outer, &inner);
	assert_string_equal(tree(), WHOLE);
	pins = must_open("door0");
	must_find(pins, &found);
	assert_int_equal(link_id(found.outer), outer);
	assert_int_equal(link_id(found.inner), inner);
	doors = found;
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	must_publish(pins, &doors);
	must_publish(pins, &doors);
	assert_string_equal(tree(), WHOLE);
	doors_close(&doors);
	pins_close(pins);
	assert_true(link_lives(outer) && link_lives(inner));
	pins = must_open("door0");
	assert_int_equal(pins_remove(pins, &(struct failure){ 0 }), 0);
	pins_close(pins);
	assert_string_equal(tree(), "");
	assert_true(link_dies(outer) && link_dies(inner));
}

/* Kill @name's daemon before every step of its start in turn; the next one must find all. */
static void killed_at_every_step(const char *before, const char *name)
{
	bool killed = true;
	int at, last = 0;

	for (at = 1; killed; at++) {
		__u32 outer, inner;
		struct pins *pins;
		struct doors doors;

		daemon_lived(before, &outer, &inner);
		killed = daemon_killed_at(name, at);
		usleep(2000);
		if (!link_lives(outer) || !link_lives(inner))
			fail_msg("killed at step %d: a link is gone", at);
		pins = must_open(name);
		must_find(pins, &doors);
		if (link_id(doors.outer) != outer || link_id(doors.inner) != inner)
			fail_msg("killed at step %d: other links are found", at);
		doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
		must_publish(pins, &doors);
		/* Of another name an empty folder may be left. */
		if (strcmp(tree(), WHOLE) && strcmp(tree(), WHOLE "former0,"))
			fail_msg("killed at step %d: %s", at, tree());
		doors_close(&doors);
		assert_int_equal(pins_remove(pins, &(struct failure){ 0 }), 0);
		pins_close(pins);
		assert_true(link_dies(outer) && link_dies(inner));
		last = at;
	}
	print_message("%d steps\n", last - 1);
	assert_true(last > 10);
}

static void no_kill_while_taking_over_loses_a_link(void **state)
{
	(void)state;
	killed_at_every_step("door0", "door0");
}

static void no_kill_without_exchange_loses_a_link(void **state)
{
	(void)state;
	no_exchange = true;
	killed_at_every_step("door0", "door0");
}

static void no_kill_while_taking_over_another_name_loses_a_link(void **state)
{
	(void)state;
	killed_at_every_step("former0", "door0");
	no_exchange = true;
	killed_at_every_step("former0", "door0");
}

/* What is in force after a kill must be known to the next daemon, or nobody could ever end it. */
static void no_kill_at_the_first_start_leaves_a_link_that_nobody_finds(void **state)
{
	bool killed = true;

	(void)state;
	for (int at = 1; killed; at++) {
		struct doors doors;
		struct pins *pins;

		killed = daemon_killed_at("door0", at);
		pins = must_open("door0");
		must_find(pins, &doors);
		if (doors.outer < 0)
			doors.outer = outer_attach(device);
		if (doors.outer < 0)
			fail_msg("killed at step %d: something is attached", at);
		close(doors.outer);
		if (doors.inner >= 0)
			close(doors.inner);
		assert_int_equal(pins_remove(pins, &(struct failure){ 0 }), 0);
		pins_close(pins);
		assert_string_equal(tree(), "");
	}
}

static void many_kills_in_a_row_lose_nothing(void **state)
{
	__u32 outer, inner;
	struct pins *pins;
	struct doors doors;

	(void)state;
	srand(1);
	daemon_lived("door0", &outer, &inner);
	for (int i = 0; i < 200; i++) {
		const char *name = rand() % 4 ? "door0" : "second0";

		no_exchange = rand() % 2;
		daemon_killed_at(name, 1 + rand() % 60);
		if (!link_lives(outer) || !link_lives(inner))
			fail_msg("kill %d: a link is gone", i);
	}
	no_exchange = false;
	pins = must_open("door0");
	must_find(pins, &doors);
	assert_int_equal(link_id(doors.outer), outer);
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	must_publish(pins, &doors);
	doors_close(&doors);
	pins_close(pins);
	assert_non_null(strstr(tree(), WHOLE));
	assert_null(strchr(tree(), ' '));
}

static void a_publication_that_fails_changes_nothing(void **state)
{
	struct failure failure;
	__u32 outer, inner;
	struct pins *pins;
	struct doors doors;

	(void)state;
	daemon_lived("door0", &outer, &inner);
	pins = must_open("door0");
	must_find(pins, &doors);
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	for (int at = 1; at <= 3; at++) {
		pin_fails_at = at;
		assert_int_equal(doors_publish(pins, &doors, &failure), -ENOSPC);
		assert_non_null(strstr(failure.text, "No space left"));
		assert_string_equal(tree(), WHOLE);
	}
	doors_close(&doors);
	pins_close(pins);
	assert_true(link_lives(outer) && link_lives(inner));
}

static void files_of_others_are_left_and_named(void **state)
{
	struct failure failure;
	__u32 outer, inner;
	struct pins *pins;
	struct doors doors;
	int map;

	(void)state;
	daemon_lived("door0", &outer, &inner);
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "theirs", 4, 4, 1, NULL);
	assert_int_equal(bpf_obj_pin(map, DIR_HERE "/door0/theirs"), 0);
	close(map);
	pins = must_open("door0");
	must_find(pins, &doors);
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(doors_publish(pins, &doors, &failure), 0);
		assert_string_equal(failure.text, "'theirs' in '" DIR_HERE "/door0 1' is not "
						"knockd's: left there");
		assert_string_equal(tree(), "door0,door0 1,door0 1/theirs,door0/inner,door0/outer,"
					    "door0/ports,");
	}
	doors_close(&doors);
	assert_int_equal(pins_remove(pins, &failure), 0);
	assert_non_null(strstr(failure.text, "theirs"));
	pins_close(pins);
	assert_true(link_dies(outer));
	assert_string_equal(tree(), "door0 1,door0 1/theirs,");
}

static void what_is_no_link_of_ours_is_not_found(void **state)
{
	struct pins *pins = must_open("door0");
	struct doors doors;
	int program;

	(void)state;
	program = program_load(BPF_PROG_TYPE_XDP, "knockd_outer");
	assert_int_equal(bpf_obj_pin(program, DIR_HERE "/door0/outer"), 0);
	close(program);
	program = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "inner", 4, 4, 1, NULL);
	assert_int_equal(bpf_obj_pin(program, DIR_HERE "/door0/inner"), 0);
	close(program);
	must_find(pins, &doors);
	assert_int_equal(doors.outer, -1);
	assert_int_equal(doors.inner, -1);
	doors_attach(&doors, device);
	must_publish(pins, &doors);
	assert_string_equal(tree(), WHOLE);
	doors_close(&doors);
	pins_close(pins);
}

static void a_read_only_file_system_is_said_and_nothing_changes(void **state)
{
	static const unsigned long how[] = { MS_REMOUNT | MS_BIND | MS_RDONLY,
					     MS_REMOUNT | MS_RDONLY };
	struct failure failure;
	__u32 outer, inner;
	struct pins *pins, *none;
	struct doors doors;

	(void)state;
	daemon_lived("door0", &outer, &inner);
	pins = must_open("door0");
	must_find(pins, &doors);
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mount(NULL, BPFFS, NULL, how[i], NULL), 0);
		assert_int_equal(doors_publish(pins, &doors, &failure), -EROFS);
		assert_non_null(strstr(failure.text, "Read-only file system; mount it read-write"));
		assert_int_equal(pins_remove(pins, &failure), -EROFS);
		assert_int_equal(pins_open(&none, DIR_HERE, "new0", 0, &failure), -EROFS);
		assert_non_null(strstr(failure.text, "new0"));
		assert_string_equal(tree(), WHOLE);
		assert_int_equal(mount(NULL, BPFFS, NULL, how[i] & ~MS_RDONLY, NULL), 0);
	}
	must_publish(pins, &doors);
	doors_close(&doors);
	pins_close(pins);
}

static void a_lock_lasts_as_long_as_its_daemon(void **state)
{
	pid_t other = daemon_lives("door0", false);
	struct failure failure;
	struct pins *pins;
	double begin = seconds_now();

	(void)state;
	assert_int_equal(pins_open(&pins, DIR_HERE, "door0", 1, &failure), -EBUSY);
	assert_true(seconds_now() - begin >= 1);
	assert_string_equal(failure.text, "another knockd that runs holds '" DIR_HERE "/door0'");
	pins_close(must_open("door1"));
	daemon_kill(other);
	pins_close(must_open("door0"));
}

static void a_lock_outlasts_publishing(void **state)
{
	pid_t other = daemon_lives("door0", true);
	struct failure failure;
	struct pins *pins;

	(void)state;
	assert_int_equal(pins_open(&pins, DIR_HERE, "door0", 0, &failure), -EBUSY);
	daemon_kill(other);
	pins_close(must_open("door0"));
	assert_string_equal(tree(), WHOLE);
}

static void two_daemons_do_not_guard_one_device(void **state)
{
	pid_t other = daemon_lives("eth0.5", true);
	struct pins *pins = must_open("door0");
	struct failure failure;
	struct doors doors;

	(void)state;
	assert_int_equal(find(pins, device, &doors.outer, &doors.inner, &failure), -EBUSY);
	assert_string_equal(failure.text, "another knockd that runs guards door0 under the name "
					  "'eth0.5'");
	/* It is no matter on another device. */
	assert_int_equal(find(pins, if_nametoindex("other0"), &doors.outer, &doors.inner,
			      &failure), 0);
	assert_int_equal(doors.outer, -1);
	assert_int_equal(doors.inner, -1);
	daemon_kill(other);
	must_find(pins, &doors);
	must_find(pins, &doors);
	assert_true(doors.outer >= 0 && doors.inner >= 0);
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	must_publish(pins, &doors);
	assert_string_equal(tree(), WHOLE);
	doors_close(&doors);
	pins_close(pins);
}

static void a_name_that_guards_something_else_is_not_replaced(void **state)
{
	struct failure failure;
	__u32 outer, inner;
	struct pins *pins;
	int own, a, b;

	(void)state;
	daemon_lived("main", &outer, &inner);
	pins = must_open("main");
	assert_int_equal(find(pins, if_nametoindex("other0"), &a, &b, &failure), -EEXIST);
	assert_string_equal(failure.text, "'" DIR_HERE "/main' guards door0; detach that first, or "
					"choose another --name");
	/* In another namespace a device has the same index. */
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(find(pins, device, &a, &b, &failure), -EEXIST);
	pins_close(pins);
	pins = must_open("door0");
	assert_int_equal(find(pins, device, &a, &b, &failure), 0);
	assert_int_equal(a, -1);
	assert_int_equal(b, -1);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
	pins_close(pins);
	assert_true(link_lives(outer) && link_lives(inner));
}

/* A daemon that guarded door0 and other0 and is gone; their links are @outer, in this order. */
static void daemon_of_two_lived(const char *name, __u32 outer[2], __u32 *inner)
{
	struct pin pin[] = { { "outer", -1 }, { "outer1", -1 }, { "inner", -1 } };
	struct failure failure;
	struct pins *pins = must_open(name);

	pin[0].fd = outer_attach(device);
	pin[1].fd = outer_attach(if_nametoindex("other0"));
	pin[2].fd = inner_attach();
	assert_int_equal(pins_publish(pins, pin, 3, &failure), 0);
	outer[0] = link_id(pin[0].fd);
	outer[1] = link_id(pin[1].fd);
	*inner = link_id(pin[2].fd);
	for (int i = 0; i < 3; i++)
		close(pin[i].fd);
	pins_close(pins);
}

static void links_close(const struct pins_links *links)
{
	for (int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		if (links->outer[i] >= 0)
			close(links->outer[i]);
		if (links->rest[i] >= 0)
			close(links->rest[i]);
	}
	if (links->inner >= 0)
		close(links->inner);
}

static void each_device_has_its_link_whatever_its_place(void **state)
{
	const unsigned int other = if_nametoindex("other0"), third = if_nametoindex("other1");
	const struct {
		struct pins_devices devices;
		int place[2]; /* of door0 and other0; −1: in the rest */
	} rows[] = {
		{ { { device, other }, 2 }, { 0, 1 } },
		{ { { other, device }, 2 }, { 1, 0 } },
		{ { { 0, third, device, other }, 4 }, { 2, 3 } },
		{ { { device }, 1 }, { 0, -1 } },
		{ { { third, other }, 2 }, { -1, 1 } },
	};
	struct pins *pins;
	__u32 outer[2], inner;

	(void)state;
	daemon_of_two_lived("door0", outer, &inner);
	assert_string_equal(tree(), "door0,door0/inner,door0/outer,door0/outer1,");
	pins = must_open("door0");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct pins_links links;
		struct failure failure;
		unsigned int rest = 0;

		if (pins_find(pins, &rows[i].devices, &links, &failure))
			fail_msg("row %zu: %s", i, failure.text);
		for (int j = 0; j < 2; j++) {
			int place = rows[i].place[j];
			int fd = place < 0 ? links.rest[rest++] : links.outer[place];

			if (fd < 0 || link_id(fd) != outer[j])
				fail_msg("row %zu: link %d is not where it belongs", i, j);
		}
		assert_int_equal(links.rest_count, rest);
		assert_int_equal(link_id(links.inner), inner);
		links_close(&links);
	}
	pins_close(pins);
}

static void none_of_what_a_name_guards_is_no_smaller_list(void **state)
{
	struct pins_devices devices = { .index = { if_nametoindex("other1") }, .count = 1 };
	struct pins_links links;
	struct failure failure;
	struct pins *pins;
	__u32 outer[2], inner;

	(void)state;
	daemon_of_two_lived("door0", outer, &inner);
	pins = must_open("door0");
	assert_int_equal(pins_find(pins, &devices, &links, &failure), -EEXIST);
	assert_non_null(strstr(failure.text, "detach that first"));
	pins_close(pins);
	assert_true(link_lives(outer[0]) && link_lives(outer[1]) && link_lives(inner));
}

static void links_of_several_dead_daemons_are_all_taken(void **state)
{
	struct pins_devices devices = { .count = 2 };
	__u32 outer, inner, own, own_inner;
	struct pin pin[3];
	struct pins_links links;
	struct failure failure;
	struct pins *pins;

	(void)state;
	daemon_lived("former0", &outer, &inner);
	device = if_nametoindex("other0");
	daemon_lived("other0", &own, &own_inner);
	devices.index[0] = if_nametoindex("door0");
	devices.index[1] = device;
	pins = must_open("other0");
	assert_int_equal(pins_find(pins, &devices, &links, &failure), 0);
	assert_int_equal(link_id(links.outer[0]), outer);
	assert_int_equal(link_id(links.outer[1]), own);
	assert_int_equal(link_id(links.inner), own_inner);
	/* What NAME itself knew goes on. */
	assert_int_equal(links.lead, links.outer[1]);
	pin[0] = (struct pin){ "outer", links.outer[0] };
	pin[1] = (struct pin){ "outer1", links.outer[1] };
	pin[2] = (struct pin){ "inner", links.inner };
	assert_int_equal(pins_publish(pins, pin, 3, &failure), 0);
	assert_string_equal(tree(), "other0,other0/inner,other0/outer,other0/outer1,");
	links_close(&links);
	pins_close(pins);
	assert_true(link_lives(outer) && link_lives(own) && link_lives(own_inner));
	assert_true(link_dies(inner));
}

static void one_device_that_another_guards_is_enough_to_refuse(void **state)
{
	pid_t other = daemon_lives("eth0.5", true);
	struct pins_devices devices = { .index = { if_nametoindex("other0"), device }, .count = 2 };
	struct pins *pins = must_open("other0");
	struct pins_links links;
	struct failure failure;

	(void)state;
	assert_int_equal(pins_find(pins, &devices, &links, &failure), -EBUSY);
	assert_string_equal(failure.text, "another knockd that runs guards door0 under the name "
					  "'eth0.5'");
	daemon_kill(other);
	assert_int_equal(pins_find(pins, &devices, &links, &failure), 0);
	assert_int_equal(links.outer[0], -1);
	assert_true(links.outer[1] >= 0);
	links_close(&links);
	pins_close(pins);
}

static void an_outer_door_alone_is_told_by_its_device(void **state)
{
	struct pins *pins = must_open("former0");
	struct failure failure;
	struct pin pin = { "outer", outer_attach(device) };
	int own, a, b;

	(void)state;
	assert_int_equal(pins_publish(pins, &pin, 1, &failure), 0);
	close(pin.fd);
	pins_close(pins);
	pins = must_open("door0");
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(find(pins, device, &a, &b, &failure), 0);
	assert_int_equal(a, -1);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
	assert_int_equal(find(pins, device, &a, &b, &failure), 0);
	assert_true(a >= 0);
	assert_int_equal(b, -1);
	close(a);
	pins_close(pins);
}

static void a_link_without_its_device_is_found_under_its_name_only(void **state)
{
	__u32 outer, inner;
	struct pins *pins;
	struct doors doors;

	(void)state;
	daemon_lived("door0", &outer, &inner);
	run("ip link del door0; ip link add door0 type veth peer name peer0");
	device = if_nametoindex("door0");
	pins = must_open("other0");
	must_find(pins, &doors);
	assert_int_equal(doors.outer, -1);
	pins_close(pins);
	pins = must_open("door0");
	must_find(pins, &doors);
	assert_int_equal(link_id(doors.outer), outer);
	assert_int_equal(link_id(doors.inner), inner);
	close(doors.outer);
	close(doors.inner);
	pins_close(pins);
}

static void a_link_in_force_is_preferred_to_one_without_its_device(void **state)
{
	__u32 gone, inner, outer, other;
	struct pins *pins;
	struct doors doors;

	(void)state;
	daemon_lived("door0", &gone, &inner);
	run("ip link del door0; ip link add door0 type veth peer name peer0");
	device = if_nametoindex("door0");
	daemon_lived("former0", &outer, &other);
	pins = must_open("door0");
	must_find(pins, &doors);
	assert_int_equal(link_id(doors.outer), outer);
	assert_int_equal(link_id(doors.inner), inner);
	doors.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ports", 4, 4, 1, NULL);
	must_publish(pins, &doors);
	assert_string_equal(tree(), WHOLE);
	assert_true(link_dies(gone) && link_dies(other) && link_lives(outer));
	doors_close(&doors);
	pins_close(pins);
}

static void pins_that_somebody_removed_are_made_again(void **state)
{
	struct pins *pins = must_open("door0");
	struct failure failure;
	struct doors doors;
	pid_t other;

	(void)state;
	doors_attach(&doors, device);
	must_publish(pins, &doors);
	run("rm -r " DIR_HERE);
	must_publish(pins, &doors);
	assert_string_equal(tree(), WHOLE);
	/* Unless another daemon has come meanwhile. */
	run("rm -r " DIR_HERE);
	other = daemon_lives("door0", false);
	assert_int_equal(doors_publish(pins, &doors, &failure), -EBUSY);
	daemon_kill(other);
	must_publish(pins, &doors);
	assert_string_equal(tree(), WHOLE);
	doors_close(&doors);
	pins_close(pins);
}

static void name_append(void *text, const char *name)
{
	strcat(text, name);
	strcat(text, ",");
}

static void readers_see_names_as_they_were_given(void **state)
{
	char names[256] = "";
	__u32 outer, inner;
	int fd;

	(void)state;
	daemon_lived("eth0.5", &outer, &inner);
	pins_close(must_open("none0"));
	assert_string_equal(tree(), "eth0:5,eth0:5/inner,eth0:5/outer,eth0:5/ports,");
	assert_int_equal(pins_names(DIR_HERE, name_append, names), 1);
	assert_string_equal(names, "eth0.5,");
	fd = pins_outer(DIR_HERE, "eth0.5", 0);
	assert_int_equal(link_id(fd), outer);
	close(fd);
	/* An interrupted change without exchange leaves NAME only aside. */
	run("mv " DIR_HERE "/eth0:5 '" DIR_HERE "/eth0:5 2'; mkdir '" DIR_HERE "/eth0:5 1'");
	names[0] = '\0';
	assert_int_equal(pins_names(DIR_HERE, name_append, names), 1);
	assert_string_equal(names, "eth0.5,");
	fd = pins_inner(DIR_HERE, "eth0.5");
	assert_int_equal(link_id(fd), inner);
	close(fd);
	assert_int_equal(pins_outer(DIR_HERE, "eth0", 0), -ENOENT);
	assert_int_equal(pins_outer(DIR_HERE, "eth0.5", 1), -ENOENT);
	assert_int_equal(pins_order(DIR_HERE, "eth0.5"), -ENOENT);
	run("mv '" DIR_HERE "/eth0:5 2/ports' '" DIR_HERE "/eth0:5 2/order'");
	assert_int_equal(pins_order(DIR_HERE, "eth0.5"), -ENOENT);
	run("rm '" DIR_HERE "/eth0:5 2/order'");
	fd = program_load(BPF_PROG_TYPE_XDP, "knockd_order");
	assert_int_equal(bpf_obj_pin(fd, DIR_HERE "/eth0:5 2/order"), 0);
	close(fd);
	fd = pins_order(DIR_HERE, "eth0.5");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(pins_names("/nowhere", name_append, names), -ENOENT);
}

static void a_name_or_folder_that_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *dir, *name, *says;
	} rows[] = {
		{ DIR_HERE, "", "cannot be a name" },
		{ DIR_HERE, "a/b", "cannot be a name" },
		{ DIR_HERE, "a:b", "cannot be a name" },
		{ DIR_HERE, "door0 1", "cannot be a name" },
		{ DIR_HERE, "a\nb", "cannot be a name" },
		{ "relative", "door0", "absolute" },
		{ "/", "door0", "absolute" },
		{ "/proc/knockd", "door0", "'/proc/knockd' is not on a BPF file system; mount one "
					   "there or use --pin-dir below /sys/fs/bpf" },
		{ "/proc", "door0", "not on a BPF file system" },
	};
	char name[NAME_MAX + 1];
	struct failure failure;
	struct pins *pins = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (pins_open(&pins, rows[i].dir, rows[i].name, 0, &failure) != -EINVAL || pins ||
		    !strstr(failure.text, rows[i].says))
			fail_msg("'%s' '%s': %s", rows[i].dir, rows[i].name, failure.text);
	}
	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	assert_int_equal(pins_open(&pins, DIR_HERE, name, 0, &failure), -EINVAL);
	name[NAME_MAX - 3] = '\0';
	pins_close(must_open(name));
	pins_close(must_open("..."));
	assert_int_equal(pins_open(&pins, BPFFS "/a/b", "door0", 0, &failure), -ENOENT);
	assert_non_null(strstr(failure.text, BPFFS "/a'"));
	assert_int_equal(pins_open(&pins, BPFFS "/knockd//", "door0", 0, &failure), 0);
	pins_close(pins);
}

static void folders_are_for_root_only(void **state)
{
	struct pins *pins;
	struct stat info;

	(void)state;
	umask(0);
	pins = must_open("door0");
	umask(022);
	assert_int_equal(stat(DIR_HERE, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0700);
	assert_int_equal(stat(DIR_HERE "/door0", &info), 0);
	assert_int_equal(info.st_mode & 07777, 0700);
	pins_close(pins);
}

struct opened {
	int result;
	struct failure failure;
};

static void capability_drop(int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		_exit(1);
	data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	data[CAP_TO_INDEX(capability)].permitted &= ~CAP_TO_MASK(capability);
	if (syscall(SYS_capset, &header, data))
		_exit(1);
}

/*
 * A service with a mount namespace of its own: what it mounts there would end with it.
 * @capability: which it lacks; −1: none
 */
static struct opened service_opens(int propagation, int capability)
{
	struct opened opened = { .result = -ECHILD };
	struct pins *pins;
	int told[2];
	pid_t child;

	assert_int_equal(pipe(told), 0);
	child = fork();
	if (!child) {
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, propagation | MS_REC, NULL))
			_exit(1);
		if (capability >= 0)
			capability_drop(capability);
		opened.result = pins_open(&pins, DIR_HERE, "door0", 0, &opened.failure);
		_exit(write(told[1], &opened, sizeof(opened)) != sizeof(opened));
	}
	close(told[1]);
	assert_int_equal(read(told[0], &opened, sizeof(opened)), sizeof(opened));
	close(told[0]);
	waitpid(child, NULL, 0);
	return opened;
}

static void the_file_system_is_mounted_for_process_one_too(void **state)
{
	struct opened opened;

	(void)state;
	assert_int_equal(umount2(BPFFS, MNT_DETACH), 0);
	assert_false(bpffs_holds(BPFFS));
	assert_int_equal(mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL), 0);
	opened = service_opens(MS_SLAVE, -1);
	assert_int_equal(opened.result, 0);
	assert_string_equal(opened.failure.text, "");
	assert_true(bpffs_holds(BPFFS));
	assert_string_equal(tree(), "door0,");
	assert_int_equal(umount2(BPFFS, MNT_DETACH), 0);
	/* A namespace that sees nothing of the first one is told. */
	opened = service_opens(MS_PRIVATE, -1);
	assert_int_equal(opened.result, 0);
	assert_non_null(strstr(opened.failure.text, "in this mount namespace only"));
	assert_true(bpffs_holds(BPFFS));
	assert_int_equal(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), 0);
}

static void what_forbids_to_mount_or_to_look_is_said(void **state)
{
	struct opened opened;

	(void)state;
	assert_int_equal(umount2(BPFFS, MNT_DETACH), 0);
	opened = service_opens(MS_PRIVATE, CAP_SYS_PTRACE);
	assert_int_equal(opened.result, 0);
	assert_non_null(strstr(opened.failure.text, "process 1 may not see it"));
	assert_false(bpffs_holds(BPFFS));
	opened = service_opens(MS_PRIVATE, CAP_SYS_ADMIN);
	assert_int_equal(opened.result, -EPERM);
	assert_non_null(strstr(opened.failure.text, "'mount -t bpf bpf " BPFFS "'"));
	assert_null(strstr(opened.failure.text, "root"));
	assert_int_equal(mount("bpf", BPFFS, "bpf", 0, "mode=700"), 0);
}

/* ---- namespaces ---- */

static int tests_run(void)
{
	#define TEST(name) cmocka_unit_test_setup_teardown(name, each_begins, each_ends)
	const struct CMUnitTest tests[] = {
		TEST(what_is_published_is_found_and_can_be_exchanged),
		TEST(no_kill_while_taking_over_loses_a_link),
		TEST(no_kill_without_exchange_loses_a_link),
		TEST(no_kill_while_taking_over_another_name_loses_a_link),
		TEST(no_kill_at_the_first_start_leaves_a_link_that_nobody_finds),
		TEST(many_kills_in_a_row_lose_nothing),
		TEST(a_publication_that_fails_changes_nothing),
		TEST(files_of_others_are_left_and_named),
		TEST(what_is_no_link_of_ours_is_not_found),
		TEST(a_read_only_file_system_is_said_and_nothing_changes),
		TEST(a_lock_lasts_as_long_as_its_daemon),
		TEST(a_lock_outlasts_publishing),
		TEST(two_daemons_do_not_guard_one_device),
		TEST(a_name_that_guards_something_else_is_not_replaced),
		TEST(each_device_has_its_link_whatever_its_place),
		TEST(none_of_what_a_name_guards_is_no_smaller_list),
		TEST(links_of_several_dead_daemons_are_all_taken),
		TEST(one_device_that_another_guards_is_enough_to_refuse),
		TEST(an_outer_door_alone_is_told_by_its_device),
		TEST(a_link_without_its_device_is_found_under_its_name_only),
		TEST(a_link_in_force_is_preferred_to_one_without_its_device),
		TEST(pins_that_somebody_removed_are_made_again),
		TEST(readers_see_names_as_they_were_given),
		TEST(a_name_or_folder_that_cannot_be_is_refused),
		TEST(folders_are_for_root_only),
		TEST(the_file_system_is_mounted_for_process_one_too),
		TEST(what_forbids_to_mount_or_to_look_is_said),
	};
	#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	pid_t child;
	int status;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID)) {
		perror("test_pins: needs root");
		return 1;
	}
	child = fork();
	if (!child) {
		if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) ||
		    mount("proc", "/proc", "proc", 0, NULL)) {
			perror("test_pins: cannot mount");
			return 1;
		}
		/* The machine's own is no matter in this namespace. */
		while (bpffs_holds(BPFFS) && !umount2(BPFFS, MNT_DETACH))
			;
		return tests_run();
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
