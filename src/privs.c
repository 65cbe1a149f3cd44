// SPDX-License-Identifier: GPL-2.0-or-later
#include "privs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The loop's whole business with the kernel. Names that an architecture lacks are left out. */
static const int calls_free[] = {
	/* waiting: epoll, signalfd, timerfd, and what continues them after a stop */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(restart_syscall),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64),
	/* descriptors that it has */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek),
	SCMP_SYS(_llseek), SCMP_SYS(fstat), SCMP_SYS(fstat64),
	/* the helper, the service manager, syslog; sockets are made below */
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(recv), SCMP_SYS(send), SCMP_SYS(connect),
	/* memory; what makes it executable is below */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* time, where it is not to be had without a call */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	/* one more filter, which can only take away: see privs_seal() */
	SCMP_SYS(seccomp),
	/* the end; no signal has a handler */
	SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/*
 * Calls that are made only with an argument whose bits under the mask are these.
 *
 * Sockets are datagram ones of this host: the service manager is told over one. More would be a way
 * back: who connects as root to a stream socket of the service manager or the system bus may ask it
 * to start anything.
 */
static const struct {
	int call;
	struct scmp_arg_cmp argument[2];
	unsigned int arguments;
} calls_bound[] = {
	{ SCMP_SYS(socket), {
		{ 0, SCMP_CMP_EQ, AF_UNIX, 0 },
		{ 1, SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(SOCK_CLOEXEC | SOCK_NONBLOCK),
		  SOCK_DGRAM } }, 2 },
	{ SCMP_SYS(mmap), { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } }, 1 },
	{ SCMP_SYS(mmap2), { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } }, 1 },
	{ SCMP_SYS(mprotect), { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } }, 1 },
	/* Into the background: /dev/null becomes standard input, output and error. */
	{ SCMP_SYS(dup2), { { 1, SCMP_CMP_LE, STDERR_FILENO, 0 } }, 1 },
	{ SCMP_SYS(dup3), { { 1, SCMP_CMP_LE, STDERR_FILENO, 0 } }, 1 },
	/* fdopen(3) looks at the flags. */
	{ SCMP_SYS(fcntl), { { 1, SCMP_CMP_EQ, F_GETFL, 0 } }, 1 },
	{ SCMP_SYS(fcntl64), { { 1, SCMP_CMP_EQ, F_GETFL, 0 } }, 1 },
	/* fstat(3), by its newer name */
	{ SCMP_SYS(newfstatat), { { 3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH } }, 1 },
	{ SCMP_SYS(statx), { { 2, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH } }, 1 },
};

static int capabilities_drop(struct failure *failure)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
	int error;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)) {
		error = -errno;
		failure_set(failure, "cannot clear the ambient capabilities");
		return error;
	}
	/*
	 * The bounding set limits what a new program gets, and there will be none. So it does not
	 * matter that emptying it needs CAP_SETPCAP. Numbers go up to what this kernel knows.
	 */
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	if (syscall(SYS_capset, &header, none)) {
		error = -errno;
		failure_set(failure, "cannot give up capabilities");
		return error;
	}
	return 0;
}

static int filter_fill(scmp_filter_ctx filter)
{
	int error = 0;

	for (size_t i = 0; !error && i < sizeof(calls_free) / sizeof(*calls_free); i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls_free[i], 0, NULL);
	for (size_t i = 0; !error && i < sizeof(calls_bound) / sizeof(*calls_bound); i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls_bound[i].call,
					       calls_bound[i].arguments, calls_bound[i].argument);
	return error;
}

static int filter_load(scmp_filter_ctx filter, int error, struct failure *failure)
{
	/* Where the kernel cannot tell of them, they are refused all the same. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	/* That there are no new privileges has been seen to. */
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	if (!error)
		error = seccomp_load(filter);
	if (error)
		failure_set(failure, "cannot restrict system calls");
	seccomp_release(filter);
	return error;
}

static scmp_filter_ctx filter_begin(unsigned int otherwise, struct failure *failure)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	if (!filter)
		failure_set(failure, "no memory for the filter of system calls");
	return filter;
}

/*
 * A call that is not in the lists fails by EPERM, and the kernel's audit log tells of it. Killing
 * would grant no less, but a C library that makes one more call, in a path that no test took,
 * would end the daemon then, and again after each restart. Numbers of another architecture's calls,
 * which no library of ours makes, do kill: libseccomp's default.
 */
static int calls_restrict(struct failure *failure)
{
	scmp_filter_ctx filter = filter_begin(SCMP_ACT_ERRNO(EPERM), failure);

	return filter ? filter_load(filter, filter_fill(filter), failure) : -ENOMEM;
}

int privs_drop(struct failure *failure)
{
	int error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		error = -errno;
		failure_set(failure, "cannot give up new privileges");
		return error;
	}
	error = capabilities_drop(failure);
	return error ? error : calls_restrict(failure);
}

/* Maps of the kernel are mapped shared; what is mapped for reading stays so whatever mprotect(2) is
 * asked for. */
int privs_seal(struct failure *failure)
{
	static const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mmap2) };
	static const struct scmp_arg_cmp writable_shared[] = {
		{ 2, SCMP_CMP_MASKED_EQ, PROT_WRITE, PROT_WRITE },
		{ 3, SCMP_CMP_MASKED_EQ, MAP_SHARED, MAP_SHARED },
	};
	scmp_filter_ctx filter = filter_begin(SCMP_ACT_ALLOW, failure);
	int error = 0;

	if (!filter)
		return -ENOMEM;
	for (size_t i = 0; !error && i < sizeof(calls) / sizeof(*calls); i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 2,
					       writable_shared);
	return filter_load(filter, error, failure);
}
