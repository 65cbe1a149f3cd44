// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Of this process; −1 in the foreground. The pipe is the only tie to the parent: a byte says that
 * the start went well, its other end closing says that the parent is no more.
 */
static int daemonize_pipe = -1, daemonize_null = -1;

static void descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

pid_t daemonize_fork(void)
{
	int ends[2], error;
	pid_t child;

	daemonize_null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (daemonize_null < 0)
		return -errno;
	if (pipe2(ends, O_CLOEXEC)) {
		error = errno;
		descriptor_close(&daemonize_null);
		return -error;
	}
	fflush(NULL);
	child = fork();
	error = errno;
	daemonize_pipe = ends[child != 0 ? 0 : 1];
	close(ends[child != 0 ? 1 : 0]);
	if (child) {
		descriptor_close(&daemonize_null);
		if (child < 0)
			descriptor_close(&daemonize_pipe);
		return child < 0 ? -error : child;
	}
	/* A child of fork() leads no group, so it can lead a session; '/' is always there. */
	setsid();
	if (chdir("/"))
		return -errno;
	return 0;
}

int daemonize_wait(pid_t child)
{
	int status;
	ssize_t got;
	char byte;

	do
		got = read(daemonize_pipe, &byte, 1);
	while (got < 0 && errno == EINTR);
	descriptor_close(&daemonize_pipe);
	if (got == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

int daemonize_fd(void)
{
	return daemonize_pipe;
}

void daemonize_ready(void)
{
	/* A parent that is gone needs no word. */
	if (daemonize_pipe >= 0 && write(daemonize_pipe, "", 1) < 0 && errno != EPIPE)
		perror("knockd: cannot tell the parent of the start");
	daemonize_detach();
}

void daemonize_detach(void)
{
	if (daemonize_null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(daemonize_null, fd);
	descriptor_close(&daemonize_null);
	descriptor_close(&daemonize_pipe);
}
