// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The commands of doors, with real children and a clock that stands still unless a test moves it.
 * The functions of the C library that leave traces are replaced below by some that count, so that a
 * process can be killed before and after each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "process.h"
#include "rate.h"

/* ---- steps that may be the last ---- */

static unsigned int steps_left; /* 0: any number */

static void step_count(void)
{
	if (steps_left && !--steps_left)
		kill(getpid(), SIGKILL);
}

static long step_end(long result)
{
	step_count();
	return result;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
	step_count();
	return step_end(syscall(SYS_write, fd, bytes, len));
}

int fsync(int fd)
{
	step_count();
	return step_end(syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
	step_count();
	return step_end(syscall(SYS_fdatasync, fd));
}

int renameat(int old_folder, const char *old, int new_folder, const char *new)
{
	step_count();
	return step_end(syscall(SYS_renameat2, old_folder, old, new_folder, new, 0));
}

int unlinkat(int folder, const char *name, int flags)
{
	step_count();
	return step_end(syscall(SYS_unlinkat, folder, name, flags));
}

int flock(int fd, int operation)
{
	step_count();
	return step_end(syscall(SYS_flock, fd, operation));
}

static bool fork_fails;

int pipe2(int ends[2], int flags)
{
	step_count();
	if (fork_fails) {
		errno = EMFILE;
		return -1;
	}
	return step_end(syscall(SYS_pipe2, ends, flags));
}

/* Where this is set, a program is long in coming: until the file is there. */
static const char *exec_gate;

int execve(const char *path, char *const argv[], char *const environment[])
{
	for (int i = 0; exec_gate && access(exec_gate, F_OK) && i < 20000; i++)
		usleep(1000);
	return (int)syscall(SYS_execve, path, argv, environment);
}

/* ---- a place, a clock, a log ---- */

enum { PATIENCE_S = 20 };

struct place {
	struct commands *c;
	struct conf conf;
	struct conf_door door;
	char top[64], folder[96], done[96]; /* what commands do is told in the file done */
	char said[8192];
	size_t lines;
};

static uint64_t clock_ms;

static uint64_t clock_read(void)
{
	return clock_ms;
}

static void line_hear(void *data, const char *line)
{
	struct place *place = data;
	size_t used = strlen(place->said);

	place->lines++;
	for (const char *at = line; *at; at++)
		assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
	snprintf(place->said + used, sizeof(place->said) - used, "%s\n", line);
}

static void place_open_as(struct place *place, const char *name)
{
	const struct commands_place where = {
		.state_dir = place->folder, .name = name, .say = line_hear, .data = place,
		.now_ms = clock_read,
	};

	assert_int_equal(commands_open(&place->c, &where), 0);
	commands_limit(place->c, &place->conf);
}

static void place_open(struct place *place)
{
	place_open_as(place, "eth0");
}

static int place_make(void **state)
{
	static struct place place;

	place = (struct place){ .top = "/tmp/knockd-commands-XXXXXX" };
	assert_non_null(mkdtemp(place.top));
	snprintf(place.folder, sizeof(place.folder), "%s/state", place.top);
	snprintf(place.done, sizeof(place.done), "%s/done", place.top);
	setenv("DONE", place.done, 1);
	conf_init(&place.conf, "knockd.conf");
	place.conf.max_commands = 32;
	place.conf.command_time_s = 60;
	place.door = (struct conf_door){ .name = "ssh", .open_time_s = 30,
					 .commands.timeout_s = 10 };
	clock_ms = 7000000;
	steps_left = 0;
	fork_fails = false;
	exec_gate = NULL;
	/* A command that nobody ends is a failure, and no reason to wait for ever. */
	alarm(6 * PATIENCE_S);
	place_open(&place);
	*state = &place;
	return 0;
}

static int place_end(void **state)
{
	struct place *place = *state;
	char command[128];

	commands_close(place->c);
	/* What a daemon left is a child of this process still. */
	while (wait(NULL) > 0)
		;
	snprintf(command, sizeof(command), "rm -r %s", place->top);
	return system(command);
}

/* Another daemon takes over. */
static void place_again(struct place *place)
{
	commands_close(place->c);
	place_open(place);
}

static struct source source_of(const char *address)
{
	struct source source = { .family = strchr(address, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(source.family == 4 ? AF_INET : AF_INET6, address,
				   source.word_be), 1);
	return source;
}

static void order_from(struct place *place, const char *address, uint64_t time_ms)
{
	struct source source = source_of(address);

	commands_opened(place->c, &place->door, &source, true, time_ms);
}

static void open_from(struct place *place, const char *address)
{
	struct source source = source_of(address);

	commands_opened(place->c, &place->door, &source, false, 0);
}

static void close_from(struct place *place, const char *address)
{
	struct source source = source_of(address);

	commands_closed(place->c, &place->door, &source);
}

/* ---- what commands did ---- */

struct content {
	char text[4096];
};

static struct content file_get(const char *path)
{
	struct content content = { "" };
	FILE *in = fopen(path, "r");

	if (in) {
		content.text[fread(content.text, 1, sizeof(content.text) - 1, in)] = '\0';
		fclose(in);
	}
	return content;
}

/* Serve what children do, by the clock as it stands, until @done says so. */
static void serve_until(struct place *place, bool (*done)(struct place *place, const char *what),
			const char *what)
{
	for (int tries = 0; !done(place, what); tries++) {
		struct pollfd ready = { .fd = commands_fd(place->c), .events = POLLIN };

		if (tries > PATIENCE_S * 10)
			fail_msg("waiting for '%s'; done:\n%ssaid:\n%s", what,
				 file_get(place->done).text, place->said);
		poll(&ready, 1, 100);
		commands_serve(place->c);
	}
}

static bool was_said(struct place *place, const char *what)
{
	return strstr(place->said, what) != NULL;
}

static bool was_done(struct place *place, const char *what)
{
	return !strcmp(file_get(place->done).text, what);
}

static bool has_done(struct place *place, const char *what)
{
	return strstr(file_get(place->done).text, what) != NULL;
}

/* This process has no child that another daemon left. */
static bool all_ended(struct place *place, const char *what)
{
	(void)place;
	(void)what;
	return waitid(P_ALL, 0, &(siginfo_t){}, WEXITED | WNOHANG | WNOWAIT) < 0;
}

/* Wait until @text is all that commands have told. */
static void expect_done(struct place *place, const char *text)
{
	serve_until(place, was_done, text);
}

static void expect_said(struct place *place, const char *text)
{
	serve_until(place, was_said, text);
	assert_string_equal(place->said, text);
	place->said[0] = '\0';
	place->lines = 0;
}

static bool waits_for(struct place *place, const char *what)
{
	return commands_wait_ms(place->c) == atoi(what);
}

static void clock_move(struct place *place, uint64_t ms)
{
	clock_ms += ms;
	commands_serve(place->c);
}

/* Let all children end that do so by themselves. */
static void children_end(struct place *place)
{
	serve_until(place, all_ended, "the end of all");
}

/* Both have told so, in whichever order. */
static void children_begun(struct place *place, const char *one, const char *other)
{
	serve_until(place, has_done, one);
	serve_until(place, has_done, other);
}

#define START "echo +%IP% >>$DONE"
#define STOP "echo -%IP% >>$DONE"

static void door_commands(struct place *place, const char *start, const char *stop)
{
	place->door.commands.start = (char *)start;
	place->door.commands.stop = (char *)stop;
	place->conf.door = &place->door;
	place->conf.door_count = 1;
}

/* ---- start and stop ---- */

static void a_stop_command_follows_its_start_command(void **state)
{
	struct place *place = *state;

	door_commands(place, "echo +%IP% %DOOR% >>$DONE", "echo -%IP% >>$DONE");
	assert_int_equal(commands_wait_ms(place->c), -1);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_owed(place->c), 1);
	expect_done(place, "+192.0.2.1 ssh\n");
	expect_said(place, "ssh: running command: echo +192.0.2.1 ssh >>$DONE\n");
	serve_until(place, waits_for, "10000");
	clock_move(place, 9999);
	assert_int_equal(commands_wait_ms(place->c), 1);
	assert_string_equal(place->said, "");
	clock_move(place, 1);
	expect_said(place, "192.0.2.1: ssh: command timeout\n"
			   "ssh: running command: echo -192.0.2.1 >>$DONE\n");
	expect_done(place, "+192.0.2.1 ssh\n-192.0.2.1\n");
	children_end(place);
	assert_int_equal(commands_owed(place->c), 0);
	assert_int_equal(commands_wait_ms(place->c), -1);
	assert_string_equal(place->said, "");
}

static void ipv6_has_commands_of_its_own_or_those_of_ipv4(void **state)
{
	struct place *place = *state;

	door_commands(place, START, NULL);
	open_from(place, "2001:db8::1");
	expect_done(place, "+2001:db8::1\n");
	place->door.commands.start6 = "echo six >>$DONE";
	open_from(place, "2001:db8::2");
	expect_done(place, "+2001:db8::1\nsix\n");
	open_from(place, "192.0.2.1");
	expect_done(place, "+2001:db8::1\nsix\n+192.0.2.1\n");
	/* Empty: nothing, and then nothing is to be stopped. */
	place->door.commands.start6 = "";
	place->door.commands.stop6 = STOP;
	open_from(place, "2001:db8::3");
	assert_int_equal(commands_owed(place->c), 0);
	children_end(place);
	assert_int_equal(place->lines, 3);
}

static void a_stop_command_alone_is_owed_where_the_door_opens_ports(void **state)
{
	struct place *place = *state;
	struct conf_range range = { CONF_TCP, 22, 22, 0 };

	door_commands(place, NULL, STOP);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_owed(place->c), 0);
	place->door.open = (struct conf_ranges){ &range, 1 };
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_owed(place->c), 1);
	assert_int_equal(commands_wait_ms(place->c), 30000);
	clock_move(place, 30000);
	expect_done(place, "-192.0.2.1\n");
}

