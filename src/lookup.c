// SPDX-License-Identifier: GPL-2.0-or-later
#include "lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65534, CHANNEL = STDERR_FILENO + 1 };

struct question {
	struct source source;
	__u32 zero;
	__u64 until_ns;
};

bool lookup_name_fine(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789.-_";
	size_t len = strlen(name);

	return len < LOOKUP_NAME_MAX && strspn(name, fine) == len && strcspn(name, letters) < len;
}

/* ---- the process ---- */

static int user_drop(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	uid_t uid = nobody ? nobody->pw_uid : NOBODY;
	gid_t gid = nobody ? nobody->pw_gid : NOBODY;

	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

/* The bounding set, which no other user may change, has no effect where it stays. */
static void bounding_drop(void)
{
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

static int capabilities_drop(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

/* What it may use up: whoever takes it over gets little. */
static int limits_set(void)
{
	static const struct {
		int what;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_CORE, 0 }, { RLIMIT_FSIZE, 0 }, { RLIMIT_NOFILE, 32 },
		{ RLIMIT_NPROC, 0 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		const struct rlimit limit = { limits[i].most, limits[i].most };

		if (setrlimit(limits[i].what, &limit))
			return -errno;
	}
	return 0;
}

/* Nothing of ours but the channel, which becomes the first descriptor after standard error. */
static int descriptors_drop(int channel)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	if (channel != CHANNEL && dup2(channel, CHANNEL) < 0)
		return -errno;
	return syscall(SYS_close_range, CHANNEL + 1, ~0U, 0) ? -errno : 0;
}

/* What a terminal or a service manager sends is for the daemon; this ends with it. */
static void signals_drop(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
}

static int privileges_drop(int channel)
{
	int error = descriptors_drop(channel);

	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		error = -errno;
	bounding_drop();
	if (!error)
		error = user_drop();
	if (!error)
		error = capabilities_drop();
	return error ? error : limits_set();
}

static bool question_is_late(const struct question *question)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec > question->until_ns;
}

static void name_find(const struct source *source, char name[LOOKUP_NAME_MAX])
{
	struct sockaddr_in6 address6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in address4 = { .sin_family = AF_INET };
	const struct sockaddr *address = (const struct sockaddr *)&address4;
	socklen_t len = sizeof(address4);

	if (source->family == 6) {
		memcpy(&address6.sin6_addr, source->word_be, sizeof(address6.sin6_addr));
		address = (const struct sockaddr *)&address6;
		len = sizeof(address6);
	} else {
		memcpy(&address4.sin_addr, source->word_be, sizeof(address4.sin_addr));
	}
	if (getnameinfo(address, len, name, LOOKUP_NAME_MAX, NULL, 0, NI_NAMEREQD) ||
	    !lookup_name_fine(name))
		memset(name, 0, LOOKUP_NAME_MAX);
}

static void questions_serve(int channel)
{
	struct question question;
	ssize_t got;

	while ((got = recv(channel, &question, sizeof(question), 0)) != 0) {
		struct lookup_answer answer = {};

		if (got < 0 && errno != EINTR)
			return;
		if (got != sizeof(question) || question_is_late(&question))
			continue;
		answer.source = question.source;
		name_find(&question.source, answer.name);
		send(channel, &answer, sizeof(answer), MSG_NOSIGNAL);
	}
}

/* Tells the one who waits for it whether all went well. */
static void resolver_main(int channel)
{
	int error;

	signals_drop();
	error = privileges_drop(channel);
	/* The channel has moved, or is still where it was. */
	if (send(error ? channel : CHANNEL, &error, sizeof(error), MSG_NOSIGNAL) < 0 || error)
		return;
	/* Nobody waits as long as a resolver does by itself. */
	setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
	questions_serve(CHANNEL);
}

/* ---- who asks ---- */

int lookup_start(void)
{
	int ends[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pid = fork();
	if (!pid) {
		resolver_main(ends[1]);
		_exit(0);
	}
	error = pid < 0 ? -errno : -ECHILD;
	close(ends[1]);
	if (pid > 0 && recv(ends[0], &error, sizeof(error), 0) == sizeof(error) && !error)
		return ends[0];
	close(ends[0]);
	return error;
}

bool lookup_ask(int fd, const struct source *source, __u64 until_ns)
{
	const struct question question = { .source = *source, .until_ns = until_ns };

	return send(fd, &question, sizeof(question), MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       sizeof(question);
}

int lookup_hear(int fd, struct lookup_answer *answer)
{
	struct lookup_answer heard;
	ssize_t got = recv(fd, &heard, sizeof(heard), MSG_DONTWAIT);

	if (got < 0)
		return errno == ECONNRESET ? 0 : errno == EINTR ? -EAGAIN : -errno;
	if (!got)
		return 0;
	heard.name[LOOKUP_NAME_MAX - 1] = '\0';
	/* It has spoken with strangers. */
	if (got != sizeof(heard) || (heard.name[0] && !lookup_name_fine(heard.name)))
		return -EPROTO;
	*answer = heard;
	return 1;
}
