// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child past its time is not reaped before SIGKILL: its number must stay its process group's. */
enum phase { PHASE_RUNS, PHASE_OVERTIME, PHASE_KILLED };

struct child {
	pid_t pid;
	enum phase phase;
	int gate;          /* closed by the program's beginning, or tells why there is none; −1 */
	uint64_t until_ms; /* of this phase */
	void *job;
};

struct runner {
	runner_tell *tell;
	void *data;
	int epoll, signals;
	struct child *child;
	size_t count, room;
};

/* ---- in the child: nothing that is not safe after fork() ---- */

enum { GATE = STDERR_FILENO + 1 };

static void signals_reset(void)
{
	/* The kernel's own form of struct sigaction, whose zeros are SIG_DFL: the C library keeps
	 * two signals to itself, which whoever started us may have ignored. */
	static const char action[64];
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		syscall(SYS_rt_sigaction, number, action, NULL, NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Nothing is left but 0, 1, 2 and the gate, which the beginning of the program closes. It may be
 * long in coming, and is not to keep a lock for so long.
 */
static void descriptors_reset(int gate, long limit)
{
	int null;

	if (gate != GATE) {
		dup3(gate, GATE, O_CLOEXEC);
		close(gate);
	}
	if (close_range(GATE + 1, ~0U, 0))
		for (int fd = GATE + 1; fd < limit; fd++)
			close(fd);
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

static void child_run(const struct command *command, char *const *script, int gate, long limit)
{
	int error;

	setsid();
	descriptors_reset(gate, limit);
	signals_reset();
	execve(command->argv[0], command->argv, command->environment);
	/* A script without its #! line: a shell would run it, as 0.8 did. */
	if (errno == ENOEXEC)
		execve(script[0], script, command->environment);
	error = errno;
	while (write(GATE, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* What runs the program of @command as a shell script. For free(). */
static char **script_make(const struct command *command)
{
	static char shell[] = "/bin/sh";
	size_t count = 0;
	char **script;

	while (command->argv[count])
		count++;
	script = malloc((count + 2) * sizeof(*script));
	if (!script)
		return NULL;
	script[0] = shell;
	for (size_t i = 0; i <= count; i++)
		script[i + 1] = command->argv[i];
	return script;
}

/* ---- children ---- */

static int runner_watch(struct runner *r, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static bool room_make(struct runner *r)
{
	size_t room = r->room ? 2 * r->room : 16;
	struct child *child;

	if (r->count < r->room)
		return true;
	child = realloc(r->child, room * sizeof(*child));
	if (!child)
		return false;
	r->child = child;
	r->room = room;
	return true;
}

/* Fork; @gate is the end to read. Return: the process or −errno. */
static pid_t child_fork(const struct command *command, char *const *script, int *gate)
{
	long limit = sysconf(_SC_OPEN_MAX);
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	pid = fork();
	if (!pid)
		child_run(command, script, ends[1], limit);
	pid = pid < 0 ? -errno : pid;
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	else
		*gate = ends[0];
	return pid;
}

pid_t runner_start(struct runner *r, const struct command *command, void *job, uint64_t until_ms)
{
	char **script = room_make(r) ? script_make(command) : NULL;
	int gate = -1;
	pid_t pid;

	if (!script)
		return -ENOMEM;
	pid = child_fork(command, script, &gate);
	free(script);
	if (pid < 0)
		return pid;
	/* Without this its beginning is heard of when it ends. */
	runner_watch(r, gate);
	r->child[r->count++] = (struct child){
		.pid = pid, .gate = gate, .until_ms = until_ms, .job = job,
	};
	return pid;
}

/* Tell whether the program has begun, once that is known. */
static void gate_serve(struct runner *r, struct child *child)
{
	int gate = child->gate, error = 0;
	ssize_t got = gate < 0 ? -1 : read(gate, &error, sizeof(error));

	if (got < 0)
		return;
	/* A child that has not reached its program yet may hold a copy of the descriptor. */
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, gate, NULL);
	close(gate);
	child->gate = -1;
	r->tell(r->data, child->job, RUNNER_BEGAN, got == sizeof(error) ? -error : 0);
}

/* Before its program has begun it may have no process group yet. */
static void child_kill(const struct child *child, int number)
{
	if (kill(-child->pid, number))
		kill(child->pid, number);
}

static void time_serve(struct runner *r, struct child *child, uint64_t now_ms)
{
	if (child->phase == PHASE_KILLED || now_ms < child->until_ms)
		return;
	if (child->phase == PHASE_RUNS) {
		child->phase = PHASE_OVERTIME;
		child->until_ms = now_ms + RUNNER_GRACE_MS;
		child_kill(child, SIGTERM);
		r->tell(r->data, child->job, RUNNER_OVERTIME, 0);
	} else {
		siginfo_t ended = {};

		child->phase = PHASE_KILLED;
		child->until_ms = UINT64_MAX;
		waitid(P_PID, child->pid, &ended, WEXITED | WNOHANG | WNOWAIT);
		child_kill(child, SIGKILL);
		if (!ended.si_pid)
			r->tell(r->data, child->job, RUNNER_KILLED, 0);
	}
}

/* Return: whether it has ended. */
static bool child_reap(struct runner *r, struct child *child)
{
	int status = 0;
	pid_t got;

	if (child->phase == PHASE_OVERTIME)
		return false;
	got = waitpid(child->pid, &status, WNOHANG);
	if (!got || (got < 0 && errno == EINTR))
		return false;
	gate_serve(r, child);
	if (child->gate >= 0)
		close(child->gate);
	r->tell(r->data, child->job, RUNNER_ENDED, status);
	return true;
}

void runner_serve(struct runner *r, uint64_t now_ms)
{
	struct signalfd_siginfo info;
	size_t kept = 0;

	while (read(r->signals, &info, sizeof(info)) > 0)
		;
	for (size_t i = 0; i < r->count; i++) {
		struct child *child = &r->child[i];

		gate_serve(r, child);
		time_serve(r, child, now_ms);
		if (!child_reap(r, child))
			r->child[kept++] = *child;
	}
	r->count = kept;
}

int runner_fd(const struct runner *r)
{
	return r->epoll;
}

uint64_t runner_next_ms(const struct runner *r)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < r->count; i++)
		if (r->child[i].until_ms < next)
			next = r->child[i].until_ms;
	return next;
}

size_t runner_count(const struct runner *r)
{
	return r->count;
}

/* ---- beginning and end ---- */

int runner_open(struct runner **out, runner_tell *tell, void *data)
{
	struct runner *r = calloc(1, sizeof(*r));
	sigset_t child;
	int error;

	if (!r)
		return -ENOMEM;
	*r = (struct runner){ .tell = tell, .data = data, .epoll = -1, .signals = -1 };
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	/* Where it is ignored, the kernel reaps, and says nothing. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &child, NULL);
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	error = r->epoll < 0 || r->signals < 0 ? -errno : runner_watch(r, r->signals);
	if (error) {
		runner_close(r, NULL);
		return error;
	}
	*out = r;
	return 0;
}

void runner_close(struct runner *r, void (*job_free)(void *job))
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++) {
		if (r->child[i].gate >= 0)
			close(r->child[i].gate);
		job_free(r->child[i].job);
	}
	if (r->signals >= 0)
		close(r->signals);
	if (r->epoll >= 0)
		close(r->epoll);
	free(r->child);
	free(r);
}