static void a_door_that_opens_ports_stops_after_its_open_time(void **state)
{
	struct place *place = *state;
	struct conf_range range = { CONF_TCP, 22, 22, 0 };

	door_commands(place, "", STOP);
	place->door.open = (struct conf_ranges){ &range, 1 };
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_wait_ms(place->c), 30000);
	place->door.commands.timeout_line = 1;
	open_from(place, "192.0.2.2");
	assert_int_equal(commands_wait_ms(place->c), 10000);
	commands_settle(place->c, PATIENCE_S);
	place_again(place);
	place->door.commands.timeout_line = 0;
	place->door.open_time_s = 0;
	open_from(place, "192.0.2.3");
	assert_int_equal(commands_wait_ms(place->c), -1);
	place_again(place);
	assert_int_equal(commands_wait_ms(place->c), -1);
	unlink(place->done);
	close_from(place, "192.0.2.3");
	expect_done(place, "-192.0.2.3\n");
}

static void a_result_that_is_too_long_is_not_run(void **state)
{
	struct place *place = *state;
	char wide[4094];

	memset(wide, 'x', sizeof(wide));
	memcpy(wide + sizeof(wide) - 5, "%IP%", 5);
	door_commands(place, wide, NULL);
	open_from(place, "192.0.2.1");
	expect_said(place, "error: parsed start command has been truncated! --> won't execute "
			   "it\n");
	clock_move(place, 1000);
	door_commands(place, START, wide);
	open_from(place, "192.0.2.1");
	expect_said(place, "error: parsed stop command has been truncated! --> won't execute "
			   "start command\n");
	assert_int_equal(commands_owed(place->c), 0);
	assert_int_equal(commands_wait_ms(place->c), -1);
}

static void a_status_that_is_not_zero_is_said(void **state)
{
	struct place *place = *state;

	door_commands(place, "exit 3", NULL);
	open_from(place, "192.0.2.1");
	expect_said(place, "ssh: running command: exit 3\n"
			   "ssh: command returned non-zero status code (3)\n");
	door_commands(place, "kill -9 $$", NULL);
	open_from(place, "192.0.2.2");
	expect_said(place, "ssh: running command: kill -9 $$\n"
			   "ssh: command ended by signal 9\n");
}

