// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A child gives its privileges up and then tries things, one after the other; its parent looks at
 * /proc/PID/status and at what came of them. Who is not root does so in a user namespace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "privs.h"

/* What the child has from before. */
static struct {
	int epoll, timer, signals, file, memory;
	int channel[2];          /* 0: the child's end */
	struct sockaddr_un manager; /* of a socket like that of a service manager */
	socklen_t manager_len;
	void *page;
} held;

/*
 * After the drop. In front of a function that does not return, sanitizers make calls that the
 * filter refuses: let them take these two for others.
 */
static void (*volatile end_by_abort)(void) = abort;
static long (*volatile end_by_call)(long number, ...) = syscall;

enum { ROWS_MAX = 64 };

/* What the child leaves, in memory that both see. */
static struct outcome {
	int dropped;
	struct failure failure;
	int result[ROWS_MAX];
	char status[8192]; /* of /proc/PID, as the parent read it after the drop */
} *outcome;

static int result_of(long result)
{
	return result < 0 ? errno : 0;
}

/* ---- what must be refused; an errno each ---- */

static int open_file(void)
{
	return result_of(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int remove_file(void)
{
	return result_of(unlink("/nowhere/knockd-test"));
}

static int call_bpf(void)
{
	return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int execute(void)
{
	return result_of(execl("/bin/true", "true", NULL));
}

static int fork_process(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return result_of(pid);
}

static int kill_nobody(void)
{
	return result_of(kill(getppid(), 0));
}

static int trace(void)
{
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int socket_inet(void)
{
	return result_of(socket(AF_INET, SOCK_DGRAM, 0));
}

static int socket_netlink(void)
{
	return result_of(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int socket_unix_stream(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int map_executable(void)
{
	return result_of((long)mmap(NULL, 4096, PROT_READ | PROT_EXEC,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int make_executable(void)
{
	return result_of(mprotect(held.page, 4096, PROT_READ | PROT_EXEC));
}

static int change_user(void)
{
	return result_of(syscall(SYS_setuid, 0));
}

static int own_a_descriptor(void)
{
	return result_of(fcntl(held.channel[0], F_SETOWN, 1));
}

static int become_another_descriptor(void)
{
	return result_of(dup2(held.file, held.channel[0]));
}

/* ---- what must go on; 0, an errno, or −1 for a wrong result ---- */

static int wait_for_the_timer(void)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
	struct epoll_event ready;
	uint64_t expirations = 0;

	if (timerfd_settime(held.timer, 0, &soon, NULL))
		return errno;
	if (epoll_wait(held.epoll, &ready, 1, 5000) != 1)
		return errno;
	if (read(held.timer, &expirations, sizeof(expirations)) < 0)
		return errno;
	return expirations == 1 ? 0 : -1;
}

static int read_signals(void)
{
	struct signalfd_siginfo info;

	/* There is none. */
	return read(held.signals, &info, sizeof(info)) < 0 && errno == EAGAIN ? 0 : -1;
}

static int watch_and_unwatch(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(held.epoll, EPOLL_CTL_ADD, held.channel[0], &event))
		return errno;
	return result_of(epoll_ctl(held.epoll, EPOLL_CTL_DEL, held.channel[0], NULL));
}

/* The parent has sent a descriptor of memory that holds "view". */
static int map_what_comes(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const char *view;
	bool right;
	int fd;

	if (recvmsg(held.channel[0], &message, MSG_CMSG_CLOEXEC) != 1)
		return errno;
	if (!CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (view == MAP_FAILED)
		return errno;
	right = !strcmp(view, "view");
	munmap((void *)view, 4096);
	close(fd);
	return right ? 0 : -1;
}

static int look_at_a_descriptor(void)
{
	struct stat seen;

	if (fstat(held.file, &seen))
		return errno;
	return S_ISCHR(seen.st_mode) ? 0 : -1;
}

static int send_an_order(void)
{
	return result_of(send(held.channel[0], "order", 5, MSG_NOSIGNAL));
}

static int write_a_log_file(void)
{
	FILE *out = fdopen(dup(STDERR_FILENO), "a"), *file = fdopen(held.file, "a");

	/* dup() is not among the calls; the file came from the helper. */
	if (out || !file)
		return -1;
	setvbuf(file, NULL, _IOLBF, 0);
	if (fprintf(file, "a line\n") != 7)
		return errno;
	return fclose(file) ? errno : 0;
}

static int become_standard_input(void)
{
	return result_of(dup2(held.file, STDIN_FILENO));
}

static int tell_the_service_manager(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&held.manager, held.manager_len) ||
	    send(fd, "line", 4, MSG_NOSIGNAL) != 4)
		return errno;
	return result_of(close(fd));
}

static int tell_the_time(void)
{
	time_t now = time(NULL);
	struct timespec since;
	char text[32];
	struct tm tm;

	if (clock_gettime(CLOCK_MONOTONIC, &since))
		return errno;
	return localtime_r(&now, &tm) && strftime(text, sizeof(text), "%F %R", &tm) ? 0 : -1;
}

static int allocate_and_free(void)
{
	char *small = malloc(1000), *large = malloc(8 << 20), *larger;

	if (!small || !large)
		return -1;
	memset(large, 1, 8 << 20);
	larger = realloc(large, 16 << 20);
	free(larger ? larger : large);
	free(small);
	return larger ? 0 : -1;
}

/* The channel still brings descriptors that could be written: the child has one, of a file. */
static int map_shared(int flags, int protection)
{
	void *at = mmap(NULL, 4096, protection, flags, held.memory, 0);

	if (at == MAP_FAILED)
		return errno;
	return result_of(munmap(at, 4096));
}

static int map_for_writing(void)
{
	return map_shared(MAP_SHARED, PROT_READ | PROT_WRITE);
}

static int map_for_writing_otherwise(void)
{
	return map_shared(MAP_SHARED_VALIDATE, PROT_WRITE);
}

static int map_for_reading(void)
{
	return map_shared(MAP_SHARED, PROT_READ);
}

static int seal(void)
{
	return -privs_seal(&outcome->failure);
}

static const struct {
	const char *what;
	int (*try)(void);
	int result;
} rows[] = {
	{ "opening a file", open_file, EPERM },
	{ "removing a file", remove_file, EPERM },
	{ "bpf()", call_bpf, EPERM },
	{ "starting a program", execute, EPERM },
	{ "forking", fork_process, EPERM },
	{ "kill()", kill_nobody, EPERM },
	{ "ptrace()", trace, EPERM },
	{ "an internet socket", socket_inet, EPERM },
	{ "a netlink socket", socket_netlink, EPERM },
	{ "a socket that can ask the service manager", socket_unix_stream, EPERM },
	{ "mapping executable memory", map_executable, EPERM },
	{ "making memory executable", make_executable, EPERM },
	{ "setuid()", change_user, EPERM },
	{ "fcntl() beyond looking", own_a_descriptor, EPERM },
	{ "putting a descriptor in place of another", become_another_descriptor, EPERM },
	{ "leaving the foreground", become_standard_input, 0 },
	{ "waiting for a timer", wait_for_the_timer, 0 },
	{ "reading signals", read_signals, 0 },
	{ "watching another descriptor", watch_and_unwatch, 0 },
	{ "mapping what comes over the channel", map_what_comes, 0 },
	{ "looking at a descriptor", look_at_a_descriptor, 0 },
	{ "telling the helper", send_an_order, 0 },
	{ "writing a log file", write_a_log_file, 0 },
	{ "telling the service manager", tell_the_service_manager, 0 },
	{ "telling the time", tell_the_time, 0 },
	{ "malloc() and free()", allocate_and_free, 0 },
	{ "mapping the ring, to be written", map_for_writing, 0 },
	{ "sealing", seal, 0 },
	{ "mapping to be written, once sealed", map_for_writing, EPERM },
	{ "the same by another flag", map_for_writing_otherwise, EPERM },
	{ "mapping to be read, once sealed", map_for_reading, 0 },
	{ "malloc() and free(), once sealed", allocate_and_free, 0 },
	{ "opening a file, once sealed", open_file, EPERM },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), NOT_TRIED = 4711 };
_Static_assert((int)ROWS <= (int)ROWS_MAX, "each row has a result");

static void pass_view(int channel)
{
	int fd = memfd_create("view", MFD_CLOEXEC);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec part = { "v", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	assert_return_code(ftruncate(fd, 4096), errno);
	assert_int_equal(pwrite(fd, "view", 5, 0), 5);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	assert_int_equal(sendmsg(channel, &message, 0), 1);
	close(fd);
}

static void manager_listen(int *fd)
{
	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	held.manager = (struct sockaddr_un){ .sun_family = AF_UNIX };
	held.manager_len = sizeof(held.manager);
	/* The kernel chooses an abstract name. */
	assert_return_code(bind(*fd, (struct sockaddr *)&held.manager, sizeof(sa_family_t)), errno);
	assert_return_code(getsockname(*fd, (struct sockaddr *)&held.manager, &held.manager_len),
			   errno);
}

static void held_open(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	held.epoll = epoll_create1(EPOLL_CLOEXEC);
	held.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	held.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	held.file = open("/dev/null", O_WRONLY | O_APPEND | O_CLOEXEC);
	held.memory = memfd_create("ring", MFD_CLOEXEC);
	assert_return_code(ftruncate(held.memory, 4096), errno);
	held.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, held.channel),
			   errno);
	assert_true(held.epoll >= 0 && held.timer >= 0 && held.signals >= 0 && held.file >= 0);
	assert_ptr_not_equal(held.page, MAP_FAILED);
	assert_return_code(epoll_ctl(held.epoll, EPOLL_CTL_ADD, held.timer, &event), errno);
}

/* Whether the process has, or now has in a namespace of its own, all capabilities. */
static bool powers_have(void)
{
	return !geteuid() || !unshare(CLONE_NEWUSER);
}

/* Drops, lets the parent look, tries everything. */
static void child_run(void)
{
	char byte;

	if (!powers_have())
		_exit(77);
	tzset();
	outcome->dropped = privs_drop(&outcome->failure);
	if (!outcome->dropped && write(held.channel[0], "d", 1) == 1 &&
	    read(held.channel[0], &byte, 1) == 1)
		for (int i = 0; i < ROWS; i++)
			outcome->result[i] = rows[i].try();
	end_by_call(SYS_exit_group, 0);
}

static void status_read(pid_t pid)
{
	char path[64];
	FILE *in;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	in = fopen(path, "re");
	assert_non_null(in);
	len = fread(outcome->status, 1, sizeof(outcome->status) - 1, in);
	outcome->status[len] = '\0';
	fclose(in);
}

static int once(void **state)
{
	int manager, status;
	char byte;
	pid_t pid;

	(void)state;
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(outcome, MAP_FAILED);
	for (int i = 0; i < ROWS; i++)
		outcome->result[i] = NOT_TRIED;
	held_open();
	manager_listen(&manager);
	pid = fork();
	assert_return_code(pid, errno);
	if (!pid)
		child_run();
	close(held.channel[0]);
	if (read(held.channel[1], &byte, 1) == 1) {
		status_read(pid);
		assert_int_equal(write(held.channel[1], "g", 1), 1);
		pass_view(held.channel[1]);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		puts("SKIP privs: neither root nor allowed to make a user namespace");
		exit(77);
	}
	if (outcome->dropped)
		print_error("%s: %s\n", outcome->failure.text, strerror(-outcome->dropped));
	return outcome->dropped || !WIFEXITED(status) || WEXITSTATUS(status) ? -1 : 0;
}

static void capabilities_are_gone_and_do_not_come_back(void **state)
{
	static const char *const lines[] = {
		"\nCapInh:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n",
		"\nCapEff:\t0000000000000000\n", "\nCapBnd:\t0000000000000000\n",
		"\nCapAmb:\t0000000000000000\n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(outcome->status, lines[i]))
			fail_msg("not%sbut%s", lines[i], outcome->status);
}

static void calls_that_the_loop_does_not_make_are_refused_and_the_others_work(void **state)
{
	bool wrong = false;

	(void)state;
	for (int i = 0; i < ROWS; i++) {
		if (outcome->result[i] == rows[i].result)
			continue;
		print_error("%s: %d (%s), not %d\n", rows[i].what, outcome->result[i],
			    strerror(outcome->result[i]), rows[i].result);
		wrong = true;
	}
	assert_false(wrong);
}

/* It cannot send itself a signal any more. cmocka's handlers would make an exit of it. */
static void abort_still_ends_the_process(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		struct failure failure;

		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		if (!powers_have() || privs_drop(&failure))
			_exit(1);
		end_by_abort();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* As under a service manager that does not give it. */
static void it_works_without_cap_setpcap(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
		struct __user_cap_data_struct few[_LINUX_CAPABILITY_U32S_3] = {
			{ .effective = 1 << CAP_NET_ADMIN, .permitted = 1 << CAP_NET_ADMIN },
		};
		struct failure failure;

		if (!powers_have() || syscall(SYS_capset, &header, few) || privs_drop(&failure))
			_exit(1);
		end_by_call(SYS_exit_group, open_file() == EPERM ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_gone_and_do_not_come_back),
		cmocka_unit_test(calls_that_the_loop_does_not_make_are_refused_and_the_others_work),
		cmocka_unit_test(abort_still_ends_the_process),
		cmocka_unit_test(it_works_without_cap_setpcap),
	};

	return cmocka_run_group_tests_name("privs", tests, once, NULL);
}