static void a_command_that_cannot_be_run_is_said_and_stopped_as_any(void **state)
{
	struct place *place = *state;

	door_commands(place, "/no/such/program -x", "/no/such/program -y");
	open_from(place, "192.0.2.1");
	expect_said(place, "ssh: running command: /no/such/program -x\n"
			   "ssh: command cannot be run: No such file or directory\n");
	close_from(place, "192.0.2.1");
	expect_said(place, "ssh: running command: /no/such/program -y\n"
			   "ssh: command cannot be run: No such file or directory\n");
	children_end(place);
	assert_int_equal(commands_owed(place->c), 0);
}

static void a_name_with_control_bytes_cannot_act_on_a_terminal(void **state)
{
	struct place *place = *state;

	strcpy(place->door.name, "a\033[2Jb\n");
	door_commands(place, "exit 1 #\t", NULL);
	open_from(place, "192.0.2.1");
	expect_said(place, "a?[2Jb?: running command: exit 1 #?\n"
			   "a?[2Jb?: command returned non-zero status code (1)\n");
}

/* ---- how a command runs ---- */

static void a_command_starts_from_a_clean_state(void **state)
{
	struct place *place = *state;
	int leak = dup2(STDERR_FILENO, 77);
	struct content content;

	signal(SIGPIPE, SIG_IGN);
	setenv("NOTIFY_SOCKET", "/run/x", 1);
	door_commands(place, "(readlink /proc/self/fd/0; ls /proc/self/fd | tr '\\n' ' '; "
		      "grep -E '^Sig(Blk|Ign)' /proc/self/status; "
		      "echo \"$KNOCKD_IP $KNOCKD_DOOR $KNOCKD_FAMILY x$NOTIFY_SOCKET\"; "
		      "cut -d' ' -f5,6 /proc/$$/stat | tr ' ' '\\n' | sort -u | "
		      "sed \"s/^$$\\$/own/\") >$DONE.part; mv $DONE.part $DONE", NULL);
	open_from(place, "2001:db8::1");
	children_end(place);
	content = file_get(place->done);
	/* 3 is the folder that ls reads. */
	assert_string_equal(content.text, "/dev/null\n0 1 2 3 SigBlk:\t0000000000000000\n"
					  "SigIgn:\t0000000000000000\n"
					  "2001:db8::1 ssh 6 x\nown\n");
	close(leak);
	signal(SIGPIPE, SIG_DFL);
	unsetenv("NOTIFY_SOCKET");
}

static void a_simple_command_needs_no_shell(void **state)
{
	struct place *place = *state;
	char command[160];

	/* A shell would stand in between, or have run the program under its own name. */
	snprintf(command, sizeof(command), "/bin/cp /proc/self/cmdline %s", place->done);
	door_commands(place, command, NULL);
	open_from(place, "192.0.2.1");
	children_end(place);
	assert_string_equal(file_get(place->done).text, "/bin/cp");
}

static void a_script_without_its_first_line_runs_as_a_shell_would_run_it(void **state)
{
	struct place *place = *state;
	char script[96], command[128];
	FILE *out;

	snprintf(script, sizeof(script), "%s/script", place->top);
	out = fopen(script, "w");
	assert_non_null(out);
	fputs("echo $1 >>$DONE\n", out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(script, 0755), 0);
	snprintf(command, sizeof(command), "%s %%IP%%", script);
	door_commands(place, command, NULL);
	open_from(place, "192.0.2.1");
	expect_done(place, "192.0.2.1\n");
}

/* ---- again ---- */

static void knocking_again_while_open_only_puts_the_stop_command_off(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
	clock_move(place, 8000);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_wait_ms(place->c), 10000);
	/* Another's is his own. */
	clock_move(place, 1000);
	open_from(place, "192.0.2.2");
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n");
	clock_move(place, 8999);
	assert_int_equal(commands_owed(place->c), 2);
	clock_move(place, 1);
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n-192.0.2.1\n");
}

static void an_opening_while_it_is_being_stopped_waits_for_that(void **state)
{
	struct place *place = *state;
	char fifo[96], stop[256];

	snprintf(fifo, sizeof(fifo), "%s/fifo", place->top);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(stop, sizeof(stop), "read x <%s; echo -%%IP%% >>$DONE", fifo);
	door_commands(place, START, stop);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	close_from(place, "192.0.2.1");
	serve_until(place, was_said, "read x");
	clock_move(place, 2000);
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.2");
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n");
	snprintf(stop, sizeof(stop), "echo >%s", fifo);
	assert_int_equal(system(stop), 0);
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n-192.0.2.1\n+192.0.2.1\n");
	assert_int_equal(commands_owed(place->c), 2);
}

static void a_door_without_stop_command_runs_once_a_second_and_source(void **state)
{
	struct place *place = *state;

	door_commands(place, "exit 0", NULL);
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.2");
	expect_said(place, "ssh: running command: exit 0\n"
			   "192.0.2.1: ssh: command not run: less than a second after the last\n"
			   "ssh: running command: exit 0\n");
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.2");
	clock_move(place, 999);
	open_from(place, "192.0.2.1");
	assert_string_equal(place->said, "");
	assert_int_equal(commands_wait_ms(place->c), 1);
	clock_move(place, 1);
	expect_said(place, "3 commands not run: less than a second after the last; the last was "
			   "192.0.2.1: ssh\n");
	open_from(place, "192.0.2.1");
	expect_said(place, "ssh: running command: exit 0\n");
}

static void a_storm_of_openings_is_ten_starts_and_a_count(void **state)
{
	struct place *place = *state;
	struct source source = source_of("10.0.0.0");

	door_commands(place, "exit 0", "exit 0");
	for (uint32_t i = 0; i < 200000; i++) {
		source.word_be[0] = htonl(0x0a000000 + i);
		commands_opened(place->c, &place->door, &source, false, 0);
	}
	assert_int_equal(commands_owed(place->c), RATE_DOOR);
	assert_int_equal(place->lines, RATE_DOOR + 1);
	clock_move(place, 1000);
	assert_non_null(strstr(place->said,
			       "199989 commands not run: too many in one second"));
	/* The next second has its own ten; the hour after, each stop command runs. */
	for (uint32_t i = 0; i < 12; i++) {
		source.word_be[0] = htonl(0x0b000000 + i);
		commands_opened(place->c, &place->door, &source, false, 0);
	}
	assert_int_equal(commands_owed(place->c), 2 * RATE_DOOR);
	for (int i = 0; i < 20 && commands_owed(place->c); i++) {
		children_end(place);
		clock_move(place, 10000);
	}
	children_end(place);
	assert_int_equal(commands_owed(place->c), 0);
}

static void other_commands_after_a_reload_run_beside_the_former(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
	clock_move(place, 4000);
	door_commands(place, "echo up >>$DONE", "echo down >>$DONE");
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\nup\n");
	children_end(place);
	assert_int_equal(commands_owed(place->c), 2);
	/* Either is put off by its own, whichever is the later. */
	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_owed(place->c), 2);
	door_commands(place, "echo up >>$DONE", "echo down >>$DONE");
	clock_move(place, 1000);
	open_from(place, "192.0.2.1");
	clock_move(place, 9000);
	expect_done(place, "+192.0.2.1\nup\n-192.0.2.1\n");
	clock_move(place, 1000);
	expect_done(place, "+192.0.2.1\nup\n-192.0.2.1\ndown\n");
}

static void a_close_stops_what_former_commands_began_as_well(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	children_end(place);
	/* What is left of the door owes nothing, and runs all the same. */
	clock_move(place, 1000);
	door_commands(place, "echo alone >>$DONE", NULL);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\nalone\n");
	door_commands(place, "echo up >>$DONE", "echo down >>$DONE");
	open_from(place, "192.0.2.1");
	children_end(place);
	close_from(place, "192.0.2.1");
	children_end(place);
	assert_true(has_done(place, "-192.0.2.1\n"));
	assert_true(has_done(place, "down\n"));
	assert_int_equal(commands_owed(place->c), 0);
}

/* ---- how many, how long ---- */

static void no_more_run_at_once_than_allowed_and_closing_comes_first(void **state)
{
	struct place *place = *state;
	char fifo[96], start[256];

	snprintf(fifo, sizeof(fifo), "%s/fifo", place->top);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(start, sizeof(start), "echo +%%IP%% >>$DONE; read x <%s", fifo);
	place->conf.max_commands = 1;
	commands_limit(place->c, &place->conf);
	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
	/* Now one hangs, one waits, and the first has to be stopped: there is room for that. */
	door_commands(place, start, STOP);
	open_from(place, "192.0.2.2");
	open_from(place, "192.0.2.3");
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n");
	clock_move(place, 10000);
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n-192.0.2.1\n");
	snprintf(start, sizeof(start), "echo >%s", fifo);
	assert_int_equal(system(start), 0);
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n-192.0.2.1\n+192.0.2.3\n");
	assert_int_equal(system(start), 0);
}

static void start_commands_that_hang_do_not_keep_stop_commands_from_their_time(void **state)
{
	struct place *place = *state;
	char fifo[96], hang[256], stop[256];
	int writer;

	snprintf(fifo, sizeof(fifo), "%s/fifo", place->top);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(hang, sizeof(hang), "echo +%%IP%% >>$DONE; read x <%s", fifo);
	snprintf(stop, sizeof(stop), "echo -%%IP%% >>$DONE; read x <%s", fifo);
	place->conf.max_commands = 2;
	commands_limit(place->c, &place->conf);
	door_commands(place, "exit 0", stop);
	for (char address[] = "192.0.2.1"; address[8] <= '3'; address[8]++)
		open_from(place, address);
	serve_until(place, waits_for, "10000");
	door_commands(place, hang, NULL);
	for (char address[] = "192.0.2.4"; address[8] <= '6'; address[8]++)
		open_from(place, address);
	children_begun(place, "+192.0.2.4\n", "+192.0.2.5\n");
	/* Two hang, and two stop commands run all the same; the third waits, as the third start. */
	clock_move(place, 10000);
	children_begun(place, "-192.0.2.1\n", "-192.0.2.2\n");
	commands_serve(place->c);
	assert_null(strstr(place->said, "echo -192.0.2.3"));
	assert_null(strstr(place->said, "echo +192.0.2.6"));
	assert_true(commands_wait_ms(place->c) > 1000);
	/* A line for each, and their shells read byte by byte. */
	writer = open(fifo, O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 6; i++)
		assert_int_equal(write(writer, "\n", 1), 1);
	children_end(place);
	close(writer);
	assert_true(has_done(place, "-192.0.2.3\n"));
	assert_true(has_done(place, "+192.0.2.6\n"));
}

static void a_line_that_is_too_long_is_cut_and_said(void **state)
{
	struct place *place = *state;
	struct source source = source_of("10.0.0.0");

	door_commands(place, "exit 0", STOP);
	place->conf.max_commands = 0;
	commands_limit(place->c, &place->conf);
	for (uint32_t i = 0; i < 1030; i++) {
		source.word_be[0] = htonl(0x0a000000 + i);
		commands_opened(place->c, &place->door, &source, false, 0);
		clock_ms += 100;
	}
	clock_move(place, 1000);
	assert_non_null(strstr(place->said, "command not run: too many commands wait in line"));
	assert_non_null(strstr(place->said, "5 commands not run: too many commands wait"));
	assert_int_equal(commands_owed(place->c), 1024);
	/* Nothing of that had begun: nothing is owed to the next one. */
	commands_settle(place->c, 1);
	assert_non_null(strstr(place->said, "1024 start commands were still waiting in line"));
	assert_int_equal(commands_owed(place->c), 0);
	assert_true(was_done(place, ""));
}

static void a_command_that_hangs_is_ended_and_then_killed(void **state)
{
	struct place *place = *state;

	door_commands(place, "trap '' TERM; echo +$$ >>$DONE; while :; do sleep 1; done", STOP);
	open_from(place, "192.0.2.1");
	while (was_done(place, ""))
		serve_until(place, was_said, "running");
	assert_int_equal(commands_wait_ms(place->c), 60000);
	place->said[0] = '\0';
	clock_move(place, 60000);
	expect_said(place, "ssh: command runs longer than 60 s, ending it\n");
	assert_int_equal(commands_wait_ms(place->c), 5000);
	clock_move(place, 5000);
	expect_said(place, "ssh: command does not end, killed\n"
			   "ssh: command ended by signal 9\n");
	/* Its stop command is as owed as any. */
	assert_int_equal(commands_owed(place->c), 1);
	close_from(place, "192.0.2.1");
	serve_until(place, was_said, "echo -192.0.2.1");
}

static void a_command_over_its_time_may_end_by_itself(void **state)
{
	struct place *place = *state;

	door_commands(place, "exec 2>/dev/null; trap 'echo bye >>$DONE; exit 0' TERM; "
		      "echo up >>$DONE; while :; do sleep 0.1; done", NULL);
	open_from(place, "192.0.2.1");
	expect_done(place, "up\n");
	clock_move(place, 60000);
	expect_done(place, "up\nbye\n");
	clock_move(place, 5000);
	children_end(place);
	assert_null(strstr(place->said, "killed"));
	assert_null(strstr(place->said, "signal"));
}

static void a_failed_fork_is_said_and_a_stop_command_tried_again(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	fork_fails = true;
	open_from(place, "192.0.2.1");
	assert_int_equal(strncmp(place->said, "error: command fork failed!", 27), 0);
	assert_int_equal(commands_owed(place->c), 0);
	fork_fails = false;
	clock_move(place, 1000);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
	fork_fails = true;
	clock_move(place, 10000);
	assert_int_equal(commands_owed(place->c), 1);
	assert_int_equal(commands_wait_ms(place->c), 1000);
	fork_fails = false;
	clock_move(place, 1000);
	expect_done(place, "+192.0.2.1\n-192.0.2.1\n");
}

/* ---- the time of an order ---- */

static void an_order_has_its_own_time(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	order_from(place, "192.0.2.1", 3600000);
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "3600000");
	/* A knock shortens it no more than it shortens the grant ... */
	clock_move(place, 1000);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_wait_ms(place->c), 3599000);
	place_again(place);
	assert_int_equal(commands_wait_ms(place->c), 3599000);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_wait_ms(place->c), 3599000);
	/* ... and puts it off towards the end; another order says how long from now. */
	clock_move(place, 3595000);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_wait_ms(place->c), 10000);
	order_from(place, "192.0.2.1", 500);
	assert_int_equal(commands_wait_ms(place->c), 500);
	clock_move(place, 500);
	expect_done(place, "+192.0.2.1\n-192.0.2.1\n");
}

static void an_order_for_the_usual_time_ends_one_for_longer(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	for (int again = 0; again < 2; again++) {
		order_from(place, "192.0.2.1", again ? COMMANDS_NEVER : 3600000);
		expect_done(place, "+192.0.2.1\n");
		children_end(place);
		order_from(place, "192.0.2.1", 0);
		assert_int_equal(commands_wait_ms(place->c), 10000);
	}
	clock_move(place, 10000);
	expect_done(place, "+192.0.2.1\n-192.0.2.1\n");
}

static void an_order_is_for_all_who_share_the_grant(void **state)
{
	struct place *place = *state;

	place->conf.grant_prefix6 = 64;
	commands_limit(place->c, &place->conf);
	door_commands(place, START, STOP);
	order_from(place, "2001:db8:0:1::5", COMMANDS_NEVER);
	order_from(place, "2001:db8:0:2::5", COMMANDS_NEVER);
	children_end(place);
	assert_int_equal(commands_wait_ms(place->c), -1);
	/* The grant is his as well, and ends in three seconds. */
	order_from(place, "2001:db8:0:1::6", 3000);
	children_end(place);
	clock_move(place, 3000);
	children_end(place);
	assert_true(has_done(place, "-2001:db8:0:1::5\n"));
	assert_true(has_done(place, "-2001:db8:0:1::6\n"));
	assert_int_equal(commands_owed(place->c), 1);
	/* Or later than his own would have. */
	order_from(place, "2001:db8:0:1::7", 2000);
	order_from(place, "2001:db8:0:1::8", 60000);
	children_end(place);
	assert_int_equal(commands_wait_ms(place->c), 60000);
}

static void an_order_without_end_is_stopped_when_it_is_closed(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	order_from(place, "192.0.2.1", COMMANDS_NEVER);
	expect_done(place, "+192.0.2.1\n");
	children_end(place);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_wait_ms(place->c), -1);
	place_again(place);
	assert_int_equal(commands_wait_ms(place->c), -1);
	assert_int_equal(commands_owed(place->c), 1);
	close_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n-192.0.2.1\n");
}

static void an_order_while_the_start_command_runs_counts_from_its_end(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	order_from(place, "192.0.2.1", 60000);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "60000");
}

/* ---- closing ---- */

static void all_who_share_a_grant_are_stopped_with_it(void **state)
{
	struct place *place = *state;

	place->conf.grant_prefix6 = 64;
	commands_limit(place->c, &place->conf);
	door_commands(place, START, STOP);
	open_from(place, "2001:db8:0:1::5");
	open_from(place, "2001:db8:0:1:ffff::6");
	open_from(place, "2001:db8:0:2::5");
	children_end(place);
	/* As the kernel says it when connections have used up the grant. */
	close_from(place, "2001:db8:0:1::");
	children_end(place);
	assert_true(has_done(place, "-2001:db8:0:1::5\n"));
	assert_true(has_done(place, "-2001:db8:0:1:ffff::6\n"));
	assert_false(has_done(place, "-2001:db8:0:2::5\n"));
	assert_int_equal(commands_owed(place->c), 1);
	/* And when one of them closes it. */
	open_from(place, "2001:db8:0:2::7");
	children_end(place);
	close_from(place, "2001:db8:0:2::7");
	children_end(place);
	assert_true(has_done(place, "-2001:db8:0:2::5\n"));
	assert_int_equal(commands_owed(place->c), 0);
}

static void a_door_that_closes_is_stopped_at_once(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	close_from(place, "192.0.2.1");
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.2");
	/* While its start command runs. */
	close_from(place, "192.0.2.1");
	serve_until(place, was_said, "echo -192.0.2.1");
	close_from(place, "192.0.2.2");
	serve_until(place, was_said, "echo -192.0.2.2");
	close_from(place, "192.0.2.2");
	children_end(place);
	assert_int_equal(commands_owed(place->c), 0);
	assert_null(strstr(place->said, "timeout"));
	assert_int_equal(place->lines, 4);
}

static void who_is_stopped_before_his_turn_never_starts(void **state)
{
	struct place *place = *state;

	place->conf.max_commands = 0;
	commands_limit(place->c, &place->conf);
	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.2");
	close_from(place, "192.0.2.1");
	assert_int_equal(commands_owed(place->c), 1);
	expect_said(place, "192.0.2.1: ssh: command not run: closed while it waited in line\n");
	place->conf.max_commands = 32;
	commands_limit(place->c, &place->conf);
	commands_serve(place->c);
	expect_done(place, "+192.0.2.2\n");
	clock_move(place, 1000);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.2\n+192.0.2.1\n");
}

static void what_waits_for_the_close_of_a_door_that_is_gone_is_due(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	order_from(place, "192.0.2.1", COMMANDS_NEVER);
	expect_done(place, "+192.0.2.1\n");
	children_end(place);
	open_from(place, "192.0.2.2");
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n");
	serve_until(place, waits_for, "10000");
	commands_follow(place->c, &place->conf);
	assert_int_equal(commands_wait_ms(place->c), 10000);
	/* What has its own time keeps it. */
	place->door.ordinal = 1;
	commands_follow(place->c, &place->conf);
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n-192.0.2.1\n");
	children_end(place);
	assert_false(was_said(place, "timeout"));
	assert_int_equal(commands_owed(place->c), 1);
	/* A door without commands is not told of, be it closed. */
	place->door.ordinal = 0;
	order_from(place, "192.0.2.2", COMMANDS_NEVER);
	door_commands(place, NULL, NULL);
	commands_follow(place->c, &place->conf);
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n-192.0.2.1\n-192.0.2.2\n");
	/* Its start command may still run, or wait for its turn. */
	door_commands(place, "sleep 0.2; " START, STOP);
	order_from(place, "192.0.2.3", COMMANDS_NEVER);
	place->conf.max_commands = 0;
	commands_limit(place->c, &place->conf);
	order_from(place, "192.0.2.4", COMMANDS_NEVER);
	place->conf.max_commands = 32;
	commands_limit(place->c, &place->conf);
	place->conf.door_count = 0;
	commands_follow(place->c, &place->conf);
	serve_until(place, has_done, "-192.0.2.3\n");
	assert_false(has_done(place, "192.0.2.4"));
	children_end(place);
	assert_int_equal(commands_owed(place->c), 0);
}

static bool nothing_is_owed(struct place *place, const char *what)
{
	(void)what;
	return !commands_owed(place->c);
}

static void a_stop_command_is_paid_once_it_has_begun(void **state)
{
	struct place *place = *state;
	char fifo[96], text[256];

	snprintf(fifo, sizeof(fifo), "%s/fifo", place->top);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(text, sizeof(text), "read x <%s; echo -%%IP%% >>$DONE", fifo);
	door_commands(place, START, text);
	open_from(place, "192.0.2.1");
	close_from(place, "192.0.2.1");
	serve_until(place, nothing_is_owed, "the beginning of the stop command");
	/* It runs still, and the next daemon leaves it alone. */
	place_again(place);
	assert_int_equal(commands_owed(place->c), 0);
	snprintf(text, sizeof(text), "echo >%s", fifo);
	assert_int_equal(system(text), 0);
	serve_until(place, was_done, "+192.0.2.1\n-192.0.2.1\n");
}

static void a_door_that_closes_and_opens_again_stays_open(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	close_from(place, "192.0.2.1");
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
}

/* ---- the end, and who comes after ---- */

static void at_the_end_all_that_is_owed_runs(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	door_commands(place, "sleep 0.2; " START, STOP);
	open_from(place, "192.0.2.2");
	/* One waits for its time, one still starts. */
	clock_ms += 1;
	commands_settle(place->c, PATIENCE_S);
	assert_int_equal(commands_owed(place->c), 0);
	assert_non_null(strstr(file_get(place->done).text, "-192.0.2.1\n"));
	assert_non_null(strstr(file_get(place->done).text, "+192.0.2.2\n-192.0.2.2\n"));
	place->said[0] = '\0';
	place_again(place);
	assert_int_equal(commands_owed(place->c), 0);
	assert_string_equal(place->said, "");
}

static uint64_t clock_real(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void what_could_not_be_kept_is_tried_again_in_time(void **state)
{
	struct place *place = *state;
	char fresh[128];

	snprintf(fresh, sizeof(fresh), "%s/eth0.owed.new", place->folder);
	assert_int_equal(mkdir(place->folder, 0700), 0);
	assert_int_equal(mkdir(fresh, 0700), 0);
	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	children_end(place);
	assert_true(was_said(place, "a crash would lose"));
	assert_int_equal(commands_wait_ms(place->c), 1000);
	assert_int_equal(rmdir(fresh), 0);
	place->said[0] = '\0';
	clock_move(place, 1000);
	assert_true(was_said(place, "kept again"));
	assert_int_equal(commands_wait_ms(place->c), 9000);
}

static void a_program_that_is_long_in_coming_holds_nothing(void **state)
{
	struct place *place = *state;
	char gate[96], file[128];

	snprintf(gate, sizeof(gate), "%s/gate", place->top);
	snprintf(file, sizeof(file), "%s/eth0.owed", place->folder);
	exec_gate = gate;
	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	exec_gate = NULL;
	commands_close(place->c);
	/* As soon as it is on its way; nobody tells when that is. */
	for (int tries = 0; tries < 1000; tries++) {
		int fd = open(file, O_RDWR | O_CLOEXEC), error = flock(fd, LOCK_EX | LOCK_NB);

		close(fd);
		if (!error)
			break;
		usleep(1000);
	}
	place_open(place);
	assert_int_equal(commands_owed(place->c), 1);
	close(open(gate, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_true(wait(NULL) > 0);
	assert_true(was_done(place, "+192.0.2.1\n"));
}

static void what_hangs_at_the_end_stays_owed_and_is_said(void **state)
{
	struct place *place = *state;
	const struct commands_place where = { .state_dir = place->folder, .name = "eth0",
					      .say = line_hear, .data = place,
					      .now_ms = clock_real };

	commands_close(place->c);
	assert_int_equal(commands_open(&place->c, &where), 0);
	place->conf.command_time_s = 1;
	commands_limit(place->c, &place->conf);
	door_commands(place, "trap '' TERM; echo up >>$DONE; sleep 1000 & wait; wait", STOP);
	open_from(place, "192.0.2.1");
	while (!was_done(place, "up\n"))
		usleep(1000);
	commands_settle(place->c, 0);
	assert_non_null(strstr(place->said, "1 commands are still running\n1 stop commands stay "
				"owed; knockd runs them when it is started again\n"));
	/* The next one waits for it as long as it may run, then ends it. */
	commands_close(place->c);
	assert_int_equal(commands_open(&place->c, &where), 0);
	commands_limit(place->c, &place->conf);
	commands_settle(place->c, PATIENCE_S);
	assert_non_null(strstr(place->said, "start command of an earlier daemon ran longer"));
	assert_int_equal(commands_owed(place->c), 0);
	assert_true(was_done(place, "up\n-192.0.2.1\n"));
}

static void what_an_earlier_daemon_owed_is_run_late_or_in_its_time(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
	clock_ms += 4000;
	open_from(place, "192.0.2.2");
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n");
	/* Its time runs from its end on, of which the file does not tell. */
	children_end(place);
	serve_until(place, waits_for, "6000");
	clock_ms += 9000;
	place->said[0] = '\0';
	/* Its doors may be gone. */
	door_commands(place, NULL, NULL);
	place_again(place);
	commands_serve(place->c);
	expect_said(place, "192.0.2.1: ssh: stop command of an earlier daemon, 3 s late\n"
			   "ssh: running command: echo -192.0.2.1 >>$DONE\n");
	expect_done(place, "+192.0.2.1\n+192.0.2.2\n-192.0.2.1\n");
	clock_move(place, 1000);
	expect_said(place, "192.0.2.2: ssh: command timeout\n"
			   "ssh: running command: echo -192.0.2.2 >>$DONE\n");
	children_end(place);
	place_again(place);
	assert_int_equal(commands_owed(place->c), 0);
}

static void another_name_goes_on_with_what_is_owed(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
	commands_close(place->c);
	place_open_as(place, "eth0-and-eth1");
	clock_move(place, 8000);
	open_from(place, "192.0.2.1");
	assert_int_equal(commands_wait_ms(place->c), 10000);
	clock_move(place, 10000);
	expect_done(place, "+192.0.2.1\n-192.0.2.1\n");
}

static void what_another_door_of_that_name_owes_starts_nothing_less(void **state)
{
	struct place *place = *state;

	door_commands(place, START, STOP);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\n");
	serve_until(place, waits_for, "10000");
	commands_close(place->c);
	place_open_as(place, "eth1");
	door_commands(place, "echo up >>$DONE", "echo down >>$DONE");
	clock_move(place, 2000);
	open_from(place, "192.0.2.1");
	expect_done(place, "+192.0.2.1\nup\n");
	children_end(place);
	clock_move(place, 8000);
	expect_done(place, "+192.0.2.1\nup\n-192.0.2.1\n");
	clock_move(place, 2000);
	expect_done(place, "+192.0.2.1\nup\n-192.0.2.1\ndown\n");
}

static void a_start_command_that_outlives_its_daemon_is_waited_for(void **state)
{
	struct place *place = *state;
	char fifo[96], start[256];

	snprintf(fifo, sizeof(fifo), "%s/fifo", place->top);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(start, sizeof(start), "read x <%s; echo +%%IP%% >>$DONE", fifo);
	place->door.commands.timeout_line = 1;
	place->door.commands.timeout_s = 0;
	door_commands(place, start, STOP);
	open_from(place, "192.0.2.1");
	place_again(place);
	for (int i = 0; i < 30; i++) {
		clock_move(place, 1000);
		assert_int_equal(commands_owed(place->c), 1);
		assert_true(was_done(place, ""));
	}
	snprintf(start, sizeof(start), "echo >%s", fifo);
	assert_int_equal(system(start), 0);
	/* It is a child of this process, if not of that daemon. */
	assert_true(wait(NULL) > 0);
	clock_move(place, 1000);
	expect_done(place, "+192.0.2.1\n-192.0.2.1\n");
}

/* ---- killed ---- */

/* What a daemon does until it is killed; @pipe: what its commands have open as long as they run. */
static void scenario_run(struct place *place, unsigned int steps, int pipe)
{
	dup2(pipe, STDOUT_FILENO);
	steps_left = steps;
	place_open(place);
	open_from(place, "192.0.2.1");
	open_from(place, "192.0.2.2");
	children_end(place);
	clock_move(place, 3000);
	open_from(place, "192.0.2.2");
	open_from(place, "192.0.2.3");
	close_from(place, "192.0.2.3");
	serve_until(place, was_said, "echo -192.0.2.3");
	children_end(place);
	clock_move(place, 8000);
	serve_until(place, was_said, "echo -192.0.2.1");
	children_end(place);
	open_from(place, "192.0.2.3");
	clock_move(place, 30000);
	children_end(place);
	clock_move(place, 30000);
	children_end(place);
	_exit(42);
}

/* Return: whether it was killed before it came to its end. */
static bool scenario_killed(struct place *place, unsigned int steps)
{
	int ends[2], status;
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		scenario_run(place, steps, ends[1]);
	close(ends[1]);
	/* Until it and all its commands have ended. */
	while (read(ends[0], &byte, 1) > 0)
		;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 42);
	return WIFSIGNALED(status);
}

static unsigned int count_of(const char *text, const char *what)
{
	unsigned int count = 0;

	for (; (text = strstr(text, what)); text++)
		count++;
	return count;
}

static void killed_anywhere_no_stop_command_is_lost(void **state)
{
	struct place *place = *state;
	unsigned int steps = 1, twice = 0, began = 0;
	uint64_t start_ms = clock_ms;
	bool killed = true;

	door_commands(place, START, STOP);
	commands_close(place->c);
	place->c = NULL;
	for (; killed; steps++) {
		struct content content;

		clock_ms = start_ms;
		killed = scenario_killed(place, steps);
		clock_ms = start_ms + 3600000;
		place_open(place);
		commands_settle(place->c, PATIENCE_S);
		assert_int_equal(commands_owed(place->c), 0);
		content = file_get(place->done);
		for (unsigned int i = 1; i <= 3; i++) {
			char plus[16], minus[16];
			unsigned int starts, stops;

			snprintf(plus, sizeof(plus), "+192.0.2.%u\n", i);
			snprintf(minus, sizeof(minus), "-192.0.2.%u\n", i);
			starts = count_of(content.text, plus);
			stops = count_of(content.text, minus);
			began += starts;
			twice += stops > starts;
			/* Once more at the most, for the one at which it was killed. */
			if (stops < starts || stops > starts + 1)
				fail_msg("killed at step %u:\n%s", steps, content.text);
			if (!killed)
				assert_int_equal(stops, starts);
		}
		commands_close(place->c);
		place->c = NULL;
		unlink(place->done);
		place->said[0] = '\0';
	}
	print_message("%u kills, %u starts, %u stop commands run once more\n", steps - 2, began,
		      twice);
	assert_true(steps > 52);
	assert_true(began > 100);
}

/* Whether one that takes over what eth1 owed was killed at its step @steps. */
static bool adopter_killed(struct place *place, unsigned int steps)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		steps_left = steps;
		place_open(place);
		steps_left = 0;
		_exit(42);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 42);
	return WIFSIGNALED(status);
}

static void killed_while_taking_over_each_stop_command_runs_once(void **state)
{
	static const char *const next[] = { "eth0", "eth1", "eth2" };
	struct place *place = *state;
	unsigned int steps = 1;
	bool killed = true;

	door_commands(place, START, STOP);
	commands_close(place->c);
	for (; killed; steps++) {
		for (size_t i = 0; i < sizeof(next) / sizeof(*next); i++) {
			place_open_as(place, "eth1");
			clock_move(place, 1000);
			open_from(place, "192.0.2.1");
			open_from(place, "192.0.2.2");
			children_end(place);
			commands_close(place->c);
			killed = adopter_killed(place, steps);
			place_open_as(place, next[i]);
			assert_int_equal(commands_owed(place->c), 2);
			commands_settle(place->c, PATIENCE_S);
			assert_int_equal(commands_owed(place->c), 0);
			commands_close(place->c);
			if (count_of(file_get(place->done).text, "-") != 2)
				fail_msg("killed at step %u, then %s:\n%s", steps, next[i],
					 file_get(place->done).text);
			unlink(place->done);
			place->said[0] = '\0';
		}
	}
	place->c = NULL;
	assert_true(steps > 8);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_end)
	const struct CMUnitTest tests[] = {
		TEST(a_stop_command_follows_its_start_command),
		TEST(ipv6_has_commands_of_its_own_or_those_of_ipv4),
		TEST(a_stop_command_alone_is_owed_where_the_door_opens_ports),
		TEST(a_door_that_opens_ports_stops_after_its_open_time),
		TEST(a_result_that_is_too_long_is_not_run),
		TEST(a_status_that_is_not_zero_is_said),
		TEST(a_command_that_cannot_be_run_is_said_and_stopped_as_any),
		TEST(a_name_with_control_bytes_cannot_act_on_a_terminal),
		TEST(a_command_starts_from_a_clean_state),
		TEST(a_simple_command_needs_no_shell),
		TEST(a_script_without_its_first_line_runs_as_a_shell_would_run_it),
		TEST(knocking_again_while_open_only_puts_the_stop_command_off),
		TEST(an_opening_while_it_is_being_stopped_waits_for_that),
		TEST(a_door_without_stop_command_runs_once_a_second_and_source),
		TEST(a_storm_of_openings_is_ten_starts_and_a_count),
		TEST(other_commands_after_a_reload_run_beside_the_former),
		TEST(a_close_stops_what_former_commands_began_as_well),
		TEST(no_more_run_at_once_than_allowed_and_closing_comes_first),
		TEST(start_commands_that_hang_do_not_keep_stop_commands_from_their_time),
		TEST(a_line_that_is_too_long_is_cut_and_said),
		TEST(a_command_that_hangs_is_ended_and_then_killed),
		TEST(a_command_over_its_time_may_end_by_itself),
		TEST(a_failed_fork_is_said_and_a_stop_command_tried_again),
		TEST(an_order_has_its_own_time),
		TEST(an_order_for_the_usual_time_ends_one_for_longer),
		TEST(an_order_is_for_all_who_share_the_grant),
		TEST(an_order_without_end_is_stopped_when_it_is_closed),
		TEST(an_order_while_the_start_command_runs_counts_from_its_end),
		TEST(all_who_share_a_grant_are_stopped_with_it),
		TEST(a_door_that_closes_is_stopped_at_once),
		TEST(who_is_stopped_before_his_turn_never_starts),
		TEST(what_waits_for_the_close_of_a_door_that_is_gone_is_due),
		TEST(a_stop_command_is_paid_once_it_has_begun),
		TEST(a_door_that_closes_and_opens_again_stays_open),
		TEST(at_the_end_all_that_is_owed_runs),
		TEST(what_could_not_be_kept_is_tried_again_in_time),
		TEST(a_program_that_is_long_in_coming_holds_nothing),
		TEST(what_hangs_at_the_end_stays_owed_and_is_said),
		TEST(what_an_earlier_daemon_owed_is_run_late_or_in_its_time),
		TEST(another_name_goes_on_with_what_is_owed),
		TEST(what_another_door_of_that_name_owes_starts_nothing_less),
		TEST(a_start_command_that_outlives_its_daemon_is_waited_for),
		TEST(killed_anywhere_no_stop_command_is_lost),
		TEST(killed_while_taking_over_each_stop_command_runs_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
